"""Four code bases of the few-shot renderer, number for number: weights by formula through the converter."""

from pathlib import Path

import pytest
import torch

from talkface.checkpoints.convert.fewshot import (
    convert_discriminator,
    convert_embedder,
    convert_generator,
    fewshot_config,
    video_rows,
)
from talkface.config import load_config
from talkface.models.discriminator import ProjectionDiscriminator
from talkface.models.embedder import Embedder
from talkface.models.generator import Generator
from talkface.training.jobs.fewshot_config import FewshotTraining

NAMES = {"vt": "vt", "grey-eye": "grey", "reenactment": "reenactment", "fewshot-authors": "fsth"}
KINDS = tuple(NAMES)
EVERY = 5  # rows and columns of the stored pictures


def config_of(kind: str, size: int = 256, padded: int = 0):
    """The stored pictures are upright, so the networks must not transpose them."""
    return fewshot_config(kind, size=size, padded=padded, transposed=False)


def signed(picture: torch.Tensor) -> torch.Tensor:
    return picture.float() / 127.5 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_embedders_are_equal(kind: str, golden, parity, counted):
    stored = golden(f"{NAMES[kind]}_embedder")
    network = Embedder(config_of(kind)).eval()
    counted(f"{kind} embedder", network, stored.count())
    network.load_state_dict(convert_embedder(kind, stored.weights(), network, "test"))
    image, sketch = (signed(stored.picture(f"{NAMES[kind]}_discriminator_{what}")) for what in ("image", "sketch"))
    with torch.no_grad():
        parity(f"{kind} embedder", network(image, sketch), stored["embedding"])


@pytest.mark.parametrize("kind", KINDS)
def test_generators_are_equal(kind: str, golden, parity, counted):
    name = "vt_generator_256" if kind == "vt" else f"{NAMES[kind]}_generator"
    stored = golden(name)
    network = Generator(config_of(kind)).eval()
    counted(f"{kind} generator", network, stored.count(without=("psi",)))
    tensors = convert_generator(kind, stored.weights(), network, "test")
    network.load_state_dict(tensors)
    sketch = signed(stored.picture(f"{name}_sketch"))
    params = network.adain_params(golden(f"{NAMES[kind]}_embedder")["embedding"].flatten(1))
    with torch.no_grad():
        picture = network(sketch, params)
        wanted = stored["picture"] if kind == "fewshot-authors" else 2 * stored["picture"] - 1
        parity(f"{kind} generator", picture[..., ::EVERY, ::EVERY], wanted, 2e-5)
        if kind == "vt":
            small = Generator(config_of(kind, 224, 256)).eval()
            small.load_state_dict(tensors)
            picture = small(sketch[..., :224, :224], params)[..., ::EVERY, ::EVERY]
            wanted = 2 * golden("vt_generator_224")["picture"].float() - 1
            parity("vt generator at 224, stored in float16", picture, wanted, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_discriminators_are_equal(kind: str, golden, parity, counted):
    stored = golden(f"{NAMES[kind]}_discriminator")
    size = (224, 256) if kind == "vt" else (256, 0)
    network = ProjectionDiscriminator(config_of(kind, *size)).eval()
    outside = {
        "vt": ("W_i", "w_prime"),
        "grey-eye": ("W",),
        "reenactment": ("embedding",),
        "fewshot-authors": ("embed",),
    }
    counted(f"{kind} discriminator", network, stored.count(without=outside[kind]))
    weights = stored.weights()
    network.load_state_dict(convert_discriminator(kind, weights, network, "test"))
    image, sketch = (
        signed(stored.picture(f"{NAMES[kind]}_discriminator_{what}"))[..., : size[0], : size[0]]
        for what in ("image", "sketch")
    )
    table = video_rows(kind, weights)
    assert table is not None
    with torch.no_grad():
        score, features = network(image, sketch, table[-1:])
    parity(f"{kind} discriminator, score", score, stored["score"])
    wanted = [stored[key] for key in sorted(stored.arrays) if key.startswith("feature_mean")]
    if kind == "grey-eye":
        del wanted[3]  # after its attention, which the others leave out
    for place, (feature, mean) in enumerate(zip(features, wanted, strict=True)):
        parity(f"{kind} discriminator, features {place}", feature.mean((2, 3)), mean)


@pytest.mark.parametrize(
    ("kind", "preset"),
    [("vt", "vt"), ("grey-eye", "grey"), ("reenactment", "reenactment"), ("fewshot-authors", "authors")],
)
def test_presets_train_the_very_networks(kind: str, preset: str):
    path = Path(__file__).parents[2] / "configs" / "renderer" / f"fewshot_{preset}.yaml"
    model = load_config(FewshotTraining, path).model
    assert model == fewshot_config(kind, transposed=False)
