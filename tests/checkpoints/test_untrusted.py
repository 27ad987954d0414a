"""Weights and identities of others: nothing in them is believed, run, or allowed to take more than they hold."""

import dataclasses
import json
import resource
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint, load_fewshot
from talkface.checkpoints.format import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from talkface.checkpoints.identity import FewshotPart, StoredIdentity, load_identity, save_identity
from talkface.checkpoints.load import load_audio2landmark, must_fit
from talkface.errors import CheckpointError, TalkfaceError
from talkface.inference.subject import load_heads
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models import renamed
from talkface.models.audio2landmark import Audio2Landmark
from talkface.models.fewshot import FewshotConfig
from talkface.models.hybrid import Hybrid
from talkface.renderers.fewshot import FewshotRenderer
from talkface.renderers.hybrid import build_hybrid
from talkface.types import Shot

SHIPPED = {"hybrid": build_hybrid, "audio2landmark": load_audio2landmark}


def stored(path: Path, header: object, tensors: dict[str, Tensor] | None = None) -> Path:
    """A safetensors file with any header at all."""
    text = header if isinstance(header, str) else json.dumps(header)
    save_file(tensors or {"a": torch.zeros(2)}, path, metadata={"talkface": text})
    return path


@pytest.mark.parametrize(
    "header",
    [
        "",
        "not json",
        "[]",
        "3",
        "{}",
        "[" * 100_000,
        {"format": 1},
        {"format": 1, "kind": "a"},
        {"format": "1", "kind": "a", "config": {}},
        {"format": 1, "kind": 3, "config": {}},
        {"format": 1, "kind": "a", "config": []},
        {"format": 1, "kind": "a", "config": {}, "provenance": "x"},
        {"format": 1, "kind": "a", "config": {}, "digest": "0" * 64},
        '{"format": 1, "kind": "a", "config": {"x": NaN}}',
    ],
)
def test_false_headers_are_refused(tmp_path: Path, header: object):
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        load_checkpoint(stored(tmp_path / "a.safetensors", header))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float, kind: torch.dtype):
    tensor = torch.zeros(1000, dtype=kind)
    tensor[500] = value
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint("a", {}, {"layer.weight": tensor}))
    with pytest.raises(CheckpointError, match=r"layer\.weight holds .*, expected finite numbers"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_one_changed_byte_of_a_tensor_is_noticed(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, Checkpoint("a", {}, {"w": torch.ones(100), "n": torch.arange(3)}))
    load_checkpoint(path)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="its tensors are not those that were written"):
        load_checkpoint(path)


def test_files_without_a_digest_are_still_read(tmp_path: Path):
    path = stored(tmp_path / "a.safetensors", {"format": 1, "kind": "a", "config": {}, "provenance": {}, "metrics": {}})
    assert load_checkpoint(path, "a").config == {}


def test_a_file_above_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint("a", {}, {"w": torch.ones(500_000)}))
    monkeypatch.setenv("TALKFACE_MAX_WEIGHTS_MB", "1")
    with pytest.raises(CheckpointError, match="TALKFACE_MAX_WEIGHTS_MB"):
        load_checkpoint(tmp_path / "a.safetensors")


def test_what_lies_at_a_predictable_temporary_name_is_left_alone(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "a.safetensors.part").symlink_to(victim)
    save_checkpoint(tmp_path / "a.safetensors", Checkpoint("a", {}, {"w": torch.ones(3)}))
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize(
    "change",
    [
        lambda value: 20_000,
        lambda value: 10**9,
        lambda value: -1,
        lambda value: "x",
        lambda value: None,
        lambda value: [value] * 1000,
        lambda value: {"a": 1},
    ],
)
def test_settings_that_ask_for_more_than_the_file_holds_take_no_memory(name: str, change):
    checkpoint = load_weights(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for key, value in checkpoint.config.items():
        if isinstance(value, int) and not isinstance(value, bool):
            altered = dataclasses.replace(checkpoint, config={**checkpoint.config, key: change(value)})
            try:
                with must_fit(name, altered.config, altered.tensors):
                    SHIPPED[name](altered)
            except CheckpointError as error:
                assert "\n" not in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_a_network_that_grows_without_end_is_stopped():
    with (
        pytest.raises(CheckpointError, match="ask for a far larger network than it holds"),
        must_fit("x", {"layers": 20_000}, {"w": torch.zeros(10)}),
    ):
        nn.GRU(4, 4, 20_000)
    with pytest.raises(CheckpointError, match="ask for a far larger network"), must_fit("x", {}, {}):
        nn.Linear(60_000, 60_000)


def test_what_fits_is_built_as_before():
    for name, build in SHIPPED.items():
        checkpoint = load_weights(name)
        with must_fit(name, checkpoint.config, checkpoint.tensors):
            built = build(checkpoint).state_dict()
        stored = renamed(checkpoint.tensors, {**Audio2Landmark.renamed, **Hybrid.renamed})
        shared = built.keys() & stored.keys()
        assert len(shared) > 50
        assert all(torch.equal(built[key], stored[key].float()) for key in shared)


def test_a_damaged_head_network_is_one_line(tmp_path: Path):
    checkpoint = load_weights("headmotion")
    for config in ({}, {**checkpoint.config, "hidden": 20_000}, {**checkpoint.config, "hidden": "a"}):
        save_checkpoint(tmp_path / "h.safetensors", dataclasses.replace(checkpoint, config=config))
        with pytest.raises(CheckpointError):
            load_heads(tmp_path / "h.safetensors")


@pytest.fixture
def identity(tmp_path: Path, astronaut: np.ndarray) -> Path:
    shot = Shot(astronaut, (62 * MEAN_FACE + [222, 122]).astype(np.float32))
    save_identity(tmp_path / "ada.safetensors", StoredIdentity((shot, shot)))
    return tmp_path / "ada.safetensors"


def test_faces_are_readable_by_their_owner_alone(identity: Path):
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600


def changed(path: Path, config: object = None, **tensors: Tensor | None) -> Path:
    """The identity with other settings or tensors; None takes one out."""
    kept = load_checkpoint(path)
    values = {**kept.tensors, **tensors}
    new = kept.config if config is None else config
    save_checkpoint(path, Checkpoint("identity", new, {k: v for k, v in values.items() if v is not None}))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"num_shots": 0},
        {"num_shots": -1},
        {"num_shots": 3},
        {"num_shots": "2"},
        {"num_shots": 10**9},
        {"num_shots": 2, "fewshot": 3},
        {"num_shots": 2, "fewshot": {}},
        {"num_shots": 2, "fewshot": {"network": "a", "config": {}}},
    ],
)
def test_false_settings_of_an_identity_are_refused(identity: Path, config: dict[str, object]):
    with pytest.raises(CheckpointError):
        load_identity(changed(identity, config))


@pytest.mark.parametrize(
    "landmarks",
    [
        torch.full((2, 68, 2), 1e9),
        torch.zeros(2, 68, 3),
        torch.zeros(1, 68, 2),
        torch.zeros(68, 2),
    ],
)
def test_false_landmarks_of_an_identity_are_refused(identity: Path, landmarks: Tensor):
    with pytest.raises(CheckpointError):
        load_identity(changed(identity, landmarks=landmarks))


def test_pictures_of_an_identity_are_png_within_the_limit(identity: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_identity(identity).shots[0].image.shape == (512, 512, 3)
    monkeypatch.setenv("TALKFACE_MAX_PIXELS", "100000")
    with pytest.raises(TalkfaceError, match="512x512, expected at most"):
        load_identity(identity)
    monkeypatch.delenv("TALKFACE_MAX_PIXELS")
    for content in (b"", b"%!PS-Adobe-3.0", b"P6 64 64 255\n" + bytes(64 * 64 * 3)):
        with pytest.raises(CheckpointError):
            load_identity(changed(identity, shot_0=torch.from_numpy(np.frombuffer(content + b" ", np.uint8).copy())))


@pytest.mark.slow("builds the few-shot networks at the paper's size")
def test_a_generator_that_does_not_fit_is_refused(tmp_path: Path, astronaut: np.ndarray):
    config = FewshotConfig(size=64, embedder="D8,D16", generator="D8,D16,U8,U8", discriminator="D8,D16", embedding=16)
    networks = build_fewshot(config)
    load_fewshot(fewshot_checkpoint(networks, {}))
    shot = Shot(astronaut, (62 * MEAN_FACE + [222, 122]).astype(np.float32))
    own = {k: v for k, v in networks.generator.state_dict().items() if not k.startswith("projection.")}
    length = networks.generator.slots.length
    renderer = FewshotRenderer(None, "", torch.device("cpu"))
    settings = json.loads(json.dumps(dataclasses.asdict(config)))
    right = FewshotPart("abc", settings, torch.zeros(config.embedding), torch.zeros(length), own)
    save_identity(tmp_path / "a.safetensors", StoredIdentity((shot,), right))
    renderer.enroll_stored(load_identity(tmp_path / "a.safetensors"))
    for part in (
        dataclasses.replace(right, adain_params=torch.zeros(length - 2)),
        dataclasses.replace(right, config={**settings, "generator": "D8,D16,U8,U8*500"}),
        dataclasses.replace(right, config={**settings, "generator": "D90000,U90000"}),
        dataclasses.replace(right, config={**settings, "nonsense": 1}),
        dataclasses.replace(right, generator={**own, "extra": torch.zeros(3)}),
    ):
        save_identity(tmp_path / "b.safetensors", StoredIdentity((shot,), part))
        with pytest.raises(CheckpointError):
            renderer.enroll_stored(load_identity(tmp_path / "b.safetensors"))


def test_kept_identities_are_listed_and_deleted(
    tmp_path: Path, identity: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    from talkface.__main__ import run
    from talkface.checkpoints.identity import make_identity_folder

    monkeypatch.setenv("TALKFACE_IDENTITIES", str(tmp_path / "people"))
    assert run(["identities", "list"]) == 0
    assert "no identities in" in capsys.readouterr().out
    (tmp_path / "people").mkdir(mode=0o755)
    folder = make_identity_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    identity.rename(folder / "ada.safetensors")
    assert run(["identities", "list"]) == 0
    assert capsys.readouterr().out.startswith("ada  20")
    assert run(["identities", "delete", "-y", "bob"]) == 1
    assert "kept are ada" in capsys.readouterr().err
    assert run(["identities", "delete", "-y", "ada"]) == 0
    assert not list(folder.iterdir())
