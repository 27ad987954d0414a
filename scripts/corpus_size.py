"""Trains on a likeness of LRW or VoxCeleb2 with as many entries, and prints start-up and memory over time.

python scripts/corpus_size.py lrw|voxceleb2 FOLDER [STEPS [CONFIG OVERRIDES...]]; about 1 GB of disk, removed again.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from talkface.scale.memory import memory_mb
from talkface.testing import corpora
from talkface.testing.shards import write_loud_mouth_shards

ROOT = Path(__file__).resolve().parents[1]
CLIPS_PER_SHARD = 800
SAMPLED_S = 1.0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(kind: str, folder: Path) -> Path:
    """The corpus of that size."""
    lrw = kind == "lrw"
    small, out = folder / "small", folder / kind
    start = time.perf_counter()
    write_loud_mouth_shards(small, {f"c{i}": f"s{i}" for i in range(CLIPS_PER_SHARD)}, frames=29 if lrw else 12)
    if lrw:
        corpora.repeat_shard(small, out, corpora.CORPUS_SIZES.lrw_clips, corpora.lrw_names, judged_every=21)
    else:
        names, videos = corpora.voxceleb2_names, corpora.CORPUS_SIZES.voxceleb2_videos
        corpora.repeat_shard(small, out, corpora.CORPUS_SIZES.voxceleb2_clips, names, videos)
    table = (out / "clips.index").stat().st_size / 1e6
    say(f"{kind}: written in {time.perf_counter() - start:.0f} s, table of {table:.0f} MB")
    return out


def processor_s(process: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(command: list[str], log: Path) -> None:
    """Run a training; print the time of its first step and its memory."""
    start, first, shown, peak = time.perf_counter(), 0.0, 0.0, 0.0
    process = subprocess.Popen(command)
    while process.poll() is None:
        time.sleep(SAMPLED_S)
        now = time.perf_counter() - start
        try:
            used, worked = memory_mb(process.pid), processor_s(process.pid)
        except (OSError, KeyError):
            continue
        peak = max(peak, used.get("VmHWM", 0.0))
        if not first and log.is_file() and log.read_text(encoding="utf-8").count("\n") > 1:
            first = now
            say(f"first step after {first:.0f} s, {worked:.0f} s of one processor")
        if now >= shown:
            own = used.get("RssAnon", 0)
            say(f"{now:6.0f} s  {used.get('VmRSS', 0):7.0f} MB, not of files {own:7.0f}")
            shown += 15.0
    say(f"exit {process.returncode} after {time.perf_counter() - start:.0f} s, peak {peak:.0f} MB")


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    steps = sys.argv[3] if len(sys.argv) > 3 else "40"
    config = {"lrw": "audio2landmark/base.yaml", "voxceleb2": "renderer/fewshot_voxceleb.yaml"}[kind]
    try:
        shards, run = write(kind, folder), folder / "run"
        command = [sys.executable, "-m", "talkface", "train", "--quiet", str(ROOT / "configs" / config)]
        settings = [f"data.shards={shards}", f"run.out={run}", f"run.steps={steps}", "run.log_every=1"]
        words = [word for setting in [*settings, *sys.argv[4:]] for word in ("--set", setting)]
        watch([*command, *words], run / "log.csv")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
