"""Name of a limit -> how much a file may ask for before it is refused."""

import os

from talkface.errors import ConfigError

PREFIX = "TALKFACE_MAX_"
DEFAULTS: dict[str, float] = {
    "pixels": 40_000_000,  # of a photo or of one video frame; 8K has 33 million
    "photo_mb": 1024,  # of a picture file
    "seconds": 4 * 3600,  # of speech or video
    "array_mb": 512,  # of arrays once unpacked: landmarks, clips, corpora in HDF5
    "text_mb": 256,  # of a table, manifest, index or settings file
    "weights_mb": 4096,  # of a file of weights
    "worker_mb": 6000,  # that a worker of batch or prepare takes beyond its libraries
    "cache_mb": 20_000,  # of blocks of shards at URLs that are kept on this disk
}
"""Each may be changed by an environment variable such as TALKFACE_MAX_PIXELS, which worker processes inherit."""


def limit(name: str) -> float:
    """The limit in force.

    Raises:
        ConfigError: its environment variable is not a positive number.
    """
    text = os.environ.get(variable(name))
    if text is None:
        return DEFAULTS[name]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ConfigError(f"invalid {variable(name)} {text!r}: expected a positive number, or unset it")
    return value


def variable(name: str) -> str:
    """Environment variable of a limit, named in every refusal so that the user can raise it."""
    return PREFIX + name.upper()
