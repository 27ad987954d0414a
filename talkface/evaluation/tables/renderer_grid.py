"""Judged crops of many renderers -> one picture: a person a row, a renderer a column, names above."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from talkface.types import Image


@dataclass(frozen=True)
class GridSizes:
    """Sizes of the picture grid."""

    tile: int = 160  # pixels, side of a crop on the grid
    head: int = 34  # pixels, height of the names
    letters: int = 24  # of a name that fit a line over a tile


GRID_SIZES = GridSizes()


def tile(crop: Image) -> Image:
    """A crop at the size it has on the grid."""
    return np.asarray(cv2.resize(crop, (GRID_SIZES.tile, GRID_SIZES.tile), interpolation=cv2.INTER_AREA), np.uint8)


def renderer_grid(people: Sequence[str], columns: Mapping[str, Mapping[str, Image]]) -> Image:
    """Lay tiles out.

    Args:
        people: rows, by name.
        columns: heading -> person -> tile `[GRID_SIZES.tile, GRID_SIZES.tile, 3]`; what is missing stays white.
    """
    grid = np.full((GRID_SIZES.head + GRID_SIZES.tile * len(people), GRID_SIZES.tile * len(columns), 3), 255, np.uint8)
    for place, (heading, tiles) in enumerate(columns.items()):
        left = GRID_SIZES.tile * place
        for line, text in enumerate(
            (heading[: GRID_SIZES.letters], heading[GRID_SIZES.letters : 2 * GRID_SIZES.letters])
        ):
            corner = (left + 3, 13 + 14 * line)
            cv2.putText(grid, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
        for row, person in enumerate(people):
            if person in tiles:
                top = GRID_SIZES.head + GRID_SIZES.tile * row
                grid[top : top + GRID_SIZES.tile, left : left + GRID_SIZES.tile] = tiles[person]
    return grid
