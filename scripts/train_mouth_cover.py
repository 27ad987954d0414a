"""Photos of faces -> weights that tell covered mouths from free ones (`talkface/landmarks/mouth_cover.npy`).

    python scripts/train_mouth_cover.py ../shared/data

Takes the photos of `manifest.csv` (split train, tiers A and B). Covered mouths are drawn: plain, striped and textured
shapes over the lower face. The result is therefore for research, non-commercial use, as some of the photos are.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from talkface.errors import DatasetError, MediaError
from talkface.files.read import read_table
from talkface.landmarks.dlib_backend import DlibDetector
from talkface.landmarks.suitability import COVER, WEIGHTS, cover_features, lower_face
from talkface.media.photo import read_photo
from talkface.types import FloatArray, Image

SIDE = 480  # longest side of a photo
MOUTH = (slice(28, 52), slice(23, 72))  # rows and columns of the mouth in a patch
COPIES = 4  # free and covered versions of each photo
FREE, HIDDEN = 0.08, 0.7  # share of the mouth hidden at most in a free one, at least in a covered one
STRENGTH = 0.003  # of the data against the penalty on large weights
PLAIN = np.array([[200, 220, 235], [235, 235, 235], [120, 160, 200], [30, 30, 34]])  # masks and microphones
Mask = npt.NDArray[np.uint8]


def main(data: Path) -> None:
    """Collect, draw, fit, save."""
    faces, textures = collect(data)
    rng = np.random.default_rng(0)
    rows: list[FloatArray] = []
    truth: list[int] = []
    for face in faces:
        for _ in range(COPIES):
            rows.append(cover_features(beside_mouth(vary(face, rng), textures, rng)))
            rows.append(cover_features(over_mouth(vary(face, rng), textures, rng)))
            truth += [0, 1]
    weights = fit(np.stack(rows), np.array(truth))
    np.save(WEIGHTS, weights.astype(np.float32))
    scores = np.stack([cover_features(face) for face in faces]) @ weights[:-1] + weights[-1]
    sys.stdout.write(
        f"{len(faces)} faces, scores of the photos: {np.quantile(scores, [0.5, 0.99, 0.999, 1]).round(2)}\n"
    )


def collect(data: Path) -> tuple[list[Image], list[Image]]:
    """Lower faces, and pieces of the photos to draw covers with."""
    _, rows = read_table(data / "manifest.csv", "manifest", DatasetError)
    detector, rng = DlibDetector(), np.random.default_rng(0)
    faces, textures = [], []
    for row in rows:
        if row["split"] != "train" or row["tier"] not in ("A", "B") or row["kind"] not in ("face", "frames"):
            continue
        try:
            image = read_photo(data / row["file"])
        except MediaError:
            continue
        zoom = min(1.0, SIDE / max(image.shape[:2]))
        image = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA), np.uint8)
        found = [box for box, score in detector.boxes(image, "near") if score >= 0.2]
        if found:
            faces.append(lower_face(image, detector.landmarks(image, found[0])))
            top, left = (int(rng.integers(0, max(1, side - 64))) for side in image.shape[:2])
            textures.append(cv2.resize(image[top : top + 64, left : left + 64], (COVER.patch, COVER.patch)))
    return faces, textures


def vary(face: Image, rng: np.random.Generator) -> Image:
    """Mirrored, grey, moved, blurred and of other light, by chance."""
    face = np.ascontiguousarray(face[:, ::-1] if rng.random() < 0.5 else face)
    if rng.random() < 0.15:
        face = np.repeat(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    matrix = cv2.getRotationMatrix2D((COVER.patch / 2, COVER.patch / 2), rng.normal(0, 3), rng.normal(1, 0.03))
    matrix[:, 2] += rng.normal(0, 1.5, 2)
    face = cv2.warpAffine(face, matrix, (COVER.patch, COVER.patch), borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.3:
        face = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.5, 2))
    return np.clip(face * rng.uniform(0.6, 1.25), 0, 255).astype(np.uint8)


def over_mouth(face: Image, textures: list[Image], rng: np.random.Generator) -> Image:
    """A cover over the mouth."""
    mask = shape(rng)
    while mask[MOUTH].mean() < HIDDEN:
        mask = shape(rng)
    return paint(face, mask, textures, rng)


def beside_mouth(face: Image, textures: list[Image], rng: np.random.Generator) -> Image:
    """In a third of the cases something that leaves the mouth free."""
    if rng.random() > 0.35:
        return face
    shift = np.asarray([[1, 0, rng.uniform(-70, 70)], [0, 1, rng.uniform(-70, 70)]])
    mask = cv2.warpAffine(shape(rng), shift, (COVER.patch, COVER.patch))
    return paint(face, mask, textures, rng) if mask[MOUTH].mean() < FREE else face


def shape(rng: np.random.Generator) -> Mask:
    """An ellipse, all below a line, a band from one side, or a rounded polygon."""
    mask = np.zeros((COVER.patch, COVER.patch), np.uint8)
    x, y = 47.5 + rng.normal(0, 5), 40.0 + rng.normal(0, 5)
    kind = rng.integers(0, 4)
    if kind == 0:
        axes = (int(rng.uniform(20, 40)), int(rng.uniform(16, 36)))
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, 1, -1)
        return mask
    if kind == 1:
        line = rng.uniform(10, 26) + rng.uniform(-6, 8, 3)
        points = [[-5, line[0]], [48, line[1]], [101, line[2]], [101, 101], [-5, 101]]
    elif kind == 2:
        angle, width, back = rng.uniform(0, 2 * np.pi), rng.uniform(18, 38), rng.uniform(25, 50)
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        middle = np.array([x, y])
        ends = ((-back, width), (-back, -width), (150, -width), (150, width))
        points = [middle + far * along + wide * across for far, wide in ends]
    else:
        angles, radii = np.sort(rng.uniform(0, 2 * np.pi, 7)), rng.uniform(22, 42) * rng.uniform(0.8, 1.2, 7)
        points = [[x + 1.25 * r * np.cos(a), y + r * np.sin(a)] for a, r in zip(angles, radii, strict=True)]
    cv2.fillPoly(mask, [np.asarray(points).astype(np.int32)], 1)
    return mask


def paint(face: Image, mask: Mask, textures: list[Image], rng: np.random.Generator) -> Image:
    """Fill the masked part with skin, cloth, darkness, fingers or a piece of another photo."""
    kind = rng.integers(0, 6)
    rows, columns = np.mgrid[: COVER.patch, : COVER.patch]
    skin = face[5:25, 8:88].reshape(-1, 3)
    if kind == 0:
        colour = skin[rng.integers(0, len(skin))] * rng.uniform(0.75, 1.15) + rng.normal(0, 8, 3)
    elif kind == 1:
        colour = rng.integers(0, 60) + rng.normal(0, 4, 3)
    elif kind == 2:
        colour = rng.integers(0, 256, 3)
    else:
        colour = PLAIN[rng.integers(0, len(PLAIN))] + rng.normal(0, 8, 3)
    cover = np.ones((COVER.patch, COVER.patch, 3)) * colour
    if kind == 4:
        cover = textures[rng.integers(0, len(textures))].astype(np.float64)
    elif kind == 5:
        angle = rng.uniform(0, np.pi)
        place = (columns * np.cos(angle) + rows * np.sin(angle)) / rng.uniform(12, 24)
        fingers = 0.55 + 0.45 * np.abs(np.sin(np.pi * place)) ** 0.35
        cover = np.median(skin, 0) * rng.uniform(0.8, 1.1) * fingers[..., None]
    light = (
        1
        + rng.uniform(-0.25, 0.25) * (columns / COVER.patch - 0.5)
        + rng.uniform(-0.25, 0.25) * (rows / COVER.patch - 0.5)
    )
    cover = cover * light[..., None] + rng.normal(0, rng.uniform(0, 6), cover.shape)
    if rng.random() < 0.5:
        cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 1.5))
    share = mask.astype(np.float64)
    if rng.random() < 0.6:
        share = cv2.GaussianBlur(share, (0, 0), rng.uniform(0.3, 1.5))
    return np.clip(face * (1 - share[..., None]) + cover * share[..., None], 0, 255).astype(np.uint8)


def fit(rows: FloatArray, truth: npt.NDArray[np.integer]) -> FloatArray:
    """Logistic regression with a penalty on weights of standardised features: `[F + 1]`, the last the offset."""
    mean, spread = rows.mean(0), rows.std(0) + 1e-3
    values = np.concatenate([(rows - mean) / spread, np.ones((len(rows), 1))], 1).astype(np.float64)
    signs = 2.0 * truth - 1

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        margins = signs * (values @ weights)
        pull = np.append(weights[:-1], 0.0)
        slope = -signs / (1 + np.exp(np.clip(margins, -50, 50)))
        total = STRENGTH * np.logaddexp(0, -margins).sum() + 0.5 * (pull**2).sum()
        return float(total), STRENGTH * (slope @ values) + pull

    best = minimize(loss, np.zeros(values.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    scaled = best[:-1] / spread
    return np.append(scaled, best[-1] - scaled @ mean)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main(Path(sys.argv[1]))
