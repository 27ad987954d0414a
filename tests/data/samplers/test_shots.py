"""Shots and targets from drawn clips: never the same frame, sketches on the faces, batches that repeat."""

import json

import numpy as np
import pytest

from talkface.data.datasets import ClipDataset
from talkface.data.samplers.shots import Prefetcher, ShotSampler, ShotsConfig, framed, stored_zoom
from talkface.errors import ConfigError, DatasetError
from tests.drawn import drawn_clip

CONFIG = ShotsConfig(size=32)
CLIPS = [drawn_clip("a"), drawn_clip("b", 3), drawn_clip("b", 2)]


def test_batch_has_its_shapes_and_repeats_with_its_seed():
    sampler = ShotSampler(CLIPS, ShotsConfig(size=32, tint=0.1))
    batch = sampler.batch(4, 3, np.random.default_rng(5))
    assert batch.shots.shape == batch.shot_sketches.shape == (4, 3, 3, 32, 32)
    assert batch.real.shape == batch.sketch.shape == (4, 3, 32, 32)
    again = sampler.batch(4, 3, np.random.default_rng(5))
    assert all((getattr(batch, name) == getattr(again, name)).all() for name in batch.__annotations__)


def test_rows_of_a_batch_are_those_of_the_whole_and_no_others_are_read():
    whole = ShotSampler(CLIPS, ShotsConfig(size=32, tint=0.1)).batch(6, 2, np.random.default_rng(5))
    sampler = ShotSampler(CLIPS, ShotsConfig(size=32, tint=0.1, kept_frames=100))
    part = sampler.batch(6, 2, np.random.default_rng(5), slice(2, 4))
    assert all((getattr(whole, name)[2:4] == getattr(part, name)).all() for name in whole.__annotations__)
    assert 0 < len(sampler._kept) <= 2 * 3


@pytest.mark.parametrize("video", range(3))
@pytest.mark.parametrize("shots", [1, 2, 8, 32])
def test_the_target_is_never_among_the_shots(video: int, shots: int):
    sampler = ShotSampler(CLIPS, CONFIG)
    rng = np.random.default_rng(0)
    for _ in range(50):
        frames, target = sampler.pick(video, shots, rng)
        assert len(frames) == shots and target not in frames
        assert len(set(frames)) == min(shots, len(CLIPS[video].landmarks) - 1)


def test_frames_without_a_face_are_never_drawn():
    clip = drawn_clip("a", 6)
    clip.landmarks[[1, 4]] = np.nan
    sampler = ShotSampler([clip], CONFIG)
    rng = np.random.default_rng(0)
    seen = {int(f) for _ in range(50) for part in [sampler.pick(0, 2, rng)] for f in (*part[0], part[1])}
    assert seen == {0, 2, 3, 5}


def test_videos_are_numbered_as_in_the_list():
    lost = drawn_clip("lost")
    lost.landmarks[:] = np.nan
    batch = ShotSampler([lost, *CLIPS], CONFIG).batch(60, 1, np.random.default_rng(0))
    assert set(batch.videos.tolist()) == {1, 2, 3}


def test_nothing_usable_is_said_plainly():
    with pytest.raises(DatasetError, match="none of 1 clips has two frames with a face"):
        ShotSampler([drawn_clip("a", 1)], CONFIG)


def test_pictures_kept_in_memory_are_the_same():
    kept = ShotSampler(CLIPS, ShotsConfig(size=32, kept_frames=5))
    read = ShotSampler(CLIPS, CONFIG)
    for _ in range(2):
        for frame in range(7):
            assert all(
                (a == b).all() for a, b in zip(kept.pictures(0, [frame])[0], read.pictures(0, [frame])[0], strict=True)
            )


def test_zoom_keeps_picture_and_sketch_together():
    clip = drawn_clip()
    wide, close = (framed(clip.image(11), clip.landmarks[11], ShotsConfig(256, zoom)) for zoom in (1.0, 2.0))
    for image, _ in (wide, close):
        assert image.shape == (256, 256, 3)
    red_wide, red_close = ((image[..., 0] > image[..., 1] + 90).sum() for image, _ in (wide, close))
    assert red_close == pytest.approx(4 * red_wide, rel=0.1)  # the lips
    mouth = np.argwhere((close[0] == (20, 0, 0)).all(-1)).mean(0)
    lines = np.argwhere(close[1][..., 2] == 200).mean(0)  # inner lips in the sketch
    assert np.abs(mouth - lines).max() < 6


def test_a_mirrored_example_mirrors_the_sketch_too():
    straight = ShotSampler(CLIPS[:1], ShotsConfig(size=32, mirror=0)).batch(3, 1, np.random.default_rng(3))
    mirrored = ShotSampler(CLIPS[:1], ShotsConfig(size=32, mirror=1)).batch(3, 1, np.random.default_rng(3))
    for name in ("shots", "shot_sketches", "sketch", "real"):
        assert (getattr(mirrored, name).flip(-1) == getattr(straight, name)).all()
    assert (mirrored.sketch != straight.sketch).any()


def test_batches_made_ahead_are_those_made_when_asked_for():
    sampler = ShotSampler(CLIPS, CONFIG)

    def make(step: int):
        return sampler.batch(2, 1, np.random.default_rng(step))

    now, ahead = Prefetcher(make, 0), Prefetcher(make, 2)
    for step in (0, 1, 2, 5):
        assert (now.get(step).real == ahead.get(step).real).all()


def test_closer_pictures_than_the_shards_hold_are_cut_out_of_them(tmp_path):
    (tmp_path / "prepare.json").write_text(json.dumps({"crop": "face", "side": 1.9}), encoding="utf-8")
    assert stored_zoom(tmp_path, "face", 1.9) == 1
    assert stored_zoom(tmp_path, "face", 1.52) == pytest.approx(1.25)
    with pytest.raises(ConfigError, match=r"side 1.9, model.crop_side 2.2 is wider"):
        stored_zoom(tmp_path, "face", 2.2)
    with pytest.raises(ConfigError, match=r"holds face crops, model\.crop is fsth"):
        stored_zoom(tmp_path, "fsth", 1.9)


@pytest.mark.slow("prepares a drawn corpus first")
def test_prepared_clips_make_batches(shards):
    dataset = ClipDataset(shards)
    sampler = ShotSampler([dataset[i] for i in range(len(dataset))], CONFIG)
    batch = sampler.spread(5, 2, np.random.default_rng(0))
    assert batch.real.float().std() > 10 and batch.sketch.max() > 100
    assert len(set(batch.videos.tolist())) > 1


def test_sketches_are_drawn_in_the_style_that_the_network_was_told():
    plain, edges = (
        ShotSampler(CLIPS, ShotsConfig(size=64, sketch=style)).pictures(0, [3])[0] for style in ("lines", "edges")
    )
    np.testing.assert_array_equal(plain[0], edges[0])
    assert (edges[1] == edges[1][..., :1]).all() and not (plain[1] == plain[1][..., :1]).all()
