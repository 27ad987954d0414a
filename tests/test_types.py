"""Types are checked as strictly as was agreed, and what flows refuses arrays of another shape or type."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_types_are_checked_strictly_everywhere() -> None:
    """What is loosened is the package's own only where a network is called, whose result torch declares as Any."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"] is True
    assert [table for table in settings["overrides"] if table["module"].startswith("talkface")] == [
        {"module": "talkface.models.*", "warn_return_any": False}
    ]


REFUSED = """
import numpy as np
from talkface.types import HeadPose, LandmarkSequence, Shot, Waveform
print(__debug__)
picture = np.zeros((9, 9, 3), np.uint8)
for make, said in (
    (lambda: Waveform(np.zeros((2, 5), np.float32)), "invalid samples of shape [2, 5], float32: expected [S] float32"),
    (lambda: Waveform(np.zeros(5, np.int16)), "int16: expected [S] float32"),
    (lambda: Waveform(np.zeros(5, np.float32), 0), "invalid rate 0"),
    (lambda: LandmarkSequence(np.zeros((5, 67, 2))), "expected [T, 68, 2]"),
    (lambda: HeadPose(np.zeros((5, 2)), np.zeros((5, 2))), "invalid rotation"),
    (lambda: HeadPose(np.zeros((5, 3)), np.zeros((4, 2))), "invalid translation"),
    (lambda: Shot(picture[..., 0], np.zeros((68, 2))), "invalid image"),
    (lambda: Shot(picture, np.zeros((5, 2))), "invalid landmarks"),
):
    try:
        make()
    except ValueError as error:
        if said in str(error):
            continue
    raise SystemExit(said)
Waveform(np.zeros(5, np.float32))
"""


@pytest.mark.parametrize("flags", [[], ["-O"]], ids=["plain", "without assertions"])
def test_arrays_of_another_shape_are_refused(flags: list[str]) -> None:
    ran = subprocess.run([sys.executable, *flags, "-c", REFUSED], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(not flags)]
