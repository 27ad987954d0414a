"""`talkface benchmark train` -> speed of the few-shot renderer: frames, training images, the table of W."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from talkface.cli.options import with_options
from talkface.cli.score_output import set_threads
from talkface.options import Options, option

if TYPE_CHECKING:
    from talkface.models.fewshot import FewshotConfig


@dataclass(frozen=True)
class FewshotBenchmark:
    """Sizes of the measured few-shot steps."""

    target: float = 3.0  # frames per second in fp32 on two cores; the older generator of this size gives 1.5
    videos: int = 145_000  # of VoxCeleb2's training part
    frames: int = 8  # timed
    table_steps: int = 20


FEWSHOT_BENCHMARK = FewshotBenchmark()


@dataclass(frozen=True)
class Timing:
    """Seconds on the clock and of processor time, per thing."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, kw_only=True)
class TrainBenchmarkOptions(Options):
    """Options of `benchmark train`."""

    frames: int = option(FEWSHOT_BENCHMARK.frames, "Frames to generate per precision.", low=1)
    threads: int = option(0, "Threads; 0 leaves torch's own choice.", low=0)
    videos: int = option(FEWSHOT_BENCHMARK.videos, "Rows of the table of W.", low=1)
    train: bool = option(True, "Time a training step too, with one example per step.")
    data_only: bool = option(False, "Time drawing the batches of any CONFIG from its shards instead.")
    set: tuple[str, ...] = option((), "KEY=VALUE, such as data.shards=FOLDER, for --data-only; repeat for more.")
    seconds: float = option(20.0, "How long to draw, for --data-only.", low=0.1)


@with_options(TrainBenchmarkOptions)
def benchmark_fewshot(
    config: Annotated[
        Path | None, typer.Argument(help="A configs/renderer/fewshot_*.yaml; without one, the paper's layout at 256.")
    ] = None,
    *,
    options: TrainBenchmarkOptions,
) -> None:
    """Time the few-shot generator, one training step, and the table of W at VoxCeleb2's size."""
    if options.data_only:
        from talkface.cli.benchmark_data import benchmark_data
        from talkface.errors import ConfigError

        if config is None:
            raise ConfigError("--data-only needs a CONFIG: give one of configs/audio2landmark or configs/renderer")
        benchmark_data(config, options.set, options.seconds)
        return
    import torch

    from talkface.config import load_config
    from talkface.training.jobs.fewshot_config import FewshotTraining

    set_threads(options.threads)
    settings = load_config(FewshotTraining, config)
    console = Console()
    console.print(f"{torch.get_num_threads()} threads, {settings.model.size} x {settings.model.size} pixels")
    fastest = _print_frames(console, settings.model, options.frames)
    if options.train:
        _print_training(console, settings)
    _print_table(console, options.videos, settings.model.embedding)
    if settings.model.size == 256:
        verdict = "[green]pass[/]" if fastest >= FEWSHOT_BENCHMARK.target else "[bold red]FAIL[/]"
        console.print(
            f"fp32 frames/s {fastest:.2f}, target: at least {FEWSHOT_BENCHMARK.target:g} on two cores  {verdict}"
        )


def _print_frames(console: Console, model: "FewshotConfig", frames: int) -> float:
    """Frames per second in both precisions, as trained and with norms and resampling folded; the best of fp32."""
    import torch

    from talkface.models.generator import Generator
    from talkface.models.residual import freeze

    generator: Any = Generator(model).eval()
    with torch.inference_mode():
        adain_params = generator.adain_params(torch.rand(1, model.embedding))
        generator.to(memory_format=torch.channels_last)
        sketch = (torch.rand(1, 3, model.size, model.size) * 2 - 1).contiguous(memory_format=torch.channels_last)
        table = _table("generator", "frames/s", "s per frame", "processor s per frame")
        best = 0.0
        for name, prepare in (("fp32, as trained", None), ("fp32, folded", freeze), ("bf16, folded", torch.bfloat16)):
            if callable(prepare):
                prepare(generator)
            elif prepare is not None:
                generator.to(prepare)
                adain_params, sketch = adain_params.to(prepare), sketch.to(prepare)
            measured = timed(lambda: generator(sketch, adain_params), frames)  # noqa: B023 - called at once
            best = max(best, 1 / measured.wall_s) if name.startswith("fp32") else best
            table.add_row(name, f"{1 / measured.wall_s:.2f}", f"{measured.wall_s:.3f}", f"{measured.cpu_s:.3f}")
    console.print(table)
    return best


def _print_training(console: Console, settings: Any) -> None:
    """One step of meta-training in both precisions, by part; the perceptual networks have random weights."""
    import torch

    from talkface.models.perceptual import PerceptualNet
    from talkface.training.jobs.content import ContentConfig
    from talkface.training.jobs.fewshot import FewshotJob

    run = replace(settings.run, batch_size=1, device="cpu", ema=0.999, threads=torch.get_num_threads())
    content = ContentConfig(perceptual=("none",), pixel=1.0)
    data = replace(settings.data, held_out_every=0, workers=0)
    job = FewshotJob(replace(settings, run=run, data=data, loss=replace(settings.loss, content=content)), _clips())
    for kind in settings.loss.content.kinds:
        job.content.networks[kind] = PerceptualNet(kind)
    table = _table("training step, 1 target", "seconds", "processor s")
    part = job.batches.get(0).to(job.accelerator.device)
    fakes: list[Any] = []
    for bf16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            stages: list[tuple[str, Callable[[], Any]]] = [
                ("batch", lambda: job.sampler.batch(1, settings.data.shots, _rng())),
                ("embedder, generator and content", lambda: fakes.append(job.generator_step([part], True, 1)[1])),
                ("discriminator", lambda: job.discriminator_step([part], fakes[-1], 1)),
            ]
            total = 0.0
            for name, stage in stages:
                measured = timed(stage, 1)
                times = settings.optim.discriminator_steps if name == "discriminator" else 1
                total += times * measured.wall_s
                label = f"{name} x {times}" if times > 1 else name
                precision = "bf16" if bf16 else "fp32"
                table.add_row(f"{precision} {label}", f"{times * measured.wall_s:.3f}", f"{times * measured.cpu_s:.3f}")
        shots = settings.data.shots
        table.add_row("", f"{1 / total:.3f} targets/s", f"{(shots + 1) / total:.2f} pictures/s")
    console.print(table)


def _print_table(console: Console, videos: int, embedding: int) -> None:
    """Memory and step time of W, beside one of a hundredth of its rows."""
    import torch

    from talkface.models.video_table import VideoTable

    table = _table("W", "memory MB", "ms per step of 8 videos")
    for rows in (max(1, videos // 100), videos):
        video_table = VideoTable(rows, embedding)
        size = sum(buffer.nbytes for buffer in video_table.buffers()) / 1e6
        gradient = torch.randn(8, embedding)
        measured = timed(
            lambda: video_table.step(torch.randint(rows, (8,)), gradient, 1e-4),  # noqa: B023 - called at once
            FEWSHOT_BENCHMARK.table_steps,
        )
        table.add_row(f"{rows:,} videos", f"{size:.0f}", f"{1e3 * measured.wall_s:.2f}")
    console.print(table)


def timed(what: Callable[[], Any], times: int) -> Timing:
    """Mean of `times` calls, after one that is not counted."""
    what()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        what()
    return Timing((time.perf_counter() - wall) / times, (time.process_time() - cpu) / times)


def _clips() -> Any:
    """Two drawn videos of 12 frames, 256 x 256."""
    import numpy as np

    from talkface.landmarks.mean_face import MEAN_FACE
    from talkface.testing.clips import draw_face, draw_person

    @dataclass(frozen=True)
    class Drawn:
        speaker: str
        landmarks: Any
        person: Any

        def image(self, index: int) -> Any:
            return draw_face(self.person, index / 12, 256)

    points = np.repeat(MEAN_FACE[None] * 80 + np.array([128, 110]), 12, 0).astype(np.float32)
    return [Drawn(f"person {seed}", points, draw_person(np.random.default_rng(seed))) for seed in range(2)]


def _rng() -> Any:
    import numpy as np

    return np.random.default_rng(0)


def _table(*headings: str) -> Table:
    table = Table(header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    return table
