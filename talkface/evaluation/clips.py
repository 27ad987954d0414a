"""Row of the test manifest -> photo, speech, landmarks and real frames to compare with."""

import csv
import math
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np

from talkface.errors import DatasetError
from talkface.evaluation.bench import Bench
from talkface.evaluation.footage import tracked
from talkface.files.write import atomic_file
from talkface.geometry.resample import cut_patch
from talkface.landmarks.detect import Detector
from talkface.media.read import probe_video, read_frames
from talkface.media.speech import read_waveform
from talkface.media.write import VideoWriter
from talkface.metrics.image import crop_matrix
from talkface.metrics.landmark import closed_frame, most_open_frames, opening_series
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, Image, Shot, Waveform


@dataclass(frozen=True)
class HeldOutClip:
    """One row of the manifest that may be measured.

    Attributes:
        key: file name without its ending.
        path: the video.
        person: identity; several clips of one person are averaged.
        group: `people` for people held out of training, `grid_s1` for the held-out sentences of the one speaker who is
            split by sentence.
    """

    key: str
    path: Path
    person: str
    group: str


@dataclass(frozen=True)
class RealClip:
    """A real clip, cropped around its face and resampled to 25 frames/s by time.

    Attributes:
        clip: where it comes from.
        landmarks: `[T, 68, 2]` pixels of the crop, found on the original frames; NaN where no face was found.
        photo: the most frontal of its closed-mouth frames: all that a system may see of the person.
        speech: sound of the same seconds, 16 kHz.
        open_frames: `[N]` indices of the most open frames.
        open_images: `[N, H, W, 3]` those frames.
        video: the crop encoded by the same encoder as made videos, without sound.
        remeasured: `[T, 68, 2]` landmarks found on that video, as on a made one.
    """

    clip: HeldOutClip
    landmarks: FloatArray
    photo: Shot
    speech: Waveform
    open_frames: FloatArray
    open_images: FloatArray
    video: Path
    remeasured: FloatArray

    @property
    def openings(self) -> FloatArray:
        """Inner-lip opening `[T]`, see `opening_series`."""
        return opening_series(self.landmarks)


def read_test_clips(data: Path) -> list[HeldOutClip]:
    """Talking clips of the split `test` in `data/manifest.csv`, with sound, in a fixed order.

    Raises:
        DatasetError: no manifest, or no such clip in it.
    """
    manifest = data / "manifest.csv"
    if not manifest.is_file():
        raise DatasetError(f"no {manifest}: give the folder that holds manifest.csv with --data")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test" and row["kind"] == "talk"]
    clips = [
        HeldOutClip(
            key=Path(row["file"]).stem,
            path=data / row["file"],
            person=row["identity"],
            group="grid_s1" if "grid_s1" in Path(row["file"]).parts else "people",
        )
        for row in rows
        if row["audio"] != "none"
    ]
    if not clips:
        raise DatasetError(f"{manifest} has no talking clip with split test: check its columns split and kind")
    return sorted(clips, key=lambda clip: (clip.group, clip.person, clip.key))


def load_real_clip(clip: HeldOutClip, bench: Bench) -> RealClip | None:
    """Prepare the clip's first seconds, or read what an earlier run prepared in the bench's folder.

    Returns:
        None when fewer than half of the frames show a face.
    """
    folder = bench.folder / "real"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{clip.key}_{bench.longest_s:g}s"
    kept, video = folder / f"{name}.npz", folder / f"{name}.mp4"
    if not kept.exists() or not video.exists():
        landmarks = track_video(clip.path, bench.detector, bench.longest_s)
        if np.isfinite(landmarks[:, 0, 0]).mean() < 0.5:
            return None
        _keep(clip, landmarks, kept, video, bench.detector)
    with np.load(kept, allow_pickle=False) as stored:
        return RealClip(
            clip=clip,
            landmarks=stored["landmarks"],
            photo=Shot(stored["photo"], stored["photo_landmarks"]),
            speech=Waveform(stored["speech"]),
            open_frames=stored["open_frames"],
            open_images=stored["open_images"],
            video=video,
            remeasured=stored["remeasured"],
        )


def track_video(video: Path, detector: Detector, longest_s: float = math.inf) -> FloatArray:
    """Landmarks `[T, 68, 2]` of a video's first seconds at 25 frames/s, NaN where no face was found."""
    frames = takewhile(lambda frame: frame[1] < longest_s, read_frames(video, DEFAULT_FPS))
    # between two looks of the detector, 12 frames apart, the landmarks carry the track
    return np.stack(list(tracked((image for image, _ in frames), detector, every=12)))


def _keep(clip: HeldOutClip, landmarks: FloatArray, kept: Path, video: Path, detector: Detector) -> None:
    """Second pass over the clip: crop every frame, encode the crop, keep what the measures need."""
    chosen, closed = most_open_frames(opening_series(landmarks)), closed_frame(landmarks)
    matrix, size = crop_matrix(landmarks, *probe_video(clip.path).size)
    images: dict[int, Image] = {}
    with VideoWriter(
        video, (size, size), DEFAULT_FPS, comment="real clip, cropped and re-encoded", force=True, synthetic=False
    ) as writer:
        for index, (image, _) in zip(range(len(landmarks)), read_frames(clip.path, DEFAULT_FPS), strict=False):
            frame = cut_patch(image, matrix, size)
            writer.write(frame)
            if index == closed or index in chosen:
                images[index] = frame
    cropped = (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    speech = read_waveform(clip.path).samples
    with atomic_file(kept) as part:
        np.savez(
            part,
            landmarks=cropped,
            photo=images[closed],
            photo_landmarks=cropped[closed],
            speech=speech[: round(len(landmarks) / float(DEFAULT_FPS) * SAMPLE_RATE)],
            open_frames=chosen,
            remeasured=track_video(video, detector),
            open_images=np.stack([images[int(index)] for index in chosen]),
        )
