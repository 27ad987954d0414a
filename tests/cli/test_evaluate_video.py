"""`evaluate video` and `evaluate set`: the files they leave, and one line for what cannot be measured."""

import csv
import json
import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from talkface.__main__ import run
from talkface.media.speech import open_speech
from talkface.media.write import VideoWriter
from talkface.types import Waveform

FRAMES = 10


@pytest.fixture(scope="module")
def folder(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`real.mp4` with a mouth that opens and shuts, `soft.mp4` the same blurred, `blank.mp4` without a face."""
    folder = tmp_path_factory.mktemp("set")
    face = np.ascontiguousarray(astronaut[20:240, 110:330])
    talking = []
    for drop in (2, 5, 9, 12, 8, 3, 2, 7, 11, 4):
        image = face.copy()
        image[127 + drop : 187 + drop, 85:141] = face[127:187, 85:141]
        cv2.ellipse(image, (113, 127 + drop // 2), (17, 2 + drop // 2), 0, 0, 360, (60, 15, 20), -1)
        talking.append(image)
    write(folder / "real.mp4", talking)
    write(folder / "soft.mp4", [np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5)) for image in talking])
    write(folder / "blank.mp4", [np.full_like(face, 90)] * FRAMES)
    return folder


def write(path: Path, frames: list[np.ndarray]) -> None:
    height, width = frames[0].shape[:2]
    tone = np.sin(np.arange(16_000 * len(frames) // 25) / 10).astype(np.float32)
    with VideoWriter(path, (width, height), Fraction(25), open_speech(Waveform(0.2 * tone))) as writer:
        for frame in frames:
            writer.write(frame)


def refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", *arguments]) != 0
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert re.search(words, lines[0]), lines[0]


def test_a_video_leaves_scores_and_a_page_that_needs_nothing_else(folder: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert run(["evaluate", "video", str(folder / "soft.mp4"), str(folder / "real.mp4"), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    for words in ("opening r", "photo only", "real", "SSIM", "identity distance", "report.html"):
        assert words in said
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert [row["system"] for row in rows] == ["made", "photo only", "real"]
    assert float(rows[0]["sharpness"]) < float(rows[2]["sharpness"])
    assert float(rows[0]["ssim"]) < float(rows[2]["ssim"])
    kinds = [json.loads(line)["kind"] for line in (out / "scores.jsonl").read_text().splitlines()]
    assert kinds.count("clip") == 3
    page = (out / "report.html").read_text()
    assert page.count("data:video/mp4;base64,") == 1
    assert page.count("<svg") == 2
    assert not re.search(r"""(src|href)=["']?(https?:|//|file:)|url\(|@import""", page)
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "scores.csv", "scores.jsonl"]


def test_a_set_goes_on_past_a_bad_row(folder: Path, tmp_path: Path, capsys):
    manifest = folder / "pairs.csv"
    manifest.write_text(
        "fake,real,speaker,system,clip\n"
        "soft.mp4,real.mp4,ann,soft,one\nblank.mp4,real.mp4,ann,soft,two\n"
        "real.mp4,real.mp4,ann,same,one\nnone.mp4,real.mp4,bob,soft,three\n"
    )
    assert run(["evaluate", "set", str(manifest), "-o", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    left_out = captured.err.strip().splitlines()
    assert len(left_out) == 2
    assert "(two, soft): no face found" in left_out[0] and "row " in left_out[0]
    assert "none.mp4" in left_out[1]
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [(row["clip"], row["system"]) for row in rows] == [
        ("one", "soft"),
        ("one", "photo only"),
        ("one", "real"),
        ("one", "same"),
    ]
    page = (tmp_path / "report.html").read_text()
    assert "2 of 4 videos measured" in page
    assert "no face found" in page
    assert page.count("data:video/mp4") == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pairs.csv", "fake,photo\na.mp4,b.png\n", "no column real"),
        ("pairs.csv", "fake,real,phto\na.mp4,b.mp4,c\n", "unknown column phto"),
        ("pairs.csv", "fake,real\n", "no rows"),
        ("pairs.csv", "fake,real\na.mp4,\n", "row 1 has no real"),
        ("pairs.csv", "fake,real,system\na.mp4,b.mp4,real\n", "calls its system real"),
        ("pairs.jsonl", '{"fake": "a.mp4"}\n', "line 1 has no column real"),
        ("pairs.jsonl", "fake,real\n", "no rows"),  # told from JSON lines by what it holds
        ("pairs.jsonl", '{"fake": "a.mp4"\n', "line 1 is not JSON"),
        ("pairs.jsonl", '{"fake": "a.mp4", "real": "b.mp4"}\n[1]\n', "line 2 is not a JSON object"),
    ],
)
def test_a_faulty_manifest_is_named_in_one_line(tmp_path: Path, name: str, text: str, words: str, capsys):
    (tmp_path / name).write_text(text)
    refused(["set", str(tmp_path / name), "-o", str(tmp_path / "out")], words, capsys)


def test_faulty_inputs_are_named_in_one_line(folder: Path, tmp_path: Path, capsys):
    real, out = str(folder / "real.mp4"), str(tmp_path / "out")
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    refused(["set", str(tmp_path / "none.csv")], "no file", capsys)
    refused(["video", str(text), real, "-o", out], "text.mp4 is not a video", capsys)
    refused(["video", real, str(folder / "gone.mp4"), "-o", out], "gone.mp4", capsys)
    refused(["video", real, real, "-o", out, "--align", "eyes"], "invalid align 'eyes': expected auto, frame", capsys)
    refused(["video", real, real, "-o", str(text)], "is not a folder", capsys)
    for option in ("--syncnet", "--arcface", "--lpips", "--fid"):
        refused(["video", real, real, "-o", out, option, str(tmp_path / "none.bin")], "none.bin", capsys)


def test_json_lines_are_read_like_csv(folder: Path, tmp_path: Path):
    manifest = tmp_path / "pairs.jsonl"
    manifest.write_text(json.dumps({"fake": str(folder / "soft.mp4"), "real": str(folder / "real.mp4"), "photo": None}))
    from talkface.evaluation.pair_manifest import read_pairs

    (pair,) = read_pairs(manifest)
    assert (pair.made.name, pair.real.name, pair.photo, pair.name, pair.clip) == (
        "soft.mp4",
        "real.mp4",
        None,
        "made",
        "real",
    )


def test_a_public_set_has_the_columns_of_its_papers(folder: Path, tmp_path: Path, capsys):
    word = tmp_path / "LRW" / "lipread_mp4" / "ABOUT" / "test"
    word.mkdir(parents=True)
    (word / "ABOUT_00001.mp4").symlink_to(folder / "real.mp4")
    (tmp_path / "blurred").mkdir()
    (tmp_path / "blurred" / "ABOUT_00001.mp4").symlink_to(folder / "soft.mp4")
    name, out = f"lrw:{tmp_path / 'LRW'}", tmp_path / "out"
    assert run(["evaluate", "set", name, "--made", str(tmp_path / "blurred"), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.index("LMD, mean of 20") < said.index("SSIM") < said.index("PSNR")
    assert "identity distance" not in said and "own test split of 25,000 clips" in " ".join(said.split())
    rows = list(csv.DictReader((out / "scores.csv").read_text().splitlines()))
    assert [row["system"] for row in rows] == ["blurred", "photo only", "real"]
    manifest = tmp_path / "pairs.csv"
    manifest.write_text(f"fake,real\n{folder / 'soft.mp4'},{folder / 'real.mp4'}\n")
    refused(["set", str(manifest), "--made", str(tmp_path)], "belong to public sets", capsys)
