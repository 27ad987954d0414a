"""Prepared clips -> shots of a person, the one nearest in pose first, and a drawn 3-D face in the target's pose."""

from collections.abc import Sequence

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.prepare.crops import window_map
from talkface.data.samplers.pairs import pose_error
from talkface.data.samplers.patches import draw_face
from talkface.data.samplers.shots import ShotSampler, ShotsConfig
from talkface.geometry.affine import transform
from talkface.landmarks.layout import LEFT_EYE, OUTER_LIP, RIGHT_EYE
from talkface.types import FloatArray, Image


class WarpShotSampler(ShotSampler):
    """As `ShotSampler`; the first shot is the one that a network warps onto the target.

    An example may have more pictures behind its shots, each beside the target's own sketch: `hidden_features` of the
    target; last, the first shot's face as a light 3-D surface in the target's pose, on black.
    """

    def __init__(self, clips: Sequence[PreparedClip], config: ShotsConfig, ani: bool, hidden: bool = False) -> None:
        """As `ShotSampler`; `ani` draws the face, `hidden` the places of eyes and mouth."""
        super().__init__(clips, config)
        self.ani, self.hidden = ani, hidden

    def pick(self, video: int, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """Frames of the shots, the nearest in pose first, and of the target."""
        frames, target = super().pick(video, shots, rng)
        points = self.clips[video].landmarks
        return nearest_first(frames, [points[frame] for frame in frames], points[target]), target

    def pictures(self, video: int, frames: Sequence[int]) -> list[tuple[Image, Image]]:
        """Shots, hidden places and drawn face where wanted, target."""
        *shots, target = super().pictures(video, frames)
        if self.ani or self.hidden:
            shots += [(picture, target[1]) for picture in self._drawn(video, frames)]
        return [*shots, target]

    def _drawn(self, video: int, frames: Sequence[int]) -> list[Image]:
        clip = self.clips[video]
        photo, wanted = clip.image(frames[0]), clip.landmarks[frames[-1]]
        stored, size = len(photo), self.config.size
        to_picture = window_map((stored / 2, stored / 2, stored / self.config.zoom), size)
        made = [hidden_features(transform(to_picture, np.asarray(wanted, np.float64)), size)] if self.hidden else []
        if self.ani:
            drawn = draw_face(photo, clip.landmarks[frames[0]], wanted, to_picture, size)
            made.append(np.ascontiguousarray(drawn[..., :3]))
        return made


def hidden_features(points: FloatArray, size: int) -> Image:
    """`[S, S, 3]`, white in boxes around both eyes and the mouth of `[68, 2]` landmarks of the picture, else black."""
    picture = np.zeros((size, size, 3), np.uint8)
    for part in (RIGHT_EYE, LEFT_EYE, OUTER_LIP):
        low, high = points[part].min(0), points[part].max(0)
        margin = 0.25 * (high[0] - low[0])  # of an eye's or the mouth's width
        left, top = np.clip(np.floor(low - margin), 0, size).astype(int)
        right, bottom = np.clip(np.ceil(high + margin) + 1, 0, size).astype(int)
        picture[top:bottom, left:right] = 255
    return picture


def nearest_first(items: np.ndarray, landmarks: Sequence[FloatArray], target: FloatArray) -> np.ndarray:
    """`items`, one for each of `[68, 2]` landmarks; that of the pose nearest to the target moves to the front."""
    best = int(np.argmin([pose_error(points, target) for points in landmarks]))
    return np.concatenate([items[best : best + 1], np.delete(items, best, 0)])
