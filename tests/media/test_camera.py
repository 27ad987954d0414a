"""A file that stands in for a camera shows what the same file shows as a video."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from talkface.errors import MediaError
from talkface.media.camera import Camera
from talkface.media.read import read_frames


def test_a_file_plays_the_camera_with_square_pixels(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for level in (40, 120, 200):
            picture = np.full((64, 48, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with Camera(str(path)) as camera:
        assert camera.fps == 30 and not camera.live
        seen = list(camera.frames())
    assert [image.shape for image, _ in seen] == [(64, 96, 3)] * 3
    assert [round(time_s * 30) for _, time_s in seen] == [0, 1, 2]
    for (image, _), (stored, _) in zip(seen, read_frames(path), strict=True):
        np.testing.assert_array_equal(image, stored)


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(MediaError, match="gives no picture"):
        Camera(str(tmp_path / "text.mp4"))
