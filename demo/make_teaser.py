"""Demo photo and speech -> demo/teaser.jpg, the README's picture: photo | sketch | mask | result, and the waveform."""

import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data

import talkface

SPEECH = Path(__file__).parents[1] / "talkface" / "cli" / "demo_speech.flac"
COLUMNS = 5  # results, after photo, sketch and mask of the most open one
SIDE = 220  # pixels of one picture


def read_sound(path: Path) -> np.ndarray:
    """16 kHz mono samples."""
    resampler = av.AudioResampler("flt", "mono", 16_000)
    with av.open(str(path)) as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def make_panels(speech: Path) -> np.ndarray:
    """`[T, h, 4 h, 3]` frames of the face, as `--panel --crop` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        made = talkface.animate(skimage.data.astronaut(), speech, Path(folder) / "panel.mp4", panel=True, crop=True)
        with av.open(str(made.path)) as video:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def pick(panels: np.ndarray) -> list[int]:
    """Frames to show: the widest painted mouth of each of `COLUMNS` equal stretches."""
    side = panels.shape[1]
    painted = panels[:, :, 2 * side : 3 * side].reshape(len(panels), -1).mean(1)
    edges = np.linspace(0, len(panels), COLUMNS + 1).astype(int)
    return [int(low + painted[low:high].argmax()) for low, high in pairwise(edges)]


def draw_waveform(samples: np.ndarray, width: int, marks: list[float], height: int = 90) -> np.ndarray:
    """White picture of the sound's envelope; `marks` are shares of its length, where the shown frames lie."""
    picture = np.full((height, width, 3), 255, np.uint8)
    for x, part in enumerate(np.array_split(samples, width)):
        reach = int(np.abs(part).max() / np.abs(samples).max() * (height / 2 - 6))
        cv2.line(picture, (x, height // 2 - reach), (x, height // 2 + reach), (150, 150, 150))
    for mark in marks:
        cv2.line(picture, (round(mark * width), 0), (round(mark * width), height), (200, 60, 40), 2)
    return picture


def main(out: Path) -> None:
    """Write the picture."""
    panels = make_panels(SPEECH)
    shown = pick(panels)
    side = panels.shape[1]
    widest = max(shown, key=lambda index: panels[index][:, 2 * side : 3 * side].mean())
    tiles = [panels[widest][:, part * side : (part + 1) * side] for part in range(3)]
    tiles += [panels[index][:, 3 * side :] for index in shown]
    row = np.concatenate([cv2.resize(tile, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for tile in tiles], axis=1)
    sound = draw_waveform(read_sound(SPEECH), row.shape[1], [index / len(panels) for index in shown])
    picture = np.concatenate([row, sound])
    cv2.imwrite(str(out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("teaser.jpg"))
