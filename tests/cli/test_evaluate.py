"""The verb `evaluate`: its parts, its subsets, and its refusals."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from talkface.__main__ import build_app
from talkface.cli.evaluate import PARTS, _backwards, _few_clips, _few_people, _parts
from talkface.errors import ConfigError, DatasetError
from talkface.evaluation.clips import HeldOutClip
from talkface.types import Waveform


@pytest.fixture
def clips() -> list[HeldOutClip]:
    """Twenty people with three clips each, then twelve sentences of one speaker."""
    people = [
        HeldOutClip(f"{person}_{n}", Path(f"{person}_{n}.mp4"), f"person {person}", "people")
        for person in range(20)
        for n in range(3)
    ]
    return people + [HeldOutClip(f"s{n}", Path(f"s{n}.mp4"), "GRID s1", "grid_s1") for n in range(12)]


def test_parts_are_checked():
    assert _parts("all") == PARTS
    assert _parts("silence, clips") == ["silence", "clips"]
    with pytest.raises(ConfigError, match="lips"):
        _parts("lips")


def test_a_quick_look_takes_few_people_once(clips: list[HeldOutClip]):
    few = _few_people(clips)
    people = [clip.person for clip in few if clip.group == "people"]
    assert len(people) == len(set(people)) == 8
    assert sum(clip.group == "grid_s1" for clip in few) == 3


def test_the_default_takes_two_clips_of_everybody_and_all_sentences(clips: list[HeldOutClip]):
    chosen = _few_clips(clips)
    assert sum(clip.group == "people" for clip in chosen) == 40
    assert sum(clip.group == "grid_s1" for clip in chosen) == 12


def test_backwards_speech_has_the_same_sound_in_reverse():
    speech = Waveform(np.arange(160, dtype=np.float32))
    np.testing.assert_array_equal(_backwards(speech).samples, speech.samples[::-1])


def test_numbers_of_the_renderer_are_checked_before_anything_is_measured(tmp_path: Path):
    arguments = ["evaluate", "default", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(), [*arguments, "--set", "mouth.fether=1"])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == "unknown number 'mouth.fether' in set: did you mean mouth.feather?"


def test_a_missing_data_folder_is_refused_by_name(tmp_path: Path):
    arguments = ["evaluate", "default", "--renderer", "warp", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(build_app(), arguments)
    assert isinstance(result.exception, DatasetError)
    assert "manifest.csv" in str(result.exception)


@pytest.mark.parametrize("words", [["default"], ["renderer", "vgnet", "--shards", "shards"]])
def test_networks_have_the_names_that_animate_gives_them(words: list[str]):
    result = CliRunner().invoke(build_app(), ["evaluate", *words, "--audio2landmark", "mine", "--help"])
    assert result.exit_code == 0, result.output
    assert "warning: --audio2landmark is now called --speech-model" in result.stderr
