"""Landmarks of a photo -> light 3-D face: vertices, triangles, and where another pose takes them."""

from functools import cache

import numpy as np
import numpy.typing as npt

from talkface.landmarks.layout import JAW
from talkface.landmarks.pose import mean_face_3d, square_camera
from talkface.landmarks.upper_face import UPPER_SHARE
from talkface.types import FloatArray

CHEEKS = np.array([[1, 41], [2, 31], [4, 48], [15, 46], [14, 35], [12, 54]])
"""Pairs of landmarks in whose middle a cheek vertex stands."""


class FaceMesh:
    """A photo's face as a surface that turns as a whole and keeps the photo's expression.

    Each landmark gets the mean face's depth; the forehead mirrors the jaw and the cheeks stand out, so that the surface
    is round between the points a detector gives. What Chen et al. 2020 ("Talking-head Generation with Rhythmic Head
    Motion", section 3.3) take a dense reconstruction for: a picture of the face in any pose.

    Attributes:
        places: `[V, 2]` pixels of the photo, where each vertex is seen.
        triangles: `[N, 3]` indices of vertices, of one orientation when seen from ahead.
    """

    def __init__(self, landmarks: FloatArray) -> None:
        """Take the photo's `[68, 2]` pixel landmarks."""
        camera = square_camera(np.asarray(landmarks, np.float64))
        depth = mean_face_3d() @ camera[2, :3]
        seen = np.column_stack([np.asarray(landmarks, np.float64), depth])
        self.head = complete((seen - camera[:, 3]) @ np.linalg.inv(camera[:, :3]).T)
        self.places = self._seen_by(camera)[:, :2]
        self.triangles = face_triangles()

    def toward(self, target: FloatArray) -> FloatArray:
        """The surface in the pose of `[68, 2]` target landmarks.

        Returns:
            `[V, 3]` pixels of the target, and depth in the same unit, larger towards the viewer.
        """
        return self._seen_by(square_camera(np.asarray(target, np.float64)))

    def _seen_by(self, camera: FloatArray) -> FloatArray:
        return np.asarray(self.head @ camera[:, :3].T + camera[:, 3])


def complete(points: FloatArray) -> FloatArray:
    """`[68, 3]` landmarks in mean-face coordinates -> `[V, 3]` vertices: landmarks, forehead, cheeks."""
    forehead = points[JAW[-2:0:-1]].copy()
    line = 0.5 * (points[JAW[0], 1] + points[JAW[-1], 1])
    forehead[:, 1] = line - UPPER_SHARE * (forehead[:, 1] - line)
    # outer-eye distances by which a cheek stands out over the straight line between such a pair, as the circular arc
    # from the nose's root over the outer eye corner to the jaw does on the mean face. A forehead lies as far before the
    # jaw that it mirrors, at its top
    bulge = 0.18
    # the sine: height of forehead points over the ears
    forehead[:, 2] += bulge * np.sin(np.pi * np.arange(1, len(JAW) - 1) / (len(JAW) - 1))
    cheeks = points[CHEEKS].mean(1) + np.array([0, 0, bulge])
    return np.concatenate([points, forehead, cheeks])


@cache
def face_triangles() -> npt.NDArray[np.int32]:
    """`[N, 3]` triangles over the vertices of `complete`, the mean face's Delaunay triangulation seen from ahead."""
    from scipy.spatial import Delaunay  # slow to import, and few networks take a mesh

    vertices = complete(mean_face_3d())[:, :2]
    triangles = Delaunay(vertices).simplices.astype(np.int32)
    corners = vertices[triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    turned = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
    triangles[turned] = triangles[turned, ::-1]
    triangles.setflags(write=False)
    return triangles
