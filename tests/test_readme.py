"""Every command, option, link and Python line of the README and its pages is real, and the first ones run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image as Pillow

from talkface.__main__ import build_app
from tests.pages import PAGES, ROOT, TEXT, WEIGHTS, code_blocks, commands_in


def inline_commands() -> list[str]:
    """Commands named in running text: `talkface doctor`."""
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`(talkface [^`]+)`", prose)


BLOCKS = "".join(code_blocks("sh", "bash", "shell", "console"))
COMMANDS = [command for command in commands_in(BLOCKS) if command.startswith("talkface ")]


def parse(words: list[str]) -> None:
    """Walk the command line's tree as a shell would, without running anything.

    Raises:
        Exception: the parser's own usage errors.
    """
    command = typer.main.get_command(build_app())
    context = command.make_context("talkface", words)
    while hasattr(command, "resolve_command"):
        given = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, given)
        context = command.make_context(name, rest, parent=context)


def test_there_are_commands():
    assert any(command.startswith("talkface animate") for command in COMMANDS)
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 80  # about one screen


@pytest.mark.parametrize("command", [*COMMANDS, *inline_commands()])
def test_command_parses(command: str):
    parse(shlex.split(command)[1:])


def test_a_wrong_option_would_be_noticed():
    with pytest.raises(Exception, match="no-such-option"):
        parse(["animate", "photo.jpg", "speech.wav", "--no-such-option"])
    with pytest.raises(Exception, match="no-such-verb"):
        parse(["no-such-verb"])


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z0-9-]+)", TEXT))))
def test_option_in_the_text_exists(option: str):
    def options(command) -> set[str]:
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        return known.union(*(options(child) for child in getattr(command, "commands", {}).values()))

    assert option in options(typer.main.get_command(build_app()))


OTHERS = sorted({*(ROOT / "docs").glob("*.md")} - {*PAGES})


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.stem)
def test_linked_files_exist(page: Path):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def _needed_files(commands: list[str]) -> set[str]:
    return {word for command in commands for word in shlex.split(command) if re.match(r"(scripts|configs)/", word)}


@pytest.mark.parametrize("file", sorted(_needed_files("".join(code_blocks("sh")).replace("#", "\n#").splitlines())))
def test_scripts_and_configs_in_commands_exist(file: str):
    assert (ROOT / file).is_file()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    """A folder with the files that the README's examples name: photo.jpg and half a second of speech.wav."""
    from talkface.cli.benchmark import _write_speech

    folder = tmp_path_factory.mktemp("desk")
    Pillow.fromarray(astronaut[40:300, 90:350]).save(folder / "photo.jpg", quality=95)
    _write_speech(folder / "speech.wav", 1)
    return folder


@pytest.mark.flow
@pytest.mark.skipif(not (WEIGHTS / "hybrid.safetensors").exists(), reason="needs the shipped networks")
@pytest.mark.parametrize(
    "command",
    [each for each in COMMANDS if each.startswith("talkface animate") and "runs/" not in each and "-o" in each]
    + ["talkface doctor", "talkface models list"],
)
def test_command_runs(command: str, desk: Path):
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=desk, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.flow
@pytest.mark.skipif(not (WEIGHTS / "hybrid.safetensors").exists(), reason="needs the shipped networks")
@pytest.mark.parametrize("block", code_blocks("python"))
def test_python_example_runs(block: str, desk: Path):
    shutil.rmtree(desk / "again", ignore_errors=True)
    work = desk / "again"
    work.mkdir()
    for name in ("photo.jpg", "speech.wav"):
        shutil.copy(desk / name, work / name)
    (work / "speaking.mp4").write_bytes(b"what the first command of the page wrote")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=work, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all((work / name).stat().st_size > 1000 for name in ("still.mp4", "again.mp4"))


SPEECH_COMMANDS = [each for each in COMMANDS if re.search(r"(lrw|grid|atvgnet|lstm)\b", each)]
DEBUG = {  # what makes a README command small: fewer steps, drawn faces' buzz taken for speech
    "prepare": ["--workers", "1", "--sync", "keep"],
    "train": [
        *("--set", "run.steps=2", "--set", "data.held_out_every=0", "--set", "run.batch_size=2"),
        *("--set", "run.eval_every=2", "--set", "offsets.steps=0", "--set", "phones.steps=0"),
        *("--set", "range.steps=0", "--set", "run.bf16=false"),
    ],
    "evaluate": ["--plots", "1", "--videos", "0"],
}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn people in the layouts of LRW and GRID, and what earlier systems left of them."""
    import h5py

    from talkface.data.sources.tree import split_by_speaker
    from talkface.landmarks.mean_face import MEAN_FACE
    from talkface.testing.clips import write_talking_clip

    folder = tmp_path_factory.mktemp("corpora")
    names = [f"lrw/lipread_mp4/ABOUT/{split}/ABOUT_0000{n}" for n, split in enumerate(("train", "train", "test"))]
    spoken = [f"bba{letter}{digit}n" for letter in "abcdef" for digit in "z123456789"]
    for split, count in (("train", 2), ("test", 1)):
        names += [f"grid/s1/video/{each}" for each in spoken if split_by_speaker(f"s1-{each}") == split][-count:]
    for seed, name in enumerate(names):
        path = folder / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_talking_clip(path, seed, 1.16)
        path.rename(path.with_suffix(".mp4" if "lrw" in name else ".mpg"))
    landmarks = np.repeat(MEAN_FACE[None] * 50 + 64, 29, 0).astype(np.float32)
    (folder / "landmark1d").mkdir()
    np.save(folder / "landmark1d" / "ABOUT_00001.npy", landmarks)
    (folder / "lstm").mkdir()
    with h5py.File(folder / "lstm" / "grid.h5", "w") as file:
        file["flmark"] = np.repeat(MEAN_FACE.reshape(1, 1, 136) / 3 + 0.5, 75, 1)
        file["MelFeatures"] = np.zeros((1, 75, 128), np.float32)
    (folder / "configs").symlink_to(ROOT / "configs")
    return folder


@pytest.mark.flow
def test_audio_to_landmark_commands_run_in_order(corpora: Path, monkeypatch: pytest.MonkeyPatch):
    """Every command of the section, on small corpora in the published layouts, with debug-size settings behind it."""
    from talkface.__main__ import run

    monkeypatch.chdir(corpora)
    assert len(SPEECH_COMMANDS) == 8
    for command in SPEECH_COMMANDS:
        words = shlex.split(command)[1:]
        assert run([*words, *DEBUG[words[0]], "--quiet"]) == 0, command
    for name in ("lrw", "grid"):
        assert (corpora / "runs" / name / "scores" / "speakers.csv").is_file()
        assert (corpora / "runs" / name / "scores" / "openings.png").is_file()
