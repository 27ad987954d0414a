"""Options, photos and speech -> what the signed manifest says a video was made of, and who signs."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from talkface.errors import MediaError
from talkface.inference.photos import Shots
from talkface.inference.request import RenderOptions
from talkface.media.mark.manifest import find_credentials
from talkface.media.mark.tag import Origin
from talkface.media.speech import SpeechStream


def find_origin(
    options: RenderOptions,
    shots: Shots,
    networks: Mapping[str, Path],
    speech: SpeechStream | None = None,
    driving: Path | None = None,
) -> Origin:
    """Hashes of what goes into a video; no names, which may say more than a user wants to.

    Files are hashed as they are, pictures and sound in memory by their samples.

    Raises:
        ConfigError, MediaError, MissingExtraError: a certificate was given that cannot be used.
    """
    if not options.sign:
        return Origin()
    try:
        credentials = find_credentials(options.certificate, options.key, options.time_stamp)
    except MediaError:
        if options.certificate is not None:
            raise
        return Origin()  # a home that may not be written to: the tag and the invisible mark stay
    if credentials is None:
        return Origin()
    inputs = {}
    for index, shot in enumerate(shots.shots):
        name = Path(shots.names[index]) if index < len(shots.names) else Path()
        digest = _file(name) if name.is_file() else _array(shot.image)
        inputs["photo" if index == 0 else f"photo {index + 1}"] = digest
    if speech is not None:
        inputs["speech"] = _file(speech.path) if speech.path is not None else _array(speech.waveform().samples)
    if driving is not None:
        inputs["driving video"] = _file(driving)
    found = {path.stem: _weights(path, path.stat().st_mtime_ns) for path in networks.values()}
    return Origin(inputs, found, options.consent, credentials)


def _file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=16)
def _weights(path: Path, changed_ns: int) -> str:
    """Hash of a weights file, once as long as it stays as it is."""
    return _file(path)


def _array(samples: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()
