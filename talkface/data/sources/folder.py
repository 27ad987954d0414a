"""Folder of videos and photos, with or without a CSV table -> Clips."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from talkface.data.interop.importers import refuse_pickles
from talkface.data.sources.tree import VIDEO_SUFFIXES, find_split
from talkface.errors import DatasetError
from talkface.files.read import read_table
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.types import Clip

SOUND_SUFFIXES = (".wav", ".flac", ".m4a", ".mp3", ".ogg")


def find_folder_clips(root: Path, table: Path | None, where: Mapping[str, Sequence[str]]) -> list[Clip]:
    """Every video under `root` is a clip, every person's photos together are one.

    With a table (columns `file`, and where present `split`, `speaker` or `identity`, `licence`, `tier`) exactly its
    rows are taken. Without one the first folder under `root` names the speaker, a file right in `root` is its own,
    and `train`, `val` or `test`, or another usual word for one of them, in the path names the split. A sound file
    beside a video, of the same name, replaces the video's own sound.

    Args:
        root: folder that the table's paths are relative to.
        table: CSV file, or None.
        where: table column -> accepted values.

    Raises:
        DatasetError: no such folder or table, a missing column, no row that fits, no clip at all, or a folder that
            seems to be a split but has none of their usual names.
    """
    if not root.is_dir():
        raise DatasetError(f"no folder {root}: give the folder that holds the clips")
    if table is None and where:
        raise DatasetError("--where filters the rows of a table: add --table FILE.csv")
    rows = _table_rows(root, table, where) if table else _bare_rows(root)
    clips = _video_clips(root, rows) + _photo_clips(root, rows)
    if not clips:
        refuse_pickles(root)
        raise DatasetError(f"no video and no photo in {root}" + (f" fits {table} and --where" if table else ""))
    return _unique(sorted(clips, key=lambda clip: clip.key))


def _table_rows(root: Path, table: Path, where: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    columns, rows = read_table(table, "table", DatasetError)
    file_column = _first(("file", "path", "video"), columns)
    if file_column is None:
        raise DatasetError(f"{table} has no column `file`: found {', '.join(columns) or 'nothing'}")
    wanted = {name.strip().lower(): {value.strip() for value in values} for name, values in where.items()}
    for name in wanted:
        if name not in columns:
            raise DatasetError(f"--where {name}=...: {table} has no such column, only {', '.join(columns)}")
    kept = []
    for number, row in enumerate(rows, start=1):
        if row.get(""):
            raise DatasetError(f"{table} row {number} has more cells than columns: quote cells that hold the delimiter")
        row["split"] = _split(row.get("split", ""), f"{table} row {number}")
        if all(_accepts(values, name, row[name]) for name, values in wanted.items()):
            kept.append({**row, "file": _inside(root, row[file_column])})
    return kept


def _split(word: str, where: str) -> str:
    """`train`, `val` or `test`; an empty cell is for training.

    Raises:
        DatasetError: another word.
    """
    split = find_split(word or "train")
    if split is None:
        raise DatasetError(f"{where}: unknown split {word!r}: expected train, val or test")
    return split


def _accepts(values: Collection[str], column: str, value: str) -> bool:
    """Whether a row's value is among the wanted ones; of splits any word for the same one."""
    return value in values or (column == "split" and value in {find_split(each) for each in values})


def _inside(root: Path, name: str) -> str:
    """A table's path, with `/` between its parts as this system has it."""
    if "\\" in name and not (root / name).is_file():
        name = name.replace("\\", "/")
    if not (root / name).resolve().is_relative_to(root.resolve()):
        raise DatasetError(f"the table names {name!r}, which is outside {root}: paths must be relative to the folder")
    return name


def _bare_rows(root: Path) -> list[dict[str, str]]:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    rows = []
    sheets = ("contact_sheet", "quality", "refused_", "unused_")  # of a folder of shards, which `prepare.json` marks
    for path in files:
        if path.name.startswith(sheets) and path.suffix == ".png" and (path.parent / "prepare.json").is_file():
            continue  # shards were written into the corpus: their contact sheets are nobody's photos
        name = path.relative_to(root)
        if path.suffix.lower() in (*VIDEO_SUFFIXES, *PHOTO_SUFFIXES):
            _refuse_odd_split(name, root)
        folders = [part for part in name.parts[:-1] if find_split(part) is None]
        split = next((split for split in map(find_split, name.parts[:-1]) if split is not None), "train")
        rows.append({"file": str(name), "speaker": folders[0] if folders else name.stem, "split": split})
    return rows


def _refuse_odd_split(name: Path, root: Path) -> None:
    """Refuse a first folder such as `test-clean` or `holdout`, whose clips would be somebody's for training."""
    more = r"[\W\d_].*"
    split = rf"(train|training|val|valid|validation|dev|test|testing){more}"
    other = rf"(eval|evaluation|(hold|held)[\W_]?out)({more})?"
    first = name.parts[0] if len(name.parts) > 1 else ""
    if find_split(first) is None and re.fullmatch(f"{split}|{other}", first.lower()):
        raise DatasetError(
            f"{root / first} seems to be a split, but is called neither train, val nor test: rename it, or give --table"
        )


def _video_clips(root: Path, rows: list[dict[str, str]]) -> list[Clip]:
    clips = []
    for row in rows:
        video = root / row["file"]
        if video.suffix.lower() in VIDEO_SUFFIXES:
            sound = next((video.with_suffix(end) for end in SOUND_SUFFIXES if video.with_suffix(end).is_file()), video)
            clips.append(_clip(row, _slug(str(Path(row["file"]).with_suffix(""))), video, sound))
    return clips


def _photo_clips(root: Path, rows: list[dict[str, str]]) -> list[Clip]:
    """One silent clip per person and split, whose frames are the photos."""
    people: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        if Path(row["file"]).suffix.lower() in PHOTO_SUFFIXES:
            people.setdefault((_speaker(row), row.get("split", "train")), []).append(row)
    clips = []
    for (speaker, _), photos in people.items():
        files = sorted(row["file"] for row in photos)
        clip = _clip(photos[0], _slug(f"photos {speaker}"), root / files[0], root / files[0])
        clips.append(replace(clip, info={**clip.info, "photos": [str(root / name) for name in files]}))
    return clips


def _clip(row: dict[str, str], key: str, video: Path, audio: Path) -> Clip:
    info: dict[str, object] = {"file": row["file"]}
    licence = _first(("licence", "license"), list(row))
    if licence and row[licence]:
        info["licence"] = row[licence]
    if row.get("tier"):
        info["tier"] = row["tier"]
    transcript = row.get("transcript") or None
    return Clip(key, video, audio, _speaker(row), row.get("split") or "train", transcript, info)


def _speaker(row: dict[str, str]) -> str:
    column = _first(("speaker", "identity", "person", "id"), list(row))
    return (row[column] if column else "") or Path(row["file"]).stem


def _first(wanted: Sequence[str], present: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in present), None)


def _slug(text: str) -> str:
    """Letters, digits, `_` and `-` only, as a shard's keys must be (a dot would end the key)."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "clip"


def _unique(clips: list[Clip]) -> list[Clip]:
    """Clips whose names became the same get a number."""
    seen: Counter[str] = Counter()
    result = []
    for clip in clips:
        seen[clip.key] += 1
        again = seen[clip.key]
        result.append(clip if again == 1 else replace(clip, key=f"{clip.key}-{again}"))
    return result
