"""Photos, a folder or a video -> shots of one person, the first of them the canvas."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union

import numpy as np
from PIL import Image as Pillow

from talkface.checkpoints.format import SUFFIX
from talkface.errors import ConfigError, MediaError, NoFaceError
from talkface.landmarks.detect import Detector, Face, detect_any_rotation
from talkface.landmarks.layout import interocular, mouth_opening
from talkface.landmarks.suitability import ADVICE, unsuited
from talkface.media.photo import PHOTO_SUFFIXES, is_hdr_photo, is_photo, read_photo, to_rgb
from talkface.types import Image, Shot

if TYPE_CHECKING:
    from talkface.checkpoints.identity import StoredIdentity

PhotoSource = Union[str, Path, Image, Pillow.Image, "StoredIdentity"]
"""A path; `[H, W, 3]` RGB or `[H, W]` grey uint8; an image that Pillow opened; or an identity."""


@dataclass(frozen=True)
class PhotoSettings:
    """Which faces are refused or remarked on, and how many frames of a video stand for its person."""

    smallest: float = 14.0  # pixels between the outer eye corners, of a face about 30 pixels wide
    low_detail: float = 40.0  # below it the mouth has too few pixels for teeth
    unsure: float = 0.4  # score of a drawing or a turned head that a detector takes for a face; clear faces have 0.7
    shots: int = 8  # of a video


PHOTOS = PhotoSettings()
HDR_NOTE = "{} is high dynamic range (HDR): shown as on a standard screen, highlights compressed"


@dataclass(frozen=True)
class Shots:
    """Result of reading the photos.

    Attributes:
        shots: usable shots; the first one is the picture that is animated.
        faces_found: faces in the first photo.
        notes: lines worth telling the user.
        stored: the identity file that the shots are from, where they are.
        names: where each shot is from, a file or a frame of one.
    """

    shots: list[Shot]
    faces_found: int
    notes: list[str]
    stored: "StoredIdentity | None" = None
    names: tuple[str, ...] = ()


def load_shots(
    photos: PhotoSource | Sequence[PhotoSource],
    detector: Detector,
    face: int | None = None,
    from_video: int = PHOTOS.shots,
) -> Shots:
    """Read every photo, find its face, and put the best canvas first; or read an identity file.

    Args:
        photos: a photo, a folder of photos, a video, an image, or several of these, all of one person; or one identity
            file, or the name of one.
        detector: finds faces and landmarks.
        face: which face to animate where there are several, 0 the largest; the largest if not given.
        from_video: frames taken of a video.

    Raises:
        MediaError: unreadable file, a folder without photos, or what is no photo at all.
        NoFaceError: no photo has a usable face, or not as many faces as `face` asks for.
        ConfigError: `face` is not a whole number.
        CheckpointError: an identity file that cannot be read.
    """
    return load_people(photos, detector, (face,), from_video)[0]


def load_people(
    photos: PhotoSource | Sequence[PhotoSource],
    detector: Detector,
    faces: Sequence[int | None],
    from_video: int = PHOTOS.shots,
) -> list[Shots]:
    """Shots of several people of the same photos, which are read and searched once; as `load_shots` otherwise."""
    for face in faces:
        if face is not None and not isinstance(face, (int, np.integer)):
            raise ConfigError(f"invalid face {face!r}: expected the number of a face, from 0, the largest")
    sources = _sources(photos)
    stored = _stored_shots(sources)
    if stored is not None:
        return [replace(stored, notes=[]) for _ in faces]
    notes: list[str] = []
    images, is_clip = _read_all(sources, notes, from_video)
    searched = [_Searched(name, image, *detect_any_rotation(detector, image)) for name, image in images]
    return [_person(searched, face, notes, is_clip=is_clip) for face in faces]


class _Searched(NamedTuple):
    """A picture, the faces in it, and the quarter turns after which they are upright."""

    name: str
    image: Image
    faces: list[Face]
    turns: int


def _person(searched: Sequence[_Searched], face: int | None, read: Sequence[str], *, is_clip: bool) -> Shots:
    """Shots of one person; `read` are the remarks on the pictures."""
    shots: list[Shot] = []
    names: list[str] = []
    notes = list(read)
    faces_found = 0
    refusal: NoFaceError | None = None
    for each in searched:
        try:
            shot, remarks = _find_shot(each, face)
        except NoFaceError as error:
            refusal = refusal or error
            if len(searched) > 1 and not is_clip:
                notes.append(f"left out: {error}")
            continue
        faces_found = faces_found or len(each.faces)
        notes += remarks if not shots else []
        shots.append(shot)
        names.append(each.name)
    if not shots:
        assert refusal is not None
        raise refusal
    if is_clip:
        order = sorted(range(len(shots)), key=lambda index: _canvas_rank(shots[index]))
        shots, names = [shots[index] for index in order], [names[index] for index in order]
    return Shots(shots, faces_found, notes, names=tuple(names))


def _stored_shots(sources: Sequence[PhotoSource]) -> Shots | None:
    """Shots of an identity; None where there are photos or videos, which are files of other names, or pictures."""
    if not any(_may_be_identity(source) for source in sources):
        return None
    from talkface.checkpoints.identity import StoredIdentity, is_identity, load_identity

    if not any(isinstance(source, StoredIdentity) or is_identity(source) for source in sources):
        return None
    if len(sources) > 1:
        raise ConfigError("an identity file stands alone: give it without further photos")
    source = sources[0]
    assert isinstance(source, (str, Path, StoredIdentity))
    stored = source if isinstance(source, StoredIdentity) else load_identity(source)
    return Shots(list(stored.shots), 1, [], stored)


def _may_be_identity(source: PhotoSource) -> bool:
    if isinstance(source, (str, Path)):
        return Path(source).suffix == SUFFIX or not Path(source).exists()
    return not isinstance(source, (np.ndarray, Pillow.Image))


def _sources(photos: PhotoSource | Sequence[PhotoSource]) -> list[PhotoSource]:
    """One photo or several -> list, at least one long."""
    kinds = (str, Path, np.ndarray, Pillow.Image)
    several = isinstance(photos, Iterable) and not isinstance(photos, (*kinds, bytes))
    sources: list[PhotoSource] = list(photos) if several else [photos]  # type: ignore[arg-type, list-item]
    if not sources:
        raise MediaError("no photo given: pass at least one photo, a folder of photos or a video")
    for source in sources:
        if not isinstance(source, kinds) and not _is_stored(source):
            raise MediaError(
                f"the photo given is of type {type(source).__name__}: pass a path, an [H, W, 3] uint8 RGB array or a "
                "Pillow image"
            )
    return sources


def _is_stored(source: object) -> bool:
    from talkface.checkpoints.identity import StoredIdentity

    return isinstance(source, StoredIdentity)


def _canvas_rank(shot: Shot) -> float:
    """Low for frames that make good canvases: closed mouth, open eyes."""
    points = shot.landmarks.astype(np.float64)
    lids = np.linalg.norm(points[[37, 38, 43, 44]] - points[[41, 40, 47, 46]], axis=-1).mean()
    return float(mouth_opening(points) - 0.5 * lids / interocular(points))


def _read_folder(folder: Path, found: Sequence[Path], notes: list[str]) -> list[tuple[str, Image]]:
    """Readable photos of a folder, in the order of their names; the others go into `notes`."""
    images = []
    for item in found:
        try:
            images.append((str(item), read_photo(item)))
        except MediaError as error:
            notes.append(f"left out: {error}")
    if not images:
        raise MediaError(f"none of the {len(found)} photos in folder {folder} can be read")
    return images


def _read_all(sources: Sequence[PhotoSource], notes: list[str], frames: int) -> tuple[list[tuple[str, Image]], bool]:
    """Every photo with its name; and whether they are frames of one video. Remarks go into `notes`."""
    images: list[tuple[str, Image]] = []
    from_video = len(sources) == 1
    for source in sources:
        if isinstance(source, (np.ndarray, Pillow.Image)):
            images.append(("the given image", _as_rgb(source)))
            from_video = False
            continue
        assert isinstance(source, (str, Path)), "an identity stands alone"
        path = Path(source)
        if path.is_dir():
            found = sorted(item for item in path.iterdir() if item.suffix.lower() in PHOTO_SUFFIXES)
            if not found:
                raise MediaError(f"no photos in folder {path}: expected files such as .jpg, .png, .webp, .bmp, .tiff")
            images += _read_folder(path, found, notes)
            from_video = False
        elif path.is_file() and _is_video(path):
            images += _sample_video(path, frames, notes)
        else:
            images.append((str(path), read_photo(path)))
            notes += [HDR_NOTE.format(path)] if is_hdr_photo(path) else []
            from_video = False
    return images, from_video


def _as_rgb(image: Image | Pillow.Image) -> Image:
    if isinstance(image, Pillow.Image):
        try:
            return to_rgb(image)
        except (OSError, ValueError, SyntaxError) as error:
            raise MediaError(f"the given image cannot be read by Pillow: open it again ({error})") from error
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise MediaError(
            f"the given image has shape {image.shape} and type {image.dtype}: expected [H, W, 3] uint8 RGB"
        )
    return np.ascontiguousarray(image)


def _is_video(path: Path) -> bool:
    if is_photo(path):
        return False
    from talkface.media.read import is_video

    return is_video(path)


def _sample_video(path: Path, frames: int, notes: list[str]) -> list[tuple[str, Image]]:
    """Evenly spread frames; a first pass counts them, so that memory holds only those kept."""
    from talkface.media.read import probe_video, read_frames

    count = sum(1 for _ in read_frames(path, None))
    if count == 0:
        raise MediaError(f"no frame could be decoded from {path}: it may be damaged")
    wanted = set(np.linspace(0, count - 1, min(frames, count)).round().astype(int).tolist())
    notes += [HDR_NOTE.format(path)] if probe_video(path).hdr else []
    stored = enumerate(read_frames(path, None))
    return [(f"{path} (frame {index})", image) for index, (image, _) in stored if index in wanted]


def _find_shot(searched: _Searched, face: int | None) -> tuple[Shot, list[str]]:
    name, image, faces, turns = searched
    height, width = image.shape[:2]
    if not faces:
        raise NoFaceError(f"no face found in {name} ({width}x{height}): use a sharp, frontal photo of a human face")
    notes = []
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
        turn = {1: "90 degrees counter-clockwise", 2: "180 degrees", 3: "90 degrees clockwise"}[turns]
        notes.append(f"no upright face in {name}: turned the photo by {turn}")
    index = 0 if face is None else face
    if not 0 <= index < len(faces):
        raise NoFaceError(f"--face {index} asked for, but {name} has {len(faces)}: count from 0, the largest")
    if len(faces) > 1 and face is None:
        notes.append(f"{len(faces)} faces in {name}: animating number {index} (0 is the largest; choose with --face)")
    chosen = faces[index]
    notes += _check_face(name, image, chosen)
    return Shot(image, chosen.landmarks), notes


def _check_face(name: str, image: Image, face: Face) -> list[str]:
    """Refuse faces that cannot be animated; remarks on those that will look poor."""
    height, width = image.shape[:2]
    eyes = float(interocular(face.landmarks))
    if eyes < PHOTOS.smallest:
        raise NoFaceError(
            f"the face in {name} is too small ({eyes:.0f} pixels between the eyes, at least "
            f"{PHOTOS.smallest:.0f} needed): use a larger photo"
        )
    inner = face.landmarks[17:]
    margin = 0.02 * eyes
    outside = (inner < -margin).any() or (inner[:, 0] > width + margin).any() or (inner[:, 1] > height + margin).any()
    if outside:
        raise NoFaceError(f"the face in {name} is cut off by the photo's border: use a photo that shows all of it")
    notes = []
    if face.score < PHOTOS.unsure:
        notes.append(f"the face in {name} is hard to make out: see whether its mouth was found (--panel shows where)")
    if eyes < PHOTOS.low_detail:
        notes.append(
            f"the face in {name} is small ({eyes:.0f} pixels between the eyes): expect little detail in the mouth"
        )
    reasons = unsuited(image, face.landmarks)
    if reasons:
        notes.append(f"{name} suits poorly: {'; '.join(reasons)} ({ADVICE})")
    return notes
