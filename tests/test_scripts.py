"""The shell scripts parse, and setting up twice installs once."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted([*ROOT.glob("scripts/*.sh"), *ROOT.glob("demo/*.sh"), ROOT / ".ci/run"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse_and_can_be_run(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    if script.name != "setup.sh":  # that one is sourced
        assert os.access(script, os.X_OK), f"chmod +x {script.name}"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_nothing() -> None:
    ran = subprocess.run(["shellcheck", "-x", *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with lists and an environment whose pip only notes what it is asked."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "requirements").mkdir()
    for name in ("use", "dev"):
        (tmp_path / f"requirements/{name}.txt").write_text("torch==1.0 \\\n    --hash=sha256:0\n")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] && echo "$@" >> installed && exit 0\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def setup(project: Path, purpose: str, **environment: str) -> list[str]:
    """Run `setup` and return the pip commands of this and all earlier runs."""
    said = subprocess.run(
        ["bash", "-ec", f"source scripts/setup.sh; uname() {{ echo Linux x86_64; }}; setup {purpose}"],
        cwd=project, check=True, env={**os.environ, **environment}, capture_output=True, text=True,
    ).stderr  # fmt: skip
    assert "error" not in said
    log = project / "installed"
    return log.read_text().splitlines() if log.exists() else []


ON_311 = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lists are for Python 3.11")


@ON_311
def test_set_up_installs_a_list_with_hashes_once_until_the_project_or_a_list_changes(project: Path) -> None:
    commands = setup(project, "use")
    assert commands[0].endswith("--require-hashes -r requirements/use.txt")
    assert commands[1].endswith("--no-deps --no-build-isolation -e .")
    assert len(setup(project, "use")) == 2
    commands = setup(project, "dev")
    assert len(commands) == 4 and commands[2].endswith("--require-hashes -r requirements/dev.txt")
    assert len(setup(project, "use")) == 4, "what the tests need has all that the package needs"
    (project / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert len(setup(project, "use")) == 6
    (project / "requirements/use.txt").write_text("torch==1.1 --hash=sha256:1\n")
    assert len(setup(project, "use")) == 8


@ON_311
@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="only machines without an NVIDIA GPU take the small list")
def test_without_a_gpu_the_small_list_is_taken_where_pip_finds_its_torch(project: Path) -> None:
    (project / "requirements/use-cpu.txt").write_text("torch==1.0+cpu \\\n    --hash=sha256:2\n")
    commands = setup(project, "use")
    assert commands[0].endswith("--dry-run --no-deps torch==1.0+cpu")
    assert commands[1].endswith("--require-hashes -r requirements/use-cpu.txt")


def test_without_a_fitting_list_the_ranges_are_installed(project: Path) -> None:
    assert setup(project, "use", TALKFACE_UNLOCKED="1")[-1].endswith("-e .")
    assert setup(project, "dev", TALKFACE_UNLOCKED="1")[-1].endswith("-e .[dev]")


def test_settings_of_tools_install_nothing_but_those_of_setuptools_do(project: Path) -> None:
    count = len(setup(project, "use"))
    (project / "pyproject.toml").write_text("[project]\n[tool.ruff]\nline-length = 120\n")
    assert len(setup(project, "use")) == count
    (project / "pyproject.toml").write_text("[project]\n[tool.setuptools.package-data]\na = ['b']\n")
    assert len(setup(project, "use")) == 2 * count


@pytest.mark.parametrize("name", ["use.txt", "use-cpu.txt", "dev.txt"])
def test_lists_hold_every_direct_dependency_within_its_range(name: str) -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    pinned = {canonicalize_name(pin): release for pin, release in re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.M)}
    assert len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}$", text, re.M)) == len(pinned), "a release without a hash"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras if name == "dev.txt" for line in extras[extra])]
    for wanted in map(Requirement, lines):
        if wanted.name == "talkface" or wanted.name in LEFT_OUT:
            continue
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), str(wanted)


LEFT_OUT = {"pocketsphinx", "face-alignment"}  # extras that no test needs


def test_too_old_a_python_is_named(tmp_path: Path) -> None:
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path)
    ran = subprocess.run(
        [shutil.which("bash") or "bash", "-c", "source ./setup.sh; PATH=/nowhere; setup use"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode != 0
    assert "no Python 3.11 or newer found" in ran.stderr
