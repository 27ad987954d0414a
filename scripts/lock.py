"""pyproject.toml -> the lists of packages with hashes in `requirements/`, which `scripts/setup.sh` installs.

    python3.11 scripts/lock.py [torch==X torchaudio==Y ...]     (pip 24 or newer downloads no wheels for it)

Resolves with pip alone, for this Python and this kind of machine, and installs nothing. The lists agree on every
release: `dev.txt` is for the tests, `use.txt` its part that animating needs, and `use-cpu.txt` the same with torch's
build for CPUs, a third of the size, where pip knows a place to find it (see docs/install.md).
"""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

ROOT = Path(__file__).resolve().parents[1]
PAIR = ("torch==2.11.0", "torchaudio==2.11.0")  # on which the whole suite ran; docs/install.md has the pairs tried
CPU_TORCH = "torch==2.13.0+cpu"
BUILD = "setuptools>=70.1"  # installs this package without a build environment of its own
ONLY_TORCH = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")

Pins = dict[str, tuple[str, str]]
"""Name -> release and hash."""


def requirements(*extras: str) -> list[str]:
    """Requirements of pyproject.toml, with some extras; references to itself are resolved."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(r"talkface\[(.+)\]", line)
            wanted += requirements(*own[1].split(","))[len(project["dependencies"]) :] if own else [line]
    return wanted


def resolve(wanted: list[str], constraints: list[str], *, registry_only: bool) -> Pins:
    """The releases that pip would install into an empty environment."""
    environment = dict(os.environ)
    if registry_only:  # whatever this machine's pip is told of other places is not everybody's
        environment.update(PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", PIP_CONSTRAINT="", PIP_EXTRA_INDEX_URL="")
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "constraints.txt"
        pins.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), "-c", str(pins), *wanted]
        subprocess.run(command, check=True, env=environment)
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {_name(item["metadata"]["name"]): (item["metadata"]["version"], _hash(item)) for item in installed}


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _hash(item: dict[str, Any]) -> str:
    source = urlparse(item["download_info"]["url"])
    found = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
    return found or hashlib.sha256(Path(unquote(source.path)).read_bytes()).hexdigest()


def write(path: Path, pins: Pins, purpose: str) -> None:
    """Write a list that `pip install --require-hashes -r` takes."""
    machine = f"CPython {platform.python_version()[:4]}, {platform.system()} {platform.machine()}"
    lines = [f"# {purpose}", f"# Made by scripts/lock.py for {machine}."]
    for name, (release, digest) in sorted(pins.items()):
        lines += [f"{name}=={release} \\", f"    --hash=sha256:{digest}"]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(pins)} packages\n")


def main(pair: list[str]) -> None:
    """Resolve and write all lists."""
    folder = ROOT / "requirements"
    dev = resolve([*requirements("dev"), BUILD], pair, registry_only=True)
    write(folder / "dev.txt", dev, "Everything, for the tests.")
    same = [f"{name}=={release}" for name, (release, _) in dev.items()]
    use = resolve([*requirements(), BUILD], same, registry_only=True)
    write(folder / "use.txt", use, "What animating needs.")
    others = [line for line in same if not ONLY_TORCH.match(line)]
    cpu = resolve([*requirements(), BUILD, CPU_TORCH], others, registry_only=False)
    write(folder / "use-cpu.txt", cpu, "What animating needs, with torch's build for CPUs.")


if __name__ == "__main__":
    main(sys.argv[1:] or list(PAIR))
