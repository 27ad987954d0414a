"""A training that an earlier version began, whose state has the names of then, goes on as if nothing had happened."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from talkface.checkpoints.format import load_checkpoint
from talkface.models.audio2landmark import Audio2Landmark
from talkface.models.headmotion import Headmotion
from talkface.models.hybrid import Hybrid
from talkface.testing.shards import write_loud_mouth_shards
from talkface.training.jobs.audio2landmark import train_audio2landmark
from talkface.training.jobs.audio2landmark_config import SpeechDataConfig
from talkface.training.jobs.headmotion import train_headmotion
from talkface.training.jobs.headmotion_config import HeadmotionTraining
from talkface.training.jobs.hybrid import train_renderer
from talkface.training.jobs.mouth import train_mouth
from talkface.training.jobs.offsets import OffsetConfig
from tests.drawn import PHOTOS, drawn_clip
from tests.training.jobs.small import HEADMOTION, nodders, small_hybrid, small_mouth, small_run, small_speech


def headmotion(folder: Path) -> None:
    data = SpeechDataConfig(held_out_every=3)
    train_headmotion(HeadmotionTraining(model=HEADMOTION, data=data, run=small_run(folder, 4)), nodders(6, 40))


def audio2landmark(folder: Path) -> None:
    shards = folder.parent / "shards"
    if not shards.exists():
        write_loud_mouth_shards(shards, {f"c{place}": f"p{place % 3}" for place in range(6)}, split="train")
    config = small_speech(folder)
    data = dataclasses.replace(config.data, shards=str(shards))
    train_audio2landmark(
        dataclasses.replace(config, data=data, offsets=OffsetConfig(steps=0), run=small_run(folder, 4))
    )


def hybrid(folder: Path) -> None:
    train_renderer(small_hybrid(folder, 4), [drawn_clip(name) for name in "abc"])


def mouth(folder: Path) -> None:
    train_mouth(small_mouth(folder, 4), PHOTOS)


def earlier(state: Any, names: Mapping[str, str]) -> Any:
    """The state with all keys that begin with today's names by those of then, all the way down."""
    if not isinstance(state, dict):
        return state
    result = {}
    for key, value in state.items():
        old = next((old for old, today in names.items() if isinstance(key, str) and key.startswith(today)), None)
        result[key if old is None else old + key.removeprefix(names[old])] = earlier(value, names)
    return result


@pytest.mark.parametrize(
    ("train", "names", "was"),
    [
        (headmotion, Headmotion.renamed, ("network", "watch.0.weight")),
        (audio2landmark, Audio2Landmark.renamed, ("network", "listeners.1.head.weight")),
        (hybrid, Hybrid.renamed, ("renderer", "paint.weight")),
        (mouth, {"painter": "inpainter"}, ("painter", "stem.weight")),
    ],
    ids=["headmotion", "audio2landmark", "hybrid", "mouth"],
)
def test_it_resumes(
    train: Callable[[Path], None], names: Mapping[str, str], was: tuple[str, str], tmp_path: Path
) -> None:
    train(tmp_path / "whole")
    begun = tmp_path / "begun"
    shutil.copytree(tmp_path / "whole", begun)
    state = torch.load(begun / "state.before.pt", weights_only=True)
    assert state["progress"]["step"] == 2
    old = {**state, "job": earlier(state["job"], names)}
    assert was[1] in old["job"][was[0]]
    torch.save(old, begun / "state.pt")
    for name in ("state.before.pt", "last.safetensors", "best.safetensors"):
        (begun / name).unlink(missing_ok=True)
    train(begun)
    whole, resumed = (load_checkpoint(folder / "last.safetensors").tensors for folder in (tmp_path / "whole", begun))
    assert whole.keys() == resumed.keys() and not any(key.startswith(tuple(names)) for key in resumed)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
