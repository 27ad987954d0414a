"""The first docstring line of every module says what comes in and what goes out.

The rule: a module opens with one line that holds `->` and ends with a full stop; the `__init__` of a package and
`types.py`, which make nothing out of something, only need the sentence.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "talkface"
FILES = sorted(PACKAGE.rglob("*.py"))


def complaint(path: Path, source: str) -> str | None:
    """Fault of the first line of `source`, or None."""
    docstring = ast.get_docstring(ast.parse(source))
    if not docstring:
        return "no module docstring"
    first, *rest = docstring.splitlines()
    if not first.endswith("."):
        return f"the first line must be one sentence that ends with a full stop: {first!r}"
    if rest and rest[0].strip():
        return f"the first line must stand alone: {rest[0]!r} follows it"
    if path.name not in ("__init__.py", "types.py") and "->" not in first:
        return f"no arrow '->' in the first line: {first!r}"
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_first_line_is_an_arrow(path: Path):
    wrong = complaint(path, path.read_text(encoding="utf-8"))
    assert wrong is None, f"{path.relative_to(PACKAGE.parent)}: {wrong}"


@pytest.mark.parametrize(
    ("name", "source", "good"),
    [
        ("a.py", '"""Photo -> frames."""', True),
        ("a.py", '"""Photo -> frames.\n\nMore.\n"""', True),
        ("types.py", '"""What flows: Shot, Clip."""', True),
        ("a.py", '"""Helpers for photos."""', False),
        ("a.py", '"""Photo -> frames, and\nmore.\n"""', False),
        ("a.py", "x = 1", False),
        ("__init__.py", "", False),
    ],
)
def test_the_rule_itself(name: str, source: str, good: bool):
    assert (complaint(Path(name), source) is None) is good
