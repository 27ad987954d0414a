"""Video file, start and length -> a few frames from its middle, without decoding what comes before."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from talkface.media.container import open_container, picture_stream
from talkface.media.frame import frame_image, pixel_aspect
from talkface.types import Image


def read_window(path: Path, fps: Fraction, start_s: Fraction, count: int) -> Iterator[Image]:
    """`count` frames at a constant rate from `start_s` on: each the stored frame nearest in time.

    Decoding starts at the key frame before, so a look into an hour of video costs what a few seconds cost. Meant for
    files with regular time stamps, as this package writes; `read_frames` copes with any others.

    Args:
        path: any video that ffmpeg can seek in.
        fps: frames per second to resample to.
        start_s: time of the first frame.
        count: frames wanted; fewer come where the video ends before.

    Raises:
        MediaError: as `media.read.probe_video`.
    """
    lead_s = 1.0  # how far before the start to seek, for files whose index is rough
    with open_container(path) as container:
        stream = picture_stream(container, path)
        origin_s = (container.start_time or 0) / av.time_base
        assert stream.time_base is not None
        seek_s = max(float(start_s) - lead_s, 0.0) + origin_s
        container.seek(math.floor(seek_s / stream.time_base), stream=stream)
        aspect = pixel_aspect(stream)
        step_s = 1 / float(stream.average_rate or fps)
        held: Image | None = None
        held_s, index = -math.inf, 0
        for frame in container.decode(stream):
            time_s = (frame.time or 0.0) - origin_s
            middle_s = (held_s + time_s) / 2  # up to here the held frame is the nearer one
            while held is not None and index < count and start_s + index / fps <= middle_s:
                yield held
                index += 1
            if index == count:
                return
            held_s = time_s
            if time_s + step_s >= start_s + index / fps:  # frames before the window are decoded, not converted
                held = frame_image(frame, aspect)
        while held is not None and index < count and start_s + index / fps < held_s + step_s:
            yield held
            index += 1
