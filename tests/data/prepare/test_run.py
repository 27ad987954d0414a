"""A corpus becomes shards; kills, crashes, bad files and changed settings."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from talkface.__main__ import run
from talkface.data.datasets import ClipDataset
from talkface.data.prepare.manifest import read_manifest
from talkface.data.prepare.preprocess import PreprocessConfig, preprocess
from talkface.data.prepare.run import prepare
from talkface.data.prepare.shards import PENDING, find_shards
from talkface.data.sources.folder import find_folder_clips
from talkface.errors import DatasetError
from talkface.landmarks.detect import load_detector
from talkface.landmarks.layout import mouth_opening
from talkface.testing.clips import draw_face, draw_person, mouth_motion, write_talking_clip
from talkface.types import Clip

SETTINGS = ["--set", "preprocess.size=96", "--sync", "keep", "--workers", "1"]


def command(root, out) -> list[str]:
    return [sys.executable, "-m", "talkface", "prepare", "folder", str(root), str(out), *SETTINGS]


def wait_for_lines(path, count: int, process: subprocess.Popen) -> None:
    for _ in range(1200):
        if path.is_file() and len(path.read_text().splitlines()) >= count:
            return
        assert process.poll() is None, "it ended too early"
        time.sleep(0.05)
    raise AssertionError("no progress within a minute")


def test_killed_run_goes_on_and_equals_an_unbroken_one(corpus, shards, tmp_path):
    out = tmp_path / "out"
    process = subprocess.Popen(command(corpus, out), stderr=subprocess.DEVNULL, start_new_session=True)
    wait_for_lines(out / "manifest.jsonl", 2, process)
    os.kill(process.pid, signal.SIGKILL)  # the parent alone: its workers must notice and end
    process.wait()
    time.sleep(0.5)
    (out / PENDING / "half.tmp").write_bytes(b"cut short")
    finished = read_manifest(out)
    stamps = {path.name: path.stat().st_mtime_ns for path in (out / PENDING).glob("*.tar")}
    assert 2 <= len(finished) < 5

    assert subprocess.run(command(corpus, out), stderr=subprocess.DEVNULL).returncode == 0
    again = read_manifest(out)
    assert len(again) == 4
    for key, record in finished.items():
        assert again[key] == record, "a finished clip was done again"
    assert len(stamps) >= 2
    assert not list(out.rglob("*.tmp")) and not (out / PENDING).exists()
    ours, unbroken = ClipDataset(out), ClipDataset(shards)
    assert ours.keys == unbroken.keys
    for index in range(4):
        assert np.array_equal(ours[index].landmarks, unbroken[index].landmarks)
        assert np.array_equal(ours[index].image(7), unbroken[index].image(7))


def test_a_missing_extra_stops_the_run_and_is_no_clips_fault(tmp_path):
    (tmp_path / "in").mkdir()
    write_talking_clip(tmp_path / "in" / "ada.avi", 3, 1.5)
    (tmp_path / "librosa.py").write_text("raise ModuleNotFoundError(\"No module named 'librosa'\", name='librosa')\n")
    words = [sys.executable, "-m", "talkface", "prepare", "folder", str(tmp_path / "in"), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1 and "this needs librosa: pip install 'talkface[train]'" in done.stderr
    assert "Traceback" not in done.stderr and "fault" not in done.stdout + done.stderr


def test_kill_between_shard_and_cleanup_loses_nothing(corpus, shards, tmp_path, small):
    """The shard has its name but `pending` is not yet empty, and the index is missing."""
    import shutil

    out = shutil.copytree(shards, tmp_path / "out")
    clip = ClipDataset(out)[0]
    (out / PENDING).mkdir()
    (out / PENDING / f"{clip.key}.tar").write_bytes(b"left over")
    find_shards(out)[0].with_suffix(".index.json").unlink()
    prepare(find_folder_clips(corpus, None, {}), out, small)
    assert len(ClipDataset(out)) == 4 and len(find_shards(out)) == 1 and not (out / PENDING).exists()


def test_a_worker_that_dies_costs_nothing(corpus, tmp_path, small):
    """Killed from outside, its clips are done again by another."""
    stop = threading.Event()

    def kill_one() -> None:
        while not stop.is_set():
            for child in multiprocessing.active_children():
                if (tmp_path / "manifest.jsonl").is_file() and child.pid:
                    os.kill(child.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    records = prepare(find_folder_clips(corpus, None, {}), tmp_path, small)
    stop.set()
    thread.join()
    assert not any(record.refused for record in records) and len(ClipDataset(tmp_path)) == 4


def test_changed_settings_are_refused(corpus, shards, small):
    other = replace(small, preprocess=replace(small.preprocess, size=64))
    with pytest.raises(DatasetError, match="size 96 -> 64"):
        prepare(find_folder_clips(corpus, None, {}), shards, other)


def test_bad_clips_are_counted_by_reason(tmp_path, capsys):
    root, out = tmp_path / "in", tmp_path / "out"
    for name in "abcdef":
        (root / name).mkdir(parents=True)
    write_talking_clip(root / "a" / "good.mkv", 1, 1.6)
    (root / "b" / "copy.mkv").write_bytes((root / "a" / "good.mkv").read_bytes())
    (root / "c" / "empty.mp4").write_bytes(b"")
    (root / "d" / "text.mp4").write_text("not a video")
    write_talking_clip(root / "e" / "short.mkv", 2, 0.3)
    whole = (root / "a" / "good.mkv").read_bytes()
    (root / "f" / "cut.mkv").write_bytes(whole[: len(whole) // 20])
    assert run(["prepare", "folder", str(root), str(out), *SETTINGS]) == 0
    reasons = {record.speaker: record.reason for record in read_manifest(out).values()}
    assert reasons["a"] == "" and reasons["b"] == "duplicate"
    assert reasons["c"] == "empty file" and reasons["d"] == "unreadable" and reasons["e"] == "too short"
    assert reasons["f"] in ("unreadable", "too short")
    printed = capsys.readouterr().out
    assert "1 clips of 1 people" in printed and "duplicate" in printed and "unreadable" in printed
    assert (out / "contact_sheet.png").is_file()


def test_all_refused_is_an_error(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.mp4").write_bytes(b"")
    assert run(["prepare", "folder", str(tmp_path / "in"), str(tmp_path / "out"), *SETTINGS]) == 1
    assert "all 1 clips were refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "folder", ".", "out", "--where", "split"], "COLUMN=VALUE"),
        (["prepare", "folder", ".", "out", "--set", "preprocess.sise=3"], "did you mean preprocess.size"),
        (["prepare", "grid", ".", "out", "--table", "x.csv"], "prepare folder"),
        (["prepare", "gird", ".", "out"], "did you mean grid"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_photos_of_a_person_are_a_silent_clip(tmp_path, small):
    import cv2

    person = draw_person(np.random.default_rng(4))
    (tmp_path / "in" / "dora").mkdir(parents=True)
    for index, opening in enumerate((0.0, 0.7, 0.3)):
        picture = draw_face(person, opening, size=260)
        cv2.imwrite(str(tmp_path / "in" / "dora" / f"{index}.png"), picture[..., ::-1])
    (tmp_path / "in" / "dora" / "3.jpg").write_bytes(b"broken")
    records = prepare(find_folder_clips(tmp_path / "in", None, {}), tmp_path / "out", small)
    assert records[0].num_frames == 3 and not records[0].speech
    clip = ClipDataset(tmp_path / "out")[0]
    assert clip.fps == 0 and len(clip.audio) == 0 and np.argsort(mouth_opening(clip.landmarks)).tolist() == [0, 2, 1]


def test_offset_sound_is_moved_only_when_told(tmp_path):
    """Five frames late is found and undone; a buzz is not speech, so the limits are set for a faint likeness."""
    limits = {"size": 64, "doubt": 0.5, "min_confidence": 0.2}
    write_talking_clip(tmp_path / "late.mkv", 3, 6.0, late_frames=5)
    clip = Clip("late", tmp_path / "late.mkv", tmp_path / "late.mkv", "x", "train")
    detector = load_detector()
    examples = {
        sync: preprocess(clip, PreprocessConfig(sync=sync, **limits), detector) for sync in ("correct", "drop", "keep")
    }
    assert examples["correct"].offset.lag == pytest.approx(-5, abs=1)
    assert examples["correct"].applied == examples["correct"].offset.lag and examples["correct"].speech
    assert not examples["drop"].speech and examples["drop"].applied == 0
    assert examples["keep"].speech and np.array_equal(examples["keep"].samples, examples["drop"].samples)
    moved = round(-examples["correct"].applied * 640)
    assert np.allclose(examples["correct"].samples[:60000], examples["keep"].samples[moved : moved + 60000])


def test_only_the_stretch_before_a_cut_is_kept(tmp_path):
    """Another face after a cut is another scene."""
    from talkface.testing.clips import _write

    rng = np.random.default_rng(8)
    left, right = draw_person(rng), draw_person(rng)
    frames = [draw_face(left, float(o)) for o in mouth_motion(rng, 40)]
    frames += [draw_face(right, float(o), shift=(30, 20)) for o in mouth_motion(rng, 20)]
    _write(tmp_path / "cut.mkv", frames, np.zeros(60 * 640, np.float32))
    clip = Clip("cut", tmp_path / "cut.mkv", tmp_path / "cut.mkv", "x", "train")
    example = preprocess(clip, PreprocessConfig(size=64), load_detector())
    assert example.first_frame == 0 and abs(len(example.landmarks) - 40) <= 1
    assert example.source_frames == 60 and len(example.samples) == len(example.landmarks) * 640


def test_header_of_a_sample_says_where_it_comes_from(shards):
    meta = ClipDataset(shards).metas[0]
    assert {"file", "speaker", "split", "sync_lag", "sync_confidence", "first_frame"} <= set(meta)
    assert json.dumps(meta)
