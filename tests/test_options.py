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

import talkface
from talkface.cli.options import with_options
from talkface.cli.prepare import PrepareOptions
from talkface.cli.train import TrainOptions
from talkface.errors import ConfigError
from talkface.inference.batch.options import BatchOptions
from talkface.inference.batch.rows import read_manifest
from talkface.inference.request import AnimateOptions, EnrollOptions, ReenactOptions
from talkface.landmarks.head_style import HEAD_STYLES
from talkface.landmarks.motion import BLINK_PROFILES
from talkface.landmarks.smooth import SMOOTHINGS
from talkface.options import Options, current_name, json_schema, markdown_table, option, options_of
from talkface.renderers.base import RENDERER_OF, RENDERERS
from talkface.serve.options import ServeOptions, read_options, user_schema

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


def test_a_new_option_appears_everywhere(tmp_path: Path):
    assert Extended(glance=0.5).glance == 0.5  # keyword
    (tmp_path / "rows.csv").write_text("photo,speech,glance\na.jpg,s.wav,0.25\n")
    (row,) = read_manifest(tmp_path / "rows.csv", {"glance": 1, "still": True}, group=Extended)  # batch column
    assert row.options == Extended(glance=0.25, still=True)
    assert "| `--glance` | `0.0` | Where the eyes look. (a number, -1 to 1) |" in markdown_table(Extended)  # table
    field = user_schema(Extended)["properties"]["glance"]  # form of the page
    assert field == {
        "type": "number", "description": "Where the eyes look.", "default": 0.0, "minimum": -1, "maximum": 1,
        "group": "Motion",
    }  # fmt: skip
    assert read_options({"glance": 0.75}, Extended) == Extended(glance=0.75)
    with pytest.raises(ConfigError, match=r"invalid glance 2: expected a number, -1 to 1"):
        read_options({"glance": 2}, Extended)
    seen = []

    @with_options(Extended)
    def command(photo: str, *, options: Extended) -> None:
        seen.append((photo, options))

    app = typer.Typer()
    command.add_to(app, "command")
    assert CliRunner().invoke(app, ["a.jpg", "--glance", "-0.5", "--no-blink"]).exit_code == 0  # flag
    assert CliRunner().invoke(app, ["a.jpg", "--look", "1"]).exit_code == 0  # its name of a release ago
    assert seen == [("a.jpg", Extended(glance=-0.5, blink=False)), ("a.jpg", Extended(glance=1))]
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
        ("device", "cuda:1", "cuda:1"),
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
        ("device", "gpu", "expected auto, cpu, cuda or mps, and cuda:1 for the second"),
        ("device", "cuda:", "invalid device 'cuda:'"),
        ("device", 0, "invalid device 0"),
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
    with pytest.warns(FutureWarning, match="now called head_scale") as said:
        assert current_name(AnimateOptions, "head-motion") == "head_scale"
        assert AnimateOptions.from_mapping({"head_motion": 0}).head_scale == 0
    assert [Path(warning.filename) for warning in said] == [Path(__file__)] * 2  # where the user wrote it
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


@pytest.mark.parametrize(
    "group",
    [AnimateOptions, ReenactOptions, BatchOptions, EnrollOptions, PrepareOptions, TrainOptions, ServeOptions],
)
def test_the_tables_in_the_docs_are_current(group: type[Options]):
    assert markdown_table(group) in DOCS.read_text(encoding="utf-8"), "docs/options.md: run scripts/options_table.sh"


def test_options_of_a_batch_are_told_from_those_of_its_rows(tmp_path: Path):
    assert BatchOptions(storage="s3,gs memory").storage == ("s3", "gs", "memory")
    with pytest.raises(ConfigError, match="invalid workers -1: expected a whole number, 0 or more"):
        talkface.batch([{"photo": "a.jpg", "speech": "s.wav"}], tmp_path, workers=-1)
    with pytest.raises(ConfigError, match="invalid head_scale 2: expected a number, 0 to 1"):
        talkface.batch([{"photo": "a.jpg", "speech": "s.wav"}], tmp_path, workers=1, head_scale=2)
    with pytest.raises(ConfigError, match=r"options are of type AnimateOptions: pass talkface.BatchOptions\(...\)"):
        talkface.batch([{"photo": "a.jpg", "speech": "s.wav"}], tmp_path, talkface.AnimateOptions())
    with pytest.raises(ConfigError, match="unknown option 'worker'"):
        talkface.batch([{"photo": "a.jpg", "speech": "s.wav"}], tmp_path, worker=1)


def test_a_server_takes_a_family_or_files_of_networks():
    shipped = {model.name for model in talkface.list_models() if model.kind in RENDERER_OF}
    assert set(options_of(ServeOptions)["renderer"].choices) == {*RENDERERS, *shipped}
    assert ServeOptions().renderer == "hybrid" and ServeOptions(renderer="mouth-free").renderer == "mouth-free"
    assert ServeOptions(renderer="runs/a/best.safetensors").renderer == Path("runs/a/best.safetensors")
    with pytest.raises(
        ConfigError, match=r"invalid renderer 'foo': expected hybrid, warp, .* or mouth-free, or a path"
    ):
        ServeOptions(renderer="foo")


def test_only_fine_tuning_has_settings_and_needs_a_network():
    with pytest.raises(ConfigError, match="--set and --previews belong to --finetune"):
        EnrollOptions(set=("steps=3",))
    with pytest.raises(ConfigError, match="--finetune needs a few-shot network"):
        EnrollOptions(finetune=True)


@pytest.mark.parametrize("word", ["--weights", "-w"])
def test_an_old_name_works_unseen_and_names_the_new_one(word: str):
    seen = []

    @with_options(EnrollOptions)
    def enroll(photo: str, *, options: EnrollOptions) -> None:
        """Enroll."""
        seen.append(options)

    app = typer.Typer()
    enroll.add_to(app, "enroll")
    done = CliRunner().invoke(app, ["a.jpg", word, "few.safetensors", "-f"])
    assert done.stderr == f"warning: {word} is now called --model\n"
    assert seen == [EnrollOptions(model="few.safetensors", force=True)]
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert "--model" in shown and word not in shown.split() and "1 or more" in shown


def test_names_that_a_constructor_does_not_know_are_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match="option head_motion is now called head_scale: use that name"):
        AnimateOptions(head_motion=0.5)
    with pytest.raises(ConfigError, match="unknown option 'hed_scale': did you mean head_scale"):
        AnimateOptions(hed_scale=0.5)
