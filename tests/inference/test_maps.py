"""A folder of maps: whole or not there, and what is in it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

import talkface
from talkface.errors import ConfigError, MediaError
from talkface.inference.maps import MapWriter
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.media.read import read_frames
from talkface.renderers.base import Rendered
from talkface.types import LandmarkSequence

FPS = Fraction(25)
PHOTO = np.full((90, 120, 3), 90, np.uint8)
POINTS = (20 * MEAN_FACE + [60, 40]).astype(np.float32)
TO_PATCH = np.array([[0.5, 0, -10], [0, 0.5, 0.0]])  # 40 pixels wide: 80 of the photo's


def frame(maps: dict[str, np.ndarray] | None = None, mask: float = 0.5) -> Rendered:
    patch_mask = np.full((40, 40), mask, np.float32)
    return Rendered(PHOTO, POINTS, patch_mask, TO_PATCH, maps or {})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_map_of_every_frame_and_a_panel(tmp_path):
    maps = {"attention": np.full((40, 40, 3), 70, np.uint8), "motion": np.full((40, 40, 3), [9, 80, 160], np.uint8)}
    with MapWriter(tmp_path / "maps", PHOTO, FPS) as writer:
        assert len(list(writer.tee(iter([frame(maps)] * 3)))) == 3
    names = [f"{name}/0000{i}.png" for name in ("attention", "landmarks", "motion") for i in (1, 2, 3)]
    assert files(tmp_path / "maps") == [*names, "panel.mp4"]
    assert list(tmp_path.iterdir()) == [tmp_path / "maps"]
    np.testing.assert_array_equal(np.asarray(PilImage.open(tmp_path / "maps/motion/00002.png")), maps["motion"])
    drawn = np.asarray(PilImage.open(tmp_path / "maps/landmarks/00001.png"))
    lip = (POINTS[51] * 0.5 + [-10, 0]) * 256 / 40
    near = drawn[int(lip[1]) - 3 : int(lip[1]) + 4, int(lip[0]) - 3 : int(lip[0]) + 4]
    assert drawn.shape == (256, 256, 3) and near.max() > 150

    shown = [image for image, _ in read_frames(tmp_path / "maps/panel.mp4", FPS)]
    assert len(shown) == 3
    assert shown[0].shape == (256, 5 * 256, 3)  # photo, landmarks, attention, motion, result
    assert np.abs(shown[1][100, [700, 850]].astype(int) - [[70] * 3, [9, 80, 160]]).max() < 8


def test_a_renderer_with_a_mask_only_writes_the_mask(tmp_path):
    with MapWriter(tmp_path / "maps", PHOTO, FPS) as writer:
        writer.write(frame(mask=0.2))
    assert files(tmp_path / "maps") == ["landmarks/00001.png", "mask/00001.png", "panel.mp4"]
    assert (np.asarray(PilImage.open(tmp_path / "maps/mask/00001.png")) == 51).all()


def test_a_renderer_without_maps_leaves_nothing(tmp_path):
    said = pytest.raises(ConfigError, match="no maps to save: use --renderer vgnet")
    with said, MapWriter(tmp_path / "maps", PHOTO, FPS) as writer:
        writer.write(Rendered(PHOTO, POINTS))
    assert not list(tmp_path.iterdir())


def test_a_stop_halfway_leaves_what_was_there(tmp_path):
    (tmp_path / "maps" / "mask").mkdir(parents=True)
    (tmp_path / "maps" / "mask" / "00009.png").write_bytes(b"old")
    with pytest.raises(RuntimeError), MapWriter(tmp_path / "maps", PHOTO, FPS, force=True) as writer:
        writer.write(frame())
        raise RuntimeError
    assert files(tmp_path) == ["maps/mask/00009.png"]
    with MapWriter(tmp_path / "maps", PHOTO, FPS, force=True) as writer:
        writer.write(frame())
    assert files(tmp_path) == ["maps/landmarks/00001.png", "maps/mask/00001.png", "maps/panel.mp4"]


def test_folders_that_will_not_do(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "full" / "mask").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name, force, said in (
        ("file", True, "is a file: give a folder"),
        ("mine", True, r"holds other things \(thesis.txt\)"),
        ("full", False, "holds maps already: .* --force"),
        ("no/where", True, "no folder .*no: make it with mkdir"),
    ):
        with pytest.raises(MediaError, match=said):
            MapWriter(tmp_path / name, PHOTO, FPS, force=force)
    with MapWriter(tmp_path / "empty", PHOTO, FPS) as writer:
        writer.write(frame())
    assert len(files(tmp_path / "empty")) == 3


@pytest.fixture
def driving() -> LandmarkSequence:
    points = np.repeat((62 * MEAN_FACE + [222, 122])[None], 3, 0)
    points[1:, [57, 66], 1] += 9
    return LandmarkSequence(points.astype(np.float32), FPS)


def test_animate_writes_them_beside_the_video(tmp_path, astronaut, driving):
    talkface.animate(astronaut, None, tmp_path / "v.mp4", landmarks=driving, save_maps=tmp_path / "maps")
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"landmarks", "mask", "panel.mp4"}
    assert (tmp_path / "v.mp4").is_file() and len(list((tmp_path / "maps" / "mask").iterdir())) == 3


def test_animate_refuses_before_the_first_frame_and_leaves_nothing(tmp_path, astronaut, driving):
    (tmp_path / "maps").write_text("x")
    with pytest.raises(MediaError, match="is a file"):
        talkface.animate(astronaut, None, tmp_path / "v.mp4", landmarks=driving, save_maps=tmp_path / "maps")
    with pytest.raises(ConfigError, match="invalid save_maps 3: expected a path"):
        talkface.animate(astronaut, None, tmp_path / "v.mp4", landmarks=driving, save_maps=3)
    with pytest.raises(ConfigError, match="no maps to save"):
        talkface.animate(
            astronaut, None, tmp_path / "v.mp4", landmarks=driving, save_maps=tmp_path / "m", renderer="warp"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]
