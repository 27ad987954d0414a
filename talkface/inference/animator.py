"""Photo and speech -> talking frames, one stage a line."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from zlib import crc32

import numpy as np

from talkface.audio.rhythm import speech_rhythm
from talkface.checkpoints.format import find_weights, load_weights
from talkface.checkpoints.load import load_audio2landmark, must_fit
from talkface.errors import ConfigError, MediaError
from talkface.inference.clip import AnimateResult, Clip
from talkface.inference.photos import PhotoSource, Shots, load_shots
from talkface.inference.request import AnimateOptions, ReenactOptions, RenderOptions
from talkface.inference.subject import (
    NETWORKS,
    Subject,
    Track,
    enroll_found,
    find_networks,
    followed_pose,
    load_heads,
    network_names,
    spoken_pose,
)
from talkface.landmarks.detect import Detector, load_detector
from talkface.landmarks.motion import blink_track, close_eyes, follow_gaze, held_brows, raise_brows, scale_mouth
from talkface.landmarks.retarget import Retargeter
from talkface.media.speech import SpeechStream, open_speech, speech_level
from talkface.models.headmotion import Headmotion
from talkface.models.speech_network import SpeechNetwork
from talkface.renderers.base import Rendered, Renderer
from talkface.renderers.load import load_renderer
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, HeadPose, Progress, Waveform, num_frames

if TYPE_CHECKING:
    from talkface.checkpoints.identity import StoredIdentity
    from talkface.inference.live import Session

BLOCK = 256  # frames of landmarks made and rendered at a time
MOTION_GAIN = 1.0  # at 1.15 test people's rendered mouths measured 1.21 of real openings (95th percentile, quick set)


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
        named: AnimateOptions | None = None,
    ) -> None:
        """Take a renderer, a face detector, and functions that load the speech and head-motion networks when needed.

        Args:
            renderer: makes frames.
            audio2landmark: loads the speech network.
            detector: finds faces and landmarks.
            headmotion: loads the head-motion network; None for the rhythm of the speech.
            named: options that name these networks, where names are known.
        """
        self.named = named
        self.renderer = renderer
        self.detector = detector
        self._load_audio2landmark = audio2landmark
        self._audio2landmark: SpeechNetwork | None = None
        self._load_headmotion = cache(headmotion)

    def network_files(self) -> dict[str, Path]:
        """File of each network by its name, as far as names are known; a renderer without a network has none."""
        return {} if self.named is None else {name: find_weights(name) for name in network_names(self.named)}

    @property
    def speech_network(self) -> SpeechNetwork:
        """Speech network, loaded when first used."""
        if self._audio2landmark is None:
            self._audio2landmark = self._load_audio2landmark()
        return self._audio2landmark

    @property
    def head_network(self) -> Headmotion | None:
        """Head motion network; None where the rhythm of the speech moves the head."""
        return self._load_headmotion()

    @classmethod
    def from_pretrained(cls, name: str | Path = "hybrid", device: str = "auto", **options: Any) -> Self:
        """Load networks once, to make many videos.

        Args:
            name: renderer family, shipped name or file of a renderer's network, or a folder that holds networks:
                one of a renderer and, where there are any, one of speech and one of head motion.
            device: `auto`, `cpu`, `cuda` or `mps`.
            options: `speech_model`, `head_model`, `detector` and `set` of `AnimateOptions`.

        Raises:
            CheckpointError: weights that are missing or of another kind.
            ConfigError: an unknown option or a device that this machine does not have.
        """
        return cls.from_options(AnimateOptions.from_mapping({**find_networks(name), "device": device, **options}))

    @classmethod
    def from_options(cls, options: RenderOptions, detector: Detector | None = None) -> Self:
        """Load the networks that `options` name; speech and head-motion networks are read when first needed.

        Args:
            options: of a video.
            detector: instead of the one that they name.
        """
        chosen = options if isinstance(options, AnimateOptions) else AnimateOptions()

        def load_speech_network() -> SpeechNetwork:
            checkpoint = load_weights(chosen.speech_model, "audio2landmark")
            with must_fit(f"the speech network {chosen.speech_model}", checkpoint.config, checkpoint.tensors):
                return load_audio2landmark(checkpoint)

        tuning = None
        if options.set:
            from talkface.renderers.tuning import read_tuning

            tuning = read_tuning(options.set)
        renderer = load_renderer(options.renderer, options.device, options.renderer_model, tuning)
        detector = detector or load_detector(options.detector)
        named = AnimateOptions(**{name: getattr(options, name) for name in NETWORKS if hasattr(options, name)})
        return cls(renderer, load_speech_network, detector, lambda: load_heads(chosen.head_model), named)

    def enroll(self, photos: PhotoSource | Sequence[PhotoSource], face: int | None = None) -> "StoredIdentity":
        """Identity of one person, from one photo or several, the animated one first: to animate, save and load."""
        found = load_shots(photos, self.detector, face)
        if found.stored is not None:
            return found.stored
        from talkface.inference.enroll import make_identity
        from talkface.renderers.fewshot import FewshotRenderer  # with its networks, not behind every video

        renderer = self.renderer if isinstance(self.renderer, FewshotRenderer) else None
        return make_identity(found, renderer, {"command": "enroll", "num_shots": len(found.shots)})

    def prepare(self, photos: PhotoSource | Sequence[PhotoSource], face: int | None = None) -> Subject:
        """Make one person ready to be rendered, from photos or an identity; raises as `load_shots` does."""
        return self.subject(load_shots(photos, self.detector, face))

    def subject(self, found: Shots) -> Subject:
        """Prepare one person whose faces are found already."""
        identity = enroll_found(self.renderer, found)
        for canvas in identity.canvases[:1]:
            canvas.start_matte()  # heads move in nearly all videos; it is ready when the speech is heard
        return Subject(identity, Retargeter(found.shots[0].landmarks), found)

    def track_speech(self, speech: SpeechStream, fps: Fraction, subject: Subject | None = None) -> Track:
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

    def landmarks(self, subject: Subject, track: Track, options: RenderOptions) -> Iterator[FloatArray]:
        """Pixel landmarks of the photo's face, `[<= 256, 68, 2]` at a time."""
        if track.exact is not None:
            yield from (track.exact[i : i + BLOCK] for i in range(0, len(track), BLOCK))
            return
        assert isinstance(options, AnimateOptions), "a reenacted face has exact landmarks"
        pose = self._pose(track, options)
        own = [options.seed, subject.key, track.key]
        blink_rng, brow_rng = (np.random.default_rng([*own, purpose]) for purpose in (1, 2))
        settings = self.renderer.tuning.motion
        closure = blink_track(len(track), options.fps, blink_rng, options.blink_profile, options.blink_rate, settings)
        closure = follow_gaze(closure * options.blink, options.gaze[1], settings)
        brows = raise_brows(track.rhythm.onset, track.rhythm.activity, options.fps, brow_rng, settings)
        brows += held_brows(options.brow_raise, settings)
        mouth = scale_mouth(track.displacement, options.mouth_opening, options.mouth_width)
        for start in range(0, len(track), BLOCK):
            part = slice(start, start + BLOCK)
            block_pose = None if pose is None else HeadPose(pose.rotation[part], pose.translation[part])
            moved = mouth[part] + brows[part]
            points = subject.retargeter(moved, block_pose, expression_scale=options.expression_scale)
            yield close_eyes(points, closure[part], settings)

    def _pose(self, track: Track, options: AnimateOptions) -> HeadPose | None:
        """Head motion; None where the head keeps still."""
        if options.head_amount == 0:
            return None
        if track.head is not None:
            return followed_pose(track.head, len(track), options.fps, options.head_scale)
        amount, style = options.head_scale, options.head_style
        return spoken_pose(
            self.head_network, track.rhythm, options.fps, options.seed, amount, style, self.renderer.tuning.motion
        )

    def render(self, subject: Subject, track: Track, options: RenderOptions) -> Iterator[Rendered]:
        """One rendered frame after the other."""
        identity = subject.identity.streaming()
        for points in self.landmarks(subject, track, options):
            yield from self.renderer.render(identity, points)

    def animate(
        self,
        person: PhotoSource | Sequence[PhotoSource] | Subject,
        speech: str | Path | Waveform | None,
        options: AnimateOptions | None = None,
        **keywords: Any,
    ) -> Clip:
        """Video of a person speaking, `round(duration * fps)` frames, made when it is read or saved.

        Args:
            person: photos, an identity, or a subject that `prepare` made.
            speech: any sound or video file that ffmpeg decodes, or a `Waveform`; None where the option `landmarks`
                drives a silent video.
            options: how the face moves and what is shown; what they say of networks is ignored.
            keywords: single options by name, over those of `options`.

        Raises:
            MediaError, NoFaceError, ConfigError: unusable photos, speech or options.
        """
        options = AnimateOptions.merged(options, keywords)
        if speech is None and options.landmarks is None:
            raise ConfigError("neither speech nor landmarks given: pass a speech file, or --landmarks FILE.npz")
        if options.head_from is not None:
            from talkface.media.read import probe_video

            probe_video(Path(options.head_from))
        sound = None if speech is None else open_speech(speech)
        began = time.perf_counter()
        subject = self._subject(person, options)
        enrolled = time.perf_counter()
        if options.landmarks is not None:
            from talkface.inference.driving import driven_track

            track = driven_track(subject, options.landmarks, options.fps)
        else:
            assert sound is not None
            track = self.track_speech(sound, options.fps, subject)
        if options.head_from is not None:
            from talkface.inference.driving import follow_head

            track = follow_head(track, Path(options.head_from), options, self.detector)
        timings = {"enroll": enrolled - began, "speech": time.perf_counter() - enrolled}
        inputs = {"photo": person, "speech": speech, "landmarks": options.landmarks, "head_from": options.head_from}
        report = partial(self.write_report, inputs)
        return replace(self.clip(subject, track, sound, options), write_report=report, timings=timings)

    def reenact(
        self,
        person: PhotoSource | Sequence[PhotoSource] | Subject,
        driving: str | Path,
        options: ReenactOptions | None = None,
        progress: Progress | None = None,
        **keywords: Any,
    ) -> Clip:
        """Video of a person doing what the face in `driving` does, made when it is read or saved.

        Args:
            person: as for `animate`.
            driving: video of the face that drives, or `FOLDER/X` of demo files; its motion is carried over, its shape
                is not. It is tracked here.
            options: how the motion is followed and what is shown; what they say of networks is ignored.
            progress: called with (frames tracked, frames in all).
            keywords: single options by name, over those of `options`.

        Raises:
            MediaError, NoFaceError, ConfigError: unusable photos, driver or options.
        """
        from talkface.inference.reenact import reenact  # not behind every video

        chosen = ReenactOptions.merged(options, keywords)
        subject = partial(self._subject, person, chosen)
        return reenact(Path(driving), subject, self.detector, self.clip, chosen, progress)

    def _subject(self, person: PhotoSource | Sequence[PhotoSource] | Subject, options: RenderOptions) -> Subject:
        return person if isinstance(person, Subject) else self.prepare(person, options.face)

    def write_report(
        self, inputs: Mapping[str, object], options: AnimateOptions, made: AnimateResult, path: Path, shown_as: str
    ) -> dict[str, Any]:
        """Measure a video of this animator; see `inference.report.write_report`."""
        from talkface.inference.report import write_report  # a second of start-up: a dozen modules, scipy's statistics

        networks = self.network_files()
        return write_report(path, made, options, self.detector, self.renderer, networks, inputs, shown_as)

    def live(
        self,
        person: PhotoSource | Sequence[PhotoSource] | Subject,
        sample_rate: int = SAMPLE_RATE,
        options: AnimateOptions | None = None,
    ) -> "Session":
        """A person who speaks what is pushed as it comes, `sample_rate` samples per second; see `inference.live`.

        Raises:
            MediaError, NoFaceError, ConfigError: unusable photos or options.
        """
        from talkface.inference.live import Session, check_live  # not behind every video
        from talkface.inference.live_motion import MotionStream

        options = options or AnimateOptions()
        check_live(sample_rate, options)
        subject = self._subject(person, options)
        heads = None if options.head_amount == 0 else self.head_network
        face = subject.retargeter.face
        motion = MotionStream(
            self.speech_network, heads, options, face, subject.key, MOTION_GAIN, self.renderer.tuning.motion
        )
        return Session(self.renderer, motion, subject, sample_rate, options)

    def clip(
        self, subject: Subject, track: Track, sound: SpeechStream | None, options: AnimateOptions | ReenactOptions
    ) -> Clip:
        """Video of a subject that `track` drives; `sound` is only muxed."""
        return Clip(
            len(track),
            options.fps or DEFAULT_FPS,
            subject.shots,
            sound,
            options,
            render=lambda: self.render(subject, track, options),
            points=lambda: self.landmarks(subject, track, options),
            networks=self.network_files(),
        )
