"""Words of Python -> videos: `talkface.animate`, `reenact` and `batch`, with options as keywords."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.clip import AnimateResult, Progress, as_path, check_outputs
from talkface.inference.photos import PhotoSource
from talkface.inference.request import AnimateOptions, ReenactOptions
from talkface.media.speech import open_speech
from talkface.options import current_name
from talkface.types import Waveform

if TYPE_CHECKING:
    from talkface.inference.batch.results import Outcome
    from talkface.inference.batch.run import BatchProgress
    from talkface.inference.reenact import ReenactResult


def animate(
    photo: PhotoSource | Sequence[PhotoSource],
    speech: str | Path | Waveform | None,
    out: str | Path,
    options: AnimateOptions | None = None,
    *,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **keywords: Any,
) -> AnimateResult:
    """Write a video of the person in `photo` speaking `speech`.

    Args:
        photo: path, `[H, W, 3]` RGB uint8 array, Pillow image, folder, video, or a list of these, all of one person;
            the first is animated. Or an `Identity`, its file, or its name.
        speech: any sound or video file that ffmpeg decodes, or `Waveform(samples, rate)` with `[S]` float32 samples in
            -1 to 1; None where `landmarks` drive.
        out: the .mp4 to write; H.264 and AAC, the photo's size, `round(duration * fps)` frames.
        options: see `AnimateOptions`.
        animator: networks already loaded by `Animator.from_pretrained`; then those that the options name are not.
        progress: called with (frames done, frames in all).
        keywords: single options by name, over those of `options`.

    Raises:
        TalkfaceError: anything wrong with the input, in one line that names the next step.
    """
    target = as_path(out, "out")
    chosen = _chosen(AnimateOptions, options, keywords)
    networks = _checked(animator) or Animator.from_options(chosen)
    return write_video(networks, photo, speech, target, options=chosen, progress=progress)


def reenact(
    photo: PhotoSource | Sequence[PhotoSource],
    driving: str | Path,
    out: str | Path,
    options: ReenactOptions | None = None,
    *,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **keywords: Any,
) -> "ReenactResult":
    """Write a video of the person in `photo` doing what the face in `driving` does, frame for frame.

    Args:
        photo: as for `animate`.
        driving: video of the face that drives, or `FOLDER/X` of the demo files that `prepare --quintuple` writes; its
            motion is carried over, its shape is not.
        out: the .mp4 to write, of the photo's size and the driving video's length, frame rate and sound.
        options: see `ReenactOptions`.
        animator: as for `animate`.
        progress: called with (frames done, frames in all), once through while tracking, once while writing.
        keywords: single options by name, over those of `options`.

    Raises:
        TalkfaceError: anything wrong with the input, in one line that names the next step.
    """
    from talkface.inference.reenact import reenact as write_reenacted

    driver, target = as_path(driving, "driving"), as_path(out, "out")
    chosen = _chosen(ReenactOptions, options, keywords)
    networks = _checked(animator) or Animator.from_options(chosen)
    return write_reenacted(networks, photo, driver, target, options=chosen, progress=progress)


def batch(
    rows: str | Path | Sequence[Mapping[str, object]],
    out: str | Path,
    *,
    workers: int = 0,
    ray: str | None = None,
    device: str = "auto",
    retry_failed: bool = False,
    time_limit: float | None = None,
    progress: "Callable[[BatchProgress], None] | None" = None,
    storage: Sequence[str] = (),
    **common: object,
) -> "list[Outcome]":
    """Make many videos, resumable: what an earlier call finished with the same inputs is not made again.

    Call it below `if __name__ == "__main__":`, since it starts processes.

    Args:
        rows: a CSV or JSON lines file, or dictionaries, with `photo`, `speech` and any option of `animate`.
        out: folder of the videos, `results.jsonl` and `gallery.html`: a path, or a URL of fsspec.
        workers: processes of one thread each; 0 takes one per core.
        ray: None for processes of this machine; `local` for a Ray cluster started here; else a cluster's address.
        device: `auto`, `cpu`, `cuda` or `mps`.
        retry_failed: also try again what failed before; rows whose inputs changed are always tried.
        time_limit: seconds that one row may take at each stage, 0 for none; if not given it grows with the speech.
        progress: called now and then with how far the batch is.
        common: options of `animate` for rows that do not set them themselves.
        storage: kinds of address that rows may name, such as `s3`; only paths on this disk by default.

    Returns:
        One outcome per row, `failed` with a `reason` where it could not be made.

    Raises:
        TalkfaceError: the manifest or folder cannot be used; a bad row raises nothing.
    """
    from talkface.inference.batch.rows import make_rows, read_manifest
    from talkface.inference.batch.run import batch as make_videos
    from talkface.scale.cluster import open_workers

    if isinstance(rows, (str, Path)):
        given = read_manifest(Path(rows), common, storage=storage)
    else:
        given = make_rows(rows, Path(), common, storage=storage)
    with open_workers(ray, workers) as places:
        return make_videos(
            given,
            out,
            workers=places,
            device=device,
            retry_failed=retry_failed,
            time_limit=time_limit,
            progress=progress,
        )


def load_animator(renderer: str = "hybrid", device: str = "auto", **options: Any) -> Animator:
    """Old name of `Animator.from_pretrained`, for one release; `options` are its networks."""
    warnings.warn("load_animator is now Animator.from_pretrained: use that name", FutureWarning, stacklevel=2)
    return Animator.from_options(AnimateOptions.from_mapping({"renderer": renderer, "device": device, **options}))


def _chosen(group: Any, options: Any, keywords: Mapping[str, Any]) -> Any:
    """Options with keywords laid over them."""
    if options is None:
        return group.from_mapping(keywords)
    if not isinstance(options, group):
        raise ConfigError(f"options are of type {type(options).__name__}: pass talkface.{group.__name__}(...)")
    return replace(options, **{current_name(group, name): value for name, value in keywords.items()})


def _checked(given: object) -> Animator | None:
    if given is not None and not isinstance(given, Animator):
        raise ConfigError(
            f"the animator is of type {type(given).__name__}: pass what talkface.Animator.from_pretrained() returned"
        )
    return given


def write_video(
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
        track = animator.track_speech(sound, options.fps, subject)
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
        rendered.append(time.perf_counter())
        animator.write_report(options, inputs, _timed(made, [*laps, *rendered]), path, str(out))

    result = animator.clip(subject, track, sound, options).save(out, progress=progress, report=report)
    return _timed(result, [*laps, *(rendered or [time.perf_counter()])])


def _timed(result: AnimateResult, laps: Sequence[float]) -> AnimateResult:
    seconds = [end - start for start, end in pairwise(laps)]
    return replace(result, timings=dict(zip(("enroll", "speech", "render"), seconds, strict=True)))
