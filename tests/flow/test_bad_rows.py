"""Twenty kinds of hostile rows around a good one, in one batch with a real worker: the good one always ends."""

import os
import time
import wave
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from talkface.errors import printable
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.rows import make_rows
from talkface.inference.batch.run import batch
from talkface.media.mark.tag import verify_mark
from talkface.scale.workers import LocalWorkers

pytestmark = pytest.mark.flow

soundfile = pytest.importorskip("soundfile")
NESTED = "[" * 100_000


@pytest.fixture
def desk(astronaut: np.ndarray, tmp_path: Path) -> Path:
    """A good photo and speech, and everything that is not."""
    Pillow.fromarray(astronaut[:260, 100:360]).save(tmp_path / "a.png")
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(4800), 16_000)
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.wav")
    Pillow.new("1", (32_000, 32_000)).save(tmp_path / "bomb.png")
    with (tmp_path / "sparse.jpg").open("wb") as file:
        file.truncate(20 << 30)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:9000])
    (tmp_path / "script.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    (tmp_path / "list.wav").write_text("ffconcat version 1.0\nfile a.wav\n")
    (tmp_path / "person.safetensors").write_bytes((9).to_bytes(8, "little") + b'{"a":[]}' + b"\0" * 99)
    with wave.open(str(tmp_path / "slow.wav"), "wb") as file:  # 2 MB that last 12 days
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(1)
        file.writeframes(b"\0" * 2_000_000)
    head = BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (1 << 28, 68, 2)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("points.npy", head.getvalue() + b"\0" * 40_000_000)
    np.save(tmp_path / "nan.npy", np.full((5, 68, 2), np.nan, np.float32))
    return tmp_path


BAD: list[dict[str, object]] = [
    {"photo": "pipe.png"},
    {"speech": "pipe.wav"},
    {"photo": "/dev/zero"},
    {"photo": "bomb.png"},
    {"photo": "sparse.jpg"},
    {"photo": "text.png"},
    {"photo": "empty.png"},
    {"photo": "cut.png"},
    {"photo": "script.png"},
    {"photo": "person.safetensors"},
    {"photo": "a\0.png"},
    {"photo": "\ud800.png"},
    {"photo": "x" * 300 + ".png"},
    {"photo": "zip://x::/etc/passwd"},
    {"photo": "ftp://127.0.0.1:9/x.png"},
    {"speech": "slow.wav"},
    {"speech": "list.wav"},
    {"landmarks": "bomb.npz"},
    {"landmarks": "nan.npy"},
    {"out": "."},
    {"fps": "1e99999999"},
    {"renderer": "hybrid", "renderer_model": "n" * 300},
    {"seed": NESTED},
]


def test_whatever_is_wrong_with_a_row_the_good_one_is_made(
    desk: Path, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKFACE_MAX_WORKER_MB", "1500")
    good = {"photo": "a.png", "speech": "a.wav", "out": "good.mp4"}
    given = [{**good, "out": f"{number}.mp4", **bad} for number, bad in enumerate(BAD)]
    rows = make_rows([*given, good], desk, {"renderer": "warp", "speech_model": str(untrained), "sign": False})
    began = time.monotonic()
    outcomes = batch(rows, desk / "out", BatchOptions(time_limit=60), workers=LocalWorkers(1))
    assert time.monotonic() - began < 400
    *bad, last = outcomes
    assert not last.failed and verify_mark(desk / "out" / "good.mp4")
    assert [outcome.row for outcome in bad if not outcome.failed] == []
    for outcome in bad:
        assert outcome.reason == printable(outcome.reason) and "fault in talkface" not in outcome.reason, outcome
    assert sorted(path.name for path in (desk / "out").glob("*.mp4")) == ["good.mp4"]


def test_memory_ends_a_task_and_not_the_batch() -> None:
    numbers = iter([1 << 20, 3 << 30, 1 << 21])
    workers = LocalWorkers(1, megabytes=1000)
    found = []
    with pytest.raises(MemoryError):
        for size, block in workers.run(lambda: next(numbers, None), bytearray):
            found.append((size, len(block)))
    assert found == [(1 << 20, 1 << 20)]
