"""Folder of ATVGnet's landmark arrays, or HDF5 file of the LSTM line -> Clips without pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

from talkface.data.interop.importers import array_shape, hdf5_rows, landmark_shape
from talkface.data.sources.tree import Corpus, beside, folders, make_key, split_by_speaker
from talkface.types import Clip


def find_atvgnet_clips(root: Path) -> Iterator[Clip]:
    """Every `.npy` of `(T, 68, 2)` or `(T, 136)`, such as `landmark1d/WORD/train/WORD_00001.npy` or `s1/bbaf2n.npy`.

    Sound is the `.wav` of the same name beside it, or at the same place below a folder of the root whose name has
    `audio` in it. `train`, `val` or `test` in the path names the split; else speakers are divided by a hash.
    """
    sounds = [folder for folder in folders(root) if "audio" in folder.name.lower()]
    for array in sorted(root.rglob("*.npy")):
        shape = array_shape(array)
        if shape is not None and landmark_shape(shape):
            yield _clip(root, array, sounds)


def _clip(root: Path, array: Path, sounds: list[Path]) -> Clip:
    within = array.relative_to(root)
    below = Path(*within.parts[1:]) if len(within.parts) > 1 else within
    sound = beside(array, array.with_suffix(".wav"), *(folder / below.with_suffix(".wav") for folder in sounds))
    parts = within.parts[:-1]
    speaker = next((part for part in parts if re.fullmatch(r"s\d+", part)), "")
    splits = ("train", "val", "test")
    if not speaker:  # LRW names no speakers; elsewhere the innermost folder that is not a split does
        named = [part for part in parts if part not in splits]
        speaker = array.stem if re.fullmatch(r"[A-Z]+_\d{5}", array.stem) or not named else named[-1]
    split = next((part for part in parts if part in splits), None) or split_by_speaker(speaker)
    return Clip(
        make_key(*within.with_suffix("").parts), array, sound, speaker, split, None, {"licence": ATVGNET.licence}
    )


def find_lstm_hdf5_clips(path: Path) -> Iterator[Clip]:
    """One clip per row of `flmark` in an `.h5` file, or in each one of a folder; of the sound only features are there.

    Rows are not named, so each is a speaker of its own and the split is by a hash of the row.

    Raises:
        DatasetError: a file without `flmark`.
        MissingExtraError: h5py is not installed.
    """
    found = [path] if path.is_file() else sorted([*path.glob("*.h5"), *path.glob("*.hdf5")])
    for file in found:
        for row in hdf5_rows(file):
            key = make_key(file.stem, f"{row:06d}")
            yield Clip(key, file, file, key, split_by_speaker(key), None, {"row": row, "licence": LSTM_HDF5.licence})


ATVGNET = Corpus(
    "atvgnet",
    find_atvgnet_clips,
    "**/*.npy landmark arrays (T, 68, 2), and .wav of the same names",
    "https://github.com/lelechen63/ATVGnet",
    "that of the corpus the arrays were made from",
)
LSTM_HDF5 = Corpus(
    "lstm_hdf5",
    find_lstm_hdf5_clips,
    "an .h5 file with flmark (N, 75, 136) and MelFeatures (N, 75, 128)",
    "https://github.com/eeskimez/Talking-Face-Landmarks-from-Speech",
    ATVGNET.licence,
)
