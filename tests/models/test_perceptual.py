"""Order, range and mean of what each kind of perceptual network is fed, shown on a pure red picture."""

import pytest
import torch

from talkface.models.perceptual import KINDS, PerceptualNet, layer_shapes

RED = torch.tensor([1.0, -1.0, -1.0])[None, :, None, None].expand(1, 3, 32, 32)


@pytest.mark.parametrize(
    ("kind", "planes"),
    [
        ("caffe_vgg19", (0 - 103.939, 0 - 116.779, 255 - 123.680)),
        ("caffe_vggface", (0 - 93.5940, 0 - 104.7624, 255 - 129.1863)),
        ("torchvision_vgg19", ((1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0 - 0.406) / 0.225)),
        ("tiny", (1.0, -1.0, -1.0)),
    ],
)
def test_red_arrives_in_the_order_range_and_mean_of_the_weights(kind: str, planes: tuple[float, ...]):
    seen = PerceptualNet(kind).prepared(RED)
    assert torch.allclose(seen, torch.tensor(planes)[None, :, None, None].expand_as(seen), atol=1e-4)


@pytest.mark.parametrize("picture", [RED * 1.2, (RED + 1) * 127.5, torch.full((1, 3, 8, 8), -1.1)])
def test_another_range_is_refused(picture: torch.Tensor):
    with pytest.raises(ValueError, match=r"pictures must lie in \[-1, 1\]"):
        PerceptualNet("tiny")(picture)


def test_five_layers_are_taken_after_their_relu():
    features = PerceptualNet("tiny")(RED)
    assert [f.shape[1:] for f in features] == [(8, 32, 32), (16, 16, 16), (16, 8, 8), (32, 4, 4), (32, 2, 2)]
    assert all(f.min() >= 0 for f in features)


def test_layers_are_those_of_the_published_networks():
    names = [name for name, _, _ in layer_shapes("caffe_vgg19")]
    assert len(names) == 13 and names[-1] == "conv5_1" and "conv3_4" in names
    face = [name for name, _, _ in layer_shapes("caffe_vggface")]
    assert len(face) == 11 and face[-1] == "conv5_1" and "conv3_4" not in face
    assert layer_shapes("caffe_vgg19")[4] == ("conv3_1", 128, 256)


def test_the_fake_gets_a_gradient_and_the_weights_none():
    network = PerceptualNet("tiny")
    fake = torch.zeros(1, 3, 32, 32, requires_grad=True)
    sum(f.mean() for f in network(fake)).backward()
    assert fake.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())


def test_the_tiny_network_is_always_the_same():
    torch.manual_seed(1)
    first = PerceptualNet("tiny").state_dict()
    torch.manual_seed(2)
    second = PerceptualNet("tiny").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_paper_weights_belong_to_their_kind():
    assert KINDS["caffe_vgg19"].weights == {"v1": 1.5e-1, "v2": 1e-2}
    assert KINDS["caffe_vggface"].weights == {"v1": 2.5e-2, "v2": 2e-3}
    assert KINDS["torchvision_vgg19"].weights["v2"] == pytest.approx(0.574, abs=1e-3)
