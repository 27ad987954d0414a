"""Photos of people -> tables of what small, blurred and turned faces do to landmarks, for docs/corpora.md.

python scripts/quality_effect.py FOLDER [PHOTOS]; files are named PERSON_ANYTHING.jpg, several of each person.

Landmarks of a face made small or blurred are compared with those of the photo; of a turned one with those of its
mirror image. Distances are in hundredths of the outer eye corners' distance. People are compared by their descriptors.
"""

import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from talkface.data.prepare.crops import window_map
from talkface.geometry.resample import cut_patch
from talkface.landmarks.describe import describe
from talkface.landmarks.dlib_backend import DlibDetector
from talkface.landmarks.face import Face
from talkface.landmarks.layout import FLIP, eye_distance
from talkface.landmarks.pose import head_rotation
from talkface.media.photo import read_photo
from talkface.types import FloatArray, Image

LARGEST = 480  # px, of the photos' longer side
DETECTOR = DlibDetector(9)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def largest_face(image: Image) -> Face | None:
    """The largest face of an image."""
    return next(iter(DETECTOR.detect(image, "video")), None)


def resized(image: Image, zoom: float) -> Image:
    """The image at `zoom` times its size."""
    return np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)


def sharpness(image: Image, face: Face) -> float:
    """As `prepare` measures it."""
    left, top, right, bottom = face.box
    window = (0.5 * (left + right), 0.5 * (top + bottom), float(right - left))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return float(cv2.Laplacian(cut_patch(grey, window_map(window, 96), 96), cv2.CV_64F).std())


def compared(faces: Sequence[tuple[Image, Face]], change: Callable[[Image, Face], tuple[Image, float]]) -> str:
    """Median and 90th percentile of the landmarks' distance after a change, sharpness, and how many were found."""
    apart, sharp = [], []
    for image, face in faces:
        changed, zoom = change(image, face)
        found = largest_face(changed)
        if found is not None:
            distance = np.linalg.norm(found.landmarks / zoom - face.landmarks, axis=1).mean()
            apart.append(100 * float(distance) / eye_distance(face.landmarks))
            sharp.append(sharpness(changed, found))
    middle, high = np.percentile(apart, [50, 90])
    return f"{len(apart)} of {len(faces)} found, {middle:.1f}, {high:.1f}; sharpness {np.median(sharp):.1f}"


def blurred(sigma: float) -> Callable[[Image, Face], tuple[Image, float]]:
    """Gaussian blur by so many pixels of a face of 96."""
    return lambda image, face: (np.asarray(cv2.GaussianBlur(image, None, sigma * face.width / 96), np.uint8), 1.0)


def small(width: float) -> Callable[[Image, Face], tuple[Image, float]]:
    """A face of so many pixels."""
    return lambda image, face: (resized(image, width / face.width), width / face.width)


def mirror_distance(image: Image, face: Face) -> float:
    """How far the landmarks are from those of the mirror image."""
    found = largest_face(np.ascontiguousarray(image[:, ::-1]))
    if found is None:
        return float("nan")
    back = found.landmarks[FLIP] * (-1, 1) + (image.shape[1] - 1, 0)
    return 100 * float(np.linalg.norm(back - face.landmarks, axis=1).mean()) / eye_distance(face.landmarks)


def degrees(face: Face) -> float:
    """How far the head looks away from the camera."""
    forward: FloatArray = head_rotation(face.landmarks[None].astype(np.float64))[:, 2, 2]
    return float(np.degrees(np.arccos(np.clip(forward[0], -1, 1))))


def main() -> None:
    folder, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40
    paths = sorted(folder.glob("*.jpg"))[:most]
    images = [read_photo(path) for path in paths]
    images = [resized(image, min(1.0, LARGEST / max(image.shape[:2]))) for image in images]
    found = [largest_face(image) for image in images]
    names = [path.name.partition("_")[0] for path in paths]
    named = [(name, image, face) for name, image, face in zip(names, images, found, strict=True) if face is not None]
    faces = [(image, face) for _, image, face in named]
    widths = np.percentile([face.width for _, face in faces], [0, 50])
    say(f"{len(faces)} of {len(paths)} photos, faces of {widths[0]:.0f} px and more, half of them {widths[1]:.0f}")
    for width in (96, 64, 48, 32, 24):
        say(f"{width} px: {compared(faces, small(width))}")
    for sigma in (0.0, 1.0, 2.0, 4.0):
        change = blurred(sigma) if sigma else lambda image, _: (image, 1.0)
        say(f"blur {sigma:g}: {compared(faces, change)}")
    turns, apart = np.array([(degrees(face), mirror_distance(image, face)) for image, face in faces]).T
    for low, high in ((0, 15), (15, 30), (30, 45), (45, 90)):
        part = apart[(turns >= low) & (turns < high)]
        part = part[np.isfinite(part)]
        say(f"turn {low} to {high}: {len(part)} photos, mirror {np.median(part) if len(part) else np.nan:.1f}")
    people = [(name, describe(image, face.landmarks)) for name, image, face in named]
    pairs = [(a == b, float(np.linalg.norm(x - y))) for (a, x), (b, y) in combinations(people, 2)]
    for limit in (0.45, 0.6):
        for same in (True, False):
            near = [distance < limit for alike, distance in pairs if alike == same]
            say(f"below {limit}: {sum(near)} of {len(near)} pairs of {'one person' if same else 'two people'}")


if __name__ == "__main__":
    main()
