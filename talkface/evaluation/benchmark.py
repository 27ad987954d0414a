"""Public set in its own layout, folders of made videos -> pairs to measure, and the measures of that set's papers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from talkface.data.sources.registry import find_clips
from talkface.data.sources.tree import VIDEO_SUFFIXES
from talkface.errors import DatasetError
from talkface.evaluation.pair import Pair
from talkface.types import Clip


@dataclass(frozen=True)
class Benchmark:
    """Protocol by which a public set is measured.

    Attributes:
        corpus: adapter that reads its layout, see `data.sources.registry`.
        measures: columns of the papers' tables, by the names of `report.measures`, in their order.
        note: what a reader must know before the figures are laid beside published ones.
    """

    corpus: str
    measures: tuple[str, ...]
    note: str


def _unofficial(name: str, people: str, drawn: str = "") -> str:
    return (
        f"{name} has no official split: papers test on {people} of their own choice, which --list takes; without one "
        f"a tenth of the {people} is drawn by a hash{drawn}"
    )


BENCHMARKS = {
    benchmark.corpus: benchmark
    for benchmark in (
        Benchmark(
            "hdtf",
            (
                *("fid", "lse_c", "lse_d", "csim_arcface", "cpbd", "ssim", "lmd_mean", "f_lmd", "lip_distance_r"),
                *("beat_alignment", "blink_rate"),
            ),
            _unofficial("HDTF", "speakers"),
        ),
        Benchmark(
            "cremad",
            (
                *("fid", "lse_c", "lse_d", "csim_arcface", "psnr", "ssim", "lmd_mean", "f_lmd", "lip_distance_r"),
                *("beat_alignment", "blink_rate"),
            ),
            _unofficial("CREMA-D", "actors"),
        ),
        Benchmark(
            "grid",
            ("psnr", "ssim", "cpbd", "lmd_mean", "lmd_sum", "blink_rate", "lse_c", "lse_d"),
            _unofficial("GRID", "speakers", ", or of the sentences where there are fewer than three"),
        ),
        Benchmark(
            "lrw",
            ("lmd_mean", "lmd_sum", "ssim", "psnr", "fid", "lse_c", "lse_d"),
            "LRW's own test split of 25,000 clips; papers also test on parts of it, which --list takes",
        ),
        Benchmark(
            "voxceleb2",
            ("fid", "ssim", "cpbd", "lmd_mean", "f_lmd", "lse_c", "csim_arcface"),
            "VoxCeleb2's own test people; papers test on lists of their clips, which --list takes",
        ),
    )
}
"""By the word before the colon of `evaluate set NAME:FOLDER`."""


def split_name(manifest: Path) -> tuple[Benchmark, Path] | None:
    """`hdtf:/data/HDTF` -> benchmark and root; None for any other path."""
    name, colon, root = str(manifest).partition(":")
    return (BENCHMARKS[name], Path(root)) if colon and name in BENCHMARKS else None


def clips_to_test(benchmark: Benchmark, root: Path, listed: Path | None = None) -> list[Clip]:
    """The set's test clips, or those that a list names.

    Args:
        benchmark: the set.
        root: folder that it was unpacked to.
        listed: text file with a clip on each line: its key, its file's name, or the end of its path, with or without
            the ending.

    Raises:
        DatasetError: another layout, no test clip, no such list, or a name in it that no clip has.
    """
    if listed is None:
        return find_clips(benchmark.corpus, root, {"split": ["test"]})
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"no list of clips {listed}: give a text file with one clip on each line") from error
    clips = find_clips(benchmark.corpus, root)
    known: dict[str, Clip] = {}
    for clip in clips:
        parts = clip.video.relative_to(root).with_suffix("").parts
        known |= {"/".join(parts[start:]): clip for start in range(len(parts))} | {clip.key: clip}
    names = [line.split()[0] for line in lines if line.split()]
    chosen = []
    for name in names:
        plain = name.replace("\\", "/").strip("/")
        found = known.get(plain) or known.get(_without_ending(plain))
        if found is None:
            raise DatasetError(f"no clip {name} of {listed} among the {len(clips)} of {root}: give names of its files")
        chosen.append(found)
    if not chosen:
        raise DatasetError(f"{listed} names no clip: give one on each line")
    return list({clip.key: clip for clip in chosen}.values())


def benchmark_pairs(clips: Sequence[Clip], root: Path, folders: Sequence[Path]) -> list[Pair]:
    """Every system's video of every clip; a folder is a system, and bears its name.

    A made video is called as the clip's key (`id00017-VIDEO-00001.mp4`), as its file where no other clip's is called so
    (`WDA_AdamSchiff_000.mp4`), or lies where the clip lies in the set (`test/mp4/id00017/VIDEO/00001.mp4`). One that is
    missing is left to fail by itself, with the rest measured.

    Raises:
        DatasetError: a folder that holds no video of any of the clips.
    """
    stems = Counter(clip.video.stem for clip in clips)
    pairs = []
    for folder in folders:
        there = 0
        for number, clip in enumerate(clips, start=1):
            made = _made_video(folder, clip, root, alone=stems[clip.video.stem] == 1)
            there += made.is_file()
            pairs.append(Pair(made, clip.video, None, folder.name, clip.key, clip.speaker, number))
        if not there:
            first = clips[0]
            raise DatasetError(
                f"no made video of {len(clips)} clips in {folder}: expected {first.key}.mp4, or "
                f"{first.video.relative_to(root).with_suffix('.mp4')}, and the others so"
            )
    return pairs


def _made_video(folder: Path, clip: Clip, root: Path, *, alone: bool) -> Path:
    """Where a clip's made video is; where it should be if it is missing. `alone`: its file's name is no other's."""
    own = [clip.video.stem] if alone else []
    places = [clip.key, *own, str(clip.video.relative_to(root).with_suffix(""))]
    found = (folder / f"{place}.mp4" for place in places)
    return next((path for path in found if path.is_file()), folder / f"{clip.key}.mp4")


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in (*VIDEO_SUFFIXES, ".wav", ".txt") else name
