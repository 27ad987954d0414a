"""Face -> embedding of an ArcFace-type ONNX network that the user brings, for the papers' CSIM."""

from pathlib import Path
from typing import Any

import numpy as np

from talkface.errors import CheckpointError, MissingExtraError
from talkface.geometry.affine import fit_similarity
from talkface.geometry.resample import cut_patch
from talkface.landmarks.layout import LEFT_EYE, RIGHT_EYE
from talkface.types import FloatArray, Image

SIDE = 112  # pixels
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where ArcFace's training put the eyes, the tip of the nose and the corners of the mouth (Deng et al. 2019)."""


class ArcFace:
    """ArcFace-type network through ONNX Runtime (extra `metrics`).

    Crop: 112x112, aligned by eye centres, nose tip and mouth corners of the 68 landmarks (papers take RetinaFace's
    five points, so values differ a little). Input: RGB, (value - 127.5) / 127.5, `[1, 3, 112, 112]`, as insightface's
    recognition models expect it. Tests run the real loading path on a small network in the same format.
    """

    def __init__(self, path: Path) -> None:
        """Open the network.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            CheckpointError: no such file, or no network from `[1, 3, 112, 112]` to one embedding.
        """
        if not path.is_file():
            raise CheckpointError(f"no identity network {path}: give the path of an ArcFace-type .onnx file")
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("--arcface needs onnxruntime: pip install 'talkface[metrics]'") from error
        try:
            self._session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            self._input = self._session.get_inputs()[0].name
            output = self._run(np.zeros((1, 3, SIDE, SIDE), np.float32))
        except Exception as error:  # the runtime's errors share no narrower base class
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"{path} is not an ONNX network for 112x112 faces: {reason}") from error
        if output.ndim != 1:
            raise CheckpointError(
                f"{path} gives {output.shape}, expected one embedding per face: give an ArcFace-type file"
            )

    def embed(self, image: Image, landmarks: FloatArray) -> FloatArray:
        """`[D]` embedding of the face with these landmarks `[68, 2]`, pixels of `image`."""
        matrix = fit_similarity(five_points(landmarks), TEMPLATE)
        chip = (cut_patch(image, matrix, SIDE).astype(np.float32) - 127.5) / 127.5
        return self._run(chip.transpose(2, 0, 1)[None])

    def _run(self, chips: FloatArray) -> FloatArray:
        return np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(chips)})[0][0], np.float64)


def five_points(landmarks: FloatArray) -> FloatArray:
    """`[5, 2]` centres of the eyes (the person's right first), tip of the nose, corners of the mouth."""
    points = np.asarray(landmarks, np.float64)
    eyes = [points[RIGHT_EYE].mean(0), points[LEFT_EYE].mean(0)]
    nose_tip, right_corner, left_corner = 30, 48, 54
    return np.array([*eyes, points[nose_tip], points[right_corner], points[left_corner]])
