"""Task of a batch -> the seconds that it may take before its process is ended."""

from pathlib import Path

from talkface.inference.batch.tasks import EnrollTask, RenderTask, SpeechTask, Task
from talkface.scale.storage import is_url
from talkface.types import LandmarkSequence


def seconds_for(task: Task, given: float | None = None) -> float:
    """Time limit of a task: what the user gave (0: none), or a generous one that grows with the length of the video."""
    if given is not None:
        return given
    per_second = 120.0  # seconds of rendering per second of video: 25 frames of 8K on one slow core
    least_s = 900.0  # for opening files, loading networks and looking for faces on a busy machine
    if isinstance(task, RenderTask):
        return least_s + per_second * _video_seconds(task)
    least_bytes_per_second = 1000  # of speech: 8 kbit/s
    if isinstance(task, SpeechTask):
        return least_s + _size(task.speech) / least_bytes_per_second
    assert isinstance(task, EnrollTask), type(task)
    return least_s


def _video_seconds(task: RenderTask) -> float:
    if task.tracked is not None:
        return task.tracked.sound.duration_s
    driving = task.row.options.landmarks
    if isinstance(driving, LandmarkSequence):
        return float(len(driving) / driving.fps)
    landmark_bytes_per_frame = 544  # 68 points of two float32
    return _size(str(driving)) / landmark_bytes_per_frame / float(task.row.options.fps)


def _size(source: str) -> float:
    """Bytes of a local file; one elsewhere counts nothing, and is brought here within the least time."""
    path = Path(source)
    return 0.0 if is_url(source) or not path.is_file() else float(path.stat().st_size)
