"""Clips are measured; what is blurred, turned away or of another sound is refused; people in two splits are found."""

from dataclasses import replace

import cv2
import numpy as np

from talkface.__main__ import run
from talkface.data.datasets import ClipDataset
from talkface.data.prepare.manifest import Record
from talkface.data.prepare.people import split_overlaps
from talkface.data.prepare.quality import write_histograms
from talkface.data.prepare.refused_sheet import write_refused_sheets
from talkface.data.prepare.run import prepare
from talkface.data.prepare.sync import mismatch_p
from talkface.data.sources.folder import find_folder_clips
from talkface.media.read import read_frames
from talkface.testing.shards import write_loud_mouth_shards


def test_a_foreign_sound_fits_by_chance_only(tmp_path):
    write_loud_mouth_shards(tmp_path, {f"c{place}": f"s{place}" for place in range(8)}, frames=120)
    clips = list(ClipDataset(tmp_path))
    own = [mismatch_p(clip.audio, clip.landmarks) for clip in clips]
    foreign = [mismatch_p(clips[place - 1].audio, clip.landmarks) for place, clip in enumerate(clips)]
    assert np.median(own) <= 0.02 and np.median(foreign) > 0.1, (own, foreign)
    assert mismatch_p(np.zeros_like(clips[0].audio), clips[0].landmarks) is None


def test_clips_are_measured_and_refused(corpus, tmp_path, small):
    clip = find_folder_clips(corpus, None, {})[0]

    def prepared(name: str, **settings: float) -> Record:
        config = replace(small, preprocess=replace(small.preprocess, **settings))
        return prepare([clip], tmp_path / name, config)[0]

    plain = prepared("plain", max_sync_p=0.0)
    assert 48 < plain.face < 400 and plain.sharpness > 1 and 0 <= plain.turn < 45 and 0 < plain.sync_p <= 1
    assert not plain.refused and not plain.speech
    assert prepared("sharp", min_sharpness=plain.sharpness + 1).reason == "blurred"
    turned = prepared("turned", max_turn=plain.turn - 0.1)
    assert turned.reason == "turned away" and turned.turn == plain.turn


def test_histograms_show_who_was_refused(tmp_path):
    record = Record("a", "a.mp4", "", (0, 0), "a", "train")
    records = [replace(record, sharpness=float(place), reason="blurred" if place < 5 else "") for place in range(50)]
    write_histograms(records, tmp_path / "quality.png")
    picture = cv2.imread(str(tmp_path / "quality.png"))[..., ::-1]
    assert (picture == (200, 60, 50)).all(2).any() and (picture == (70, 110, 170)).all(2).any()


def test_every_reason_has_a_sheet_with_middle_frames(corpus, tmp_path, small):
    clips = find_folder_clips(corpus, None, {})
    config = replace(small.preprocess, max_sync_p=0.2)
    stat = {"source_hash": "", "source_stat": (0, 0), "speaker": "a", "split": "train", "source_frames": 40}
    reasons = ["face too small", "face too small", "crashed", ""]
    records = [
        Record(clip.key, str(clip.video), **stat, reason=reason, detail=f"{place} px", sync_p=0.7)
        for place, (clip, reason) in enumerate(zip(clips, reasons, strict=True))
    ]
    records[2] = replace(records[2], source_frames=0)  # its decoder died: not tried in this process
    (tmp_path / "refused_blurred.png").write_bytes(b"of an earlier run")
    paths = write_refused_sheets(clips, records, tmp_path, config)
    names = ["refused_crashed.png", "refused_face_too_small.png", "unused_sound_does_not_fit.png"]
    assert [path.name for path in paths] == names == sorted(path.name for path in tmp_path.iterdir())
    crashed, small_faces, sound = (cv2.imread(str(path)).astype(float) for path in paths)
    assert (crashed[:150, :192] == 90).all() and crashed[192:, :192].max() == 255, "grey, with its value below"
    _, face, _ = (image for image, _ in list(read_frames(clips[0].video))[19:22])
    shown = cv2.resize(face, (192, 192), interpolation=cv2.INTER_AREA)[..., ::-1]
    assert np.abs(small_faces[:192, :192] - shown).mean() < 3, "the frame of the clip's middle"
    assert (small_faces[:192, 192:384] != small_faces[:192, :192]).any() and (small_faces[:192, 384:] == 255).all()
    assert np.abs(sound[:192, :192] - small_faces[:192, :192]).mean() > 3, "of another speaker"
    assert write_refused_sheets(clips, [], tmp_path, config) == [] and not list(tmp_path.iterdir())


def test_people_in_two_splits_are_found(corpus, tmp_path, small, capsys):
    found = find_folder_clips(corpus, None, {})
    first = {clip.speaker: clip.key for clip in reversed(found)}
    clips = [replace(clip, split="train" if first[clip.speaker] == clip.key else "test") for clip in found]
    prepare(clips, tmp_path, small)
    counts, overlaps = split_overlaps(tmp_path)
    speakers = {clip.key: clip.speaker for clip in clips}
    assert counts == {"test": 2, "train": 2}
    same = [pair for pair in overlaps if speakers[pair.keys[0]] == speakers[pair.keys[1]]]
    assert len(same) == 2 and overlaps[0] in same and same[0].splits == ("test", "train")
    assert run(["prepare", "--people", str(tmp_path)]) == 0
    assert "2 of test, 2 of train looked at" in capsys.readouterr().out
