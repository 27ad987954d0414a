"""`verify` says which marks are there, which are broken, and what that means by its exit code."""

import json
import subprocess
from fractions import Fraction
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from talkface.__main__ import run
from talkface.media.mark.manifest import Manifest
from talkface.media.mark.search import Found
from talkface.media.mark.verify import Verdict, verify_file
from talkface.media.write import VideoWriter

DOCS = Path(__file__).resolve().parents[3] / "docs" / "provenance.md"


@pytest.fixture(scope="module")
def video(astronaut: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "video.mp4"
    with VideoWriter(path, (512, 512), Fraction(25)) as writer:
        for _ in range(10):
            writer.write(astronaut)
    return path


def convert(video: Path, target: Path, *words: str) -> Path:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(video), *words, str(target)]
    subprocess.run(command, check=True, timeout=60)
    return target


def test_a_video_as_it_was_written_has_all_three(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("c2pa")
    assert run(["verify", str(video)]) == 0
    said = capsys.readouterr().out
    assert "comment tag: Synthetic video made with talkface" in said
    assert "C2PA signature: valid, by a trusted signer: talkface on this computer" in said
    assert said.splitlines()[-1] == f"{video}: synthetic, says the file itself"
    assert run(["verify", str(video), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["synthetic"] and not content["faults"] and content["c2pa"]["state"] == "trusted"
    assert content["invisible_mark"]["payload"] == content["c2pa"]["details"]["invisible_mark"]


@pytest.mark.parametrize(
    ("target", "words", "tag", "signed"),
    [
        ("copy.mp4", ("-c", "copy"), True, False),
        ("bare.mp4", ("-c", "copy", "-map_metadata", "-1"), False, False),
        ("stream.ts", ("-c", "copy"), False, False),
        ("again.mp4", ("-crf", "28"), True, False),
        ("shot.png", ("-frames:v", "1"), False, False),
        ("shot.jpg", ("-frames:v", "1", "-q:v", "4"), False, False),
    ],
)
def test_the_invisible_mark_stays_where_the_others_are_lost(
    video: Path, tmp_path: Path, target: str, words: tuple[str, ...], tag: bool, signed: bool
) -> None:
    verdict = verify_file(convert(video, tmp_path / target, *words))
    assert verdict.mark is not None and verdict.marked and not verdict.faults
    assert ((verdict.tag is not None), (verdict.manifest is not None)) == (tag, signed)


def test_an_animated_png_has_mark_and_signature(astronaut: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    with VideoWriter(tmp_path / "o.png", (256, 256), Fraction(5)) as writer:
        for _ in range(3):
            writer.write(np.ascontiguousarray(astronaut[:256, 100:356]))
    verdict = verify_file(tmp_path / "o.png")
    assert [layer.state for layer in verdict.layers] == ["none", "holds", "holds"] and not verdict.faults


def test_an_altered_file_is_broken_and_exits_with_3(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("c2pa")
    data = bytearray(video.read_bytes())
    data[-60] ^= 1
    (tmp_path / "o.mp4").write_bytes(data)
    assert run(["verify", str(tmp_path / "o.mp4")]) == 3
    said = capsys.readouterr().out.splitlines()
    assert "C2PA signature: broken: talkface on this computer" in said[2]
    assert said[-1].endswith("the file was altered after it was signed (assertion.bmffHash.mismatch)")


def test_pictures_of_another_video_under_a_signature_are_noticed() -> None:
    manifest = Manifest("valid", "Ada", False, (), True, {"invisible_mark": "00" * 6})
    assert not Verdict(None, Found(bytes(6), 1e-9, 1.0, False), manifest, True).faults
    (fault,) = Verdict(None, Found(b"abcdef", 1e-9, 1.0, False), manifest, True).faults
    assert "names the invisible mark 000000000000, the pictures bear 616263646566" in fault


def test_an_unmarked_picture_exits_with_1(
    tmp_path: Path, astronaut: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), astronaut)
    assert run(["verify", str(tmp_path / "a.png")]) == 1
    assert "proves nothing" in capsys.readouterr().out
    (tmp_path / "a.txt").write_text("words")
    assert run(["verify", str(tmp_path / "a.txt")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_table_in_the_docs_has_every_change() -> None:
    import importlib.util

    script = DOCS.parents[1] / "scripts" / "marks_table.py"
    spec = importlib.util.spec_from_file_location("marks_table", script)
    assert spec is not None and spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(table)
    text = DOCS.read_text(encoding="utf-8")
    assert all(f"| {name} |" in text for name in table.CHANGES), "run scripts/marks_table.py"
