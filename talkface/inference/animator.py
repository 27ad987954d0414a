"""Photo and speech -> talking frames, one stage a line."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from zlib import crc32

import numpy as np

from talkface.audio.rhythm import Rhythm, speech_rhythm
from talkface.checkpoints.registry import load_weights, must_fit
from talkface.errors import ConfigError, MediaError
from talkface.inference.enroll import enroll_found
from talkface.inference.heads import followed_pose, load_heads, spoken_pose
from talkface.inference.photos import PhotoSource, Shots, load_shots
from talkface.inference.tracking import HIGHEST_FPS
from talkface.landmarks.detect import Detector, load_detector
from talkface.landmarks.motion import BLINK_PROFILES, blink_track, close_eyes, raise_brows
from talkface.landmarks.retarget import Retargeter
from talkface.media.speech import SpeechStream, open_speech, speech_level
from talkface.models.audio2landmark import load_audio2landmark
from talkface.models.headmotion import Headmotion
from talkface.models.speech_network import SpeechNetwork
from talkface.renderers.base import Identity, Rendered, Renderer
from talkface.renderers.load import load_renderer
from talkface.types import DEFAULT_FPS, FloatArray, HeadPose, Image, Waveform, num_frames

BLOCK = 32  # frames of landmarks made and rendered at a time
MOTION_GAIN = 1.2  # a painted mouth is measured to open less than its landmarks do: .53 of the real range without it


@dataclass(frozen=True)
class AnimateOptions:
    """How a face moves; the defaults look natural.

    Attributes:
        fps: frames per second of the video, any rational.
        expression_scale: factor on the mouth's motion.
        head_motion: 0 still to 1 natural.
        blink: whether the eyes blink.
        still: keep the head where the photo has it, whatever would move it; eyes still blink. The same as a head motion
            of 0.
        seed: of blinks, brows and the head's motion; blinks and brows also differ by photo and speech.
        blink_profile: when and how the lids shut, one of `landmarks.motion.BLINK_PROFILES`.
    """

    fps: Fraction = DEFAULT_FPS
    expression_scale: float = 1.0
    head_motion: float = 1.0
    blink: bool = True
    still: bool = False
    seed: int = 0
    blink_profile: str = "natural"

    def __post_init__(self) -> None:
        if not 0 < self.fps <= HIGHEST_FPS:
            raise ConfigError(f"fps {self.fps} is out of range: expected above 0 and at most {HIGHEST_FPS}")
        if not (isinstance(self.head_motion, Real) and 0 <= self.head_motion <= 1):
            raise ConfigError(f"head motion {self.head_motion} is out of range: expected 0 (still) to 1 (natural)")
        if not (isinstance(self.seed, Integral) and self.seed >= 0):
            raise ConfigError(f"seed {self.seed} is out of range: expected a whole number, 0 or more")
        if not (isinstance(self.expression_scale, Real) and 0 <= self.expression_scale <= 4):
            raise ConfigError(f"expression scale {self.expression_scale} is out of range: expected 0 to 4")
        if self.blink_profile not in BLINK_PROFILES:
            known = " or ".join(BLINK_PROFILES)
            raise ConfigError(f"unknown blink profile {self.blink_profile!r}: expected {known}")
        for name, value in (("blink", self.blink), ("still", self.still)):
            if not isinstance(value, (bool, np.bool_)):
                raise ConfigError(f"{name} {value!r} is neither True nor False")


@dataclass(frozen=True)
class Track:
    """What drives one video: everything about its frames that is small enough to hold.

    Attributes:
        displacement: `[T, 68, 2]` canonical displacement from the closed mouth, in outer-eye distances.
        rhythm: of the speech, or silence.
        exact: `[T, 68, 2]` pixel landmarks to reproduce as they are, instead of `displacement`.
        head: `[N, 6]` track of another head to follow, see `landmarks.head_track`, instead of the speech's rhythm.
        key: number that follows from what is said, so that people do not all blink at the same times.
    """

    displacement: FloatArray
    rhythm: Rhythm
    exact: FloatArray | None = None
    head: FloatArray | None = None
    key: int = 0

    def __len__(self) -> int:
        return len(self.displacement)


@dataclass(frozen=True)
class Subject:
    """A person who is ready to speak: the renderer's identity and what the photos told."""

    identity: Identity
    retargeter: Retargeter
    shots: Shots = field(repr=False)

    @property
    def landmarks(self) -> FloatArray:
        """`[68, 2]` pixel landmarks of the photo that is animated."""
        return self.shots.shots[0].landmarks

    @property
    def key(self) -> int:
        """Number that follows from the photo's pixels."""
        return crc32(np.ascontiguousarray(self.shots.shots[0].image[::4, ::4]).tobytes())


class Animator:
    """Photo and speech -> frames.

    Holds the networks and nothing that depends on one request, so that many videos can share it.
    """

    def __init__(
        self,
        renderer: Renderer,
        audio2landmark: Callable[[], SpeechNetwork],
        detector: Detector,
        headmotion: Callable[[], Headmotion | None] = lambda: None,
    ) -> None:
        """Take a renderer, a face detector, and ways to load, when speech comes, what hears it and what moves heads."""
        self.renderer = renderer
        self.detector = detector
        self._load_audio2landmark = audio2landmark
        self._audio2landmark: SpeechNetwork | None = None
        self._load_headmotion = cache(headmotion)

    @property
    def speech_network(self) -> SpeechNetwork:
        """What hears the speech; loaded when first asked for."""
        if self._audio2landmark is None:
            self._audio2landmark = self._load_audio2landmark()
        return self._audio2landmark

    def enroll(self, photos: PhotoSource | Sequence[PhotoSource], face: int | None = None) -> Subject:
        """Prepare one person, from one photo or several; raises as `load_shots` does."""
        return self.subject(load_shots(photos, self.detector, face))

    def subject(self, found: Shots) -> Subject:
        """Prepare one person whose faces are found already."""
        return Subject(enroll_found(self.renderer, found), Retargeter(found.shots[0].landmarks), found)

    def listen(self, speech: SpeechStream, fps: Fraction, subject: Subject | None = None) -> Track:
        """Speech -> motion of mouth and rhythm, for `round(duration * fps)` frames.

        Networks that take an example face hear with `subject`'s, with a usual one where none is given.
        """
        count = num_frames(speech.duration_s, fps)
        if count == 0:
            raise MediaError(f"speech of {speech.duration_s:.3f} s is shorter than one frame at {fps} frames/s")
        level = speech_level(speech)
        rhythm = speech_rhythm(speech.blocks(), count, fps, level)
        face = None if subject is None else subject.retargeter.face
        displacement = self.speech_network.predict(speech.blocks(), count, level, fps=fps, example=face)
        return Track(MOTION_GAIN * displacement, rhythm, key=crc32(np.round(100 * rhythm.loudness).tobytes()))

    def landmarks(self, subject: Subject, track: Track, options: AnimateOptions) -> Iterator[FloatArray]:
        """Pixel landmarks of the photo's face, `[<= 32, 68, 2]` at a time."""
        if track.exact is not None:
            yield from (track.exact[i : i + BLOCK] for i in range(0, len(track), BLOCK))
            return
        pose = self._pose(track, options)
        own = [options.seed, subject.key, track.key]
        blink_rng, brow_rng = (np.random.default_rng([*own, purpose]) for purpose in (1, 2))
        closure = blink_track(len(track), options.fps, blink_rng, options.blink_profile) * options.blink
        brows = raise_brows(track.rhythm.onset, track.rhythm.activity, options.fps, brow_rng)
        for start in range(0, len(track), BLOCK):
            part = slice(start, start + BLOCK)
            block_pose = None if pose is None else HeadPose(pose.rotation[part], pose.translation[part])
            moved = track.displacement[part] + brows[part]
            points = subject.retargeter(moved, block_pose, expression_scale=options.expression_scale)
            yield close_eyes(points, closure[part])

    def _pose(self, track: Track, options: AnimateOptions) -> HeadPose | None:
        """How the head moves; None where it does not."""
        if options.still or options.head_motion == 0:
            return None
        if track.head is not None:
            return followed_pose(track.head, len(track), options.fps, options.head_motion)
        network = self._load_headmotion()
        return spoken_pose(network, track.rhythm, options.fps, options.seed, options.head_motion)

    def render(self, subject: Subject, track: Track, options: AnimateOptions) -> Iterator[Rendered]:
        """One rendered frame after the other."""
        identity = subject.identity.streaming()
        for points in self.landmarks(subject, track, options):
            yield from self.renderer.render(identity, points)

    def frames(
        self,
        photos: PhotoSource | Sequence[PhotoSource] | Subject,
        speech: str | Path | Waveform,
        options: AnimateOptions | None = None,
    ) -> Iterator[Image]:
        """Stream `[H, W, 3]` RGB uint8 frames of the photo speaking, `round(duration * fps)` of them."""
        options = options or AnimateOptions()
        subject = photos if isinstance(photos, Subject) else self.enroll(photos)
        track = self.listen(open_speech(speech), options.fps, subject)
        for rendered in self.render(subject, track, options):
            yield rendered.image


def check_animator(given: object) -> Animator | None:
    """The animator a caller handed over, or None; raises `ConfigError` for anything else."""
    if given is not None and not isinstance(given, Animator):
        raise ConfigError(
            f"the animator is of type {type(given).__name__}: pass what talkface.load_animator() returned"
        )
    return given


def load_animator(
    renderer: str = "hybrid",
    device: str = "auto",
    *,
    audio2landmark: str | Path = "audio2landmark",
    headmotion: str | Path = "headmotion",
    renderer_weights: str | Path | None = None,
    detector: str = "dlib",
) -> Animator:
    """Load the networks once, to make many videos.

    Args:
        renderer: `hybrid`, `warp`, `fewshot` or `vgnet`.
        device: `auto`, `cpu`, `cuda`, `mps`.
        audio2landmark: shipped name or path of the speech network; read when the first speech comes.
        headmotion: shipped name or path of the network that moves heads, read when first needed; or `rhythm`.
        renderer_weights: shipped name or path; the renderer's own default if not given.
        detector: `dlib` or `face-alignment`.

    Raises:
        CheckpointError: weights that are missing or of another kind.
        ConfigError: an unknown renderer or device.
    """

    def load_speech_network() -> SpeechNetwork:
        checkpoint = load_weights(audio2landmark, "audio2landmark")
        with must_fit(f"the speech network {audio2landmark}"):
            return load_audio2landmark(checkpoint)

    pictures = load_renderer(renderer, str(device), weights=renderer_weights)
    return Animator(pictures, load_speech_network, load_detector(detector), lambda: load_heads(headmotion))
