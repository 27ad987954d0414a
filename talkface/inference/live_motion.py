"""16 kHz samples as they come -> what mouth, head and lids of a face do, at 25 frames/s."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from talkface.audio.rhythm_stream import RhythmStream
from talkface.geometry.spline import smooth_step
from talkface.inference.request import AnimateOptions
from talkface.landmarks.head_style import HEAD_STYLES, SHOWN, HeadStyle, soften
from talkface.landmarks.motion import EASE_S, IDLE, MOTION, MotionSettings, follow_gaze, held_brows, scale_mouth
from talkface.landmarks.motion_stream import Brows, Lids, LowPass, Nods, breath
from talkface.landmarks.smooth import hanning
from talkface.models.headmotion import JOIN_WIDTH, PHOTO_SHARE, POSE, Headmotion
from talkface.models.mouth_stream import MouthStream
from talkface.models.speech_network import FPS, SpeechNetwork
from talkface.types import FloatArray

BROWS_AHEAD = 3  # frames of rhythm that are complete when a frame's mouth is made
STOP_S = 0.12  # how long a mouth takes to close that is interrupted


@dataclass(frozen=True)
class Movement:
    """A face at one moment.

    Attributes:
        displacement: `[68, 2]` canonical, from the closed mouth.
        pose: `[5]` pitch, yaw, roll in radians, x and y in outer-eye distances, relative to the photo.
        closure: of the lids, 0..1.
    """

    displacement: FloatArray
    pose: FloatArray
    closure: float

    def toward(self, other: "Movement", share: float) -> "Movement":
        """Between this one and another, 0 this and 1 the other."""
        return Movement(
            self.displacement + share * (other.displacement - self.displacement),
            self.pose + share * (other.pose - self.pose),
            self.closure + share * (other.closure - self.closure),
        )


class MotionStream:
    """Everything of a face that moves, in bounded memory; idle, it breathes and blinks.

    Mouth, brows and lids are those of their frame, and nods on the beat (`rhythm`) too. A network moves the head 0.12 s
    late: it plans blocks of 0.32 s, of which the first 0.16 s are known and the rest is taken to sound on like them.
    Its motion correlates by 0.9 with that of `animate`, which knows the whole clip.
    """

    def __init__(
        self,
        speech: SpeechNetwork,
        heads: Headmotion | None,
        options: AnimateOptions,
        example: FloatArray | None = None,
        key: int = 0,
        gain: float = 1.0,
        settings: MotionSettings = MOTION,
    ) -> None:
        """Start at rest.

        Args:
            speech: moves the mouth.
            heads: moves the head; None for the rhythm.
            options: those of motion are followed.
            example: `[68, 2]` canonical face, for speech networks that want one.
            key: of the person, so that not all blink at the same times.
            gain: factor on the mouth's motion.
            settings: rates and amplitudes of lids, brows and head.
        """
        rngs = [np.random.default_rng([options.seed, key, purpose]) for purpose in range(3)]
        self._gain = gain
        self._mouth, self._rhythm = MouthStream(speech, example), RhythmStream()
        lids = Lids(FPS, rngs[1], options.blink_profile, options.blink_rate, settings)
        self._lids, self._looks_up = lids if options.blink else None, options.gaze[1]
        self._held, self._gains = held_brows(options.brow_raise, settings), (options.mouth_opening, options.mouth_width)
        self._brows = Brows(FPS, rngs[2], BROWS_AHEAD, settings)
        self._amount = options.head_amount
        style = HEAD_STYLES[options.head_style]
        self._head = _Nodding(rngs[0], style, settings) if heads is None else _PlannedHead(heads, options.seed, style)
        self._rhythms: deque[FloatArray] = deque()
        self._settings = settings
        self._begun, self._frame = False, 0
        self._last = np.zeros((68, 2), np.float32)
        self._stopped: tuple[int, FloatArray] | None = None

    def push(self, samples: FloatArray) -> list[Movement]:
        """`[S]` samples that follow the last ones -> the frames that they complete."""
        self._rhythms.extend(self._rhythm.push(samples))
        return [self._next(self._gain * mouth) for mouth in self._mouth.push(samples)]

    def _follow(self) -> tuple[FloatArray, FloatArray]:
        """Brows `[68, 2]` and head pose `[5]` after one more frame of rhythm."""
        rhythm = self._rhythms.popleft() if self._rhythms else np.zeros(3, np.float32)
        return self._brows(float(rhythm[0]), float(rhythm[1])), self._head(rhythm)

    def silence(self) -> None:
        """Close the mouth within `STOP_S`, whatever was pushed."""
        self._mouth.silence()
        self._stopped = self._frame, self._last

    def _next(self, mouth: FloatArray) -> Movement:
        if not self._begun:
            self._begun = True
            for _ in range(BROWS_AHEAD):
                self._follow()
        brows, pose = self._follow()
        time_s = self._frame / FPS
        eased = 1 - np.exp(-time_s / EASE_S)
        if self._stopped is not None:
            since, last = self._stopped
            share = 1 - smooth_step((self._frame - since + 1) / (STOP_S * FPS))
            mouth = mouth + share * last
            self._stopped = None if share <= 0 else self._stopped
        self._frame += 1
        self._last = mouth
        closure = float(
            follow_gaze(np.array(0.0 if self._lids is None else self._lids()), self._looks_up, self._settings)
        )
        moved = scale_mouth(mouth[None], *self._gains)[0] + brows + self._held
        return Movement(moved, self._amount * eased * (pose + breath(time_s)), closure)


class _Nodding:
    """Nods on the beat, which is known `BROWS_AHEAD` frames before."""

    def __init__(self, rng: np.random.Generator, style: HeadStyle, settings: MotionSettings) -> None:
        self._nods, self._style = Nods(FPS, rng, float(style.tempo), settings), style
        self._waiting = deque([np.zeros(3, np.float32)] * BROWS_AHEAD)

    def __call__(self, rhythm: FloatArray) -> FloatArray:
        """`[3]` onset, activity and loudness `BROWS_AHEAD` frames ahead -> `[5]` pose to show."""
        self._waiting.append(rhythm)
        onset, activity, _ = self._waiting.popleft()
        return self._style.scaled(self._nods(float(onset), float(activity)))


class _PlannedHead:
    """A head-motion network, fed frame by frame at its style's tempo."""

    def __init__(self, network: Headmotion, seed: int, style: HeadStyle) -> None:
        known = min(BROWS_AHEAD + 1, network.config.block)
        self._stream, self._style = network.start(seed, known=known), style
        self._planned = deque([np.zeros(POSE, np.float32)] * (known - 1))
        self._recent = deque([np.zeros(POSE, np.float32)] * JOIN_WIDTH, maxlen=JOIN_WIDTH)
        self._rise, self._fall = LowPass(SHOWN.rise_s * FPS), LowPass(SHOWN.fall_s * FPS)
        self._time, self._fed = Fraction(0), 0  # in frames of the network
        self._sound = np.zeros(3, np.float32)  # since it was last fed
        self._last = self._next = np.zeros(POSE)

    def __call__(self, rhythm: FloatArray) -> FloatArray:
        """`[3]` onset, activity and loudness of the next frame -> `[5]` pose to show."""
        self._time += self._style.tempo
        self._sound = np.maximum(self._sound, rhythm)
        while self._fed < self._time:
            self._feed()
        pose = self._last + float(self._time - (self._fed - 1)) * (self._next - self._last)
        activity = float(rhythm[1])
        awake = min(max(float(self._rise(activity)), float(self._fall(activity))) / SHOWN.awake, 1.0)
        calm = self._style.scaled(pose)[: SHOWN.count] * PHOTO_SHARE * (IDLE + (1 - IDLE) * awake)
        return np.asarray(soften(calm[None], np.array(SHOWN.longest))[0])

    def _feed(self) -> None:
        """One frame of the network further."""
        self._planned.extend(self._stream.push(self._sound[None]))
        self._recent.append(self._planned.popleft())
        self._last, self._next = self._next, hanning(np.stack(self._recent), JOIN_WIDTH)[JOIN_WIDTH // 2]
        self._fed += 1
        if self._fed >= self._time:
            self._sound = np.zeros(3, np.float32)
