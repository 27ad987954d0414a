"""Damaged files of every kind are read or refused in one line, whatever is wrong with them."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("h5py")

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_readers import READERS
from fuzz_run import make_seed, try_reader

COUNT = 200  # of each reader; `scripts/fuzz.sh` tries 10,000 in all, in processes with a limit of time


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_line(name: str, tmp_path: Path):
    seed = make_seed(name, tmp_path)
    faults = []
    for number in range(COUNT):
        outcome = try_reader(name, tmp_path, seed, number)
        if outcome.what not in ("ok", "refused"):
            faults.append(f"{number}: {outcome.what}\n{outcome.detail}")
    assert not faults, "\n".join(faults[:3])
