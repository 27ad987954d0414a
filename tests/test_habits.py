"""Files that other tools read are well formed and name what exists."""

import ast
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def test_workflow_and_hooks_call_what_exists():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert runs == [".ci/run"] and (ROOT / ".ci/run").is_file()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    files = [word for hook in hooks for word in hook["entry"].split() if word.startswith("tests/")]
    assert files and all((ROOT / word).is_file() for word in files)


def test_citation_has_the_version_of_the_package():
    import talkface

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == talkface.__version__ and len(cited["references"]) == 3


def test_contributing_names_files_and_rooms_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"`((?:tests|scripts|inference|data|docs)/[\w/.]+)`", text):
        assert (ROOT / path).exists() or (ROOT / "talkface" / path).exists(), path


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.stem)
def test_no_test_file_imports_another(path: Path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert not [name for name in imported if re.search(r"(^|\.)test_\w+", name)]


def test_slow_tests_have_a_place_and_a_reason():
    from tests.conftest import SLOW, TESTS, why_slow

    assert all((TESTS / place).exists() and len(why) > 8 for place, why in SLOW.items())
    assert why_slow(TESTS / "flow" / "test_animate.py") and not why_slow(TESTS / "test_floors.py")
    assert not why_slow(TESTS / "data") and why_slow(TESTS / "data" / "prepare")


def test_files_are_written_through_the_room_of_files():
    """At a fixed name a link may lie; `files.write` follows none. The others write in folders of their own."""
    private = {"serve", "testing", "media/write.py", "media/mark/manifest.py", "data/sources/archives.py"}
    found = []
    for path in sorted((ROOT / "talkface").rglob("*.py")):
        name = path.relative_to(ROOT / "talkface").as_posix()
        if name == "files/write.py" or any(name.startswith(place) for place in private):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            receiver, words = ast.unparse(node.func.value), [ast.unparse(word) for word in node.args[:1]]
            opened = node.func.attr == "open" and words and re.fullmatch(r"'[rwxabt+]*[wxa+][rwxabt+]*'", words[0])
            if (opened or node.func.attr in ("write_text", "write_bytes")) and receiver != "part":
                found.append(f"{name}:{node.lineno} {ast.unparse(node)[:60]}")
    assert not found


@pytest.mark.parametrize(
    ("expression", "room", "places"),
    [
        pytest.param(r"\.backward\(", "", {"training/engine/step.py"}, id="gradients"),
        pytest.param(r"\.step\(\)", "training", {"training/engine/step.py"}, id="steps of an optimiser"),
        pytest.param(
            r"math\.isfinite\(|\.isfinite\(\)", "training", {"training/engine/step.py"}, id="a loss that is not finite"
        ),
        pytest.param(r"torch\.manual_seed\(|fork_rng\(", "", {"training/engine/step.py"}, id="torch's generator"),
        pytest.param(
            r"set_?[nN]um_?[tT]hreads\(",
            "",
            {"scale/threads.py", "renderers/base.py", "cli/score_output.py"},
            id="threads",
        ),
        pytest.param(r"np\.nanmean\(|Mean of empty slice|finite\.mean\(\)", "", set(), id="means of what is known"),
        pytest.param(r"2 \* padded\[", "", {"landmarks/smooth.py"}, id="averages over three frames"),
        pytest.param(r"= (1e-4|10 \*\* \(-80 / 20\)).*(RMS|silen|dBFS)", "", {"types.py"}, id="digital silence"),
        pytest.param(r"= Callable\[\[int, int\], None\]", "", {"types.py"}, id="reports of frames done"),
        pytest.param(r"fillPoly\(", "", {"geometry/matte.py"}, id="masks of polygons"),
        pytest.param(r"/ 127\.5 - 1|\+ 1\) \* 127\.5|127\.5 \* \(\w+ \+ 1\)", "", {"media/colour.py"}, id="levels"),
    ],
)
def test_what_is_easily_done_wrong_is_done_in_one_place(expression: str, room: str, places: set[str]):
    files = sorted((ROOT / "talkface" / room).rglob("*.py"))
    found = {path for path in files if re.search(expression, path.read_text(encoding="utf-8"))}
    assert {path.relative_to(ROOT / "talkface").as_posix() for path in found} == places


def _mentions(tree: ast.AST) -> Counter[str]:
    """Names that code uses, and words of its strings, which docstrings do not count among."""
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            found[node.id if isinstance(node, ast.Name) else node.attr] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"\w+", node.value))
        elif isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node, False)):
            found.subtract(re.findall(r"\w+", text))
    return found


def unused_names(modules: Mapping[str, ast.Module], other: Counter[str]) -> list[str]:
    """Functions and classes at the top of `modules` that nothing but themselves mentions, `other` words included."""
    mentions = Counter(other)
    for tree in modules.values():
        mentions.update(_mentions(tree))
    return [
        f"{place}: {node.name}"
        for place, tree in modules.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("__")
        and mentions[node.name] <= _mentions(node)[node.name]
    ]


def test_every_function_and_class_has_a_user_that_is_no_test():
    folders = [ROOT / name for name in ("talkface", "scripts", "demo", "docs")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".sh", ".md", ".html")]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    other = Counter(word for name, text in texts.items() if name[-3:] != ".py" for word in re.findall(r"\w+", text))
    modules = {name: ast.parse(text) for name, text in texts.items() if name.endswith(".py")}
    assert not [name for name in unused_names(modules, other) if name.startswith("talkface/")]


@pytest.mark.parametrize(
    ("source", "other", "unused"),
    [
        ('def f():\n    """See g."""\n\ndef g():\n    return g()', "", ["m: f", "m: g"]),
        ("class A: ...\n\ndef f(x: A): ...", "f", []),
        ("class A: ...\n\nPLACES = {'x': 'A'}", "", []),
        ("def f(): ...\n\ndef g():\n    import m\n    m.f()", "", ["m: g"]),
    ],
)
def test_a_name_without_a_user_is_found(source: str, other: str, unused: list[str]):
    assert unused_names({"m": ast.parse(source)}, Counter(other.split())) == unused


def names_bound(tree: ast.AST) -> set[str]:
    """Names that code gives to variables, parameters, functions and classes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("folder", ["talkface", "tests", "scripts", "demo"])
def test_nothing_is_called_one(folder: str):
    """A name says what it stands for; this word says only that there is no other."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert not [str(path) for path in files if "one" in names_bound(ast.parse(path.read_text(encoding="utf-8")))]


def test_names_are_found_wherever_they_are_bound():
    sources = (
        "b, (a, *c) = d",
        "def f(*, a): ...",
        "[f(a) for a in b]",
        "with b as a: ...",
        "class a: ...",
        "lambda a: 1",
    )
    assert all("a" in names_bound(ast.parse(source)) for source in sources)
    assert not names_bound(ast.parse("a.b(c)[d]"))


def test_what_is_deprecated_fails_where_it_is_ours():
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "hybrid.py", 1, module="talkface.models.hybrid")
    with pytest.warns(DeprecationWarning, match="old"):
        warnings.warn_explicit("old", DeprecationWarning, "other.py", 1, module="other")
