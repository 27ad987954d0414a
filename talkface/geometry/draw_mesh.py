"""Photo and a surface seen in two poses -> the surface with the photo's texture, in the second pose, on black."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from talkface.geometry.resample import pixel_box, shrink_part
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class MeshSettings:
    """Width and folds of the drawn mesh."""

    # of the median triangle: shut lips and lids may fold by so much and still belong to the visible side
    fold: float = 0.02
    shrink_from: float = 0.6  # zoom below which the photo is reduced by area first


MESH = MeshSettings()


def draw_mesh(
    photo: Image,
    places: FloatArray,
    posed: FloatArray,
    triangles: npt.NDArray[np.int32],
    matrix: FloatArray,
    size: int,
) -> Image:
    """Draw a textured surface; a triangle that either pose sees from behind is left out, near ones hide far ones.

    Args:
        photo: `[H, W, 3]` with the texture.
        places: `[V, 2]` pixels of the photo, where each vertex is seen.
        posed: `[V, 3]` where the pose takes each vertex: pixels of the target, and depth, larger towards the viewer.
        triangles: `[N, 3]` indices of vertices.
        matrix: `[2, 3]` map from pixels of the target to pixels of the picture.
        size: side of the picture.

    Returns:
        `[size, size, 4]`: colour, black where there is no surface, and 255 where there is.
    """
    photo, places = _reduced(photo, np.asarray(places, np.float64), matrix)
    points = posed[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    mirrored = -1.0 if np.linalg.det(matrix[:, :2]) < 0 else 1.0
    shown = triangles[_faces_viewer(places, triangles) & _faces_viewer(points * [mirrored, 1.0], triangles)]
    shown = shown[np.argsort(posed[shown, 2].mean(1), kind="stable")]
    drawn = np.zeros((size, size), np.int16)
    shift = 4  # OpenCV draws at 1/16 of a pixel
    outlines = np.round(points[shown] * (1 << shift)).astype(np.int32)
    for number, outline in enumerate(outlines, 1):
        cv2.fillConvexPoly(drawn, outline, number, cv2.LINE_8, shift)
    result = np.zeros((size, size, 4), np.uint8)
    rows, columns = np.nonzero(drawn)
    if len(rows):
        maps = _look_up_places(places[shown], points[shown], drawn[rows, columns] - 1, rows, columns)
        colours = cv2.remap(photo, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result[rows, columns, :3] = colours.reshape(-1, 3)[: len(rows)]
        result[rows, columns, 3] = 255
    return result


def _reduced(photo: Image, places: FloatArray, matrix: FloatArray) -> tuple[Image, FloatArray]:
    """Photo and places, reduced where the picture is much smaller than the photo."""
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if zoom >= MESH.shrink_from:
        return photo, places
    box = pixel_box(np.stack([places.min(0) - 4, places.max(0) + 4]), (photo.shape[1], photo.shape[0]))
    part, to_part = shrink_part(photo, box, zoom)
    return part, places @ to_part[:, :2].T + to_part[:, 2]


def _faces_viewer(points: FloatArray, triangles: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """`[N]` whether a triangle is seen from ahead, by its signed area on the picture."""
    corners = points[triangles, :2]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.asarray(area > -MESH.fold * np.median(np.abs(area)))


def _look_up_places(
    sources: FloatArray,
    targets: FloatArray,
    numbers: npt.NDArray[np.integer],
    rows: npt.NDArray[np.integer],
    columns: npt.NDArray[np.integer],
) -> tuple[FloatArray, FloatArray]:
    """Where in the photo each drawn pixel comes from, x and y in rows of `width`, the last one padded.

    Args:
        sources: `[N, 3, 2]` corners in the photo.
        targets: `[N, 3, 2]` corners in the picture.
        numbers: `[M]` each pixel's triangle.
        rows: `[M]`.
        columns: `[M]`.

    A sliver's map grows wild beside it, so each pixel stays within the box of its triangle.
    """
    edges = np.swapaxes(targets[:, 1:] - targets[:, :1], 1, 2)  # columns
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    adjugate = np.stack(
        [np.stack([edges[:, 1, 1], -edges[:, 0, 1]], -1), np.stack([-edges[:, 1, 0], edges[:, 0, 0]], -1)], 1
    )
    linear = np.swapaxes(sources[:, 1:] - sources[:, :1], 1, 2) @ (adjugate / area[:, None, None])
    shift = sources[:, 0] - (linear @ targets[:, 0, :, None])[..., 0]
    table = np.concatenate([linear.reshape(-1, 4), shift, sources.min(1), sources.max(1)], -1).astype(np.float32)
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    width = 32  # pixels are looked up in rows of so many: `remap` refuses a single long one
    length = -(-len(numbers) // width) * width
    xx, xy, yx, yy, at_x, at_y, low_x, low_y, high_x, high_y = table.T[:, numbers]
    maps = np.zeros((2, length), np.float32)
    np.clip(xx * x + xy * y + at_x, low_x, high_x, out=maps[0, : len(x)])
    np.clip(yx * x + yy * y + at_y, low_y, high_y, out=maps[1, : len(x)])
    return maps[0].reshape(-1, width), maps[1].reshape(-1, width)
