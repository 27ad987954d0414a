import numpy as np

from talkface.landmarks.layout import INNER_LIP, LEFT_EYE, OUTER_LIP, mouth_opening
from talkface.landmarks.mean_face import MEAN_FACE
from talkface.landmarks.proportions import normalise_proportions


def driver() -> np.ndarray:
    """`[12, 68, 2]` mean face that speaks, in the middle of a 256-pixel frame."""
    face = np.repeat((75 * MEAN_FACE + [128, 120])[None], 12, 0)
    face[:, [*range(55, 60), 65, 66, 67], 1] += 15 * np.sin(np.arange(12) / 2)[:, None] ** 2
    return face


def other() -> np.ndarray:
    """`[68, 2]` somebody with a wide mouth, high eyes and a large photo."""
    face = 200 * MEAN_FACE + [500, 400]
    lips = [*OUTER_LIP, *INNER_LIP]
    face[lips, 0] = 500 + 1.4 * (face[lips, 0] - 500)
    face[36:48, 1] -= 25
    return face


def test_a_face_in_its_own_proportions_is_unchanged():
    np.testing.assert_allclose(normalise_proportions(driver(), driver()), driver(), atol=1e-3)


def test_still_frames_become_the_reference_itself():
    still = np.repeat((75 * MEAN_FACE + [128, 120])[None], 3, 0)
    found = normalise_proportions(still, other())
    chin = other()[8]
    np.testing.assert_allclose(found - found[:, 8:9], np.repeat((other() - chin)[None], 3, 0), atol=0.05)
    np.testing.assert_allclose(found[:, 8], still[:, 8], atol=1e-4)


def test_mean_distances_are_the_references_and_the_motion_stays():
    found = normalise_proportions(driver(), other())
    width = (found[:, 54] - found[:, 48])[:, 0]
    np.testing.assert_allclose(width, (other()[54] - other()[48])[0], rtol=1e-3)
    eyes = found[:, 8, 1] - found[:, LEFT_EYE, 1].mean(1)
    np.testing.assert_allclose(eyes, other()[8, 1] - other()[LEFT_EYE, 1].mean(), rtol=0.01)
    before, after = mouth_opening(driver()), mouth_opening(found)
    assert np.corrcoef(before, after)[0, 1] > 0.9 and after.max() - after.min() > 0.05
    assert (found[:, 66, 1] >= found[:, 62, 1]).all()


def test_size_of_the_driver_does_not_count():
    once, twice = (normalise_proportions(scale * driver(), other()) for scale in (1.0, 2.0))
    np.testing.assert_allclose(once - once[:, 8:9], twice - twice[:, 8:9], atol=0.01)
