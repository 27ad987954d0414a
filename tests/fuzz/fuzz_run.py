"""Damaged files by the thousand -> how many were read, refused in one line, or did anything else."""

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fuzz_assertions import NO_ASSERTIONS  # first: it decides how the package is compiled
from fuzz_mutate import mutate
from fuzz_readers import READERS

from talkface.errors import TalkfaceError, printable

LONGEST_S = 20  # processor time that one input may take
MOST_MEMORY_MB = 2000
OUTCOMES = ("ok", "refused", "escaped", "wrong", "hung or crashed", "memory")
SHOWN = 3  # examples of each fault


@dataclass(frozen=True)
class Outcome:
    """Outcome of one damaged file."""

    what: str
    detail: str = ""


def try_reader(name: str, folder: Path, seed: bytes, number: int) -> Outcome:
    """Damage the file of a reader in the way of this number, and read it.

    Args:
        name: of the reader.
        folder: where its sound file and what belongs to it lie.
        seed: bytes of the sound file.
        number: the same one gives the same damage.
    """
    reader = READERS[name]
    path = folder / reader.name
    path.write_bytes(mutate(seed, reader.kind, random.Random(zlib.crc32(f"{name} {number}".encode()))))
    try:
        reader.read(path)
    except TalkfaceError as error:
        said = str(error)
        clean = said and said == printable(said)
        return Outcome("refused") if clean else Outcome("escaped", f"not one printable line: {said!r}")
    except AssertionError:
        return Outcome("wrong", traceback.format_exc(limit=-2))
    except Exception:  # noqa: BLE001 - what is looked for
        return Outcome("escaped", traceback.format_exc(limit=-3))
    return Outcome("ok")


def make_seed(name: str, folder: Path) -> bytes:
    """Write the sound file of a reader and see that it is read; returns its bytes."""
    reader = READERS[name]
    path = folder / reader.name
    reader.make(path)
    seed = path.read_bytes()
    if name not in ("pth", "caffemodel", "batch_jsonl"):
        reader.read(path)
    return seed


def work(name: str, first: int, count: int) -> None:
    """Try inputs one after the other and print a line for each: its number before, its outcome after it."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # a hang ends the process; the one above sees where
    with tempfile.TemporaryDirectory() as folder:
        seed = make_seed(name, Path(folder))
        for number in range(first, first + count):
            print(json.dumps(number), flush=True)
            signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
            outcome = try_reader(name, Path(folder), seed, number)
            signal.setitimer(signal.ITIMER_PROF, 0)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(json.dumps([outcome.what, outcome.detail, memory]), flush=True)
            if memory > MOST_MEMORY_MB:
                return


def run_reader(name: str, count: int) -> tuple[Counter[str], list[str], int]:
    """Try `count` inputs in processes that may die; returns outcomes, examples of faults, and the most memory in MB."""
    found: Counter[str] = Counter()
    faults: list[str] = []
    most = done = 0
    while done < count:
        extra = [NO_ASSERTIONS] if NO_ASSERTIONS in sys.argv else []
        words = [sys.executable, __file__, "--worker", name, str(done), str(count - done), *extra]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False)
        lines = [json.loads(line) for line in ran.stdout.splitlines() if line[:1] in "[0123456789"]
        if not lines:
            raise SystemExit(f"{name}: {ran.stderr[-2000:]}")
        for line in lines:
            if isinstance(line, int):
                done = line + 1
                continue
            what, detail, memory = line
            most = max(most, memory)
            what = "memory" if memory > MOST_MEMORY_MB else what
            found[what] += 1
            if what not in ("ok", "refused"):
                faults.append(f"{name} {done - 1}: {what} {detail}")
        if isinstance(lines[-1], int):
            found["hung or crashed"] += 1
            faults.append(f"{name} {lines[-1]}: hung or crashed, code {ran.returncode}")
    return found, faults, most


def main() -> None:
    """Print a row per reader, a row of totals, and examples of faults; exit code 1 where there is one."""
    parser = argparse.ArgumentParser(description="Feed damaged files to every reader.")
    parser.add_argument("--count", type=int, default=10_000, help="damaged files in all")
    parser.add_argument("--reader", choices=sorted(READERS), action="append", help="only this one (default: all)")
    parser.add_argument(NO_ASSERTIONS, action="store_true", help="as under python -O, which drops them")
    parser.add_argument("--worker", nargs=3, metavar=("NAME", "FIRST", "COUNT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[0], int(given.worker[1]), int(given.worker[2]))
        return
    names = given.reader or list(READERS)
    totals: Counter[str] = Counter()
    all_faults: list[str] = []
    largest = 0
    started = time.monotonic()
    for name in names:
        found, faults, most = run_reader(name, -(-given.count // len(names)))
        totals += found
        largest = max(largest, most)
        all_faults += faults[:SHOWN]
        shown = ", ".join(f"{found[what]} {what}" for what in OUTCOMES if found[what])
        print(f"{name:12} {shown}; {most} MB", flush=True)
    shown = ", ".join(f"{totals[what]} {what}" for what in OUTCOMES)
    print(f"{'total':12} {totals.total()} inputs: {shown}; {largest} MB at most, {time.monotonic() - started:.0f} s")
    print("\n".join(all_faults))
    sys.exit(1 if all_faults else 0)


if __name__ == "__main__":
    main()
