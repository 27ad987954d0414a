"""NASA portrait and drawn faces -> demo/portraits/*.jpg, the people of demo/gallery.csv.

The portrait is scikit-image's photo of Eileen Collins (NASA, public domain); the drawings are this package's own.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from talkface.testing.clips import draw_face, draw_person

SIDE = 384  # pixels
QUALITY = 82


def photos() -> dict[str, np.ndarray]:
    """The portrait as it is, as an old print, and as a pencil drawing: `[384, 384, 3]` RGB."""
    portrait = cv2.resize(skimage.data.astronaut()[:400, 20:420], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    light = np.linspace(1.0, 0.72, SIDE)[None, :, None]
    old = np.clip(grey[..., None] * np.array([1.04, 0.94, 0.78]) * light, 0, 255)
    grain = np.random.default_rng(3).normal(0, 5, (SIDE, SIDE, 1))
    blurred = cv2.GaussianBlur(255.0 - grey, (0, 0), 7)
    pencil = np.clip(grey * 256.0 / (256 - blurred), 0, 255)
    return {
        "collins": portrait,
        "collins_print": np.clip(old + grain, 0, 255).astype(np.uint8),
        "collins_pencil": np.repeat((0.85 * pencil + 0.15 * grey)[..., None], 3, 2).astype(np.uint8),
    }


def drawings() -> dict[str, np.ndarray]:
    """Two faces that nobody has."""
    people = {name: draw_person(np.random.default_rng(seed)) for name, seed in (("drawn_ida", 3), ("drawn_otto", 8))}
    return {name: draw_face(person, 0.0, size=SIDE) for name, person in people.items()}


def main(out: Path) -> None:
    """Write the pictures."""
    out.mkdir(exist_ok=True)
    for name, picture in {**photos(), **drawings()}.items():
        cv2.imwrite(str(out / f"{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("portraits"))
