"""Importing any module of the package prints nothing, warns of nothing and reaches for no GPU."""

import os
import pkgutil
import subprocess
import sys

import talkface


def test_importing_every_module_prints_nothing():
    names = [info.name for info in pkgutil.walk_packages(talkface.__path__, "talkface.")]
    names = [name for name in names if not name.endswith("__main__")]
    assert len(names) > 10
    program = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
