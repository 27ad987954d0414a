"""Types are checked as strictly as was agreed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

STRICT = {"talkface.types", "talkface.errors", "talkface.config"} | {
    f"talkface.{room}.*" for room in ("audio", "geometry", "landmarks", "media")
}
ROOT = Path(__file__).resolve().parents[1]


def test_the_lower_floors_are_checked_with_every_flag_that_strict_means() -> None:
    pytest.importorskip("mypy")
    shown = subprocess.run([sys.executable, "-m", "mypy", "--help"], capture_output=True, text=True, check=True).stdout
    meaning = re.search(r"--strict\s+Strict mode; enables\s+the\s+following\s+flags:(.*?)\n  --", shown, re.DOTALL)
    assert meaning
    joined = re.sub(r"-\s+", "-", meaning[1])  # flags are broken at their dashes
    flags = {flag.replace("-", "_") for flag in re.findall(r"--([a-z-]+)", joined)}
    assert len(flags) > 10
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    strict = [part for part in settings["overrides"] if set(part["module"]) >= STRICT]
    assert len(strict) == 1
    on = {name for name, value in (settings | strict[0]).items() if value is True}
    assert flags <= on, flags - on
