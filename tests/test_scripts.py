"""The shell scripts parse, and setting up twice installs once."""

import os
import shutil
import subprocess
import sys
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
    """A project that is set up already, except that its pip fails loudly."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] && echo "$@" >> installed && exit 0\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def setup(project: Path, extras: str) -> list[str]:
    """Run `setup` and return the pip commands of this and all earlier runs."""
    subprocess.run(["bash", "-ec", f'source scripts/setup.sh; setup "{extras}"'], cwd=project, check=True)
    log = project / "installed"
    return log.read_text().splitlines() if log.exists() else []


def test_set_up_installs_once_until_the_project_changes(project: Path) -> None:
    assert len(setup(project, "")) == 1
    assert len(setup(project, "")) == 1
    commands = setup(project, "[dev]")
    assert len(commands) == 2 and commands[1].endswith("-e .[dev]")
    assert len(setup(project, "")) == 2, "[dev] has all that the package needs"
    (project / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    assert len(setup(project, "")) == 3


def test_settings_of_tools_install_nothing_but_those_of_setuptools_do(project: Path) -> None:
    assert len(setup(project, "")) == 1
    (project / "pyproject.toml").write_text("[project]\n[tool.ruff]\nline-length = 120\n")
    assert len(setup(project, "")) == 1
    (project / "pyproject.toml").write_text("[project]\n[tool.setuptools.package-data]\na = ['b']\n")
    assert len(setup(project, "")) == 2


def test_too_old_a_python_is_named(tmp_path: Path) -> None:
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path)
    ran = subprocess.run(
        [shutil.which("bash") or "bash", "-c", "source ./setup.sh; PATH=/nowhere; setup ''"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode != 0
    assert "no Python 3.11 or newer found" in ran.stderr
