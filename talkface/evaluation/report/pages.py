"""Measured pairs -> the HTML report of one video, or of a whole set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from talkface.evaluation.compare import PairRow
from talkface.evaluation.footage import FPS
from talkface.evaluation.pair import PairResult
from talkface.evaluation.report.page import (
    ClipPictures,
    clip_block,
    clips_html,
    notes_list,
    number,
    page,
    strip_block,
    summary_html,
    tiles,
    video_figure,
)
from talkface.evaluation.report.pictures import film_strip, side_by_side
from talkface.evaluation.report.plots import interval_chart, line_chart
from talkface.evaluation.rows import REAL, STILL
from talkface.metrics.table import Measure

FIRST = ("opening_r_best", "lmd_norm", "ssim", "identity_distance", "mouth_sharpness", "blink_rate")
"""Measures that a reader looks at first: large, or as charts."""


def clip_pictures(result: PairResult, folder: Path) -> ClipPictures:
    """Film strip and side-by-side video of one measured pair."""
    made, real = result.footages[result.rows[0].system], result.footages["source"]
    alignment = result.rows[0].alignment
    strip, times = film_strip(real, made, alignment)
    title = f"{result.pair.clip or result.pair.real.stem}, {made.name}"
    return ClipPictures(title, made.name, strip, times, *side_by_side(real, made, alignment, folder))


def video_page(result: PairResult, measures: Sequence[Measure], pictures: ClipPictures, method: Sequence[str]) -> str:
    """Report of one made video."""
    made = result.rows[0].system
    curves = {row.system: row.curves for row in result.rows}
    charts = "".join(
        line_chart({name: found[curve] for name, found in curves.items()}, float(FPS), label)
        for curve, label in (
            ("opening", "opening of the mouth, in outer-eye distances"),
            ("sharpness", "sharpness of the face, in grey levels"),
        )
    )
    shown = [measure for measure in measures if measure.name in FIRST]
    length = len(result.rows[0].curves["opening"])
    lead = f"{result.pair.made.name} against {result.pair.real.name}: {length} frames, {float(length / FPS):.2f} s"
    return page(
        f"{result.pair.made.stem} beside the real video",
        lead,
        [
            notes_list(result.notes),
            f'<section class="top">{video_figure(pictures)}{_with_key(tiles(shown, made))}</section>',
            "<h2>Over time</h2>",
            f'<div class="charts">{charts}</div>',
            "<h2>Frames</h2>",
            strip_block(pictures),
            "<h2>All measures</h2>",
            summary_html(measures),
        ],
        method,
    )


def set_page(
    title: str,
    rows: Sequence[PairRow],
    measures: Sequence[Measure],
    pictures: Sequence[ClipPictures],
    failures: Sequence[str],
    notes: Sequence[str],
    method: Sequence[str],
) -> str:
    """Report of many made videos: intervals over people, some clips to look at, and every clip's numbers."""
    clips, people = {row.clip for row in rows}, {row.person for row in rows}
    lead = f"{len(clips)} clips of {len(people)} {'people' if len(people) != 1 else 'person'}"
    charts = "".join(_interval(measure, rows) for measure in measures if measure.name in FIRST)
    names = ("opening_r", "opening_lag", "lmd_norm", "ssim", "cpbd", "identity_distance", "blink_rate", "faceless")
    listed = [measure.quantity for measure in measures if measure.name in names]
    table = [
        [row.clip, row.system, *(number(row[quantity.name]) for quantity in listed)]
        for row in rows
        if row.system not in (STILL, REAL)
    ]
    return page(
        title,
        lead,
        [
            notes_list(failures, bad=True),
            "<h2>At a glance</h2><p class=lead>A dot is a clip; the large dot the mean, the bar its 95 % interval.</p>",
            f'<div class="charts two">{charts}</div>',
            "<h2>All measures</h2>",
            summary_html(measures),
            f"<h2>{'Some clips' if len(pictures) < len(clips) else 'Clips'}</h2>" if pictures else "",
            *(clip_block(each) for each in pictures),
            "<h2>Every clip</h2>",
            clips_html(["clip", "video", *(quantity.label for quantity in listed)], table),
            notes_list(notes),
        ],
        method,
    )


def method_lines(version: str, detector: str, brought: Mapping[str, str], count: str) -> list[str]:
    """Method of measurement, with everything needed to repeat it."""
    networks = "; ".join(f"{name}: {value}" for name, value in brought.items()) or "none"
    return [
        f"Measured by talkface {version}, landmarks by {detector} on all videos alike, at 25 frames/s by time. "
        "Pictures are compared on a 256x256 crop that is fixed over the clip: a square of 1.6 times the extent of the "
        "real video's landmarks.",
        "The row \u201cphoto only\u201d is the photo held still: what a system scores that does nothing. The row "
        "\u201creal\u201d is the real video encoded and tracked once more: what nothing can beat.",
        f"User-supplied networks: {networks}. {count} Numbers compare within this page only: detectors, crops "
        "and codecs differ between papers.",
    ]


def _with_key(tiles_html: str) -> str:
    key = "".join(
        f'<span class="key"><i class="c{colour}"></i>{name}</span>'
        for colour, name in ((0, "made"), (1, STILL), (2, REAL))
    )
    return f'<div>{tiles_html}<p class="legend" style="font-size:12.5px;margin:10px 0 0 -14px">{key}</p></div>'


def _interval(measure: Measure, rows: Sequence[PairRow]) -> str:
    quantity = measure.quantity
    samples = {
        system: np.array([row[quantity.name] for row in rows if row.system == system]) for system in measure.scores
    }
    unit = f", {quantity.unit}" if quantity.unit else ""
    return interval_chart(f"{quantity.label}{unit}", measure.scores, samples, _colours(list(measure.scores)))


def _colours(systems: Sequence[str]) -> dict[str, int]:
    """Photo and real keep their colours on every page; made systems share the others."""
    made = [system for system in systems if system not in (STILL, REAL)]
    free = (0, 3, 4, 5)
    return {STILL: 1, REAL: 2} | {system: free[number % len(free)] for number, system in enumerate(made)}
