"""The command line says every mistake in one line, and its help needs no network library."""

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
import typer

import talkface
from talkface import cli
from talkface.__main__ import INTERRUPTED, OLD_VERBS, USAGE, build_app, run
from talkface.__main__ import VERBS as TABLE
from talkface.errors import EXTRAS

ROOT = Path(__file__).resolve().parents[2]

VERBS = ("animate", "demo", "doctor", "models")


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert verb in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert run([verb, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_table_names_every_verb_and_says_what_its_help_says() -> None:
    found = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    modules = {name: importlib.import_module(f"talkface.cli.{name}") for name in found}
    assert {name.replace("_", "-") for name, module in modules.items() if hasattr(module, "register")} == set(TABLE)
    command = typer.main.get_command(build_app())
    help_texts = {verb: child.help or "" for verb, child in command.commands.items()}
    assert {verb: text.split("\n\n")[0].replace("\n", " ") for verb, text in help_texts.items()} == TABLE


@pytest.mark.parametrize(
    ("words", "imported"), [(["--help"], []), (["animate", "--help"], ["animate", "options", "progress"])]
)
def test_only_the_verb_that_is_called_is_imported(words: list[str], imported: list[str]) -> None:
    code = f"import sys; from talkface.__main__ import run; run({words!r}); print('|', *sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = said.rpartition("|")[2].split()
    assert [name for name in modules if name.startswith("talkface.cli.")] == [f"talkface.cli.{n}" for n in imported]


def test_a_missing_package_is_one_line_that_names_the_extra() -> None:
    words = ["train", str(ROOT / "configs/headmotion/base.yaml"), "--quiet"]
    code = (
        "import sys; sys.modules['accelerate'] = None\n"  # what Python does where a package is not installed
        f"from talkface.__main__ import run; sys.exit(run({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: this needs accelerate: pip install 'talkface[train]'\n"


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = {"skimage": "scikit-image", "torch_fidelity": "torchmetrics", "multipart": "python-multipart"}
    for extra, modules in EXTRAS.items():
        assert extra in extras
        for module in modules:
            wanted = names.get(module, module.replace("_", "-"))
            assert any(line.startswith(wanted) for line in extras[extra]), f"{extra} does not bring {module}"
            assert not any(line.startswith(wanted) for line in project["dependencies"]), f"{module} is no extra"


def test_every_option_has_a_help_text() -> None:
    command = typer.main.get_command(build_app())
    todo = [(("talkface",), command)]
    while todo:
        path, current = todo.pop()
        assert current.help, f"{' '.join(path)} has no help"
        for parameter in current.params:
            assert getattr(parameter, "help", None), f"{' '.join(path)} {parameter.name} has no help"
        todo += [((*path, name), child) for name, child in getattr(current, "commands", {}).items()]


def test_words_of_arguments_are_those_that_exist() -> None:
    from talkface.checkpoints.convert.kinds import KINDS
    from talkface.cli.models import PUBLISHED_KINDS
    from talkface.cli.prepare import CORPUS_NAMES
    from talkface.data.sources.registry import CORPORA, IMPORTS

    assert ("auto", *KINDS) == PUBLISHED_KINDS
    assert ("folder", *CORPORA, *IMPORTS) == CORPUS_NAMES


def test_ranges_are_those_of_options_which_refuse_in_their_own_words() -> None:
    """The parser has other words, another form of range in `--help`, and none for the keyword."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("typer.Option", "typer.Argument"):
                assert not {"min", "max"} & {keyword.arg for keyword in node.keywords}, f"{path.name}:{node.lineno}"


def test_help_is_quick_because_torch_stays_out() -> None:
    code = "import sys; from talkface.__main__ import run; run(['--help']); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'torch'", "'librosa'", "'dlib'", "'cv2'", "'av'", "'skimage'"):
        assert heavy not in modules, heavy


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"talkface {talkface.__version__}"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sing"], USAGE, "No such command 'sing'"),
        (["animate", "a.jpg", "b.wav", "--loud"], USAGE, "No such option: --loud"),
        (["animate", "a.jpg", "b.wav", "c.wav"], USAGE, "unexpected extra argument"),
        (["animate", "a.jpg", "b.wav", "--seed", "x"], USAGE, "invalid seed 'x': expected a whole number, 0 or"),
        (["animate", "a.jpg", "b.wav", "--head-scale", "2"], USAGE, "invalid head_scale '2': expected a number, 0 to"),
        (["animate", "a.jpg", "b.wav", "--expression-scale", "-1"], USAGE, "invalid expression_scale '-1': expected a"),
        (["animate", "a.jpg", "b.wav", "--renderer", "best"], USAGE, "invalid renderer 'best': expected hybrid, warp"),
        (["animate", "a.jpg", "b.wav", "--fps", "0"], USAGE, "invalid fps '0': expected a number such as 25"),
        (["animate", "a.jpg", "b.wav", "--gaze", "2,0"], USAGE, "invalid gaze '2,0': expected a number or two"),
        (["demo", "--device", "gpu"], USAGE, "invalid device 'gpu': expected auto, cpu, cuda or mps"),
        (["batch", "rows.csv", "--workers", "-1"], USAGE, "invalid workers '-1': expected a whole number, 0 or more"),
        (["enroll", "a.jpg", "-o", "ada", "--face", "-1"], USAGE, "invalid face '-1': expected a whole number"),
        (["enroll", "a.jpg", "-o", "ada", "--detector", "cv2"], USAGE, "expected dlib or face-alignment"),
        (["evaluate", "video", "a.mp4", "b.mp4", "--align", "no"], USAGE, "invalid align 'no': expected auto, frame"),
        (["benchmark", "animate", "--renderer", "foo"], USAGE, "invalid renderer 'foo': expected hybrid, warp"),
        (["reenact", "a.jpg", "--camera", "0", "--seconds", "0"], USAGE, "invalid seconds '0': expected a number, 0.1"),
        (["benchmark", "scale", "--clips", "1"], USAGE, "invalid clips '1': expected a whole number, 2 or more"),
        (
            ["benchmark", "prepare", "a.mp4", "--starts", "10"],
            USAGE,
            "invalid starts '10': expected a whole number, 1 to 9",
        ),
        (["evaluate", "fewshot", "a", "b", "--shots", "1"], USAGE, "invalid shots '1': expected a whole number, 2 or"),
        (["evaluate", "headmotion", "a", "b", "--split", "x"], USAGE, "expected train, val, test or all"),
        (["serve", "--renderer", "foo"], USAGE, "invalid renderer 'foo': expected hybrid, warp"),
        (["animate"], 1, "no photo given"),
        (["animate", "a.jpg"], 1, "no speech given"),
        (["animate", "a.jpg", "b.wav", "--speech", "c.wav"], 1, "speech given twice"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str) -> None:
    assert run(words) == code
    said = capsys.readouterr()
    assert re.search(re.escape(says), said.err), said.err
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["sing"], "talkface --help"),
        (["animate", "a.jpg", "b.wav", "--loud"], "talkface animate --help"),
        (["animate", "a.jpg", "b.wav", "--seed", "x"], "talkface animate --help"),
        (["models", "sing"], "talkface models --help"),
        (["models", "show"], "talkface models show --help"),
    ],
)
def test_mistaken_words_point_to_the_help_that_lists_the_right_ones(
    capsys: pytest.CaptureFixture[str], words: list[str], where: str
) -> None:
    assert run(words) == USAGE
    assert f"({where} lists what there is)" in capsys.readouterr().err


def test_no_words_show_the_help_and_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == USAGE
    said = capsys.readouterr()
    assert "Usage" in said.out + said.err
    assert "error" not in said.err


@pytest.mark.parametrize(
    ("raised", "code", "says"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
        (talkface.errors.MediaError("a.jpg is\n empty"), 1, "a.jpg is empty"),
        (OSError(28, "No space left on device", "l.npz"), 1, "l.npz cannot be used: No space left on device"),
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("boom"), 1, "fault in talkface: RuntimeError: boom"),
    ],
)
def test_what_a_verb_raises_becomes_one_line_and_a_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.wav"):
        (tmp_path / name).touch()

    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(talkface, "animate", broken)
    assert run(["animate", "a.jpg", "b.wav", "--quiet"]) == code
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and says in said.err and said.err.count("\n") == 1


def test_the_installed_command_is_this_one(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "talkface", "animate", "none.jpg"], cwd=tmp_path, capture_output=True)
    assert ran.returncode == 1
    assert ran.stderr.decode().startswith("error: no speech given")


def test_verbs_of_a_release_ago_work_with_a_warning(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["weights", "list"]) == 0
    captured = capsys.readouterr()
    assert "hybrid" in captured.out and "talkface weights is now called talkface models" in captured.err
    assert run(["finetune", str(tmp_path), "-o", str(tmp_path / "p.safetensors")]) == 1
    said = capsys.readouterr().err
    assert "now called talkface enroll --finetune" in said and "--finetune needs a few-shot network" in said
    assert run(["benchmark", "none.jpg", "--renderer", "none"]) == 2
    said = capsys.readouterr().err
    assert "talkface benchmark PHOTO is now called talkface benchmark animate PHOTO" in said and "renderer" in said
    for words in OLD_VERBS.values():
        assert run([*words, "--help"]) == 0


def test_old_names_of_columns_are_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("photo,speech,head_motion\na.jpg,b.wav,0\n")
    command = [sys.executable, "-m", "talkface", "batch", "rows.csv", "--quiet"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.stderr == "warning: option head_motion is now called head_scale: use that name\n" and ran.returncode == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("talkface ani", "animate"),
        ("talkface animate --head-sc", "--head-scale"),
        ("talkface animate --renderer wa", "warp"),
        ("talkface enroll --detector fa", "face-alignment"),
        ("talkface models convert rhy", "rhythmic"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_shell_can_complete_verbs_options_and_choices(shell: str, line: str, expected: str) -> None:
    words = line.split()
    asked = {"_TALKFACE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    asked |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1]}
    if shell == "bash":
        asked = {"_TALKFACE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = "from talkface.__main__ import main; main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked})
    assert re.search(rf"(?<![\w-]){expected}\b", done.stdout), (done.stdout, done.stderr)


def test_what_other_packages_call_outdated_is_hidden_and_nothing_else() -> None:
    with warnings.catch_warnings(record=True) as shown:
        assert run(["--version"]) == 0
        warnings.warn_explicit("theirs", FutureWarning, "a.py", 1, module="torch.nn")
        warnings.warn_explicit("serious", UserWarning, "a.py", 1, module="torch.nn")
        warnings.warn_explicit("ours", RuntimeWarning, "b.py", 1, module="talkface.metrics.image")
    assert [str(warning.message) for warning in shown] == ["serious", "ours"]
