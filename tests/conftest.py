"""Fixtures that every room's tests share; media are made here, not stored."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

CONFIG = tempfile.mkdtemp(prefix="talkface_test_config_")  # where certificates are made on first use
os.environ["XDG_CONFIG_HOME"] = CONFIG
atexit.register(shutil.rmtree, CONFIG, ignore_errors=True)
TESTS = Path(__file__).resolve().parent
SHARED_DATA = TESTS.parents[1] / "shared" / "data"
SLOW = {  # file or folder -> why it is not among the tests that `-m quick` takes
    "checkpoints/convert/test_vgg.py": "builds a network of the published size",
    "checkpoints/test_export.py": "exports networks and runs them",
    "checkpoints/test_fewshot.py": "builds the few-shot networks at the paper's size",
    "cli": "runs whole commands",
    "data/prepare": "encodes, decodes and tracks drawn videos",
    "data/test_archives.py": "prepares a corpus packed and unpacked",
    "data/test_clip_index.py": "trains on shards with and without a table",
    "data/test_folder.py": "encodes videos",
    "data/test_sources.py": "writes small corpora in every published layout",
    "evaluation": "encodes and measures videos",
    "flow": "goes through the whole chain",
    "fuzz": "reads thousands of damaged files",
    "golden": "runs the originals' networks at their full size",
    "inference/batch": "renders rows of a batch",
    "inference/test_heads.py": "makes minutes of head motion",
    "inference/test_maps.py": "encodes videos",
    "landmarks/test_detect.py": "searches large photos for faces",
    "media/mark": "encodes videos at many qualities and looks for the mark",
    "media/test_write.py": "encodes videos",
    "metrics/test_brought_networks.py": "builds networks of the published sizes",
    "metrics/test_made_video.py": "encodes and measures videos",
    "models/test_fewshot.py": "builds networks of the published sizes",
    "models/test_flow.py": "trains a network",
    "models/test_spade.py": "runs networks of the published sizes",
    "renderers/test_fewshot.py": "renders whole photos with few-shot networks",
    "renderers/test_vgnet.py": "renders sequences frame by frame and in blocks",
    "renderers/test_spade.py": "renders sequences frame by frame and in blocks",
    "scale": "starts processes that work for others",
    "serve": "starts servers and renders videos",
    "test_imports_quiet.py": "imports every module in a process of its own",
    "training": "trains networks",
}


def why_slow(path: Path) -> str | None:
    """Reason by which a test file or a folder of them is slow; None for quick ones."""
    place = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return next((why for slow, why in SLOW.items() if place == slow or place.startswith(f"{slow}/")), None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import slow files where only quick tests are wanted."""
    return True if config.getoption("markexpr") == "quick" and why_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test `slow`, with its reason, or `quick`."""
    for item in items:
        why = why_slow(item.path)
        if why is not None:
            item.add_marker(pytest.mark.slow(why))
        elif not any(item.get_closest_marker(name) for name in ("slow", "flow", "data")):
            item.add_marker(pytest.mark.quick)


@pytest.fixture(autouse=True)
def usual_scheduling() -> Iterator[None]:
    """ffmpeg's AV1 encoder makes root's process a real-time one, and with it all that is started later."""
    yield
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


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
