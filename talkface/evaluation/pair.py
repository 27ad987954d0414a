"""Made video and real video -> three rows: the made one, the photo held still (floor), the real one again (ceiling)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from talkface.errors import MediaError
from talkface.evaluation.bench import Bench
from talkface.evaluation.compare import PairRow, compare
from talkface.evaluation.footage import (
    FPS,
    Footage,
    common_length,
    load_footage,
    load_photo_or_frame,
    photo_footage,
    reencode,
)
from talkface.evaluation.rows import REAL, STILL
from talkface.types import Shot

MADE = "made"


@dataclass(frozen=True)
class Pair:
    """Videos to measure.

    Attributes:
        made: the made video.
        real: the real one.
        photo: the photo that `made` was made from; None takes the real video's first frame with a face.
        name: of the made video's row.
        clip: of the pair, in lists of many.
        speaker: who speaks; several clips of one speaker are averaged.
        row: number of the manifest's row, from 1; 0 where there is no manifest.
    """

    made: Path
    real: Path
    photo: Path | None = None
    name: str = MADE
    clip: str = ""
    speaker: str = ""
    row: int = 0


@dataclass(frozen=True)
class Reference:
    """A real video with its photo, measured once for all that is judged by it.

    Attributes:
        real: the real video.
        photo: who it is.
        rows: photo only and real.
        footages: by row name.
    """

    real: Footage
    photo: Shot = field(repr=False)
    rows: Sequence[PairRow]
    footages: dict[str, Footage] = field(repr=False)


@dataclass(frozen=True)
class PairResult:
    """Scores of the measured videos.

    Attributes:
        pair: the files.
        rows: made, photo only, real.
        notes: remarks on how two unlike videos were compared.
        footages: by row name, and `source` for the real video as it came.
    """

    pair: Pair
    rows: Sequence[PairRow]
    notes: Sequence[str]
    footages: dict[str, Footage] = field(repr=False)


def score_pair(pair: Pair, bench: Bench) -> PairResult:
    """Measure one made video beside the photo and the real video; raises as the two steps below do."""
    return score_made(pair, load_reference(pair.real, pair.photo, bench), bench)


def load_reference(path: Path, photo: Path | None, bench: Bench) -> Reference:
    """Measure the floor and the ceiling of every measure.

    The floor is the photo held still. The ceiling is the real video sent once more through our encoder and detector:
    nothing can score better, and how far it is from perfect is what codec and detector alone cost.

    Raises:
        MediaError: a file that is missing or no video.
        NoFaceError: the video or the photo shows no face.
    """
    real = load_footage(path, bench, REAL)
    image, origin = load_photo_or_frame(photo, real)
    still = photo_footage(image, len(real), bench.detector, STILL, origin)
    who = Shot(image, still.landmarks[0])
    copy = bench.folder / f".{path.stem}.again.mp4"
    try:
        again = reencode(real, copy, bench, REAL)
        rows = [compare(footage, real, who, bench) for footage in (still, again)]
    finally:
        copy.unlink(missing_ok=True)
    return Reference(real, who, rows, {STILL: still, "source": real})


def score_made(pair: Pair, reference: Reference, bench: Bench) -> PairResult:
    """Measure one made video against a reference.

    Raises:
        MediaError: a file that is missing or no video; no sound in either and `bench.silent` is off.
        NoFaceError: the made video shows no face.
    """
    real = reference.real
    made = load_footage(pair.made, bench, pair.name)
    if made.speech is None and real.speech is None and not bench.silent:
        raise MediaError(
            f"neither {pair.made} nor {pair.real} has sound, so lips and voice cannot be compared: "
            "add --silent to measure the rest"
        )
    row = compare(made, real, reference.photo, bench)
    rows = [replace(each, labels=_labels(pair, each.system)) for each in (row, *reference.rows)]
    footages = {**reference.footages, made.name: made}
    return PairResult(pair, rows, _notes(made, real, row), footages)


def _labels(pair: Pair, system: str) -> dict[str, str]:
    clip = pair.clip or pair.real.stem
    return {"clip": clip, "speaker": pair.speaker or clip, "system": system}


def _notes(made: Footage, real: Footage, row: PairRow) -> list[str]:
    notes = []
    wider = made.size[0] * real.size[1] / (made.size[1] * real.size[0])
    if wider >= 2.4:  # no crop is so wide: it must be three or four pictures side by side
        notes.append(
            f"{made.name} is {wider:.1f} times as wide for its height as the real video, as one made with --panel is: "
            "one of its pictures was measured, maybe the photo, so these numbers say nothing of the result. Make the "
            "video again without --panel"
        )
    if abs(len(made) - len(real)) > 2:
        covered = common_length(made, real) / float(FPS)
        notes.append(
            f"{made.name} lasts {made.duration_s:.2f} s, the real video {real.duration_s:.2f} s: "
            f"the first {covered:.2f} s are compared"
        )
    for footage in (made, real):
        if footage.stored_fps != FPS:
            notes.append(f"{footage.name} has {float(footage.stored_fps):.3g} frames/s: resampled by time to 25")
    if row.alignment == "face":
        notes.append(
            f"{made.name} frames the face unlike the real video: both are cropped so that eyes and nose coincide"
        )
    elif made.size != real.size:
        width, height = real.size
        notes.append(f"{made.name} is {made.size[0]}x{made.size[1]}: resized to the real video's {width}x{height}")
    if made.speech is None:
        heard = "the real video's sound is heard" if real.speech is not None else "there is no sound: no voice measures"
        notes.append(f"{made.name} is silent: {heard}")
    return notes
