""".npy or .npz -> arrays of known kind and shape, their size checked before memory is taken."""

import io
import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from talkface.errors import TalkfaceError
from talkface.files.check import NUMBERS, TEXT
from talkface.files.read import limit, refusing, variable


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
