"""Rows -> those that are still to be made, by hashes of all that decides a video."""

import hashlib
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from talkface.checkpoints.format import file_hash, find_weights
from talkface.errors import MediaError, TalkfaceError
from talkface.inference.batch.results import Outcome, current, failure
from talkface.inference.batch.rows import Row
from talkface.inference.batch.tasks import Loaded, failure_of
from talkface.inference.request import AnimateOptions
from talkface.inference.subject import NETWORKS, network_names
from talkface.media.photo import PHOTO_SUFFIXES
from talkface.scale.storage import Folder, absolute, is_url, local_copies

RECIPE = 7  # raised when the same inputs, options and networks make other frames: then all is made again


@dataclass(frozen=True)
class Todo:
    """A row that is to be made, and what tells its inputs from others.

    Attributes:
        row: as the manifest has it.
        placed: the same with paths that hold in every working folder.
        key: of its outcome.
        shots_key: of its photos, with the face and the detector.
        speech_key: of its speech, with the frame rate and the network; empty where landmarks drive.
        networks: what makes it.
    """

    row: Row
    placed: Row
    key: str
    shots_key: str
    speech_key: str
    networks: Loaded


def plan(
    rows: Sequence[Row],
    device: str,
    folder: Folder,
    before: Mapping[str, Outcome],
    take: Callable[[Outcome], None],
    *,
    retry_failed: bool,
) -> list[Todo]:
    """Rows that are not done; outcomes of the others are given to `take`.

    A row that cannot even be looked at (a name that no file can have, a pipe, a network that is not there) fails alone.

    Args:
        rows: all.
        device: that networks run on.
        folder: of the videos.
        before: outcomes of earlier runs by key.
        take: receives what is done, and what fails here.
        retry_failed: try also what failed for good.
    """
    sizes = folder.sizes()
    ours = {outcome.out for outcome in before.values() if not outcome.failed}
    inputs = _Inputs(device)
    todo = []
    for row in rows:
        if row.fault:
            take(failure(row, "", row.fault))
            continue
        try:
            described = inputs.describe(row)
        except Exception as error:  # noqa: BLE001 - a row that cannot be planned fails and stops nothing
            take(failure(row, "", failure_of(error).reason, again=True))  # without a key it is looked at again anyway
            continue
        known = before.get(described.key)
        tried = known and known.failed and not (known.again or retry_failed)
        if known and (tried or (not known.failed and sizes.get(row.out) == known.num_bytes)):
            take(current(known, row))
        elif row.out in sizes and row.out not in ours:
            reason = f"{row.out} exists in {folder.place} and is of no batch: move it, or give the row another name"
            take(failure(row, described.key, reason))
        else:
            todo.append(described)
    return todo


class _Inputs:
    """Contents of inputs and networks -> hashes, each read once in a run."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._files: dict[str, str] = {}
        self._networks: dict[tuple[object, ...], Loaded] = {}
        self._weights: dict[str, str] = {}

    def describe(self, row: Row) -> Todo:
        """Hashes of all that decides the row's video.

        Raises:
            CheckpointError: networks that are not there.
            MediaError: an input that is not a regular file.
        """
        networks = self._loaded(row.options)
        drivers = {name: getattr(row.options, name) for name in ("landmarks", "head_from")}
        placed = replace(
            row,
            photos=tuple(absolute(name) for name in row.photos),
            speech=absolute(row.speech) if row.speech else "",
        )
        if any(drivers.values()):
            found: dict[str, Any] = {name: absolute(file) if file else None for name, file in drivers.items()}
            placed = replace(placed, options=replace(row.options, **found))
        photos = [self._hash(name) for name in row.photos]
        speech = self._hash(row.speech) if row.speech else ""
        asked = {name: value for name, value in row.options.plain().items() if name not in NETWORKS}
        asked |= {name: self._hash(file) if file else "" for name, file in drivers.items()}
        made_by = [networks.options.renderer, networks.options.detector, networks.hashes, *networks.options.set]
        key = _digest([RECIPE, photos, speech, asked, made_by, row.out])
        # names belong to these two, so that a refusal names the row's own file
        shots_key = _digest([row.photos, photos, row.options.face, row.options.detector])
        speech_key = _digest([row.speech, speech, str(row.options.fps), networks.hashes]) if speech else ""
        return Todo(row, placed, key, shots_key, speech_key, networks)

    def _loaded(self, options: AnimateOptions) -> Loaded:
        """The networks of a row, the same object for the same ones."""
        named = tuple(getattr(options, name) for name in NETWORKS)
        if named not in self._networks:
            chosen = {**dict(zip(NETWORKS, named, strict=True)), "device": self._device}
            own = AnimateOptions(**chosen)
            hashes = tuple((name, self._weights_hash(name)) for name in network_names(own))
            self._networks[named] = Loaded(own, hashes)
        return self._networks[named]

    def _weights_hash(self, name: str) -> str:
        if name not in self._weights:
            self._weights[name] = file_hash(find_weights(name))
        return self._weights[name]

    def _hash(self, source: str) -> str:
        """SHA-256 of a file, or of all photos of a folder; a missing one's is a word, which changes when it comes."""
        if source not in self._files:
            path = Path(source)
            if not is_url(source) and path.is_dir():
                inside = sorted(item for item in path.iterdir() if item.suffix.lower() in PHOTO_SUFFIXES)
                self._files[source] = _digest([[item.name, _file_digest(str(item))] for item in inside])
            else:
                self._files[source] = _file_digest(source)
        return self._files[source]


def _file_digest(source: str) -> str:
    """SHA-256 of a file's content; of one above 4 GB of its start, size and time, as a file may claim any size.

    Raises:
        MediaError: a pipe or a device, which may never end, or a name that no file can have.
    """
    largest_hashed, end = 1 << 32, 1 << 20  # bytes
    try:
        with local_copies([source]) as (path,):
            if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
                raise MediaError(f"{path} is a pipe or a device: write it to a file first")
            with path.open("rb") as handle:
                if path.stat().st_size > largest_hashed:
                    return _digest([handle.read(end).hex(), path.stat().st_size, path.stat().st_mtime_ns])
                return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return "missing"
    except ValueError as error:  # a NUL, or half a character
        raise MediaError(f"no file can be called {source}: {error}") from error
    except TalkfaceError:
        if is_url(source):
            return "missing"
        raise


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:24]
