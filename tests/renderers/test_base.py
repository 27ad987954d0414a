"""Both renderer families on the NASA portrait and on drawn photos: still backgrounds, sizes, shots, errors."""

import numpy as np
import pytest
import torch

from talkface.checkpoints.format import Checkpoint
from talkface.errors import CheckpointError, ConfigError
from talkface.geometry.affine import transform
from talkface.geometry.resample import look_up
from talkface.landmarks.deform import head_ellipse
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.pose import move_head
from talkface.models.hybrid import Hybrid, HybridConfig
from talkface.renderers.base import Rendered
from talkface.renderers.canvas import Canvas, CanvasSettings
from talkface.renderers.hybrid import HybridRenderer, build_hybrid, spread_shots
from talkface.renderers.load import load_renderer, pick_device
from talkface.renderers.warp import WarpRenderer
from talkface.types import HeadPose, Shot

WHOLE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
EYES = 62.0  # pixels between the portrait's outer eye corners


@pytest.fixture
def shot(astronaut) -> Shot:
    return Shot(astronaut, (MEAN_FACE * EYES + np.array([222, 122])).astype(np.float32))


@pytest.fixture(params=["warp", "hybrid"])
def renderer(request):
    if request.param == "warp":
        return WarpRenderer()
    torch.manual_seed(0)
    return HybridRenderer(Hybrid(HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8)), torch.device("cpu"))


def opened(landmarks: np.ndarray, amount: float) -> np.ndarray:
    moved = landmarks.copy()
    moved[[55, 56, 57, 58, 59, 65, 66, 67, 7, 8, 9], 1] += amount
    return moved


def test_background_is_the_photos_own_bit_for_bit(renderer, shot):
    targets = np.stack([opened(shot.landmarks, amount) for amount in (0, 8, 16)])
    frames = list(renderer.render(renderer.enroll([shot]), targets))
    assert len(frames) == 3
    for frame in frames:
        assert frame.image.shape == shot.image.shape and frame.image.dtype == np.uint8
        assert np.array_equal(frame.image[:, 420:], shot.image[:, 420:])
        assert np.array_equal(frame.image[330:], shot.image[330:])
    assert not np.array_equal(frames[2].image, shot.image)
    assert np.array_equal(renderer.enroll([shot]).canvases[0].shot.image, shot.image)


def test_frames_are_the_same_however_they_are_blocked(renderer, shot):
    targets = np.stack([opened(shot.landmarks, amount) for amount in range(10)])
    identity = renderer.enroll([shot])
    at_once = [frame.image for frame in renderer.render(identity, targets)]
    one_by_one = [next(iter(renderer.render(identity, target[None]))).image for target in targets]
    for a, b in zip(at_once, one_by_one, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 2


def test_its_own_landmarks_give_the_photo(renderer, shot):
    frame = next(iter(renderer.render(renderer.enroll([shot]), shot.landmarks[None])))
    assert np.array_equal(frame.image, shot.image)


@pytest.mark.parametrize("corner", [(30, 60), (470, 460)])
def test_faces_cut_off_by_the_border_render(renderer, astronaut, corner):
    cut = Shot(astronaut, (MEAN_FACE * EYES + np.array(corner)).astype(np.float32))
    frame = next(iter(renderer.render(renderer.enroll([cut]), opened(cut.landmarks, 10)[None])))
    assert frame.image.shape == astronaut.shape


def test_tiny_and_huge_photos_keep_their_size(renderer, astronaut):
    tiny = Shot(np.ascontiguousarray(astronaut[::8, ::8]), (MEAN_FACE * EYES / 8 + 25).astype(np.float32))
    huge = Shot(astronaut.repeat(6, 0).repeat(6, 1), (MEAN_FACE * EYES * 6 + np.array([1332, 732])).astype(np.float32))
    for case, amount in ((tiny, 1.0), (huge, 60.0)):
        frame = next(iter(renderer.render(renderer.enroll([case]), opened(case.landmarks, amount)[None])))
        assert frame.image.shape == case.image.shape


def test_grey_photos_stay_grey(renderer, shot):
    grey = Shot(np.repeat(shot.image.mean(2, keepdims=True).astype(np.uint8), 3, 2), shot.landmarks)
    frame = next(iter(renderer.render(renderer.enroll([grey]), opened(shot.landmarks, 12)[None])))
    assert np.ptp(frame.image.astype(int), axis=2).max() <= 12


def test_strips_leave_no_seam(shot):
    target = opened(shot.landmarks, 12)
    whole = Canvas(shot).warp(Canvas(shot).deform(target))
    large = Shot(shot.image.repeat(2, 0).repeat(2, 1), shot.landmarks * 2 + np.float32(0.5))
    canvas = Canvas(large, CanvasSettings(strip_pixels=1))
    strips = canvas.warp(canvas.deform(target * 2 + 0.5))
    small = strips.reshape(512, 2, 512, 2, 3).mean((1, 3))
    assert np.abs(small - whole).mean() < 0.5


def test_several_shots_lend_their_mouths(shot):
    network = Hybrid(HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8))
    renderer = HybridRenderer(network, torch.device("cpu"))
    other = Shot(shot.image[:, ::-1].copy(), opened(shot.landmarks + np.array([68, 0]), 10).astype(np.float32))
    identity = renderer.enroll([shot, other])
    assert len(identity.canvases) == 2
    frame = next(iter(renderer.render(identity, opened(shot.landmarks, 8)[None])))
    assert np.array_equal(frame.image[330:], shot.image[330:])


def test_shots_that_differ_most_are_used(shot):
    shots = [Shot(shot.image, opened(shot.landmarks, amount).astype(np.float32)) for amount in (0, 1, 2, 20, 10)]
    used = spread_shots(shots, 3)
    assert used[0] is shots[0] and {id(each) for each in used[1:]} == {id(shots[3]), id(shots[4])}


def test_explicit_references_lend_their_mouths_and_missing_ones_are_named(shot):
    network = Hybrid(HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8))
    shots = [Shot(shot.image, opened(shot.landmarks, amount).astype(np.float32)) for amount in (0, 1, 2, 20)]
    identity = HybridRenderer(network, torch.device("cpu"), ref_ids=(2, 1)).enroll(shots)
    assert [canvas.shot for canvas in identity.canvases] == [shots[0], shots[2], shots[1]]
    with pytest.raises(ConfigError, match="reference photos 7 asked for, but those given are 0 to 3"):
        HybridRenderer(network, torch.device("cpu"), ref_ids=(7,)).enroll(shots)


def test_the_nearest_references_are_those_turned_alike(shot):
    """Three photos of which two fit: the second is the one whose head is turned as the target's."""
    turned = [Shot(shot.image, yawed(shot.landmarks, angle)) for angle in (0.0, -0.4, 0.4)]
    config = HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8, pick="nearest", max_shots=2)
    renderer = HybridRenderer(Hybrid(config), torch.device("cpu"))
    identity = renderer.enroll(turned)
    assert len(identity.canvases) == 3
    views = renderer._look(identity, np.stack([yawed(shot.landmarks, angle) for angle in (-0.3, 0.3)]))
    assert views.chosen.tolist() == [[0, 1], [0, 2]] and views.warped.shape[:2] == (2, 2)
    assert len(list(renderer.render(identity, shot.landmarks[None]))) == 1


def yawed(landmarks: np.ndarray, angle: float) -> np.ndarray:
    canonical = ((landmarks - np.array([222, 122])) / EYES)[None].astype(np.float32)
    pose = HeadPose(np.array([[0, angle, 0]], np.float32), np.zeros((1, 2), np.float32))
    return (move_head(canonical, pose)[0] * EYES + np.array([222, 122])).astype(np.float32)


def test_mask_and_sketch_have_the_photos_size(shot):
    network = Hybrid(HybridConfig(patch=48, channels=(8, 8, 8), depth=1, embedding=8))
    renderer = HybridRenderer(network, torch.device("cpu"))
    frame: Rendered = next(iter(renderer.render(renderer.enroll([shot]), opened(shot.landmarks, 8)[None])))
    assert frame.mask is not None and frame.mask.shape == (512, 512)
    assert frame.mask.max() > 0.2 and frame.mask[400:].max() == 0
    assert frame.sketch.shape == (512, 512, 3)


def test_errors_say_what_to_do():
    with pytest.raises(ConfigError, match="unknown renderer 'nerf': expected one of hybrid, warp"):
        load_renderer("nerf")
    with pytest.raises(ConfigError, match="not on this machine"):
        pick_device("tpu")
    with pytest.raises(CheckpointError, match="does not fit this version"):
        build_hybrid(Checkpoint("hybrid", {"channels": [1, 2], "depths": 3}, {}))


def test_a_moving_head_leaves_the_background_behind(shot):
    """Stripes beside the head stay where they are, not smeared by the ring in which a head's motion fades out."""
    striped = shot.image.copy()
    person = (
        np.linalg.norm(transform(head_ellipse(shot.landmarks), _grid(striped)), axis=1).reshape(striped.shape[:2])
        < 1.25
    )
    person |= np.arange(len(striped))[:, None] > 200
    stripes = np.where((np.arange(len(striped)) // 6) % 2, 190, 120).astype(np.uint8)
    striped[~person] = np.broadcast_to(stripes[:, None, None], striped.shape)[~person]
    canvas = Canvas(Shot(striped, shot.landmarks))
    deformation = canvas.deform(shot.landmarks + np.array([0, 14], np.float32))
    frame = canvas.warp(deformation)
    beside = ~person & (deformation.moved > 0)
    offsets = deformation.offsets(canvas.work_affine, striped.shape[1::-1])
    pulled = beside & (np.abs(offsets).max(-1) > 2)
    assert pulled.sum() > 500
    smeared = look_up(striped, offsets / canvas.zoom, WHOLE)
    assert (
        np.abs(frame.astype(int) - striped)[pulled].mean() < 0.4 * np.abs(smeared.astype(int) - striped)[pulled].mean()
    )


def test_a_matte_begun_early_changes_no_frame(shot):
    target = shot.landmarks + np.array([0, 14], np.float32)
    early, late = Canvas(shot), Canvas(shot)
    early.start_matte()
    early.start_matte()
    assert np.array_equal(early.warp(early.deform(target)), late.warp(late.deform(target)))


def _grid(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2).astype(float)
