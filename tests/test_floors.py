"""Imports go down the floors only, rooms on one floor stay strangers, and the picture rooms know no torch."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "talkface"
FLOORS = {
    "__main__": 10,
    "cli": 9,
    "serve": 8,
    "__init__": 7,
    "training": 6,
    "inference": 6,
    "evaluation": 6,
    "renderers": 5,
    "checkpoints": 4,
    "metrics": 4,
    "testing": 4,
    "data": 3,
    "models": 3,
    "losses": 3,
    "audio": 2,
    "landmarks": 2,
    "media": 2,
    "config": 2,
    "options": 2,
    "scale": 2,
    "geometry": 1,
    "files": 1,
    "types": 0,
    "errors": 0,
}
TORCH_FREE = ("files", "geometry", "landmarks", "media")
TORCH_PACKAGES = {"torch", "torchaudio", "torchvision", "accelerate"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """Room (or top-level module) that a file of the package belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST, package: list[str]) -> list[tuple[int, str]]:
    """`(line, dotted name)` of every import, those inside functions and under `TYPE_CHECKING` counted too.

    `from a import b` yields `a.b`, because b may be a module; relative imports are resolved against `package`.
    """
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = [*base, *(node.module.split(".") if node.module else [])]
            found += [(node.lineno, ".".join([*prefix, alias.name])) for alias in node.names]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute | ast.Name)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
            in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.append((node.lineno, str(node.args[0].value)))
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    """A file of the package, parsed once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


def forbidden_imports(path: Path, tree: ast.Module) -> list[str]:
    """Sentences about the imports of `tree`, a file of the package at `path`, that break the floors."""
    room = room_of(path)
    package = ["talkface", *path.relative_to(PACKAGE).parts[:-1]]
    complaints = []
    for line, name in imported_modules(tree, package):
        where = f"{path.relative_to(PACKAGE.parent)}:{line}"
        parts = name.split(".")
        if room in TORCH_FREE and parts[0] in TORCH_PACKAGES:
            complaints.append(f"{where} imports {parts[0]}, which {room}/ must do without")
        if parts[0] != "talkface":
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in FLOORS else "__init__"
        if target == room:
            continue
        if FLOORS[target] >= FLOORS[room]:
            complaints.append(
                f"{where} imports {name}: {room} is on floor {FLOORS[room]}, {target} on {FLOORS[target]}"
            )
    return complaints


def test_every_room_has_a_floor():
    assert {room_of(path) for path in FILES} <= set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path):
    complaints = forbidden_imports(path, tree_of(path))
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    ("file", "source", "broken"),
    [
        ("landmarks/a.py", "import torch", True),
        ("landmarks/a.py", "def f():\n    import torch.nn as nn", True),
        ("media/a.py", "from talkface.landmarks import layout", True),
        ("training/a.py", "from talkface import inference", True),
        ("models/a.py", "from talkface.training.engine.loop import fit", True),
        ("models/a.py", "import importlib\nimportlib.import_module('talkface.training.engine.loop')", True),
        ("data/sources/a.py", "from ...models import blocks", True),
        ("audio/a.py", "import talkface", True),
        ("__init__.py", "def animate():\n    from talkface.cli import animate", True),
        ("cli/a.py", "from talkface import animate", False),
        ("cli/a.py", "from talkface.__main__ import main", True),
        ("models/a.py", "import torch\nfrom talkface.landmarks.layout import MOUTH", False),
        ("data/sources/a.py", "from ..manifest import read", False),
        ("audio/a.py", "from .mfcc import cepstra\nfrom talkface.types import Waveform", False),
    ],
)
def test_the_rule_itself(file: str, source: str, broken: bool):
    assert bool(forbidden_imports(PACKAGE / file, ast.parse(source))) is broken


def _modules(*rooms: str) -> list[str]:
    names = []
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            names.append(_dotted(path))
    return names


def test_light_rooms_load_no_torch_even_indirectly():
    names = ["talkface", "talkface.types", "talkface.errors", "talkface.config", *_modules(*TORCH_FREE)]
    program = (
        f"import sys, importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
        f"    heavy = {sorted(TORCH_PACKAGES)!r}\n"
        "    assert not sys.modules.keys() & set(heavy), f'importing {name} loads torch or its friends'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_no_import_cycle_of_files():
    modules = {_dotted(path): path for path in FILES}
    arrows = {
        name: {
            found if found in modules else found.rpartition(".")[0]
            for _, found in imported_modules(tree_of(path), name.split(".")[:-1])
        }
        & (modules.keys() - {name, "talkface"})
        for name, path in modules.items()
    }
    while leaves := {name for name, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}
    assert not arrows, f"these files import each other: {', '.join(sorted(arrows))}"


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_few_protocols():
    """A type that only describes another is a noun to learn: the concrete class is named where there is one."""
    found = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and "Protocol" in {getattr(base, "id", "") for base in node.bases}
    ]
    assert len(found) <= 10, "\n".join(found)


def test_no_file_over_350_lines():
    long = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {name: lines for name, lines in long.items() if lines > 350}
    assert not long, long


def test_evaluation_stays_small():
    lines = sum(len(path.read_text().splitlines()) for path in FILES if room_of(path) == "evaluation")
    assert lines <= 4000


def test_no_function_over_12_parameters():
    """Options of a verb stand in its frozen dataclass, which every door reads."""
    many = {}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                many |= {f"{path.relative_to(PACKAGE)}: {node.name}": len(given)} if len(given) > 12 else {}
    assert not many, many


def test_few_constants():
    """Numbers that tune a stage stand together in one frozen dataclass beside it, where they can be recorded."""
    constants = lines = 0
    for path in FILES:
        lines += len(path.read_text(encoding="utf-8").splitlines())
        for node in tree_of(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [each for target in targets for each in getattr(target, "elts", [target])]
            constants += sum(isinstance(name, ast.Name) and name.id.strip("_").isupper() for name in names)
    assert 1000 * constants / lines <= 8, f"{constants} in {lines} lines"
