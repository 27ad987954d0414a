"""`talkface reenact PHOTO DRIVING.mp4 -o OUT.mp4` -> the photo's person doing what the driver does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.animate import default_out, import_torch, report_result
from talkface.cli.options import Quiet, refuse_missing, refuse_missing_of, with_options
from talkface.cli.progress import frame_progress
from talkface.errors import ConfigError
from talkface.inference.request import ReenactOptions
from talkface.options import option

CAMERA = "Camera"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    reenact.add_to(app, "reenact")


@dataclass(frozen=True, kw_only=True)
class CameraOptions(ReenactOptions):
    """Options of `reenact`, those before a camera too."""

    camera: str | None = option(None, "Drive live: a camera's number or device, or a video file.", group=CAMERA)
    window: bool = option(True, "With --camera: show the result.", group=CAMERA)
    seconds: float | None = option(None, "With --camera: stop after so long.", group=CAMERA, low=0.1)


@with_options(CameraOptions)
def reenact(
    photo: Annotated[str, typer.Argument(help="Photo, folder of photos, video, or identity file of the person.")],
    driving: Annotated[
        str | None,
        typer.Argument(help="Video of the face that drives, or FOLDER/X of X_aligned.mp4, X_aligned.npy, X.wav ..."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .mp4 to write. (default: PHOTO_DRIVING.mp4, here)")
    ] = None,
    quiet: Quiet = False,
    *,
    options: CameraOptions,
) -> None:
    """Make the person in PHOTO do what the face in DRIVING does, or what a camera sees.

    The motion is carried over and the driver's face shape is not; frame rate and sound are the driving video's.
    Before a camera, look ahead with the mouth shut for a second; Escape, Q or the window's cross ends.
    Animate only people who agreed, and say that the video is made.
    """
    if (driving is None) == (options.camera is None):
        raise ConfigError("give either a driving video or --camera: talkface reenact PHOTO DRIVING.mp4 -o OUT.mp4")
    if driving is None:
        _reenact_live(photo, options, out, quiet=quiet)
        return
    refuse_missing([photo, driving if Path(driving).suffix else None])
    target = out or default_out([photo], driving, options.format)
    refuse_missing_of(options, target)
    import_torch()
    from talkface import reenact as write_video

    with frame_progress(target.name, quiet) as report:
        made = write_video(photo, driving, target, options, progress=report)
    if not quiet:
        from talkface.inference.subject import renderer_network

        report_result(made, renderer_network(options))


def _reenact_live(photo: str, options: CameraOptions, out: Path | None, *, quiet: bool) -> None:
    """Follow a camera, and say how it went."""
    camera, window, seconds = options.camera, options.window, options.seconds
    assert camera is not None, "no driving video: refused without a camera"
    if options.proportions:
        raise ConfigError("--proportions needs all of the driver's frames, --camera has none to come: leave it out")
    if options.ani is not None:
        raise ConfigError("--ani is drawn for the frames of FOLDER/X, not of --camera: leave it out")
    refuse_missing([photo])
    refuse_missing_of(options, out)
    from talkface import Animator
    from talkface.inference.reenact_live import reenact_live

    animator = Animator.from_options(options)
    result = reenact_live(animator, photo, camera, options=options, out=out, window=window, seconds=seconds)
    if not quiet:
        lost = result.frames_without_face
        typer.echo(f"live: {result.num_frames} frames, {result.frames_per_s:.1f} frames/s, {lost} without a face")
        if result.recording:
            typer.echo(f"{result.recording}: {result.recorded} frames, marked as synthetic")
