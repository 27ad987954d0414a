"""Words of `talkface reenact` -> what the public door is asked for."""

import shlex
from fractions import Fraction
from pathlib import Path

import pytest

import talkface
from talkface.__main__ import run
from talkface.cli.reenact import CameraOptions

pytestmark = pytest.mark.usefixtures("named_files")


def given(monkeypatch: pytest.MonkeyPatch, words: str) -> dict[str, object]:
    """Arguments that the public door gets; only the door itself is replaced."""
    seen: dict[str, object] = {}

    class Stop(Exception):
        pass

    def door(photo: object, driving: object, out: object, options: object, **further: object) -> None:
        seen.update(photo=photo, driving=driving, out=out, options=options, **further)
        raise Stop

    monkeypatch.setattr(talkface, "reenact", door)
    run(["reenact", *shlex.split(words)])
    return seen


def test_every_option_reaches_the_public_door(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = given(
        monkeypatch,
        "a.jpg d.mp4 -o o.mp4 --smoothing hanning5 --ani x_ani.mp4 "
        "--renderer warp --raw --expression-scale 2 --head-scale 0.5 "
        "--fps 30000/1001 --no-sound --device cpu --face 1 --crop --panel --force --quiet --renderer-model y "
        "--detector face-alignment",
    )
    assert seen == {
        "photo": "a.jpg",
        "driving": "d.mp4",
        "out": Path("o.mp4"),
        "progress": None,
        "options": CameraOptions(
            smoothing="hanning5",
            ani=Path("x_ani.mp4"),
            renderer="warp",
            raw=True,
            expression_scale=2.0,
            head_scale=0.5,
            fps=Fraction(30000, 1001),
            sound=False,
            device="cpu",
            face=1,
            crop=True,
            panel=True,
            force=True,
            renderer_model="y",
            detector="face-alignment",
        ),
    }


def test_flags_have_the_defaults_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = given(monkeypatch, "x/ada.jpg y/walk.mp4 -q")
    assert (seen["photo"], seen["driving"], seen["out"]) == ("x/ada.jpg", "y/walk.mp4", Path("ada_walk.mp4"))
    assert seen["options"] == CameraOptions()
