"""Prepared folders, arrays and side files of others: values are checked, and nothing but the file itself is read."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from talkface.config import RunConfig, load_config, read_mapping
from talkface.data.datasets import ClipDataset
from talkface.data.interop.importers import array_shape, hdf5_rows, read_landmarks
from talkface.data.interop.quintuple import read_demo_list
from talkface.data.prepare.manifest import Record, read_manifest, write_manifest
from talkface.data.prepare.shards import index_path, read_index, write_index
from talkface.data.sources.cremad import find_cremad_clips
from talkface.data.sources.grid import read_align
from talkface.data.sources.tree import read_number
from talkface.errors import ConfigError, DatasetError

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "a${oc.env:HOME}b", "${run.steps}", "[1, '${oc.env:X}']"])
def test_nothing_in_a_settings_file_is_looked_up(tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "secret")
    (tmp_path / "a.yaml").write_text(f"out: {value}\n")
    for read in (read_mapping, lambda path: load_config(RunConfig, path)):
        with pytest.raises(ConfigError, match="nothing is looked up") as raised:
            read(tmp_path / "a.yaml")
        assert "secret" not in str(raised.value)
    with pytest.raises(ConfigError, match="nothing is looked up"):
        load_config(RunConfig, None, ["out=${oc.env:HOME}"])


def test_a_checkpoints_settings_neither_look_up_nor_open_anything(monkeypatch: pytest.MonkeyPatch):
    from talkface.cli.finetune import finetune_config
    from talkface.errors import CheckpointError

    monkeypatch.setenv("TF_SECRET", "secret")
    content = {"perceptual": ["none"], "pixel": 1.0, "caffe_vgg19": "/etc/passwd"}
    config = finetune_config({"config": {"loss": {"content": content}}}, [])
    assert config.content.caffe_vgg19 != "/etc/passwd"
    leaking = {"config": {"loss": {"content": {**content, "version": "${oc.env:TF_SECRET}"}}}}
    with pytest.raises(CheckpointError) as raised:
        finetune_config(leaking, [])
    assert "secret" not in str(raised.value)
    for strange in ({"config": 3}, {"config": {"loss": 3}}, {"config": {"run": []}}):
        finetune_config(strange, ["content.perceptual=[none]", "content.pixel=1"])


@pytest.mark.parametrize(
    "text", ["- a\n", "a: [", "a: !!python/object/apply:os.system ['true']", "\0", "a: " + "[" * 3000]
)
def test_files_that_are_no_settings_are_one_line(tmp_path: Path, text: str):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        load_config(RunConfig, tmp_path / "a.yaml", ["nonsense=1"])


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


HEADER = {"speaker": "a", "split": "train", "speech": False, "fps": 25.0, "num_frames": 3, "image_offsets": []}


def shard(folder: Path, mode: str = "w", extra: tarfile.TarInfo | None = None, **members: bytes) -> Path:
    """A shard with one clip of three frames without pictures; None leaves a member out."""
    folder.mkdir(exist_ok=True)
    content = {
        "json": json.dumps(HEADER).encode(),
        "landmarks.npy": npy(np.zeros((3, 68, 2), np.float32)),
        "crops.npy": npy(np.zeros((3, 2, 3), np.float32)),
        "mjpeg": b"",
    }
    path = folder / "shard-00000.tar"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in {**content, **{key.replace("_", "."): value for key, value in members.items()}}.items():
            info = tarfile.TarInfo(f"k.{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if extra is not None:
            tar.addfile(extra)
    return path


def test_a_whole_shard_is_read(tmp_path: Path):
    shard(tmp_path / "s")
    assert len(ClipDataset(tmp_path / "s")[0]) == 3


@pytest.mark.parametrize(
    "members",
    [
        {"json": b"{}"},
        {"json": b"[" * 100_000},
        {"json": json.dumps({**HEADER, "fps": "25"}).encode()},
        {"json": json.dumps({**HEADER, "fps": 1e9}).encode()},
        {"json": json.dumps({**HEADER, "image_offsets": [0, 5, 3, 9]}).encode()},
        {"json": json.dumps({**HEADER, "image_offsets": [0, 10**12]}).encode()},
        {"json": json.dumps({**HEADER, "image_offsets": 3}).encode()},
        {"landmarks_npy": npy(np.zeros((3, 67, 2)))},
        {"landmarks_npy": npy(np.full((3, 68, 2), np.inf))},
        {"landmarks_npy": npy(np.array("x"))},
        {"landmarks_npy": b"\x93NUMPY"},
        {"crops_npy": npy(np.zeros((4, 2, 3)))},
        {"audio_npy": npy(np.full(10, 1e30))},
    ],
)
def test_false_clips_are_refused(tmp_path: Path, members: dict[str, bytes]):
    shard(tmp_path / "s", **members)
    with pytest.raises(DatasetError):
        ClipDataset(tmp_path / "s")[0]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_shard_are_refused(tmp_path: Path, kind: bytes):
    info = tarfile.TarInfo("j.json")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DatasetError, match="is not a plain file"):
        write_index(shard(tmp_path / "s", extra=info))


def test_a_packed_shard_is_refused_since_its_offsets_would_be_of_the_unpacked_one(tmp_path: Path):
    with pytest.raises(DatasetError, match="not a whole shard"):
        write_index(shard(tmp_path / "s", "w:gz"))


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "{}",
        '{"samples": 3}',
        '{"samples": [3]}',
        '{"samples": [{"key": "k"}]}',
        '{"samples": [{"key": "k", "members": {"json": [0, 1e99]}, "meta": {}}]}',
        '{"samples": [{"key": "k", "members": {"json": [-5, 10]}, "meta": {}}]}',
        '{"samples": [{"key": "k", "members": {"json": [0, 99999999]}, "meta": {}}]}',
        '{"samples": [{"key": "k", "members": {}, "meta": {"speaker": "a", "split": "v", "speech": true, "fps": 25}}]}',
    ],
)
def test_false_indexes_are_refused(tmp_path: Path, index: str):
    path = shard(tmp_path / "s")
    index_path(path).write_text(index)
    with pytest.raises(DatasetError):
        read_index(path)
        ClipDataset(tmp_path / "s")


@pytest.mark.parametrize("line", ["3", "{}", "[" * 100_000, '{"key": 3}', '{"key": "a", "source_stat": 1}', "\udc80"])
def test_false_manifest_lines_are_refused_and_a_cut_one_is_left_out(tmp_path: Path, line: str):
    record = Record("a", "a.mp4", "", (1, 2), "a", "train")
    write_manifest(tmp_path, [record])
    path = tmp_path / "manifest.jsonl"
    whole = path.read_bytes()
    bad = line.encode("utf-8", "surrogateescape")
    path.write_bytes(bad + b"\n" + whole)
    with pytest.raises(DatasetError, match=r"line 1\b.*delete that line"):
        read_manifest(tmp_path)
    for end in (bad, bad + b"\n", whole[:20]):
        path.write_bytes(whole + end)
        assert read_manifest(tmp_path) == {"a": record}


def test_hdf5_data_must_lie_in_the_file_itself(tmp_path: Path):
    (tmp_path / "raw").write_bytes(bytes(75 * 136 * 4))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["flmark"] = np.zeros((1, 75, 136), np.float32)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["flmark"] = h5py.ExternalLink(tmp_path / "other.h5", "flmark")
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file.create_dataset("flmark", (1, 75, 136), "f4", external=[(str(tmp_path / "raw"), 0, 75 * 136 * 4)])
    layout = h5py.VirtualLayout((1, 75, 136), "f4")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "flmark", (1, 75, 136))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("flmark", layout)
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("flmark")
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file["flmark"] = np.full((1, 75, 136), b"x")
    with h5py.File(tmp_path / "vast.h5", "w") as file:
        file.create_dataset("flmark", (2**40, 75, 136), "f4", chunks=(1, 75, 136))
    for name in ("link", "raw", "virtual", "group", "text", "vast"):
        with pytest.raises(DatasetError):
            list(hdf5_rows(tmp_path / f"{name}.h5"))
    assert list(hdf5_rows(tmp_path / "other.h5")) == [0]
    assert read_landmarks(tmp_path / "other.h5", 0).shape == (75, 68, 2)


@pytest.mark.parametrize("array", [np.full((3, 68, 2), 1e30), np.zeros((0, 68, 2)), np.full((3, 136), np.nan)])
def test_false_landmark_arrays_are_refused(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DatasetError):
        read_landmarks(tmp_path / "a.npy")
    assert array_shape(tmp_path / "a.npy") == array.shape


@pytest.mark.parametrize(
    "row",
    [
        ["/etc/passwd", "0", "3", "w"],
        ["../x.mp4", "0", "3", "w"],
        ["", "0", "3", "w"],
        ["a", "0", "9" * 5000, "w"],
        ["a", "²", "3", "w"],
        ["a", "3", "1", "w"],
    ],
)
def test_a_demo_list_names_files_beside_it(tmp_path: Path, row: list[str]):
    np.save(tmp_path / "x_demo.npy", np.array([row], np.str_))
    with pytest.raises(DatasetError, match="row 0 of"):
        read_demo_list(tmp_path / "x_demo.npy")


def test_odd_side_files_never_stop_a_corpus(tmp_path: Path):
    assert read_number("1.2.3") == 1.2
    for text in (".", "", "-", "9" * 400, "x"):
        assert read_number(text) is None or read_number(text) < 1e12  # type: ignore[operator]
    assert read_align("² 3 sil\n" + "9" * 400 + " 3 a\n0 25000 bin\n") == [("bin", 0.0, 1.0)]
    (tmp_path / "VideoFlash").mkdir()
    (tmp_path / "VideoFlash" / "1001_IEO_NEU_XX.flv").write_bytes(b"x" * 2000)
    (tmp_path / "VideoDemographics.csv").write_bytes(b"ActorID,Age\n1001," + b"x" * 200_000 + b"\0\xff\n")
    assert [clip.speaker for clip in find_cremad_clips(tmp_path)] == ["cremad-1001"]
