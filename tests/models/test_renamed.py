"""Weights stored under names of earlier versions: shipped ones load whole, and are saved under today's names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

from talkface.checkpoints.format import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from talkface.checkpoints.load import load_audio2landmark, load_headmotion
from talkface.models import load_renamed, renamed
from talkface.models.atnet import Atnet, AtnetConfig
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig
from talkface.models.headmotion import Headmotion
from talkface.models.hybrid import Hybrid
from talkface.renderers.hybrid import build_hybrid
from talkface.training.jobs.audio2landmark_job import front_end_of

OLD = {"audio2landmark": Audio2Landmark.renamed, "headmotion": Headmotion.renamed, "hybrid": Hybrid.renamed}
BUILD: Mapping[str, Callable[[Checkpoint], nn.Module]] = {
    "audio2landmark": load_audio2landmark,
    "headmotion": load_headmotion,
    "hybrid": build_hybrid,
}


@pytest.mark.parametrize("name", OLD)
def test_shipped_weights_load_whole_and_are_saved_under_todays_names(name: str, tmp_path: Path) -> None:
    shipped = load_weights(name)
    state = BUILD[name](shipped).state_dict()
    assert not any(key.startswith(tuple(OLD[name])) for key in state)
    for key, tensor in shipped.tensors.items():
        old = next((old for old in OLD[name] if key.startswith(old)), "")
        today = OLD[name].get(old, "") + key.removeprefix(old)
        today = {
            "mel.transform.spectrogram.window": "mel.window",
            "mel.transform.mel_scale.fb": "mel.filters",
        }.get(today, today)
        assert torch.equal(state[today], tensor.float()), key
    save_checkpoint(tmp_path / "again.safetensors", Checkpoint(name, shipped.config, state))
    again = load_checkpoint(tmp_path / "again.safetensors")
    assert again.tensors.keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in BUILD[name](again).state_dict().items())


def test_the_front_end_is_found_under_either_name(tmp_path: Path) -> None:
    shipped = load_weights("audio2landmark")
    network = load_audio2landmark(shipped)
    path = tmp_path / "today.safetensors"
    save_checkpoint(path, Checkpoint("audio2landmark", shipped.config, network.state_dict()))
    old, today = front_end_of("audio2landmark"), front_end_of(str(path))
    first = network.members[0].state_dict()
    wanted = {key for key in first if key.startswith(("convolutions.", "norms.", "phone_head."))}
    assert old.keys() == today.keys() == wanted
    assert all(torch.equal(old[key], first[key]) and torch.equal(today[key], first[key]) for key in wanted)


def test_earlier_names_of_the_stored_filter_bank_load() -> None:
    base, atnet = Audio2Landmark(Audio2LandmarkConfig(num_mels=8, channels=4, hidden=4)), Atnet(AtnetConfig(channels=1))
    bank = {"mel.transform.spectrogram.window": torch.rand(400), "mel.transform.mel_scale.fb": torch.rand(257, 8)}
    rest = {key: value for key, value in base.state_dict().items() if not key.startswith("mel.")}
    base.load_state_dict({**rest, **bank})
    assert base.mel.window.equal(bank["mel.transform.spectrogram.window"])
    assert base.mel.filters.equal(bank["mel.transform.mel_scale.fb"])
    rest = {key: value for key, value in atnet.state_dict().items() if key != "mel.window"}
    atnet.load_state_dict({**rest, "mel.spectrum.window": torch.full((400,), 0.5)})
    assert atnet.mel.window.eq(0.5).all()


def test_a_part_of_a_larger_network_is_renamed_in_its_own_place_only() -> None:
    part = nn.Linear(2, 2)
    load_renamed(part, {"weights": "weight"})
    whole = nn.ModuleDict({"a": part, "b": nn.Linear(2, 2)})
    state = renamed(whole.state_dict(), {"a.weight": "a.weights"})
    assert "a.weights" in state and "a.weight" not in state
    whole.load_state_dict(state)
    assert "a.weights" in state, "the caller's own is left as it is"
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\) in state_dict: \"a.weights\""):
        whole.load_state_dict({**whole.state_dict(), "a.weights": torch.zeros(2, 2)})
    with pytest.raises(RuntimeError, match=r"Missing key\(s\) in state_dict: \"b.weight\""):
        whole.load_state_dict(renamed(whole.state_dict(), {"b.weight": "b.weights"}))
