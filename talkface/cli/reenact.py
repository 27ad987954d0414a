"""`talkface reenact PHOTO DRIVING.mp4 -o OUT.mp4` -> the photo's person doing what the driver does."""

from pathlib import Path
from typing import Annotated

import typer

from talkface.cli.animate import report_result
from talkface.cli.progress import frame_progress
from talkface.errors import ConfigError

MOTION, NETWORKS, CAMERA = "Motion", "Networks", "Camera"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("reenact")(reenact)


def reenact(
    photo: Annotated[str, typer.Argument(help="Photo, folder of photos, video, or identity file of the person.")],
    driving: Annotated[
        str | None,
        typer.Argument(help="Video of the face that drives, or FOLDER/X of X_aligned.mp4, X_aligned.npy, X.wav ..."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .mp4 to write. (default: PHOTO_DRIVING.mp4, here)")
    ] = None,
    panel: Annotated[bool, typer.Option("--panel", help="Write driver | sketch | result side by side.")] = False,
    crop: Annotated[bool, typer.Option("--crop", help="Write only a square around the face.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Use the driver's landmarks as they are, shape and all.", rich_help_panel=MOTION),
    ] = False,
    proportions: Annotated[
        bool,
        typer.Option(
            "--proportions", help="Use them part by part rescaled to the photo's proportions.", rich_help_panel=MOTION
        ),
    ] = False,
    ani: Annotated[
        Path | None,
        typer.Option(
            help="X_ani.mp4 of the photo's face, for a driver FOLDER/X and a network with model.warp_ani.",
            rich_help_panel=NETWORKS,
        ),
    ] = None,
    smoothing: Annotated[
        str, typer.Option(help="Of the driver's landmarks: lips, hanning5 or none.", rich_help_panel=MOTION)
    ] = "lips",
    expression_scale: Annotated[
        float, typer.Option(min=0.0, max=4.0, help="Factor on mouth and brows.", rich_help_panel=MOTION)
    ] = 1.0,
    head_motion: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Head motion: 0 none, 1 as driven.", rich_help_panel=MOTION)
    ] = 1.0,
    fps: Annotated[
        str | None, typer.Option(help="Frames per second. (default: the driving video's)", rich_help_panel=MOTION)
    ] = None,
    sound: Annotated[
        bool, typer.Option("--sound/--no-sound", help="Keep the driving video's sound.", rich_help_panel=MOTION)
    ] = True,
    renderer: Annotated[str, typer.Option(help="hybrid, warp, fewshot, vgnet.", rich_help_panel=NETWORKS)] = "hybrid",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=NETWORKS)] = "auto",
    face: Annotated[
        int | None, typer.Option(help="Which face of the photo, 0 the largest.", rich_help_panel=NETWORKS)
    ] = None,
    detector: Annotated[str, typer.Option(help="dlib or face-alignment.", rich_help_panel=NETWORKS)] = "dlib",
    renderer_weights: Annotated[
        str | None, typer.Option(help="Name or path of the renderer's network.", rich_help_panel=NETWORKS)
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(help="Drive live: a camera's number or device, or a video file.", rich_help_panel=CAMERA),
    ] = None,
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="With --camera: show the result.", rich_help_panel=CAMERA)
    ] = True,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="With --camera: stop after so long.", rich_help_panel=CAMERA)
    ] = None,
) -> None:
    """Make the person in PHOTO do what the face in DRIVING does, or what a camera sees.

    The motion is carried over and the driver's face shape is not; frame rate and sound are the driving video's.
    Before a camera, look ahead with the mouth shut for a second; Escape, Q or the window's cross ends.
    Animate only people who agreed, and say that the video is made.
    """
    if (driving is None) == (camera is None):
        raise ConfigError("give either a driving video or --camera: talkface reenact PHOTO DRIVING.mp4 -o OUT.mp4")
    if driving is None:
        if proportions:
            raise ConfigError("--proportions needs all of the driver's frames, --camera has none to come: leave it out")
        if ani is not None:
            raise ConfigError("--ani is drawn for the frames of FOLDER/X, not of --camera: leave it out")
        from talkface.inference.animate import OutputOptions, parse_fps
        from talkface.inference.animator import load_animator
        from talkface.inference.reenact import ReenactOptions
        from talkface.inference.reenact_live import reenact_live

        assert camera is not None
        result = reenact_live(
            load_animator(renderer, device, renderer_weights=renderer_weights, detector=detector),
            photo,
            camera,
            options=ReenactOptions(raw, expression_scale, head_motion, None if fps is None else parse_fps(fps)),
            output=OutputOptions(crop=crop, panel=panel, force=force),
            out=out,
            window=window,
            seconds=seconds,
            face=face,
        )
        if not quiet:
            lost = result.frames_without_face
            typer.echo(f"live: {result.num_frames} frames, {result.frames_per_s:.1f} frames/s, {lost} without a face")
            if result.recording:
                typer.echo(f"{result.recording}: {result.recorded} frames, marked as synthetic")
        return
    from talkface import reenact as write_video

    target = out or Path(f"{Path(photo).stem}_{Path(driving).stem}.mp4")
    with frame_progress(target.name, quiet) as report:
        made = write_video(
            photo,
            driving,
            target,
            renderer=renderer,
            raw=raw,
            proportions=proportions,
            smoothing=smoothing,
            ani=ani,
            expression_scale=expression_scale,
            head_motion=head_motion,
            fps=fps,
            sound=sound,
            device=device,
            face=face,
            crop=crop,
            panel=panel,
            force=force,
            renderer_weights=renderer_weights,
            detector=detector,
            progress=report,
        )
    if not quiet:
        report_result(made, [renderer_weights or renderer])
