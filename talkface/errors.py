"""A user's mistake -> one line that says what is wrong, what was expected and what to do next."""

import os
import signal
import stat
import unicodedata
from pathlib import Path


class TalkfaceError(Exception):
    """Base of every error a user can cause; the command line prints it as one line and exits with 1.

    The message is one line that a terminal shows as it is, whatever file names, tags or parsers' words are in it.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(" ".join(str(message).splitlines())))


stopped_by: list[int] = []
"""Numbers of the signals that were to end this command."""


def raise_if_stopped() -> None:
    """Raise what a signal's handler raised, where another package's C code dropped it.

    Raises:
        KeyboardInterrupt: after SIGINT.
        SystemExit: after another signal.
    """
    if stopped_by:
        number = stopped_by[-1]
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


class MediaError(TalkfaceError):
    """A photo, video or sound that cannot be read or written."""


class PassingError(MediaError):
    """Nothing is wrong with the input: the disk was full, memory short, or a process was killed.

    The same again may do; a batch tries such rows in its next run.
    """


class StoppedError(TalkfaceError):
    """A training that a signal ended after it had saved its state.

    Attributes:
        number: of the signal.
    """

    def __init__(self, message: object = "", number: int = 2) -> None:
        super().__init__(message)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class DivergedError(TalkfaceError):
    """A training whose loss or gradient became infinite or NaN."""


class NoFaceError(TalkfaceError):
    """An image or video without a usable face."""


class ConfigError(TalkfaceError):
    """A setting with a wrong name, type or value."""


class CheckpointError(TalkfaceError):
    """A weights file that is missing, broken or of the wrong kind."""


class DatasetError(TalkfaceError):
    """A corpus or shard folder that cannot be used."""


class MissingExtraError(TalkfaceError):
    """An optional package that is not installed; the message names the extra."""


def printable(text: object) -> str:
    """Foreign text with its control and invisible characters escaped: no colours, no cursor moves, no line breaks."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    # Unicode categories: control, format, surrogate, line and paragraph separators
    unseen = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(_escaped(letter) if unicodedata.category(letter) in unseen else letter for letter in shown)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


EXTRAS = {
    "train": ("accelerate", "tensorboard", "librosa"),
    "evaluate": ("matplotlib", "skimage"),
    "metrics": ("torchmetrics", "torch_fidelity"),
    "onnx": ("onnx", "onnxruntime"),
    "scale": ("ray", "fsspec"),
    "provenance": ("c2pa", "cryptography"),
    "web": ("fastapi", "uvicorn", "multipart", "websockets"),
    "webrtc": ("aiortc",),
    "agents": ("livekit", "pipecat"),
    "gradio": ("gradio",),
    "storage": ("s3fs",),
    "phones": ("pocketsphinx",),
    "heic": ("pillow_heif",),
    "hdf5": ("h5py",),
    "face-alignment": ("face_alignment",),
}
"""Extras of the package, as in `pip install 'talkface[train]'` -> modules that they bring."""


def missing_package(module: str) -> str:
    """One line on a module that cannot be imported: the extra that brings it, or the whole installation."""
    root = module.partition(".")[0]
    for extra, modules in EXTRAS.items():
        if root in modules:
            return f"this needs {root}: pip install 'talkface[{extra}]'"
    return f"the package {root} is missing: install talkface again (pip install talkface)"


def check_readable(path: Path, expected: str) -> None:
    """Refuse what is not a file with something in it, before a decoder says so in its own words.

    Args:
        path: what the user gave.
        expected: what should be there, with its article, such as "a picture".

    Raises:
        MediaError: missing, a folder, empty, or without the right to read it.
    """
    try:
        state = path.stat()
    except PermissionError as error:
        raise MediaError(f"{path} may not be read: change its permissions (chmod +r) or copy it") from error
    except (OSError, ValueError) as error:  # also a name too long, a link to itself, or a NUL in the name
        raise MediaError(f"no file {path}: check the name") from error
    if stat.S_ISDIR(state.st_mode):
        raise MediaError(f"{path} is a folder, expected {expected}")
    if not stat.S_ISREG(state.st_mode):  # a device may never end, a pipe may never begin
        raise MediaError(f"{path} is a pipe or a device, expected {expected}: write it to a file first")
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path} may not be read: change its permissions (chmod +r) or copy it")
    if state.st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes): give another file")
