"""Photo, speech and options -> video file, marked as synthetic."""

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.clip import AnimateResult, Progress, check_outputs
from talkface.inference.photos import PhotoSource
from talkface.inference.request import AnimateOptions
from talkface.media.speech import open_speech
from talkface.types import Waveform


def animate(
    animator: Animator,
    photo: PhotoSource | Sequence[PhotoSource],
    speech: str | Path | Waveform | None,
    out: Path,
    *,
    options: AnimateOptions,
    progress: Progress | None = None,
) -> AnimateResult:
    """Write a video of `photo` speaking `speech`; everything a user can get wrong is checked before the first frame.

    Raises:
        MediaError, NoFaceError, ConfigError: one line that names the next step.
    """
    check_outputs(out, options)
    if speech is None and options.landmarks is None:
        raise ConfigError("neither speech nor landmarks given: pass a speech file, or --landmarks FILE.npz")
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress is of type {type(progress).__name__}: pass a function of (frames done, in all)")
    if options.head_from is not None:
        from talkface.media.read import probe_video

        probe_video(Path(options.head_from))
    sound = open_speech(speech) if speech is not None else None
    laps = [time.perf_counter()]
    subject = animator.prepare(photo, options.face)
    laps.append(time.perf_counter())
    if options.landmarks is None:
        assert sound is not None
        track = animator.listen(sound, options.fps, subject)
    else:
        from talkface.inference.driving import driven_track

        track = driven_track(subject, options.landmarks, options.fps)
    if options.head_from is not None:
        from talkface.inference.driving import follow_head

        track = follow_head(track, Path(options.head_from), options, animator.detector)
    laps.append(time.perf_counter())
    inputs = {"photo": photo, "speech": speech, "landmarks": options.landmarks, "head_from": options.head_from}
    rendered: list[float] = []  # when, where a report is made after it

    def report(made: AnimateResult, path: Path) -> None:
        from talkface.inference.report import write_report  # with the measures, a dozen modules

        rendered.append(time.perf_counter())
        write_report(path, _timed(made, [*laps, *rendered]), options, animator, inputs, str(out))

    result = animator.clip(subject, track, sound, options).save(out, progress=progress, report=report)
    return _timed(result, [*laps, *(rendered or [time.perf_counter()])])


def _timed(result: AnimateResult, laps: Sequence[float]) -> AnimateResult:
    seconds = [end - start for start, end in pairwise(laps)]
    return replace(result, timings=dict(zip(("enroll", "listen", "render"), seconds, strict=True)))
