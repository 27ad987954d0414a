"""GRID folder -> Clips, one six-word sentence each.

Cooke, Barker, Cunningham and Shao, "An audio-visual corpus for speech perception and automatic speech recognition",
JASA 2006: 34 speakers (no video of s21), 1000 sentences each, 3 s at 25 fps, 360x288 or 720x576.

Of its two separate audio archives only the 50 kHz one runs along with the video. The 25 kHz one (`audio_25k`) was cut
to the speech, so its files are shorter than their videos and would put every sound early: such files are left alone
and the video's own sound is used.
"""

import re
import wave
from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import Corpus, files, folders, make_key, read_text, split_by_speaker
from talkface.errors import DatasetError
from talkface.files.read import refusing
from talkface.types import Clip

SUFFIXES = (".mpg", ".mpeg", ".mp4", ".avi", ".mov")
SPEAKER = re.compile(r"s([1-9]|[12][0-9]|3[0-4])")


def find_grid_clips(root: Path) -> Iterator[Clip]:
    """`sN/**/bbaf2n.mpg`, with alignments and 50 kHz sound in any of the places where the archives put them.

    The corpus has no splits: speakers are divided by a hash of their name, and where there are fewer than three the
    sentences are. A root that is itself one speaker's folder is read too.
    """
    alone = SPEAKER.fullmatch(root.name) is not None
    top = root.parent if alone else root
    speakers = [root] if alone else [f for f in _videos_folder(root) if SPEAKER.fullmatch(f.name)]
    fewest_speakers = 3  # below, the split is by sentence, or one split would hold everything
    by_sentence = len(speakers) < fewest_speakers
    for folder in speakers:
        videos = _by_stem(_deep_files(folder, SUFFIXES))
        aligns = _by_stem(_side_files(top, folder, "align", (".align",)))
        sounds = _by_stem(_side_files(top, folder, "audio", (".wav",)))
        for stem in sorted(videos):
            # bbaf2n: bin blue at f two now
            if re.fullmatch(r"[bslp][a-z]{2}[a-z][a-z0-9][a-z]", stem):
                yield _clip(folder.name, videos[stem], aligns.get(stem), sounds.get(stem), by_sentence)


def _clip(speaker: str, video: Path, align: Path | None, sound: Path | None, by_sentence: bool) -> Clip:
    stem = video.stem.lower()
    words = read_align(read_text(align)) if align else []
    spoken = [word for word in words if word[0] not in ("sil", "sp")]
    info: dict[str, object] = {"licence": GRID.licence}
    if words:
        info["words"] = [list(word) for word in words]
    audio = video
    if sound is not None and _covers(sound, words[-1][2] if words else None):
        audio = sound
    split = split_by_speaker(f"{speaker}-{stem}" if by_sentence else f"grid-{speaker}")
    if by_sentence:
        info["split_by"] = "sentence"
    text = " ".join(word[0] for word in spoken) or read_sentence(stem)
    return Clip(make_key(speaker, stem), video, audio, f"grid-{speaker}", split, text, info)


def read_align(text: str) -> list[tuple[str, float, float]]:
    """`0 19250 sil` lines -> (word, start, end) in seconds; lines of another form are passed over."""
    words = []
    ticks = re.compile(r"[0-9]{1,12}")
    ticks_per_s = 25_000  # of the .align files
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3 and ticks.fullmatch(parts[0]) and ticks.fullmatch(parts[1]):
            words.append((parts[2], int(parts[0]) / ticks_per_s, int(parts[1]) / ticks_per_s))
    return words


def read_sentence(stem: str) -> str:
    """The six words that a file's name stands for: `bbaf2n` -> `bin blue at f two now`."""
    digits = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    tables = (
        {"b": "bin", "l": "lay", "p": "place", "s": "set"},
        {"b": "blue", "g": "green", "r": "red", "w": "white"},
        {"a": "at", "b": "by", "i": "in", "w": "with"},
        {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
        dict(zip("z123456789", digits, strict=True)),
        {"a": "again", "n": "now", "p": "please", "s": "soon"},
    )
    return " ".join(table.get(letter, letter) for table, letter in zip(tables, stem, strict=True))


def _covers(sound: Path, end_s: float | None) -> bool:
    """Whether `sound` is as long as the video, by its header; `end_s` is where the alignment ends."""
    usual_end_s = 2.98  # of the alignments
    longest_cut_s = 0.25  # sound that is shorter than the sentence's alignment by more was cut to the speech
    try:
        where = f"{sound} is damaged"
        with refusing(where, DatasetError), sound.open("rb") as file, wave.open(file) as header:
            length_s = header.getnframes() / header.getframerate()
            return bool(length_s >= (end_s or usual_end_s) - longest_cut_s)
    except DatasetError:
        return False


def _videos_folder(root: Path) -> list[Path]:
    """Folders of speakers: right in the root, or in `video/` where every archive has a folder of its own."""
    for base in (root, root / "video", root / "videos", root / "GRID", root / "grid"):
        found = [folder for folder in folders(base) if SPEAKER.fullmatch(folder.name)]
        if any(_deep_files(folder, SUFFIXES) for folder in found):
            return sorted(found, key=lambda folder: int(folder.name[1:]))
    return []


def _side_files(top: Path, speaker: Path, kind: str, suffixes: tuple[str, ...]) -> list[Path]:
    """Files of a speaker, beside the videos or apart: `sN/**`, `audio_50k/sN/**`, `alignments/sN/**`, `align/sN/**`."""
    apart = [base / speaker.name for base in folders(top) if kind in base.name.lower()]
    found = [path for base in (speaker, *apart) for path in _deep_files(base, suffixes)]
    return sorted(found, key=lambda path: ("50" in str(path.relative_to(top).parent), str(path)))


def _deep_files(folder: Path, suffixes: tuple[str, ...], depth: int = 3) -> list[Path]:
    """Files of these endings, `depth` folders below at most, as in `video/mpg_6000` of a speaker."""
    found = files(folder, suffixes)
    if depth:
        for inner in folders(folder):
            found += _deep_files(inner, suffixes, depth - 1)
    return found


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    """Stem -> file, the last where there are several: `mpg_6000` (720x576) comes after `mpg`, 50 kHz after the rest."""
    return {path.stem.lower(): path for path in sorted(paths, key=lambda path: "6000" in str(path.parent))}


GRID = Corpus(
    "grid",
    find_grid_clips,
    "s1/**/bbaf2n.mpg, with .align files and 50 kHz .wav beside them or in align*/s1, audio*/s1",
    "https://zenodo.org/records/3625687 or https://spandh.dcs.shef.ac.uk/gridcorpus/",
    "CC BY 4.0",
)
