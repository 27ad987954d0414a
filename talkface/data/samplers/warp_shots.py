"""Prepared clips -> shots of a person, the one nearest in pose first, and a drawn 3-D face in the target's pose."""

from collections.abc import Sequence

import numpy as np

from talkface.data.prepare.crops import window_map
from talkface.data.samplers.pairs import FaceClip, pose_error
from talkface.data.samplers.patches import draw_face
from talkface.data.samplers.shots import ShotSampler, ShotsConfig
from talkface.types import FloatArray, Image


class WarpShotSampler(ShotSampler):
    """As `ShotSampler`; the first shot is the one that a network warps onto the target.

    With a drawn face, an example has one picture more among its shots, the last: the first shot's face as a light 3-D
    surface in the target's pose, on black, beside the target's own sketch.
    """

    def __init__(self, clips: Sequence[FaceClip], config: ShotsConfig, ani: bool) -> None:
        """As `ShotSampler`; `ani` draws the face."""
        super().__init__(clips, config)
        self.ani = ani

    def pick(self, video: int, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """Frames of the shots, the nearest in pose first, and of the target."""
        frames, target = super().pick(video, shots, rng)
        points = self.clips[video].landmarks
        return nearest_first(frames, [points[frame] for frame in frames], points[target]), target

    def pictures(self, video: int, frames: Sequence[int]) -> list[tuple[Image, Image]]:
        """Shots, the drawn face where wanted, target."""
        made = super().pictures(video, frames)
        return [*made[:-1], self._drawn(video, frames, made[-1][1]), made[-1]] if self.ani else made

    def _drawn(self, video: int, frames: Sequence[int], sketch: Image) -> tuple[Image, Image]:
        clip = self.clips[video]
        photo = clip.image(frames[0])
        stored, size = len(photo), self.config.size
        to_picture = window_map((stored / 2, stored / 2, stored / self.config.zoom), size)
        drawn = draw_face(photo, clip.landmarks[frames[0]], clip.landmarks[frames[-1]], to_picture, size)
        return np.ascontiguousarray(drawn[..., :3]), sketch


def nearest_first(items: np.ndarray, landmarks: Sequence[FloatArray], target: FloatArray) -> np.ndarray:
    """`items`, one for each of `[68, 2]` landmarks; that of the pose nearest to the target moves to the front."""
    best = int(np.argmin([pose_error(points, target) for points in landmarks]))
    return np.concatenate([items[best : best + 1], np.delete(items, best, 0)])
