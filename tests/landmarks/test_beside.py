"""A detector in a process of its own answers as one here does, and its death costs time only."""

import multiprocessing
import sys
import time

import numpy as np
import pytest

from talkface.landmarks.detect import detector_beside, load_detector

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked on Linux only")


def test_it_finds_what_a_detector_here_finds(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    expected = load_detector("dlib").detect(astronaut)
    with detector_beside("dlib") as detector:
        assert detector is not None
        found = detector.detect(astronaut)
        assert len(found) == len(expected) == 1
        np.testing.assert_array_equal(found[0].landmarks, expected[0].landmarks)
        assert detector.boxes(astronaut)[0][0] == load_detector("dlib").boxes(astronaut)[0][0]
        with pytest.raises(AttributeError, match="shape"):
            detector.boxes(None)  # type: ignore[arg-type]
        (child,) = multiprocessing.active_children()
        child.kill()
        child.join()
        np.testing.assert_array_equal(detector.detect(astronaut)[0].landmarks, expected[0].landmarks)
    assert not multiprocessing.active_children()


def test_it_looks_at_photos_without_being_asked(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with detector_beside("dlib", lambda: [astronaut]) as detector:
        assert detector is not None
        detector.boxes(astronaut[:64, :64])  # answered after the photos
        start = time.perf_counter()
        found = detector.detect(astronaut)
        remembered = time.perf_counter() - start
        detector.detect(astronaut[:, ::-1])
        assert remembered < 0.5 * (time.perf_counter() - start - remembered)
    np.testing.assert_array_equal(found[0].landmarks, load_detector("dlib").detect(astronaut)[0].landmarks)


def test_there_is_none_where_it_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with detector_beside("face-alignment") as detector:
        assert detector is None
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with detector_beside("dlib") as detector:
        assert detector is None
