"""Name of a sketch style -> which parts of a face are drawn, in which colours, on what, and with which pen.

| name | drawing | from |
|---|---|---|
| `lines` | straight coloured lines on black, thicker in larger pictures | this package |
| `edges` | white curves on black | few-shot vid2vid |
| `authors` | straight lines of 2 pixels on black, each brow and eye in its own colour, no inner lip | FSTH's authors |
| `vt` | matplotlib's lines of 2 points on white, eyes and lips open, the inner lip pink | vincent-thevenin |
| `grey` | the same without the inner lip | grey-eye |
| `reenactment` | Pillow's lines of 3 pixels on white in the colours of `grey` | Face Reenactment |

`_forehead`, `_no_inner_lip`, `_no_oval` and `_one_colour` after any of them change what is drawn: `authors_no_oval`.
"""

from dataclasses import dataclass, replace

import numpy as np

from talkface.landmarks.layout import (
    INNER_LIP,
    JAW,
    LEFT_BROW,
    LEFT_EYE,
    NOSE_BASE,
    NOSE_BRIDGE,
    OUTER_LIP,
    RIGHT_BROW,
    RIGHT_EYE,
)
from talkface.landmarks.upper_face import UPPER_FACE

Indices = np.ndarray[tuple[int], np.dtype[np.signedinteger]]
Colour = tuple[int, int, int]
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Part:
    """One line of a sketch."""

    points: Indices
    colour: Colour
    closed: bool = False


@dataclass(frozen=True)
class SketchStyle:
    """Style of a face's drawing.

    Attributes:
        parts: lines in the order in which they are drawn; the jaw's is the first.
        pen: `smooth`, `curved`, `hard`, `matplotlib` or `pillow`.
        background: colour of what is not drawn.
        forehead: whether the outline goes on over the forehead.
    """

    parts: tuple[Part, ...]
    pen: str
    background: Colour = (0, 0, 0)
    forehead: bool = False


_POINTS = (JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSE_BASE, RIGHT_EYE, LEFT_EYE, OUTER_LIP, INNER_LIP)


def _parts(colours: tuple[Colour, ...], closed: bool) -> tuple[Part, ...]:
    """Lines of as many parts as there are colours; `closed` closes eyes and lips."""
    return tuple(
        Part(points, colour, closed and place >= len(_POINTS) - 4)
        for place, (points, colour) in enumerate(zip(_POINTS, colours, strict=False))
    )


_PLOT = ((0, 128, 0), *[(255, 165, 0)] * 2, *[(0, 0, 255)] * 2, *[(255, 0, 0)] * 2, (128, 0, 128))

SKETCHES: dict[str, SketchStyle] = {
    "lines": SketchStyle(
        _parts(
            (WHITE, *[(90, 200, 90)] * 2, *[(240, 180, 60)] * 2, *[(90, 160, 255)] * 2, (255, 70, 70), (200, 70, 200)),
            closed=True,
        ),
        "smooth",
    ),
    "edges": SketchStyle(_parts((WHITE,) * len(_POINTS), closed=True), "curved"),
    "authors": SketchStyle(
        _parts(
            (WHITE, (255, 0, 0), (0, 255, 0), *[(0, 0, 255)] * 2, (255, 0, 255), (0, 255, 255), (255, 255, 0)),
            closed=True,
        ),
        "hard",
    ),
    "vt": SketchStyle(_parts((*_PLOT, (255, 192, 203)), closed=False), "matplotlib", WHITE),
    "grey": SketchStyle(_parts(_PLOT, closed=False), "matplotlib", WHITE),
    "reenactment": SketchStyle(_parts(_PLOT, closed=False), "pillow", WHITE),
}
CHANGES = ("forehead", "no_inner_lip", "no_oval", "one_colour")


def sketch_style(name: str) -> SketchStyle | None:
    """Style by name, None for a name that means nothing."""
    base, *rest = name.split("_", 1)
    style, changes = SKETCHES.get(base), rest[0] if rest else ""
    while style is not None and changes:
        change = next((each for each in CHANGES if changes == each or changes.startswith(f"{each}_")), None)
        if change is None:
            return None
        style, changes = _changed(style, change), changes[len(change) + 1 :]
    return style


def _changed(style: SketchStyle, change: str) -> SketchStyle:
    parts = style.parts
    if change == "forehead":
        outline = Part(np.concatenate([JAW, UPPER_FACE]), parts[0].colour, closed=True)
        return replace(style, parts=(outline, *parts[1:]), forehead=True)
    if change == "one_colour":
        return replace(style, parts=tuple(replace(part, colour=parts[0].colour) for part in parts))
    dropped = INNER_LIP[0] if change == "no_inner_lip" else JAW[0]
    return replace(style, parts=tuple(part for part in parts if part.points[0] != dropped))
