"""Published files that are wrong, mixed up or hostile; and the kinds that other tests do not take through the verb."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.perceptual import load_perceptual
from talkface.models.spade import Source, SpadeNet
from talkface.models.spade_config import SpadeConfig
from tests.golden.fill import arrays
from tests.golden.fill import golden as filled_golden


def converted(kind: str, file: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Message of the verb: its error where it fails, else its last line."""
    capsys.readouterr()
    code = run(["models", "convert", kind, str(file), str(out)])
    shown = capsys.readouterr()
    assert (code == 0) == out.is_file()
    return shown.err if code else shown.out


@pytest.mark.parametrize("name", ["spade_combine", "linear_combine"])
def test_rhythmic_head_motion_is_equal(name: str, tmp_path, parity):
    weights, stored = filled_golden(f"rhythmic_{name}")
    torch.save({f"module.{key}": torch.from_numpy(value) for key, value in weights.items()}, tmp_path / "net_G.pth")
    out = tmp_path / "ours.safetensors"
    assert run(["models", "convert", "auto", str(tmp_path / "net_G.pth"), str(out)]) == 0
    checkpoint = load_checkpoint(out, "spade")
    network = SpadeNet(SpadeConfig(**checkpoint.config)).eval()
    network.load_state_dict(checkpoint.tensors)
    inputs = {
        key: torch.from_numpy(value).float() / 127.5 - 1 for key, value in arrays("rhythmic_spade_combine").items()
    }
    sources = {
        "ref": Source(inputs["refs"][:1], inputs["ref_sketches"][:1]),
        "ani": Source(inputs["ani"][None], inputs["ani_sketch"][None]),
    }
    with torch.no_grad():
        frame = network(inputs["target_sketch"][None], inputs["refs"][None], inputs["ref_sketches"][None], sources)
    parity(f"Rhythmic Head Motion, {name}", frame.image, torch.from_numpy(stored["image"]))


def test_the_caffe_vgg19_is_equal(golden, tmp_path, parity):
    stored = golden("content_vgg19_caffe")
    state = {f"features.{name}": tensor for name, tensor in stored.weights().items()}
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, tmp_path / "vgg19-d01eb7cb.pth")
    out = tmp_path / "caffe_vgg19.safetensors"
    assert run(["models", "convert", "vgg19-rename", str(tmp_path / "vgg19-d01eb7cb.pth"), str(out)]) == 0
    network = load_perceptual("caffe_vgg19", out)
    pictures = [stored.picture(f"content_vgg19_caffe_{name}").float() / 127.5 - 1 for name in ("x", "x_hat")]
    with torch.no_grad():
        real, fake = (network(picture) for picture in pictures)
    total = sum((a - b).abs().mean() for a, b in zip(real, fake, strict=True))
    parity("content loss of the caffe VGG-19", total, stored["l1_sum"], 2e-4)
    for tap in (3, 4):
        wanted = stored[f"feature_{tap}"].float()
        parity(f"caffe VGG-19, tap {tap} (stored in float16)", real[tap], wanted, 0.02)


def test_a_pickle_that_wants_code_is_refused_by_name(tmp_path, capsys):
    torch.save({"weights": re.compile("x")}, tmp_path / "bad.pth")
    said = converted("auto", tmp_path / "bad.pth", tmp_path / "out.safetensors", capsys)
    assert "wants the Python object re._compile, and loading that would run code" in said and said.count("\n") == 1


@pytest.mark.parametrize("kind", ["auto", "vgg19-rename", "vt", "atvgnet-vgnet", "rhythmic"])
def test_a_file_that_fits_no_kind_or_another_is_refused(kind: str, golden, tmp_path, capsys):
    torch.save({"module.lstm_fc.0.weight": torch.zeros(6, 256)}, tmp_path / "atnet_lstm_18.pth")
    said = converted(kind, tmp_path / "atnet_lstm_18.pth", tmp_path / "out.safetensors", capsys)
    assert said.startswith("error: ") and said.count("\n") == 1
    words = {"auto": "none of the networks", "vgg19-rename": "holds no VGG", "vt": "holds no embedder of vt"}
    words |= {"rhythmic": "is not a Rhythmic generator", "atvgnet-vgnet": "is not a network of kind atvgnet-vgnet"}
    assert words[kind] in said


def small_atnet(golden) -> dict[str, torch.Tensor]:
    """AT-net's names in one-number tensors."""
    return {name: torch.zeros([1] * len(shape)) for name, shape, _ in golden("atvgnet_at_net").about["parameters"]}


def test_every_name_and_shape_is_checked(golden, tmp_path, capsys):
    state = small_atnet(golden)
    torch.save(state, tmp_path / "small.pth")
    said = converted("auto", tmp_path / "small.pth", tmp_path / "a.safetensors", capsys)
    assert "audio_eocder.0.0.weight has shape [1, 1, 1, 1], [64, 1, 3, 3] was expected" in said
    del state["audio_eocder.0.0.weight"]
    torch.save(state, tmp_path / "missing.pth")
    said = converted("auto", tmp_path / "missing.pth", tmp_path / "b.safetensors", capsys)
    assert "audio_eocder.0.0.weight is missing" in said


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04 cut off"])
def test_damaged_files_are_refused(content: bytes, tmp_path, capsys):
    (tmp_path / "damaged.pth").write_bytes(content)
    said = converted("auto", tmp_path / "damaged.pth", tmp_path / "out.safetensors", capsys)
    assert "is not a PyTorch state dict, or is damaged" in said and said.count("\n") == 1


def test_unknown_kinds_and_endings_are_named(tmp_path, capsys):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    assert "unknown kind 'vtt'" in converted("vtt", tmp_path / "a.pth", tmp_path / "o.safetensors", capsys)
    assert "must end in .safetensors" in converted("vt", tmp_path / "a.pth", tmp_path / "o.pth", capsys)
    assert "no file " in converted("auto", tmp_path / "b.pth", tmp_path / "o.safetensors", capsys)


def test_w_travels_by_itself(tmp_path, capsys):
    rows = torch.randn(7, 16)
    torch.save({"step": 3, "parts": {"video_table": {"weight": rows, "steps": torch.zeros(7)}}}, tmp_path / "state.pt")
    assert run(["models", "table", str(tmp_path / "state.pt"), str(tmp_path / "w.npy")]) == 0
    assert "7 videos of 16 numbers" in capsys.readouterr().out
    assert np.array_equal(np.load(tmp_path / "w.npy"), rows.numpy())
    assert run(["models", "table", str(tmp_path / "w.npy"), str(tmp_path / "again.npy")]) == 0
    assert np.array_equal(np.load(tmp_path / "again.npy"), rows.numpy())
    torch.save({"step": 3}, tmp_path / "other.pt")
    assert run(["models", "table", str(tmp_path / "other.pt"), str(tmp_path / "no.npy")]) == 1
    assert "holds no video_table" in capsys.readouterr().err
