"""Judged crops of many renderers -> one picture: a person a row, a renderer a column, names above."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from talkface.types import Image

TILE = 160  # pixels, side of a crop on the grid
HEAD = 34  # pixels, height of the names
LETTERS = 24  # of a name that fit a line over a tile


def tile(crop: Image) -> Image:
    """A crop at the size it has on the grid."""
    return np.asarray(cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)


def renderer_grid(people: Sequence[str], columns: Mapping[str, Mapping[str, Image]]) -> Image:
    """Lay tiles out.

    Args:
        people: rows, by name.
        columns: heading -> person -> tile `[TILE, TILE, 3]`; what is missing stays white.
    """
    grid = np.full((HEAD + TILE * len(people), TILE * len(columns), 3), 255, np.uint8)
    for place, (heading, tiles) in enumerate(columns.items()):
        left = TILE * place
        for line, text in enumerate((heading[:LETTERS], heading[LETTERS : 2 * LETTERS])):
            corner = (left + 3, 13 + 14 * line)
            cv2.putText(grid, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
        for row, person in enumerate(people):
            if person in tiles:
                top = HEAD + TILE * row
                grid[top : top + TILE, left : left + TILE] = tiles[person]
    return grid
