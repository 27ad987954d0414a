"""Manifests and folders become rows; what is wrong with one row stays with it."""

import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from talkface.cli.animate import ALIASES
from talkface.errors import ConfigError
from talkface.inference.batch.rows import grid_rows, make_rows, read_manifest
from talkface.inference.request import AnimateOptions
from talkface.options import options_of


def manifest(tmp_path: Path, text: str, name: str = "m.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_row_with_options(tmp_path):
    header = "photo,speech,out,title,fps,still,seed,face,renderer,expression_scale"
    text = f"{header}\na.jpg,s.wav,x/v.mp4,Ada,30000/1001,yes,7,1,warp,1.5\n"
    (row,) = read_manifest(manifest(tmp_path, text))
    assert row.photos == (str(tmp_path / "a.jpg"),) and row.speech == str(tmp_path / "s.wav")
    assert (row.out, row.title, row.fault, row.number) == ("x/v.mp4", "Ada", "", 1)
    assert row.options.fps == Fraction(30000, 1001) and row.options.still and row.options.seed == 7
    assert row.options.expression_scale == 1.5 and row.options.face == 1 and row.options.renderer == "warp"


def test_json_lines_hold_typed_values_and_several_photos(tmp_path):
    lines = [
        {"photo": ["a.jpg", "/b.jpg"], "speech": "s.wav", "blink": False, "head_scale": 0.5},
        {"photo": "s3://bucket/a.jpg", "landmarks": "walk.npz"},
    ]
    (tmp_path / "walk.npz").touch()
    path = manifest(tmp_path, "\n".join(map(json.dumps, lines)), "m.jsonl")
    first, second = read_manifest(path, storage=["s3"])
    assert "not a path on this disk" in read_manifest(path)[1].fault
    assert first.photos == (str(tmp_path / "a.jpg"), "/b.jpg") and not first.options.blink
    assert first.options.head_scale == 0.5 and first.out == "a_s.mp4"
    assert second.photos == ("s3://bucket/a.jpg",) and second.speech == "" and second.out == "a_walk.mp4"
    assert second.options.landmarks == str(tmp_path / "walk.npz")


def test_columns_of_other_programs_and_dialects(tmp_path):
    text = "\ufeffsource_image;driven_audio;head-scale\na.jpg;s.wav;0.5\n"
    (row,) = read_manifest(manifest(tmp_path, text), aliases=ALIASES)
    assert row.fault == "" and row.options.head_scale == 0.5


def test_rows_win_over_common_options(tmp_path):
    text = "photo,speech,fps\na.jpg,s.wav,\na.jpg,t.wav,30\n"
    rows = read_manifest(manifest(tmp_path, text), {"fps": "12", "still": "true"})
    assert [row.options.fps for row in rows] == [12, 30] and all(row.options.still for row in rows)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"speech": "s.wav"}, "no photo"),
        ({"photo": "a.jpg"}, "no speech"),
        ({"photo": "a.jpg", "speech": "s.wav", "fps": "fast"}, "invalid fps 'fast'"),
        ({"photo": "a.jpg", "speech": "s.wav", "still": "perhaps"}, "true or false"),
        ({"photo": "a.jpg", "speech": "s.wav", "seed": "1.5"}, "a whole number"),
        ({"photo": "a.jpg", "speech": "s.wav", "head_scale": 3}, "invalid head_scale 3"),
        ({"photo": "a.jpg", "speech": "s.wav", "out": "../v.mp4"}, "inside the batch's folder"),
        ({"photo": "a.jpg", "speech": "s.wav", "out": "/v.mp4"}, "inside the batch's folder"),
        ({"photo": "a.jpg", "speech": "s.wav", "out": "v.avi"}, "must end in .mp4"),
        ({"photo": "a.jpg", "speech": "s.wav", "save_landmarks": "v.txt"}, "must end in .npz"),
        ({"photo": "a.jpg", "speech": "s.wav", "stil": True}, "did you mean still"),
        ({"photo": 3, "speech": "s.wav"}, "must be paths"),
        ({"photo": "a.jpg", "speech": ["s.wav"]}, "must be paths"),
        ("this line is not JSON", "not JSON"),
    ],
)
def test_a_bad_row_is_its_own_fault(values, says):
    good = {"photo": "a.jpg", "speech": "s.wav"}
    first, bad, last = make_rows([good, values, {**good, "speech": "t.wav"}], Path())
    assert says in bad.fault and bad.number == 2
    assert first.fault == last.fault == ""


def test_a_name_given_twice_is_the_later_rows_fault_and_free_names_differ():
    good = {"photo": "x/a.jpg", "speech": "s.wav"}
    rows = make_rows([good, {**good, "out": "a_s.mp4"}, {**good, "out": "A_s.mp4"}, good], Path())
    assert [row.out for row in rows if not row.fault] == ["a_s_2.mp4", "a_s.mp4", "a_s_3.mp4"]
    assert "is also the video of row 2" in rows[2].fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column `photo`"),
        ("photo,speech\n", "no row"),
        ("foto,speech\na,b\n", "did you mean photo"),
        ("photo,speech,remark\na,b,c\n", "unknown option"),
    ],
)
def test_a_manifest_that_is_none(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        read_manifest(manifest(tmp_path, text))


def test_absent_and_binary_manifests(tmp_path):
    with pytest.raises(ConfigError, match="no manifest"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "m.csv").write_bytes(b"\xff\xd8\xff\xe0" * 9)
    with pytest.raises(ConfigError, match="not text"):
        read_manifest(tmp_path / "m.csv")


def test_a_line_with_too_many_fields(tmp_path):
    rows = read_manifest(manifest(tmp_path, 'photo,speech,title\na.jpg,s.wav,x,y\na.jpg,s.wav,"x,y"\n'))
    assert "more fields than the 3 columns" in rows[0].fault and rows[1].title == "x,y"


def test_a_wrong_common_option_stops_at_once():
    with pytest.raises(ConfigError, match="did you mean still"):
        make_rows([{"photo": "a.jpg", "speech": "s.wav"}], Path(), {"stil": "true"})
    with pytest.raises(ConfigError, match="fps"):
        make_rows([{"photo": "a.jpg", "speech": "s.wav"}], Path(), {"fps": "x"})


def test_grid_pairs_every_person_with_every_speech(tmp_path):
    for name in ("p/b.jpg", "p/a.png", "p/notes.txt", "p/team/1.jpg", "p/.hidden.jpg", "s/x.wav", "s/y.mp3", "s/z.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rows = grid_rows(tmp_path / "p", tmp_path / "s", {"still": "1"})
    assert [row.out for row in rows] == [f"{p}_{s}.mp4" for p in ("a", "b", "team") for s in ("x", "y")]
    assert all(row.options.still for row in rows)
    assert len(grid_rows(tmp_path / "p" / "b.jpg", tmp_path / "s")) == 2
    with pytest.raises(ConfigError, match="no speech in folder"):
        grid_rows(tmp_path / "p", tmp_path / "p" / "team")


def test_files_beside_a_video_are_named_after_it_and_never_shared():
    given = [{"photo": "a.png", "speech": name} for name in ("x.wav", "y.wav")]
    rows = make_rows(given, Path(), {"report": "true", "save_landmarks": "yes", "save_maps": True})
    assert [row.options.report for row in rows] == [Path("a_x.json"), Path("a_y.json")]
    assert [row.options.save_landmarks for row in rows] == [Path("a_x.npz"), Path("a_y.npz")]
    assert [row.options.save_maps for row in rows] == [Path("a_x.maps"), Path("a_y.maps")]
    first, second = make_rows(given, Path(), {"report": "all.json"})
    assert not first.fault and "row 1 writes all.json, too: give another name, or report=true" in second.fault
    (panel,) = make_rows([{**given[0], "report": True, "panel": True}], Path())
    assert "leave out the panel, or the report" in panel.fault
    (off,) = make_rows(given[:1], Path(), {"report": "no"})
    assert off.options.report is None and not off.fault


def test_a_row_has_every_option_of_animate():
    of_the_batch = {"force", "device"}
    of_a_row = {name for name, found in options_of(AnimateOptions).items() if found.meta["per_row"]}
    assert of_a_row == {found.name for found in fields(AnimateOptions)} - of_the_batch
    (row,) = make_rows([{"photo": "a.jpg", "speech": "s.wav", "force": True}], Path())
    assert "holds for a whole batch" in row.fault


@pytest.mark.parametrize(
    "place",
    [
        "ftp://127.0.0.1:1/x",
        "webhdfs://h/x",
        "reference://a.jpg::file:///refs.json",
        "zip://x::/etc/passwd",
        "jlab://x",
        "s3://bucket/x::file:///etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_rows_name_no_addresses_unless_their_kind_is_allowed(tmp_path, place):
    for row in (
        {"photo": place, "speech": "s.wav"},
        {"photo": "a.jpg", "speech": place},
        {"photo": "a.jpg", "speech": "s.wav", "renderer_model": place},
    ):
        (made,) = make_rows([row], tmp_path, storage=["s3"])
        assert "not a path on this disk" in made.fault
