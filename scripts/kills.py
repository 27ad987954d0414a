"""Commands killed at random moments and run again -> what was lost, half written, left or different."""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import talkface.cli.animate
import talkface.cli.batch
import talkface.cli.prepare
import talkface.cli.train
import talkface.inference.animator
import talkface.media.write
import talkface.training.jobs.audio2landmark  # noqa: F401 - all of these before a process is forked for each run
from talkface.__main__ import run
from talkface.checkpoints.format import load_checkpoint
from talkface.data.prepare.shards import find_shards, read_index, read_span
from talkface.testing.clips import write_talking_clip
from talkface.testing.shards import write_loud_mouth_shards

ROOT = Path(__file__).resolve().parents[1]
PHOTO, SPEECH = ROOT / "demo/portraits/drawn_ida.jpg", ROOT / "demo/speech/counting.flac"
AGE_S = 120.0  # what a killed process left is swept from a minute on
LONGEST_S = 600.0
KEPT = (".rows", ".lock")  # hidden, and no leftover


@dataclass(frozen=True)
class Trial:
    """A command with what it makes.

    Attributes:
        words: the command, with OUT for the place of what it makes.
        made: place -> content by name: what must be the same, however often it was killed.
        partly: whether what a kill leaves there must be right as far as it goes; a training's goes on changing.
    """

    words: Sequence[str]
    made: Callable[[Path], dict[str, str]]
    partly: bool = True


def digest(content: bytes) -> str:
    """A short hash."""
    return hashlib.sha256(content).hexdigest()[:16]


def videos(out: Path) -> dict[str, str]:
    """Videos of a folder, or one."""
    found = sorted(out.glob("*.mp4")) if out.is_dir() else [out]
    return {path.name if out.is_dir() else "video": digest(path.read_bytes()) for path in found if path.is_file()}


def clips(out: Path) -> dict[str, str]:
    """Members of every prepared clip."""
    found = {}
    for shard in find_shards(out):
        for sample in read_index(shard):
            for name, (start, size) in sample["members"].items():
                found[f"{sample['key']}.{name}"] = digest(read_span(shard, start, size))
    return found


def training(out: Path) -> dict[str, str]:
    """Weights, and the log."""
    found = {"log.csv": digest((out / "log.csv").read_bytes())} if (out / "log.csv").is_file() else {}
    for name in ("best.safetensors", "last.safetensors"):
        if (out / name).is_file():
            tensors = load_checkpoint(out / name).tensors
            found |= {f"{name} {key}": digest(value.numpy().tobytes()) for key, value in sorted(tensors.items())}
    return found


def trials(folder: Path) -> dict[str, Trial]:
    """The commands, on inputs that are written into a folder."""
    (folder / "corpus").mkdir()
    for number in range(4):
        write_talking_clip(folder / "corpus" / f"{number}.mkv", number, 1.0)
    write_loud_mouth_shards(folder / "shards", {f"c{i}": f"s{i}" for i in range(6)}, frames=60, split="train")
    speech = folder / "speech.wav"
    cut = ["-loglevel", "error", "-i", str(SPEECH), "-t", "0.8", str(speech)]
    subprocess.run([_ffmpeg(), *cut], check=True)
    rows = "".join(f"{PHOTO},{speech},{number}.mp4,{number}\n" for number in range(4))
    (folder / "rows.csv").write_text(f"photo,speech,out,seed\n{rows}")
    fast = ["--renderer", "warp", "--no-sign"]
    debug = str(ROOT / "configs/audio2landmark/debug.yaml")
    changed = [f"data.shards={folder / 'shards'}", "run.out=OUT", "run.steps=60", "run.save_every=10"]
    settings = [word for setting in changed for word in ("--set", setting)]
    return {
        "animate": Trial(["animate", str(PHOTO), str(speech), "-o", "OUT.mp4", *fast], lambda out: videos(_mp4(out))),
        "batch": Trial(
            ["batch", str(folder / "rows.csv"), "--out", "OUT", "--workers", "1", "--set", "renderer=warp",
             "--set", "sign=false"],
            videos,
        ),
        "prepare": Trial(["prepare", "folder", str(folder / "corpus"), "OUT", "--workers", "1"], clips),
        "train": Trial(["train", "--quiet", debug, *settings], training, partly=False),
    }  # fmt: skip


def _mp4(out: Path) -> Path:
    return out.with_suffix(".mp4")


def _ffmpeg() -> str:
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def start(words: Sequence[str], out: Path) -> int:
    """Run a command in a process forked from this one, which has everything imported, as head of a group of its own."""
    process = os.fork()
    if process:
        return process
    os.setsid()
    with out.with_suffix(".log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    random.seed()
    os._exit(run([word.replace("OUT", str(out)) for word in words]))


def end(process: int, group: bool) -> None:
    """Kill a command, or it and all below it; returns when it is gone."""
    (os.killpg if group else os.kill)(process, signal.SIGKILL)
    os.waitpid(process, 0)


def hidden(out: Path) -> list[str]:
    """Leftovers of what was killed, beside and below `out`, for this trial alone."""
    below = [path for path in out.rglob(".*") if not any(part in KEPT for part in path.relative_to(out).parts)]
    beside = [path for path in out.parent.glob(f".*{out.name}.*")]
    return [str(path) for path in (*below, *beside)]


def kill_often(name: str, trial: Trial, folder: Path, kills: int, rng: random.Random) -> Counter[str]:
    """Kill a command at random moments, each time in a fresh place, run it again to its end, and compare."""
    reference = folder / f"{name}_whole"
    began = time.monotonic()
    _, status = os.waitpid(start(trial.words, reference), 0)
    lasts_s = time.monotonic() - began
    if status:
        raise SystemExit(f"{name} failed: {reference.with_suffix('.log').read_text()[-500:]}")
    wanted, found = trial.made(reference), Counter[str]()
    for number in range(kills):
        out = folder / f"{name}_{number}"
        process = start(trial.words, out)
        time.sleep(rng.uniform(0, lasts_s))
        end(process, group=bool(number % 2))
        found["kills"] += 1
        time.sleep(0.2)  # workers leave when the pipe to their parent closes
        seen = trial.made(out) if trial.partly else {}
        found["half written"] += any(wanted.get(key) != value for key, value in seen.items())
        for left in map(Path, hidden(out)):
            if left.exists() and not left.is_symlink():
                os.utime(left, (time.time() - AGE_S, time.time() - AGE_S))
        force = ["--force"] if name == "animate" and _mp4(out).exists() else []
        _, status = os.waitpid(start([*trial.words, *force], out), 0)
        found["not resumed"] += status != 0
        made = trial.made(out)
        found["lost"] += bool(set(wanted) - set(made))
        found["different"] += any(made[key] != value for key, value in wanted.items() if key in made)
        left_over = hidden(out)
        found["left over"] += bool(left_over)
        if status or made != wanted or left_over:
            print(name, number, status, left_over, out.with_suffix(".log").read_text()[-400:], file=sys.stderr)  # noqa: T201
        shutil.rmtree(out, ignore_errors=True)
        _mp4(out).unlink(missing_ok=True)
    found["seconds undisturbed"] = round(lasts_s)
    return found


def main() -> None:
    """Print a line of JSON per command; exit code 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="of each command")
    parser.add_argument("--command", action="append", help="only this one (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    bad = 0
    with tempfile.TemporaryDirectory() as place:
        known = trials(Path(place))
        for name in given.command or known:
            found = kill_often(name, known[name], Path(place), given.kills, random.Random(f"{name} {given.seed}"))
            print(json.dumps({"command": name, **found}), flush=True)  # noqa: T201
            bad += sum(found[what] for what in ("half written", "not resumed", "lost", "different", "left over"))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
