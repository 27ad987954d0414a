"""Prepared clips with sound -> what a speech network is scored on: the sound, one closed mouth, the real motion."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.data.clip import PreparedClip
from talkface.data.datasets import ClipDataset
from talkface.data.prepare.crops import CROPPER, load_cropper
from talkface.errors import DatasetError
from talkface.geometry.affine import transform
from talkface.landmarks.mean_face import from_canonical, to_canonical
from talkface.media.speech import SpeechStream, open_speech
from talkface.metrics.landmark import closed_frame, opening_series
from talkface.types import FloatArray, Waveform


@dataclass(frozen=True)
class SpokenClip:
    """One clip: the network gets `speech` and at most `photo`, the rest is to compare with.

    Attributes:
        prepared: where it comes from: key, speaker, pictures.
        fps: frames per second.
        canonical: `[T, 68, 2]` real landmarks, each frame's eyes and nose laid onto the mean face's.
        matrices: `[T, 2, 3]` similarities pixel -> canonical of each frame.
        photo: `[68, 2]` pixel landmarks of the closed-mouth frame that stands for the photo.
        speech: sound of exactly these frames.
    """

    prepared: PreparedClip
    fps: Fraction
    canonical: FloatArray
    matrices: FloatArray
    photo: FloatArray
    speech: SpeechStream

    def __len__(self) -> int:
        return len(self.canonical)

    @property
    def key(self) -> str:
        return self.prepared.key

    @property
    def speaker(self) -> str:
        return self.prepared.speaker

    @property
    def openings(self) -> FloatArray:
        """Real inner-lip opening `[T]`, see `opening_series`."""
        return opening_series(self.canonical)

    @property
    def neutral(self) -> FloatArray:
        """`[68, 2]` canonical landmarks of the photo: what predicted displacement is added to."""
        return np.asarray(to_canonical(self.photo[None])[0][0])

    def in_atvg_crop(self, canonical: FloatArray) -> FloatArray:
        """Canonical motion in pixels of ATVGnet's 128x128 crop of the same frames: `[T, 68, 2]` -> `[T, 68, 2]`.

        The real frame places the crop, whatever crop the shards hold, so pixel distances of all shards agree.
        """
        cropper = load_cropper("atvg", CROPPER.atvg_size, 1.0)
        frames = from_canonical(canonical, self.matrices)
        box, size = (0.0, 0.0, 1.0, 1.0), (1, 1)  # which this crop does not look at
        crops = [cropper.place(points, box, size, jump=True) for points in self.prepared.landmarks]
        return transform(np.stack(crops), frames)


class SpokenClips(Sequence[SpokenClip]):
    """The scored clips of a folder of shards, read when asked for."""

    def __init__(self, shards: Path, split: str | None, speakers: Sequence[str], left_out: Sequence[str]) -> None:
        """Choose the clips.

        Args:
            shards: folder that `talkface prepare` wrote.
            split: train, val or test; None takes all.
            speakers: only these, where any are given.
            left_out: but not these.

        Raises:
            DatasetError: no shards or damaged ones, nothing of that split, no such speaker, or no clip with sound.
        """
        self._dataset = ClipDataset(shards, split)
        metas = self._dataset.metas
        for name in (*speakers, *left_out):
            check_speaker(name, {meta["speaker"] for meta in metas}, shards)
        wanted = [
            index
            for index, meta in enumerate(metas)
            if (not speakers or meta["speaker"] in speakers) and meta["speaker"] not in left_out
        ]
        self._chosen = [index for index in wanted if metas[index]["speech"]]
        if not self._chosen:
            of_split = f" of split {split}" if split else ""
            raise DatasetError(
                f"none of the {len(wanted)} chosen clips{of_split} in {shards} has sound in time with its picture: "
                "prepare talking clips with their sound, or with --sync keep"
            )
        keys = self._dataset.keys
        self._chosen.sort(key=lambda index: (metas[index]["speaker"], keys[index]))
        self.speakers = [str(metas[index]["speaker"]) for index in self._chosen]
        """Of every clip, in order; clips of one speaker stand together."""
        self._of_speaker: dict[str, list[int]] = {}
        for place, name in enumerate(self.speakers):
            self._of_speaker.setdefault(name, []).append(place)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> SpokenClip:  # type: ignore[override]  # slices are not needed
        prepared = self._dataset[self._chosen[index]]
        canonical, matrices = to_canonical(prepared.landmarks)
        return SpokenClip(
            prepared=prepared,
            fps=Fraction(prepared.fps).limit_denominator(1001),
            canonical=canonical,
            matrices=matrices,
            photo=prepared.landmarks[closed_frame(prepared.landmarks)],
            speech=open_speech(Waveform(prepared.audio)),
        )

    def other_sound(self, index: int) -> Waveform:
        """Sound of another clip at this clip's length: what a mouth that ignores its own speech would get.

        The next clip of the same speaker, who says something else in the same voice; another speaker's where there is
        none; of a single clip its own sound, turned about by half its length.
        """
        mine = self._of_speaker[self.speakers[index]]
        other = mine[(index - mine[0] + 1) % len(mine)] if len(mine) > 1 else (index + 1) % len(self)
        own = self._dataset[self._chosen[index]].audio
        audio = self._dataset[self._chosen[other]].audio if other != index else np.roll(own, len(own) // 2)
        return Waveform(np.resize(audio, len(own)))


def check_speaker(name: str, known: set[str], shards: Path) -> None:
    """Raise `DatasetError` for a name that is not among the speakers of some shards."""
    if name not in known:
        near = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known)[:5])}..."
        raise DatasetError(f"no speaker {name!r} in {shards}: {hint}")
