"""The LSTMs of Eskimez et al., number for number: a Keras file through the converter."""

import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.load import load_audio2landmark
from talkface.models.lstm_mel import KerasMember, LstmMel, LstmMelConfig

h5py = pytest.importorskip("h5py")


def test_the_converted_network_is_equal(golden, parity, tmp_path):
    stored = golden("eskimez_lstm")
    path = tmp_path / "D80_C3.h5"
    with h5py.File(path, "w") as file:  # as `model.save` lays it out
        for name, tensor in stored.weights().items():
            layer = name.split("/")[0]
            file[f"model_weights/{layer}/{name}:0"] = tensor.numpy()
    assert run(["models", "convert", "auto", str(path), str(tmp_path / "ours.safetensors")]) == 0
    network = load_audio2landmark(load_checkpoint(tmp_path / "ours.safetensors"))
    assert isinstance(network, LstmMel) and (network.config.context, network.config.delay) == (3, 2)
    member = network.member
    with torch.no_grad():
        answered, _ = member.decode(stored["features"][None].float(), None)
        parity("Eskimez, four LSTMs of Keras", answered[0] + member.rest, stored["landmarks"])
        halves = [member.decode(stored["features"][None, :5].float(), None)]
        halves.append(member.decode(stored["features"][None, 5:].float(), halves[0][1]))
        assert torch.allclose(torch.cat([half[0] for half in halves], 1), answered, atol=1e-6)


def test_features_are_differences_with_the_present_frame_first():
    member = KerasMember(LstmMelConfig(num_mels=2, context=1, hidden=3, components=2, keras=True))
    mel = torch.tensor([[[0.0, 0.0], [1.0, 2.0], [4.0, 4.0]]])
    encoded = member.encode_audio(mel)[0]
    assert encoded[2].tolist() == [3.0, 2.0, 2.0, 0.0, 1.0, 2.0, 0.0, 0.0]
    assert encoded[0].tolist() == [0.0] * 8
