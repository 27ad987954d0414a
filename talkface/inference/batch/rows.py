"""Manifest, or folders of photos and speech -> rows, each a video to make."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from talkface.data.sources.folder import SOUND_SUFFIXES
from talkface.data.sources.tree import VIDEO_SUFFIXES
from talkface.errors import ConfigError, printable
from talkface.files.encoding import decode_text
from talkface.files.read import parse_table, read_bytes
from talkface.files.write import LONGEST_NAME
from talkface.inference.request import AnimateOptions
from talkface.media.ffmpeg import SUFFIXES
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.options import WORDS, current_name, options_of
from talkface.scale.storage import is_url

INPUTS = ("photo", "speech", "out", "title")
BESIDE = {name: found.meta["beside"] for name, found in options_of(AnimateOptions).items() if found.meta["beside"]}


@dataclass(frozen=True)
class Row:
    """One video to make.

    Attributes:
        number: its place in the manifest, from 1.
        photos: paths or URLs, all of one person.
        speech: path or URL; empty where landmarks drive.
        out: name of the video inside the batch's folder.
        title: what the gallery calls it.
        options: of `animate`; what is written beside the video is named inside the batch's folder.
        fault: why it cannot be made; empty if nothing is wrong so far.
    """

    number: int
    photos: tuple[str, ...] = ()
    speech: str = ""
    out: str = ""
    title: str = ""
    options: AnimateOptions = field(default_factory=AnimateOptions)
    fault: str = ""


def read_manifest(
    path: Path,
    common: Mapping[str, object] | None = None,
    aliases: Mapping[str, str] | None = None,
    storage: Sequence[str] = (),
    group: type[AnimateOptions] = AnimateOptions,
) -> list[Row]:
    """Rows of a CSV file with a header line, or of JSON lines; paths in it are relative to its folder.

    Args:
        path: the manifest.
        common: options for all rows that do not set them themselves.
        aliases: other words for columns.
        storage: as for `make_rows`.
        group: as for `make_rows`.

    Raises:
        ConfigError: no such file, neither CSV nor JSON lines, no row, or an unknown column. What is wrong with one
            row only becomes that row's `fault`.
    """
    if not path.is_file():
        raise ConfigError(f"no manifest {path}: give a .csv or .jsonl file, or a folder of photos and one of speech")
    text = decode_text(read_bytes(path, "manifest", ConfigError), str(path), ConfigError)
    given = _json_lines(text) if text.lstrip().startswith("{") else _csv_rows(text, path, aliases or {}, group)
    return make_rows(given, path.parent, common, aliases, group, storage)


def make_rows(
    given: Iterable[Mapping[str, object] | str],
    base: Path,
    common: Mapping[str, object] | None = None,
    aliases: Mapping[str, str] | None = None,
    group: type[AnimateOptions] = AnimateOptions,
    storage: Sequence[str] = (),
) -> list[Row]:
    """Rows from dictionaries: `photo`, `speech`, where wanted `out` and `title`, and any option of `animate`.

    Args:
        given: the dictionaries; a string instead says why there is none.
        base: folder that relative paths start from.
        common: options for all rows that do not set them themselves.
        aliases: other words for the keys.
        group: options that a row may set.
        storage: kinds of address that rows may name, such as `s3`; none by default, as a manifest of others could
            have this machine ask for whatever it names.

    Raises:
        ConfigError: there is no row, or `common` has an unknown or wrong option.
    """
    shared = {_option(name, {}, group): value for name, value in (common or {}).items()}
    _Reader(base, shared, {}, group, tuple(storage)).options(shared)
    reader = _Reader(base, shared, aliases or {}, group, tuple(storage))
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
    others = (".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".opus", ".wma")
    sounds = _entries(speech, (*SOUND_SUFFIXES, *VIDEO_SUFFIXES, *others), "speech", folders=False)
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
        except (ValueError, RecursionError) as error:
            values = f"this line is not JSON ({error})"
        yield values if isinstance(values, (dict, str)) else "this line is not a JSON object"


def _csv_rows(
    text: str, path: Path, aliases: Mapping[str, str], group: type[AnimateOptions]
) -> list[Mapping[str, object] | str]:
    names, cells = parse_table(text, str(path), ConfigError)
    columns = [_option(name, aliases, group) for name in names if name]
    if "photo" not in columns:
        raise ConfigError(f"{path} has no column `photo`: found {', '.join(columns) or 'nothing'}")
    too_long = f"this line has more fields than the {len(columns)} columns: quote fields that hold commas"
    return [too_long if row.get("") else row for row in cells]


def _option(name: str, aliases: Mapping[str, str], group: type[AnimateOptions]) -> str:
    """The one word for a column or key.

    Raises:
        ConfigError: there is none; the nearest is named.
    """
    dashed = name.strip().replace("_", "-")
    word = aliases.get(dashed, dashed).replace("-", "_")
    if word in INPUTS:
        return word
    word = current_name(group, word, INPUTS)
    if not options_of(group)[word].meta["per_row"]:
        raise ConfigError(f"option {word!r} holds for a whole batch: leave it out of the rows")
    return word


@dataclass(frozen=True)
class _Reader:
    """Settings shared by all rows of a manifest."""

    base: Path
    common: Mapping[str, object]
    aliases: Mapping[str, str]
    group: type[AnimateOptions]
    storage: tuple[str, ...] = ()

    def row(self, number: int, given: Mapping[str, object]) -> Row:
        """One row; whatever is wrong with it becomes its fault."""
        speech, out, title = (str(given.get(name) or "") for name in ("speech", "out", "title"))
        row = Row(number, speech=speech, out=out, title=title)
        try:
            values = {_option(name, self.aliases, self.group): value for name, value in given.items()}
            own = {name: value for name, value in values.items() if value not in (None, "")}
            return self._filled(row, {**self.common, **own})
        except ConfigError as error:
            return _at_fault(row, given, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a value may be, it is the fault of its row alone
            return _at_fault(row, given, f"this row cannot be read ({type(error).__name__}: {error})")

    def _filled(self, row: Row, values: Mapping[str, Any]) -> Row:
        photo = values.get("photo")
        if not photo:
            raise ConfigError("no photo given: fill the field `photo`")
        named = photo if isinstance(photo, list) else [photo]
        if not all(isinstance(name, str) for name in (*named, values.get("speech", ""), values.get("out", ""))):
            raise ConfigError("photo, speech and out must be paths")
        if not values.get("speech") and not values.get("landmarks"):
            raise ConfigError("no speech given: fill the field `speech`, or `landmarks`")
        options = self.options(values)
        speech = values.get("speech", "")
        return replace(
            row,
            photos=tuple(self._place(name) for name in named),
            speech=self._place(speech) if speech else "",
            out=_checked_name(values["out"], SUFFIXES) if values.get("out") else "",
            title=str(values.get("title", "")),
            options=options,
        )

    def options(self, values: Mapping[str, object]) -> AnimateOptions:
        """Typed options; raises `ConfigError` for a value that is not one."""
        chosen = {name: value for name, value in values.items() if name not in INPUTS}
        paths = ("landmarks", "head_from", "speech_model", "head_model", "renderer_model")  # may be files
        for name in paths:
            if isinstance(chosen.get(name), str):
                chosen[name] = self._place(str(chosen[name]), must=False)
        for name, suffix in BESIDE.items():
            word = str(chosen.get(name) or "false")
            chosen[name] = None if WORDS.get(word.lower()) is False else word
            if word.lower() not in WORDS:
                _checked_name(word, (suffix,), f"{name}: true, or a name; ")
        return self.group.from_mapping(chosen)

    def _place(self, name: str, *, must: bool = True) -> str:
        """Path seen from here; with `must` off, only where a file is there, as it may be a network's name."""
        if is_url(name):
            kind = name.partition("://")[0]
            if kind not in self.storage or "::" in name:
                raise ConfigError(
                    f"{name} is not a path on this disk: rows may name addresses of allowed kinds only (--storage s3)"
                )
            return name
        if Path(name).is_absolute():
            return name
        path = self.base / name
        return str(path) if must or path.is_file() else name


def _at_fault(row: Row, given: Mapping[str, object], fault: str) -> Row:
    photo = given.get("photo")
    return replace(row, photos=(photo,) if isinstance(photo, str) else (), fault=printable(fault))


def _checked_name(name: str, suffixes: tuple[str, ...], expected: str = "") -> str:
    """A file name inside the batch's folder, with `/` between its parts."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or any(part.startswith(".") for part in path.parts) or ":" in path.parts[0]:
        raise ConfigError(
            f"{name} is not a place inside the batch's folder: give a relative name without dots before it"
        )
    if "\0" in name or any(len(part.encode("utf-8", "surrogatepass")) > LONGEST_NAME for part in path.parts):
        raise ConfigError(f"{name[:60]}: no file can have this name: at most {LONGEST_NAME} bytes, without NUL")
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
    numbers: dict[str, int] = {}
    named = [row if row.out or row.fault else replace(row, out=_free_name(row, taken, numbers)) for row in named]
    return [_with_files_beside(row, taken) for row in named]


def _with_files_beside(row: Row, taken: dict[str, int]) -> Row:
    """`true` becomes the video's name with another suffix; what another row writes, too, is a fault."""
    for name, suffix in BESIDE.items():
        value = getattr(row.options, name)
        if row.fault or value is None:
            continue
        if value.as_posix().lower() in WORDS:
            value = Path(row.out).with_suffix(suffix)
            changed: dict[str, Any] = {name: value}
            row = replace(row, options=replace(row.options, **changed))
        first = taken.setdefault(value.as_posix().lower(), row.number)
        if first != row.number:
            row = replace(row, fault=f"row {first} writes {value}, too: give another name, or {name}=true")
    return row


def _free_name(row: Row, taken: dict[str, int], numbers: dict[str, int]) -> str:
    """PHOTO_SPEECH.mp4, or in the format asked for, PHOTO_SPEECH_2.mp4 ...; `numbers` has each name's last number."""
    driving = row.speech or str(row.options.landmarks or "speaking")
    stem = f"{_stem(row.photos[0])}_{_stem(driving)}".lstrip(".")
    longest_stem = 200  # bytes of a name made from photo and speech
    stem = stem.encode(errors="ignore")[:longest_stem].decode(errors="ignore")
    count = numbers.get(stem.lower(), 1)
    suffix = row.options.format or "mp4"
    name = f"{stem}_{count}.{suffix}" if count > 1 else f"{stem}.{suffix}"
    while taken.setdefault(name.lower(), row.number) != row.number:
        count += 1
        name = f"{stem}_{count}.{suffix}"
    numbers[stem.lower()] = count
    return name


def _stem(name: str) -> str:
    last = PurePosixPath(name.replace("\\", "/"))
    return last.stem if last.suffix else last.name
