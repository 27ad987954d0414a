"""The three few-shot networks: sizes of the paper, shapes, switches, gradients."""

import pytest
import torch

from talkface.errors import ConfigError
from talkface.models.discriminator import ProjectionDiscriminator
from talkface.models.embedder import Embedder
from talkface.models.fewshot import FewshotConfig
from talkface.models.generator import Generator

TINY = FewshotConfig(size=16, embedding=8, embedder="D8,A,D8", generator="D8k5,I,BA8,A,U8", discriminator="D8,A,D8,B8")


def millions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def sketches(count: int) -> torch.Tensor:
    return torch.rand(count, 3, TINY.size, TINY.size) * 2 - 1


def test_the_default_has_the_paper_s_sizes():
    config = FewshotConfig()
    assert millions(Embedder(config)) == pytest.approx(14.9, rel=0.01)
    generator = Generator(config)
    assert millions(generator) == pytest.approx(38.2, rel=0.01)
    assert generator.slots.length == 13184
    assert millions(ProjectionDiscriminator(config)) == pytest.approx(19.6, rel=0.01)


@pytest.mark.parametrize("pooling", ["sum", "max", "mean"])
def test_embeddings_of_shots_are_averaged(pooling: str):
    embedder = Embedder(FewshotConfig(**{**vars(TINY), "pooling": pooling})).eval()
    images = sketches(6).unflatten(0, (2, 3))
    together = embedder(images, -images)
    alone = torch.stack([embedder(images[:, k], -images[:, k]) for k in range(3)]).mean(0)
    assert together.shape == (2, 8) and (together >= 0).all()
    assert torch.allclose(together, alone, atol=1e-5)


def test_sum_pooling_is_mean_times_places():
    torch.manual_seed(0)
    summed = Embedder(TINY).eval()
    mean = Embedder(FewshotConfig(**{**vars(TINY), "pooling": "mean"})).eval()
    mean.load_state_dict(summed.state_dict())
    images = sketches(2)
    assert torch.allclose(summed(images, images), 16 * mean(images, images), rtol=1e-4)


def test_the_picture_depends_on_sketch_and_identity():
    torch.manual_seed(0)
    generator = Generator(TINY).eval()
    ours, other = generator.adain_params(torch.tensor([[1.0] * 8, [50.0] * 4 + [0.0] * 4])).chunk(2)
    sketch = sketches(2)
    picture = generator(sketch, ours)
    assert picture.shape == (2, 3, 16, 16) and picture.abs().max() <= 1
    assert not torch.allclose(picture, generator(sketch, other))
    assert not torch.allclose(picture[0], picture[1])


@pytest.mark.parametrize("output", ["tanh", "sigmoid"])
@pytest.mark.parametrize("generator", ["D8,BA8,U3", "D8,I,BS8,US8", "D8,D8,B8,U8,U3"])
def test_any_line_makes_a_generator(generator: str, output: str):
    config = FewshotConfig(**{**vars(TINY), "generator": generator, "output": output, "upsampling": "bilinear"})
    network = Generator(config)
    picture = network(sketches(2), network.adain_params(torch.rand(2, 8)))
    assert picture.shape == (2, 3, 16, 16) and picture.abs().max() <= 1
    picture.mean().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_projection_score_is_the_paper_s_formula():
    torch.manual_seed(0)
    network = ProjectionDiscriminator(TINY).eval()
    image, sketch, rows = sketches(2), sketches(2), torch.randn(2, 8)
    plain, features = network(image, sketch)
    told, _ = network(image, sketch, rows)
    x = features[-1].sum((2, 3)).relu()
    assert torch.allclose(plain, x @ network.common + network.bias, atol=1e-5)
    assert torch.allclose(told - plain, (x * rows).sum(1), atol=1e-4)
    assert [f.shape[-1] for f in features] == [8, 4, 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": "median"}, "invalid model.pooling 'median': expected one of sum, max, mean"),
        ({"embedding": 9}, "model.embedder ends with 8 channels, model.embedding is 9"),
        ({"embedder": "D8,U8"}, "model.embedder may hold D, B, J, JN and A only"),
        ({"generator": "D8,D8,U8"}, "expected as many doublings as halvings"),
        ({"size": 18}, "must be a multiple of 4"),
        ({"discriminator": "D8,Q8"}, "bad layer 'Q8'"),
    ],
)
def test_bad_settings_are_named(change: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        FewshotConfig(**{**vars(TINY), **change})
