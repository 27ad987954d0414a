"""Made and real frames -> how alike their pixels are."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from talkface.geometry.matte import polygon_mask
from talkface.landmarks.face import box_of_landmarks
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class CropSettings:
    """Window of SSIM, and the crops in which pictures are compared."""

    ssim_sigma: float = 1.5  # pixels; with the radius of 5 this is the 11x11 Gaussian window of Wang et al. 2004
    ssim_radius: int = 5
    face_side: float = 1.9  # of the face crop, in dlib boxes
    face_size: int = 256  # pixels
    # side of the working crop over the larger side of the landmarks' bounding box over the clip
    crop_factor: float = 2.4
    largest_crop: int = 512  # pixels; larger crops are reduced, as a demo video would be
    compared_size: int = 256  # pixels, side of the crop in which two videos are compared
    compared_factor: float = 1.6  # side of that crop over the larger side of the landmarks' bounding box over the clip


FACE_CROP = CropSettings()


def luma(image: Image) -> FloatArray:
    """Brightness `[H, W]` in [0, 255], float64, by the BT.601 weights."""
    return np.asarray(image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))  # ITU-R BT.601


def ssim(made: Image, real: Image) -> float:
    """Structural similarity (Wang et al. 2004): Gaussian window 11x11, sigma 1.5, on BT.601 luma, range 255.

    The five border pixels, whose window leaves the image, do not count. Equal to scikit-image's
    `structural_similarity(gaussian_weights=True, use_sample_covariance=False)` on luma.

    Args:
        made: `[H, W, 3]`, the crop to compare; crop and resample both images alike before.
        real: same shape.

    Returns:
        Value in [-1, 1]; 1 for identical images.
    """
    _check_shapes(made, real)
    a, b = luma(made), luma(real)
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    inside = values[FACE_CROP.ssim_radius : -FACE_CROP.ssim_radius, FACE_CROP.ssim_radius : -FACE_CROP.ssim_radius]
    return float(inside.mean())


def psnr(made: Image, real: Image) -> float:
    """Peak signal-to-noise ratio over all RGB values, peak 255, in dB; infinite for identical images.

    Computed in float64: subtracting uint8 arrays wraps around, which inflated some published numbers.
    """
    return psnr_of(mean_squared_error(made, real))


def mean_squared_error(made: Image, real: Image) -> float:
    """Mean squared difference over all RGB values, in squared grey levels, float64."""
    _check_shapes(made, real)
    return float(np.mean((made.astype(np.float64) - real.astype(np.float64)) ** 2))


def psnr_of(error: float) -> float:
    """PSNR in dB of a mean squared error, peak 255; of a clip, pass the mean over its frames."""
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def polygon_l1(made: Image, real: Image, polygon: FloatArray) -> float:
    """Mean absolute RGB difference inside a polygon, in grey levels of 0-255.

    For the inner mouth the polygon is points 60-67 of the *real* frame, so that a made mouth that stays shut is
    charged for what it does not show.

    Args:
        made: `[H, W, 3]`.
        real: same shape.
        polygon: `[N, 2]` pixels, x right and y down.

    Returns:
        NaN when the polygon covers no pixel.
    """
    _check_shapes(made, real)
    inside = polygon_mask(polygon, (real.shape[1], real.shape[0]), soft=False) > 0
    if not inside.any():
        return float("nan")
    return float(np.abs(made[inside].astype(np.float64) - real[inside].astype(np.float64)).mean())


def away_from_face(shape: tuple[int, int], landmarks: FloatArray, factor: float = 3.0) -> FloatArray:
    """Mask `[H, W]` of the pixels outside a square around the landmarks.

    Args:
        shape: height and width of the image.
        landmarks: `[68, 2]` pixels.
        factor: the square's side over the larger side of the landmarks' bounding box;
            3 leaves the head with its hair, and the neck, inside.
    """
    low, high = landmarks.min(0), landmarks.max(0)
    half = factor * float((high - low).max()) / 2
    centre = (low + high) / 2
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.asarray((np.abs(columns - centre[0]) > half) | (np.abs(rows - centre[1]) > half))


def masked_difference(made: Image, real: Image, mask: FloatArray) -> float:
    """Mean absolute RGB difference where `mask` is true, in grey levels; NaN when it is true nowhere."""
    _check_shapes(made, real)
    if not mask.any():
        return float("nan")
    return float(np.abs(made[mask].astype(np.float64) - real[mask].astype(np.float64)).mean())


def square_map(centre: FloatArray, side: float, size: int) -> FloatArray:
    """`[2, 3]` from pixels of an image to `size` x `size` pixels of the square of `side` pixels around `centre`."""
    scale = size / side
    return np.array([[scale, 0, size / 2 - scale * centre[0]], [0, scale, size / 2 - scale * centre[1]]])


def face_map(landmarks: FloatArray, boxes: float = FACE_CROP.face_side) -> FloatArray:
    """`[2, 3]` to the crop in which the tables compare a face: `FACE_CROP.face_size` pixels for so many dlib boxes."""
    left, top, right, bottom = box_of_landmarks(landmarks)[0]
    return square_map(np.array([(left + right) / 2, (top + bottom) / 2]), boxes * (right - left), FACE_CROP.face_size)


def _blur(values: FloatArray) -> FloatArray:
    return np.asarray(gaussian_filter(values, FACE_CROP.ssim_sigma, radius=FACE_CROP.ssim_radius, mode="reflect"))


def _check_shapes(made: Image, real: Image) -> None:
    assert made.shape == real.shape, f"images must have one shape, got {made.shape} and {real.shape}"


def crop_matrix(
    landmarks: FloatArray, width: int, height: int, factor: float = FACE_CROP.crop_factor
) -> tuple[FloatArray, int]:
    """Fixed square around a clip's face, kept inside the picture where it fits.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN where no face was found.
        width: of the picture.
        height: of the picture.
        factor: side of the square over the larger side of the landmarks' bounding box over the clip.

    Returns:
        `[2, 3]` affine map from pixels of the video to pixels of the crop, and the crop's side, an even number.
    """
    points = landmarks[np.isfinite(landmarks[:, 0, 0])].reshape(-1, 2)
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    side = min(factor * float((high - low).max()), width, height)
    limits = np.array([width, height]) - side
    corner = np.clip((low + high) / 2 - side / 2, 0, np.maximum(limits, 0))
    size = 2 * round(min(side, FACE_CROP.largest_crop) / 2)
    scale = size / side
    return np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]]), size
