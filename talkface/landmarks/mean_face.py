"""Landmark index -> its place and depth on the mean face; pixel landmarks <-> canonical ones around it.

`MEAN_FACE` is the generalised Procrustes mean (similarities fitted on the stable points) of 81 people's talking
clips, 60 frames each at most, made symmetric and scaled so that the outer eye corners are 1 apart and the nose tip
is the origin.
`MEAN_DEPTH` is the first principal component of what those similarities leave: turning the head shifts each point
sideways in proportion to its depth. Its unit is set by one anatomical length: the nose tip stands 0.42 outer-eye
distances (38 mm of 90 mm) in front of the outer eye corners, whose depth is 0.
"""

import numpy as np

from talkface.geometry.affine import fit_similarity, invert, transform
from talkface.landmarks.layout import STABLE
from talkface.types import FloatArray

_POINTS = np.array(
    [
        [-0.8367, -0.3221, -0.5930],
        [-0.8312, -0.0989, -0.6021],
        [-0.8089, 0.1243, -0.6303],
        [-0.7663, 0.3442, -0.6484],
        [-0.6882, 0.5524, -0.6010],
        [-0.5651, 0.7369, -0.5016],
        [-0.4033, 0.8899, -0.3785],
        [-0.2156, 1.0083, -0.2626],
        [0.0000, 1.0456, -0.2178],
        [0.2156, 1.0083, -0.2626],
        [0.4033, 0.8899, -0.3785],
        [0.5651, 0.7369, -0.5016],
        [0.6882, 0.5524, -0.6010],
        [0.7663, 0.3442, -0.6484],
        [0.8089, 0.1243, -0.6303],
        [0.8312, -0.0989, -0.6021],
        [0.8367, -0.3221, -0.5930],
        [-0.6643, -0.5315, -0.0489],
        [-0.5671, -0.6334, 0.0685],
        [-0.4238, -0.6713, 0.1592],
        [-0.2721, -0.6546, 0.2344],
        [-0.1322, -0.5949, 0.2882],
        [0.1322, -0.5949, 0.2882],
        [0.2721, -0.6546, 0.2344],
        [0.4238, -0.6713, 0.1592],
        [0.5671, -0.6334, 0.0685],
        [0.6643, -0.5315, -0.0489],
        [0.0000, -0.4067, 0.2777],
        [0.0000, -0.2726, 0.3185],
        [0.0000, -0.1393, 0.3696],
        [0.0000, 0.0000, 0.4200],
        [-0.1656, 0.1292, 0.1841],
        [-0.0853, 0.1570, 0.2177],
        [0.0000, 0.1795, 0.2347],
        [0.0853, 0.1570, 0.2177],
        [0.1656, 0.1292, 0.1841],
        [-0.5000, -0.3587, 0.0000],
        [-0.4130, -0.4070, 0.0627],
        [-0.3087, -0.4094, 0.0816],
        [-0.2148, -0.3516, 0.0665],
        [-0.3119, -0.3267, 0.0600],
        [-0.4155, -0.3241, 0.0418],
        [0.2148, -0.3516, 0.0665],
        [0.3087, -0.4094, 0.0816],
        [0.4130, -0.4070, 0.0627],
        [0.5000, -0.3587, 0.0000],
        [0.4155, -0.3241, 0.0418],
        [0.3119, -0.3267, 0.0600],
        [-0.3026, 0.4620, -0.1170],
        [-0.1961, 0.3802, 0.0490],
        [-0.0808, 0.3385, 0.1427],
        [0.0000, 0.3591, 0.1506],
        [0.0808, 0.3385, 0.1427],
        [0.1961, 0.3802, 0.0490],
        [0.3026, 0.4620, -0.1170],
        [0.1997, 0.5716, -0.0335],
        [0.0883, 0.6204, 0.0295],
        [0.0000, 0.6296, 0.0406],
        [-0.0883, 0.6204, 0.0295],
        [-0.1997, 0.5716, -0.0335],
        [-0.2482, 0.4611, -0.0964],
        [-0.0812, 0.4246, 0.1058],
        [0.0000, 0.4305, 0.1199],
        [0.0812, 0.4246, 0.1058],
        [0.2482, 0.4611, -0.0964],
        [0.0830, 0.4971, 0.0739],
        [0.0000, 0.5065, 0.0852],
        [-0.0830, 0.4971, 0.0739],
    ]
)
MEAN_FACE = _POINTS[:, :2]
"""`[68, 2]` float64, x right and y down."""
MEAN_DEPTH = _POINTS[:, 2]
"""`[68]` float64, towards the viewer."""


def to_canonical(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lay each frame's eyes and nose onto the mean face's.

    The fit uses the points that speech hardly moves, so that an opening jaw does not scale the face.

    Args:
        points: `[T, 68, 2]` pixel landmarks.

    Returns:
        `[T, 68, 2]` float32 canonical landmarks, and `[T, 2, 3]` float64 similarities pixel -> canonical, whose
        inverse `from_canonical` applies: the round trip is the identity to float precision.
    """
    matrices = fit_similarity(points[:, STABLE], MEAN_FACE[STABLE])
    return transform(matrices, np.asarray(points, np.float64)).astype(np.float32), matrices


def from_canonical(points: FloatArray, matrices: FloatArray) -> FloatArray:
    """Undo `to_canonical`: `[T, 68, 2]` canonical and `[T, 2, 3]` similarities -> `[T, 68, 2]` float32 pixel."""
    return transform(invert(matrices), np.asarray(points, np.float64)).astype(np.float32)
