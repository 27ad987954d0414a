"""Imports go down the floors only, rooms on one floor stay strangers, and the picture rooms know no torch.

The floors of size stand here as well, but for one: how few modules are behind `talkface animate` is measured by
tests/flow/test_light.py, which runs it.
"""

import ast
import re
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


PROTOCOLS, LINES, PARAMETERS, STATEMENTS, CONSTANTS = 10, 350, 12, 50, 8  # the last for 1,000 lines
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def protocols(tree: ast.Module) -> list[str]:
    """Classes that only describe others, whatever name `typing.Protocol` is imported by, with parameters or not."""
    called = {"Protocol"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            called |= {alias.asname or alias.name for alias in node.names if alias.name == "Protocol"}
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(last_name(base) in called for base in node.bases)
    ]


def last_name(expression: ast.expr) -> str:
    """`C` of `C`, `a.b.C` and `a.b.C[T]`; nothing of other expressions."""
    while isinstance(expression, ast.Subscript):
        expression = expression.value
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")


def parameters(function: FUNCTIONS) -> int:
    """Parameters of a function, `*args` and `**kwargs` counted as one each."""
    given = function.args
    starred = [each for each in (given.vararg, given.kwarg) if each is not None]
    return len([*given.posonlyargs, *given.args, *given.kwonlyargs, *starred])


def statements(function: FUNCTIONS) -> int:
    """Statements of a function and of what it defines; ruff's PLR0915 counts some fewer, such as `return`."""
    return sum(isinstance(node, ast.stmt) for each in function.body for node in ast.walk(each))


def constants(tree: ast.Module) -> list[str]:
    """Names of any case that a module binds, also under `if`, `try` and `with` or by `:=`.

    Names of types, loggers and Python's own names such as `__all__` are no values to know of.
    """
    found = []
    blocks = [*tree.body]
    while blocks:
        node = blocks.pop(0)
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            continue
        blocks += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt | ast.excepthandler)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and not is_no_value(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            found += [name.id for name in names if isinstance(name.ctx, ast.Store)]
        if not isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            found += [each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)]
    return [name for name in found if not re.fullmatch("__.*__", name)]


def is_no_value(expression: ast.expr) -> bool:
    """Whether an expression is a type, the making of one, or a logger."""
    if isinstance(expression, ast.Call):
        return last_name(expression.func) in ("TypeVar", "ParamSpec", "NewType", "NamedTuple", "getLogger")
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr):
        return is_no_value(expression.left)
    name = last_name(expression)
    of_a_class = name[:1].isupper() and not name.isupper()  # TABLE["x"] and NAMES are values
    return of_a_class or (isinstance(expression, ast.Subscript) and name in ("dict", "list", "ndarray", "set", "tuple"))


def too_large(tree: ast.Module, lines: int) -> list[str]:
    """Sentences about a file and its functions that are larger than they may be."""
    found = [f"{lines} lines"] if lines > LINES else []
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            found += [f"{node.name} takes {parameters(node)} parameters"] if parameters(node) > PARAMETERS else []
            found += [f"{node.name} has {statements(node)} statements"] if statements(node) > STATEMENTS else []
    return found


def test_few_protocols():
    """A type that only describes another is a noun to learn: the concrete class is named where there is one."""
    found = [f"{path.relative_to(PACKAGE)}: {name}" for path in FILES for name in protocols(tree_of(path))]
    assert len(found) <= PROTOCOLS, "\n".join(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path):
    """Options of a verb stand in its frozen dataclass, which every door reads, and not in many parameters."""
    assert not too_large(tree_of(path), lines_of(path))


def lines_of(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_evaluation_stays_small():
    assert sum(lines_of(path) for path in FILES if room_of(path) == "evaluation") <= 4000


def test_few_constants():
    """Numbers that tune a stage stand together in one frozen dataclass beside it, where they can be recorded."""
    found = sum(len(constants(tree_of(path))) for path in FILES)
    lines = sum(lines_of(path) for path in FILES)
    assert 1000 * found / lines <= CONSTANTS, f"{found} in {lines} lines"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from typing import Protocol\nclass P(Protocol): ...", ["P"]),
        ("import typing\nclass P(typing.Protocol): ...", ["P"]),
        ("class P(Protocol[T]): ...", ["P"]),
        ("class P(Sized, typing.Protocol[T]): ...", ["P"]),
        ("from typing import Protocol as Shape\ndef f():\n    class P(Shape): ...", ["P"]),
        ("class P(Generic[T]): ...\nclass Protocol(int): ...", []),
    ],
)
def test_protocols_are_found(source: str, found: list[str]):
    assert protocols(ast.parse(source)) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("A = 1\nb = 2.5\n_c: int = 3\nCamel = 'x'", ["A", "b", "_c", "Camel"]),
        ("a, (b, *c) = 1, (2, 3)\nd = e = []", ["a", "b", "c", "d", "e"]),
        ("if x:\n    a = 1\nelse:\n    b = 2", ["a", "b"]),
        ("try:\n    import a\nexcept ImportError:\n    a = None", ["a"]),
        ("SETTINGS = Settings()\n_state = State(1)\ntable = {k: v for k, v in pairs}", ["SETTINGS", "_state", "table"]),
        ("words = TABLE['words']\nalso = TABLE\nflags = re.I | re.M", ["words", "also", "flags"]),
        ("print(n := 3)", ["n"]),
        ("T = TypeVar('T')\nlogger = logging.getLogger(__name__)\n__all__ = ['f']\n__version__ = '1'", []),
        ("Image = npt.NDArray[np.uint8]\nOf = Callable[[int], None]\nPair = tuple[int, int]", []),
        ("Both = Ab | Cd | None\nOld = New\nx: int", []),
        ("def f():\n    a = 1\nclass C:\n    b = 2", []),
    ],
)
def test_constants_are_found(source: str, found: list[str]):
    assert constants(ast.parse(source)) == found


@pytest.mark.parametrize(
    ("source", "lines", "large"),
    [
        ("", 350, False),
        ("", 351, True),
        ("def f(a, b, c, d, e, f, g, h, i, j, k, l): ...", 1, False),
        ("def f(a, b, c, d, e, f, g, h, i, j, k, l, m): ...", 1, True),
        ("async def f(a, b, c, d, e, f, /, g, h, i, *, j, k, l, m): ...", 1, True),
        ("def f(a, b, c, d, e, f, g, h, i, j, k, *args, **kwargs): ...", 1, True),
        ("class C:\n def f(self, a, b, c, d, e, f, g, h, i, j, k, **kwargs): ...", 1, True),
        ("def f():\n" + " x = 1\n" * 50, 51, False),
        ("def f():\n" + " x = 1\n" * 51, 52, True),
        ("def f():\n if x:\n" + "  x = 1\n" * 300, 302, True),
        ("class C:\n async def f(self):\n  def g():\n" + "   x = 1\n" * 51, 54, True),
    ],
)
def test_what_is_too_large_is_found(source: str, lines: int, large: bool):
    assert bool(too_large(ast.parse(source), lines)) is large
