"""Clip -> example: 25 fps face crops, their landmarks and 16 kHz sound, or the reason why not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from talkface.data.interop.importers import ARRAY_SUFFIXES, read_landmarks
from talkface.data.prepare.crops import load_cropper
from talkface.data.prepare.example import Example
from talkface.data.prepare.frames import Refusal, chosen_frames, chosen_photos
from talkface.data.prepare.sync import SpeechOffset, measure_offset, shift_samples
from talkface.errors import ConfigError, DatasetError, MediaError
from talkface.geometry.resample import cut_patch
from talkface.landmarks.detect import Detector, FaceTracker, fraction_outside
from talkface.landmarks.face import box_of_landmarks, overlap
from talkface.media.photo import read_photo
from talkface.media.speech import read_waveform
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, Clip, FloatArray, Image

SAMPLES_PER_FRAME = int(SAMPLE_RATE / DEFAULT_FPS)


@dataclass(frozen=True)
class PreprocessLimits:
    """Cuts, strangers and frames at the border while clips are prepared."""

    cut_overlap: float = 0.35  # boxes of neighbouring frames that overlap less belong to two scenes
    cut_difference: float = 45.0  # mean change in grey levels of the 16x16 crop above which the scene was cut
    look_around: int = 25  # frames between two looks for other people
    other_face: float = 0.5  # width over the largest face's, from which another one counts
    cut_off: float = 0.12  # share of landmarks beyond the border from which a face counts as cut off


LIMITS = PreprocessLimits()


@dataclass(frozen=True)
class PreprocessConfig:
    """Settings of `talkface prepare`."""

    size: int = 256  # side of the face crop in pixels
    side: float = 1.9  # side of the crop over the side of the detector's box
    quality: int = 94  # of the JPEGs, whose colour is not subsampled: lips are small and red
    every: int = 4  # frames between two looks of the detector
    # boxes per frame that dlib's landmarks are averaged over, each a tenth of a frame's time; distance from the mean
    # over 30 boxes and jitter, thousandths of the eye distance (12 clips, 1,119 frames): 6.0 and 9.9 with one box,
    # 2.7 and 8.4 with 4, 2.5 and 8.3 with 5, 1.8 and 8.0 with 9
    starts: int = 4
    min_frames: int = 15  # shortest stretch with a face
    min_face: int = 48  # px, side of the smallest box
    min_photos: int = 2  # photos that a person's silent clip needs
    sync: str = "correct"  # correct | drop | keep: what to do with sound that is off by more than a frame
    doubt: float = 0.15  # probability of being within one frame above which sound is left alone
    min_confidence: float = 0.6  # of an offset that is to be corrected; below it the clip is silent for training
    backend: str = "dlib"  # landmarks: dlib | face-alignment
    crop: str = "face"  # face | fsth | atvg, see data/crops.py; `side` is of `face`
    step: int = 1  # take every step-th frame, at 25 / step per second; no clip is used for speech then
    num_frames: int = 0  # take so many frames of each clip, evenly spaced, without sound; 0 takes all
    min_sharpness: float = 0.0  # of the face, see data/prepare/quality.py: blurred clips are refused
    max_turn: float = 180.0  # degrees away from the camera, the median over frames
    max_sync_p: float = 1.0  # probability that a foreign sound fits as well, above which a clip is silent for training
    several_faces: str = "largest"  # largest: follow the largest face | refuse: clips with more people in view


def check_config(config: PreprocessConfig) -> None:
    """Refuse settings that no clip could be prepared with.

    Raises:
        ConfigError: the first wrong one, by name.
    """
    load_cropper(config.crop, config.size, config.side)
    for name, known in (("sync", ("correct", "drop", "keep")), ("several_faces", ("largest", "refuse"))):
        if getattr(config, name) not in known:
            raise ConfigError(f"invalid preprocess.{name} {getattr(config, name)!r}: expected {' or '.join(known)}")
    for name, least in (("size", 16), ("every", 1), ("starts", 1), ("step", 1), ("num_frames", 0)):
        if getattr(config, name) < least:
            raise ConfigError(f"invalid preprocess.{name} {getattr(config, name)}: expected at least {least}")
    if config.step > 1 and config.num_frames:
        raise ConfigError("preprocess.step and preprocess.num_frames exclude each other: set one of them")


@dataclass
class Track:
    """Frames seen so far; a frame without a face holds None."""

    points: list[FloatArray | None] = field(default_factory=list)
    crops: list[FloatArray] = field(default_factory=list)
    jpegs: list[bytes] = field(default_factory=list)
    breaks: list[int] = field(default_factory=lambda: [0])
    looks: int = 0
    crowded: int = 0


def preprocess(clip: Clip, config: PreprocessConfig, detector: Detector) -> Example:
    """Prepare one clip.

    Of a video the longest stretch is kept in which one face is seen without a cut.

    Raises:
        Refusal: unreadable, no face, face too small or cut off, too short.
    """
    if clip.video.suffix.lower() in ARRAY_SUFFIXES:
        return _from_array(clip, config)
    photos = clip.info.get("photos")
    if isinstance(photos, list):
        return _from_photos([Path(name) for name in photos], config, detector)
    track = follow_face(chosen_frames(clip.video, config.step, config.num_frames), config, detector)
    if config.num_frames:
        return _scattered(track, config)
    start, end = _longest_stretch(track, config)
    points = np.stack([p for p in track.points[start:end] if p is not None])
    crops = np.stack(track.crops[start:end])
    first, count = start * config.step, (end - start) * config.step
    samples, offset, applied, speech = _sound(clip.audio, first, count), None, 0.0, False
    if samples is not None and config.step == 1:
        offset = measure_offset(samples, points)
        samples, applied, speech = _synchronise(clip.audio, first, count, samples, offset, config)
    return Example(
        landmarks=_into(points, crops),
        crops=crops.astype(np.float32),
        jpegs=track.jpegs[start:end],
        samples=samples,
        offset=offset,
        applied=applied,
        speech=speech,
        fps=float(DEFAULT_FPS) / config.step,
        first_frame=first,
        source_frames=len(track.points),
    )


def follow_face(images: Iterable[Image], config: PreprocessConfig, detector: Detector) -> Track:
    """Track the face through a video's chosen frames; only the encoded crops stay in memory.

    Raises:
        Refusal: several faces, where those are refused.
    """
    spread = config.num_frames > 0  # then frames do not follow on each other
    tracker = FaceTracker(detector, 1 if spread else max(1, config.every // config.step))
    cropper = load_cropper(config.crop, config.size, config.side)
    track = Track()
    last_box, last_look = None, None
    for image in images:
        if config.several_faces == "refuse" and (spread or len(track.points) * config.step % LIMITS.look_around == 0):
            track.looks += 1
            track.crowded += _is_crowd(image, detector)
        face = tracker.track(image)
        if face is None:
            _add(track, None, np.zeros((2, 3)), b"")
            last_box, last_look = None, None
            continue
        box, _ = box_of_landmarks(face.landmarks)
        cut = last_box is not None and overlap(box, last_box) < LIMITS.cut_overlap
        size = (image.shape[1], image.shape[0])
        matrix = cropper.place(face.landmarks, box, size, jump=cut or spread or last_box is None)
        crop = cut_patch(image, matrix, config.size)
        look = cv2.resize(crop, (16, 16), interpolation=cv2.INTER_AREA).mean(-1)
        if cut or (last_look is not None and np.abs(look - last_look).mean() > LIMITS.cut_difference):
            track.breaks.append(len(track.points))
        last_box, last_look = box, look
        _add(track, face.landmarks, matrix, encode_jpeg(crop, config.quality))
    if track.crowded > track.looks / 2:
        seen = f"more than one face in {track.crowded} of {track.looks} frames looked at"
        raise Refusal("several faces", seen, len(track.points))
    return track


def _is_crowd(image: Image, detector: Detector) -> bool:
    """Whether a second face is at least half as wide as the largest."""
    widths = sorted((box[2] - box[0] for box, _ in detector.boxes(image, "video")), reverse=True)
    return len(widths) > 1 and widths[1] >= LIMITS.other_face * widths[0]


def _add(track: Track, points: FloatArray | None, matrix: FloatArray, jpeg: bytes) -> None:
    track.points.append(points)
    track.crops.append(matrix)
    track.jpegs.append(jpeg)


def encode_jpeg(image: Image, quality: int) -> bytes:
    """JPEG with whole colour."""
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality, *full_colour])[1])


def _longest_stretch(track: Track, config: PreprocessConfig) -> tuple[int, int]:
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
    least = -(-config.min_frames // config.step)
    if best[1] - best[0] < least:
        raise Refusal("too short", f"{best[1] - best[0]} frames with a face, needs {least}", total)
    _check_size(np.stack([p for p in track.points[best[0] : best[1]] if p is not None]), config, total)
    return best


def _check_size(points: FloatArray, config: PreprocessConfig, source_frames: int) -> None:
    widths = [box[2] - box[0] for box, _ in map(box_of_landmarks, points)]
    if np.median(widths) < config.min_face:
        raise Refusal("face too small", f"{np.median(widths):.0f} px, needs {config.min_face}", source_frames)


def _into(points: FloatArray, crops: FloatArray) -> FloatArray:
    """Landmarks of the original frames -> of the crops."""
    moved = np.einsum("tij,tnj->tni", crops[:, :, :2], points) + crops[:, None, :, 2]
    return np.asarray(moved, np.float32)


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


def _scattered(track: Track, config: PreprocessConfig) -> Example:
    """Frames spread over a video, as if they were photos: those without a face are left out."""
    kept = [index for index, points in enumerate(track.points) if points is not None]
    total = len(track.points)
    if len(kept) < min(config.min_photos, config.num_frames):
        raise Refusal("no face", f"{len(kept)} of {total} frames show a face, needs {config.min_photos}", total)
    points = np.stack([p for p in track.points if p is not None])
    _check_size(points, config, total)
    crops, jpegs = np.stack([track.crops[i] for i in kept]), [track.jpegs[i] for i in kept]
    return _silent(_into(points, crops), crops, jpegs, total)


def _from_photos(paths: list[Path], config: PreprocessConfig, detector: Detector) -> Example:
    """Photos of one person as a silent clip; photos without a usable face are left out."""
    points, crops, jpegs = [], [], []
    cropper = load_cropper(config.crop, config.size, config.side)
    chosen = chosen_photos(paths, config.step, config.num_frames)
    for path in chosen:
        try:
            image = read_photo(path)
        except MediaError:
            continue
        faces = detector.detect(image)
        if (
            not faces
            or fraction_outside(faces[0].landmarks, image) > LIMITS.cut_off
            or faces[0].width < config.min_face
        ):
            continue
        box, _ = box_of_landmarks(faces[0].landmarks)
        matrix = cropper.place(faces[0].landmarks, box, (image.shape[1], image.shape[0]), jump=True)
        points.append(faces[0].landmarks)
        crops.append(matrix)
        jpegs.append(encode_jpeg(cut_patch(image, matrix, config.size), config.quality))
    if len(points) < config.min_photos:
        raise Refusal("too few photos", f"{len(points)} of {len(chosen)} photos show a usable face", len(chosen))
    return _silent(_into(np.stack(points), np.stack(crops)), np.stack(crops), jpegs, len(chosen))


def _from_array(clip: Clip, config: PreprocessConfig) -> Example:
    """Landmarks that an earlier system left, at 25 fps, with their sound where it has a file; no pictures."""
    row = clip.info.get("row")
    try:
        points = read_landmarks(clip.video, int(str(row)) if row is not None else None)
    except DatasetError as error:
        raise Refusal("no landmarks", str(error)) from error
    count = len(points)
    if count < config.min_frames:
        raise Refusal("too short", f"{count} frames, needs {config.min_frames}", count)
    samples = None if clip.audio == clip.video else _sound(clip.audio, 0, count)
    offset, applied, speech = None, 0.0, False
    if samples is not None:
        offset = measure_offset(samples, points)
        samples, applied, speech = _synchronise(clip.audio, 0, count, samples, offset, config)
    crops = np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1))
    return Example(points, crops, [], samples, offset, applied, speech, float(DEFAULT_FPS), 0, count)


def _silent(landmarks: FloatArray, crops: FloatArray, jpegs: list[bytes], source_frames: int) -> Example:
    return Example(landmarks, crops.astype(np.float32), jpegs, None, None, 0.0, False, 0.0, 0, source_frames)
