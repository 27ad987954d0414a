"""Shards keep what was put in, and every frame is one read away."""

import json
import pickle
import shutil
import tarfile

import numpy as np
import pytest

from talkface.data.datasets import ClipDataset
from talkface.data.prepare.contact_sheet import write_contact_sheet
from talkface.data.prepare.manifest import MANIFEST_NAME, Record, append_record, read_manifest
from talkface.data.prepare.shards import find_shards, index_path, join_samples, read_index, write_sample
from talkface.errors import DatasetError
from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import interocular
from talkface.media.read import read_frames


def test_clips_have_matching_parts(shards):
    clips = ClipDataset(shards)
    assert len(clips) == 4 and {meta["speaker"] for meta in clips.metas} == {"speaker0", "speaker1"}
    for index in range(len(clips)):
        clip = clips[index]
        assert clip.landmarks.shape == (40, 68, 2) and clip.landmarks.dtype == np.float32
        assert clip.audio.shape == (40 * 640,) and clip.audio.dtype == np.float32 and np.abs(clip.audio).max() > 0.02
        assert clip.image(39).shape == (96, 96, 3) and clip.image(39).dtype == np.uint8
        assert clip.fps == 25 and clip.speech and clip.split == "train"


def test_landmarks_lie_on_the_crops(shards):
    """Detecting again in the stored crop gives the stored landmarks."""
    clip = ClipDataset(shards)[0]
    detector = load_detector()
    for frame in (0, 17, 39):
        again = detector.detect(np.kron(clip.image(frame), np.ones((3, 3, 1), np.uint8)))[0].landmarks
        apart = np.linalg.norm((again - 1) / 3 - clip.landmarks[frame], axis=-1).mean()
        assert apart < 0.06 * interocular(clip.landmarks[frame])


def test_crops_map_the_original_frames(shards, corpus):
    """`crops` is the map that was used: cutting the original with it gives the stored picture."""
    from talkface.geometry.resample import cut_patch

    clip = next(c for c in map(ClipDataset(shards).__getitem__, range(4)) if c.meta["file"] == "speaker1/clip0.mkv")
    frames = [image for image, _ in read_frames(corpus / "speaker1/clip0.mkv")]
    for frame in (0, 20, 39):
        cut = cut_patch(frames[frame], clip.crops[frame].astype(np.float64), 96).astype(int)
        assert np.abs(cut - clip.image(frame)).mean() < 2.5


def test_shards_are_plain_webdataset(shards):
    webdataset = pytest.importorskip("webdataset")
    samples = list(webdataset.WebDataset([str(path) for path in find_shards(shards)], shardshuffle=False))
    assert len(samples) == 4
    assert {"json", "landmarks.npy", "crops.npy", "audio.npy", "mjpeg"} <= set(samples[0])
    header = json.loads(samples[0]["json"])
    assert header["image_offsets"][-1] == len(samples[0]["mjpeg"]) and header["num_frames"] == 40


def test_a_lost_index_is_made_again(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    shard = find_shards(copy)[0]
    before = read_index(shard)
    index_path(shard).unlink()
    assert read_index(shard) == before


def test_an_open_dataset_can_be_sent_to_another_process(shards):
    clips = pickle.loads(pickle.dumps(ClipDataset(shards)))
    assert np.array_equal(clips[2].image(11), ClipDataset(shards)[2].image(11))


def test_damage_is_named(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "copy")
    shard = find_shards(copy)[0]
    shard.write_bytes(shard.read_bytes()[:5000])
    with pytest.raises(DatasetError, match="shorter than its index"):
        ClipDataset(copy)[3]
    index_path(shard).unlink()
    with pytest.raises(DatasetError, match="not a whole shard"):
        ClipDataset(copy)


def test_wrong_folder_or_split_is_named(shards, tmp_path):
    with pytest.raises(DatasetError, match="talkface prepare"):
        ClipDataset(tmp_path)
    with pytest.raises(DatasetError, match="it has train"):
        ClipDataset(shards, "test")


def test_joining_keeps_bytes(tmp_path):
    contents = {f"clip{i}": {"json": b"{}", "mjpeg": bytes([i] * (700 + i))} for i in range(3)}
    for key, members in contents.items():
        write_sample(tmp_path / f"{key}.tar", key, members)
    shard = tmp_path / "shard-00000.tar"
    join_samples([tmp_path / f"{key}.tar" for key in contents], shard)
    data = shard.read_bytes()
    for sample in read_index(shard):
        for name, (offset, size) in sample["members"].items():
            assert data[offset : offset + size] == contents[sample["key"]][name]
    with tarfile.open(shard) as tar:
        assert len(tar.getnames()) == 6
    assert not list(tmp_path.glob("*.tmp"))


def test_manifest_forgives_its_last_line_only(tmp_path):
    first, second = (Record(key, "a.mp4", "00", (1, 2), "s", "train", num_frames=5) for key in ("a", "b"))
    append_record(tmp_path, first)
    append_record(tmp_path, second)
    assert read_manifest(tmp_path) == {"a": first, "b": second}
    path = tmp_path / MANIFEST_NAME
    path.write_text(path.read_text()[:-20])
    assert read_manifest(tmp_path) == {"a": first}
    append_record(tmp_path, second)  # glued to the torn line
    append_record(tmp_path, first)
    with pytest.raises(DatasetError, match="line 2"):
        read_manifest(tmp_path)


def test_contact_sheet_shows_every_clip(shards, tmp_path):
    import cv2

    write_contact_sheet(shards, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * 128, 3 * 4 * 128, 3)


def test_a_shard_of_somebody_else_is_refused(tmp_path):
    write_sample(tmp_path / "shard-00000.tar", "x", {"txt": b"hello"})
    with pytest.raises(DatasetError, match=r"sample x has no \.json"):
        ClipDataset(tmp_path)
