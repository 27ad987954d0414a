"""Rhythm -> head pose and blinks: what moves besides the lips."""

from fractions import Fraction

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from talkface.geometry.ease import smooth_step
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.types import FloatArray, HeadPose

BLINK_MEAN_S = 3.4  # between blinks while speaking, about 18 a minute (Bentivoglio et al. 1997: 26 in conversation)
BLINK_SHORTEST_S = 1.2
BLINK_CLOSING_S, BLINK_CLOSED_S, BLINK_OPENING_S = 0.09, 0.04, 0.17
BLINK_PROFILES = ("natural", "rhythmic")
RHYTHMIC_STEP_S = 0.04  # a frame of Chen et al. 2020
RHYTHMIC_FRAMES = (10, 40)  # from one blink to the next, at least and at most
RHYTHMIC_LIDS = (0.45, 0.85, 0.95, 0.85, 0.45)  # share of the lid opening that is shut, frame by frame
FULL_CLOSURE = 0.94  # of the lid opening: lids that meet exactly would leave no lash line
LOWER_LID_SHARE = 0.12  # of closing; the rest is the upper lid's

WANDER_RAD = np.array([0.028, 0.045, 0.022])  # pitch, yaw, roll: standard deviation of slow drift while speaking
WANDER_SHIFT = np.array([0.012, 0.008])  # outer-eye distances
WANDER_S = 0.9  # seconds, time constant of the drift
NOD_RAD = 0.045  # pitch of a strong syllable's nod
NOD_S = 0.12  # seconds, time constant of each of a nod's two low passes
FADE_S = 0.5  # seconds, how slowly motion follows speech activity
IDLE = 0.22  # share of the drift that stays in silence
EASE_S = 0.4  # seconds, time constant of the first motion


def head_motion(
    onset: FloatArray, activity: FloatArray, fps: Fraction, rng: np.random.Generator, *, amount: float = 1.0
) -> HeadPose:
    """Small smooth head motion tied to the speech's rhythm.

    Syllable onsets drive nods; a slow random drift, whose size follows speech activity, turns and tilts. Both fade in
    silence.

    Args:
        onset: `[T]` onset strength, 1 at a strong syllable.
        activity: `[T]` in 0..1.
        fps: frames per second.
        rng: source of the drift.
        amount: 0 still, 1 natural.

    Returns:
        Pose relative to the photo, zero on the first frame.
    """
    rate = float(fps)
    fade = low_pass(activity, FADE_S * rate)
    beat = onset * fade
    nod = low_pass(low_pass(beat - low_pass(beat, 1.5 * rate), NOD_S * rate), NOD_S * rate) * NOD_RAD * 2.0
    drift = _drift(len(onset), 5, WANDER_S * rate, rng) * (IDLE + (1 - IDLE) * fade)[:, None]
    rotation = drift[:, :3] * WANDER_RAD
    rotation[:, 0] -= nod  # the chin falls on a stressed syllable
    shift = drift[:, 3:] * WANDER_SHIFT
    start = amount * ease_in(len(onset), fps)[:, None]
    return HeadPose((start * rotation).astype(np.float32), (start * shift).astype(np.float32))


def ease_in(num_frames: int, fps: Fraction) -> FloatArray:
    """`[T]` share of its motion that a head has taken up: 0 on the first frame, which is the photo's own pose."""
    return np.asarray(1 - np.exp(-np.arange(num_frames) / (EASE_S * float(fps))))


def low_pass(values: FloatArray, frames: float) -> FloatArray:
    """First-order low pass with a time constant in frames."""
    keep = np.exp(-1.0 / max(frames, 1e-6))
    return np.asarray(lfilter([1 - keep], [1, -keep], values))


def _drift(num_frames: int, channels: int, frames: float, rng: np.random.Generator) -> FloatArray:
    """Unit-variance band-limited noise `[T, channels]`; the first n frames do not depend on how many follow."""
    keep = np.exp(-1.0 / frames)
    noise = rng.standard_normal((num_frames + round(6 * frames), channels))
    slow = noise
    for _ in range(3):  # three poles: smooth in velocity and acceleration too
        slow = lfilter([1 - keep], [1, -keep], slow, axis=0)
    gain = np.sqrt(8 / (3 * (1 - keep)))  # of three cascaded poles: inverse standard deviation
    return np.asarray(slow[-num_frames:] * gain) if num_frames else slow[:0]


def blink_track(num_frames: int, fps: Fraction, rng: np.random.Generator, profile: str = "natural") -> FloatArray:
    """Closure of both eyelids over time: `[T]` float32 in 0..1.

    Args:
        num_frames: T.
        fps: frames per second.
        rng: source of the intervals.
        profile: one of `BLINK_PROFILES`. `natural`: log-normal intervals, as measured in people who talk; lids close
            faster than they open. `rhythmic`: intervals and lids of Chen et al. 2020.
    """
    assert profile in BLINK_PROFILES, f"profile {profile!r} is none of {', '.join(BLINK_PROFILES)}"
    natural = profile == "natural"
    rate = float(fps)
    closure = np.zeros(num_frames)
    times = np.arange(num_frames) / rate
    duration_s = num_frames / rate
    start = 0.6 + rng.random() * 2.0 if natural else _rhythmic_gap(rng)
    while start < duration_s:
        phase = times - start
        if natural:
            closing = np.clip(phase / BLINK_CLOSING_S, 0, 1)
            opening = np.clip((phase - BLINK_CLOSING_S - BLINK_CLOSED_S) / BLINK_OPENING_S, 0, 1)
            lid = smooth_step(closing) * (1 - smooth_step(opening))
            gap = max(BLINK_SHORTEST_S, BLINK_MEAN_S * float(np.exp(0.55 * rng.standard_normal() - 0.15)))
        else:
            steps = RHYTHMIC_STEP_S * np.arange(-1, len(RHYTHMIC_LIDS) + 1)
            lid = np.minimum(np.interp(phase, steps, [0.0, *RHYTHMIC_LIDS, 0.0]) / FULL_CLOSURE, 1.0)
            gap = _rhythmic_gap(rng)
        closure = np.maximum(closure, lid)
        start += gap
    return closure.astype(np.float32)


def _rhythmic_gap(rng: np.random.Generator) -> float:
    """Seconds from one blink to the next, whole frames of 1 / 25 s."""
    return RHYTHMIC_STEP_S * float(rng.integers(*RHYTHMIC_FRAMES, endpoint=True))


def close_eyes(points: FloatArray, closure: FloatArray) -> FloatArray:
    """Lower the upper lids onto the lower ones: `[T, 68, 2]`, `[T]` in 0..1 -> `[T, 68, 2]`."""
    result = points.copy()
    share = (FULL_CLOSURE * closure)[:, None, None]
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper, lower = eye[[1, 2]], eye[[5, 4]]  # facing pairs
        gap = points[:, lower] - points[:, upper]
        result[:, upper] = points[:, upper] + share * (1 - LOWER_LID_SHARE) * gap
        result[:, lower] = points[:, lower] - share * LOWER_LID_SHARE * gap
    return result


def smooth_activity(activity: FloatArray, fps: Fraction, width_s: float = 0.08) -> FloatArray:
    """Voice activity without flicker: `[T]` -> `[T]`."""
    return np.asarray(gaussian_filter1d(np.asarray(activity, np.float64), width_s * float(fps), mode="nearest"))
