"""Rendered frames, not made yet -> frames one by one, a video file, or a report on it."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from talkface.errors import ConfigError, MediaError
from talkface.files.write import atomic_files
from talkface.inference.output import Finish, cut_notes, track_text
from talkface.inference.photos import Shots
from talkface.inference.request import AnimateOptions, RenderOptions
from talkface.media.ffmpeg import format_of
from talkface.media.mark.tag import Origin, can_sign
from talkface.media.speech import SpeechStream
from talkface.media.write import VideoWriter, check_not_speech, check_output, followed
from talkface.options import current_name, options_of
from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image, Progress, Shot


@dataclass(frozen=True)
class AnimateResult:
    """Result of writing a clip.

    Attributes:
        path: the video.
        num_frames: its length in frames.
        fps: its frame rate, exact.
        duration_s: its length in seconds.
        size: width and height in pixels.
        faces_found: faces in the first photo.
        notes: remarks on the input.
        timings: seconds by stage: `enroll`, `speech` or `track`, `render`.
        frames_without_face: of a driving video; there the last expression is held for 0.4 s, then the face fades to
            rest.
        shot: the photo that was animated, with its landmarks.
    """

    path: Path
    num_frames: int
    fps: Fraction
    duration_s: float
    size: tuple[int, int]
    faces_found: int
    notes: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    frames_without_face: int = 0
    shot: Shot = field(kw_only=True, repr=False, compare=False)


@dataclass(frozen=True)
class Clip:
    """A video that is made when it is read: iterate for `[H, W, 3]` RGB uint8 frames, or `save` it.

    Transparent frames are `[H, W, 4]`; those of files bear an invisible mark besides.

    Attributes:
        fps: frames per second, exact.
        shots: the person's photos, the animated one first.
        sound: the sound track; None leaves the video silent.
        options: what was asked for.
        render: makes the frames, from the first one, on every call.
        points: makes the pixel landmarks, `[<= 256, 68, 2]` at a time, on every call.
        networks: files of the networks behind it, for the signed manifest.
        driving: the video that drives it, instead of speech.
        drivers: reads the driver's picture for every frame, on every call, where panels show it.
        frames_without_face: frames in which the driver's face was not found.
        timings: seconds that the stages before took.
        write_report: writes what the video measures to a .json, from the options, a result, that path and the video's
            name.
    """

    num_frames: int
    fps: Fraction
    shots: Shots = field(repr=False)
    sound: SpeechStream | None = field(repr=False)
    options: RenderOptions = field(repr=False)
    render: Callable[[], Iterator[Rendered]] = field(repr=False)
    points: Callable[[], Iterator[FloatArray]] = field(repr=False)
    networks: Mapping[str, Path] = field(default_factory=dict, repr=False)
    driving: Path | None = None
    drivers: Callable[[], Iterator[Image]] | None = field(default=None, repr=False)
    frames_without_face: int = 0
    timings: Mapping[str, float] = field(default_factory=dict, repr=False)
    write_report: Callable[[AnimateOptions, AnimateResult, Path, str], object] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[Image]:
        return self._pictures(self.render())

    @property
    def duration_s(self) -> float:
        return float(self.num_frames / self.fps)

    @property
    def landmarks(self) -> FloatArray:
        """`[T, 68, 2]` pixel landmarks of the photo's face in every frame."""
        return np.concatenate(list(self.points()))

    def save(
        self,
        out: str | Path,
        *,
        encoder_threads: int = 0,
        progress: Progress | None = None,
        **keywords: Any,
    ) -> AnimateResult:
        """Write the video, and the landmarks, maps and report that the options ask for: all of them, or none.

        Args:
            out: the file to write; its ending says the format, see `media.ffmpeg`.
            encoder_threads: of the H.264 encoder, 0 as many as it likes; a fixed number gives the same bytes anywhere.
            progress: called with (frames written, frames in all).
            keywords: single options by name, such as `crop=True` or `force=True`, over those of the clip; not those
                that its motion has followed already.

        Raises:
            MediaError: the output cannot be written, or there is no frame.
            ConfigError: a report is asked for, of a clip that has none, or a keyword is of what the clip is made of.
        """
        if keywords:
            options = replace(self.options, **self._changes(keywords))
            return replace(self, options=options).save(out, encoder_threads=encoder_threads, progress=progress)
        out, options, began = Path(out), self.options, time.perf_counter()
        check_outputs(out, options)
        check_not_speech(out, self.sound)
        wanted = {"video": out}
        if isinstance(options, AnimateOptions):
            wanted |= {"points": options.save_landmarks} if options.save_landmarks is not None else {}
            if options.report is not None and self.write_report is None:
                raise ConfigError("no report can be made of this clip: leave the option report out")
            wanted |= {"report": options.report} if options.report is not None else {}
        targets = [followed(path) for path in wanted.values()]  # a link that the user made stays one
        with atomic_files(targets, exclusive=not options.force) as hidden:
            parts = dict(zip(wanted, hidden, strict=True))
            with self._mapping() as through:
                size = self._write(self._pictures(through(self.render())), parts["video"], encoder_threads, progress)
            if "points" in parts:
                from talkface.inference.driving import save_landmarks

                save_landmarks(parts["points"], self.landmarks, self.fps, self.shots.shots[0].landmarks)
            result = self._result(parts["video"], size, time.perf_counter() - began)
            if "report" in parts and self.write_report is not None and isinstance(options, AnimateOptions):
                self.write_report(options, result, parts["report"], str(out))
        return replace(result, path=out)

    def report(self) -> dict[str, Any]:
        """Make the video in a temporary folder and measure it.

        Returns:
            What `inference.report.write_report` writes.

        Raises:
            ConfigError: of a clip that `Animator.animate` did not make, or of a panel.
        """
        if not isinstance(self.options, AnimateOptions):
            raise ConfigError("no report can be made of a reenacted video: `talkface evaluate video` measures it")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            options = replace(self.options, report=path, save_landmarks=None, save_maps=None)
            replace(self, options=options).save(path.with_name("video.mp4"))
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def _changes(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Options by today's name; raises `ConfigError` for those that only count where the clip is made."""
        known = options_of(type(self.options))
        changes = {current_name(type(self.options), name): value for name, value in keywords.items()}
        for name in changes:
            if known[name].meta["group"] in ("Motion", "Networks") or name in ("fps", "sound"):
                raise ConfigError(f"the option {name} is part of the clip: give it to Animator.animate or reenact")
        return changes

    def _result(self, video: Path, size: tuple[int, int], render_s: float) -> AnimateResult:
        shot = self.shots.shots[0]
        return AnimateResult(
            path=video,
            num_frames=self.num_frames,
            fps=self.fps,
            duration_s=self.duration_s,
            size=size,
            faces_found=self.shots.faces_found,
            notes=[*self.shots.notes, *(self.sound.notes if self.sound else ()), *cut_notes(self.options, shot)],
            timings={**self.timings, "render": render_s},
            frames_without_face=self.frames_without_face,
            shot=shot,
        )

    def _pictures(self, rendered: Iterator[Rendered]) -> Iterator[Image]:
        finish = Finish(self.options, self.shots.shots[0])
        drivers = iter(()) if self.drivers is None else self.drivers()
        driver: Image | None = None
        for index, frame in enumerate(rendered):
            driver = next(drivers, driver)
            yield finish.letter(finish.shown(frame, driver), float(index / self.fps))

    @contextlib.contextmanager
    def _mapping(self) -> Iterator[Callable[[Iterator[Rendered]], Iterator[Rendered]]]:
        """Frames pass through unchanged, or through the writer of maps."""
        options = self.options
        if not isinstance(options, AnimateOptions) or options.save_maps is None:
            yield lambda rendered: rendered
            return
        photo = self.shots.shots[0].image
        from talkface.inference.maps import MapWriter

        with MapWriter(options.save_maps, photo, self.fps, self.sound, force=options.force) as writer:
            yield writer.tee

    def _origin(self) -> Origin:
        """Content of the signed manifest; empty without a signature."""
        if not self.options.sign or not (can_sign() or self.options.certificate):
            return Origin()
        from talkface.inference.origin import find_origin

        speech = self.sound if self.driving is None else None  # a driving video is hashed as a whole
        return find_origin(self.options, self.shots, self.networks, speech, self.driving)

    def _write(self, frames: Iterator[Image], out: Path, threads: int, progress: Progress | None) -> tuple[int, int]:
        """Encode frame by frame into a file of ours; returns width and height."""
        try:
            first = next(frames)
        except StopIteration:
            raise MediaError("there is no frame to write: the speech or landmarks are empty") from None
        height, width = first.shape[:2]
        with VideoWriter(
            out,
            (width, height),
            self.fps,
            self.sound,
            force=True,
            threads=threads,
            origin=self._origin(),
            alpha=self.options.alpha,
            captions=track_text(self.options),
        ) as writer:
            writer.write(first)
            if progress:
                progress(1, self.num_frames)
            for done, frame in enumerate(frames, start=2):
                writer.write(frame)
                if progress:
                    progress(done, self.num_frames)
        return width, height


def check_outputs(out: Path, options: RenderOptions) -> None:
    """Refuse outputs that could not be written, before the first frame is made.

    Raises:
        MediaError: a file that exists (without `force`), a missing folder, or a wrong suffix.
        ConfigError: the output's name and the format asked for disagree.
    """
    force = options.force
    check_output(out, force=force)
    if options.format is not None and out.suffix.lower() != f".{options.format}":
        raise ConfigError(f"the output {out} and --format {options.format} disagree: leave one out")
    has_track = options.captions is not None and options.captions_as == "track"
    format_of(out.suffix.lower(), alpha=options.alpha, captions=has_track)
    if not isinstance(options, AnimateOptions):
        return
    if options.save_landmarks is not None:
        check_output(options.save_landmarks, force=force, suffixes=(".npz",))
    if options.save_maps is not None:
        from talkface.inference.maps import check_map_folder

        check_map_folder(options.save_maps, force=force)
    if options.report is not None:
        check_output(options.report, force=force, suffixes=(".json",))


def as_path(value: object, name: str) -> Path:
    """The argument called `name` as a path; raises `ConfigError` for anything else."""
    if not isinstance(value, (str, Path)):
        raise ConfigError(f"{name} is of type {type(value).__name__}: pass a path")
    return Path(value)
