"""Claims of a file are checked before they are used, and whatever is wrong with it is one line."""

import io
import json
import os
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from talkface.errors import ConfigError, DatasetError
from talkface.files.arrays import npy_header, parse_npy, read_arrays, read_npy
from talkface.files.check import build_record, check_array, matches
from talkface.files.read import limit, parse_json, read_bytes, read_json, read_table, read_text, refusing


def npy(array: np.ndarray, **changed: Any) -> bytes:
    """A `.npy` file whose header may say something else than its content."""
    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(buffer, {**header, **changed})
    return buffer.getvalue() + array.tobytes()


def test_arrays_come_back_as_numpy_reads_them(tmp_path: Path):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for array in (values, np.asfortranarray(values), values.astype(">i2"), np.zeros((0, 3))):
        np.save(tmp_path / "a.npy", array)
        assert np.array_equal(read_npy(tmp_path / "a.npy", "numbers", DatasetError), array)
    np.savez_compressed(tmp_path / "a.npz", points=values, fps=np.array("25"))
    found = read_arrays(tmp_path / "a.npz", ("points", "fps", "other"), "points", DatasetError)
    assert found.keys() == {"points", "fps"}
    assert np.array_equal(found["points"], values)
    assert str(found["fps"]) == "25"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00v\x00{'descr': (((((((((",
        npy(np.zeros(3), shape=(2**40,)),
        npy(np.zeros(3), shape=(-3,)),
        npy(np.zeros(3), descr="|O"),
        npy(np.zeros(3), descr="nonsense"),
        npy(np.zeros(3), shape=(4,)),
        npy(np.array(["a"])),
        b"PK\x03\x04" + b"\0" * 40,
    ],
)
def test_false_headers_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.npy"):
        read_npy(tmp_path / "a.npy", "numbers", DatasetError)
    with pytest.raises(DatasetError):
        parse_npy(content, "an array", DatasetError)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DatasetError):
        read_arrays(tmp_path / "a.npz", ("points",), "numbers", DatasetError)


def test_a_packed_bomb_is_refused_by_its_claim_and_others_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TALKFACE_MAX_ARRAY_MB", "1")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("points.npy", npy(np.zeros(1_000_000)))
        file.writestr("small.npy", npy(np.zeros(3)))
    with pytest.raises(DatasetError, match="TALKFACE_MAX_ARRAY_MB"):
        read_arrays(tmp_path / "a.npz", ("points",), "numbers", DatasetError)
    assert len(read_arrays(tmp_path / "a.npz", ("small",), "numbers", DatasetError)["small"]) == 3


def test_a_header_alone_is_not_believed(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((5, 68, 2)))
    assert npy_header(tmp_path / "a.npy") == ((5, 68, 2), np.dtype(np.float64))
    (tmp_path / "b.npy").write_bytes(npy(np.zeros(3), shape=(2**50,)))
    assert npy_header(tmp_path / "b.npy") is None


@pytest.mark.parametrize(
    ("array", "fits"),
    [
        (np.zeros((4, 68, 2)), True),
        (np.zeros((0, 68, 2)), False),
        (np.zeros((4, 68, 3)), False),
        (np.full((4, 68, 2), np.nan), False),
        (np.full((4, 68, 2), 1e30), False),
        (np.zeros((4, 68, 2), complex), False),
        (np.zeros((4, 68, 2), bool), False),
    ],
)
def test_shape_kind_and_range(array: np.ndarray, fits: bool):
    if fits:
        check_array(array, [(None, 68, 2)], "x", DatasetError)
        return
    with pytest.raises(DatasetError, match="x h"):
        check_array(array, [(None, 68, 2)], "x", DatasetError)


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (1, int, True),
        (True, int, False),
        (2**70, int, False),
        (1, float, True),
        (float("nan"), float, False),
        ("a", str, True),
        ("a\0", str, False),
        (None, float | None, True),
        ("x", float | None, False),
        ([1, 2], tuple[int, int], True),
        ([1], tuple[int, int], False),
        ([1, "a"], list[int], False),
        ({"a": 1.5}, dict[str, float], True),
        ({"a": "b"}, dict[str, float], False),
        ("val", Literal["train", "val"], True),
        ("dev", Literal["train", "val"], False),
        ({"a": object()}, Any, True),
    ],
)
def test_types(value: object, kind: Any, right: bool):
    assert matches(value, kind) is right


@dataclass(frozen=True)
class Entry:
    key: str
    size: tuple[int, int]
    lag: float | None = None

    def __post_init__(self) -> None:
        if self.size[0] < 0:
            raise ValueError("negative size")


def test_records_are_checked_against_their_class():
    entry = build_record(Entry, {"key": "a", "size": [1, 2], "unknown": 3}, "line 1", DatasetError)
    assert entry == Entry("a", (1, 2))
    for values in ({"key": "a"}, {"key": 1, "size": [1, 2]}, {"key": "a", "size": [1]}, {"key": "a", "size": [-1, 2]}):
        with pytest.raises(DatasetError, match="line 1"):
            build_record(Entry, values, "line 1", DatasetError)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, '{"a": ' + "9" * 5000]
)
def test_json_that_is_no_object_is_refused(text: str):
    with pytest.raises(DatasetError, match="here"):
        parse_json(text, "here", DatasetError)


def test_text_of_other_encodings_is_refused_in_one_line(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes("file,speaker\né.mp4,x\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="is not UTF-8 text: save the table as UTF-8"):
        read_text(path, "table", DatasetError)
    path.write_bytes(b"file\0")
    with pytest.raises(DatasetError, match="NUL"):
        read_text(path, "table", DatasetError)
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes("file,speaker\né.mp4,x\n".encode(encoding))
        assert read_table(path, "table", DatasetError)[1] == [{"file": "é.mp4", "speaker": "x"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_of_every_delimiter(tmp_path: Path, delimiter: str):
    path = tmp_path / "t.csv"
    lines = [["file", " speaker "], [' "a,b;c.mp4"', " x"], ["b.mp4"], ["c.mp4", "y", "z"], []]
    path.write_text("\r\n".join(delimiter.join(line) for line in lines), newline="")
    columns, rows = read_table(path, "table", DatasetError)
    assert columns == ["file", "speaker"]
    assert rows == [
        {"file": "a,b;c.mp4", "speaker": "x"},
        {"file": "b.mp4", "speaker": ""},
        {"file": "c.mp4", "speaker": "y", "": "z"},
    ]


def test_a_long_field_does_not_stop_a_table(tmp_path: Path):
    (tmp_path / "t.csv").write_text("file,speaker\n" + "x" * 200_000 + ",a\nb,c\n")
    assert [row["speaker"] for row in read_table(tmp_path / "t.csv", "table", DatasetError)[1]] == ["a", "c"]


def test_only_regular_files_within_the_limit_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(DatasetError, match="not a regular file"):
            read_bytes(path, "manifest", DatasetError)
    for path in (tmp_path / "none", tmp_path / "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(DatasetError):
            read_bytes(path, "manifest", DatasetError)
    (tmp_path / "a.json").write_text(json.dumps({"a": "x" * 2_000_000}))
    monkeypatch.setenv("TALKFACE_MAX_TEXT_MB", "1")
    with pytest.raises(DatasetError, match="2 MB: expected a manifest of at most 1 MB"):
        read_json(tmp_path / "a.json", "manifest", DatasetError)


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "nan"])
def test_a_wrong_limit_is_said(monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", value)
    with pytest.raises(ConfigError, match="TALKFACE_MAX_PIXELS"):
        limit("pixels")


def test_whatever_a_parser_raises_becomes_the_readers_error():
    for cause in (KeyError("x"), RecursionError("deep"), MemoryError(), Fraction, AssertionError("\x1b[1m")):
        with (
            pytest.raises(DatasetError, match=r"^f\.npz is damaged") as raised,
            refusing("f.npz is damaged", DatasetError),
        ):
            raise cause if isinstance(cause, BaseException) else ZeroDivisionError
        assert "\x1b" not in str(raised.value)
