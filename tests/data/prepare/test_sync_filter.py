"""The script that fits the filter of the audio-video offset, run on drawn mouths that open as their sound is loud."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.prepare.sync import FILTER, measure_offset, shift_samples
from talkface.testing.shards import write_loud_mouth_shards

SCRIPT = Path(__file__).parents[3] / "scripts/fit_sync_filter.py"
PEOPLE = {f"c{place}": f"p{place % 6}" for place in range(8)}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_sync_filter", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sync") / "shards"
    write_loud_mouth_shards(folder, PEOPLE, frames=80, split="train")
    return folder


def late(clip: PreparedClip, frames: int) -> PreparedClip:
    return replace(clip, audio=shift_samples(clip.audio, -640 * frames, len(clip.audio)))


def test_offsets_left_in_the_clips_are_taken_out_round_by_round(script: ModuleType, shards: Path) -> None:
    clips = script.talking(ClipDataset(shards))
    assert len(clips) == len(PEOPLE)
    moved = [late(clip, frames) for clip, frames in zip(clips[:7], (0, 2, 0, -2, 0, 0, 0), strict=True)]
    once, often = script.fit(moved, rounds=1), script.fit(moved, rounds=4)
    assert often.shape == FILTER.shape
    assert np.abs(often).sum(1).argmax() == 4, "the sound of the frame itself tells most"
    before, after = script.score(clips[7], once), script.score(clips[7], often)
    assert after["correlation"] > max(0.8, before["correlation"])
    assert after["shift"] == after["change"] == 1.0
    offsets = [measure_offset(clip.audio, clip.landmarks, often).lag for clip in (moved[1], moved[3])]
    assert offsets == pytest.approx([-2, 2], abs=0.7)


def test_the_script_prints_a_filter_and_both_scores(
    script: ModuleType, shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "PER_SPEAKER", 1)
    script.main(shards)
    lines = capsys.readouterr().out.splitlines()
    weights = np.array([[float(word) for word in line.strip("[],").split(", ")] for line in lines[:9]])
    assert weights.shape == FILTER.shape and np.abs(weights).max() >= 1
    assert lines[11] == "6 clips of 6 speakers, held out:"
    assert [line.split()[0] for line in lines[12:]] == ["stored", "fitted"]
    assert all("correlation 0." in line for line in lines[12:])
