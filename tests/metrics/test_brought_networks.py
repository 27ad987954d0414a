"""Measures whose networks the user brings, on small or random networks in the real file formats."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from talkface.errors import CheckpointError
from talkface.geometry.affine import fit_similarity, transform
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.metrics.arcface import TEMPLATE, ArcFace, five_points
from talkface.metrics.face_id import cosine

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
FACE = np.asarray(MEAN_FACE, np.float32) * 90 + np.array([150, 140], np.float32)


def arcface_file(path: Path) -> Path:
    """`[1, 3, 112, 112]` -> `[1, 512]`: 14-pixel means through a fixed random matrix, as an .onnx file."""
    rng = np.random.default_rng(0)
    weight = onnx.numpy_helper.from_array(rng.standard_normal((3 * 8 * 8, 512)).astype(np.float32), "weight")
    nodes = [
        onnx.helper.make_node("AveragePool", ["input.1"], ["means"], kernel_shape=[14, 14], strides=[14, 14]),
        onnx.helper.make_node("Flatten", ["means"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "weight"], ["embedding"]),
    ]
    kind = onnx.TensorProto.FLOAT
    inputs = [onnx.helper.make_tensor_value_info("input.1", kind, ["batch", 3, 112, 112])]
    outputs = [onnx.helper.make_tensor_value_info("embedding", kind, ["batch", 512])]
    graph = onnx.helper.make_graph(nodes, "arcface", inputs, outputs, [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=9)
    onnx.save(model, path)
    return path


def test_arcface_sees_the_aligned_chip(astronaut: np.ndarray, tmp_path: Path):
    network = ArcFace(arcface_file(tmp_path / "w600k.onnx"))
    image = np.ascontiguousarray(astronaut[:300, :300])
    embedding = network.embed(image, FACE)
    assert embedding.shape == (512,)
    assert cosine(embedding, embedding) == pytest.approx(1.0)
    double = np.asarray(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    turned = np.ascontiguousarray(np.rot90(image))
    points = np.column_stack([FACE[:, 1], 299 - FACE[:, 0]]).astype(np.float32)
    assert cosine(embedding, network.embed(double, FACE * 2 + 0.5)) > 0.99
    assert cosine(embedding, network.embed(turned, points)) > 0.99
    assert cosine(embedding, network.embed(image[::-1].copy(), FACE)) < 0.9
    dark = network.embed(np.zeros_like(image), FACE)
    bright = network.embed(np.full_like(image, 255), FACE)
    np.testing.assert_allclose(dark, -bright, atol=1e-4)  # -1 to 1, as insightface's networks are fed


def test_five_points_lie_as_in_the_template():
    points = five_points(FACE)
    assert points.shape == TEMPLATE.shape
    laid = transform(fit_similarity(points, TEMPLATE), points)
    assert np.abs(laid - TEMPLATE).max() < 6  # pixels of 112: the mean face is not ArcFace's
    mirrored = transform(fit_similarity(points[[1, 0, 2, 4, 3]], TEMPLATE), points[[1, 0, 2, 4, 3]])
    assert np.abs(mirrored - TEMPLATE).max() > 12


def test_a_file_that_is_no_face_network_is_refused(tmp_path: Path):
    text = tmp_path / "text.onnx"
    text.write_text("nothing")
    for path in (text, tmp_path / "none.onnx"):
        with pytest.raises(CheckpointError, match=path.name):
            ArcFace(path)


@pytest.fixture(scope="module")
def pictures(astronaut: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(astronaut[i * 20 : i * 20 + 128, 100:228]) for i in range(4)]


def test_lpips_is_zero_for_equal_and_grows_with_blur(pictures: list[np.ndarray], tmp_path: Path):
    torchvision = pytest.importorskip("torchvision")
    pytest.importorskip("torchmetrics")
    from talkface.metrics.lpips_fid import Lpips

    torch.manual_seed(0)
    weights = tmp_path / "alexnet.pth"
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), weights)
    judge = Lpips(weights)
    values = []
    for sigma in (0.0, 1.0, 3.0):
        for picture in pictures:
            judge.add(np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma)) if sigma else picture, picture)
        values.append(judge.result())
    assert values[0] == 0.0
    assert 0 < values[1] < values[2]
    assert np.isnan(judge.result())
    again = Lpips(weights)
    again.add(np.asarray(cv2.GaussianBlur(pictures[0], (0, 0), 3.0)), pictures[0])
    first = again.result()
    torch.manual_seed(1)
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), weights)
    other = Lpips(weights)
    other.add(np.asarray(cv2.GaussianBlur(pictures[0], (0, 0), 3.0)), pictures[0])
    assert other.result() != first  # the file's backbone is the one that looks
    torch.save({"features.0.weight": torch.zeros(3)}, weights)
    with pytest.raises(CheckpointError, match="alexnet"):
        Lpips(weights)


def test_fid_is_zero_for_the_same_frames_and_not_for_others(pictures: list[np.ndarray], tmp_path: Path):
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    pytest.importorskip("torchmetrics")
    from talkface.metrics.lpips_fid import FidPool

    weights = tmp_path / "inception.pth"

    class Untrained(fidelity.FeatureExtractorInceptionV3):  # type: ignore[name-defined,misc]
        """The network of the published file, with the random values that it starts from."""

        def load_state_dict(self, *_: object) -> None:
            return

    torch.manual_seed(0)
    torch.save({}, weights)
    torch.save(Untrained("blank", ["2048"], str(weights)).state_dict(), weights)
    pool = FidPool(weights)
    for picture in pictures[:3]:
        pool.add("same", picture, picture)
        pool.add("dark", (picture // 3).astype(np.uint8), picture)
    found = pool.results()
    assert found["dark"].value > 0
    assert abs(found["same"].value) < 1e-3 * found["dark"].value
    assert found["dark"].count == 3
    text = tmp_path / "text.pth"
    text.write_text("nothing")
    with pytest.raises(CheckpointError, match=r"text\.pth"):
        FidPool(text)
