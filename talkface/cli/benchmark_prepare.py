"""`talkface benchmark prepare CLIP...` -> frames per second of preparing, beside full-size detection in every frame."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from talkface.cli.options import with_options
from talkface.cli.score_output import set_threads
from talkface.errors import DatasetError
from talkface.options import Options, option

if TYPE_CHECKING:
    from talkface.data.prepare.preprocess import PreprocessConfig
    from talkface.landmarks.face import Detector
    from talkface.types import Image


@dataclass(frozen=True)
class ClipSpeed:
    """One clip, both ways.

    Attributes:
        name: file name.
        size: width, height.
        frames: at 25 fps.
        tracked_s: processor seconds of `prepare`'s way.
        detected_s: processor seconds of detection in every frame.
    """

    name: str
    size: tuple[int, int]
    frames: int
    tracked_s: float
    detected_s: float

    @property
    def ratio(self) -> float:
        return self.detected_s / self.tracked_s


@dataclass(frozen=True, kw_only=True)
class PrepareBenchmarkOptions(Options):
    """Options of `benchmark prepare`."""

    frames: int = option(75, "Frames of each clip.", low=2)
    starts: int = option(4, "Boxes that landmarks are averaged over; the plain way has one.", low=1, high=9)
    upsample: int = option(1, "Doublings before plain detection; ATVGnet doubles once.", low=0, high=2)


@with_options(PrepareBenchmarkOptions)
def benchmark_prepare(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP...", help="Videos, or folders of videos.")],
    *,
    options: PrepareBenchmarkOptions,
) -> None:
    """Time preparing on one core: frames per second of `prepare`, beside dlib on every frame.

    Both decode at 25 frames per second, find 68 landmarks and cut, align and encode the crop of every frame, with the
    same dlib detector and predictor; the plain way runs the detector on every frame at its full size. Processor time is
    counted, so other work on the machine changes little. Exit code 1 when preparing is less than 4 times as fast.
    """
    from talkface.data.prepare.preprocess import PreprocessConfig

    set_threads(1)
    config, frames, upsample = PreprocessConfig(starts=options.starts), options.frames, options.upsample
    speeds = [measure_clip(path, frames, config, upsample) for path in find_videos(clips)]
    table = Table(
        title=f"frames/s on one core: prepare with {options.starts} starts, dlib(frame, {upsample}) every frame",
        title_justify="left",
        header_style="bold",
    )
    for heading in ("clip", "size", "frames", "prepare", "plain", "times"):
        table.add_column(heading, justify="left" if heading == "clip" else "right")
    for speed in [*speeds, total_speed(speeds)]:
        width, height = speed.size
        size = f"{width}x{height}" if width else ""
        ours, theirs = speed.frames / speed.tracked_s, speed.frames / speed.detected_s
        table.add_row(speed.name, size, str(speed.frames), f"{ours:.1f}", f"{theirs:.1f}", f"{speed.ratio:.1f}")
    Console().print(table)
    target = 4.0  # times the frames per second of detecting and aligning every frame at full size
    passed = total_speed(speeds).ratio >= target
    print(f"target: at least {target:g} times: {'pass' if passed else 'FAIL'}")
    if not passed:
        raise typer.Exit(1)


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """Files as given, folders as the videos in them.

    Raises:
        DatasetError: a path that is neither, or no video at all.
    """
    from talkface.data.sources.tree import VIDEO_SUFFIXES, files

    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DatasetError(f"no file or folder {path}: give videos, or a folder of videos")
        found += files(path, VIDEO_SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise DatasetError("no video in what was given: give videos, or a folder of videos")
    return found


def total_speed(speeds: list[ClipSpeed]) -> ClipSpeed:
    """All clips together."""
    return ClipSpeed(
        "all",
        (0, 0),
        sum(speed.frames for speed in speeds),
        sum(speed.tracked_s for speed in speeds),
        sum(speed.detected_s for speed in speeds),
    )


def measure_clip(path: Path, frames: int, config: "PreprocessConfig", upsample: int) -> ClipSpeed:
    """Time both ways on the first `frames` frames of one clip; `upsample` doublings before plain detection.

    Raises:
        MediaError: unreadable.
    """
    from talkface.data.prepare.preprocess import follow_face
    from talkface.data.prepare.run import load_workers_detector
    from talkface.media.read import probe_video, read_frames
    from talkface.types import DEFAULT_FPS

    def images() -> "Iterable[Image]":
        return (image for image, _ in islice(read_frames(path, Fraction(DEFAULT_FPS)), frames))

    detector = load_workers_detector(config.backend, config.starts)
    _load_models(detector)
    tracked_s, count = _seconds(lambda: len(follow_face(images(), config, detector).points))
    detected_s, _ = _seconds(lambda: sum(_plain(image, config, upsample) for image in images()))
    return ClipSpeed(path.name, probe_video(path).size, count, tracked_s, detected_s)


def _seconds(work: Callable[[], int]) -> tuple[float, int]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _load_models(detector: "Detector") -> None:
    """Load dlib's models, which take seconds once."""
    import numpy as np

    from talkface.landmarks.dlib_backend import shape_predictor

    detector.boxes(np.zeros((64, 64, 3), np.uint8), "video")
    hog_detector()
    shape_predictor()


def _plain(image: "Image", config: "PreprocessConfig", upsample: int) -> bool:
    """The plain way with one frame: dlib's detector on all of it, 68 points of the largest face, crop and JPEG.

    Returns whether there was a face.
    """
    import numpy as np

    from talkface.data.prepare.crops import load_cropper
    from talkface.data.prepare.preprocess import encode_jpeg
    from talkface.geometry.resample import cut_patch
    from talkface.landmarks.dlib_backend import shape_predictor
    from talkface.landmarks.face import box_of_landmarks

    boxes, predictor = hog_detector()(image, upsample), shape_predictor()
    if len(boxes):
        points = predictor(image, max(boxes, key=lambda box: box.width()))
        landmarks = np.array([(point.x, point.y) for point in points.parts()], np.float64)
        frame_size = (image.shape[1], image.shape[0])
        matrix = load_cropper(config.crop, config.size, config.side).place(
            landmarks, box_of_landmarks(landmarks)[0], frame_size, jump=True
        )
        encode_jpeg(cut_patch(image, matrix, config.size), config.quality)
    return len(boxes) > 0


@cache
def hog_detector() -> Any:
    """dlib's frontal face detector, as `prepare` uses it."""
    import dlib

    return dlib.get_frontal_face_detector()
