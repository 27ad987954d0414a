"""Phone pretraining: what is labelled is learnt, a kill costs few steps, what is kept belongs to its data."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.audio.augment import VoiceAugmentation
from talkface.config import RunConfig
from talkface.data.phones import CLASSES
from talkface.models.audio2landmark import Audio2Landmark, Audio2LandmarkConfig
from talkface.training.jobs import phones
from talkface.training.jobs.audio2landmark_config import PhoneConfig
from talkface.training.jobs.phones import LabelledSpeech, PhoneSampler, phone_loss

SIZE = Audio2LandmarkConfig(num_mels=16, channels=12, hidden=4, components=2, members=1, dropout=0.1)


@dataclass(frozen=True)
class Plan:
    phones: PhoneConfig
    run: RunConfig
    augment: VoiceAugmentation = field(default_factory=lambda: VoiceAugmentation(formants=0, band_mask=2, time_mask=2))


def speech() -> list[LabelledSpeech]:
    """Two classes, heard in the low and in the high bands."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(12):
        spoken = np.repeat(rng.integers(0, 2, 20), 8)
        power = 0.05 * rng.random((160, 16)).astype(np.float32)
        power[spoken == 0, :8] += 1
        power[spoken == 1, 8:] += 1
        found.append(LabelledSpeech(power, np.eye(len(CLASSES), dtype=np.float32)[spoken], 0))
    return found


def network() -> Audio2Landmark:
    torch.manual_seed(0)
    return Audio2Landmark(SIZE)


def small_plan(tmp_path: Path, steps: int) -> Plan:
    run = RunConfig(out=str(tmp_path), quiet=True)
    return Plan(PhoneConfig(steps=steps, batch_size=4, frames=16, rate=1e-2), run)


@pytest.mark.parametrize("older", [False, True])
def test_pretraining_stopped_and_resumed_equals_no_interruption(
    older: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "SAVE_EVERY", 3)
    whole, stopped, resumed = network(), network(), network()
    plan = small_plan(tmp_path / "whole", 8)
    phones._pretrain(whole.members[0], whole, PhoneSampler(speech(), plan.phones), plan, "key")

    class Dies(PhoneSampler):
        count = 0

        def draw(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
            self.count += 1
            if self.count > 5:
                raise KeyboardInterrupt
            return super().draw(rng)

    plan = small_plan(tmp_path / "halves", 8)
    with pytest.raises(KeyboardInterrupt):
        phones._pretrain(stopped.members[0], stopped, Dies(speech(), plan.phones), plan, "key")
    kept = torch.load(tmp_path / "halves" / "phones_state.pt", weights_only=True)
    if older:  # the name of its weights until 2026-11
        kept["listener"] = kept.pop("lip_encoder")
        torch.save(kept, tmp_path / "halves" / "phones_state.pt")
    sampler = Dies(speech(), plan.phones)
    phones._pretrain(resumed.members[0], resumed, sampler, plan, "key")
    assert sampler.count == 5, "steps 4 to 8 are left after a state of three"
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_what_is_labelled_is_learnt(tmp_path: Path) -> None:
    taught, plan = network(), small_plan(tmp_path, 60)
    sampler = PhoneSampler(speech(), plan.phones)
    phones._pretrain(taught.members[0], taught, sampler, plan, "key")
    power, labels = sampler.draw(np.random.default_rng(5))
    with torch.no_grad():
        _, right = phone_loss(taught.eval().members[0].phones(taught.features(power)), labels)
    assert right > 0.85


def test_what_is_kept_is_found_under_its_own_key_only(tmp_path: Path) -> None:
    path = tmp_path / "phones.pt"
    phones._save(path, "one", {"weights": {"a": torch.ones(2)}})
    kept = phones._load(path, "one")
    assert kept is not None and torch.equal(kept["weights"]["a"], torch.ones(2))
    assert phones._load(path, "another") is None and phones._load(tmp_path / "none", "one") is None
    path.write_bytes(path.read_bytes()[:50])
    assert phones._load(path, "one") is None, "a damaged file is made again"
