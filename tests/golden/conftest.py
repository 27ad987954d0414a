"""Weights by formula and what the original code computed with them; `--parity-table` prints every comparison."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.linalg
import torch

HERE = Path(__file__).parent
ROWS = pytest.StashKey[list]()
PIECE = 1 << 18  # numbers hashed at once: they stay in the cache


def hashed(count: int, k: int) -> np.ndarray:
    """`count` numbers in [-1, 1) of tensor `k`, float64: the rule of the golden files."""
    out = np.empty(count)
    base = np.arange(min(PIECE, count), dtype=np.uint32)
    start = np.uint32((0x9E3779B9 * (k + 1)) % 2**32)
    for first in range(0, count, PIECE):
        x = base[: count - first] + (start + np.uint32(first))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
        np.divide(x, 2.0**31, out=out[first : first + len(x)])
    out -= 1
    return out


def filled(k: int, shape: list[int], rule: str) -> np.ndarray | None:
    count = int(np.prod(shape))
    if rule == "zero":
        return np.zeros(shape, np.float32)
    if rule == "gamma":
        return np.full(shape, 0.5, np.float32)
    if rule == "svd":
        return None
    u = hashed(count, k)
    if rule == "matrix":
        u *= np.sqrt(3 * shape[0] / count)
    elif rule == "u*sqrt(3/shape[0])":
        u *= np.sqrt(3 / shape[0])
    elif rule in ("gain", "var"):
        u *= 0.1 if rule == "gain" else 0.3
        u += 1
    else:
        assert rule in ("bias", "mean", "0.1u"), rule
        u *= 0.1
    return u.astype(np.float32).reshape(shape)


def leading_pair(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right singular vector of the largest singular value of a weight seen as `[shape[0], -1]`."""
    matrix = weight.reshape(len(weight), -1).astype(np.float64)
    wide = matrix.shape[0] <= matrix.shape[1]
    gram = matrix @ matrix.T if wide else matrix.T @ matrix
    last = len(gram) - 1
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=[last, last], overwrite_a=True, check_finite=False)
    one = vectors[:, 0]
    other = (one @ matrix if wide else matrix @ one) / np.sqrt(values[0])
    left, right = (one, other) if wide else (other, one)
    return left.astype(np.float32), right.astype(np.float32)


class Golden:
    """One original network: its weights and its stored inputs and outputs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.about = json.loads((HERE / f"{name}.json").read_text())
        stored = HERE / f"{name}.npz"
        self.arrays = dict(np.load(stored)) if stored.exists() else {}

    def weights(self) -> dict[str, torch.Tensor]:
        """State dict of the original."""
        made = {}
        parameters = self.about["parameters"]
        for k, (name, shape, rule) in enumerate(parameters):
            made[name] = filled(k, shape, rule)
        for name, _, rule in parameters:
            if rule == "svd" and name.endswith("weight_u"):
                base = name.removesuffix("_u")
                made[name], made[f"{base}_v"] = leading_pair(made[f"{base}_orig"])
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
        image = cv2.imread(str(HERE / f"{name}.png"))[..., ::-1]
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def signed(picture: torch.Tensor) -> torch.Tensor:
    return picture.float() / 127.5 - 1


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
