"""Fixtures that every room's tests share; media are made here, not stored."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

CONFIG = tempfile.mkdtemp(prefix="talkface_test_config_")  # where certificates are made on first use
os.environ["XDG_CONFIG_HOME"] = CONFIG
atexit.register(shutil.rmtree, CONFIG, ignore_errors=True)
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real clips and portraits; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA


@pytest.fixture(scope="session")
def shared_bugs() -> Path:
    """Folder of inputs that once failed; the test is skipped where it is absent."""
    folder = SHARED_DATA.parent / "bugs"
    if not folder.is_dir():
        pytest.skip("needs ../shared/bugs")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """NASA portrait that scikit-image carries, `[512, 512, 3]` RGB uint8."""
    return np.asarray(pytest.importorskip("skimage.data").astronaut())
