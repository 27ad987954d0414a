""".npy or .npz -> arrays of known kind and shape, their size checked before memory is taken."""

import io
import math
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from talkface.errors import TalkfaceError
from talkface.files.limits import limit, variable
from talkface.files.read import refusing

NUMBERS, TEXT = "fiu", "U"
Shape = tuple[int | None, ...]
"""Sides of an array; None stands for any length of 1 or more."""


def read_npy(path: Path, what: str, error: type[TalkfaceError], kinds: str = NUMBERS) -> npt.NDArray[Any]:
    """The array of a `.npy` file; Python objects are never read.

    Args:
        path: the file.
        what: what it should hold, for messages: "landmarks `[T, 68, 2]`".
        error: what is raised.
        kinds: accepted `dtype.kind`s.

    Raises:
        error: missing, no regular file, damaged, larger than the limit, or of another kind.
    """
    with refusing(f"{path} is not a .npy file of {what}, or is damaged", error), _open(path, what, error) as file:
        return _read_array(file, path.stat().st_size, f"{path}", what, error, kinds)


def read_arrays(
    path: Path, names: Collection[str], what: str, error: type[TalkfaceError]
) -> dict[str, npt.NDArray[Any]]:
    """Those of `names` that an `.npz` file has (others are left packed), or a bare `.npy` as the first of `names`.

    Raises:
        error: as `read_npy`.
    """
    first = next(iter(names))
    with (
        refusing(f"{path} is not a .npz or .npy file of {what}, or is damaged", error),
        _open(path, what, error) as file,
    ):
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return {first: _read_array(file, path.stat().st_size, str(path), what, error, NUMBERS)}
        with zipfile.ZipFile(file) as packed:
            members = {info.filename.removesuffix(".npy"): info for info in packed.infolist()}
            found = {}
            for name in names:
                if name in members:
                    size = members[name].file_size
                    with packed.open(members[name]) as member:
                        found[name] = _read_array(member, size, f"{name} in {path}", what, error, NUMBERS + TEXT)
            return found


def parse_npy(content: bytes, where: str, error: type[TalkfaceError], kinds: str = NUMBERS) -> npt.NDArray[Any]:
    """The array in the bytes of a `.npy` file; raises as `read_npy`."""
    with refusing(f"{where} is damaged", error):
        return _read_array(io.BytesIO(content), len(content), where, "numbers", error, kinds)


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type that a `.npy` file claims and has the bytes for; None where it is none."""
    try:
        with path.open("rb") as file:
            shape, _, dtype = _header(file)
            holds = path.stat().st_size - file.tell()
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return (shape, dtype) if math.prod(shape) * dtype.itemsize <= holds and not dtype.hasobject else None


def check_array(
    array: npt.NDArray[Any],
    shapes: Sequence[Shape],
    where: str,
    error: type[TalkfaceError],
    *,
    most: float = 1e6,
    finite: bool = True,
) -> None:
    """See that an array of numbers has one of `shapes`, is finite, and that no value is larger than `most`.

    With `finite` off, NaN stands for what is not known, as in frames without a face; infinity stays refused.

    Raises:
        error: another kind or shape; names what was found and expected.
    """
    expected = " or ".join(f"[{', '.join('T' if side is None else str(side) for side in shape)}]" for shape in shapes)
    if array.dtype.kind not in NUMBERS or not any(_fits(array.shape, shape) for shape in shapes):
        raise error(f"{where} has shape {list(array.shape)} of {array.dtype}: expected {expected}")
    if not (np.isfinite(array) if finite else ~np.isinf(array)).all():
        raise error(f"{where} holds numbers that are not finite: expected {expected} finite ones")
    if array.size and bool((np.abs(array.astype(np.float64)) > most).any()):
        raise error(f"{where} holds numbers beyond {most:g}: expected pixels or similar {expected}")


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    return len(found) == len(shape) and all(
        (have > 0 if want is None else have == want) for have, want in zip(found, shape, strict=True)
    )


def _open(path: Path, what: str, error: type[TalkfaceError]) -> IO[bytes]:
    if not path.is_file():
        raise error(f"no file {path}: expected {what} there")
    return path.open("rb")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if any(side < 0 for side in shape):
        raise ValueError("a side of negative length")
    return shape, fortran, dtype


def _read_array(
    file: IO[bytes], size: int, where: str, what: str, error: type[TalkfaceError], kinds: str
) -> npt.NDArray[Any]:
    shape, fortran, dtype = _header(file)
    count = math.prod(shape)
    wanted = count * dtype.itemsize
    if dtype.hasobject or dtype.kind not in kinds:
        raise error(f"{where} holds {dtype}: expected {what}")
    if wanted > limit("array_mb") * 1e6:
        raise error(f"{where} claims {wanted / 1e6:.0f} MB, above {variable('array_mb')} ({limit('array_mb'):g})")
    if wanted > size:
        raise error(f"{where} is cut short: its header claims {wanted} bytes")
    content = file.read(wanted)
    if len(content) != wanted:
        raise error(f"{where} is cut short: its header claims {wanted} bytes, {len(content)} are there")
    array = np.frombuffer(content, dtype, count)
    return array.reshape(shape, order="F" if fortran else "C").copy() if count else np.zeros(shape, dtype)
