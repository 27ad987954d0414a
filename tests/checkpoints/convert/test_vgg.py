"""Published VGG files -> ours, on files in the real formats: protobuf's own library writes what our reader reads."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.checkpoints.convert.caffe import read_caffemodel
from talkface.checkpoints.convert.vgg import convert_caffe, convert_rename
from talkface.checkpoints.format import load_checkpoint
from talkface.checkpoints.perceptual import load_perceptual
from talkface.errors import CheckpointError
from talkface.models.perceptual import layer_shapes
from tests.caffe_files import MESSAGES, add_layer, net_parameter, write_vgg


@pytest.mark.parametrize("old", [True, False])
def test_layers_are_read_in_both_formats(tmp_path, old: bool):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(4, 3, 3, 3)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    net = net_parameter()(name="small", input_dim=[1, 3, 224, 224])
    (net.layers.add(name="data", type=5) if old else net.layer.add(name="data", type="Input"))
    add_layer(net, "conv1_1", weight, bias, old)
    (tmp_path / "a.caffemodel").write_bytes(net.SerializeToString())
    layers = read_caffemodel(tmp_path / "a.caffemodel")
    assert [layer.name for layer in layers] == ["conv1_1"]
    assert np.array_equal(layers[0].blobs[0], weight) and np.array_equal(layers[0].blobs[1], bias)


def test_a_caffe_model_becomes_a_perceptual_network(tmp_path):
    arrays = write_vgg("caffe_vggface", tmp_path / "VGG_FACE.caffemodel", old=True)
    kind = convert_caffe(tmp_path / "VGG_FACE.caffemodel", tmp_path / "face.safetensors")
    assert kind == "caffe_vggface"
    network = load_perceptual(kind, tmp_path / "face.safetensors")
    for name, array in arrays.items():
        assert np.array_equal(network.convs[name].weight.numpy(), array)
    assert load_checkpoint(tmp_path / "face.safetensors").provenance["file"] == "VGG_FACE.caffemodel"
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    bgr = (picture.flip(1) + 1) * 127.5 - torch.tensor([93.5940, 104.7624, 129.1863])[:, None, None]
    expected = torch.nn.functional.conv2d(bgr, torch.from_numpy(arrays["conv1_1"]), torch.zeros(64), padding=1).relu()
    assert torch.allclose(network(picture)[0], expected, atol=1e-3)


def test_layers_of_another_shape_are_refused(tmp_path):
    write_vgg("caffe_vggface", tmp_path / "a.caffemodel", old=False, wrong="conv1_2")
    with pytest.raises(CheckpointError, match=r"conv1_2.weight has shape \[64, 64, 3, 4\], caffe_vggface needs"):
        convert_caffe(tmp_path / "a.caffemodel", tmp_path / "a.safetensors", "caffe_vggface")
    assert not (tmp_path / "a.safetensors").exists()


def test_other_networks_and_files_are_refused(tmp_path):
    path = tmp_path / "a.caffemodel"
    with pytest.raises(CheckpointError, match="no Caffe model"):
        read_caffemodel(path)
    net = net_parameter()()
    add_layer(net, "ip1", np.zeros((2, 2), np.float32), np.zeros(2, np.float32), False)
    path.write_bytes(net.SerializeToString())
    with pytest.raises(CheckpointError, match="neither VGG_ILSVRC_19_layers nor VGG_FACE: its layers are ip1"):
        convert_caffe(path, tmp_path / "a.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(CheckpointError, match="is not a Caffe model, or is cut off"):
        read_caffemodel(path)
    path.write_text('name: "VGG"\nlayer { name: "conv1_1" }\n')
    with pytest.raises(CheckpointError):
        read_caffemodel(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError):
        read_caffemodel(path)


def johnson(folder: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file with the layers and the wrong names of vgg19-d01eb7cb.pth; its classifier is thinner."""
    state, index = {}, 0
    for block, (count, width) in enumerate(zip((2, 2, 4, 4, 4), (64, 128, 256, 512, 512), strict=True)):
        for number in range(count):
            before = 3 if block == number == 0 else ((64, 64, 128, 256, 512)[block] if number == 0 else width)
            state[f"features.{index}.weight"] = torch.full((width, before, 3, 3), float(index))
            state[f"features.{index}.bias"] = torch.full((width,), float(index))
            index += 2
        index += 1
    for name in ("classifier.1", "classifier.4", "classifier.6"):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.full((4, 4), float(name[-1])), torch.zeros(4)
    torch.save(state, folder / "vgg19-d01eb7cb.pth")
    return folder / "vgg19-d01eb7cb.pth", state


def test_names_of_the_converted_vgg19_are_set_right(tmp_path):
    path, state = johnson(tmp_path)
    told = convert_rename(path, tmp_path / "right.pth")
    right = torch.load(tmp_path / "right.pth", weights_only=True)
    assert set(right) == {name.replace("r.1.", "r.0.").replace("r.4.", "r.3.") for name in state}
    assert right["classifier.0.weight"][0, 0] == 1 and right["classifier.3.weight"][0, 0] == 4
    assert right["classifier.6.weight"][0, 0] == 6 and torch.equal(right["features.28.bias"], state["features.28.bias"])
    assert "classifier.1.weight -> classifier.0.weight" in told and len(told) == 4


def test_the_converted_vgg19_becomes_a_perceptual_network(tmp_path):
    path, state = johnson(tmp_path)
    convert_rename(path, tmp_path / "vgg.safetensors")
    network = load_perceptual("caffe_vgg19", tmp_path / "vgg.safetensors")
    for name, index in (("conv1_1", 0), ("conv2_2", 7), ("conv3_4", 16), ("conv5_1", 28)):
        assert torch.equal(network.convs[name].weight, state[f"features.{index}.weight"])
    with pytest.raises(CheckpointError, match="holds a network of kind caffe_vgg19, expected torchvision_vgg19"):
        load_perceptual("torchvision_vgg19", tmp_path / "vgg.safetensors")


def test_pickles_that_could_run_code_are_refused(tmp_path):
    torch.save({"a": re.compile("x"), "f": print}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match=r"wants the Python object re._compile, and loading that would run code"):
        convert_rename(tmp_path / "bad.pth", tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


@pytest.mark.data
@pytest.mark.parametrize(
    ("kind", "file"),
    [("caffe_vgg19", "VGG_ILSVRC_19_layers_deploy.prototxt"), ("caffe_vggface", "VGG_FACE_deploy.prototxt")],
)
def test_layers_are_those_of_the_deploy_files(shared_data, kind: str, file: str):
    text = (shared_data / "meta" / file).read_text(encoding="utf-8")
    pairs = re.findall(r'name: "(conv\d_\d)".*?num_output: (\d+)', text, re.DOTALL)
    published = {name: int(outputs) for name, outputs in pairs}
    assert all(published[name] == outputs for name, _, outputs in layer_shapes(kind))


@pytest.mark.data
def test_field_numbers_are_the_published_ones(shared_data):
    text = (shared_data / "meta" / "caffe_full.proto").read_text(encoding="utf-8")
    for message, fields in MESSAGES.items():
        body = text[text.index(f"message {message} {{") :]
        body = body[: body.index("\n}")]
        for field, number, _, _ in fields:
            assert re.search(rf"\s{field} = {number}\b", body), (message, field)
