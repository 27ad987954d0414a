"""Video file or photo -> frames at 25 per second with one tracked face, and the crop in which two of them compare.

Rules for two videos that differ: both are resampled by time to 25 frames/s; what both cover is compared; a made video
of another size is resized to the real one where both show the face at the same place, else each is cropped around its
own face so that eyes and nose coincide.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, repeat
from pathlib import Path

import numpy as np

from talkface.errors import ConfigError, MediaError, NoFaceError
from talkface.evaluation.bench import Alignment, Bench
from talkface.geometry.affine import compose_affine, fit_similarity
from talkface.landmarks.detect import Detector, FaceTracker
from talkface.landmarks.face import Box, overlap
from talkface.landmarks.layout import STABLE
from talkface.media.read import probe_video, read_frames, read_photo
from talkface.media.speech import read_waveform
from talkface.media.write import VideoWriter
from talkface.metrics.image import FACE_CROP, crop_matrix
from talkface.metrics.lag import MIN_FRAMES
from talkface.types import DEFAULT_FPS, FloatArray, Image, Waveform

FPS: Fraction = DEFAULT_FPS  # every measure is taken at this rate


@dataclass(frozen=True)
class FootageSettings:
    """Rate and tolerance of compared videos."""

    # frames between two looks of the detector: a face that leaves is missed after at most so many
    confirm_every: int = 5
    same_aspect: float = 0.02  # relative difference of aspect ratios below which a video is resized, not re-framed
    same_place: float = 0.5  # overlap of the two faces' boxes above which both show the face at the same place


FOOTAGE = FootageSettings()


@dataclass(frozen=True)
class Footage:
    """One video, or a photo held still, with the landmarks of its face.

    Attributes:
        name: what tables call it.
        path: the video; None for a photo.
        photo: `[H, W, 3]` the photo; None for a video.
        landmarks: `[T, 68, 2]` pixels at 25 frames/s, NaN where no face was found.
        size: width, height in pixels.
        speech: its sound, 16 kHz; None where it has none.
        stored_fps: frames per second of the file.
    """

    name: str
    path: Path | None
    photo: Image | None = field(repr=False)
    landmarks: FloatArray = field(repr=False)
    size: tuple[int, int]
    speech: Waveform | None = field(repr=False, default=None)
    stored_fps: Fraction = FPS

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def duration_s(self) -> float:
        return len(self) / float(FPS)

    def frames(self) -> Iterator[Image]:
        """`[H, W, 3]` frames at 25 per second, as many as there are landmarks; may be called again."""
        if self.path is None:
            assert self.photo is not None
            yield from repeat(self.photo, len(self))
            return
        for (image, _), _ in zip(read_frames(self.path, FPS), range(len(self)), strict=False):
            yield image

    def seen(self) -> FloatArray:
        """Frames `[T]` (bool) with a face."""
        return np.isfinite(self.landmarks[:, 0, 0])


def load_footage(path: Path, bench: Bench, name: str = "") -> Footage:
    """Track the face of a video at 25 frames/s.

    Raises:
        MediaError: no video, or shorter than 8 frames.
        NoFaceError: fewer than 8 frames show a face.
    """
    info = probe_video(path)
    landmarks = _landmarks(path, bench, info.duration_s)
    if len(landmarks) < MIN_FRAMES:
        raise MediaError(f"{path} is {len(landmarks) / float(FPS):.2f} s long, expected at least 0.32 s to measure")
    if np.isfinite(landmarks[:, 0, 0]).sum() < MIN_FRAMES:
        raise NoFaceError(f"no face found in {path}: measuring needs a face that looks at the camera")
    speech = read_waveform(path) if info.has_sound else None
    return Footage(name or path.stem, path, None, landmarks, info.size, speech, info.fps)


def photo_footage(photo: Image, length: int, detector: Detector, name: str, origin: str) -> Footage:
    """A photo held still for `length` frames; the detector looks at it once, as it does at a video's frame.

    Raises:
        NoFaceError: no face in the photo; `origin` names it.
    """
    points = next(tracked([photo], detector))
    if not np.isfinite(points).all():
        raise NoFaceError(f"no face found in {origin}: give a photo whose face looks at the camera")
    size = (photo.shape[1], photo.shape[0])
    return Footage(name, None, photo, np.repeat(points[None], length, 0), size)


def load_photo_or_frame(photo: Path | None, real: Footage) -> tuple[Image, str]:
    """The given photo, or the real video's first frame with a face; and what to call it."""
    if photo is not None:
        return read_photo(photo), str(photo)
    first = int(np.argmax(real.seen()))
    return next(islice(real.frames(), first, None)), f"the first frames of {real.path}"


def reencode(real: Footage, out: Path, bench: Bench, name: str) -> Footage:
    """The real video through the encoder of made videos, and tracked again: what codec and detector alone change."""
    images = bench.track(real.frames(), len(real), f"encoding {real.name}")
    encode(out, real.size, images, comment="real video, re-encoded", synthetic=False)
    landmarks = _landmarks(out, bench, real.duration_s)
    return Footage(name, out, None, landmarks, probe_video(out).size, real.speech)


def encode(
    path: Path, size: tuple[int, int], images: Iterable[Image], comment: str = "", *, synthetic: bool = True
) -> None:
    """Write frames at 25 per second through the encoder of made videos; replaces a file that is there."""
    with VideoWriter(path, size, FPS, comment=comment, force=True, synthetic=synthetic) as writer:
        for image in images:
            writer.write(image)


def common_length(made: Footage, real: Footage) -> int:
    """Frames that both cover."""
    return min(len(made), len(real))


def compared_crops(
    made: Footage, real: Footage, alignment: Alignment = "auto"
) -> tuple[FloatArray, FloatArray, Alignment]:
    """Maps from pixels of both videos to one fixed square of 256 px around the face.

    The square's side is 1.6 times the landmarks' extent over the real clip: brow to chin with some forehead and neck.

    Args:
        made: what is judged.
        real: what it is judged by.
        alignment: `frame` resizes the made frame to the real one's size; `face` moves the made video by one similarity
            so that its median eyes and nose lie on the real one's; `auto` takes `frame` where the aspect ratios agree
            within 2 % and the median face boxes overlap by half, else `face`.

    Returns:
        `[2, 3]` for the made video, `[2, 3]` for the real one, and which alignment was taken.

    Raises:
        ConfigError: `frame` was asked for and the aspect ratios differ.
    """
    width, height = real.size
    to_crop, side = crop_matrix(real.landmarks, width, height, FACE_CROP.compared_factor)
    to_crop = to_crop * (FACE_CROP.compared_size / side)
    scale = np.array([width / made.size[0], height / made.size[1]])
    same_aspect = abs(scale[0] / scale[1] - 1) <= FOOTAGE.same_aspect
    if alignment == "frame" and not same_aspect:
        raise ConfigError(
            f"{made.name} is {made.size[0]}x{made.size[1]} and {real.name} {width}x{height}: frames of another shape "
            "cannot be compared pixel by pixel; use --align face"
        )
    ours, theirs = median_points(made.landmarks), median_points(real.landmarks)
    together = same_aspect and overlap(_box(ours * scale), _box(theirs)) >= FOOTAGE.same_place
    if alignment == "frame" or (alignment == "auto" and together):
        return compose_affine(to_crop, np.column_stack([np.diag(scale), np.zeros(2)])), to_crop, "frame"
    return compose_affine(to_crop, fit_similarity(ours[STABLE], theirs[STABLE])), to_crop, "face"


def median_points(landmarks: FloatArray) -> FloatArray:
    """`[68, 2]` median of each landmark over the frames with a face."""
    return np.asarray(np.median(landmarks[np.isfinite(landmarks[:, 0, 0])].astype(np.float64), axis=0))


def sound_of(footages: Sequence[Footage]) -> Waveform | None:
    """The first sound there is: a made video without one gets the real one's."""
    return next((each.speech for each in footages if each.speech is not None), None)


def tracked(images: Iterable[Image], detector: Detector, every: int = FOOTAGE.confirm_every) -> Iterator[FloatArray]:
    """Landmarks `[68, 2]` of one face in every image, NaN where it is not found; see `FaceTracker`."""
    tracker = FaceTracker(detector, every=every)
    for image in images:
        face = tracker.track(image)
        yield np.full((68, 2), np.nan, np.float32) if face is None else face.landmarks


def _landmarks(path: Path, bench: Bench, duration_s: float | None) -> FloatArray:
    count = None if duration_s is None else max(1, round(duration_s * FPS))
    images = (image for image, _ in bench.track(read_frames(path, FPS), count, f"tracking {path.name}"))
    return np.stack(list(tracked(images, bench.detector)))


def _box(points: FloatArray) -> Box:
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return float(left), float(top), float(right), float(bottom)
