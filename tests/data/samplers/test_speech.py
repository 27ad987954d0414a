"""Speech batches: motion is relative to the closed mouth and to the speaker's range, offsets shift the sound."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from talkface.audio.features import MelPower, reference_power
from talkface.data.samplers.speech import BatchConfig, StretchSampler, make_examples
from talkface.errors import DatasetError
from talkface.landmarks.mean_face import MEAN_FACE

PLAIN = BatchConfig(frames=20, speed=0.0, still=0.0)


@dataclass
class Talker:
    key: str
    speaker: str
    landmarks: np.ndarray
    audio: np.ndarray


def talker(key: str, speaker: str, frames: int = 60, size: float = 100.0, wide: float = 0.1, seed: int = 0) -> Talker:
    """A face whose lips open as its sound grows loud."""
    rng = np.random.default_rng(seed)
    opening = np.clip(np.sin(np.arange(frames) / 3 + rng.uniform(0, 6)), 0, 1)
    face = np.repeat(MEAN_FACE[None] * size + 200, frames, 0).astype(np.float32)
    face[:, 65:68, 1] += size * wide * opening[:, None]
    loud = np.repeat(opening, 640)
    return Talker(key, speaker, face, (0.2 * loud * rng.standard_normal(len(loud))).astype(np.float32))


def test_big_and_small_movers_agree() -> None:
    big, small = make_examples([talker("a", "A", wide=0.2), talker("b", "B", size=50, wide=0.1)], MelPower(32))
    np.testing.assert_allclose(big.opening, small.opening, atol=0.02)
    assert big.scale == pytest.approx(2 * small.scale, rel=0.02)
    assert big.opening.min() == pytest.approx(0, abs=0.05)
    assert reference_power(big.power.mean(1)) == pytest.approx(1, rel=1e-3)


def test_unusable_clips_are_left_out() -> None:
    blind, mute, short = talker("a", "A"), talker("b", "B"), talker("c", "C", frames=10)
    blind.landmarks[5:] = np.nan
    mute.audio[:] = 0
    assert [e.key for e in make_examples([blind, mute, short, talker("d", "D")], MelPower(32))] == ["d"]
    with pytest.raises(DatasetError, match="no clip has sound"):
        make_examples([blind, mute, short], MelPower(32))


def test_frames_without_a_face_carry_no_weight() -> None:
    clip = talker("a", "A", frames=21)
    clip.landmarks[3:6] = np.nan
    batch = StretchSampler(make_examples([clip], MelPower(32)), replace(PLAIN, frames=21)).draw(
        4, np.random.default_rng(0)
    )
    assert not batch.weight[:, 3:6].any()
    assert np.isfinite(batch.motion.numpy()).all()


def test_lag_moves_the_sound_to_the_picture() -> None:
    clip = talker("a", "A")
    late = Talker("a", "A", clip.landmarks, np.concatenate([clip.audio[1920:], np.zeros(1920, np.float32)]))
    straight, shifted = (make_examples([item], MelPower(32))[0] for item in (clip, late))
    shifted.lag = 3.0  # its picture follows its sound by three frames
    first, second = (StretchSampler([e], PLAIN).draw(1, np.random.default_rng(3)) for e in (straight, shifted))
    inner = slice(16, 60)
    ours, theirs = (np.log(b.power[0, inner].numpy().mean(-1) + 1e-3) for b in (first, second))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


def test_a_speaker_with_most_minutes_gets_the_share_asked_for() -> None:
    clips = [talker(f"m{i}", "main", seed=i) for i in range(30)] + [talker(f"o{i}", f"o{i}", seed=i) for i in range(5)]
    sampler = StretchSampler(make_examples(clips, MelPower(32)), replace(PLAIN, main_share=0.2))
    chances = np.diff(sampler.chance.ends, prepend=0)
    assert chances[sampler.speakers.index("main")] == pytest.approx(0.2)


def test_batches_follow_from_the_generator_alone() -> None:
    sampler = StretchSampler(make_examples([talker("a", "A"), talker("b", "B")], MelPower(32)), BatchConfig(frames=20))
    first, second = (sampler.draw(5, np.random.default_rng(9)) for _ in range(2))
    assert (first.power == second.power).all() and (first.motion == second.motion).all()
