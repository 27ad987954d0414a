"""A small folder of shards -> one with as many entries as a real corpus has, for measuring memory and start-up.

The shards are hard links to one file and only the table is as long as the corpus', so half a million clips take the
disk space of a thousand. What is read from them is real: arrays, sound and pictures of the first ones, over and over.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from talkface.data.clip_index import ClipIndex, build_index, packed_texts, save_index
from talkface.data.prepare.shards import find_shards


@dataclass(frozen=True)
class CorpusSizes:
    """Sizes of the drawn corpora."""

    lrw_clips: int = 538_766
    lrw_words: int = 500
    voxceleb2_clips: int = 1_092_009
    voxceleb2_videos: int = 145_569
    voxceleb2_people: int = 5_994


CORPUS_SIZES = CorpusSizes()
Names = Callable[[int], tuple[str, str]]


def repeat_shard(source: Path, out: Path, count: int, names: Names, videos: int = 0, judged_every: int = 0) -> None:
    """Write `out`, a folder of `count` clips, from the first shard of `source`.

    Args:
        source: folder of shards, of which one is enough.
        out: a new folder on the same disk.
        count: clips.
        names: number of a clip -> its key and speaker.
        videos: source videos that the clips are spread over in turn; 0 for one each.
        judged_every: every so many-th clip is of split val, the others of train; 0 for none.
    """
    table = build_index(source)
    shard = find_shards(source)[0]
    rows = np.arange(count) % int((table.columns["shard"] == 0).sum())
    number = np.arange(count) // (int(rows.max()) + 1)
    out.mkdir(parents=True)
    shards = [f"shard-{place:05d}.tar" for place in range(int(number.max()) + 1)]
    for name in shards:
        os.link(shard, out / name)
    speakers = [names(place)[1] for place in range(count)]
    people = {name: place for place, name in enumerate(sorted(set(speakers)))}
    columns = {name: table.columns[name][rows] for name in ("spans", "frames", "seen", "fps", "speech", "references")}
    columns["shard"] = number
    columns["split"] = (np.arange(count) % judged_every == 0).astype(int) if judged_every else np.zeros(count, int)
    columns["speaker"] = np.array([people[name] for name in speakers])
    columns["video"] = np.arange(count) % videos if videos else np.arange(count)
    columns["keys"], columns["key_ends"] = packed_texts([names(place)[0] for place in range(count)])
    columns["speaker_names"], columns["speaker_ends"] = packed_texts(list(people))
    lengths = np.diff(table.columns["opening_ends"], prepend=0)[rows]
    columns["opening_ends"] = np.cumsum(lengths)
    columns["openings"] = np.concatenate([table.openings(int(row)) for row in rows])
    save_index(ClipIndex(out, shards, ["train", "val"], table.bands, columns))


def lrw_names(place: int) -> tuple[str, str]:
    """Key and speaker as LRW's adapter gives them: every clip is a speaker of its own."""
    key = f"WORD{place % CORPUS_SIZES.lrw_words:03d}_{place // CORPUS_SIZES.lrw_words:05d}"
    return key, f"lrw-{key}"


def voxceleb2_names(place: int) -> tuple[str, str]:
    """Key and speaker as VoxCeleb2's adapter gives them; clips of one video are of one person."""
    video = place % CORPUS_SIZES.voxceleb2_videos
    person = f"id{video % CORPUS_SIZES.voxceleb2_people:05d}"
    return f"{person}-video{video:06d}-{place // CORPUS_SIZES.voxceleb2_videos:05d}", person
