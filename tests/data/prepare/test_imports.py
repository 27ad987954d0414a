"""Imported landmarks and VoxCeleb1's frames through the same path as videos: samples, shards, contact sheet."""

import struct
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.data.datasets import ClipDataset
from talkface.data.prepare.contact_sheet import write_contact_sheet
from talkface.data.prepare.manifest import Record
from talkface.data.prepare.preprocess import PreprocessConfig
from talkface.data.prepare.run import prepare_clip
from talkface.data.prepare.shards import PENDING, join_samples
from talkface.data.sources.registry import find_clips
from talkface.errors import DatasetError
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.testing.clips import draw_face, draw_person
from talkface.types import Clip


def put_through(clips: list[Clip], out: Path) -> list[Record]:
    """Run a worker and the joining of shards, without processes."""
    (out / PENDING).mkdir(parents=True)
    records = [prepare_clip(clip, out, PreprocessConfig(size=96, sync="keep")) for clip in clips]
    join_samples(sorted((out / PENDING).glob("*.tar")), out / "shard-00000.tar")
    return records


@pytest.fixture
def points() -> np.ndarray:
    return np.repeat((60 * MEAN_FACE + 64)[None], 29, 0).astype(np.float32)


def test_atvgnet_arrays_with_sound(tmp_path: Path, points: np.ndarray):
    root = tmp_path / "theirs"
    (root / "ABOUT" / "train").mkdir(parents=True)
    np.save(root / "ABOUT/train/ABOUT_00001.npy", points)
    with wave.open(str(root / "ABOUT/train/ABOUT_00001.wav"), "wb") as file:
        file.setparams((1, 2, 44_100, 0, "NONE", ""))
        file.writeframes(struct.pack("<hh", 3000, -3000) * 25_000)
    (record,) = put_through(find_clips("atvgnet", root), tmp_path / "out")
    assert (record.reason, record.num_frames, record.speech) == ("", 29, True)
    (clip,) = ClipDataset(tmp_path / "out", "train")
    assert len(clip.audio) == 29 * 640 and np.abs(clip.audio).max() > 0.01
    np.testing.assert_allclose(clip.landmarks, points, atol=1e-4)
    with pytest.raises(DatasetError, match="has landmarks only"):
        clip.image(0)
    write_contact_sheet(tmp_path / "out", tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).any()


def test_rows_of_one_hdf5_file_are_not_duplicates(tmp_path: Path, points: np.ndarray):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["flmark"] = np.stack([points.reshape(29, 136) / 600] * 2)
        file["MelFeatures"] = np.ones((2, 29, 128), np.float32)
    records = put_through(find_clips("lstm_hdf5", tmp_path / "train.h5"), tmp_path / "out")
    assert len({record.source_hash for record in records}) == 2
    clips = list(ClipDataset(tmp_path / "out"))
    assert len(clips) == 2 and all(len(clip.audio) == 0 for clip in clips)


def test_voxceleb1_frames_become_an_album(tmp_path: Path):
    folder = tmp_path / "vox1" / "unzippedFaces" / "Ann_Other" / "1.6" / "abc"
    folder.mkdir(parents=True)
    person = draw_person(np.random.default_rng(3))
    for index in range(3):
        cv2.imwrite(str(folder / f"{index:07d}.jpg"), draw_face(person, 0.3 * index)[..., ::-1])
    (folder / "0000009.jpg").write_bytes(b"damaged")
    (record,) = put_through(find_clips("voxceleb1", tmp_path / "vox1"), tmp_path / "out")
    assert (record.reason, record.num_frames, record.seconds) == ("", 3, 0.0)
    (clip,) = ClipDataset(tmp_path / "out")
    assert (clip.fps, len(clip.audio), clip.speech) == (0, 0, False)
    assert clip.image(2).shape == (96, 96, 3)
