"""`talkface benchmark animate` -> frames per second of every stage, time of the whole process, peak memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkface.cli.demo import DEMO_PHOTO, DEMO_SPEECH
from talkface.cli.options import refuse_missing, with_options
from talkface.errors import TalkfaceError
from talkface.inference.request import AnimateOptions
from talkface.types import DEFAULT_FPS

if TYPE_CHECKING:
    from talkface.inference.animator import Animator
    from talkface.types import Image


@dataclass(frozen=True)
class BenchmarkSizes:
    """Lengths of the measured runs."""

    stage_seconds: int = 10  # of speech, for the frames per second of the stages
    short_s: int = 10  # speech lengths of the whole-process table
    middle_s: int = 30
    long_s: int = 600
    start_s: int = 3  # of speech, for the start-up
    detections: int = 5


BENCHMARK = BenchmarkSizes()


@dataclass(frozen=True)
class WholeRun:
    """One whole `talkface animate` process.

    Attributes:
        speech_s: length of the speech.
        wall_s: from the start of the interpreter to its end.
        peak_mb: largest resident memory of the process or of one of its children, in MiB.
    """

    speech_s: float
    wall_s: float
    peak_mb: float


@dataclass(frozen=True)
class Start:
    """Seconds of whole processes, and until the first frame where the networks are loaded already."""

    help_s: float
    animate_s: float
    first_frame_s: float


def register(app: typer.Typer) -> None:
    """Add the verb and what it times."""
    from talkface.cli.benchmark_fewshot import benchmark_fewshot
    from talkface.cli.benchmark_prepare import benchmark_prepare
    from talkface.cli.benchmark_scale import benchmark_scale

    group = typer.Typer(help="Time this machine.", no_args_is_help=True)
    benchmark.add_to(group, "animate")
    benchmark_prepare.add_to(group, "prepare")
    benchmark_fewshot.add_to(group, "train")
    benchmark_scale.add_to(group, "scale")
    app.add_typer(group, name="benchmark")


@with_options(AnimateOptions, "renderer", "renderer_model")
def benchmark(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the 10 minutes of speech.")] = False,
    *,
    options: AnimateOptions,
) -> None:
    """Time a 512x512 photo on this machine: start-up, every stage alone, then the whole process.

    Exit code 1 when a target is missed: help in 0.4 s, 3 s of speech in 3 s, a first frame in 0.4 s, render + encode at
    30 frames/s, 30 s of speech in 30 s, and memory that does not grow with the length of the speech.
    """
    refuse_missing([options.renderer_model])
    from talkface import Animator
    from talkface.media.read import read_photo

    animator, console = Animator.from_options(options), Console()
    photo = read_photo(DEMO_PHOTO)
    animator.prepare(photo)  # a renderer that lacks its network says so here
    pace = f"{float(DEFAULT_FPS):g} frames/s"
    console.print(f"{os.cpu_count()} cores, renderer {options.renderer}, photo 512x512, {pace}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = measure_start(folder, options, animator)
        speed = _print_stages(console, photo, options, folder)
        runs = []
        for seconds in (
            (BENCHMARK.short_s, BENCHMARK.middle_s)
            if quick
            else (BENCHMARK.short_s, BENCHMARK.middle_s, BENCHMARK.long_s)
        ):
            _write_speech(folder / "speech.wav", seconds)
            with console.status(f"animate {seconds} s of speech"):
                runs.append(run_whole(DEMO_PHOTO, folder / "speech.wav", folder / "out.mp4", options))
    _print_runs(console, runs)
    if not all(_print_bars(console, start, speed, runs)):
        raise typer.Exit(1)


def run_whole(photo: Path, speech: Path, out: Path, options: AnimateOptions) -> WholeRun:
    """Run `talkface animate` in a process of its own and take its time and peak memory.

    Raises:
        TalkfaceError: the process failed; its last line is in the message.
    """
    from talkface.media.speech import open_speech

    command = [sys.executable, "-m", "talkface", "animate", str(photo), str(speech), "-o", str(out)]
    command += ["--renderer", options.renderer, "--force", "--quiet"]
    command += ["--renderer-model", options.renderer_model] if options.renderer_model else []
    wall_s, peak_mb = run_measured(command)
    return WholeRun(open_speech(speech).duration_s, wall_s, peak_mb)


def run_measured(command: list[str]) -> tuple[float, float]:
    """Run a command; returns its seconds, and the peak memory in MiB of it or of one of its children.

    Raises:
        TalkfaceError: it failed; the last line that it wrote on its errors is in the message.
    """
    # by a small process between: Linux counts the memory of whoever starts a process as its peak
    measure = (
        "import resource, subprocess, sys, time\n"
        "start = time.perf_counter()\n"
        "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(abs(code))"
    )
    done = subprocess.run([sys.executable, "-c", measure, *command], capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise TalkfaceError(f"{' '.join(command[1:4])} failed: {lines[-1] if lines else done.returncode}")
    wall_s, peak = map(float, done.stdout.split())
    return wall_s, peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def measure_start(folder: Path, options: AnimateOptions, animator: "Animator") -> Start:
    """Time what everybody waits for: the shorter of two tries each, so that files come from the disk's cache."""
    speech = folder / "start.wav"
    _write_speech(speech, BENCHMARK.start_s)
    help_s, animate_s, frame_s = [], [], []
    for _ in range(2):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "talkface", "--help"], stdout=subprocess.DEVNULL, check=True)
        help_s.append(time.perf_counter() - begin)
        animate_s.append(run_whole(DEMO_PHOTO, speech, folder / "out.mp4", options).wall_s)
        begin = time.perf_counter()
        next(iter(animator.animate(DEMO_PHOTO, speech)))  # the first try also loads the detector and the speech network
        frame_s.append(time.perf_counter() - begin)
    return Start(min(help_s), min(animate_s), min(frame_s))


def _print_stages(console: Console, photo: "Image", options: AnimateOptions, folder: Path) -> float:
    """Time each stage alone and all together; returns render + encode in frames/s."""
    from talkface import Animator, animate

    clock = Stages()
    with clock.stage("load networks", 0):
        animator = Animator.from_options(options)
    _write_speech(folder / "speech.wav", BENCHMARK.stage_seconds)
    frames = _time_stages(clock, animator, photo, folder / "speech.wav")
    with clock.stage("encode", len(frames)):
        _encode(frames, folder / "encoded.mp4")
    result = animate(photo, folder / "speech.wav", folder / "both.mp4", animator=animator)
    clock.seconds["render + encode"] = (result.num_frames, result.timings["render"])
    console.print(clock.table())
    return result.num_frames / result.timings["render"]


def _time_stages(clock: "Stages", animator: "Animator", photo: "Image", speech: Path) -> "list[Image]":
    from talkface.media.speech import open_speech

    with clock.stage("detect (photo)", BENCHMARK.detections):
        for _ in range(BENCHMARK.detections):
            animator.detector.detect(photo)
    with clock.stage("enroll", 1):
        subject = animator.prepare(photo)
    sound = open_speech(speech)
    with clock.stage("speech -> landmarks", round(BENCHMARK.stage_seconds * DEFAULT_FPS)):
        track = animator.track_speech(sound, DEFAULT_FPS)
    options = AnimateOptions(fps=DEFAULT_FPS)
    with clock.stage("retarget, head, blinks", len(track)):
        list(animator.landmarks(subject, track, options))
    with clock.stage("render", len(track)):
        return [rendered.image for rendered in animator.render(subject, track, options)]


class Stages:
    """Seconds and frames of every stage, in order."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[int, float]] = {}

    @contextmanager
    def stage(self, name: str, frames: int) -> Iterator[None]:
        """Time the block, which handles `frames` frames; 0 where frames mean nothing."""
        start = time.perf_counter()
        yield
        self.seconds[name] = (frames, time.perf_counter() - start)

    def table(self) -> Table:
        """Stage, seconds, frames per second."""
        table = Table(title="stages", title_justify="left", header_style="bold")
        for heading in ("stage", "seconds", "frames/s"):
            table.add_column(heading, justify="left" if heading == "stage" else "right")
        for name, (frames, seconds) in self.seconds.items():
            table.add_row(name, f"{seconds:.2f}", f"{frames / seconds:.1f}" if frames else "")
        return table


def _print_runs(console: Console, runs: list[WholeRun]) -> None:
    table = Table(title="whole process, start included", title_justify="left", header_style="bold")
    for heading in ("speech", "wall time", "x real time", "peak memory"):
        table.add_column(heading, justify="right")
    for run in runs:
        pace = run.wall_s / run.speech_s
        table.add_row(f"{run.speech_s:.0f} s", f"{run.wall_s:.1f} s", f"{pace:.2f}", f"{run.peak_mb:.0f} MiB")
    console.print(table)


def _print_bars(console: Console, start: Start, speed: float, runs: list[WholeRun]) -> list[bool]:
    """Print value, target and verdict; returns the verdicts."""
    from talkface.metrics.table import Target

    by_length = {round(run.speech_s): run for run in runs}
    middle = by_length[BENCHMARK.middle_s]
    rows: list[tuple[str, float, Target]] = [
        ("talkface --help, s", start.help_s, Target(at_most=0.4)),
        (f"animate, {BENCHMARK.start_s} s of speech, s", start.animate_s, Target(at_most=3.0)),
        ("first frame, networks loaded, s", start.first_frame_s, Target(at_most=0.4)),
        ("render + encode, frames/s", speed, Target(at_least=30)),
        ("30 s of speech, x real time", middle.wall_s / middle.speech_s, Target(at_most=1.0)),
    ]
    if BENCHMARK.long_s in by_length:
        rows.append(
            ("memory, 10 min over 30 s", by_length[BENCHMARK.long_s].peak_mb / middle.peak_mb, Target(at_most=1.2))
        )
    table = Table(title="targets", title_justify="left", header_style="bold")
    for heading in ("measure", "value", "target", ""):
        table.add_column(heading)
    for name, value, target in rows:
        passed = target.passed(value)
        table.add_row(name, f"{value:.2f}", str(target), "[green]pass[/]" if passed else "[bold red]FAIL[/]")
    console.print(table)
    return [target.passed(value) for _, value, target in rows]


def _write_speech(path: Path, seconds: int) -> None:
    """The demo speech again and again, for `seconds`, as 16 bit WAV."""
    import wave

    import numpy as np

    from talkface.media.sample_rate import to_pcm16
    from talkface.media.speech import read_waveform

    speech = read_waveform(DEMO_SPEECH)
    samples = np.resize(speech.samples, seconds * speech.rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(speech.rate)
        file.writeframes(to_pcm16(samples).tobytes())


def _encode(frames: "list[Image]", path: Path) -> None:
    from talkface.media.write import VideoWriter

    height, width = frames[0].shape[:2]
    with VideoWriter(path, (width, height), DEFAULT_FPS, force=True) as writer:
        for frame in frames:
            writer.write(frame)
