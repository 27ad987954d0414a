"""A file that is missing is named before anything large is imported, by every verb."""

import json
import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
HEAVY = ("torch", "cv2", "av", "dlib", "scipy")
THERE = __file__  # any file that exists
COMMANDS = [
    ["animate", "none.jpg", THERE],
    ["animate", THERE, "none.wav"],
    ["animate", THERE, THERE, "-o", "nowhere/out.mp4"],
    *(["animate", THERE, THERE, f"--{name}", "none.x"] for name in ("head-from", "captions", "caption-font")),
    ["animate", THERE, "--landmarks", "none.npz"],
    ["animate", THERE, THERE, "--background", "none.jpg"],
    ["animate", THERE, THERE, "--certificate", "none.pem", "--key", "none.pem"],
    *(["animate", THERE, THERE, f"--{name}-model", "none.safetensors"] for name in ("renderer", "speech", "head")),
    ["animate", THERE, "--speaker", "0=none.wav"],
    ["animate", THERE, THERE, "--turns", "none.csv"],
    ["reenact", "none.jpg", THERE],
    ["reenact", THERE, "none.mp4"],
    ["reenact", "none.jpg", "--camera", "0"],
    ["live", "none.jpg", "--microphone"],
    ["batch", "none.csv"],
    ["batch", "none/", THERE],
    ["batch", THERE, "none.wav"],
    ["enroll", "none.jpg", "-o", "ada"],
    ["enroll", THERE, "-o", "ada", "--model", "none.safetensors"],
    ["verify", "none.mp4"],
    ["doctor", "none.jpg"],
    ["train", "none.yaml"],
    *(["train", str(path), "--set", "data.shards=nowhere"] for path in sorted(CONFIGS.glob("*/*debug.yaml"))),
    ["prepare", "folder", "nowhere", "out"],
    ["prepare", "grid", "nowhere", "out"],
    ["prepare", "folder", ".", "out", "--table", "none.csv"],
    ["models", "show", "none.safetensors"],
    ["models", "convert", "auto", "none.pth", "out.safetensors"],
    ["models", "table", "none.pt", "out.npy"],
    ["runs", "nowhere"],
    ["evaluate", "video", "none.mp4", THERE],
    ["evaluate", "set", "none.csv"],
    ["evaluate", "default", "--data", "nowhere"],
    ["evaluate", "renderer", "warp", "--shards", "nowhere"],
    ["evaluate", "audio2landmark", "audio2landmark", "nowhere"],
    ["evaluate", "headmotion", "headmotion", "nowhere"],
    ["evaluate", "fewshot", "none.safetensors", "nowhere"],
]
PROGRAM = f"""
import json, sys
from talkface.__main__ import run
for words in json.loads(sys.argv[1]):
    code = run(words)
    print(json.dumps([words, code, [name for name in {HEAVY!r} if name in sys.modules]]), flush=True)
"""


def test_every_verb_names_what_is_missing_first(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("[[")]
    assert len(found) == len(COMMANDS), ran.stderr
    assert [entry for entry in found if entry[1:] != [1, []]] == []
    said = ran.stderr.splitlines()
    assert len(said) == len(COMMANDS) and all(line.startswith("error: ") for line in said), said
    assert all("none" in line or "nowhere" in line for line in said), said
