"""Presentation of a video: the face in any aspect, the person on any background, label and captions in place."""

from pathlib import Path

import numpy as np
import pytest

from talkface.errors import ConfigError, MediaError
from talkface.inference.clip import check_outputs
from talkface.inference.output import Finish, aspect_window, cut_notes, track_text
from talkface.inference.request import AnimateOptions
from talkface.landmarks.detect import load_detector
from talkface.renderers.base import Rendered
from talkface.types import Shot


@pytest.fixture(scope="module")
def shot(astronaut: np.ndarray) -> Shot:
    return Shot(astronaut, load_detector().detect(astronaut)[0].landmarks)


def finish(shot: Shot, **options: object) -> np.ndarray:
    stage = Finish(AnimateOptions(**options), shot)
    return stage.letter(stage.person(Rendered(shot.image, shot.landmarks)), 0.5)


@pytest.mark.parametrize("aspect", ["9:16", "16:9", "1:1", "4:5"])
def test_an_aspect_keeps_the_face(shot: Shot, aspect: str) -> None:
    rows, columns = aspect_window((512, 512), shot.landmarks, aspect)
    across, down = (int(part) for part in aspect.split(":"))
    assert (columns.stop - columns.start) / (rows.stop - rows.start) == pytest.approx(across / down, rel=0.02)
    low, high = shot.landmarks.min(0), shot.landmarks.max(0)
    assert columns.start < low[0] and high[0] < columns.stop and rows.start < low[1] and high[1] < rows.stop
    assert max(columns.stop - columns.start, rows.stop - rows.start) == 512


def test_an_aspect_that_cuts_the_face_is_said(shot: Shot) -> None:
    (left, top), (right, bottom) = shot.landmarks.min(0).astype(int), shot.landmarks.max(0).astype(int)
    narrow = Shot(shot.image[:, left - 20 : right + 20], shot.landmarks - (left - 20, 0))
    assert cut_notes(AnimateOptions(aspect="9:16"), narrow) == cut_notes(AnimateOptions(), narrow) == []
    (note,) = cut_notes(AnimateOptions(aspect="16:9"), narrow)
    assert note == "--aspect 16:9 cuts off part of the face: the photo shows too little beside it"
    across, down = right + 20 - (left - 20), bottom - top + 4  # a window hardly higher than the face
    rows, _ = aspect_window(narrow.image.shape[:2], narrow.landmarks, f"{across}:{down}")
    assert rows.start <= top and bottom <= rows.stop


def test_the_background_goes_and_the_face_stays(shot: Shot, tmp_path: Path) -> None:
    blue = finish(shot, background="#0000ff")
    assert (blue[5, 150] == (0, 0, 255)).all()
    middle = shot.landmarks[30].astype(int)
    np.testing.assert_array_equal(blue[middle[1], middle[0]], shot.image[middle[1], middle[0]])
    clear = finish(shot, alpha=True)
    assert clear.shape == (512, 512, 4) and clear[5, 150, 3] == 0 and clear[middle[1], middle[0], 3] == 255
    with pytest.raises(ConfigError, match=r"invalid background 'nowhere\.png': expected a picture"):
        finish(shot, background="nowhere.png")


def test_the_label_stands_in_its_corner(shot: Shot) -> None:
    for corner, part in {"top-left": np.s_[:60, :180], "bottom-right": np.s_[-60:, -180:]}.items():
        changed = (finish(shot, label=True, label_corner=corner) != shot.image).any(-1)
        assert changed[part].sum() == changed.sum() > 1000
    faint, strong = (
        np.abs(finish(shot, label=True, label_opacity=opacity).astype(int) - shot.image).sum() for opacity in (0.2, 1)
    )
    assert faint < 0.4 * strong


def test_captions_are_drawn_in_time_or_become_a_track(shot: Shot, tmp_path: Path) -> None:
    (tmp_path / "c.srt").write_text("1\n00:00:00,400 --> 00:00:00,600\nhello there\n")
    drawn = finish(shot, captions=tmp_path / "c.srt")
    assert (drawn[:380] == shot.image[:380]).all() and (drawn[380:] != shot.image[380:]).any()
    stage = Finish(AnimateOptions(captions=tmp_path / "c.srt"), shot)
    np.testing.assert_array_equal(stage.letter(shot.image, 0.7), shot.image)
    track = AnimateOptions(captions=tmp_path / "c.srt", captions_as="track")
    np.testing.assert_array_equal(Finish(track, shot).letter(shot.image, 0.5), shot.image)
    assert track_text(track).startswith("1\n00:00:00,400 --> 00:00:00,600\nhello there")


def test_letters_that_no_font_has_are_refused(shot: Shot, tmp_path: Path) -> None:
    (tmp_path / "c.srt").write_text("1\n00:00:00,400 --> 00:00:00,600\n\U000f1234\n")
    with pytest.raises(MediaError, match="--captions-as track"):
        finish(shot, captions=tmp_path / "c.srt")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"aspect": "wide"}, "expected width:height such as 9:16"),
        ({"aspect": "9:16", "crop": True}, "leave one out"),
        ({"alpha": True, "background": "red"}, "leave one out"),
        ({"panel": True, "alpha": True}, "leave out the panel"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        AnimateOptions(**options)


def test_name_and_format_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="disagree"):
        check_outputs(tmp_path / "o.mp4", AnimateOptions(format="gif"))
    with pytest.raises(MediaError, match="has no transparency"):
        check_outputs(tmp_path / "o.mp4", AnimateOptions(alpha=True))
    check_outputs(tmp_path / "o.mov", AnimateOptions(alpha=True, format="mov"))
