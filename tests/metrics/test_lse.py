"""SyncNet's shapes, windows and shifts; offsets are recovered exactly on signals made to order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from talkface.errors import CheckpointError
from talkface.evaluation.footage import Footage
from talkface.evaluation.lip_sync import lip_sync_scores, sync_crops
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.lse import sync_embeddings, sync_mfcc, sync_score
from talkface.metrics.syncnet import SyncNet, load_syncnet
from talkface.types import Waveform


@pytest.fixture(scope="module")
def network() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet().eval()


def test_both_towers_end_in_1024_numbers(network: SyncNet):
    with torch.inference_mode():
        assert network.embed_sound(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)
        assert network.embed_lips(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 1024)


def test_the_published_file_would_load(network: SyncNet, tmp_path: Path):
    state = network.state_dict()
    assert state["netcnnaud.0.weight"].shape == (64, 1, 3, 3)
    assert state["netcnnlip.0.weight"].shape == (96, 3, 5, 7, 7)
    assert state["netfclip.3.weight"].shape == (1024, 512)
    torch.save(state, tmp_path / "syncnet_v2.model")
    save_file(state, tmp_path / "syncnet.safetensors")
    for name in ("syncnet_v2.model", "syncnet.safetensors"):
        loaded = load_syncnet(tmp_path / name)
        assert not loaded.training
        assert torch.equal(loaded.netcnnlip[0].weight, network.netcnnlip[0].weight)


def test_other_files_are_refused_in_one_line(tmp_path: Path):
    wrong = tmp_path / "wrong.model"
    torch.save({"layer": torch.zeros(3)}, wrong)
    text = tmp_path / "text.model"
    text.write_text("no weights")
    for path in (wrong, text, tmp_path / "none.model"):
        with pytest.raises(CheckpointError, match=path.name):
            load_syncnet(path)


@pytest.mark.parametrize("early", [-15, -4, 0, 3, 15])
def test_an_offset_is_recovered_exactly(early: int):
    truth = torch.randn(120, 64, generator=torch.Generator().manual_seed(1))
    lips, sounds = truth[20:100], truth[20 + early : 100 + early]  # the sound of frame n + early is heard at frame n
    found = sync_score(lips, sounds)
    assert found.offset == early
    assert found.lse_d < 1.0 + abs(early)
    assert found.lse_c > 5.0


def test_unrelated_embeddings_have_no_confidence():
    generator = torch.Generator().manual_seed(2)
    found = sync_score(torch.randn(200, 64, generator=generator), torch.randn(200, 64, generator=generator))
    assert found.lse_c < 0.5
    assert found.lse_d > 9.0


def test_distances_are_the_published_ones():
    lips, sounds = torch.zeros(40, 4), torch.ones(40, 4)
    found = sync_score(lips, sounds, max_shift=2)
    # 2 where both are there, 0 where the sound is padded: two of forty windows at the ends
    assert found.lse_d == pytest.approx(2 * 38 / 40, abs=1e-4)
    assert found.lse_c == pytest.approx(2 * (39 / 40 - 38 / 40), abs=1e-4)


def test_mfcc_are_those_of_python_speech_features():
    times = np.arange(16_000) / 16_000
    samples = 0.4 * np.sin(2 * np.pi * (200 + 300 * times) * times) * (1 + np.sin(2 * np.pi * 4 * times)) / 2
    found = sync_mfcc(Waveform(samples.astype(np.float32)))
    assert found.shape == (99, 13)
    expected = {  # from that package, version 0.6, on the same 16-bit samples
        10: [18.2791, 23.3157, 13.535, 6.0327, -2.0398, -10.7619, -17.6547, -23.2108, -25.2432, -24.1933, -19.3706],
        50: [19.5073, 21.56, 2.2053, -15.6843, -26.9797, -27.0963, -15.1823, 1.399, 15.5515, 20.5197, 16.1567],
    }
    for step, values in expected.items():
        np.testing.assert_allclose(found[step, : len(values)], values, atol=2e-4)


def footage(frames: int) -> Footage:
    photo = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    points = np.asarray(MEAN_FACE, np.float32) * 60 + np.array([100, 90], np.float32)
    return Footage("still", None, photo, np.repeat(points[None], frames, 0), (200, 200))


class Windows(SyncNet):
    """Reports what it was given instead of an embedding."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def embed_lips(self, frames: torch.Tensor) -> torch.Tensor:
        assert frames.shape[1:] == (3, 5, 224, 224)
        return frames[:, 0, :, 0, 0]

    def embed_sound(self, mfcc: torch.Tensor) -> torch.Tensor:
        assert mfcc.shape[1:] == (1, 13, 20)
        return mfcc[:, 0, 0, :]


def test_window_n_holds_five_frames_and_twenty_steps():
    crops = (np.dstack([np.full((224, 224), 3), np.full((224, 224), 2), np.full((224, 224), n)]) for n in range(40))
    speech = Waveform(np.random.default_rng(0).normal(0, 0.1, 640 * 30).astype(np.float32))
    found = sync_embeddings(Windows(), (crop.astype(np.uint8) for crop in crops), 40, speech)
    assert found is not None
    lips, sounds = found
    assert len(lips) == len(sounds) == 25  # 30 frames of sound, less five
    # blue comes first: the crop's last channel, which counts frames
    np.testing.assert_array_equal(lips.numpy(), np.arange(25)[:, None] + np.arange(5))
    mfcc = sync_mfcc(speech)
    np.testing.assert_allclose(sounds[7].numpy(), mfcc[28:48, 0], rtol=1e-5)


def test_crops_are_the_published_ones_for_the_landmarks_box():
    clip = footage(3)
    points = clip.landmarks[0]
    crop = next(sync_crops(clip, 3))
    assert crop.shape == (224, 224, 3)
    top = points[:, 1].min() - 0.3 * np.ptp(points[:, 1])
    half = (points[:, 1].max() - top) / 2
    centre = np.array([points[:, 0].min() + np.ptp(points[:, 0]) / 2, top + half])
    corner = np.array([centre[0] - 1.4 * half, centre[1] - half])
    x, y = np.round(corner + 0.5 * 2.8 * half).astype(int)  # middle of the crop
    assert clip.photo is not None
    near = clip.photo[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(int)
    assert np.abs(near - crop[112, 112].astype(int)).sum(1).min() < 120


def test_a_clip_too_short_has_no_score(network: SyncNet):
    speech = Waveform(np.zeros(16_000, np.float32))
    assert lip_sync_scores(network, footage(5), 5, speech) == {}
    found = lip_sync_scores(network, footage(8), 8, speech)
    assert set(found) == {"lse_c", "lse_d", "av_offset"}
    assert np.isfinite(list(found.values())).all()
