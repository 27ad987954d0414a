"""Weights by formula and what the original code computed with them; `--parity-table` prints every comparison."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.golden.fill import fill

HERE = Path(__file__).parent
ROWS = pytest.StashKey[list]()


class Golden:
    """One original network: its weights and its stored inputs and outputs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.about = json.loads((HERE / f"{name}.json").read_text())
        stored = HERE / f"{name}.npz"
        self.arrays = dict(np.load(stored)) if stored.exists() else {}

    def weights(self) -> dict[str, torch.Tensor]:
        """State dict of the original."""
        made = fill(self.about["parameters"])
        return {name: torch.from_numpy(np.asarray(value)) for name, value in made.items()}

    def count(self, *, without: tuple[str, ...] = ()) -> int:
        """Trained numbers of the original, less those of tensors that start with one of `without`."""
        kept = [
            int(np.prod(shape))
            for name, shape, rule in self.about["parameters"]
            if rule not in ("svd", "mean", "var", "zero") and not name.startswith(without or ("\0",))
        ]
        return sum(kept)

    def __getitem__(self, key: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[key])

    @staticmethod
    def picture(name: str) -> torch.Tensor:
        """Stored picture as `[1, 3, H, W]` uint8."""
        image = cv2.imread(str(HERE / f"{name}.webp"))[..., ::-1]
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


@pytest.fixture(scope="session")
def golden():
    """Golden file by name."""
    return Golden


@pytest.fixture(scope="session")
def parity(request):
    """Check `got` against `want`, and keep the row for the table."""
    rows = request.config.stash.setdefault(ROWS, [])

    def check(what: str, got: torch.Tensor, want: torch.Tensor, bound: float = 1e-5) -> None:
        got, want = torch.as_tensor(got).detach().double().squeeze(), torch.as_tensor(want).double().squeeze()
        assert got.shape == want.shape, f"{what}: {list(got.shape)} against {list(want.shape)}"
        apart = float((got - want).abs().max())
        rows.append((what, apart, float(want.abs().max()), bound))
        assert apart <= bound, f"{what} is {apart:.2g} from the original's"

    return check


@pytest.fixture(scope="session")
def counted(request):
    """Check a number of parameters, and keep the row for the table."""
    rows = request.config.stash.setdefault(ROWS, [])

    def check(what: str, network: torch.nn.Module, want: int) -> None:
        got = sum(parameter.numel() for parameter in network.parameters())
        rows.append((f"{what}: parameters", float(abs(got - want)), float(want), 0.0))
        assert got == want, f"{what} has {got:,} parameters, the original {want:,}"

    return check


def pytest_addoption(parser):
    parser.addoption("--parity-table", action="store_true", help="print every comparison with the original code")


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(ROWS, [])
    if not rows or not config.getoption("--parity-table"):
        return
    terminalreporter.write_line("| what | largest difference | largest value | bound |")
    terminalreporter.write_line("|---|---|---|---|")
    for what, apart, size, bound in rows:
        largest = f"{size:,.0f}" if what.endswith("parameters") else f"{size:.3g}"
        terminalreporter.write_line(f"| {what} | {apart:.1e} | {largest} | {bound:g} |")
