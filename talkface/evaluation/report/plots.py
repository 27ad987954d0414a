"""Curves and intervals -> small inline SVG charts that follow the page's colours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from talkface.metrics.stats import Score
from talkface.types import FloatArray


@dataclass(frozen=True)
class PlotSettings:
    """Sizes of the report's drawings, pixels."""

    width: int = 720
    height: int = 196
    left: int = 46
    right: int = 10
    top: int = 12
    bottom: int = 30
    most_points: int = 1500  # of one line; longer curves are averaged in steps


PLOT = PlotSettings()


def line_chart(curves: Mapping[str, FloatArray], fps: float, y_label: str) -> str:
    """Curves over time as one SVG; gaps where a value is NaN.

    Args:
        curves: by system; the n-th gets the page's colour `--c<n>`.
        fps: samples per second.
        y_label: what is drawn, with its unit.
    """
    longest = max(len(values) for values in curves.values())
    duration_s = max((longest - 1) / fps, 1e-9)
    finite = np.concatenate([values[np.isfinite(values)] for values in curves.values()])
    if len(finite) == 0:
        return ""
    top = nice_ceiling(float(finite.max()))
    ticks = "".join(
        f'<line class="grid" x1="{PLOT.left}" x2="{PLOT.width - PLOT.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{PLOT.left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{value:g}</text>'
        for value in np.linspace(0, top, 5)
        for y in [_y(value, top)]
    )
    seconds = _time_ticks(duration_s)
    ticks += "".join(
        f'<text x="{_x(second, duration_s):.1f}" y="{PLOT.height - PLOT.bottom + 16}"'
        f' text-anchor="middle">{second:g} s</text>'
        for second in seconds
    )
    lines = "".join(
        f'<path class="line c{number}" d="{_path(values, fps, duration_s, top)}"><title>{escape(name)}</title></path>'
        for number, (name, values) in enumerate(curves.items())
    )
    return (
        f'<figure class="chart"><figcaption>{escape(y_label)}{_legend(list(curves))}</figcaption>'
        f'<svg viewBox="0 0 {PLOT.width} {PLOT.height}" role="img" aria-label="{escape(y_label)}">'
        f"{ticks}{lines}</svg></figure>"
    )


def interval_chart(
    title: str, scores: Mapping[str, Score], samples: Mapping[str, FloatArray], colours: Mapping[str, int]
) -> str:
    """One measure: a dot per clip, the mean and its 95 % interval, one row per system.

    Args:
        title: what is drawn, with its unit.
        scores: by system.
        samples: every clip's value, by system.
        colours: number of the page's colour `--c<n>`, by system.
    """
    finite = [float(value) for values in samples.values() for value in values if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    room = 0.06 * (high - low) or 0.5
    low, high = low - room, high + room
    row, left, width = 30, 130, 460
    height = row * len(scores) + 26

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - 14)

    parts = []
    for index, (system, score) in enumerate(scores.items()):
        number, y = colours[system], row * index + 18
        parts.append(f'<line class="grid" x1="{left}" x2="{width - 14}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(_short(system))}</text>')
        for value in samples[system]:
            if math.isfinite(value):
                parts.append(f'<circle class="dot c{number}" cx="{place(value):.1f}" cy="{y}" r="3"/>')
        if math.isfinite(score.value):
            parts.append(
                f'<line class="whisker c{number}" x1="{place(score.low):.1f}" x2="{place(score.high):.1f}" y1="{y}" '
                f'y2="{y}"/><circle class="mean c{number}" cx="{place(score.value):.1f}" cy="{y}" r="5">'
                f"<title>{score.value:.3g} ({score.low:.3g} to {score.high:.3g})</title></circle>"
            )
    for value, anchor in ((low + room, "start"), (high - room, "end")):
        parts.append(f'<text x="{place(value):.1f}" y="{height - 4}" text-anchor="{anchor}">{value:.3g}</text>')
    return (
        f'<figure class="chart small"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def nice_ceiling(value: float) -> float:
    """The next of 1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8 times a power of ten at or above `value`."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= value * (1 - 1e-9))


def _legend(names: Sequence[str]) -> str:
    keys = "".join(
        f'<span class="key"><i class="c{n}"></i>{escape(_short(name))}</span>' for n, name in enumerate(names)
    )
    return f'<span class="legend">{keys}</span>'


def _path(values: FloatArray, fps: float, duration_s: float, top: float) -> str:
    step = max(1, math.ceil(len(values) / PLOT.most_points))
    parts, drawing = [], False
    for start in range(0, len(values), step):
        block = values[start : start + step]
        block = block[np.isfinite(block)]
        if len(block) == 0:
            drawing = False
            continue
        x, y = _x(start / fps, duration_s), _y(float(block.mean()), top)
        parts.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing = True
    return "".join(parts)


def _time_ticks(duration_s: float) -> list[float]:
    step = next(each for each in (0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 3600, 1e9) if duration_s / each <= 9)
    return [round(step * n, 6) for n in range(int(duration_s / step) + 1)]


def _x(time_s: float, duration_s: float) -> float:
    return PLOT.left + time_s / duration_s * (PLOT.width - PLOT.left - PLOT.right)


def _y(value: float, top: float) -> float:
    return PLOT.height - PLOT.bottom - value / top * (PLOT.height - PLOT.top - PLOT.bottom)


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:12]}…{name[-7:]}"
