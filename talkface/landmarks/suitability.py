"""Photo and the face in it -> reasons why it will animate poorly, in a user's words."""

from dataclasses import dataclass

import numpy as np

from talkface.landmarks.layout import eye_openness, interocular, mouth_opening
from talkface.landmarks.mouth_cover import COVERED, cover_score
from talkface.landmarks.pose import head_rotation
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class SuitabilitySettings:
    """Photos that are hard to animate: lids, turn, mouth."""

    shut_eyes: float = 0.17  # eye aspect ratio; about 0.3 open and 0.15 shut
    turned_deg: float = 18.5  # estimated turn; dlib's landmarks of half and full profiles give no more than 23
    wide_open: float = 0.22  # gap of the inner lips over the distance of the outer eye corners
    wide_grin: float = 0.86  # width of the mouth over that distance; 0.60 on the mean face


SUITABILITY = SuitabilitySettings()
ADVICE = "a sharp, frontal photo with a free, closed mouth and open eyes looks best"


def unsuited(image: Image, landmarks: FloatArray) -> list[str]:
    """What makes a photo a poor start for a talking face; empty for a good one.

    Judged by eye on 418 photos of as many people, dlib's landmarks: of 13 pairs of shut eyes 9 are named, and 11 that
    are narrow, in a smile or behind glasses; of 10 mouths named as wide open 9 are; all 12 heads named as turned are,
    by 25 degrees or more, one of them in profile; 5 mouths named as drawn wide smile broadly; one free mouth is named
    as covered.

    Args:
        image: `[H, W, 3]`.
        landmarks: `[68, 2]` pixels.
    """
    points = np.asarray(landmarks, np.float64)
    reasons = []
    turn = head_turn(points)
    if abs(turn) >= SUITABILITY.turned_deg:
        reasons.append("the head is turned aside")
    covered = cover_score(image, points) > COVERED
    if covered:
        reasons.append("the mouth seems to be covered")
    if float(eye_openness(points[None])[0]) < SUITABILITY.shut_eyes:
        reasons.append("the eyes are shut or nearly so")
    if covered:
        return reasons  # where nothing of the mouth is seen its landmarks are guesses
    if float(mouth_opening(points)) > SUITABILITY.wide_open:
        reasons.append("the mouth is wide open")
    elif float(np.linalg.norm(points[54] - points[48]) / interocular(points)) > SUITABILITY.wide_grin:
        reasons.append("the mouth is drawn wide, in a smile or a grimace")
    return reasons


def head_turn(landmarks: FloatArray) -> float:
    """Turn of the head to the side in degrees, 0 frontal, of `[68, 2]` pixels."""
    rotation = head_rotation(np.asarray(landmarks, np.float64)[None])[0]
    return float(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2])))
