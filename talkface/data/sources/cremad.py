"""CREMA-D folder -> Clips, one acted sentence each.

Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE Transactions on Affective Computing 2014:
7442 clips of 91 actors, 12 sentences, six emotions; 480x360 Flash video and 16 kHz WAV.
"""

from collections.abc import Iterator
from pathlib import Path

from talkface.data.sources.tree import (
    VIDEO_SUFFIXES,
    Corpus,
    beside,
    files,
    is_lfs_pointer,
    make_key,
    read_text,
    split_by_speaker,
)
from talkface.errors import DatasetError
from talkface.files.read import parse_table
from talkface.types import Clip

SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}


def find_cremad_clips(root: Path) -> Iterator[Clip]:
    """`VideoFlash/1001_IEO_NEU_XX.flv`, `AudioWAV/1001_IEO_NEU_XX.wav`, `VideoDemographics.csv`.

    The name says actor, sentence, emotion and level. There are no splits: actors are divided by a hash of their number.

    Raises:
        DatasetError: every video is a pointer that Git LFS has yet to replace.
    """
    folder = root / "VideoFlash"
    videos = [video for video in files(folder, VIDEO_SUFFIXES) if len(video.stem.split("_")) == 4]
    if videos and all(is_lfs_pointer(video) for video in videos):
        raise DatasetError(
            f"{folder} holds {len(videos)} Git LFS pointers and no video: run `git lfs pull` in {root} (7.6 GB), "
            "a zip download does not bring the videos"
        )
    actors = _actors(root / "VideoDemographics.csv")
    emotions = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
    levels = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
    for video in videos:
        actor, sentence, emotion, level = video.stem.split("_")
        info: dict[str, object] = {"emotion": emotions.get(emotion, emotion), "level": levels.get(level, level)}
        info |= {**actors.get(actor, {}), "licence": CREMAD.licence}
        sound = beside(video, root / "AudioWAV" / f"{video.stem}.wav")
        sound = video if is_lfs_pointer(sound) else sound
        speaker = f"cremad-{actor}"
        yield Clip(
            make_key(video.stem), video, sound, speaker, split_by_speaker(speaker), SENTENCES.get(sentence), info
        )


def _actors(table: Path) -> dict[str, dict[str, str]]:
    """Actor number -> age, sex, race, ethnicity, as the table has them."""
    try:
        _, rows = parse_table(read_text(table).replace("\0", ""), str(table), DatasetError)
    except DatasetError:
        return {}
    lower = [{name.lower(): value for name, value in row.items() if name and value} for row in rows]
    return {row["actorid"]: {name: row[name] for name in row if name != "actorid"} for row in lower if "actorid" in row}


CREMAD = Corpus(
    "cremad",
    find_cremad_clips,
    "VideoFlash/1001_IEO_NEU_XX.flv and AudioWAV/1001_IEO_NEU_XX.wav",
    "https://github.com/CheyneyComputerScience/CREMA-D, cloned with Git LFS",
    "Open Database License 1.0 (contents: Database Contents License)",
)
