"""`talkface benchmark scale` -> frames per second on 1, 2, 4 machines, cost of a task, needs of a large corpus."""

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from talkface.cli.options import with_options
from talkface.errors import ConfigError, MissingExtraError
from talkface.options import Options, option

if TYPE_CHECKING:
    from talkface.data.prepare.manifest import Record
    from talkface.scale.workers import Workers
    from talkface.types import Clip


@dataclass(frozen=True)
class ScaleBenchmark:
    """Tasks of the measured scale-out."""

    empty_tasks: int = 400
    fps: int = 25  # of prepared clips
    cores: tuple[int, int, int, int] = (16, 64, 256, 1024)  # of the estimate


SCALE_BENCHMARK = ScaleBenchmark()


@dataclass(frozen=True)
class Cost:
    """Time and memory of one place.

    Attributes:
        name: of the place.
        task_ms: wall time that one empty task adds once all workers run.
        frames_per_s: prepared per second of wall time, from the moment every worker has finished a clip.
        core_s: processor seconds of the workers per frame.
        num_bytes: of shards per frame.
    """

    name: str
    task_ms: float
    frames_per_s: float
    core_s: float
    num_bytes: float


@dataclass(frozen=True, kw_only=True)
class ScaleBenchmarkOptions(Options):
    """Options of `benchmark scale`."""

    clips: int = option(16, "Drawn clips, or at most so many of FOLDER.", low=2)
    seconds: float = option(4.0, "Length of each drawn clip.", low=0.5)
    processes: str = option("1,2", "Counts of processes here, without Ray.")
    nodes: str = option("1,2,4", "Counts of Ray nodes of one core; none leaves Ray out.")
    corpus_clips: int = option(1_100_000, "Clips of the large corpus.", low=1)
    corpus_hours: float = option(2400.0, "Hours of the large corpus.", low=0)


@with_options(ScaleBenchmarkOptions)
def benchmark_scale(
    folder: Annotated[Path | None, typer.Argument(help="Videos to prepare. (default: drawn ones)")] = None,
    *,
    options: ScaleBenchmarkOptions,
) -> None:
    """Measure `prepare` here and on Ray clusters of several nodes, then reckon with a large corpus.

    The nodes are real Ray nodes of one core each on this machine, so more nodes than cores only show what they cost.
    The estimate (VoxCeleb2's size if no other is given) takes the measured processor time per frame, the measured
    cost of a task, and the measured bytes per frame.
    """
    counts = [(name, _counts(words)) for name, words in (("process", options.processes), ("node", options.nodes))]
    costs = []
    with _corpus(folder, options.clips, options.seconds) as found:
        for kind, several in counts:
            for number in several:
                name = f"{number} at once, here" if kind == "process" else f"{number} at once, on as many Ray nodes"
                with _place(kind, number) as workers:
                    costs.append(measure(name, workers, found, number))
                _print_cost(costs[-1])
    Console().print(_cost_table(costs))
    task_ms = max(cost.task_ms for cost in costs)
    Console().print(_estimate_table(costs[0], task_ms, options.corpus_clips, options.corpus_hours))


def _counts(words: str) -> list[int]:
    """`"1,2"` -> `[1, 2]`; raises `ConfigError` for anything else."""
    try:
        return [int(word) for word in words.split(",") if word.strip()]
    except ValueError as error:
        raise ConfigError(f"invalid counts {words!r}: expected whole numbers such as 1,2,4") from error


@contextmanager
def _corpus(folder: Path | None, clips: int, seconds: float) -> "Iterator[list[Clip]]":
    from talkface.data.sources.folder import find_folder_clips
    from talkface.testing.clips import write_talking_clip

    if folder is not None:
        yield find_folder_clips(folder, None, {})[:clips]
        return
    with tempfile.TemporaryDirectory() as drawn:
        for number in range(clips):
            (Path(drawn) / str(number)).mkdir()
            write_talking_clip(Path(drawn) / str(number) / "clip.mkv", number, seconds)
        yield find_folder_clips(Path(drawn), None, {})


@contextmanager
def _place(kind: str, number: int) -> "Iterator[Workers]":
    """Processes of this machine, or a Ray cluster of nodes of one core each beside a head without cores."""
    from talkface.scale.cluster import open_workers

    if kind == "process":
        with open_workers(None, number) as workers:
            yield workers
        return
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError as error:
        raise MissingExtraError("Ray is not installed: pip install 'talkface[scale]', or add --nodes ''") from error
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(number):
            cluster.add_node(num_cpus=1)
        ray.init(cluster.address, logging_level=logging.ERROR, log_to_driver=False)
        with open_workers("auto") as workers:
            yield workers
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def nothing(number: int) -> int:
    """The emptiest task."""
    return number


def measure(name: str, workers: "Workers", clips: "Sequence[Clip]", places: int) -> Cost:
    """Time empty tasks and real ones; what starting costs is left out, for it is paid once."""
    from talkface.data.prepare.preprocess import PreprocessConfig
    from talkface.data.prepare.run import PrepareConfig, prepare

    numbers, ended = count(), []
    for _ in workers.run(lambda: number if (number := next(numbers)) < SCALE_BENCHMARK.empty_tasks else None, nothing):
        ended.append(time.perf_counter())
    warm = SCALE_BENCHMARK.empty_tasks // 4
    task_ms = (ended[-1] - ended[warm]) / (SCALE_BENCHMARK.empty_tasks - 1 - warm) * 1000

    finished: list[tuple[float, Record]] = []
    with tempfile.TemporaryDirectory() as out:
        config = PrepareConfig(preprocess=PreprocessConfig(sync="keep"))
        prepare(clips, Path(out), config, lambda record: finished.append((time.perf_counter(), record)), workers)
        num_bytes = sum(path.stat().st_size for path in Path(out).glob("shard-*.tar"))
    frames = sum(record.source_frames for _, record in finished)
    start, later = finished[places - 1][0], finished[places:]
    return Cost(
        name,
        task_ms,
        sum(record.source_frames for _, record in later) / (finished[-1][0] - start),
        sum(record.work_s for _, record in later) / max(sum(record.source_frames for _, record in later), 1),
        num_bytes / max(frames, 1),
    )


def _print_cost(cost: Cost) -> None:
    print(f"{cost.name}: {cost.frames_per_s:.1f} frames/s, {cost.task_ms:.2f} ms per empty task", flush=True)


def _cost_table(costs: Sequence[Cost]) -> Table:
    table = Table(title="prepare, steady state", title_justify="left", header_style="bold")
    for heading in ("where", "frames/s", "times", "processor ms per frame", "ms per empty task"):
        table.add_column(heading, justify="left" if heading == "where" else "right")
    for cost in costs:
        times = cost.frames_per_s / costs[0].frames_per_s
        cells = (f"{cost.frames_per_s:.1f}", f"{times:.2f}", f"{cost.core_s * 1000:.1f}", f"{cost.task_ms:.2f}")
        table.add_row(cost.name, *cells)
    return table


def _estimate_table(cost: Cost, task_ms: float, clips: int, hours: float) -> Table:
    frames = hours * 3600 * SCALE_BENCHMARK.fps
    core_hours = frames * cost.core_s / 3600
    driver_hours = clips * task_ms / 3.6e6
    disk = frames * cost.num_bytes / 1e9
    title = (
        f"{clips:,} clips, {hours:,.0f} h: {frames / 1e6:.0f} M frames, {core_hours:,.0f} core hours, "
        f"{disk:,.0f} GB of shards, {driver_hours:.1f} h of handing out tasks"
    )
    table = Table(title=title, title_justify="left", header_style="bold")
    for heading in ("cores", "hours", "MB/s of shards"):
        table.add_column(heading, justify="right")
    for cores in SCALE_BENCHMARK.cores:
        needed = max(core_hours / cores, driver_hours)
        table.add_row(str(cores), f"{needed:.1f}", f"{disk * 1000 / needed / 3600:.1f}")
    return table
