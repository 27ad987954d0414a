"""Words of `talkface animate` -> photos, speech and output."""

import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import talkface
from talkface.__main__ import run
from talkface.cli.animate import ALIASES, default_out, inputs, report_result
from talkface.errors import ConfigError
from talkface.inference.clip import AnimateResult
from talkface.inference.request import AnimateOptions
from talkface.options import options_of
from talkface.types import Shot

pytestmark = pytest.mark.usefixtures("named_files")


@pytest.mark.parametrize(
    ("words", "photos", "speech", "driven", "expected"),
    [
        (("a.jpg", "s.wav"), [], None, False, (["a.jpg"], "s.wav")),
        (("s.wav", None), ["a.jpg", "b.jpg"], None, False, (["a.jpg", "b.jpg"], "s.wav")),
        (("a.jpg", "s.wav"), ["b.jpg"], None, False, (["a.jpg", "b.jpg"], "s.wav")),
        (("a.jpg", None), [], "s.wav", False, (["a.jpg"], "s.wav")),
        (("a.jpg", None), ["b.jpg"], "s.wav", False, (["a.jpg", "b.jpg"], "s.wav")),
        ((None, None), ["a.jpg"], "s.wav", False, (["a.jpg"], "s.wav")),
        (("a.jpg", None), [], None, True, (["a.jpg"], None)),
        (("a.jpg", "s.wav"), [], None, True, (["a.jpg"], "s.wav")),
        ((None, None), ["a.jpg"], None, True, (["a.jpg"], None)),
    ],
)
def test_photos_and_speech_are_told_apart(
    words: tuple[str | None, str | None],
    photos: list[str],
    speech: str | None,
    driven: bool,
    expected: tuple[list[str], str | None],
) -> None:
    assert inputs(*words, photos, speech, driven=driven) == expected


@pytest.mark.parametrize(
    ("words", "photos", "speech", "says"),
    [
        ((None, None), [], None, "no photo"),
        (("a.jpg", None), [], None, "no speech"),
        ((None, None), ["a.jpg"], None, "no speech"),
        (("a.jpg", "s.wav"), [], "t.wav", "speech given twice"),
    ],
)
def test_what_is_missing_is_named(
    words: tuple[str | None, str | None], photos: list[str], speech: str | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        inputs(*words, photos, speech, driven=False)


def test_output_is_named_after_photo_and_speech() -> None:
    assert default_out(["x/ada.jpg"], "y/hello.wav") == Path("ada_hello.mp4")
    assert default_out(["x/ada"], Path("walk.npz")) == Path("ada_walk.mp4")


def given(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> dict[str, object]:
    """Arguments that the public door gets; only the door itself is replaced."""
    seen: dict[str, object] = {}

    class Stop(Exception):
        pass

    def door(photo: object, speech: object, out: object, options: AnimateOptions, **further: object) -> None:
        seen.update(photo=photo, speech=speech, out=out, options=options, **further)
        raise Stop

    monkeypatch.setattr(talkface, "animate", door)
    run(["animate", *words])
    return seen


def test_names_of_other_programs_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    for photo, speech in (
        ("--source_image", "--driven_audio"),
        ("--source-image", "--audio"),
        ("--person", "--in_file"),
    ):
        seen = given(monkeypatch, [photo, "a.jpg", speech, "s.wav", "--expression_scale", "1.5", "--outfile", "o.mp4"])
        assert (seen["photo"], seen["speech"], seen["out"]) == ("a.jpg", "s.wav", Path("o.mp4"))
        assert seen["options"].expression_scale == 1.5


def test_no_alias_hides_an_option() -> None:
    import inspect

    from talkface.cli.animate import animate

    own = {name.replace("_", "-") for name in inspect.signature(animate.function).parameters}
    assert not own & set(ALIASES)
    assert set(ALIASES.values()) <= own


def test_every_option_reaches_the_public_door(monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "a.jpg s.wav -o o.mp4 --photo b.jpg --blink-profile rhythmic --renderer warp --fps 30000/1001 "
        "--expression-scale 2 --head-scale 0.5 --head-from v.mp4 --head-model rhythm --no-blink --still --seed 7 "
        "--device cpu --face 1 --crop --save-landmarks l.npz --save-maps maps --landmarks m.npz --report r.json "
        "--force --quiet --speech-model x --renderer-model y --detector face-alignment"
    )
    seen = given(monkeypatch, shlex.split(words))
    expected = AnimateOptions(
        blink_profile="rhythmic",
        renderer="warp",
        fps=Fraction(30000, 1001),
        expression_scale=2.0,
        head_scale=0.5,
        head_from="v.mp4",
        head_model="rhythm",
        blink=False,
        still=True,
        seed=7,
        device="cpu",
        face=1,
        crop=True,
        save_landmarks=Path("l.npz"),
        save_maps=Path("maps"),
        landmarks="m.npz",
        report=Path("r.json"),
        force=True,
        speech_model="x",
        renderer_model="y",
        detector="face-alignment",
    )
    assert seen == {
        "photo": ["a.jpg", "b.jpg"],
        "speech": "s.wav",
        "out": Path("o.mp4"),
        "options": expected,
        "progress": None,
    }
    unset = [name for name in options_of(AnimateOptions) if getattr(expected, name) == getattr(AnimateOptions(), name)]
    assert set(unset) == {"panel", *AS_WRITTEN}, (
        "this command should set every option but panel, which excludes a report"
    )


AS_WRITTEN: dict[str, tuple[str, object]] = {  # further options -> words given, value that arrives
    "gaze": ("--gaze -0.5,0.2", (-0.5, 0.2)),
    "blink_rate": ("--blink-rate 2", 2.0),
    "head_style": ("--head-style calm", "calm"),
    "brow_raise": ("--brow-raise 0.5", 0.5),
    "mouth_opening": ("--mouth-opening 0.5", 0.5),
    "mouth_width": ("--mouth-width 1.5", 1.5),
    "format": ("--format mov", "mov"),
    "alpha": ("--alpha", True),
    "background": ("", None),
    "aspect": ("--aspect 9:16", "9:16"),
    "captions": ("--captions c.srt", Path("c.srt")),
    "captions_as": ("--captions-as track", "track"),
    "caption_font": ("--caption-font f.ttf", Path("f.ttf")),
    "label": ("--label", True),
    "label_text": ("--label-text made", "made"),
    "label_corner": ("--label-corner top-left", "top-left"),
    "label_opacity": ("--label-opacity 0.5", 0.5),
    "sign": ("--no-sign", False),
    "consent": ("--consent yes", "yes"),
    "certificate": ("--certificate c.pem", Path("c.pem")),
    "key": ("--key k.pem", Path("k.pem")),
    "set": ("--set mouth.feather=1.5 --set mouth.detail=2", ("mouth.feather=1.5", "mouth.detail=2")),
    "time_stamp": ("--time-stamp http://127.0.0.1", "http://127.0.0.1"),
}


def test_every_further_option_reaches_the_public_door(monkeypatch: pytest.MonkeyPatch) -> None:
    words = " ".join(words for words, _ in AS_WRITTEN.values())
    seen = given(monkeypatch, shlex.split(f"a.jpg s.wav {words}"))
    assert seen["options"] == AnimateOptions(**{name: value for name, (_, value) in AS_WRITTEN.items()})


def test_flags_have_the_defaults_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, ["a.jpg", "s.wav", "-q"])["options"] == AnimateOptions()


def test_flags_of_a_release_ago_work_with_a_warning(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    seen = given(monkeypatch, ["a.jpg", "s.wav", "-q", "--head-motion", "0.5", "--audio2landmark", "x"])
    assert (seen["options"].head_scale, seen["options"].speech_model) == (0.5, "x")
    said = capsys.readouterr().err
    assert (
        "--head-motion is now called --head-scale" in said and "--audio2landmark is now called --speech-model" in said
    )


@pytest.mark.parametrize(("frames", "size", "named"), [(100, 2000, True), (100, 800, False), (5, 2000, False)])
def test_a_large_photo_is_named_where_it_is_why_a_video_takes_long(frames: int, size: int, named: bool, capsys) -> None:
    shot = Shot(np.zeros((4, 4, 3), np.uint8), np.zeros((68, 2), np.float32))
    took = {"render": 2 * frames / 25}
    made = AnimateResult(Path("a.mp4"), frames, Fraction(25), frames / 25, (size, size), 1, [], took, shot=shot)
    report_result(made, [])
    said = capsys.readouterr().out
    assert ("slower than real time as the photo is 2000x2000: scaled to 1000x1000" in said) == named
    assert f"made: {frames} frames, {size}x{size}, 1 face found, 12 frames/s" in said
