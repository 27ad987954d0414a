"""Seed -> tiny clips of drawn faces that talk, with sound: data for tests and dry runs, faces of nobody."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, Image, num_frames


@dataclass(frozen=True)
class DrawnPerson:
    """Traits in which drawn speakers differ; colours are RGB."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    wall: tuple[int, int, int]
    width: float  # of the face over its height
    pitch_hz: float


def draw_person(rng: np.random.Generator) -> DrawnPerson:
    """A speaker at random."""
    tone = rng.uniform(0.55, 1.0)
    skin = (int(235 * tone), int(190 * tone), int(160 * tone))
    dark = int(rng.integers(20, 60))
    wall = (int(rng.integers(60, 200)), int(rng.integers(60, 200)), int(rng.integers(60, 200)))
    return DrawnPerson(skin, (dark, dark, dark), wall, float(rng.uniform(0.74, 0.8)), float(rng.uniform(90, 220)))


def mouth_motion(rng: np.random.Generator, count: int) -> FloatArray:
    """`[count]` mouth openings in 0..1 at 25 fps: syllables of uneven length and strength between pauses."""
    beats = np.zeros(count)
    at = 4
    syllable_hz = 3.5  # openings per second
    while at < count - 3:
        beats[at] = rng.uniform(0.4, 1.0)
        at += max(3, round(float(DEFAULT_FPS) / syllable_hz * rng.uniform(0.6, 1.4)))
        if rng.random() < 0.15:
            at += 8
    motion = gaussian_filter1d(beats, 1.3)
    return np.asarray(motion / max(motion.max(), 1e-6))


def speech_of(motion: FloatArray, person: DrawnPerson, rng: np.random.Generator) -> FloatArray:
    """16 kHz float32 buzz whose loudness and first formant follow the mouth; a little noise under it."""
    count = round(len(motion) * SAMPLE_RATE / float(DEFAULT_FPS))
    times = np.arange(count) / SAMPLE_RATE
    opening = np.interp(times, (np.arange(len(motion)) + 0.5) / float(DEFAULT_FPS), motion)
    formant_hz = 300 + 500 * opening
    sound = np.zeros(count)
    for harmonic in range(1, 18):
        pitch = harmonic * person.pitch_hz
        sound += np.sin(2 * np.pi * pitch * times) / (1 + ((pitch - formant_hz) / 150) ** 2)
    sound = 0.25 * sound * opening + 0.002 * rng.standard_normal(count)
    return sound.astype(np.float32)


def draw_face(person: DrawnPerson, opening: float, size: int = 160, shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Picture `[size, size, 3]` of a frontal face that dlib finds.

    Args:
        person: who.
        opening: of the mouth, 0..1.
        size: side in pixels; the face is 0.6 of it high.
        shift: of the head in pixels, right and down.
    """
    supersample = 2  # faces are drawn at twice their size and shrunk
    side = size * supersample
    canvas = np.full((side, side, 3), person.wall, np.uint8)
    unit = side * 0.31  # half the face's height
    origin = np.array([side / 2, side * 0.53]) + np.array(shift) * supersample

    def ellipse(
        x: float, y: float, rx: float, ry: float, colour: tuple[int, ...], start: int = 0, end: int = 360
    ) -> None:
        centre = tuple(round(float(v)) for v in origin + np.array([x, y]) * unit)
        axes = (max(1, round(rx * unit)), max(1, round(ry * unit)))
        cv2.ellipse(canvas, centre, axes, 0, start, end, colour, -1, cv2.LINE_AA)

    shade = tuple(int(value * 0.72) for value in person.skin)
    deep = tuple(int(value * 0.5) for value in person.skin)
    ellipse(0, -0.22, person.width * 1.12, 1.0, person.hair)
    ellipse(0, 1.15, 0.36, 0.6, shade)
    ellipse(0, 0, person.width, 1.0 + 0.05 * opening, person.skin)
    for eye in (-0.34, 0.34):
        ellipse(eye, -0.2, 0.2, 0.13, shade)
        ellipse(eye, -0.2, 0.15, 0.065, (245, 245, 245))
        ellipse(eye, -0.2, 0.065, 0.065, (30, 25, 20))
        ellipse(eye, -0.4, 0.21, 0.05, person.hair)
    ellipse(0, 0.12, 0.07, 0.26, shade)
    ellipse(0, 0.12, 0.035, 0.24, person.skin)
    ellipse(0, 0.27, 0.14, 0.05, deep)
    ellipse(0, 0.53 + 0.08 * opening, 0.28, 0.06 + 0.13 * opening, (165, 70, 70))
    ellipse(0, 0.53 + 0.08 * opening, 0.22, 0.012 + 0.115 * opening, (50, 15, 15))
    soft = cv2.GaussianBlur(canvas, (0, 0), supersample * size / 160)
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def write_talking_clip(
    path: Path,
    seed: int,
    duration_s: float = 2.0,
    *,
    speaker: int | None = None,
    late_frames: float = 0.0,
    size: int = 160,
) -> FloatArray:
    """Write a clip with sound (MPEG-4 video and PCM in .avi or .mkv, H.264-free and quick).

    Args:
        path: `.mkv` or `.avi` file.
        seed: of what is said.
        duration_s: length.
        speaker: seed of the face and voice; None takes `seed`.
        late_frames: frames at 25 fps by which the sound comes after the picture.
        size: side of the picture in pixels.

    Returns:
        `[T]` true mouth openings.
    """
    rng = np.random.default_rng([seed, 1])
    person = draw_person(np.random.default_rng([seed if speaker is None else speaker, 2]))
    motion = mouth_motion(rng, num_frames(duration_s, DEFAULT_FPS))
    samples = np.roll(speech_of(motion, person, rng), round(late_frames * SAMPLE_RATE / float(DEFAULT_FPS)))
    sway = 1.5 * np.sin(np.arange(len(motion)) / 9.0)
    frames = [draw_face(person, float(o), size, shift=(float(s), 0.0)) for o, s in zip(motion, sway, strict=True)]
    _write(path, frames, samples)
    return motion


def _write(path: Path, frames: list[Image], samples: FloatArray) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=Fraction(DEFAULT_FPS))
        video.width, video.height, video.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        video.bit_rate = 1_500_000
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for image in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
        sound = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        block = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        block.sample_rate, block.pts = SAMPLE_RATE, 0
        container.mux(audio.encode(block))
        container.mux(audio.encode())
