"""`talkface benchmark train CONFIG --data-only` -> how fast one core makes a training's batches from its shards."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from talkface.cli.score_output import set_threads
from talkface.config import load_config, read_kind
from talkface.errors import ConfigError

Draw = Callable[[Any], object]  # of a random generator


def benchmark_data(config: Path, overrides: Sequence[str], seconds: float) -> None:
    """Draw batches for about `seconds`, after one that is not counted, and print what one core makes per second.

    Raises:
        ConfigError: a kind of training whose batches are not drawn from shards here.
        DatasetError: no shards.
    """
    from talkface.training.engine.loop import step_generator

    set_threads(1)
    start = time.perf_counter()
    draw, amount, unit = _drawn(config, overrides)
    draw(step_generator(0, 0))
    opened = time.perf_counter() - start
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds:
        count += 1
        draw(step_generator(0, count))
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    made = count * amount
    Console().print(
        f"{made / cpu_s:.0f} {unit} per second of one core's work, {made / wall_s:.0f} per second on the clock "
        f"({count} batches in {wall_s:.1f} s, {os.cpu_count()} cores here; the first after {opened:.1f} s)",
        soft_wrap=True,
    )


def _drawn(config: Path, overrides: Sequence[str]) -> tuple[Draw, float, str]:
    """Drawing, size and source of a batch."""
    kind = read_kind(config)
    found = {"audio2landmark": _speech, "fewshot": _shots, "renderer": _patches}.get(kind)
    if found is None:
        raise ConfigError(f"--data-only times audio2landmark, fewshot and renderer, {config} is of kind {kind!r}")
    return found(config, overrides)


def _speech(config: Path, overrides: Sequence[str]) -> tuple[Draw, float, str]:
    from talkface.audio.augment import augment_voice
    from talkface.data.samplers.speech import SPEECH_CLIPS, StretchSampler
    from talkface.data.samplers.speech_store import speech_examples
    from talkface.training.jobs.audio2landmark import load_clips
    from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining
    from talkface.training.jobs.audio2landmark_job import new_network

    settings = load_config(Audio2LandmarkTraining, config, overrides)
    mel = new_network(settings).mel
    sampler = StretchSampler(speech_examples(load_clips(settings.data)[0], mel, settings.data.memory_mb << 20),
                             settings.batch)  # fmt: skip
    size = settings.run.batch_size

    def draw(rng: Any) -> object:
        return augment_voice(sampler.draw(size, rng).power, settings.augment, rng, mel.centre_hz)

    return draw, size * settings.batch.frames / SPEECH_CLIPS.fps, "s of speech"


def _shots(config: Path, overrides: Sequence[str]) -> tuple[Draw, float, str]:
    from talkface.data.samplers.shots import ShotSampler, ShotsConfig, open_shots
    from talkface.training.jobs.fewshot_config import FewshotTraining
    from talkface.training.jobs.hybrid_scores import split_people

    settings = load_config(FewshotTraining, config, overrides)
    data, model, size = settings.data, settings.model, settings.run.batch_size
    dataset, zoom = open_shots(data.shards, data.split, model.crop, model.crop_side)
    clips, _ = split_people(dataset, data.held_out_every)
    cut = ShotsConfig(model.size, zoom, data.mirror, data.tint, data.kept_frames, model.sketch)
    sampler = ShotSampler(clips, cut)
    return lambda rng: sampler.batch(size, data.shots, rng), size, f"examples of {data.shots} shots and a target"


def _patches(config: Path, overrides: Sequence[str]) -> tuple[Draw, float, str]:
    from talkface.data.datasets import ClipDataset
    from talkface.data.samplers.pairs import PairSampler
    from talkface.training.jobs.hybrid import KEPT_BYTES
    from talkface.training.jobs.hybrid_config import RendererConfig
    from talkface.training.jobs.hybrid_scores import split_people

    settings = load_config(RendererConfig, config, overrides)
    data, size = settings.data, settings.run.batch_size
    dataset = ClipDataset(data.shards, data.split, kept_bytes=KEPT_BYTES)
    clips, _ = split_people(dataset, data.held_out_every)
    sampler = PairSampler(clips, settings.patches())
    return lambda rng: sampler.batch(size, 1, rng), size, "patches"
