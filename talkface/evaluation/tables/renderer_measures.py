"""Scores of renderers on people -> rows with intervals, differences person by person, lines of a CSV."""

from collections.abc import Sequence
from dataclasses import replace

from talkface.evaluation.rows import Row, Scores
from talkface.metrics.image import FACE_CROP
from talkface.metrics.stats import median
from talkface.metrics.table import Measure, Quantity

ENCODED = "real, re-encoded"
QUANTITIES = (
    Quantity("ssim", "SSIM", better="higher"),
    Quantity("psnr", "PSNR", "dB", better="higher"),
    Quantity("lmd", "LMD", f"px of {FACE_CROP.face_size}", better="lower"),
    Quantity("cpbd", "CPBD"),
    Quantity("identity", "identity", "distance", better="lower"),
    Quantity("frame_ms", "frame", "ms", statistic=median),  # another program may slow a few people down
)
MOUTH = Quantity("mouth_l1", "mouth L1", "of warp's", better="lower")


def renderer_measures(rows: Sequence[Row]) -> list[Measure]:
    """Columns of the table, a row per renderer and number of shots: means over people, with intervals."""
    scores = _scores(rows)
    floor = next((name for name in scores.columns if name.startswith("warp, ")), "")
    ratios = scores.ratio("mouth_l1", floor)
    mouths = replace(scores.measure(MOUTH), quantity=replace(MOUTH, name="mouth_l1_ratio"), scores=ratios)
    return [*(scores.measure(quantity) for quantity in QUANTITIES), mouths]


def paired_measures(rows: Sequence[Row], against: str) -> list[Measure]:
    """By how much each row is better than the renderer `against`, person by person; below 0 it is worse.

    Rows are compared with that renderer's row of as many shots; its own rows, and those of no shots, with its row of
    fewest. Intervals of differences on the same people are narrower than those of two means: they say which switch
    pays.
    """
    scores = _scores(rows)
    shots = {column_of(row): row.labels["shots"] for row in rows}
    bases = {row.labels["shots"]: column_of(row) for row in reversed(rows) if row.system == against}
    fewest = bases[min(bases)]  # type: ignore[type-var]
    base = {name: fewest if name in bases.values() else bases.get(shots[name], fewest) for name in shots}
    compared = [quantity for quantity in (*QUANTITIES, MOUTH) if quantity.better]
    return [
        Measure(
            Quantity(f"{quantity.name}_gain", quantity.label),
            {
                name: scores.score(scores.gains(quantity, name, base[name]))
                for name in base
                if name not in (ENCODED, fewest)
            },
        )
        for quantity in compared
    ]


def column_of(row: Row) -> str:
    """Name of a renderer in the table: with the number of shots where it sees any."""
    return f"{row.system}, {row.labels['shots']}" if row.labels["shots"] else row.system


def _scores(rows: Sequence[Row]) -> Scores:
    return Scores(rows, column=column_of)
