"""Lines that are no JSON are refused in one line, whatever is wrong with them."""

from pathlib import Path

import pytest

from talkface.errors import DatasetError
from talkface.evaluation.pair_manifest import read_pairs


@pytest.mark.parametrize("line", ['{"fake": ' + "9" * 5000 + "}", "[" * 100_000, '{"fake": "a.mp4"', "[]"])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(line)
    with pytest.raises(DatasetError, match=r"line 1 is not JSON|has no column fake"):
        read_pairs(tmp_path / "pairs.jsonl")
