"""Photo and camera -> the photo's person doing what the camera sees, on the screen and into a file."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from talkface.errors import ConfigError
from talkface.inference.animator import Animator
from talkface.inference.clip import check_outputs
from talkface.inference.origin import find_origin
from talkface.inference.output import Finish
from talkface.inference.photos import PhotoSource
from talkface.inference.reenact import move_photo, rest_of
from talkface.inference.request import ReenactOptions
from talkface.inference.subject import Subject
from talkface.landmarks.detect import FaceTracker
from talkface.landmarks.online import DriverLearner, MissingDriver, OneEuroFilter
from talkface.media.camera import Camera
from talkface.media.window import Window
from talkface.media.write import VideoWriter
from talkface.renderers.base import Rendered
from talkface.types import FloatArray, Image


@dataclass(frozen=True)
class LiveResult:
    """Statistics of a live session.

    Attributes:
        num_frames: pictures that the camera gave.
        frames_without_face: of those.
        frames_per_s: how fast they were followed, drawn, shown and recorded.
        recording: the file, where one was asked for.
        recorded: frames in it.
    """

    num_frames: int
    frames_without_face: int
    frames_per_s: float
    recording: Path | None
    recorded: int


def reenact_live(
    animator: Animator,
    photo: PhotoSource | Sequence[PhotoSource],
    camera: str | int,
    *,
    options: ReenactOptions,
    out: Path | None = None,
    window: bool = True,
    seconds: float | None = None,
    progress: Callable[[int], bool] = lambda _: True,
) -> LiveResult:
    """Follow a camera until its window is closed, `seconds` are over, or Ctrl-C.

    The driver's face at rest is learnt from the first frames, so look ahead with the mouth shut for a second. Where no
    face is found the last expression is held for 0.4 s, then the face fades to rest.

    Args:
        camera: number, device, or video file that plays the camera.
        out: recording; its frames keep the camera's own times, at a constant rate.
        window: show the result.
        progress: called with the frames done; False ends the session.

    Raises:
        MediaError: no such camera, no display, or an output that cannot be written.
    """
    if out is None and not window:
        raise ConfigError("neither window nor recording asked for: leave --no-window out, or give -o OUT.mp4")
    if out is not None:
        check_outputs(out, options)
    with ExitStack() as stack:
        screen = stack.enter_context(Window("talkface")) if window else None
        device = stack.enter_context(Camera(camera))
        subject = animator.prepare(photo, options.face)
        shot = subject.shots.shots[0]
        finish = Finish(options, shot)
        fps = options.fps or device.fps
        writer = None
        if out is not None:
            height, width = finish.shown(Rendered(shot.image, shot.landmarks), device.first).shape[:2]
            origin = find_origin(options, subject.shots, animator.network_files())
            writer = stack.enter_context(
                VideoWriter(
                    out, (width, height), fps, comment="live", force=options.force, origin=origin, alpha=options.alpha
                )
            )
        follow = Follower(animator, subject, fps, options)
        done, started = 0, time.monotonic()
        try:
            for image, time_s in device.frames():
                if seconds is not None and time_s >= seconds:
                    break
                done += 1
                picture = finish.letter(finish.shown(follow(image), image), time_s)
                _record(writer, picture, time_s)
                if not progress(done) or (screen is not None and not screen.show(picture)):
                    break
        except KeyboardInterrupt:  # how a session without a window ends: what was recorded is kept
            if not done:
                raise
    took = time.monotonic() - started
    return LiveResult(done, follow.missing, done / max(took, 1e-9), out, writer.frames_written if writer else 0)


def _record(writer: VideoWriter | None, picture: Image, time_s: float) -> None:
    """Write the picture for every frame that is due at `time_s`: none, one, or several where a camera was slow."""
    due = 0 if writer is None else int(time_s * writer.fps + Fraction(1, 2)) + 1
    while writer is not None and writer.frames_written < due:
        writer.write(picture)


class Follower:
    """Camera picture -> rendered frame, one after the other."""

    def __init__(self, animator: Animator, subject: Subject, fps: Fraction, options: ReenactOptions) -> None:
        self._renderer, self._subject, self._options = animator.renderer, subject, options
        self._identity = subject.identity.streaming()
        self._tracker = FaceTracker(animator.detector)
        self._steady, self._learn = OneEuroFilter(fps), DriverLearner()
        self._keep = MissingDriver(rest_of(subject), fps)

    @property
    def missing(self) -> int:
        """Frames without a face so far."""
        return self._keep.missing

    def __call__(self, image: Image) -> Rendered:
        """Render the photo's face as the driver's is in `image` `[H, W, 3]`."""
        points = self._keep(self._points(image))
        return next(iter(self._renderer.render(self._identity, points[None])))

    def _points(self, image: Image) -> FloatArray | None:
        seen = self._tracker.track(image)
        if seen is None:
            self._steady.reset()
            return None
        steady = self._steady(seen.landmarks)
        driver = self._learn(steady)
        subject = self._subject
        moved: FloatArray = move_photo(subject.retargeter, subject.landmarks, driver, steady[None], self._options)[0]
        return moved
