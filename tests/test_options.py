"""One dataclass of options is the source of flags, keywords, batch columns, tables and forms."""

import inspect
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from talkface.cli.options import with_options
from talkface.errors import ConfigError
from talkface.inference.batch.rows import make_rows, option_names
from talkface.inference.request import AnimateOptions, ReenactOptions
from talkface.landmarks.head_style import HEAD_STYLES
from talkface.landmarks.motion import BLINK_PROFILES
from talkface.landmarks.smooth import SMOOTHINGS
from talkface.options import Options, current_name, json_schema, markdown_table, option, options_of
from talkface.renderers.base import RENDERERS

DOCS = Path(__file__).resolve().parents[1] / "docs" / "options.md"


@dataclass(frozen=True, kw_only=True)
class Extended(AnimateOptions):
    glance: float = option(0.0, "Where the eyes look.", group="Motion", low=-1, high=1, old="look")


@pytest.mark.parametrize(
    ("given", "read"),
    [("0.5,-1", (0.5, -1.0)), (0.25, (0.25, 0.0)), ("-0.5", (-0.5, 0.0)), ([0, 1], (0.0, 1.0)), ((1, -1), (1.0, -1.0))],
)
def test_a_pair_is_two_numbers_or_one(given: object, read: tuple[float, float]):
    options = AnimateOptions(gaze=given)
    assert options.gaze == read and options.plain()["gaze"] == list(read)
    assert AnimateOptions.from_mapping(options.plain()).gaze == read
    schema = json_schema(AnimateOptions)["properties"]["gaze"]
    assert schema["type"] == "array" and schema["items"]["minimum"] == -1 and schema["default"] == [0.0, 0.0]


@pytest.mark.parametrize("given", ["", "1,2,3", "a,b", 1.5, "0,2", True, [True, 0], [], None, {"x": 1}, "nan"])
def test_what_is_not_a_pair_is_refused(given: object):
    with pytest.raises(ConfigError, match=r"invalid gaze .*: expected a number or two such as .*, each -1 to 1"):
        AnimateOptions(gaze=given)


def test_a_new_option_appears_everywhere():
    assert Extended(glance=0.5).glance == 0.5  # keyword
    assert "glance" in option_names(Extended)  # batch column
    (row,) = make_rows([{"photo": "a.jpg", "speech": "s.wav", "glance": "0.25"}], Path(), group=Extended)
    assert row.options.glance == 0.25
    assert "| `--glance` | `0.0` | Where the eyes look. (a number, -1 to 1) |" in markdown_table(Extended)  # table
    assert json_schema(Extended)["properties"]["glance"]["maximum"] == 1  # form
    seen = []

    @with_options(Extended)
    def command(photo: str, *, options: Extended) -> None:
        seen.append((photo, options))

    app = typer.Typer()
    app.command()(command)
    assert CliRunner().invoke(app, ["a.jpg", "--glance", "-0.5", "--no-blink"]).exit_code == 0  # flag
    assert seen == [("a.jpg", Extended(glance=-0.5, blink=False))]
    assert "glance" not in inspect.signature(AnimateOptions).parameters


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("fps", "30000/1001", Fraction(30000, 1001)),
        ("fps", 29.97, Fraction("29.97")),
        ("blink", "no", False),
        ("blink", np.bool_(True), True),
        ("seed", "7", 7),
        ("seed", np.int64(7), 7),
        ("head_scale", np.float32(0.5), 0.5),
        ("save_landmarks", "a.npz", Path("a.npz")),
        ("speech_model", Path("a.safetensors"), "a.safetensors"),
        ("face", None, None),
    ],
)
def test_values_of_any_origin_are_read(name: str, given: object, read: object):
    value = getattr(AnimateOptions(**{name: given}), name)
    assert value == read and type(value) is type(read)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("fps", 1000, "at most 240"),
        ("fps", "1/0", "invalid fps '1/0'"),
        ("seed", -1, "a whole number, 0 or more"),
        ("seed", True, "invalid seed True"),
        ("head_scale", float("inf"), "0 to 1"),
        ("renderer", "best", "expected hybrid, warp, fewshot, vgnet or spade"),
        ("blink", 2, "true or false"),
        ("report", 3, "expected a path"),
    ],
)
def test_wrong_values_are_refused_with_what_was_expected(name: str, given: object, says: str):
    with pytest.raises(ConfigError, match=says):
        AnimateOptions(**{name: given})


def test_choices_are_those_that_exist():
    assert options_of(AnimateOptions)["renderer"].choices == RENDERERS
    assert options_of(AnimateOptions)["blink_profile"].choices == tuple(BLINK_PROFILES)
    assert options_of(AnimateOptions)["head_style"].choices == tuple(HEAD_STYLES)
    assert options_of(ReenactOptions)["smoothing"].choices == tuple(SMOOTHINGS)


def test_options_that_exclude_each_other():
    with pytest.raises(ConfigError, match="this head follows a video: leave one out"):
        AnimateOptions(head_style="calm", head_from="v.mp4")
    with pytest.raises(ConfigError, match="leave out the panel, or the report"):
        AnimateOptions(panel=True, report="r.json")
    with pytest.raises(ConfigError, match="leave one out"):
        ReenactOptions(raw=True, proportions=True)


def test_names_of_a_release_ago_are_read_with_a_warning():
    with pytest.warns(FutureWarning, match="now called head_scale"):
        assert current_name(AnimateOptions, "head-motion") == "head_scale"
    with pytest.raises(ConfigError, match="did you mean head_scale"):
        current_name(AnimateOptions, "head_scael")


def test_plain_values_are_json():
    plain = AnimateOptions(fps="30000/1001", report="r.json").plain()
    assert plain["fps"] == "30000/1001" and plain["report"] == "r.json" and plain["face"] is None


@dataclass(frozen=True, kw_only=True)
class Small(Options):
    size: Literal["small", "large"] = option("small", "Size.")


def test_a_class_of_its_own_needs_nothing_else():
    assert Small.from_mapping({"size": "large"}) == Small(size="large")
    assert json_schema(Small)["properties"]["size"]["enum"] == ["small", "large"]


@pytest.mark.parametrize("group", [AnimateOptions, ReenactOptions])
def test_the_tables_in_the_docs_are_current(group: type[Options]):
    assert markdown_table(group) in DOCS.read_text(encoding="utf-8"), "docs/options.md: run scripts/options_table.sh"
