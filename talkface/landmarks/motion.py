"""Rhythm -> head pose, brows and blinks: what moves besides the lips."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from talkface.errors import ConfigError
from talkface.geometry.spline import smooth_step
from talkface.landmarks.layout import JAW, LEFT_BROW, LEFT_EYE, MOUTH, NUM_LANDMARKS, RIGHT_BROW, RIGHT_EYE
from talkface.landmarks.smooth import gaussian
from talkface.types import FloatArray, HeadPose


@dataclass(frozen=True)
class MotionSettings:
    """Rates and amplitudes of lids, brows and head during speech."""

    # between blinks while speaking, about 18 a minute (Bentivoglio et al. 1997: 26 in conversation)
    blink_mean_s: float = 3.4
    blink_shortest_s: float = 1.2
    blink_first_s: float = 0.8  # before the first one: a video opens on the photo's own eyes
    blink_first_frames: int = 4  # the same where frames are few
    blink_closing_s: float = 0.1
    blink_closed_s: float = 0.04
    blink_opening_s: float = 0.2
    rhythmic_step_s: float = 0.04  # a frame of Chen et al. 2020
    rhythmic_frames: tuple[int, int] = (10, 40)  # from one blink to the next, at least and at most
    # share of the lid opening that is shut, frame by frame
    rhythmic_lids: tuple[float, ...] = (0.45, 0.85, 0.95, 0.85, 0.45)
    full_closure: float = 0.94  # of the lid opening: lids that meet exactly would leave no lash line
    lower_lid_share: float = 0.12  # of closing; the rest is the upper lid's
    # closing of lids whose eyes look down, opening of those that look up; people's close more, but from here on a warp
    # smears their lashes
    gaze_lids: tuple[float, float] = (0.22, 0.1)
    # lid gap over the eye's length up to which a photo's eye is shut and stays so, and from which it blinks; eyes that
    # smile measure from 0.12
    lids_shut: float = 0.09
    lids_open: float = 0.13
    # outer-eye distances, of an emphatic syllable; at .0625 rendered brows of 22 training clips moved .9 as real ones
    brow_raise: float = 0.0695
    brow_held: float = 0.09  # outer-eye distances that brows are held higher or lower at most
    brow_onset: float = 0.6  # onset strength from which a syllable is emphatic
    brow_chance: float = 0.8  # that the brows follow it
    brow_shortest_s: float = 0.5  # from one raise to the next
    brow_rise_s: float = 0.24
    brow_fall_s: float = 0.44
    wander_s: float = 0.9  # seconds, time constant of the drift
    # standard deviation of the drift while speaking: pitch, yaw, roll in radians, x and y in outer-eye distances
    wander_rad: tuple[float, float, float] = (0.028, 0.045, 0.022)
    wander_shift: tuple[float, float] = (0.012, 0.008)
    nod_rad: float = 0.045  # pitch of a strong syllable's nod
    nod_s: float = 0.12  # seconds, time constant of each of a nod's two low passes
    fade_s: float = 0.5  # seconds, how slowly motion follows speech activity

    def __post_init__(self) -> None:
        for name in ("full_closure", "lower_lid_share", "brow_chance"):
            if getattr(self, name) > 1:
                raise ConfigError(f"invalid motion.{name} {getattr(self, name)}: expected at most 1")


MOTION = MotionSettings()
BLINK_PROFILES = ("natural", "rhythmic")


IDLE = 0.22  # share of the drift that stays in silence
EASE_S = 0.4  # seconds, time constant of the first motion


def head_motion(
    onset: FloatArray,
    activity: FloatArray,
    fps: Fraction,
    rng: np.random.Generator,
    *,
    amount: float = 1.0,
    tempo: float = 1.0,
    settings: MotionSettings = MOTION,
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
        tempo: factor on how fast the drift is; nods keep the speech's beat.
        settings: rates and amplitudes.

    Returns:
        Pose relative to the photo, zero on the first frame.
    """
    rate = float(fps)
    fade = low_pass(activity, settings.fade_s * rate)
    beat = onset * fade
    nod = (
        low_pass(low_pass(beat - low_pass(beat, 1.5 * rate), settings.nod_s * rate), settings.nod_s * rate)
        * settings.nod_rad
        * 2.0
    )
    drift = _drift(len(onset), 5, settings.wander_s / tempo * rate, rng) * (IDLE + (1 - IDLE) * fade)[:, None]
    rotation = drift[:, :3] * settings.wander_rad
    rotation[:, 0] -= nod  # the chin falls on a stressed syllable
    shift = drift[:, 3:] * settings.wander_shift
    start = amount * ease_in(len(onset), fps)[:, None]
    return HeadPose((start * rotation).astype(np.float32), (start * shift).astype(np.float32))


def ease_in(num_frames: int, fps: Fraction) -> FloatArray:
    """`[T]` share of its motion that a head has taken up: 0 on the first frame, which is the photo's own pose."""
    return np.asarray(1 - np.exp(-np.arange(num_frames) / (EASE_S * float(fps))))


def low_pass(values: FloatArray, frames: float) -> FloatArray:
    """First-order low pass of `[T, ...]` with a time constant in frames, from rest."""
    keep = np.exp(-1.0 / max(frames, 1e-6))
    result = np.array(values, np.float64)
    state: FloatArray = np.zeros(result.shape[1:])
    for index, value in enumerate(result):
        state = (1 - keep) * value + keep * state
        result[index] = state
    return result


def _drift(num_frames: int, channels: int, frames: float, rng: np.random.Generator) -> FloatArray:
    """Unit-variance band-limited noise `[T, channels]`; the first n frames do not depend on how many follow."""
    keep = np.exp(-1.0 / frames)
    slow: FloatArray = rng.standard_normal((num_frames + round(6 * frames), channels))
    for _ in range(3):  # three poles: smooth in velocity and acceleration too
        slow = low_pass(slow, frames)
    gain = np.sqrt(8 / (3 * (1 - keep)))  # of three cascaded poles: inverse standard deviation
    return np.asarray(slow[-num_frames:] * gain) if num_frames else slow[:0]


def blink_track(
    num_frames: int,
    fps: Fraction,
    rng: np.random.Generator,
    profile: str = "natural",
    pace: float = 1.0,
    settings: MotionSettings = MOTION,
) -> FloatArray:
    """Closure of both eyelids over time: `[T]` float32 in 0..1.

    Args:
        num_frames: T.
        fps: frames per second.
        rng: source of the intervals.
        profile: one of `BLINK_PROFILES`. `natural`: log-normal intervals, as measured in people who talk; lids close
            faster than they open. `rhythmic`: intervals and lids of Chen et al. 2020.
        pace: factor on how often blinks come.
        settings: rates and amplitudes.
    """
    rate = float(fps)
    closure = np.zeros(num_frames)
    times = np.arange(num_frames) / rate
    for start in blink_starts(rate, rng, profile, pace, settings):
        if start >= num_frames / rate:
            break
        closure = np.maximum(closure, lid_closure(times - start, profile, settings))
    return closure.astype(np.float32)


def blink_starts(
    rate: float,
    rng: np.random.Generator,
    profile: str = "natural",
    pace: float = 1.0,
    settings: MotionSettings = MOTION,
) -> Iterator[float]:
    """Times in seconds at which blinks begin, without end; arguments as `blink_track`, `rate` its frames per second."""
    assert profile in BLINK_PROFILES, f"profile {profile!r} is none of {', '.join(BLINK_PROFILES)}"
    natural = profile == "natural"
    start = settings.blink_first_s + rng.random() * 2.0 if natural else _rhythmic_gap(rng, settings)
    start = max(start, settings.blink_first_frames / rate)
    while True:
        gap = (
            settings.blink_mean_s * float(np.exp(0.55 * rng.standard_normal() - 0.15))
            if natural
            else _rhythmic_gap(rng, settings)
        )
        yield start
        start += max(settings.blink_shortest_s, gap) / pace if natural else gap / pace


def lid_closure(phase: FloatArray, profile: str = "natural", settings: MotionSettings = MOTION) -> FloatArray:
    """`[T]` closure in 0..1 at `[T]` seconds since a blink began."""
    if profile == "natural":
        closing = np.clip(phase / settings.blink_closing_s, 0, 1)
        opening = np.clip((phase - settings.blink_closing_s - settings.blink_closed_s) / settings.blink_opening_s, 0, 1)
        return np.asarray(smooth_step(closing) * (1 - smooth_step(opening)))
    steps = settings.rhythmic_step_s * np.arange(-1, len(settings.rhythmic_lids) + 1)
    return np.asarray(
        np.minimum(np.interp(phase, steps, [0.0, *settings.rhythmic_lids, 0.0]) / settings.full_closure, 1.0)
    )


def _rhythmic_gap(rng: np.random.Generator, settings: MotionSettings) -> float:
    """Seconds from one blink to the next, whole frames of 1 / 25 s."""
    return settings.rhythmic_step_s * float(rng.integers(*settings.rhythmic_frames, endpoint=True))


def follow_gaze(closure: FloatArray, up: float, settings: MotionSettings = MOTION) -> FloatArray:
    """`[...]` closure of lids that blink -> of lids that also follow the eyes up (1) or down (-1); below 0 is wider.

    The upper lid moves with the eyeball (Evinger et al. 1984): who looks down has half-lowered lids.
    """
    down, wider = settings.gaze_lids
    rest = -(wider if up > 0 else down) * up
    return np.asarray(rest + (1 - rest) * closure)


def close_eyes(points: FloatArray, closure: FloatArray, settings: MotionSettings = MOTION) -> FloatArray:
    """Lower the upper lids onto the lower ones: `[T, 68, 2]`, `[T]` in 0..1 -> `[T, 68, 2]`; below 0 opens them.

    An eye that is shut already, as in a wink, stays as it is.
    """
    result = points.copy()
    for eye in (RIGHT_EYE, LEFT_EYE):
        upper, lower = eye[[1, 2]], eye[[5, 4]]  # facing pairs
        gap = points[:, lower] - points[:, upper]
        length = np.linalg.norm(points[:, eye[3]] - points[:, eye[0]], axis=-1)
        aspect = np.linalg.norm(gap, axis=-1).mean(1) / np.maximum(length, 1e-6)
        share = (settings.full_closure * closure * smooth_step(aspect, settings.lids_shut, settings.lids_open))[
            :, None, None
        ]
        result[:, upper] = points[:, upper] + share * (1 - settings.lower_lid_share) * gap
        result[:, lower] = points[:, lower] - share * settings.lower_lid_share * gap
    return result


def raise_brows(
    onset: FloatArray,
    activity: FloatArray,
    fps: Fraction,
    rng: np.random.Generator,
    settings: MotionSettings = MOTION,
) -> FloatArray:
    """Displacement of the brows that follow some emphatic syllables; none where nobody speaks.

    Brows rise with pitch accents, on some of them (Cave et al. 1996).

    Args:
        onset: `[T]` onset strength, 1 at a strong syllable.
        activity: `[T]` in 0..1.
        fps: frames per second.
        rng: which syllables, and how far.
        settings: rates and amplitudes.

    Returns:
        `[T, 68, 2]` canonical, outer-eye distances, all but the brows 0.
    """
    rate = float(fps)
    times = np.arange(len(onset)) / rate
    raised = np.zeros(len(onset))
    last = -settings.brow_shortest_s
    for frame in peaks(onset, settings.brow_onset):
        if (
            activity[frame] < 0.5
            or times[frame] - last < settings.brow_shortest_s
            or rng.random() > settings.brow_chance
        ):
            continue
        last = float(times[frame])
        raised = np.maximum(raised, rng.uniform(0.5, 1.0) * brow_pulse(times - last, settings))
    return lifted_brows(settings.brow_raise * raised * low_pass(np.minimum(activity, 1), 0.16 * rate))


def brow_pulse(phase: FloatArray | float, settings: MotionSettings = MOTION) -> FloatArray:
    """Rise of the brows, 0..1, at seconds since a syllable's peak."""
    rise, fall = phase / settings.brow_rise_s + 0.5, (phase - 0.5 * settings.brow_rise_s) / settings.brow_fall_s
    return np.asarray(smooth_step(np.clip(rise, 0, 1)) * (1 - smooth_step(np.clip(fall, 0, 1))))


def lifted_brows(up: FloatArray | float) -> FloatArray:
    """`[...]` height of the brows' middle in outer-eye distances -> `[..., 68, 2]` canonical displacement."""
    up = np.asarray(up)
    moved = np.zeros((*up.shape, NUM_LANDMARKS, 2), np.float32)
    brow_shape = np.array([0.6, 0.9, 1.0, 0.9, 0.75])  # share of it along a brow, from the temple to the nose
    moved[..., RIGHT_BROW, 1] = -up[..., None] * brow_shape
    moved[..., LEFT_BROW, 1] = -up[..., None] * brow_shape[::-1]
    return moved


def held_brows(amount: float, settings: MotionSettings = MOTION) -> FloatArray:
    """`[68, 2]` canonical displacement of brows that are held higher (1) or lower (-1) than in the photo."""
    return lifted_brows(settings.brow_held * amount)


def scale_mouth(displacement: FloatArray, opening: float, width: float) -> FloatArray:
    """Scale the motion of mouth and jaw downwards and aside.

    Args:
        displacement: `[T, 68, 2]` canonical, from the closed mouth; stays as it is.
        opening: factor on what moves up and down.
        width: factor on what moves left and right.
    """
    if opening == 1 and width == 1:
        return displacement
    scaled = displacement.copy()
    scaled[:, MOUTH] *= np.array([width, opening], scaled.dtype)
    scaled[:, JAW] *= np.array([1.0, opening], scaled.dtype)
    return scaled


def peaks(values: FloatArray, height: float) -> npt.NDArray[np.intp]:
    """Indices of the local maxima of `[T]` from `height` on; the middle one of equal values. Beyond both ends is 0."""
    padded = np.pad(np.asarray(values, np.float64), 1)
    starts = np.flatnonzero(np.diff(padded, prepend=np.nan))
    levels, ends = padded[starts], np.append(starts[1:], len(padded)) - 1
    tops = 1 + np.flatnonzero((levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:]))
    middles = (starts[tops] + ends[tops]) // 2
    return np.asarray(middles[padded[middles] >= height] - 1)


def smooth_activity(activity: FloatArray, fps: Fraction, width_s: float = 0.08) -> FloatArray:
    """Voice activity without flicker: `[T]` -> `[T]`."""
    return gaussian(np.asarray(activity, np.float64), width_s * float(fps))
