"""Prepared clips -> held-out people: shots that a system may see, and other frames that it must generate."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.samplers.pairs import POSE_ERROR, pose_error
from talkface.landmarks.layout import mouth_opening
from talkface.metrics.landmark import closed_frame
from talkface.types import FloatArray, Shot

Predict = Callable[[PreparedClip, Shot], FloatArray]
"""Clip and photo -> `[T, 68, 2]` landmarks of the photo, predicted from the clip's sound."""


@dataclass(frozen=True)
class Person:
    """Somebody held out of training.

    Attributes:
        name: identity.
        shots: input of a system, from the first half of the clip.
        targets: frames to generate, from the second half.
        driving: `[N, 68, 2]` landmarks to render for each of them, pixels of target or first shot.
        lead: of each target, `[<= 8, 68, 2]` the same for the frames before it, for renderers with a memory.
    """

    name: str
    shots: tuple[Shot, ...]
    targets: tuple[Shot, ...]
    driving: FloatArray
    lead: tuple[FloatArray, ...] = ()

    def first(self, count: int) -> list[Shot]:
        """The source shot and further ones, spread over the others."""
        places = _spread(np.arange(1, len(self.shots)), count - 1)
        return [self.shots[0], *(self.shots[place] for place in places)]


def choose_people(
    clips: Iterable[PreparedClip], shots: int, targets: int, most: int, left_out: Sequence[str] = ()
) -> list[Person]:
    """People with enough frames, the longest clip of each, shots and targets evenly spread over its two halves.

    Args:
        clips: of the test split.
        shots: input of a system.
        targets: frames to generate.
        most: people at most, spread over the list.
        left_out: names of people who were in training.
    """
    people = []
    for clip, found in _longest_clips(clips, shots + targets, most, left_out):
        first, second = _halves(found, shots, targets)
        seen, wanted = _spread(first, shots), _spread(second, targets)
        people.append(Person(clip.speaker, _shots(clip, seen), _shots(clip, wanted), clip.landmarks[wanted]))
    return people


def choose_speakers(
    clips: Iterable[PreparedClip],
    shots: int,
    targets: int,
    most: int,
    left_out: Sequence[str] = (),
    predict: Predict | None = None,
) -> list[Person]:
    """The same, the first shot with the most closed mouth, and targets from the most closed to the most open mouth.

    Their heads are turned as the first shot's is: beyond `POSE_ERROR` a landmark means another place of the face.
    `predict` gives the driving landmarks, which are the targets' own if it is not given.
    """
    people = []
    for clip, found in _longest_clips(clips, shots + targets, most, left_out):
        first, second = _halves(found, shots, targets)
        photo = first[closed_frame(clip.landmarks[first])]
        seen = _shots(clip, [photo, *_spread(first[first != photo], shots - 1)])
        turned = np.array([pose_error(clip.landmarks[photo], clip.landmarks[i]) for i in second])
        near = second[turned <= max(POSE_ERROR, np.sort(turned)[targets - 1])]
        wanted = _spread(near[np.argsort(mouth_opening(clip.landmarks[near]), kind="stable")], targets)
        driving = clip.landmarks if predict is None else predict(clip, seen[0])
        before = (driving[max(0, i - 8) : i] for i in wanted)
        lead = tuple(points[np.isfinite(points).all((1, 2))] for points in before)
        people.append(Person(clip.speaker, seen, _shots(clip, wanted), driving[wanted], lead))
    return people


def _longest_clips(
    clips: Iterable[PreparedClip], frames: int, most: int, left_out: Sequence[str]
) -> list[tuple[PreparedClip, np.ndarray]]:
    """Of each person the clip with the most faces, `frames` at least, and the indices of the frames that show one."""
    longest: dict[str, tuple[PreparedClip, np.ndarray]] = {}
    for clip in clips:
        found = np.flatnonzero(np.isfinite(clip.landmarks).all((1, 2)))
        if clip.speaker in left_out or len(found) < frames:
            continue
        if clip.speaker not in longest or len(found) > len(longest[clip.speaker][1]):
            longest[clip.speaker] = (clip, found)
    names = sorted(longest)
    places = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return [longest[names[place]] for place in places]


def _halves(found: np.ndarray, shots: int, targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames for shots and later ones for targets; none is in both, each has enough."""
    share = max(shots, min(len(found) - targets, len(found) // 2))
    return found[:share], found[share:]


def _spread(frames: np.ndarray, count: int) -> np.ndarray:
    """`count` of the frames, evenly over the list, first and last among them."""
    return np.asarray(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)])


def _shots(clip: PreparedClip, frames: Iterable[int]) -> tuple[Shot, ...]:
    return tuple(Shot(clip.image(int(index)), clip.landmarks[index]) for index in frames)
