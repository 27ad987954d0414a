"""The adapter of face-alignment on that package's real code, with small network files made here for its downloads."""

import sys

import numpy as np
import pytest

from talkface.errors import MissingExtraError
from talkface.landmarks.detect import FaceTracker, load_detector
from talkface.landmarks.fan_backend import FanDetector
from talkface.landmarks.mean_face import MEAN_FACE


def test_absence_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(MissingExtraError, match=r"talkface\[face-alignment\]"):
        load_detector("face-alignment")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """The real FaceAlignment class around networks with chosen weights.

    FAN: one hourglass instead of four, whose heat maps are then replaced by those of the mean face in the middle of
    the crop. S3FD: one layer answers "face" everywhere, with a 512 px box around each of its cells.
    """
    face_alignment = pytest.importorskip("face_alignment")
    import torch
    from face_alignment import api
    from face_alignment.detection.sfd.net_s3fd import s3fd

    folder = tmp_path_factory.mktemp("hub") / "checkpoints"
    folder.mkdir()
    faces = {name: torch.zeros_like(value) for name, value in s3fd().state_dict().items()}
    for name, value in faces.items():
        if name.endswith("mbox_conf.bias"):
            value[:] = torch.tensor([0.0, 5.0] if name.startswith("conv7_2") else [5.0, *[-5.0] * (len(value) - 1)])
    torch.save(faces, folder / "s3fd.pth")
    torch.save(api.FAN(1).state_dict(), folder / "2DFAN-1.pth.tar")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(api.models_urls, "2DFAN-1", "https://nowhere.invalid/2DFAN-1.pth.tar")
        patch.setattr(torch.hub, "_hub_dir", str(folder.parent))
        network = face_alignment.FaceAlignment(
            face_alignment.LandmarksType.TWO_D,
            network_size=1,
            device="cpu",
            flip_input=False,
            compile=False,
            face_detector_kwargs={"path_to_detector": str(folder / "s3fd.pth")},
        )
    network.face_alignment_net = MeanFacePeaks(network.face_alignment_net)
    return FanDetector(network)


CELLS = np.round(32 + 28 * MEAN_FACE).astype(int)  # of the 64 x 64 heat maps


class MeanFacePeaks:
    """Runs the network for its shapes, and puts the 68 heat maps' peaks where the mean face has its points."""

    def __init__(self, network) -> None:
        self.network = network

    def __call__(self, images):
        maps = self.network(images)[-1]
        assert maps.shape[1:] == (68, 64, 64)
        maps[:] = 0
        maps[:, np.arange(68), CELLS[:, 1], CELLS[:, 0]] = 1
        return [maps]


def test_landmarks_are_in_pixels_of_the_image(detector):
    image = np.zeros((400, 600, 3), np.uint8)
    points = detector.landmarks(image, (200, 100, 300, 200), roll=0.3)
    assert points.shape == (68, 2) and points.dtype == np.float32
    # the package's crop of a 100 px box is 205 px wide, around a point 0.12 box heights above the box's middle
    expected = np.array([250, 150 - 12]) + (CELLS - 32) * 205 / 64
    assert np.abs(points - expected).max() < 4


def test_boxes_are_scaled_back_and_sorted(detector):
    image = np.zeros((768, 1024, 3), np.uint8)
    boxes = detector.boxes(image, "video")  # searched at 480 x 360
    assert boxes and all(0.9 < score <= 1 for _, score in boxes)
    widths = [box[2] - box[0] for box, _ in boxes]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(512 * 1024 / 480, rel=0.02)  # the layer's anchor, in pixels of the whole image


def test_it_serves_where_dlib_serves(detector, astronaut):
    astronaut = np.ascontiguousarray(astronaut[::2, ::2])
    faces = detector.detect(astronaut)
    assert faces[0].landmarks.shape == (68, 2)
    assert FaceTracker(detector).track(astronaut) is not None
