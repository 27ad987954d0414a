"""Manifest, or folders of photos and speech -> rows, each a video to make."""

import csv
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cache
from pathlib import Path, PurePosixPath
from types import NoneType
from typing import Any, get_args, get_type_hints

from talkface.data.sources.folder import SOUND_SUFFIXES, VIDEO_SUFFIXES
from talkface.errors import ConfigError
from talkface.inference.animate import REPORT_OF_PANEL, parse_fps
from talkface.inference.animator import AnimateOptions
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.media.write import SUFFIXES
from talkface.scale.storage import is_url

INPUTS = ("photo", "speech", "out", "title")
PATHS = ("landmarks", "head_motion_from", "audio2landmark", "headmotion", "renderer_weights")  # may be files
SPEECH_SUFFIXES = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES, ".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".opus", ".wma")
BESIDE = {"save_landmarks": ".npz", "save_maps": ".maps", "report": ".json"}  # what else is written
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Networks:
    """What `load_animator` takes, by name or path."""

    renderer: str = "hybrid"
    renderer_weights: str | None = None
    audio2landmark: str = "audio2landmark"
    headmotion: str = "headmotion"
    detector: str = "dlib"


@dataclass(frozen=True)
class Picture:
    """What else `animate` takes.

    Attributes:
        face: which face, 0 the largest.
        landmarks: file that drives the face instead of the speech.
        head_motion_from: video whose head the photo's follows.
        crop: only the face.
        panel: photo, sketch, mask and result side by side.
        save_landmarks: where in the batch's folder to write the driving landmarks; `true` for beside the video.
        save_maps: folder in the batch's folder for attention, motion map and landmarks; `true` for beside the video.
        report: where in the batch's folder to write what the video measures; `true` for beside the video.
    """

    face: int | None = None
    landmarks: str | None = None
    head_motion_from: str | None = None
    crop: bool = False
    panel: bool = False
    save_landmarks: str | None = None
    save_maps: str | None = None
    report: str | None = None


@dataclass(frozen=True)
class Row:
    """One video to make.

    Attributes:
        number: its place in the manifest, from 1.
        photos: paths or URLs, all of one person.
        speech: path or URL; empty where landmarks drive.
        out: name of the video inside the batch's folder.
        title: what the gallery calls it.
        motion: how the face moves.
        picture: what is shown.
        networks: what makes it.
        fault: why it cannot be made; empty if nothing is wrong so far.
    """

    number: int
    photos: tuple[str, ...] = ()
    speech: str = ""
    out: str = ""
    title: str = ""
    motion: AnimateOptions = field(default_factory=AnimateOptions)
    picture: Picture = field(default_factory=Picture)
    networks: Networks = field(default_factory=Networks)
    fault: str = ""


def option_names() -> list[str]:
    """Options that a row may set, besides photo, speech, out and title."""
    return [name for group in (AnimateOptions, Picture, Networks) for name in _kinds(group)]


def read_manifest(
    path: Path, common: Mapping[str, object] | None = None, aliases: Mapping[str, str] | None = None
) -> list[Row]:
    """Rows of a CSV file with a header line, or of JSON lines; paths in it are relative to its folder.

    Args:
        path: the manifest.
        common: options for all rows that do not set them themselves.
        aliases: other words for columns.

    Raises:
        ConfigError: no such file, neither CSV nor JSON lines, no row, or an unknown column. What is wrong with one
            row only becomes that row's `fault`.
    """
    if not path.is_file():
        raise ConfigError(f"no manifest {path}: give a .csv or .jsonl file, or a folder of photos and one of speech")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: save it as CSV (UTF-8) or JSON lines") from error
    given = _json_lines(text) if text.lstrip().startswith("{") else _csv_rows(text, path, aliases or {})
    return make_rows(given, path.parent, common, aliases)


def make_rows(
    given: Iterable[Mapping[str, object] | str],
    base: Path,
    common: Mapping[str, object] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> list[Row]:
    """Rows from dictionaries: `photo`, `speech`, where wanted `out` and `title`, and any option of `animate`.

    Args:
        given: the dictionaries; a string instead says why there is none.
        base: folder that relative paths start from.
        common: options for all rows that do not set them themselves.
        aliases: other words for the keys.

    Raises:
        ConfigError: there is no row, or `common` has an unknown or wrong option.
    """
    shared = {_option(name, {}): value for name, value in (common or {}).items()}
    _Reader(base, shared, {}).options(shared)
    reader = _Reader(base, shared, aliases or {})
    rows = [
        reader.row(number, values) if not isinstance(values, str) else Row(number, fault=values)
        for number, values in enumerate(given, 1)
    ]
    if not rows:
        raise ConfigError("the manifest has no row: give each video a line with its photo and its speech")
    return _named(rows)


def grid_rows(photos: Path, speech: Path, common: Mapping[str, object] | None = None) -> list[Row]:
    """Every photo with every speech, photos first.

    Args:
        photos: folder where each photo, each video and each sub-folder of photos is a person; or one photo.
        speech: folder of sound and video files; or one file.
        common: options for all.

    Raises:
        ConfigError: a folder without any, or a wrong option.
    """
    people = _entries(photos, (*PHOTO_SUFFIXES, *VIDEO_SUFFIXES), "photo", folders=True)
    sounds = _entries(speech, SPEECH_SUFFIXES, "speech", folders=False)
    return make_rows([{"photo": str(p), "speech": str(s)} for p in people for s in sounds], Path(), common)


def _entries(place: Path, suffixes: tuple[str, ...], what: str, *, folders: bool) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(item for item in place.iterdir() if not item.name.startswith("."))
    kept = [item for item in found if item.suffix.lower() in suffixes or (folders and item.is_dir())]
    if not kept:
        raise ConfigError(f"no {what} in folder {place}: expected files such as *{suffixes[0]}")
    return kept


def _json_lines(text: str) -> Iterator[Mapping[str, object] | str]:
    for line in filter(str.strip, text.splitlines()):
        try:
            values = json.loads(line)
        except ValueError as error:
            values = f"this line is not JSON ({error})"
        yield values if isinstance(values, (dict, str)) else "this line is no JSON object"


def _csv_rows(text: str, path: Path, aliases: Mapping[str, str]) -> list[Mapping[str, object] | str]:
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    columns = [_option(name.strip(), aliases) for name in reader.fieldnames or [] if name]
    if "photo" not in columns:
        raise ConfigError(f"{path} has no column `photo`: found {', '.join(columns) or 'nothing'}")
    rows: list[Mapping[str, object] | str] = []
    for values in reader:
        if values.pop(None, None):  # type: ignore[call-overload]
            rows.append(f"this line has more fields than the {len(columns)} columns: quote fields that hold commas")
        else:
            rows.append({name.strip(): (value or "").strip() for name, value in values.items()})
    return rows


def _option(name: str, aliases: Mapping[str, str]) -> str:
    """The one word for a column or key.

    Raises:
        ConfigError: there is none; the nearest is named.
    """
    dashed = name.strip().replace("_", "-")
    word = aliases.get(dashed, dashed).replace("-", "_")
    known = [*INPUTS, *option_names()]
    if word not in known:
        near = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise ConfigError(f"unknown column or option {name!r}: {hint}")
    return word


@dataclass(frozen=True)
class _Reader:
    """What all rows of a manifest share."""

    base: Path
    common: Mapping[str, object]
    aliases: Mapping[str, str]

    def row(self, number: int, given: Mapping[str, object]) -> Row:
        """One row; whatever is wrong with it becomes its fault."""
        speech, out, title = (str(given.get(name) or "") for name in ("speech", "out", "title"))
        row = Row(number, speech=speech, out=out, title=title)
        try:
            values = {_option(name, self.aliases): value for name, value in given.items()}
            own = {name: value for name, value in values.items() if value not in (None, "")}
            return self._filled(row, {**self.common, **own})
        except ConfigError as error:
            photo = given.get("photo")
            return replace(row, photos=(photo,) if isinstance(photo, str) else (), fault=str(error))

    def _filled(self, row: Row, values: Mapping[str, Any]) -> Row:
        photo = values.get("photo")
        if not photo:
            raise ConfigError("no photo given: fill the field `photo`")
        named = photo if isinstance(photo, list) else [photo]
        if not all(isinstance(name, str) for name in (*named, values.get("speech", ""), values.get("out", ""))):
            raise ConfigError("photo, speech and out must be paths")
        if not values.get("speech") and not values.get("landmarks"):
            raise ConfigError("no speech given: fill the field `speech`, or `landmarks`")
        motion, picture, networks = self.options(values)
        speech = values.get("speech", "")
        return replace(
            row,
            photos=tuple(self._place(name) for name in named),
            speech=self._place(speech) if speech else "",
            out=_checked_name(values["out"], SUFFIXES) if values.get("out") else "",
            title=str(values.get("title", "")),
            motion=motion,
            picture=picture,
            networks=networks,
        )

    def options(self, values: Mapping[str, object]) -> tuple[AnimateOptions, Picture, Networks]:
        """Typed options; raises `ConfigError` for a value that is none."""
        placed = {
            name: self._place(value, must=False) if name in PATHS and isinstance(value, str) else value
            for name, value in values.items()
        }
        motion, picture, networks = (_typed(group, placed) for group in (AnimateOptions, Picture, Networks))
        for name, suffix in BESIDE.items():
            value = getattr(picture, name)
            if value and value.lower() not in WORDS:
                _checked_name(value, (suffix,), f"{name}: true, or a name; ")
        if picture.report and picture.panel:
            raise ConfigError(REPORT_OF_PANEL)
        return motion, picture, networks

    def _place(self, name: str, *, must: bool = True) -> str:
        """Path seen from here; with `must` off, only where a file is there, as it may be a network's name."""
        if is_url(name) or Path(name).is_absolute():
            return name
        path = self.base / name
        return str(path) if must or path.is_file() else name


@cache
def _kinds(group: type) -> dict[str, Any]:
    return {one.name: get_type_hints(group)[one.name] for one in fields(group)}


def _typed(group: type, values: Mapping[str, object]) -> Any:
    """Instance of `group` from those of `values` that are its fields."""
    return group(**{name: _convert(name, values[name], kind) for name, kind in _kinds(group).items() if name in values})


def _convert(name: str, value: object, kind: Any) -> object:
    """Value of a field, from its text or from JSON."""
    choices = [each for each in get_args(kind) or (kind,) if each is not NoneType]
    wanted = choices[0]
    try:
        if wanted is bool:
            return WORDS[str(value).lower()]
        if wanted is Fraction:
            return parse_fps(value)  # type: ignore[arg-type]
        if wanted is int:
            return int(str(value))
        if wanted is float:
            return float(str(value))
        if not isinstance(value, (str, Path, bool) if name in BESIDE else (str, Path)):
            raise ValueError
        return str(value)
    except (ValueError, KeyError):
        expected = "true or false" if wanted is bool else {int: "a whole number", float: "a number"}.get(wanted, "text")
        raise ConfigError(f"{name} is {value!r}: expected {expected}") from None


def _checked_name(name: str, suffixes: tuple[str, ...], expected: str = "") -> str:
    """A file name inside the batch's folder, with `/` between its parts."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or any(part.startswith(".") for part in path.parts) or ":" in path.parts[0]:
        raise ConfigError(f"{name} is no place inside the batch's folder: give a relative name without dots before it")
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"{expected}{name} must end in {' or '.join(suffixes)}: rename it")
    return str(path)


def _named(rows: list[Row]) -> list[Row]:
    """Rows with a name for every file: PHOTO_SPEECH.mp4 where the manifest has none; a name given twice is a fault."""
    taken: dict[str, int] = {}
    named = []
    for row in rows:
        if row.out and not row.fault:
            first = taken.setdefault(row.out.lower(), row.number)
            if first != row.number:
                row = replace(row, fault=f"{row.out} is also the video of row {first}: give another name")
        named.append(row)
    named = [row if row.out or row.fault else replace(row, out=_free_name(row, taken)) for row in named]
    return [_with_files_beside(row, taken) for row in named]


def _with_files_beside(row: Row, taken: dict[str, int]) -> Row:
    """`true` becomes the video's name with another suffix; what another row writes, too, is a fault."""
    for option, suffix in BESIDE.items():
        value = getattr(row.picture, option)
        if row.fault or not value:
            continue
        if value.lower() in WORDS:
            value = str(PurePosixPath(row.out).with_suffix(suffix)) if WORDS[value.lower()] else None
            changed: dict[str, Any] = {option: value}
            row = replace(row, picture=replace(row.picture, **changed))
        if value and taken.setdefault(value.lower(), row.number) != row.number:
            first = taken[value.lower()]
            row = replace(row, fault=f"row {first} writes {value}, too: give another name, or {option}=true")
    return row


def _free_name(row: Row, taken: dict[str, int]) -> str:
    driving = row.speech or row.picture.landmarks or "speaking"
    stem = f"{_stem(row.photos[0])}_{_stem(driving)}".lstrip(".")
    name, count = f"{stem}.mp4", 1
    while taken.setdefault(name.lower(), row.number) != row.number:
        count += 1
        name = f"{stem}_{count}.mp4"
    return name


def _stem(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/"))
    return last.stem if last.suffix else last.name
