"""Real crops of one person's face -> a judge that scores made crops of the same frames."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from talkface.landmarks.describe import describe
from talkface.landmarks.detect import Detector
from talkface.landmarks.face import box_of_landmarks
from talkface.landmarks.layout import INNER_LIP, mouth_opening
from talkface.metrics.cpbd import cpbd
from talkface.metrics.face_id import descriptor_distance
from talkface.metrics.image import mean_squared_error, polygon_l1, psnr_of, ssim
from talkface.metrics.landmark import lmd
from talkface.metrics.stats import finite_mean
from talkface.types import FloatArray, Image


class Judge:
    """Compares made crops with the real ones, in which landmarks and descriptors are found once."""

    def __init__(self, real: Sequence[Image], points: Sequence[FloatArray], detector: Detector) -> None:
        """Take the reference.

        Args:
            real: crops, all of one size.
            points: `[68, 2]` landmarks in each, where the face is looked for in real and made crops alike.
            detector: landmark backend.
        """
        self._real, self._points, self._detector = real, points, detector
        self._known: dict[tuple[int, bytes], tuple[FloatArray, dict[str, float]]] = {}
        looks = [self._look(index, crop) for index, crop in enumerate(real)]
        self._landmarks = np.stack([landmarks for landmarks, _ in looks])
        self._descriptors = [descriptor for _, descriptor in looks]

    def __call__(self, made: Sequence[Image]) -> dict[str, float]:
        """Means over the frames.

        Returns:
            `ssim`; `psnr` in dB of the mean squared error over all frames; `mean_psnr` of the frames' finite ones;
            `lmd` of the centred mouth points and `l1` over the whole crop, grey levels; `mouth_l1` inside the real
            frame's lips, over the frames that open them, NaN where none does; `cpbd` of the made crops; `identity`,
            the distance of dlib's descriptors of made and real frame.
        """
        judged = [self._judged(index, crop) for index, crop in enumerate(made)]
        means = {name: finite_mean(scores[name] for _, scores in judged) for name in judged[0][1]}
        landmarks = np.stack([landmarks for landmarks, _ in judged])
        return {**means, "psnr": psnr_of(means["error"]), "lmd": lmd(landmarks, self._landmarks)}

    def _judged(self, index: int, crop: Image) -> tuple[FloatArray, dict[str, float]]:
        """Landmarks and scores of one crop; the same pixels, as with more shots that change nothing, only once."""
        key = (index, hashlib.blake2b(crop.tobytes()).digest())
        if key not in self._known:
            real, points = self._real[index], self._points[index]
            landmarks, descriptor = self._look(index, crop)
            error = mean_squared_error(crop, real)
            opened = mouth_opening(points) >= 0.04  # outer-eye distances: below, the inside has too few pixels
            scores = {
                "ssim": ssim(crop, real),
                "error": error,
                "mean_psnr": psnr_of(error),
                "l1": float(np.abs(crop.astype(np.float64) - real).mean()),
                "mouth_l1": polygon_l1(crop, real, points[INNER_LIP]) if opened else math.nan,
                "cpbd": cpbd(crop),
                "identity": descriptor_distance(descriptor, self._descriptors[index]),
            }
            self._known[key] = landmarks, scores
        return self._known[key]

    def _look(self, index: int, crop: Image) -> tuple[FloatArray, FloatArray]:
        """Landmarks `[68, 2]` and descriptor, sought where the face should be."""
        points = self._points[index]
        return self._detector.landmarks(crop, *box_of_landmarks(points)), describe(crop, points)
