"""Readers of what stands beside pictures, sound and weights: captions, turns, tables, measures of runs, URLs."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from fuzz_kinds import Reader, write_shards, write_video
from PIL import Image as Pillow

from talkface.checkpoints.convert.video_table import load_table
from talkface.data.clip_index import INDEX_NAME, ClipIndex, build_index, load_index, open_index
from talkface.data.datasets import ClipDataset
from talkface.data.interop.quintuple import Ending, apply_pose, read_quintuple
from talkface.data.sources.hdtf import find_hdtf_clips
from talkface.data.sources.lrs3 import find_lrs3_clips
from talkface.data.sources.voxceleb2 import find_voxceleb2_clips
from talkface.errors import ConfigError
from talkface.evaluation.report.runs_page import read_run
from talkface.files.read import parse_json
from talkface.inference.batch.results import Outcome, load_outcomes
from talkface.inference.dialogue import read_turns, split_turns
from talkface.landmarks.lip_shape import LipRange
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.media.captions import as_srt, cue_at, read_captions
from talkface.media.mark.manifest import read_manifest, sign_file
from talkface.media.mark.signer import local_credentials
from talkface.media.mark.tag import Origin, can_sign, read_comment
from talkface.scale import block_cache
from talkface.scale.storage import Folder
from talkface.serve.options import read_options
from talkface.training.jobs.lip_range import load_range, save_range
from talkface.training.jobs.offsets import load_lags, save_lags
from talkface.types import Waveform

SECONDS = 3.0
KEY = "0" * 16


def _text(name: str, content: str, read: Callable[[Path], object], kind: str = "text") -> Reader:
    return Reader(name, kind, lambda path: path.write_text(content), read)


def _read_captions(path: Path) -> None:
    cues = read_captions(path)
    assert cues and all(0 <= cue.start_s < cue.end_s < 1e7 and cue.text for cue in cues)
    cue_at(cues, 1.0)
    path.with_suffix(".srt").write_text(as_srt(cues), encoding="utf-8")
    assert len(read_captions(path.with_suffix(".srt"))) == len(cues)


def _read_turns(path: Path) -> None:
    turns = read_turns(path)
    faces = split_turns(Waveform(np.ones(round(SECONDS * 16_000), np.float32)), turns)
    assert faces and all(face >= 0 and np.isfinite(speech.samples).all() for face, speech in faces.items())


def _make_table(path: Path) -> None:
    write_shards(path.parent)
    build_index(path.parent)


def _read_table(path: Path) -> None:
    found = load_index(path)
    if found is not None:
        _look_up(found[0])
    clips = ClipDataset(path.parent)  # a table that does not fit is left, and the shards' own lists are taken
    assert len(clips) == 1 and clips[0].landmarks.shape[1:] == (68, 2)


def _look_up(table: ClipIndex) -> None:
    for row in range(min(len(table), 3)):
        assert table.key(row) is not None and table.speaker(row) is not None
        table.openings(row)
        assert table.shard(row)
        assert (table.span(row, "landmarks.npy") or (0, 0))[1] >= 0


def _read_url(path: Path) -> None:
    """The same table and shards, where only a URL leads to them; blocks are kept beside them."""
    os.environ["TALKFACE_CACHE"] = str(path.parent / "cache")
    block_cache.BLOCKS = replace(block_cache.BLOCKS, first_wait_s=0.0, longest_wait_s=0.0)
    _look_up(open_index(f"file://{path.parent}"))
    clips = ClipDataset(f"file://{path.parent}")
    for index in range(min(len(clips), 2)):
        assert clips[index].landmarks.shape[1:] == (68, 2)


def _make_outcome(path: Path) -> None:
    outcome = Outcome(1, "k", "a.mp4", ["a.jpg"], "b.wav", num_frames=3, fps="25", size=(4, 4), notes=["x"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(outcome)))


def _read_outcome(path: Path) -> None:
    for key, outcome in load_outcomes(Folder(str(path.parent.parent))).items():
        assert key == outcome.key and isinstance(outcome.row, int) and isinstance(outcome.photo, list)
        assert isinstance(outcome.num_bytes, int) and len(outcome.size) == 2 and isinstance(outcome.reason, str)


def _read_range(path: Path) -> None:
    found = load_range(path, KEY)
    assert found is None or np.isfinite(found.as_array()).all()


def _read_lags(path: Path) -> None:
    found = load_lags(path, KEY)
    assert found is None or all(np.isfinite(lag) for lag in found.values())


def _make_run(path: Path) -> None:
    path.with_name("config.yaml").write_text("kind: x\nrun:\n  steps: 9\n")
    path.write_text("step,name,value\n1,eval/score,0.5\n2,eval/score,0.4\n")


def _read_run(path: Path) -> None:
    for curve in read_run(path.parent, {}).curves.values():
        assert all(np.isfinite(value) for _, value in curve)


def _read_options(path: Path) -> None:
    options = read_options(parse_json(path.read_bytes(), "options", ConfigError))
    assert 1 <= options.fps <= 1000 and np.isfinite(options.head_scale)


def _make_quintuple(path: Path) -> None:
    prefix = path.parent / "x"
    points = np.concatenate([62 * MEAN_FACE + [128, 120], np.zeros((68, 1))], 1)[None].repeat(4, 0)
    pose = np.zeros((4, 6))
    np.save(f"{prefix}{Ending.LANDMARKS}", points)
    np.save(f"{prefix}{Ending.POSE}", pose)
    np.save(f"{prefix}{Ending.FRONT}", apply_pose(points, pose))
    write_video(Path(f"{prefix}{Ending.VIDEO}"), "mp4", "mpeg4", None, side=256, frames=4)


def _read_quintuple(path: Path) -> None:
    clip = read_quintuple(path.parent / "x")
    assert np.isfinite(clip.landmarks).all() and len(clip.landmarks) == len(clip.pose)


def _beside(name: str, content: str, clip: str, find: Callable[[Path], object]) -> Reader:
    """A side file of a corpus: whatever stands in it, the clip beside it is found, its times finite."""

    def make(path: Path) -> None:
        path.write_text(content)
        video = path.parent / "corpus" / clip
        video.parent.mkdir(parents=True, exist_ok=True)
        video.write_bytes(b"x" * 2000)

    def read(path: Path) -> None:
        root = path.parent / "corpus"
        side = root / name
        side.parent.mkdir(parents=True, exist_ok=True)
        side.write_bytes(path.read_bytes())
        found = list(find(root))  # type: ignore[call-overload]
        assert len(found) <= 1
        json.dumps([each.info for each in found], allow_nan=False)

    return Reader("side.txt", "text", make, read)


def _make_marked(path: Path) -> None:
    os.environ.setdefault("XDG_CONFIG_HOME", str(path.parent / "config"))
    write_video(path, "mp4", "mpeg4", None)
    if can_sign():
        plain = path.rename(path.with_name("plain.mp4"))
        sign_file(plain, path, "video/mp4", Origin({"photo": KEY}, credentials=local_credentials(None)), None)


def _read_marked(path: Path) -> None:
    found = read_manifest(path) if can_sign() else None
    assert found is None or found.state in ("trusted", "valid", "invalid")
    json.dumps(found and vars(found))
    read_comment(path)


def _picture(kind: str) -> Reader:
    def make(path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
        Pillow.fromarray(noise).save(path, format=kind)

    def read(path: Path) -> None:
        from talkface.media.photo import read_photo

        image = read_photo(path)
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size

    return Reader("photo.avif", "bytes", make, read)


MORE: dict[str, Reader] = {
    "srt": _text(
        "c.srt",
        "1\n00:00:00,100 --> 00:00:01,500\n<i>Hello</i>\n\n2\n00:00:02,000 --> 00:00:03,000\n& you\n",
        _read_captions,
    ),
    "vtt": _text("c.vtt", "WEBVTT\n\n00:00.100 --> 00:01.500 line:0\n<v Ada>Hello\n", _read_captions),
    "rttm": _text(
        "t.rttm",
        "SPEAKER f 1 0.10 1.25 <NA> <NA> ada <NA> <NA>\nSPEAKER f 1 1.5 1 <NA> <NA> bob <NA> <NA>\n",
        _read_turns,
    ),
    "turns": _text("t.csv", "start,end,speaker\n0.1,1.2,0\n1.3,2.5,1\n", _read_turns),
    "clip_table": Reader(INDEX_NAME, "bytes", _make_table, _read_table),
    "clip_table_head": Reader(INDEX_NAME, "head", _make_table, _read_table),
    "clip_table_url": Reader(INDEX_NAME, "head", _make_table, _read_url),
    "shard_url": Reader("shard-00000.tar", "bytes", lambda path: _make_table(path.with_name(INDEX_NAME)), _read_url),
    "outcome": Reader(".rows/k.json", "json", _make_outcome, _read_outcome),
    "lip_range": Reader(
        "r.json", "json", lambda path: save_range(path, KEY, LipRange((1.0, 1.0, 1.0), 1.0, 0.1)), _read_range
    ),
    "lags": Reader("l.json", "json", lambda path: save_lags(path, KEY, {"a": 0.5, "b": 1}), _read_lags),
    "run_curves": Reader("log.csv", "text", _make_run, _read_run),
    "options": _text("o.json", '{"fps": "25", "still": true, "seed": 3, "head_scale": 0.5}', _read_options, "json"),
    "quintuple": Reader("x" + Ending.POSE, "head", _make_quintuple, _read_quintuple),
    "video_table": Reader("w.npy", "head", lambda path: np.save(path, np.ones((3, 4), np.float32)), load_table),
    "hdtf": _beside("RD_annotion_time.txt", "Radio11.mp4 00:30-01:00 01:30-02:30\n", "Radio11_0.mp4", find_hdtf_clips),
    "lrs3": _beside(
        "pretrain/abc/00001.txt",
        "Text:  HELLO YOU\nConf:  4\n\nWORD START END ASDSCORE\nHELLO 0.1 0.5 1.0\nYOU 0.6 0.9 2.0\n",
        "pretrain/abc/00001.mp4",
        find_lrs3_clips,
    ),
    "voxceleb2": _beside(
        "dev/txt/id00012/v/00001.txt",
        "Identity  : id00012\nOffset : 3\nFV Conf : 9.5\n\nFRAME X Y\n1 2 3\n",
        "dev/mp4/id00012/v/00001.mp4",
        find_voxceleb2_clips,
    ),
    "verify": Reader("v.mp4", "bytes", _make_marked, _read_marked),
    "avif": _picture("AVIF"),
}
