"""`talkface animate PHOTO SPEECH -o OUT.mp4` -> a speaking video."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from talkface.cli.options import Quiet, refuse_missing, refuse_missing_of, with_options
from talkface.cli.progress import frame_progress
from talkface.errors import ConfigError, TalkfaceError, printable
from talkface.files.write import fitting_name
from talkface.inference.request import AnimateOptions

if TYPE_CHECKING:
    from talkface.inference.clip import AnimateResult
    from talkface.types import Image


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


SEVERAL = "Several faces"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    animate.add_to(app, "animate")


@with_options(AnimateOptions, aliases=ALIASES)
def animate(
    first: Annotated[
        str | None, typer.Argument(metavar="PHOTO", help="Photo, folder of photos, video, or identity file.")
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="SPEECH", help="Any sound or video file that ffmpeg decodes.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The video to write. (default: PHOTO_SPEECH.mp4, here)"),
    ] = None,
    photo: Annotated[
        list[str] | None, typer.Option("--photo", "-p", help="A photo; repeat for more shots of the same person.")
    ] = None,
    speech: Annotated[str | None, typer.Option("--speech", "-s", help="The speech, instead of as an argument.")] = None,
    quiet: Quiet = False,
    speaker: Annotated[
        list[str] | None,
        typer.Option(
            help="FACE=SPEECH: what one of several faces says, 0 the largest; repeat.", rich_help_panel=SEVERAL
        ),
    ] = None,
    stereo: Annotated[
        bool, typer.Option("--stereo", help="SPEECH is a dialogue: left is face 0, right 1.", rich_help_panel=SEVERAL)
    ] = False,
    turns: Annotated[
        Path | None,
        typer.Option(help="Who speaks when in SPEECH: .rttm, or CSV of start, end, speaker.", rich_help_panel=SEVERAL),
    ] = None,
    *,
    options: AnimateOptions,
) -> None:
    """Make the person in PHOTO speak SPEECH.

    The video has the photo's size and background, and round(duration x fps) frames.
    Its comment tag says that it is synthetic.
    Animate only people who agreed, and say that the video is made.
    """
    driving = options.landmarks if isinstance(options.landmarks, str) else None
    if speaker or stereo or turns is not None:
        _converse([first, second, *(photo or []), speech], speaker or [], stereo, turns, out, options, quiet)
        return
    photos, sound = inputs(first, second, photo or [], speech, driven=driving is not None)
    refuse_missing([*photos, sound])
    target = out or default_out(photos, sound or driving, options.format)
    refuse_missing_of(options, target)
    from talkface.landmarks.detect import detector_beside

    beside = options.detector if _looks_like_photo(photos[0]) else ""
    with detector_beside(beside, partial(_readable, photos)) as detector:
        import_torch()
        from talkface import Animator
        from talkface import animate as write_video

        with frame_progress(target.name, quiet) as moved:
            person = photos if len(photos) > 1 else photos[0]
            networks = {} if detector is None else {"animator": Animator.from_options(options, detector)}
            result = write_video(person, sound, target, options, progress=moved, **networks)
    if not quiet:
        from talkface.inference.subject import renderer_network

        moves = options.head_amount and not options.head_from
        names = [] if driving else [options.speech_model]
        names += [options.head_model] if moves else []
        report_result(result, [*names, *renderer_network(options)])
        for what, place in (("landmarks", options.save_landmarks), ("maps", options.save_maps)):
            if place is not None:
                typer.echo(f"{what}: {place}")
    if options.report is not None:
        _say_warnings(options.report, quiet)


def _converse(
    words: list[str | None],
    speakers: list[str],
    stereo: bool,
    turns: Path | None,
    out: Path | None,
    options: AnimateOptions,
    quiet: bool,
) -> None:
    """Write a video of several faces of one photo, each with its own speech."""
    given = [word for word in words if word is not None]
    if bool(speakers) + stereo + (turns is not None) != 1 or len(given) != (1 if speakers else 2):
        raise ConfigError(
            "several faces: PHOTO with --speaker FACE=SPEECH ..., or PHOTO SPEECH with --stereo or --turns"
        )
    refuse_missing([*given, turns, *(word.partition("=")[2] for word in speakers)])
    refuse_missing_of(options, out)
    import_torch()
    from talkface import Animator
    from talkface.inference.clip import check_outputs
    from talkface.inference.dialogue import converse, parse_speakers, read_turns, split_channels, split_turns
    from talkface.media.speech import read_waveform

    target = out or default_out(given[:1], given[1] if len(given) > 1 else "dialogue", options.format)
    check_outputs(target, options)
    if turns is not None:
        speeches = split_turns(read_waveform(given[1]), read_turns(turns))
    else:
        speeches = split_channels(Path(given[1])) if stereo else parse_speakers(speakers)
    clip = converse(Animator.from_options(options), given[0], speeches, options)
    with frame_progress(target.name, quiet) as moved:
        result = clip.save(target, progress=moved)
    if not quiet:
        report_result(result, [])


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


def import_torch() -> None:
    """Import torch without its shapes of tensors that hold no numbers, which only its compiler and exporter look at.

    They and what they bring are a third of the import, half a second of every video. Whoever needs them in the same
    process imports `torch._meta_registrations` later, as `checkpoints.fewshot.empty_fewshot` does.
    """
    name = "torch._meta_registrations"
    if "torch" in sys.modules:
        return
    sys.modules[name] = ModuleType(name)
    import torch

    del sys.modules[name]
    vars(torch).pop("_meta_registrations", None)


def _readable(photos: Sequence[str]) -> "Iterator[Image]":
    """Those photos that can be read; what is wrong with the others is said where they are needed."""
    from talkface.media.read import read_photo

    for photo in photos:
        with contextlib.suppress(TalkfaceError, OSError):
            yield read_photo(photo)


def _looks_like_photo(word: str) -> bool:
    from talkface.media.photo import PHOTO_SUFFIXES

    return Path(word).suffix.lower() in PHOTO_SUFFIXES or Path(word).is_dir()


def default_out(photos: list[str], driving: str | Path | None, suffix: str | None = None) -> Path:
    """`PHOTO_SPEECH.mp4`, or with another suffix, in the current folder, cut where the names are too long together."""
    return Path(fitting_name(f"{Path(photos[0]).stem}_{Path(driving or 'speaking').stem}", f".{suffix or 'mp4'}"))


def _say_warnings(report: Path, quiet: bool) -> None:
    """Print the report's warnings and its path on standard error."""
    content = json.loads(report.read_text(encoding="utf-8"))
    for line in content["warnings"]:
        typer.echo(f"warning: {line}", err=True)
    if not quiet:
        typer.echo(f"report: {report}, measured in {content['timings_s']['report']:.1f} s")


def report_result(result: "AnimateResult", networks: Sequence[str]) -> None:
    """Print what was made, from what, and anything worth knowing about the input."""
    from talkface.checkpoints.format import find_weights
    from talkface.errors import CheckpointError

    for note in result.notes:
        typer.echo(f"note: {printable(note)}")
    for name in networks:
        try:
            path = find_weights(name)
        except CheckpointError:  # a renderer without a network
            continue
        typer.echo(f"network: {name} ({path.stat().st_size / 1e6:.1f} MB, {path})")
    width, height = result.size
    speed = result.num_frames / max(result.timings.get("render", 0.0), 1e-9)
    pace = f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}"
    found = f"{result.faces_found} face{'s' if result.faces_found != 1 else ''} found"
    typer.echo(f"made: {result.num_frames} frames, {width}x{height}, {found}, {pace} frames/s rendered and encoded")
    # a photo of 2 megapixels is named as the reason where a video is made slower than it plays; of a video shorter than
    # two seconds the start takes most of the time
    if width * height >= 2_000_000 and speed < float(result.fps) and result.duration_s >= 2:
        half = f"{width // 2}x{height // 2}"
        typer.echo(f"note: slower than real time as the photo is {width}x{height}: scaled to {half} it takes less")
    typer.echo(f"{result.path}: {result.duration_s:.2f} s at {float(result.fps):g} frames/s, marked as synthetic")
