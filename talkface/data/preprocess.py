"""Clip -> example: 25 fps face crops, their landmarks and 16 kHz sound, or the reason why not."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from talkface.audio.io import read_waveform
from talkface.data.sync import SpeechOffset, measure_offset, shift_samples
from talkface.errors import MediaError
from talkface.landmarks.detect import Detector, FaceTracker, fraction_outside
from talkface.landmarks.face import box_of_landmarks, cut_patch, overlap
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, Clip, FloatArray, Image
from talkface.video.photo import read_photo
from talkface.video.read import read_frames

SAMPLES_PER_FRAME = int(SAMPLE_RATE / DEFAULT_FPS)
CROP_FOLLOW = 0.2  # share of the way that the crop goes towards the face in each frame
CUT_OVERLAP = 0.35  # boxes of neighbouring frames that overlap less belong to two scenes
CUT_DIFFERENCE = 45.0  # mean change in grey levels of the 16x16 crop above which the scene was cut
CUT_OFF = 0.12  # share of landmarks beyond the border from which a face counts as cut off


@dataclass(frozen=True)
class PreprocessConfig:
    """What `talkface prepare` may be told."""

    size: int = 256  # side of the face crop in pixels
    side: float = 1.9  # side of the crop over the side of the detector's box
    quality: int = 94  # of the JPEGs, whose colour is not subsampled: lips are small and red
    every: int = 4  # frames between two looks of the detector
    min_frames: int = 15  # shortest stretch with a face
    min_face: int = 48  # px, side of the smallest box
    min_photos: int = 2  # photos that a person's silent clip needs
    sync: str = "correct"  # correct | drop | keep: what to do with sound that is off by more than a frame
    doubt: float = 0.15  # probability of being within one frame above which sound is left alone
    min_confidence: float = 0.6  # of an offset that is to be corrected; below it the clip is silent for training
    backend: str = "dlib"  # landmarks: dlib | face-alignment


class Refusal(Exception):
    """A clip that cannot be used; `reason` is what the table counts."""

    def __init__(self, reason: str, detail: str, source_frames: int = 0) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.source_frames = source_frames


@dataclass(frozen=True)
class Example:
    """A prepared clip in memory.

    Attributes:
        landmarks: `[T, 68, 2]` float32, crop pixels.
        crops: `[T, 2, 3]` float32 affine maps original -> crop.
        jpegs: the T encoded crops.
        samples: 16 kHz float32 sound of T frames, or None.
        offset: measured sound-picture offset, or None.
        applied: frames by which the sound was moved.
        speech: sound is usable for training.
        fps: 25, or 0 for photos.
        first_frame: of the used stretch, counted at 25 fps from the start of the file.
        source_frames: frames looked at.
    """

    landmarks: FloatArray
    crops: FloatArray
    jpegs: list[bytes] = field(repr=False)
    samples: FloatArray | None
    offset: SpeechOffset | None
    applied: float
    speech: bool
    fps: float
    first_frame: int
    source_frames: int


@dataclass
class _Track:
    """Frames seen so far; a frame without a face holds None."""

    points: list[FloatArray | None] = field(default_factory=list)
    crops: list[FloatArray] = field(default_factory=list)
    jpegs: list[bytes] = field(default_factory=list)
    breaks: list[int] = field(default_factory=lambda: [0])


def preprocess(clip: Clip, config: PreprocessConfig, detector: Detector) -> Example:
    """Prepare one clip.

    Of a video the longest stretch is kept in which one face is seen without a cut.

    Raises:
        Refusal: unreadable, no face, face too small or cut off, too short.
    """
    photos = clip.info.get("photos")
    if isinstance(photos, list):
        return _from_photos([Path(name) for name in photos], config, detector)
    track = _follow(clip.video, config, detector)
    start, end = _longest_stretch(track, config)
    points = np.stack([p for p in track.points[start:end] if p is not None])
    crops = np.stack(track.crops[start:end])
    offset, samples, applied, speech = None, _sound(clip.audio, start, end - start), 0.0, False
    if samples is not None:
        offset = measure_offset(samples, points)
        samples, applied, speech = _synchronise(clip.audio, start, end - start, samples, offset, config)
    return Example(
        landmarks=_into(points, crops),
        crops=crops.astype(np.float32),
        jpegs=track.jpegs[start:end],
        samples=samples,
        offset=offset,
        applied=applied,
        speech=speech,
        fps=float(DEFAULT_FPS),
        first_frame=start,
        source_frames=len(track.points),
    )


def members(clip: Clip, example: Example) -> dict[str, bytes]:
    """The files of a sample: JSON, arrays and joined JPEGs."""
    ends = np.cumsum([0, *(len(jpeg) for jpeg in example.jpegs)])
    header = {
        "speaker": clip.speaker,
        "split": clip.split,
        "transcript": clip.transcript,
        **{name: value for name, value in clip.info.items() if name != "photos"},
        "num_frames": len(example.landmarks),
        "fps": example.fps,
        "first_frame": example.first_frame,
        "has_audio": example.samples is not None,
        "speech": example.speech,
        "sync_lag": example.offset.lag if example.offset else None,
        "sync_confidence": example.offset.confidence if example.offset else 0.0,
        "sync_applied": example.applied,
        "image_offsets": ends.tolist(),
    }
    files = {
        "json": json.dumps(header, ensure_ascii=False).encode(),
        "landmarks.npy": _npy(example.landmarks),
        "crops.npy": _npy(example.crops),
    }
    if example.samples is not None:
        files["audio.npy"] = _npy(np.round(np.clip(example.samples, -1, 1) * 32767).astype(np.int16))
    files["mjpeg"] = b"".join(example.jpegs)
    return files


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _follow(video: Path, config: PreprocessConfig, detector: Detector) -> _Track:
    """Track the face through the whole video; only the encoded crops stay in memory."""
    tracker = FaceTracker(detector, config.every)
    track = _Track()
    window: FloatArray | None = None  # centre x, centre y, side of the crop
    last_box, last_look = None, None
    for image in _images(video):
        face = tracker.track(image)
        if face is None:
            _add(track, None, np.zeros((2, 3)), b"")
            window, last_box, last_look = None, None, None
            continue
        box, _ = box_of_landmarks(face.landmarks)
        goal = np.array([0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3]), config.side * (box[2] - box[0])])
        cut = last_box is not None and overlap(box, last_box) < CUT_OVERLAP
        window = goal if window is None or cut else window + CROP_FOLLOW * (goal - window)
        matrix, crop = _crop(image, window, config.size)
        look = cv2.resize(crop, (16, 16), interpolation=cv2.INTER_AREA).mean(-1)
        if cut or (last_look is not None and np.abs(look - last_look).mean() > CUT_DIFFERENCE):
            track.breaks.append(len(track.points))
        last_box, last_look = box, look
        _add(track, face.landmarks, matrix, _jpeg(crop, config.quality))
    return track


def _add(track: _Track, points: FloatArray | None, matrix: FloatArray, jpeg: bytes) -> None:
    track.points.append(points)
    track.crops.append(matrix)
    track.jpegs.append(jpeg)


def _images(video: Path) -> Iterator[Image]:
    frames = 0
    try:
        for image, _ in read_frames(video, Fraction(DEFAULT_FPS)):
            frames += 1
            yield image
    except MediaError as error:
        raise Refusal("unreadable", str(error), frames) from error


def _crop(image: Image, window: FloatArray, size: int) -> tuple[FloatArray, Image]:
    """`[2, 3]` map to the crop, and the crop, of the square `window` (centre x, centre y, side)."""
    scale = size / window[2]
    matrix = np.array([[scale, 0, size / 2 - scale * window[0]], [0, scale, size / 2 - scale * window[1]]])
    return matrix, cut_patch(image, matrix, size)


def _jpeg(image: Image, quality: int) -> bytes:
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality, *full_colour])[1])


def _longest_stretch(track: _Track, config: PreprocessConfig) -> tuple[int, int]:
    """First and last + 1 frame of the longest run with one face and no cut."""
    total = len(track.points)
    found = sum(points is not None for points in track.points)
    if not found:
        raise Refusal("no face", f"no face in {total} frames", total)
    runs, start = [], None
    for index in range(total + 1):
        present = index < total and track.points[index] is not None
        if start is not None and (not present or index in track.breaks):
            runs.append((start, index))
            start = None
        if present and start is None:
            start = index
    best = max(runs, key=lambda run: run[1] - run[0])
    if best[1] - best[0] < config.min_frames:
        raise Refusal("too short", f"{best[1] - best[0]} frames with a face, needs {config.min_frames}", total)
    _check_size(np.stack([p for p in track.points[best[0] : best[1]] if p is not None]), config, total)
    return best


def _check_size(points: FloatArray, config: PreprocessConfig, source_frames: int) -> None:
    widths = [box[2] - box[0] for box, _ in map(box_of_landmarks, points)]
    if np.median(widths) < config.min_face:
        raise Refusal("face too small", f"{np.median(widths):.0f} px, needs {config.min_face}", source_frames)


def _into(points: FloatArray, crops: FloatArray) -> FloatArray:
    """Landmarks of the original frames -> of the crops."""
    moved = np.einsum("tij,tnj->tni", crops[:, :, :2], points) + crops[:, None, :, 2]
    return moved.astype(np.float32)


def _sound(path: Path, first_frame: int, count: int, shift: float = 0.0) -> FloatArray | None:
    """Sound of `count` frames, or None where the file has none; `shift` frames are added to its clock."""
    try:
        samples = read_waveform(path).samples
    except MediaError:
        return None
    return shift_samples(samples, round((first_frame - shift) * SAMPLES_PER_FRAME), count * SAMPLES_PER_FRAME)


def _synchronise(
    audio: Path,
    first_frame: int,
    count: int,
    samples: FloatArray,
    offset: SpeechOffset | None,
    config: PreprocessConfig,
) -> tuple[FloatArray, float, bool]:
    """Sound, frames it was moved by, and whether it may be learnt from.

    A short clip's offset is known to about a frame only, so sound that may well be in time is left alone.
    """
    if offset is None or config.sync == "keep":
        return samples, 0.0, config.sync == "keep"
    if offset.in_sync >= config.doubt:
        return samples, 0.0, True
    if config.sync == "correct" and offset.confidence >= config.min_confidence:
        moved = _sound(audio, first_frame, count, offset.lag)
        assert moved is not None
        return moved, offset.lag, True
    return samples, 0.0, False


def _from_photos(paths: list[Path], config: PreprocessConfig, detector: Detector) -> Example:
    """Photos of one person as a silent clip; photos without a usable face are left out."""
    points, crops, jpegs = [], [], []
    for path in paths:
        try:
            image = read_photo(path)
        except MediaError:
            continue
        faces = detector.detect(image)
        if not faces or fraction_outside(faces[0].landmarks, image) > CUT_OFF or faces[0].width < config.min_face:
            continue
        box, _ = box_of_landmarks(faces[0].landmarks)
        window = np.array([0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3]), config.side * (box[2] - box[0])])
        matrix, crop = _crop(image, window, config.size)
        points.append(faces[0].landmarks)
        crops.append(matrix)
        jpegs.append(_jpeg(crop, config.quality))
    if len(points) < config.min_photos:
        raise Refusal("too few photos", f"{len(points)} of {len(paths)} photos show a usable face", len(paths))
    landmarks = _into(np.stack(points), np.stack(crops))
    return Example(landmarks, np.stack(crops).astype(np.float32), jpegs, None, None, 0.0, False, 0.0, 0, len(paths))
