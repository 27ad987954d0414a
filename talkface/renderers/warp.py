"""Identity + pixel landmarks -> the photo warped, without any network."""

from collections.abc import Iterator, Sequence

from talkface.renderers.base import Identity, Rendered, Tuning
from talkface.renderers.canvas import Canvas, fill_mouth
from talkface.types import FloatArray, Shot


class WarpRenderer:
    """Geometry only: the floor that every network must beat. An opening mouth is filled with its own dark."""

    name = "warp"
    tuning = Tuning()

    def enroll(self, shots: Sequence[Shot]) -> Identity:
        return Identity((Canvas(shots[0], self.tuning.canvas),))

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        canvas = identity.canvases[0]
        for target in landmarks:
            frame = canvas.warp(canvas.deform(target))
            fill_mouth(frame, target, canvas.shot)
            yield Rendered(frame, target)
