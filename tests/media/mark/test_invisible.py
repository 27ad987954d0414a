"""The invisible mark is found again after what happens to videos, and never where there is none."""

import math
from fractions import Fraction
from pathlib import Path

import cv2
import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest

from talkface.media.mark.search import SEARCH, chance_of, find_mark
from talkface.media.mark.spread import (
    InvisibleMark,
    decode,
    encode,
    patterns,
    payload_of,
    reduce_to,
    ring_spectrum,
    tile_of,
)
from talkface.media.read import read_frames
from talkface.media.write import VideoWriter

PAYLOAD = bytes.fromhex("0123456789ab")


def luma(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def psnr(frame: np.ndarray, other: np.ndarray) -> float:
    return 10 * math.log10(255**2 / np.square(frame.astype(float) - other).mean())


@pytest.fixture(scope="module")
def moving(astronaut: np.ndarray) -> list[np.ndarray]:
    """A second in which a part of the portrait moves."""
    frames = []
    for index in range(25):
        frame = astronaut.copy()
        drop = round(6 * math.sin(index / 3))
        frame[100 + drop : 200 + drop, 180:280] = astronaut[100:200, 180:280]
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def video(moving: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("marked") / "video.mp4"
    with VideoWriter(path, (512, 512), Fraction(30)) as writer:
        for frame in moving:
            writer.write(frame)
    return path


def test_the_mark_is_faint_and_leaves_the_given_frame_alone(astronaut: np.ndarray) -> None:
    before = astronaut.copy()
    marked = InvisibleMark(astronaut, PAYLOAD)(astronaut)
    np.testing.assert_array_equal(astronaut, before)
    assert 44 <= psnr(marked, astronaut) < 47
    assert np.abs(marked.astype(int) - astronaut).max() <= 5


def test_a_plain_picture_gets_a_gentler_mark() -> None:
    ramp = np.repeat(np.tile(np.linspace(60, 200, 400), (400, 1)).astype(np.uint8)[..., None], 3, -1)
    marked = InvisibleMark(ramp, PAYLOAD)(ramp)
    assert psnr(marked, ramp) > 45.5
    found = find_mark([luma(marked)])
    assert found is not None and found.payload == PAYLOAD


@pytest.mark.parametrize(
    ("change", "scale", "mirrored"),
    [
        (lambda y: y, 1.0, False),
        (lambda y: cv2.resize(y, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 1.0, False),
        (lambda y: np.ascontiguousarray(y[30:440, 77:487]), 0.8, False),
        (lambda y: np.ascontiguousarray(y[:, ::-1]), 1.0, True),
        (lambda y: cv2.copyMakeBorder(y, 200, 200, 300, 350, cv2.BORDER_CONSTANT, value=20), 1.78, False),
    ],
    ids=["as it is", "half", "cut", "mirrored", "framed"],
)
def test_one_picture_is_enough(astronaut: np.ndarray, change, scale: float, mirrored: bool) -> None:
    found = find_mark([change(luma(InvisibleMark(astronaut, PAYLOAD)(astronaut)))])
    assert found is not None and found.payload == PAYLOAD and found.chance <= SEARCH.chance
    assert found.scale == pytest.approx(scale, rel=0.012) and found.mirrored is mirrored


@pytest.mark.parametrize(
    "settings",
    [
        {"crf": 28},
        {"crf": 23, "vf": "scale=256:256"},
        {"crf": 23, "vf": "crop=410:410:60:20"},
        {"crf": 23, "r": 25, "ss": 0.2},
    ],
    ids=["crf 28", "half", "cut", "25 fps"],
)
def test_a_written_video_bears_it_through_another_encoding(
    video: Path, tmp_path: Path, moving: list[np.ndarray], settings: dict[str, object]
) -> None:
    again = tmp_path / "again.mp4"
    output = ffmpeg.input(str(video)).output(str(again), vcodec="libx264", preset="veryfast", **settings)
    output.global_args("-v", "error").run(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    frames = [luma(frame) for frame, _ in read_frames(again)]
    for seen in (frames, frames[10:11]):
        found = find_mark(seen[::3])
        if found is None:
            assert len(seen) == 1 and settings.get("vf"), "one small picture may be too little"
        else:
            assert found.payload == payload_of(moving[0], "Synthetic video made with talkface")


def test_footage_that_is_not_synthetic_and_small_frames_stay_as_they_are(tmp_path: Path, astronaut: np.ndarray) -> None:
    small = cv2.resize(astronaut, (64, 64), interpolation=cv2.INTER_AREA)
    for frame, synthetic in ((astronaut, False), (small, True)):
        with VideoWriter(tmp_path / "o.mp4", frame.shape[:2], Fraction(25), synthetic=synthetic, force=True) as writer:
            writer.write(frame)
        assert find_mark([luma(image) for image, _ in read_frames(tmp_path / "o.mp4")]) is None


def test_another_key_finds_nothing(astronaut: np.ndarray) -> None:
    marked = luma(InvisibleMark(astronaut, PAYLOAD, key="ours")(astronaut))
    found = find_mark([marked], key="ours")
    assert found is not None and found.payload == PAYLOAD
    assert find_mark([marked]) is None


def test_pictures_without_a_mark_have_none(astronaut: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    pictures = [luma(astronaut), rng.integers(0, 256, (300, 400), dtype=np.uint8), np.full((256, 256), 9, np.uint8)]
    assert [find_mark([picture]) for picture in pictures] == [None] * 3


def test_chance_is_bounded_as_the_mathematics_says() -> None:
    """Correlations of a fixed picture with fresh random signs have the tails of the bound, and so has their sum."""
    rng = np.random.default_rng(0)
    picture = rng.laplace(size=400) ** 3  # a few frequencies dominate
    picture /= np.linalg.norm(picture)
    a, b = (rng.choice([-1.0, 1.0], (20_000, 400)) @ picture for _ in range(2))
    for at in (1.0, 2.0, 3.0):
        assert (a >= at).mean() <= math.exp(-(at**2) / 2)
        x = at**2
        both = np.square(np.maximum(a, 0)) + np.square(np.maximum(b, 0))
        assert (both / 2 >= x).mean() <= (1 + x) * math.exp(-x)
    assert chance_of(0, 0) == 1 and chance_of(8, 12) < 1e-6 < chance_of(5, 8)


def test_a_byte_that_was_read_wrong_is_corrected() -> None:
    signs = encode(PAYLOAD)
    wrong = patterns().symbols[2, 7] - patterns().symbols[2, PAYLOAD[2] % 128]
    assert decode(signs.sum(0) + 0.6 * wrong, 8.0) is not None
    assert decode(signs.sum(0) + 0.6 * wrong, 8.0).payload == PAYLOAD
    assert decode(signs[:4].sum(0), 8.0) is None


def test_tile_and_spectrum_are_inverse() -> None:
    signs = encode(PAYLOAD).sum(0)
    luma_of = 128 + 3 * np.tile(tile_of(signs), (2, 2))
    spectrum = ring_spectrum(reduce_to(np.rint(luma_of).astype(np.uint8), 256))
    seen = np.concatenate([spectrum.real, spectrum.imag])
    assert seen @ signs / np.linalg.norm(seen) / np.linalg.norm(signs) > 0.8
