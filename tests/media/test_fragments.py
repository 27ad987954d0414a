"""A growing MP4 keeps frames and sound where they were, wherever it is cut off."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from talkface.media.fragments import FragmentWriter


@pytest.mark.parametrize(("fps", "rate"), [(Fraction(25), 16_000), (Fraction(30_000, 1001), 48_000)])
def test_a_flash_and_a_tone_stay_together(fps: Fraction, rate: int) -> None:
    writer, parts = FragmentWriter((65, 48), fps, rate), []
    for index in range(50):
        first, last = (round(place * rate / fps) for place in (index, index + 1))
        tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(first, last) / rate) * (index >= 25)
        parts.append(writer.add(np.full((48, 65, 3), 255 * (index >= 25), np.uint8), tone.astype(np.float32)))
    whole = b"".join(parts)
    for content in (whole, whole + writer.finish()):
        with av.open(io.BytesIO(content)) as file:
            assert (file.streams.video[0].width, file.streams.video[0].height) == (64, 48)
            frames = [(float(each.time), each.to_ndarray(format="gray").mean()) for each in file.decode(video=0)]
        with av.open(io.BytesIO(content)) as file:
            sound = [(float(each.time), each.to_ndarray()[0]) for each in file.decode(audio=0)]
        times = [time for time, _ in frames]
        assert len(times) >= 46 and np.allclose(times, np.arange(len(times)) / float(fps), atol=1e-3)
        assert next(time for time, light in frames if light > 128) == pytest.approx(25 / float(fps), abs=1e-3)
        samples = np.concatenate([part for _, part in sound])
        assert int(np.argmax(np.abs(samples) > 0.1)) / 48_000 == pytest.approx(25 / float(fps), abs=0.01)
    assert len(frames) == 50
