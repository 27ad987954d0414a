"""Photo, and speech -> how well they suit an animation: a score of 0 to 100 and the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from talkface.geometry.matte import polygon_mask
from talkface.inference.photos import Shots
from talkface.landmarks.layout import JAW, eye_openness, interocular, mouth_opening
from talkface.landmarks.suitability import COVER, cover_score, head_turn
from talkface.media.speech import SpeechStream, speech_level
from talkface.metrics.sharpness import sharpness
from talkface.types import FloatArray, Image

CLIPPED = 0.99  # sample values from which a recording counts as overdriven


@dataclass(frozen=True)
class Finding:
    """One measure of a photo or of speech.

    Attributes:
        name: what was measured.
        value: the measure, with its unit, in words.
        score: 0 unusable to 1 as good as it gets.
        advice: what to do where the score is low.
    """

    name: str
    value: str
    score: float
    advice: str


def judge_photo(shots: Shots) -> list[Finding]:
    """Size, pose, eyes, mouth, sharpness and light of the face that is animated."""
    shot = shots.shots[0]
    points = np.asarray(shot.landmarks, np.float64)
    size, turn = float(interocular(points)), abs(head_turn(points))
    eyes, mouth = float(eye_openness(points[None])[0]), float(mouth_opening(points))
    covered, detail = cover_score(shot.image, points), sharpness(shot.image, shot.landmarks)[0]
    light, uneven = face_light(shot.image, points)
    return [
        Finding("size", f"{size:.0f} pixels between the eyes", ramp(size, 12, 80), "use a larger photo"),
        Finding("pose", f"turned by {turn:.0f} degrees", ramp(turn, 45, 12), "use a frontal photo"),
        Finding("eyes", f"openness {eyes:.2f}", ramp(eyes, 0.1, 0.2), "use a photo with open eyes"),
        Finding("mouth", f"opening {mouth:.2f}", ramp(mouth, 0.35, 0.12), "use a photo with a closed mouth"),
        Finding(
            "cover",
            f"score {covered:.2f}",
            ramp(covered, COVER.covered + 2, COVER.covered),
            "use one with a free mouth",
        ),
        Finding("sharpness", f"{detail:.1f} grey levels", ramp(detail, 1, 5), "use a sharp photo"),
        Finding("light", f"{light:.0f} of 255", min(ramp(light, 15, 60), ramp(light, 250, 215)), "light the face"),
        Finding("shadow", f"halves differ by {uneven:.0%}", ramp(uneven, 0.8, 0.35), "light both sides alike"),
    ]


def judge_speech(speech: SpeechStream) -> list[Finding]:
    """Length, loudness, noise and overdrive of a recording."""
    level = speech_level(speech)
    loud_db = 20 * np.log10(max(level, 1e-6))
    quiet = float(np.percentile(speech.loudness, 5)) if len(speech.loudness) else 0.0
    above_db = min(60.0, 20 * float(np.log10(max(level, 1e-6) / max(quiet, 1e-6))))
    noise = ramp(above_db, 2, 15) if speech.duration_s >= 1 else 1.0  # shorter ones have no pauses
    over = _overdriven(speech)
    return [
        Finding("length", f"{speech.duration_s:.1f} s", ramp(speech.duration_s, 0.1, 1.0), "record a whole sentence"),
        Finding("loudness", f"{-loud_db:.0f} dB below full scale", ramp(loud_db, -70, -40), "record it louder"),
        Finding("noise", f"speech {above_db:.0f} dB over the pauses", noise, "record without noise"),
        Finding("overdrive", f"{over:.1%} of samples at the limit", ramp(over, 0.25, 0.01), "record it more quietly"),
    ]


def score_of(findings: Sequence[Finding]) -> int:
    """0 to 100, as good as the weakest finding lets it be."""
    return round(100 * min(finding.score for finding in findings))


def ramp(value: float, bad: float, good: float) -> float:
    """0 at `bad` and beyond, 1 at `good` and beyond, straight between; either may be the larger one."""
    return float(np.clip((value - bad) / (good - bad), 0, 1))


def face_light(image: Image, landmarks: FloatArray) -> tuple[float, float]:
    """Median luma of the face, and how far its two halves differ, as a share of the lighter one."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    middle = [landmarks[27], landmarks[33], landmarks[8]]
    halves = []
    for side in (JAW[:9], JAW[8:][::-1]):
        outline = np.concatenate([landmarks[side], np.array(middle[::-1])])
        inside = luma[polygon_mask(outline, (luma.shape[1], luma.shape[0]), soft=False) > 0]
        halves.append(float(np.median(inside)) if len(inside) else 0.0)
    return float(np.mean(halves)), abs(halves[0] - halves[1]) / max(*halves, 1.0)


def _overdriven(speech: SpeechStream) -> float:
    """Share of samples at the limit."""
    count = total = 0
    for block in speech.blocks():
        count += int((np.abs(block.samples) >= CLIPPED).sum())
        total += len(block.samples)
    return count / max(total, 1)
