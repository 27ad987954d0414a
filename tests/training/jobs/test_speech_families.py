"""Training the families: a mouth is learnt, resume is exact, the run folder is guarded before any work is done."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.audio.augment import VoiceAugmentation
from talkface.checkpoints.format import load_checkpoint
from talkface.config import RunConfig
from talkface.data.datasets import ClipDataset
from talkface.data.samplers.speech import BatchConfig
from talkface.errors import ConfigError, DatasetError, TalkfaceError
from talkface.losses.landmark import LandmarkLossConfig
from talkface.models.atnet import AtnetConfig
from talkface.models.audio2landmark import Audio2LandmarkConfig
from talkface.models.lstm_mel import LstmMelConfig
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.engine.kept import fingerprint
from talkface.training.jobs.audio2landmark import hold_out, load_clips, train_audio2landmark
from talkface.training.jobs.audio2landmark_config import (
    Audio2LandmarkTraining,
    ResilienceConfig,
    SpeechDataConfig,
    SpeechOptimConfig,
)
from talkface.training.jobs.audio2landmark_job import Audio2LandmarkJob
from talkface.training.jobs.offsets import OffsetConfig, load_lags
from talkface.types import Waveform

PEOPLE = {f"c{index}": f"person {index % 4}" for index in range(8)}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_loud_mouth_shards(folder, PEOPLE, split="train")
    return folder


@pytest.fixture
def config(shards: Path, tmp_path: Path) -> Audio2LandmarkTraining:
    return Audio2LandmarkTraining(
        family="atnet",
        atnet=AtnetConfig(channels=4, wide=32, heard=16, hidden=16, layers=1, components=2),
        lstm_mel=LstmMelConfig(num_mels=24, hidden=24, layers=1, components=2, dropout=0),
        data=SpeechDataConfig(shards=str(shards), held_out_every=3),
        batch=BatchConfig(frames=16),
        augment=VoiceAugmentation(formants=0, colour=0.1, echo=0, noise=0.2, band_mask=0, time_mask=2),
        offsets=OffsetConfig(steps=0),
        loss=LandmarkLossConfig(points=0, correlation=0, velocity=0, outline=0, coefficient_mse=1.0),
        optim=SpeechOptimConfig(warm_up=5, rate=5e-3),
        run=RunConfig(
            out=str(tmp_path / "a"), steps=8, batch_size=4, device="cpu", threads=1, ema=0.9, eval_every=4, save_every=4
        ),
    )


def on_alone(config: Audio2LandmarkTraining, **run: object) -> Audio2LandmarkTraining:
    return replace(config, run=replace(config.run, **run))


@pytest.mark.parametrize(
    ("family", "recurrent", "target"), [("atnet", True, 0.25), ("atnet", False, 0.25), ("lstm_mel", True, 0.7)]
)
def test_every_family_learns_a_mouth_that_follows_the_sound(
    config: Audio2LandmarkTraining, family: str, recurrent: bool, target: float
) -> None:
    """The sound differs in loudness alone, which the cepstra leave out: AT-net can only hear the pauses."""
    config = replace(config, family=family, atnet=replace(config.atnet, recurrent=recurrent))
    config = on_alone(config, steps=40, eval_every=40)
    scores = train_audio2landmark(config)
    assert scores["mean_r"] > target
    assert 0.9 < scores["basis_variance"] <= 1.0000001
    best = load_checkpoint(Path(config.run.out) / "best.safetensors", "audio2landmark")
    assert best.config["family"] == family and best.metrics["basis_variance"] == scores["basis_variance"]


def test_eight_steps_of_atnet_equal_four_a_kill_and_four(
    config: Audio2LandmarkTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_audio2landmark(config)
    step_of = Audio2LandmarkJob.train_step

    def dies_at_six(job: Audio2LandmarkJob, step: int) -> dict[str, float]:
        if step == 6:
            raise KeyboardInterrupt
        return step_of(job, step)

    halves = on_alone(config, out=str(tmp_path / "b"))
    with monkeypatch.context() as patch:
        patch.setattr(Audio2LandmarkJob, "train_step", dies_at_six)
        with pytest.raises(KeyboardInterrupt):
            train_audio2landmark(halves)
    train_audio2landmark(halves)
    whole, resumed = (load_checkpoint(tmp_path / run / "last.safetensors") for run in "ab")
    assert whole.metrics == resumed.metrics
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, resumed.tensors[name]), name


def test_a_noisy_copy_is_to_be_heard_as_the_clean_one(config: Audio2LandmarkTraining) -> None:
    config = replace(config, resilience=ResilienceConfig(agreement=0.5))
    clips, _ = load_clips(config.data)
    from talkface.data.samplers.speech import make_examples
    from talkface.training.jobs.audio2landmark_job import new_network

    examples = make_examples(clips, new_network(config).mel)
    terms = Audio2LandmarkJob(config, examples, []).train_step(0)
    assert set(terms) == {"coefficient_mse", "noisy_coefficient_mse", "agreement"} and terms["agreement"] > 0
    plain = replace(config, resilience=ResilienceConfig())
    clean = Audio2LandmarkJob(plain, examples, []).train_step(0)
    assert clean == {"coefficient_mse": terms["coefficient_mse"]}


def test_a_run_of_another_family_is_refused_before_any_work(config: Audio2LandmarkTraining) -> None:
    train_audio2landmark(config)
    nowhere = replace(config.data, shards="no such folder")  # would be the error if it came to the data
    with pytest.raises(ConfigError, match="belongs to a run of family atnet, this is lstm_mel: give a new run"):
        train_audio2landmark(replace(config, family="lstm_mel", data=nowhere))
    with pytest.raises(ConfigError, match=r"with another optim\.rate \(0\.005 there, 0\.1 here\)"):
        train_audio2landmark(replace(config, optim=replace(config.optim, rate=0.1), data=config.data))


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="expected base, atnet, lstm_mel"):
        Audio2LandmarkTraining(family="transformer")


def test_speakers_are_chosen_by_a_part_of_their_name(config: Audio2LandmarkTraining) -> None:
    chosen = replace(config, data=replace(config.data, speakers=("person 2",), held_out_every=2))
    train_audio2landmark(on_alone(chosen, steps=1))
    best = load_checkpoint(Path(config.run.out) / "best.safetensors")
    assert best.provenance["clips"] == 1 and best.provenance["speakers"] == 1, "one of two clips is held out"
    with pytest.raises(DatasetError, match=r"data\.speakers \(nobody\): there are person 0, person 1"):
        train_audio2landmark(on_alone(replace(config, data=replace(config.data, speakers=("nobody",))), out="none"))


def test_clips_of_one_speaker_are_held_out_by_clip(config: Audio2LandmarkTraining) -> None:
    class Named:
        def __init__(self, key: int, speaker: str) -> None:
            self.key, self.speaker = key, speaker

    alone = [Named(index, "a") for index in range(6)]
    train, kept = hold_out(alone, 3, 0)
    assert [each.key for each in kept] == [0, 3] and [each.key for each in train] == [1, 2, 4, 5]
    assert hold_out(alone, 0, 0) == (alone, [])


def test_silent_clips_other_rates_and_no_shards_are_one_clear_line(tmp_path: Path) -> None:
    silent, mixed = tmp_path / "silent", tmp_path / "mixed"
    write_loud_mouth_shards(silent, {"a": "anna"}, split="train", silent=True)
    with pytest.raises(DatasetError, match=r"no clip of split 'train' in .*silent has sound"):
        load_clips(SpeechDataConfig(shards=str(silent)))
    write_loud_mouth_shards(mixed, {"a": "anna", "b": "ben"}, split="train")
    index = mixed / "shard-00000.index.json"
    content = json.loads(index.read_text())
    content["samples"][1]["meta"]["fps"] = 12.5
    index.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"clips at 12\.5 and 25 frames/s, speech networks learn at 25"):
        load_clips(SpeechDataConfig(shards=str(mixed)))
    with pytest.raises(DatasetError, match="no shards in"):
        load_clips(SpeechDataConfig(shards=str(tmp_path / "none")))


def test_sound_that_is_no_number_names_the_clip(config: Audio2LandmarkTraining, shards: Path) -> None:
    clips = [replace(clip) for clip in load_clips(config.data)[0]]
    clips[1].audio[100] = np.nan
    with pytest.raises(DatasetError, match="sound of clip c1 holds values that are not numbers"):
        train_audio2landmark(config, clips)


def test_a_diverging_run_names_the_term_and_promises_no_state_it_lacks(config: Audio2LandmarkTraining) -> None:
    wild = replace(config, family="lstm_mel", optim=SpeechOptimConfig(rate=1e30, warm_up=1))
    with pytest.raises(TalkfaceError, match=r"coefficient_mse is (nan|inf) at step \d: lower optim.rate") as caught:
        train_audio2landmark(wild)
    assert "state.pt" not in str(caught.value)


def test_offsets_are_kept_for_the_same_data_only(config: Audio2LandmarkTraining, shards: Path) -> None:
    measured = on_alone(replace(config, offsets=OffsetConfig(steps=2)), steps=1)
    train_audio2landmark(measured)
    path = Path(config.run.out) / "offsets.json"
    key = json.loads(path.read_text())["measured_on"]
    assert set(load_lags(path, key)) == set(PEOPLE) - {"c0", "c4"}, "the first speaker stays as recorded"
    assert load_lags(path, "of other data") is None
    clips = [ClipDataset(shards)[index] for index in range(8)]
    before = fingerprint(clips, measured)
    assert before == fingerprint(clips, on_alone(measured, steps=9, quiet=True, out="elsewhere"))
    assert before != fingerprint(clips[:7], measured)
    assert before != fingerprint(clips, on_alone(measured, seed=1))
    clips[3].landmarks[5, 60, 1] += 1
    assert before != fingerprint(clips, measured)


def test_a_finished_run_gives_its_scores_again(config: Audio2LandmarkTraining) -> None:
    scores = train_audio2landmark(config)
    assert scores["score"] > 0
    assert train_audio2landmark(config) == scores


def test_predictions_of_a_trained_atnet_depend_on_the_photo(config: Audio2LandmarkTraining, shards: Path) -> None:
    from talkface.checkpoints.load import load_audio2landmark
    from talkface.landmarks.mean_face import MEAN_FACE

    train_audio2landmark(config)
    network = load_audio2landmark(load_checkpoint(Path(config.run.out) / "last.safetensors"))
    speech = [Waveform(ClipDataset(shards)[0].audio)]
    wide, long = (network.predict(speech, 60, example=MEAN_FACE * stretch) for stretch in ([1.2, 1.0], [1.0, 1.2]))
    assert np.abs(wide - long).max() > 1e-5


def test_a_run_goes_on_from_trained_weights_with_their_basis(config: Audio2LandmarkTraining, tmp_path: Path) -> None:
    config = on_alone(config, steps=30, eval_every=30)
    first = train_audio2landmark(config)
    best = str(Path(config.run.out) / "best.safetensors")
    further = on_alone(replace(config, start=best), out=str(tmp_path / "b"), steps=1, eval_every=1, ema=0.0)
    second = train_audio2landmark(further)
    assert second["mean_r"] > first["mean_r"] - 0.1 and second["basis_variance"] == first["basis_variance"]
    tensors = [load_checkpoint(tmp_path / run / "best.safetensors", "audio2landmark").tensors for run in ("a", "b")]
    assert torch.equal(*(each["decoder"] for each in tensors)) and torch.equal(*(each["scale"] for each in tensors))
    fresh = train_audio2landmark(on_alone(config, out=str(tmp_path / "c"), steps=1, eval_every=1))
    assert fresh["mean_r"] < second["mean_r"]
    small = Audio2LandmarkConfig(num_mels=24, channels=8, hidden=8, components=2, look_ahead=2, phones=0, members=2)
    base = on_alone(replace(config, family="base", model=small, offsets=OffsetConfig(steps=1)), steps=1, eval_every=1)
    train_audio2landmark(on_alone(base, out=str(tmp_path / "e")))
    start = str(tmp_path / "e" / "best.safetensors")
    train_audio2landmark(on_alone(replace(base, start=start), out=str(tmp_path / "f")))
    for start, message in (("nowhere", "no weights file"), (best, "another family or size")):
        with pytest.raises(TalkfaceError, match=message):
            train_audio2landmark(on_alone(replace(config, start=start, family="lstm_mel"), out=str(tmp_path / "d")))
