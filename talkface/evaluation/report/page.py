"""Scores, curves and pictures -> one HTML page that needs nothing but itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from talkface.evaluation.rows import REAL, STILL
from talkface.metrics.stats import Score
from talkface.metrics.table import Measure, systems_of


@dataclass(frozen=True)
class ClipPictures:
    """Pictures of one clip on a page.

    Attributes:
        title: of the clip.
        made: system that the strip shows below the real video.
        strip: JPEG data address.
        times_s: of the strip's columns.
        video: MP4 data address.
        poster: JPEG data address, shown until the video plays.
    """

    title: str
    made: str
    strip: str
    times_s: Sequence[float]
    video: str
    poster: str


def page(title: str, lead: str, body: Sequence[str], method: Sequence[str]) -> str:
    """A whole page: style inside, light and dark, no address that leaves it."""
    style = files("talkface.evaluation.report").joinpath("page.css").read_text(encoding="utf-8")
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in method)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(title)}</title><style>\n{style}</style></head>\n<body><main>'
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>\n'
        + "\n".join(part for part in body if part)
        + f"\n<footer>{paragraphs}</footer></main></body></html>\n"
    )


def notes_list(notes: Sequence[str], *, bad: bool = False) -> str:
    """Remarks, or failures."""
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes{" bad" if bad else ""}">{items}</ul>'


def tiles(measures: Sequence[Measure], made: str) -> str:
    """Measures large, each on a scale from the photo's value to the real video's."""
    return f'<div class="tiles">{"".join(_tile(measure, made) for measure in measures)}</div>'


def video_figure(pictures: ClipPictures) -> str:
    """Video with the names of its halves below."""
    names = "".join(f"<span>{escape(name)}</span>" for name in ("real", pictures.made))
    player = f'<video controls loop playsinline poster="{pictures.poster}" src="{pictures.video}"></video>'
    return f'<figure>{player}<div class="under">{names}</div></figure>'


def strip_block(pictures: ClipPictures) -> str:
    """Film strip with the rows' names and the columns' times."""
    names = "".join(f"<span>{escape(name)}</span>" for name in ("real", pictures.made))
    times = "".join(f"<span>{time:.2f} s</span>" for time in pictures.times_s)
    return (
        f'<div class="strip"><div class="names">{names}</div>'
        f'<img alt="frames of real and made video" src="{pictures.strip}"><div class="times">{times}</div></div>'
    )


def clip_block(pictures: ClipPictures) -> str:
    """One clip of many: its video and its strip."""
    return (
        f'<div class="clip"><h3>{escape(pictures.title)}</h3><div class="pair">'
        f"{video_figure(pictures)}{strip_block(pictures)}</div></div>"
    )


def summary_html(measures: Sequence[Measure]) -> str:
    """The whole table with groups, units, intervals, and what each measure is."""
    systems = systems_of(measures)
    head = "".join(f"<th>{escape(system)}</th>" for system in systems)
    rows = [f"<thead><tr><th>measure</th>{head}<th>better</th><th>what it is</th></tr></thead><tbody>"]
    group = ""
    for measure in measures:
        quantity = measure.quantity
        if quantity.group != group:
            group = quantity.group
            rows.append(f'<tr class="group"><th colspan="{len(systems) + 3}">{escape(group)}</th></tr>')
        unit = f' <span class="unit">{escape(quantity.unit)}</span>' if quantity.unit else ""
        cells = "".join(
            f"<td{'' if system in (STILL, REAL) else ' class=made'}>{_cell(measure.scores.get(system))}</td>"
            for system in systems
        )
        rows.append(
            f"<tr><td>{escape(quantity.label)}{unit}</td>{cells}<td class=about>{quantity.arrow}</td>"
            f"<td class=about>{escape(quantity.about)}</td></tr>"
        )
    return f'<div class="scroll"><table>{"".join(rows)}</tbody></table></div>'


def clips_html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table, first column left."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def number(value: float) -> str:
    """Text with three significant digits."""
    if not math.isfinite(value):
        return "∞" if value == math.inf else "–"  # noqa: RUF001 - a dash for what was not measured
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _cell(score: Score | None) -> str:
    if score is None or score.count == 0:
        return "–"  # noqa: RUF001 - a dash for what was not measured
    text = number(score.value)
    if score.count > 1 and score.low != score.high:
        text += f"<br><small>{number(score.low)} … {number(score.high)}</small>"
    return text


def _tile(measure: Measure, made: str) -> str:
    quantity, names = measure.quantity, (made, STILL, REAL)
    values = {name: measure.scores[name].value for name in names if name in measure.scores}
    value = values.get(made, math.nan)
    unit = f" {quantity.unit}" if quantity.unit and len(quantity.unit) < 8 else ""
    scale = ""
    if all(math.isfinite(values.get(name, math.nan)) for name in names):
        low, high = sorted((min(0.0, *values.values()), max(values.values())))
        span = high - low or 1.0
        marks = "".join(
            f'<i class="c{colour}" style="left:{100 * (values[name] - low) / span:.1f}%" title="{escape(name)}"></i>'
            for colour, name in ((1, STILL), (2, REAL), (0, made))
        )
        scale = f'<div class="scale">{marks}</div>'
    shown = f"<b>{number(value)}<small>{escape(unit)}</small></b>"
    return f"<div class=tile><span>{escape(quantity.label)}</span>{shown}{scale}</div>"
