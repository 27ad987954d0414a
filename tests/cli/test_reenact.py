"""Words of `talkface reenact` -> what the public door is asked for."""

import inspect
import shlex
from pathlib import Path

import pytest

import talkface
from talkface.__main__ import run


def given(monkeypatch: pytest.MonkeyPatch, words: str) -> dict[str, object]:
    """What the public door is asked for; only the door itself is replaced."""
    seen: dict[str, object] = {}

    class Stop(Exception):
        pass

    def door(photo: object, driving: object, out: object, **options: object) -> None:
        seen.update(photo=photo, driving=driving, out=out, **options)
        raise Stop

    monkeypatch.setattr(talkface, "reenact", door)
    run(["reenact", *shlex.split(words)])
    return seen


def test_every_option_reaches_the_public_door(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = given(
        monkeypatch,
        "a.jpg d.mp4 -o o.mp4 --smoothing hanning5 --ani x_ani.mp4 "
        "--renderer warp --raw --proportions --expression-scale 2 --head-motion 0.5 "
        "--fps 30000/1001 --no-sound --device cpu --face 1 --crop --panel --force --quiet --renderer-weights y "
        "--detector face-alignment",
    )
    assert seen.pop("progress") is None
    assert seen == {
        "photo": "a.jpg",
        "driving": "d.mp4",
        "out": Path("o.mp4"),
        "renderer": "warp",
        "raw": True,
        "proportions": True,
        "smoothing": "hanning5",
        "ani": Path("x_ani.mp4"),
        "expression_scale": 2.0,
        "head_motion": 0.5,
        "fps": "30000/1001",
        "sound": False,
        "device": "cpu",
        "face": 1,
        "crop": True,
        "panel": True,
        "force": True,
        "renderer_weights": "y",
        "detector": "face-alignment",
    }


def test_defaults_of_the_command_are_those_of_the_public_door(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(talkface.reenact).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    seen = given(monkeypatch, "x/ada.jpg y/walk.mp4 -q")
    assert (seen.pop("photo"), seen.pop("driving"), seen.pop("out")) == (
        "x/ada.jpg",
        "y/walk.mp4",
        Path("ada_walk.mp4"),
    )
    for name, value in seen.items():
        assert value == defaults[name], name


def test_proportions_need_frames_to_measure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reenact", "a.jpg", "--camera", "0", "--proportions"]) == 1
    assert "needs all of the driver's frames" in capsys.readouterr().err
