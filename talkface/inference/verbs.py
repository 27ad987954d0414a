"""Words of Python -> videos: `talkface.animate`, `reenact` and `batch`, with options as keywords."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.clip import AnimateResult, as_path, check_outputs
from talkface.inference.photos import PhotoSource
from talkface.inference.request import AnimateOptions, ReenactOptions, RenderOptions
from talkface.options import options_of
from talkface.types import Progress, Waveform

if TYPE_CHECKING:
    from talkface.inference.batch.options import BatchOptions
    from talkface.inference.batch.results import Outcome
    from talkface.inference.batch.run import BatchProgress


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
    chosen = AnimateOptions.merged(options, keywords)
    _check_call(target, chosen, progress)
    networks = _checked(animator) or Animator.from_options(chosen)
    return networks.animate(photo, speech, chosen).save(target, progress=progress)


def reenact(
    photo: PhotoSource | Sequence[PhotoSource],
    driving: str | Path,
    out: str | Path,
    options: ReenactOptions | None = None,
    *,
    animator: Animator | None = None,
    progress: Progress | None = None,
    **keywords: Any,
) -> AnimateResult:
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
    driver, target = as_path(driving, "driving"), as_path(out, "out")
    chosen = ReenactOptions.merged(options, keywords)
    _check_call(target, chosen, progress)
    networks = _checked(animator) or Animator.from_options(chosen)
    return networks.reenact(photo, driver, chosen, progress).save(target, progress=progress)


def batch(
    rows: str | Path | Sequence[Mapping[str, object]],
    out: str | Path,
    options: "BatchOptions | None" = None,
    *,
    progress: "Callable[[BatchProgress], None] | None" = None,
    **keywords: Any,
) -> "list[Outcome]":
    """Make many videos, resumable: what an earlier call finished with the same inputs is not made again.

    Call it below `if __name__ == "__main__":`, since it starts processes.

    Args:
        rows: a CSV or JSON lines file, or dictionaries, with `photo`, `speech` and any option of `animate`.
        out: folder of the videos, `results.jsonl` and `gallery.html`: a path, or a URL of fsspec.
        options: see `BatchOptions`.
        progress: called now and then with how far the batch is.
        keywords: single options by name, over those of `options`; and options of `animate` for rows that do not set
            them themselves.

    Returns:
        One outcome per row, `failed` with a `reason` where it could not be made.

    Raises:
        TalkfaceError: the manifest or folder cannot be used; a bad row raises nothing.
    """
    from talkface.inference.batch.options import BatchOptions
    from talkface.inference.batch.rows import make_rows, read_manifest
    from talkface.inference.batch.run import batch as make_videos

    own = {name: keywords.pop(name) for name in options_of(BatchOptions) if name in keywords}
    chosen = BatchOptions.merged(options, own)
    if isinstance(rows, (str, Path)):
        given = read_manifest(Path(rows), keywords, storage=chosen.storage)
    else:
        given = make_rows(rows, Path(), keywords, storage=chosen.storage)
    return make_videos(given, out, chosen, progress=progress)


def load_animator(renderer: str = "hybrid", device: str = "auto", **options: Any) -> Animator:
    """Old name of `Animator.from_pretrained`, for one release; `options` are its networks."""
    warnings.warn("load_animator is now Animator.from_pretrained: use that name", FutureWarning, stacklevel=2)
    return Animator.from_options(AnimateOptions.from_mapping({"renderer": renderer, "device": device, **options}))


def _checked(given: object) -> Animator | None:
    if given is not None and not isinstance(given, Animator):
        raise ConfigError(
            f"the animator is of type {type(given).__name__}: pass what talkface.Animator.from_pretrained() returned"
        )
    return given


def _check_call(out: Path, options: RenderOptions, progress: object) -> None:
    """Refuse what could not be written or called before networks are loaded."""
    check_outputs(out, options)
    if progress is not None and not callable(progress):
        raise ConfigError(f"progress is of type {type(progress).__name__}: pass a function of (frames done, in all)")
