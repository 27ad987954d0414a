"""The table of a corpus: what it holds, when it is made again, and that sampling by it draws the same batches."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

pytest.importorskip("accelerate")

from talkface.audio.features import MelPower
from talkface.checkpoints.format import load_checkpoint
from talkface.cli.prepare import register
from talkface.data.clip_index import INDEX_NAME, build_index, load_index, open_index
from talkface.data.datasets import Chosen, ClipDataset, clip_speakers, video_numbers, whole_lengths
from talkface.data.prepare.shards import find_shards, read_index
from talkface.data.samplers.chances import Chances
from talkface.data.samplers.pairs import PairSampler
from talkface.data.samplers.patches import PatchConfig
from talkface.data.samplers.shots import ShotSampler, ShotsConfig
from talkface.data.samplers.speech import BatchConfig, StretchSampler, make_examples
from talkface.data.samplers.speech_store import speech_examples
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.jobs.audio2landmark import load_clips, train_audio2landmark
from talkface.training.jobs.audio2landmark_config import Audio2LandmarkTraining, SpeechDataConfig
from tests.training.jobs.small import small_speech

PEOPLE = {f"clip{i}": f"speaker{i // 2 if i < 6 else i}" for i in range(10)}


@pytest.fixture
def config(tmp_path: Path) -> Audio2LandmarkTraining:
    return small_speech(tmp_path / "a")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """Ten clips of seven people without a table."""
    folder = tmp_path_factory.mktemp("plain")
    write_loud_mouth_shards(folder, PEOPLE, split="train")
    return folder


@pytest.fixture(scope="module")
def indexed(plain, tmp_path_factory) -> Path:
    """The same with one."""
    folder = tmp_path_factory.mktemp("indexed") / "shards"
    shutil.copytree(plain, folder)
    build_index(folder)
    return folder


def test_the_table_says_what_the_shards_hold(plain, indexed):
    table, samples = open_index(indexed), [s for shard in find_shards(indexed) for s in read_index(shard)]
    assert table.measured and not open_index(plain).measured and len(table) == len(samples) == 10
    assert [table.key(row) for row in range(10)] == [sample["key"] for sample in samples]
    assert [table.speaker(row) for row in range(10)] == [sample["meta"]["speaker"] for sample in samples]
    assert table.span(3, "mjpeg") == tuple(samples[3]["members"]["mjpeg"])
    assert list(table.columns["seen"]) == list(table.columns["frames"]) == [60] * 10
    examples = make_examples([ClipDataset(plain)[i] for i in range(10)], MelPower(64))
    for row, example in enumerate(examples):
        np.testing.assert_allclose(table.openings(row) / np.float32(example.scale), example.opening)


def test_clips_are_the_same_with_and_without_the_table(plain, indexed):
    for ours, theirs in zip(ClipDataset(indexed), ClipDataset(plain), strict=True):
        assert (ours.key, ours.speaker, ours.meta) == (theirs.key, theirs.speaker, theirs.meta)
        assert np.array_equal(ours.landmarks, theirs.landmarks) and np.array_equal(ours.audio, theirs.audio)
        assert np.array_equal(ours.image(3), theirs.image(3))
    assert ClipDataset(indexed).metas == ClipDataset(plain).metas


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0])
def test_stored_examples_draw_the_batches_of_examples_in_memory(plain, indexed, kept_bytes):
    mel, drawing = MelPower(64), BatchConfig(frames=24)
    dataset = ClipDataset(indexed)
    stored = speech_examples(Chosen(dataset, range(10)), mel, kept_bytes)
    whole = make_examples(list(ClipDataset(plain)), mel)
    assert [each.key for each in stored] == [each.key for each in whole]
    assert [each.scale for each in stored] == [each.scale for each in whole]
    ours, theirs = (StretchSampler(some, drawing).draw(16, np.random.default_rng(5)) for some in (stored, whole))
    for name in ("power", "motion", "weight", "as_is", "example"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))


def test_training_by_the_table_gives_the_same_weights(plain, indexed, config, tmp_path):
    weights = []
    for name, folder in (("plain", plain), ("indexed", indexed), ("ahead", indexed)):
        model = replace(config.model, num_mels=64)
        data = replace(config.data, shards=str(folder), memory_mb=0, workers=2 * (name == "ahead"))
        run = replace(config.run, out=str(tmp_path / name), steps=4, eval_every=4)
        train_audio2landmark(replace(config, model=model, data=data, run=run))
        weights.append(load_checkpoint(tmp_path / name / "last.safetensors").tensors)
    assert all(torch.equal(weights[0][name], other[name]) for other in weights[1:] for name in weights[0])


def test_pictures_are_drawn_alike(plain, indexed):
    whole, table = list(ClipDataset(plain)), Chosen(ClipDataset(indexed), range(10))
    assert whole_lengths(table) == [60] * 10 and whole_lengths(whole) == [None] * 10
    assert clip_speakers(table) == [clip.speaker for clip in whole] and list(video_numbers(table)) == list(range(10))
    for sampler, cut in ((ShotSampler, ShotsConfig(size=32)), (PairSampler, PatchConfig(size=32))):
        ours, theirs = (sampler(clips, cut).batch(4, 2, np.random.default_rng(1)) for clips in (table, whole))
        assert all(torch.equal(getattr(ours, name), getattr(theirs, name)) for name in type(ours).__annotations__)


def test_chances_draw_as_choice_does():
    chances = np.random.default_rng(0).random(300)
    chances /= chances.sum()
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    drawn = Chances(chances)
    assert [drawn.draw(ours) for _ in range(500)] == [int(theirs.choice(300, p=chances)) for _ in range(500)]


def test_a_table_of_other_shards_or_a_damaged_one_is_passed_over(indexed, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(indexed, copy)
    file, content = copy / INDEX_NAME, (indexed / INDEX_NAME).read_bytes()
    assert load_index(file) is not None
    for damaged in (content[:-64], b"x" + content, content.replace(b'"clips": 10', b'"clips": 99'), b""):
        file.write_bytes(damaged)
        assert load_index(file) is None and not open_index(copy).measured
    spans = bytearray(content)
    place = content.index(np.asarray(open_index(indexed).columns["spans"]).tobytes())
    spans[place : place + 8] = np.int64(1 << 40).tobytes()
    file.write_bytes(bytes(spans))
    assert load_index(file) is None
    file.write_bytes(content)
    with find_shards(copy)[0].open("ab") as shard:
        shard.write(b"\0" * 512)
    assert not open_index(copy).measured


def test_clips_to_judge_by_are_not_read_either(indexed):
    clips, judged = load_clips(SpeechDataConfig(shards=str(indexed)))
    assert len(clips) == 10 and len(judged) == 0 and clips.measured() is not None


def test_the_command_writes_the_table_of_older_shards(plain, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(plain, copy)
    app = typer.Typer()
    register(app)
    said = CliRunner().invoke(app, ["--index", str(copy)])
    assert said.exit_code == 0 and said.output == f"10 clips -> {copy / INDEX_NAME}\n"
    assert open_index(copy).measured
