"""`talkface animate PHOTO SPEECH -o OUT.mp4` -> a speaking video."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talkface.cli.progress import frame_progress
from talkface.errors import ConfigError

if TYPE_CHECKING:
    from talkface.inference.animate import AnimateResult

ALIASES = {  # what users of other talking-head programs type
    "source-image": "photo",
    "source": "photo",
    "image": "photo",
    "person": "photo",
    "driven-audio": "speech",
    "audio": "speech",
    "in-file": "speech",
    "wav": "speech",
    "output": "out",
    "outfile": "out",
    "result": "out",
    "save-name": "out",
    "overwrite": "force",
    "no-head-motion": "still",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("animate", context_settings={"token_normalize_func": _known_name})(animate)


def animate(
    first: Annotated[
        str | None, typer.Argument(metavar="PHOTO", help="Photo, folder of photos, video, or identity file.")
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="SPEECH", help="Any sound or video file that ffmpeg decodes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .mp4 to write. (default: PHOTO_SPEECH.mp4, here)")
    ] = None,
    photo: Annotated[
        list[str] | None, typer.Option("--photo", "-p", help="A photo; repeat for more shots of the same person.")
    ] = None,
    speech: Annotated[str | None, typer.Option("--speech", "-s", help="The speech, instead of as an argument.")] = None,
    fps: Annotated[str, typer.Option(help="Frames per second: 25, 29.97, 30000/1001, ...")] = "25",
    crop: Annotated[bool, typer.Option("--crop", help="Write only a square around the face.")] = False,
    panel: Annotated[bool, typer.Option("--panel", help="Write photo | sketch | mask | result side by side.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite the output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    expression_scale: Annotated[
        float, typer.Option(min=0.0, max=4.0, help="Factor on the mouth's motion.", rich_help_panel="Motion")
    ] = 1.0,
    head_motion: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Head motion: 0 none, 1 what one photo bears.", rich_help_panel="Motion"),
    ] = 1.0,
    blink: Annotated[bool, typer.Option("--blink/--no-blink", help="Blink.", rich_help_panel="Motion")] = True,
    blink_profile: Annotated[
        str, typer.Option(help="When and how the lids shut: natural or rhythmic.", rich_help_panel="Motion")
    ] = "natural",
    still: Annotated[
        bool,
        typer.Option(
            "--still",
            help="Keep the head still, as --head-motion 0; the eyes still blink. Also --no-head-motion.",
            rich_help_panel="Motion",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of blinks and head motion.", rich_help_panel="Motion")] = 0,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Drive by the landmarks of this .npz or .npy, or of FOLDER/X of demo files, not by speech.",
            rich_help_panel="Motion",
        ),
    ] = None,
    head_motion_from: Annotated[
        Path | None,
        typer.Option(help="Let the head follow the one in this video, back and forth.", rich_help_panel="Motion"),
    ] = None,
    save_landmarks: Annotated[
        Path | None, typer.Option(help="Also write the driving landmarks to this .npz.", rich_help_panel="Motion")
    ] = None,
    save_maps: Annotated[
        Path | None,
        typer.Option(help="Also write attention, motion map, landmarks (PNG) and a panel video to this folder."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Also measure what was made and write it to this .json, with warnings; not with --panel."),
    ] = None,
    renderer: Annotated[
        str,
        typer.Option(
            help="hybrid (a network paints the mouth), warp (geometry only), fewshot or vgnet.",
            rich_help_panel="Networks",
        ),
    ] = "hybrid",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel="Networks")] = "auto",
    face: Annotated[
        int | None,
        typer.Option(help="Which face, 0 the largest. (default: the largest)", rich_help_panel="Networks"),
    ] = None,
    detector: Annotated[str, typer.Option(help="dlib or face-alignment.", rich_help_panel="Networks")] = "dlib",
    audio2landmark: Annotated[
        str, typer.Option(help="Name or path of the speech network.", rich_help_panel="Networks")
    ] = "audio2landmark",
    headmotion: Annotated[
        str,
        typer.Option(
            help="Name or path of the network that moves the head; or rhythm, without one.", rich_help_panel="Networks"
        ),
    ] = "headmotion",
    renderer_weights: Annotated[
        str | None,
        typer.Option(help="Name or path of the renderer's network. (default: its own)", rich_help_panel="Networks"),
    ] = None,
) -> None:
    """Make the person in PHOTO speak SPEECH.

    The video has the photo's size and background, and round(duration x fps) frames.
    Its comment tag says that it is synthetic.
    Animate only people who agreed, and say that the video is made.
    """
    photos, sound = inputs(first, second, photo or [], speech, driven=landmarks is not None)
    target = out or default_out(photos, sound or landmarks)
    from talkface import animate as write_video

    with frame_progress(target.name, quiet) as moved:
        result = write_video(
            photos if len(photos) > 1 else photos[0],
            sound,
            target,
            renderer=renderer,
            fps=fps,
            expression_scale=expression_scale,
            head_motion=head_motion,
            blink=blink,
            blink_profile=blink_profile,
            still=still,
            seed=seed,
            device=device,
            face=face,
            crop=crop,
            panel=panel,
            save_landmarks=save_landmarks,
            save_maps=save_maps,
            report=report,
            landmarks=landmarks,
            head_motion_from=head_motion_from,
            force=force,
            audio2landmark=audio2landmark,
            headmotion=headmotion,
            renderer_weights=renderer_weights,
            detector=detector,
            progress=moved,
        )
    if not quiet:
        networks = [] if landmarks is not None else [audio2landmark]
        networks += [] if still or head_motion == 0 or head_motion_from is not None else [headmotion]
        report_result(result, [*networks, renderer_weights or renderer])
    if report is not None:
        _say_warnings(report, quiet)


def inputs(
    first: str | None, second: str | None, photos: list[str], speech: str | None, *, driven: bool
) -> tuple[list[str], str | None]:
    """Which words of the command are photos and which is the speech.

    Two arguments are PHOTO SPEECH; one is what the options left out.

    Returns:
        Photos, the animated one first, and the speech; None where landmarks drive a silent video.

    Raises:
        ConfigError: something is missing, or given twice.
    """
    words = [word for word in (first, second) if word is not None]
    if speech is None and words and (len(words) == 2 or (photos and not driven and not _looks_like_photo(words[0]))):
        speech = words.pop()
    if len(words) == 2:
        raise ConfigError(f"speech given twice, {words[1]} and --speech {speech}: leave one out")
    photos = [*words, *photos]
    if not photos:
        raise ConfigError("no photo given: talkface animate PHOTO SPEECH -o OUT.mp4")
    if speech is None and not driven:
        raise ConfigError("no speech given: talkface animate PHOTO SPEECH -o OUT.mp4")
    return photos, speech


def _looks_like_photo(word: str) -> bool:
    from talkface.media.photo import PHOTO_SUFFIXES

    return Path(word).suffix.lower() in PHOTO_SUFFIXES or Path(word).is_dir()


def default_out(photos: list[str], driving: str | Path | None) -> Path:
    """`PHOTO_SPEECH.mp4` in the current folder."""
    return Path(f"{Path(photos[0]).stem}_{Path(driving or 'speaking').stem}.mp4")


def _say_warnings(report: Path, quiet: bool) -> None:
    """What the report found unusual, on standard error, and where it lies."""
    content = json.loads(report.read_text(encoding="utf-8"))
    for line in content["warnings"]:
        typer.echo(f"warning: {line}", err=True)
    if not quiet:
        typer.echo(f"report: {report}, measured in {content['timings_s']['report']:.1f} s")


def report_result(result: "AnimateResult", networks: list[str]) -> None:
    """Print what was made, from what, and anything worth knowing about the input."""
    from talkface.checkpoints.registry import find_weights
    from talkface.errors import CheckpointError

    for note in result.notes:
        typer.echo(f"note: {note}")
    for name in networks:
        try:
            path = find_weights(name)
        except CheckpointError:  # a renderer without a network
            continue
        typer.echo(f"network: {name} ({path.stat().st_size / 1e6:.1f} MB, {path})")
    width, height = result.size
    speed = result.num_frames / max(result.timings.get("render", 0.0), 1e-9)
    found = f"{result.faces_found} face{'s' if result.faces_found != 1 else ''} found"
    typer.echo(
        f"made: {result.num_frames} frames, {width}x{height}, {found}, {speed:.0f} frames/s rendered and encoded"
    )
    typer.echo(f"{result.path}: {result.duration_s:.2f} s at {float(result.fps):g} frames/s, marked as synthetic")


def _known_name(name: str) -> str:
    """`--source_image` -> `--photo` and the like; underscores are as good as dashes."""
    dashed = name.replace("_", "-")
    return ALIASES.get(dashed, dashed)
