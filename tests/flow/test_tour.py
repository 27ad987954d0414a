"""The notebook runs from top to bottom, on less speech and without a network that renders."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT

pytestmark = pytest.mark.flow
NOTEBOOK = ROOT / "demo" / "tour.ipynb"


def code_cells() -> list[tuple[str, list[str]]]:
    """Source and tags of the cells that run."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in cells if cell["cell_type"] == "code"
    ]


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("accelerate")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path / "demo")
    names: dict[str, Any] = {"__name__": "tour"}
    shown = []
    for source, tags in code_cells():
        body = ast.parse('seconds, renderer = 0.4, "warp"' if "parameters" in tags else source).body
        last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), str(NOTEBOOK), "exec"), names)
        shown.append(eval(compile(last, str(NOTEBOOK), "eval"), names) if last is not None else None)
    assert shown[3] is True and shown[4] == len(names["frames"]) == 10
    assert shown[-2] == 0 and "best.safetensors" in shown[-1]


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
