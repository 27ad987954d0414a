"""Prepared clips + config -> trained audio2landmark: offsets measured first, speakers balanced, voices varied."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from accelerate import PartialState

from talkface.audio.features import MelPower
from talkface.checkpoints.format import save_checkpoint
from talkface.config import to_dict
from talkface.data.clip import PreparedClip
from talkface.data.datasets import Chosen, ClipDataset, clip_speakers
from talkface.data.samplers.headmotion import HeadExample
from talkface.data.samplers.speech import SPEECH_CLIPS, SpeechExample
from talkface.data.samplers.speech_store import speech_examples
from talkface.errors import DatasetError
from talkface.landmarks.lip_shape import LipRange
from talkface.models.audio2landmark import Audio2Landmark
from talkface.scale.threads import limit_threads
from talkface.training.engine.kept import fingerprint
from talkface.training.engine.loop import fit, make_accelerator
from talkface.training.engine.processes import agreed
from talkface.training.engine.run_folder import check_resumable
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, SpeechDataConfig
from talkface.training.jobs.audio2landmark_job import (
    Audio2LandmarkJob,
    FrontEnd,
    evenly,
    fill_buffers,
    front_end_of,
    new_network,
)
from talkface.training.jobs.lip_range import LipRangeConfig, fit_range, load_range, save_range
from talkface.training.jobs.offsets import estimate_lags, load_lags, save_lags
from talkface.training.jobs.phones import train_phones


@dataclass(frozen=True)
class SpeechJobLimits:
    """Clips that judge and measure a run."""

    most_measured: int = 2000  # clips that tell the lips' range, of each half of the people
    most_judged: int = 300  # clips of it: LRW has 25,000


SPEECH_JOB = SpeechJobLimits()


Example = TypeVar("Example", SpeechExample, HeadExample)


def train_audio2landmark(
    config: Audio2LandmarkTraining, clips: Sequence[PreparedClip] | None = None
) -> dict[str, float]:
    """Train by `config`, on `clips` where given, else on the shards it names.

    Scores are taken on the corpus' own split `val` where the shards have one, as LRW's do; else on speakers held out.

    Returns:
        Scores of the last evaluation.

    Raises:
        ConfigError: the run folder belongs to another run, or a setting does not fit.
        DatasetError: no clip is usable.
    """
    check_resumable(Path(config.run.out), to_dict(config))
    with limit_threads(config.run.threads, opencv=False):
        make_accelerator(config.run)
        clips, judged = (clips, []) if clips is not None else load_clips(config.data)
        clips = _chosen(clips, config.data.speakers)
        every = _both(clips, judged)
        examples = speech_examples(every, new_network(config).mel, config.data.memory_mb << 20)
        keys = {clip.key for clip in judged}
        train, held_out = ([e for e in examples if (e.key in keys) is apart] for apart in (False, True))
        front_end = _train_phones(clips, train, config)
        _correct_offsets(every, examples, config, front_end)
        if not held_out:
            train, held_out = hold_out(examples, config.data.held_out_every, config.data.held_out_first)
        job = Audio2LandmarkJob(config, train, held_out, front_end)
        if config.range.steps > 0:  # which no loss and no score depends on, so that training starts first
            job.measure_range = lambda: _measure_range(every, train, config, front_end, float(job.network.scale))
        if config.range.only:
            return _write_as_is(job, Path(config.run.out))
        return fit(job, config.run, to_dict(config))


def _write_as_is(job: Audio2LandmarkJob, folder: Path) -> dict[str, float]:
    """Score a network that is not trained any further, and write it as `best.safetensors`."""
    scores, snapshot = agreed(job.evaluate()), job.snapshot()
    dated = {"steps": 0, "date": datetime.now(UTC).date().isoformat()}
    if PartialState().is_main_process:
        made = replace(snapshot, metrics=scores, provenance={**snapshot.provenance, **dated})
        save_checkpoint(folder / "best.safetensors", made)
    return scores


def load_clips(data: SpeechDataConfig) -> tuple[Chosen, Chosen]:
    """Clips of `data.split` that have sound, and clips to judge the run by, each read when it is asked for.

    Those to judge by are at most `SPEECH_JOB.most_judged` of the corpus' own split for it, spread over it; none
    where the shards have no such split, or where it is the one that trains.

    Raises:
        DatasetError: no shards, no clips with sound, or clips at another frame rate than the networks'.
    """
    dataset = ClipDataset(data.shards)
    speech = dataset.column("speech") > 0
    of_split = [name == data.split for name in dataset.table.splits]
    usable = np.flatnonzero(speech & np.array(of_split, bool)[dataset.column("split")])
    if not len(usable):
        raise DatasetError(
            f"no clip of split {data.split!r} in {data.shards} has sound that fits its picture:"
            " prepare talking clips, with their sound"
        )
    # `val` is a corpus' own split for judging a run while it trains
    of_split = [name == "val" != data.split for name in dataset.table.splits]
    judged = np.flatnonzero(speech & np.array(of_split, bool)[dataset.column("split")])
    if data.speakers:
        speakers = dataset.speakers
        judged = np.array([place for place in judged if _wanted(speakers[place], data.speakers)], np.int64)
    places = np.unique(np.linspace(0, len(judged) - 1, min(SPEECH_JOB.most_judged, len(judged))).round().astype(int))
    return tuple(Chosen(dataset, _at_rate(data, dataset, some)) for some in (usable, judged[places]))  # type: ignore[return-value]


def _at_rate(data: SpeechDataConfig, dataset: ClipDataset, usable: np.ndarray) -> np.ndarray:
    """The clips `usable`, all of them at the rate that speech networks learn at; else an error."""
    rates = sorted(set(dataset.column("fps")[usable].tolist()))
    if set(rates) - {float(SPEECH_CLIPS.fps)}:
        found = " and ".join(f"{rate:g}" for rate in rates)
        raise DatasetError(
            f"{data.shards} holds clips at {found} frames/s, speech networks learn at {SPEECH_CLIPS.fps}:"
            " prepare all with the same `--config configs/data/speech.yaml`"
        )
    return usable


def _both(clips: Sequence[PreparedClip], others: Sequence[PreparedClip]) -> Sequence[PreparedClip]:
    """All clips behind each other; of one corpus they stay unread."""
    if isinstance(clips, Chosen) and isinstance(others, Chosen) and clips.source is others.source:
        return Chosen(clips.source, np.concatenate([clips.places, others.places]))
    return [*clips, *others]


def _wanted(speaker: str, parts: Sequence[str]) -> bool:
    """Whether a speaker is one of those to train on: any, or whose name contains one of these."""
    return not parts or any(part in speaker for part in parts)


def _chosen(clips: Sequence[PreparedClip], parts: Sequence[str]) -> Sequence[PreparedClip]:
    """Clips by the speakers to train on."""
    if not parts:
        return clips
    speakers = clip_speakers(clips)
    places = [place for place, speaker in enumerate(speakers) if _wanted(speaker, parts)]
    if not places:
        have = sorted(set(speakers))
        listed = ", ".join(have[:8]) + (f" and {len(have) - 8} more" if len(have) > 8 else "")
        raise DatasetError(f"no clip is by a speaker of data.speakers ({', '.join(parts)}): there are {listed}")
    if isinstance(clips, Chosen):
        return Chosen(clips.source, np.asarray(clips.places)[places])
    return [clips[place] for place in places]


def _train_phones(
    clips: Sequence[PreparedClip], examples: Sequence[SpeechExample], config: Audio2LandmarkTraining
) -> FrontEnd:
    """Weights of a front end that knows phones; empty where the config leaves it out."""
    if config.start or config.family != "base" or config.phones.steps == 0 or config.model.phones == 0:
        return {}
    network = new_network(replace(config, model=replace(config.model, members=1)))
    assert isinstance(network, Audio2Landmark)
    fill_buffers(network, examples)
    return train_phones(network, clips, config)


def split_speakers(examples: Sequence[Example], every: int, first: int) -> tuple[list[Example], list[Example]]:
    """Keep every so many-th speaker for scores; the one with most clips always trains.

    Raises:
        DatasetError: nobody is left to train on.
    """
    counts = Counter(example.speaker for example in examples)
    speakers = sorted(counts)
    main = max(speakers, key=lambda speaker: counts[speaker])
    others = [speaker for speaker in speakers if speaker != main]
    kept = set(others[first::every]) if every > 0 else set()
    train = [example for example in examples if example.speaker not in kept]
    if not train:
        raise DatasetError("no speaker is left to train on: raise data.held_out_every")
    return train, [example for example in examples if example.speaker in kept]


def hold_out(examples: Sequence[Example], every: int, first: int) -> tuple[list[Example], list[Example]]:
    """Examples to train on and to score: split by speaker, by clip where there is one speaker only.

    Raises:
        DatasetError: nothing is left to train on.
    """
    if every > 1 and len(examples) == 1:
        raise DatasetError("one clip is too few to hold any out for the scores: set data.held_out_every=0")
    if every > 1 and len({example.speaker for example in examples}) == 1:
        kept = set(range(first, len(examples), every))
        return (
            [example for index, example in enumerate(examples) if index not in kept],
            [example for index, example in enumerate(examples) if index in kept],
        )
    return split_speakers(examples, every, first)


def _correct_offsets(
    clips: Sequence[PreparedClip],
    examples: list[SpeechExample],
    config: Audio2LandmarkTraining,
    front_end: FrontEnd,
) -> None:
    """Set every clip's lag, measured by small `base` networks that did not train on its speaker.

    What was measured is kept in the run folder. The speaker with most clips stays as recorded: two halves of the others
    measure each other.
    """
    few = len({example.speaker for example in examples}) == 1
    if config.offsets.steps == 0 or few or len(examples) > config.offsets.most_clips:
        return
    path = Path(config.run.out) / "offsets.json"
    measuring = _measuring(config)
    key = fingerprint(clips, measuring)
    lags = load_lags(path, key)
    if lags is None:
        heard = examples if config.family == "base" else speech_examples(clips, MelPower(config.model.num_mels))
        lags = {}
        for half in range(2):
            train, others = split_speakers(heard, 2, half)
            if not others:
                continue
            job = Audio2LandmarkJob(measuring, train, [], front_end)
            job.run_without_folder(f"offsets {half + 1}/2")
            predictions = [(e.key, e.speaker, job.predict_opening(e), e.opening) for e in others]
            lags |= estimate_lags(predictions, config.offsets)
        save_lags(path, key, lags)
    for example in examples:
        example.lag = lags.get(example.key, 0.0)


def _measure_range(
    clips: Sequence[PreparedClip],
    examples: Sequence[SpeechExample],
    config: Audio2LandmarkTraining,
    front_end: FrontEnd,
    scale: float,
) -> LipRange:
    """Gains of real lips' motion over predictions, of a typical range `scale`, for people held out of training.

    What was measured is kept in the run folder. A network that starts from trained weights is measured by fresh ones
    with the same front end, as those weights have seen all people.
    """
    path, key = Path(config.run.out) / "range.json", fingerprint(clips, config)
    lips = load_range(path, key)
    if lips is None:
        if PartialState().is_main_process and not config.run.quiet:
            sys.stderr.write(f"the lips' range: 2 networks of {config.range.steps} steps measure it\n")
        front_end = front_end or front_end_of(config.start)
        model = replace(config.model, members=config.range.members)
        unranged = replace(config, start="", range=LipRangeConfig(), model=model)
        # without a bar of its own: the training shows one
        measuring = replace(unranged, run=replace(config.run, steps=config.range.steps, quiet=True))
        measured = []
        for half in range(2):
            train, others = hold_out(examples, 2, half)
            job = Audio2LandmarkJob(measuring, train, [], front_end)
            job.run_without_folder("range")
            measured += [job.measure_lips(example, scale) for example in evenly(others, SPEECH_JOB.most_measured)]
        lips = fit_range(measured, config.range)
        save_range(path, key, lips)
    return lips


def _measuring(config: Audio2LandmarkTraining) -> Audio2LandmarkTraining:
    """Settings of the networks that measure offsets: one member of `base`, with the losses that it was made for."""
    run = replace(config.run, steps=config.offsets.steps)
    if config.family == "base":
        return replace(config, start="", range=LipRangeConfig(), run=run, model=replace(config.model, members=1))
    plain = Audio2LandmarkTraining()
    model = replace(plain.model, members=1, phones=0)
    return replace(plain, model=model, run=replace(run, batch_size=plain.run.batch_size, bf16=False))
