"""The lowest and the newest release of every direct dependency -> two environments, a smoke test of each, and a table.

    python3.11 scripts/check_bounds.py [lowest] [newest] [--envs FOLDER]

Writes `docs/bounds.md`. Environments that are there already are brought to what is asked; about 7 GB each.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lock import ROOT, requirements

TABLE = ROOT / "docs" / "bounds.md"
TESTS = (  # one file or more of every room, and of every extra
    *("audio/test_mel.py", "checkpoints/test_format.py", "checkpoints/test_export.py", "cli/test_main.py"),
    *("data/test_folder.py", "data/test_phones.py", "data/prepare/test_shards.py", "evaluation/test_rows.py"),
    *("files/test_read.py", "geometry/test_paste.py", "inference/test_heads.py", "landmarks/test_detect.py"),
    *("losses/test_landmark.py", "media/test_write.py", "media/test_photo_colour.py", "media/mark/test_manifest.py"),
    *("metrics/test_image.py", "metrics/test_brought_networks.py", "models/test_hybrid.py", "renderers/test_base.py"),
    *("scale/test_storage.py", "scale/test_cluster.py", "serve/test_api.py", "serve/test_agents.py"),
    *("serve/test_webrtc.py", "serve/test_demo_apps.py", "training/engine/test_loop.py"),
)
SMOKE = (
    ["-c", "import talkface; print(talkface.__version__)"],
    ["-m", "talkface", "doctor"],
    ["-m", "talkface", "demo", "--quiet", "--force", "--out", "{folder}/demo.mp4"],
    ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
)


def install(python: Path, end: str) -> None:
    """Bring the environment of `python` to one end of every range; no list of hashes and no cap of this machine's."""
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    environment = {**os.environ, "PIP_CONSTRAINT": os.devnull}
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "uv"], check=True, env=environment)
    resolution = "lowest-direct" if end == "lowest" else "highest"  # which pip cannot be asked for
    uv = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "--quiet", "--resolution", resolution]
    subprocess.run([*uv, "--upgrade", "setuptools>=70.1", *requirements("dev", "phones")], check=True, env=environment)
    subprocess.run([*uv, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True, env=environment)


def smoke(python: Path) -> bool:
    """Import, doctor, demo, tests of every room and extra; prints what fails."""
    tests = [str(ROOT / "tests" / name) for name in TESTS]
    with tempfile.TemporaryDirectory() as folder:
        for words in SMOKE:
            command = [
                str(python),
                *(word.format(folder=folder) for word in words),
                *(tests if "pytest" in words else []),
            ]
            sys.stdout.write(f"-- {' '.join(words)}\n")
            sys.stdout.flush()
            if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
                return False
    return True


def releases(python: Path) -> dict[str, str]:
    """Installed packages: name -> release."""
    command = [str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in listed}


def write_table(ends: dict[str, dict[str, str]]) -> None:
    """Write the releases of the direct dependencies, and everything else that came with them."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    direct = sorted(requirements("dev", "phones"), key=str.lower)
    lines = ["# The two ends of every dependency", "", f"Installed and tried on {today} by `scripts/check_bounds.py`:"]
    lines += ["import, `talkface doctor`, `talkface demo`, test files of every room and extra.", ""]
    lines += ["| range in pyproject.toml | " + " | ".join(ends) + " |", "|---" * (1 + len(ends)) + "|"]
    names = {}
    for line in direct:
        names[re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", line)[0]).lower()] = line
    for name, line in names.items():
        lines.append(f"| {line} | " + " | ".join(found.get(name, "-") for found in ends.values()) + " |")
    for end, found in ends.items():
        rest = [
            f"{name} {release}" for name, release in sorted(found.items()) if name not in names and name != "talkface"
        ]
        lines += ["", f"## What else came with the {end}", "", ", ".join(rest)]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Install, try and list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ends", nargs="*", choices=[[], "lowest", "newest"], metavar="lowest|newest")
    parser.add_argument("--envs", type=Path, default=ROOT / "runs" / "bounds")
    arguments = parser.parse_args()
    found, passed = {}, True
    for end in arguments.ends or ["lowest", "newest"]:
        python = arguments.envs / end / "bin" / "python"
        install(python, end)
        good = smoke(python)
        passed = passed and good
        found[f"{end}{'' if good else ' (FAILED)'}"] = releases(python)
    if len(found) == 2:
        write_table(found)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
