"""Every family of speech network: its size, streaming equals whole, gain, rates, silence, its example, its file."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.audio.features import MEL
from talkface.checkpoints.format import Checkpoint, load_checkpoint, save_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.landmarks.layout import MOUTH
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.atnet import Atnet, AtnetConfig
from talkface.models.audio2landmark import build_audio2landmark, config_dict
from talkface.models.lstm_mel import LstmMel, LstmMelConfig
from talkface.models.speech_network import MELS_PER_FRAME, SPEECH_NETWORK, SpeechNetwork
from talkface.types import Waveform

SMALL = {
    "atnet": AtnetConfig(channels=4, wide=32, heard=16, hidden=16),
    "atnet_single": AtnetConfig(recurrent=False, channels=4, wide=32, heard=16),
    "lstm_mel": LstmMelConfig(num_mels=24, hidden=16, context=2, delay=3),
}


@pytest.fixture(params=SMALL)
def network(request: pytest.FixtureRequest) -> SpeechNetwork:
    """Small, with random weights and a decoder that opens the lips."""
    torch.manual_seed(0)
    network = build_audio2landmark(config_dict(SMALL[request.param])).eval()
    network.decoder[:, MOUTH] = 0.1 * torch.randn(6, len(MOUTH), 2)
    network.fit_features([np.random.default_rng(0).random((80, network.mel.num_mels)).astype(np.float32)])
    return network


def voice(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * 16_000)) / 16_000
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * time) + 0.3, 0, 1)
    return (0.2 * envelope * rng.standard_normal(len(time))).astype(np.float32)


def trainable(network: SpeechNetwork) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("recurrent", "millions"), [(True, 30.07), (False, 27.83)])
def test_atnet_has_the_papers_size(recurrent: bool, millions: float) -> None:
    network = Atnet(AtnetConfig(recurrent=recurrent))
    assert trainable(network) / 1e6 == pytest.approx(millions, rel=0.01)
    assert network.decoder.shape == (6, 68, 2)


def test_atnet_hears_in_the_papers_shapes() -> None:
    member = Atnet(AtnetConfig()).eval().member
    with torch.no_grad():
        encoded = member.encode_audio(torch.randn(2, 3 * MELS_PER_FRAME, 12))
        assert encoded.shape == (2, 3, 256)
        assert member.predict_all(encoded, torch.zeros(2, 6)).shape == (2, 3, 6)
    assert [type(layer).__name__ for layer in member.audio].count("BatchNorm2d") == 5
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in Atnet(AtnetConfig(recurrent=False)).modules())


def test_fast_training_is_nearly_the_network_and_leaves_it_as_it_is() -> None:
    torch.manual_seed(0)
    network = Atnet(AtnetConfig(channels=4, wide=32, heard=16, hidden=16))
    features = 5 * torch.randn(2, 20 * MELS_PER_FRAME, 12)
    whole = network.eval().member.encode_audio(features)
    network.train_fast(True)
    torch.testing.assert_close(network.member.encode_audio(features), whole)
    # with the statistics of both passes alike, only the edges of the windows differ
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.training = False
    network.member.training = True
    fast = network.member.encode_audio(features)
    assert fast.shape == whole.shape
    late, same, early = (
        torch.corrcoef(torch.stack([fast[:, 1 + shift : 19 + shift].flatten(), whole[:, 1:19].flatten()]))[0, 1]
        for shift in (-1, 0, 1)
    )
    assert 0.9 < same < 0.99999 and same > max(late, early) + 0.01, "every window is at its own frame"


def test_lstm_mel_takes_context_and_delay_from_its_settings() -> None:
    few, many = (LstmMel(LstmMelConfig(context=context)) for context in (0, 5))
    assert few.member.recurrent.input_size == 128 and many.member.recurrent.input_size == 6 * 128
    late = LstmMel(LstmMelConfig(delay=2)).eval()
    with torch.no_grad():
        power = torch.rand(1, 40 * MELS_PER_FRAME, 64)
        louder = power.clone()
        louder[:, 20 * MELS_PER_FRAME :] = 2.0
        changed = (late(late.features(power)) - late(late.features(louder))).abs().amax((0, 2)) > 0
    assert changed.nonzero().min() == 20 - 2 - 4  # two frames of delay, slopes over four to either side


def test_chunks_give_what_the_whole_gives(network: SpeechNetwork) -> None:
    frames = SPEECH_NETWORK.chunk + 37
    root_power = np.random.default_rng(1).random((frames * MELS_PER_FRAME, network.mel.num_mels)).astype(np.float16)
    face = torch.from_numpy((MEAN_FACE * [1.0, 1.05])[None].astype(np.float32))
    with torch.no_grad():
        example = network.encode_faces(face)
        chunked = np.concatenate(list(network._coefficients(root_power, 0.3, example)))
        relative = torch.from_numpy(np.square(root_power, dtype=np.float32)[None] / np.float32(0.3))
        whole = network(network.features(relative), example)[0].numpy()
    assert chunked.shape == (frames, 6)
    np.testing.assert_allclose(chunked, whole, atol=2e-5 * max(1.0, np.abs(whole).max()))


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001), Fraction(10)])
def test_every_rate_gets_its_count_of_frames(network: SpeechNetwork, fps: Fraction) -> None:
    count = round(1.3 * fps)
    motion = network.predict([Waveform(voice(1.3))], count, fps=fps)
    assert motion.shape == (count, 68, 2) and motion.dtype == np.float32
    assert np.abs(motion[:, MOUTH]).max() > 1e-4


@pytest.mark.parametrize("gain", [0.05, 4.0])
def test_neither_gain_nor_blocks_matter(network: SpeechNetwork, gain: float) -> None:
    samples = voice(2)
    whole = network.predict([Waveform(samples)], 50)
    louder = samples * np.float32(gain)
    parts = [Waveform(louder[start : start + 7001]) for start in range(0, len(louder), 7001)]
    np.testing.assert_allclose(network.predict(parts, 50), whole, atol=0.01 * np.abs(whole).max())


def test_silence_is_a_closed_mouth_and_pauses_close_it(network: SpeechNetwork) -> None:
    assert not network.predict([Waveform(np.zeros(16_000, np.float32))], 25).any()
    paused = np.concatenate([voice(1), np.zeros(32_000, np.float32)])
    motion = network.predict([Waveform(paused)], 75)
    assert motion[:20].any() and not motion[35:].any()
    assert MEL.silent_power > 0


def test_two_photos_are_two_examples_and_none_is_a_usual_face() -> None:
    torch.manual_seed(0)
    network = Atnet(SMALL["atnet"]).eval()
    network.decoder[:, MOUTH] = 0.1 * torch.randn(6, len(MOUTH), 2)
    network.scale.fill_(0.1)
    faces = np.stack([MEAN_FACE * [1.0, 1.1], MEAN_FACE * [1.1, 1.0]]).astype(np.float32)
    network.fit_example(faces)
    first, second = (network.predict([Waveform(voice(1))], 25, example=face) for face in faces)
    assert np.abs(first - second).max() > 1e-3 * np.abs(first).max()
    encoded = network.encode_faces(torch.from_numpy(faces))
    torch.testing.assert_close(network.usual_example, encoded.mean(0))
    assert network.predict([Waveform(voice(1))], 25).any()


def test_encode_undoes_motion(network: SpeechNetwork) -> None:
    from talkface.landmarks.basis import fit_basis
    from talkface.landmarks.layout import point_weights

    motion = np.random.default_rng(0).standard_normal((200, 68, 2)).astype(np.float32)
    basis = fit_basis(motion, np.sqrt(point_weights()), 6)
    network.decoder.copy_(torch.from_numpy(3 * basis.decoder))
    coefficients = torch.randn(5, 4, 6)
    torch.testing.assert_close(network.encode(network.motion(coefficients)), coefficients, atol=1e-4, rtol=1e-4)
    expected = torch.from_numpy(basis.encode(motion)) / 3
    torch.testing.assert_close(network.encode(torch.from_numpy(motion)), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network.spread, torch.full((6,), 3.0), atol=1e-4, rtol=1e-4)


def test_a_checkpoint_rebuilds_its_family(network: SpeechNetwork, tmp_path: Path) -> None:
    path = tmp_path / "speech.safetensors"
    save_checkpoint(path, Checkpoint("audio2landmark", config_dict(network.config), network.state_dict()))
    loaded = load_audio2landmark(load_checkpoint(path, "audio2landmark"))
    assert type(loaded) is type(network)
    speech = [Waveform(voice(1))]
    np.testing.assert_array_equal(loaded.predict(speech, 25), network.predict(speech, 25))


def test_an_unknown_family_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        load_audio2landmark(Checkpoint("audio2landmark", {"family": "later"}, {}))
