"""Held-out people, renderers, numbers of shots -> one row for each: similarity of the other frames they generate.

Every renderer gets the same shots of a person, from the first half of a clip, and the landmarks of other frames, from
its second half: the real ones, or those that a speech network predicted. Real and made frame are aligned by eyes and
nose and compared in the same 256x256 crop, so a head that stays where the photo has it costs nothing. Evaluation
renders nothing itself: the command line hands in `Renderer`s. Times are milliseconds per rendered frame of the shards'
size, after a first round that is not counted, and to enrol the person; of processor time where that is less, as on a
busy machine.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from talkface.evaluation.footage import encode
from talkface.evaluation.judge import Judge
from talkface.evaluation.people import Person
from talkface.evaluation.rows import STILL, Row
from talkface.evaluation.tables.renderer_measures import ENCODED
from talkface.geometry.affine import compose_affine, fit_similarity, transform
from talkface.geometry.resample import cut_patch
from talkface.landmarks.detect import Detector
from talkface.landmarks.layout import STABLE
from talkface.media.read import read_frames
from talkface.metrics.image import FACE_CROP, face_map
from talkface.renderers.base import Renderer
from talkface.types import FloatArray, Image


def _face_map(landmarks: FloatArray) -> FloatArray:
    """`[2, 3]` to the compared crop: hair to collar, inside the pictures that `prepare` cuts."""
    return face_map(landmarks, 1.5)


def judge_of(person: Person, detector: Detector) -> Judge:
    """Judge of one person's frames in the compared crop."""
    maps = [_face_map(target.landmarks) for target in person.targets]
    pairs = list(zip(maps, person.targets, strict=True))
    crops = [cut_patch(target.image, to_crop, FACE_CROP.face_size) for to_crop, target in pairs]
    return Judge(crops, [transform(to_crop, target.landmarks) for to_crop, target in pairs], detector)


def score_baselines(people: Sequence[Person], judges: Sequence[Judge]) -> Iterator[tuple[Row, list[Image]]]:
    """The photo in place of every frame, then the real frames through the encoder of made videos."""
    for person, judge in zip(people, judges, strict=True):
        still, count = person.shots[0], len(person.targets)
        yield _row(STILL, 0, person, judge, [still.image] * count, np.repeat(still.landmarks[None], count, 0))
    for person, judge in zip(people, judges, strict=True):
        points = np.stack([target.landmarks for target in person.targets])
        yield _row(ENCODED, 0, person, judge, _encoded([target.image for target in person.targets]), points)


def score_renderer(
    system: str, renderer: Renderer, shots: Sequence[int], people: Sequence[Person], judges: Sequence[Judge]
) -> Iterator[tuple[Row, list[Image]]]:
    """Score a renderer on everybody with each number of shots; with each row come the crops that were judged.

    A renderer that generates the same with more shots gets no row for them.
    """
    before: list[list[Image]] = []
    for count in shots:
        made = [_generate(renderer, person, count) for person in people]
        frames = [images for images, _ in made]
        if before and all(all(map(np.array_equal, *pair)) for pair in zip(frames, before, strict=True)):
            return
        before = frames
        for person, judge, (images, times) in zip(people, judges, made, strict=True):
            yield _row(system, count, person, judge, images, person.driving, times)


def _row(
    system: str,
    shots: int,
    person: Person,
    judge: Judge,
    frames: Sequence[Image],
    driving: FloatArray,
    times: Mapping[str, float] | None = None,
) -> tuple[Row, list[Image]]:
    """Scores of the frames, whose crops place the face where the real one's is, and those crops."""
    crops = []
    for frame, driven, target in zip(frames, driving, person.targets, strict=True):
        onto = fit_similarity(driven[STABLE], target.landmarks[STABLE])
        to_crop = compose_affine(_face_map(target.landmarks), onto)
        crops.append(cut_patch(frame, to_crop, FACE_CROP.face_size))
    found = judge(crops)
    scores = {name: found[name] for name in ("ssim", "psnr", "lmd", "cpbd", "identity", "mouth_l1")}
    scores |= times or dict.fromkeys(("frame_ms", "enroll_ms"), math.nan)
    return Row({"system": system, "shots": shots, "person": person.name}, scores), crops


def _generate(renderer: Renderer, person: Person, shots: int) -> tuple[list[Image], dict[str, float]]:
    """Frames of an enrolled person, and times; a renderer with a memory gets the frames before each target, too."""
    start = _clocks()
    identity = renderer.enroll(person.first(shots))
    enroll_s = _since(start)
    streamed = identity.streaming()
    deque(renderer.render(streamed, person.driving[:1]), maxlen=0)
    runs = [person.driving]
    if streamed.carried:
        pairs = zip(person.lead, person.driving, strict=True)
        runs = [np.concatenate([lead, points[None]]) for lead, points in pairs]
    for _ in range(2):  # a person's first frames do things that are done only once: the second round is timed
        start = _clocks()
        made = [[frame.image for frame in renderer.render(identity.streaming(), run)] for run in runs]
        frame_s = _since(start) / sum(map(len, runs))
    frames = [run[-1] for run in made] if streamed.carried else made[0]
    return frames, {"frame_ms": 1000 * frame_s, "enroll_ms": 1000 * enroll_s}


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(start: tuple[float, float]) -> float:
    """Seconds by the clock; by the processor where other programs made this one wait, so that loads differ little."""
    return min(now - then for now, then in zip(_clocks(), start, strict=True))


def _encoded(images: Sequence[Image]) -> list[Image]:
    """The same pictures after H.264, as made videos have them."""
    height, width = images[0].shape[:2]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "real.mp4"
        encode(path, (width, height), images, "real frames, re-encoded", synthetic=False)
        return [image for image, _ in read_frames(path)]
