"""The few-shot renderer on a small network: the photo around the face stays, and nothing steps at the face's edge."""

import numpy as np
import pytest
import torch

from talkface.checkpoints.fewshot import build_fewshot, fewshot_checkpoint, load_fewshot
from talkface.checkpoints.format import Checkpoint, file_hash, load_checkpoint, save_checkpoint
from talkface.checkpoints.identity import FewshotPart, StoredIdentity, load_identity, save_identity
from talkface.data.samplers.shot_pictures import picture_map, signed, sketch_picture, unsigned
from talkface.errors import CheckpointError
from talkface.inference.enroll import make_identity
from talkface.inference.photos import Shots
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.models.fewshot import FewshotConfig
from talkface.renderers.blend import even_edge, face_mask, unlike
from talkface.renderers.fewshot import FewshotRenderer, embed_shots
from talkface.renderers.load import load_renderer
from talkface.types import Shot

SMALL = FewshotConfig(
    size=32, crop="face", embedding=8, embedder="D8,D8,D8", generator="D8,I,D8,I,BA8,U8,U8", discriminator="D8,D8,B8"
)


@pytest.fixture
def shots(astronaut) -> list[Shot]:
    landmarks = (62 * MEAN_FACE + [222, 122]).astype(np.float32)
    darker = (astronaut * 0.8).astype(np.uint8)
    return [Shot(astronaut, landmarks), Shot(darker, landmarks + np.float32(1))]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "few.safetensors"
    save_checkpoint(path, fewshot_checkpoint(build_fewshot(SMALL), {}))
    return path


@pytest.fixture
def renderer(weights) -> FewshotRenderer:
    return load_renderer("fewshot", "cpu", weights)


def opened(landmarks: np.ndarray) -> np.ndarray:
    moved = np.repeat(landmarks[None], 3, 0)
    moved[1:, [55, 56, 57, 58, 59, 65, 66, 67, 7, 8, 9], 1] += 10
    return moved


def test_what_is_away_from_the_face_is_the_photos_own(renderer, shots):
    targets = opened(shots[0].landmarks)
    frames = list(renderer.render(renderer.enroll(shots), targets))
    assert len(frames) == 3
    for frame in frames:
        assert frame.image.shape == shots[0].image.shape
        np.testing.assert_array_equal(frame.image[:, 420:], shots[0].image[:, 420:])
        np.testing.assert_array_equal(frame.image[330:], shots[0].image[330:])
        assert frame.mask is not None and 0.9 < frame.mask.max() <= 1
    assert not np.array_equal(frames[0].image, shots[0].image)


def test_the_embedding_is_the_mean_over_shots_and_is_made_once(renderer, shots):
    both = renderer.embed(shots).embedding
    single = [renderer.embed([shot]).embedding for shot in shots]
    torch.testing.assert_close(both, (single[0] + single[1]) / 2)
    identity = renderer.enroll(shots)
    calls = []
    renderer.networks.embedder.register_forward_hook(lambda *_: calls.append(1))
    list(renderer.render(identity, opened(shots[0].landmarks)))
    assert not calls


def test_a_stored_identity_renders_as_its_photos_do(tmp_path, renderer, shots):
    save_identity(tmp_path / "p.safetensors", make_identity(Shots(shots, 1, []), renderer, {}))
    stored = load_identity(tmp_path / "p.safetensors")
    targets = opened(shots[0].landmarks)
    for fresh, kept in zip(
        renderer.render(renderer.enroll(shots), targets),
        renderer.render(renderer.enroll_stored(stored), targets),
        strict=True,
    ):
        np.testing.assert_array_equal(fresh.image, kept.image)


def test_an_identity_of_another_network_or_of_none_is_refused(weights, renderer, shots):
    part = renderer.embed(shots)
    assert part.network == file_hash(weights)
    other = StoredIdentity(tuple(shots), FewshotPart("0" * 12, part.config, part.embedding, part.adain_params))
    with pytest.raises(CheckpointError, match="was embedded by network 000000000000, the given one is"):
        renderer.enroll_stored(other)
    without = load_renderer("fewshot", "cpu")
    with pytest.raises(CheckpointError, match="not fine-tuned, by network 000000000000: give that network"):
        without.enroll_stored(other)
    with pytest.raises(CheckpointError, match="ships no network: give --renderer-model"):
        without.enroll(shots)


def test_another_kind_of_network_is_refused(tmp_path):
    save_checkpoint(tmp_path / "h.safetensors", Checkpoint("hybrid", {}, {"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="holds a network of kind hybrid, expected fewshot"):
        load_renderer("fewshot", "cpu", tmp_path / "h.safetensors")


def test_a_cast_of_colour_vanishes_at_the_edge_and_detail_stays():
    points = 20 * MEAN_FACE + 32
    mask = face_mask(points, 64)
    assert mask[0].max() == mask[:, 0].max() == 0 and mask[32, 32] > 0.95
    change = np.full((64, 64, 3), [30.0, -20.0, 10.0], np.float32)
    change[28:36, 28:36] += 50
    even = even_edge(change, mask)
    edge = (mask > 0.05) & (mask < 0.5)
    assert np.abs(even[edge]).max() < 3
    assert even[32, 32].min() > 35


def test_another_thing_beside_the_face_casts_no_light_on_it():
    mask = face_mask(20 * MEAN_FACE + 32, 64)
    change = np.full((64, 64, 3), [6.0, -4.0, 2.0], np.float32)
    column = np.flatnonzero((mask[32] > 0.1) & (mask[32] < 0.9)).max()
    change[:, column - 2 :] = [-60, 40, 110]  # a blue curtain where the face was
    cheek = even_edge(change, mask)[20:44, column - 14 : column - 6]
    assert np.abs(cheek).max() < 12


def test_the_photos_detail_stays_where_both_agree_and_goes_where_they_do_not():
    change = np.full((64, 64, 3), 4.0, np.float32)
    change[:, 32:] = 60
    goes = unlike(change)
    assert goes[:, :28].max() == 0 and goes[:, 36:].min() == 1


def test_the_picture_follows_the_head(renderer, shots):
    """The network was trained on faces in the middle of its picture."""
    identity = renderer.enroll(shots)
    moved = shots[0].landmarks + np.float32([20, -10])
    here, there = (identity.to_picture(points) for points in (shots[0].landmarks, moved))
    nose, nose_there = (
        matrix[:, :2] @ p[30] + matrix[:, 2] for matrix, p in ((here, shots[0].landmarks), (there, moved))
    )
    np.testing.assert_allclose(nose, nose_there, atol=1e-3)
    pictures = renderer.generate(identity, np.stack([shots[0].landmarks, moved]))
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 2


def test_settled_networks_paint_what_the_trained_ones_do(weights, renderer, shots):
    points = opened(shots[0].landmarks)
    fast = renderer.generate(renderer.enroll(shots), points)
    trained = load_fewshot(load_checkpoint(weights, "fewshot"))
    part = embed_shots(trained, "", shots, torch.device("cpu"))
    maps = [picture_map(landmarks, SMALL.crop, SMALL.crop_side, SMALL.size) for landmarks in points]
    sketches = [
        sketch_picture(landmarks, to, SMALL.size, SMALL.sketch) for landmarks, to in zip(points, maps, strict=True)
    ]
    with torch.no_grad():
        slow = unsigned(trained.generator.eval()(signed(sketches), part.adain_params[None]))
    assert np.abs(fast.astype(int) - slow).max() <= 1
    assert all(layer._ready is not None for layer in renderer.networks.generator.modules() if hasattr(layer, "_ready"))
