"""Four code bases of the few-shot renderer, number for number.

Weights by formula, saved as each code base saves them, go through `talkface models convert`; what is read from the
converted file gives the stored outputs.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from talkface.__main__ import run
from talkface.checkpoints.convert.fewshot import fewshot_config
from talkface.checkpoints.fewshot import FewshotNetworks, build_fewshot, load_fewshot
from talkface.checkpoints.format import load_checkpoint
from talkface.config import load_config
from talkface.training.jobs.fewshot_config import FewshotTraining

NAMES = {"vt": "vt", "grey-eye": "grey", "reenactment": "reenactment", "fewshot-authors": "fsth"}
OUTSIDE = {"vt": ("W_i", "w_prime"), "grey-eye": ("W",), "reenactment": ("embedding",), "fewshot-authors": ("embed",)}
EVERY = 5  # rows and columns of the stored pictures
States = dict[str, dict[str, torch.Tensor]]


def signed(picture: torch.Tensor) -> torch.Tensor:
    return picture.float() / 127.5 - 1


def save_vt(states: States, folder: Path) -> Path:
    path = folder / "model_weights.tar"
    named = {f"{role[0].upper()}_state_dict": state for role, state in states.items()}
    torch.save({"epoch": 3, "lossesG": [0.5], "lossesD": [1.5], "num_vid": 1, "i_batch": 7, **named}, path)
    return path


def save_grey(states: States, folder: Path) -> Path:
    for role, state in states.items():
        torch.save(state, folder / f"{role.capitalize()}_20190701_1200.pth")
    return folder


def save_reenactment(states: States, folder: Path) -> Path:
    path = folder / "model_5000.pkl"
    torch.save([1, 2, 5000, states["generator"], states["embedder"], states["discriminator"]], path)
    return path


def save_authors(states: States, folder: Path) -> Path:
    path = folder / "model_00005000.pth"
    untrained = {
        role: {name: torch.zeros_like(t) for name, t in states[role].items()} for role in ("embedder", "generator")
    }
    averaged = {role: states[role] for role in untrained}
    rest = {"running_averages": averaged, "args": argparse.Namespace(num_gpus=2, generator="FSTH")}
    torch.save({**untrained, "discriminator": states["discriminator"], **rest}, path)
    return path


SAVERS: dict[str, Callable[[States, Path], Path]] = {
    "vt": save_vt,
    "grey-eye": save_grey,
    "reenactment": save_reenactment,
    "fewshot-authors": save_authors,
}


@pytest.fixture(scope="module", params=list(NAMES))
def converted(request, golden, tmp_path_factory) -> tuple[str, Path, np.ndarray]:
    """Kind, converted file and W."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    (folder / "published").mkdir()
    names = {role: f"{NAMES[kind]}_{role}" for role in ("embedder", "generator", "discriminator")}
    names["generator"] += "_256" if kind == "vt" else ""
    file = SAVERS[kind]({role: golden(name).weights() for role, name in names.items()}, folder / "published")
    out, table = folder / "fewshot.safetensors", folder / "table.npy"
    assert run(["models", "convert", "auto", str(file), str(out), "--table", str(table)]) == 0
    return kind, out, np.load(table)


def load(path: Path, size: int = 256, padded: int = 0) -> FewshotNetworks:
    """The converted networks for upright pictures of another size: the stored ones are."""
    checkpoint = load_checkpoint(path)
    config = {**checkpoint.config, "size": size, "padded": padded, "transposed": False}
    return load_fewshot(replace(checkpoint, config=config))


def test_converted_networks_are_equal(converted, golden, parity, counted):
    kind, path, table = converted
    name = NAMES[kind]
    networks = load(path)
    stored = golden(f"{name}_embedder")
    image, sketch = (signed(stored.picture(f"{name}_discriminator_{what}")) for what in ("image", "sketch"))
    counted(f"{kind} embedder", networks.embedder, stored.count())
    with torch.no_grad():
        parity(f"{kind} embedder", networks.embedder(image, sketch), stored["embedding"])

    stored_picture = golden(f"{name}_generator{'_256' if kind == 'vt' else ''}")
    counted(f"{kind} generator", networks.generator, stored_picture.count(without=("psi",)))
    driven = signed(stored.picture(f"{stored_picture.name}_sketch"))
    params = networks.generator.adain_params(stored["embedding"].flatten(1))
    with torch.no_grad():
        picture = networks.generator(driven, params)[..., ::EVERY, ::EVERY]
    wanted = stored_picture["picture"]
    if kind == "fewshot-authors":
        parity(f"{kind} generator", picture, wanted)
    else:
        parity(f"{kind} generator", (picture + 1) / 2, wanted)

    stored_score = golden(f"{name}_discriminator")
    size = 224 if kind == "vt" else 256
    if kind == "vt":
        networks = load(path, 224, 256)
        with torch.no_grad():
            small = networks.generator(driven[..., :224, :224], params)[..., ::EVERY, ::EVERY]
        wanted = golden("vt_generator_224")["picture"].float()
        parity("vt generator at 224, stored in float16", (small + 1) / 2, wanted, 5e-4)
    counted(f"{kind} discriminator", networks.discriminator, stored_score.count(without=OUTSIDE[kind]))
    with torch.no_grad():
        row = torch.from_numpy(table[-1:])
        score, features = networks.discriminator(image[..., :size, :size], sketch[..., :size, :size], row)
    parity(f"{kind} discriminator, score", score, stored_score["score"])
    means = [stored_score[key] for key in sorted(stored_score.arrays) if key.startswith("feature_mean")]
    if kind == "grey-eye":
        del means[3]  # after its attention, which the others leave out
    for place, (feature, mean) in enumerate(zip(features, means, strict=True)):
        parity(f"{kind} discriminator, features {place}", feature.mean((2, 3)), mean)


def test_vincent_thevenin_s_networks_see_pictures_on_their_side():
    """Its dataset exchanges rows and columns, so its weights want pictures so; ours are given and give upright ones."""
    torch.manual_seed(0)
    config = fewshot_config(
        "vt", size=24, padded=32, embedding=8, embedder="D8,A,D8", generator="D8,I,BA8,U4", discriminator="D8,D8,JN8"
    )
    lying = build_fewshot(config)
    upright = build_fewshot(replace(config, transposed=False))
    for ours, theirs in zip(upright.by_name().values(), lying.by_name().values(), strict=True):
        ours.load_state_dict(theirs.state_dict())
        ours.eval(), theirs.eval()
    image, sketch = torch.rand(1, 3, 24, 24) * 2 - 1, torch.rand(1, 3, 24, 24) * 2 - 1
    embedding = lying.embedder(image, sketch)
    assert torch.allclose(embedding, upright.embedder(image.mT, sketch.mT), atol=1e-6)
    params = lying.generator.adain_params(embedding)
    assert torch.allclose(lying.generator(sketch, params), upright.generator(sketch.mT, params).mT, atol=1e-6)
    assert not torch.allclose(lying.generator(sketch, params), upright.generator(sketch, params), atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "preset"),
    [("vt", "vt"), ("grey-eye", "grey"), ("reenactment", "reenactment"), ("fewshot-authors", "authors")],
)
def test_presets_train_the_very_networks(kind: str, preset: str):
    path = Path(__file__).parents[2] / "configs" / "renderer" / f"fewshot_{preset}.yaml"
    model = load_config(FewshotTraining, path).model
    assert asdict(model) == asdict(fewshot_config(kind, transposed=False))
