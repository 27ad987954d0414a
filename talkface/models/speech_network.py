"""Blocks of speech -> band power -> chunks of coefficients -> displacement: what all speech networks share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.features import FRAME_RATE, MEL, Bands, MelStream, reference_power
from talkface.landmarks.layout import point_weights
from talkface.landmarks.lip_shape import LipRange, at_full_range
from talkface.models import load_renamed
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, SILENT_LEVEL, FloatArray, Waveform

FPS = 25  # network frames per second; other rates are resampled in time
MELS_PER_FRAME = FRAME_RATE // FPS


@dataclass(frozen=True)
class SpeechNetworkSettings:
    """Rate, chunks and gate of the speech networks."""

    chunk: int = 250  # network frames worked on at once, 10 s
    # sound this far under the speech: mouth closed, mouth free
    gate_db: tuple[float, float] = (-38.0, -26.0)
    # frames that the mouth may open before and after the sound: predicted lips of training people move 1.09 times as
    # much in pauses as the real ones, .96 with four
    gate_reach: int = 5


SPEECH_NETWORK = SpeechNetworkSettings()


class SpeechMember(nn.Module):
    """One trained network: features -> an encoding of each frame -> coefficients, `look_ahead` frames late.

    `encode_audio` sees a few frames around each one, `decode` carries a state: a long sound can be worked on in chunks.
    """

    look_ahead = 0

    def encode_audio(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, D]`."""
        raise NotImplementedError

    def decode(self, encoded: Tensor, state: Any, example: Tensor | None = None) -> tuple[Tensor, Any]:
        """`[B, T, D]`, the carried state and `[B, P]` example -> `[B, T, P]` of `look_ahead` frames ago, next state."""
        raise NotImplementedError

    def predict_all(self, encoded: Tensor, example: Tensor | None = None) -> Tensor:
        """`[B, T, D]` of a whole sound -> `[B, T, P]` coefficients."""
        predicted, _ = self.decode(functional.pad(encoded, (0, 0, 0, self.look_ahead)), None, example)
        return predicted[:, self.look_ahead :]

    def forward(self, features: Tensor, example: Tensor | None = None) -> Tensor:
        """`[B, 4 T, C]` and `[B, P]` -> `[B, T, P]` coefficients."""
        return self.predict_all(self.encode_audio(features), example)


class SpeechNetwork(nn.Module):
    """Speech -> PCA coefficients of jaw and mouth at 25 Hz -> displacement from the closed mouth.

    The PCA is part of the weights: `decoder` holds the shapes, `encode` undoes it.
    """

    decoder: Tensor
    scale: Tensor
    lip_range: Tensor  # see `landmarks.lip_shape.LipRange`
    mel: Bands
    context = 0  # network frames on either side of a chunk that `encode_audio` may look at

    def _add_basis(self, components: int) -> None:
        self.register_buffer("decoder", torch.zeros(components, 68, 2))  # shape per unit of the output
        self.register_buffer("scale", torch.ones(()))  # outer-eye distances per unit of motion
        self.register_buffer("lip_range", torch.from_numpy(LipRange().as_array()))
        of_torchaudio = {"transform.spectrogram.window": "window", "transform.mel_scale.fb": "filters"}
        of_bands = {**of_torchaudio, "spectrum.window": "window"}
        load_renamed(self, {f"mel.{old}": f"mel.{new}" for old, new in of_bands.items()})

    @property
    def members(self) -> Sequence[SpeechMember]:
        """The networks whose answers are averaged."""
        raise NotImplementedError

    def features(self, power: Tensor, mean: Tensor | None = None) -> Tensor:
        """`[B, 4 T, C]` band power over the reference -> `[B, 4 T, F]` network input.

        `mean` is what `clip_mean` found for the whole clip, where `power` is a part of it.
        """
        raise NotImplementedError

    def clip_mean(self, parts: Iterable[Tensor]) -> Tensor | None:
        """Statistics that `features` takes of a clip given in parts `[1, n, C]` of relative power; None for nothing."""
        return None

    def encode_faces(self, faces: Tensor) -> Tensor | None:
        """`[B, 68, 2]` canonical landmarks -> the `[B, P]` examples for the network; None where it takes none."""
        return None

    def train_fast(self, on: bool) -> None:
        """Train with what is nearly the network but faster, where there is such a way."""

    def fit_example(self, faces: FloatArray) -> None:
        """Set the example of a usual face from `[N, 68, 2]` canonical landmarks, one per speaker."""

    def fit_features(self, powers: Sequence[FloatArray]) -> None:
        """Set what the features need to know about voices from `[4 T, C]` relative power of the training clips."""

    def _example_of(self, face: FloatArray | None) -> Tensor | None:
        """`[68, 2]` canonical landmarks of the photo, or none -> `[1, P]`."""
        if face is None:
            return self._usual_example()
        return self.encode_faces(torch.from_numpy(np.asarray(face, np.float32))[None].to(self.decoder))

    def _usual_example(self) -> Tensor | None:
        return None

    def forward(self, features: Tensor, example: Tensor | None = None) -> Tensor:
        """`[B, 4 T, F]` and `[B, P]` -> `[B, T, P]` coefficients."""
        return torch.stack([member(features, example) for member in self.members]).mean(0)

    def motion(self, coefficients: Tensor) -> Tensor:
        """`[..., P]` -> `[..., 68, 2]` displacement over the speaker's range."""
        return torch.tensordot(coefficients, self.decoder, dims=1)

    def encode(self, motion: Tensor) -> Tensor:
        """`[..., 68, 2]` displacement over the speaker's range -> `[..., P]`, the closest that `motion` can decode."""
        weighted = self.decoder * torch.from_numpy(point_weights()).to(self.decoder)[:, None]
        encoder = weighted / (weighted * self.decoder).sum((1, 2), keepdim=True).clamp(min=1e-12)
        return torch.tensordot(motion, encoder.movedim(0, -1), dims=2)

    @property
    def shapes(self) -> FloatArray:
        """`[P, 68, 2]` displacement per unit of each coefficient, outer-eye distances."""
        return np.asarray((self.decoder * self.scale).cpu().numpy())

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put in a checkpoint's weights; those made before motion had a range keep theirs as predicted.

        Raises:
            RuntimeError: weights of another network.
        """
        state = {name: tensor.float() for name, tensor in tensors.items()}
        self.load_state_dict({"lip_range": torch.from_numpy(LipRange().as_array()), **state})

    @property
    def spread(self) -> Tensor:
        """`[P]` length of each coefficient's shape: the output times it are coefficients of an orthonormal basis."""
        importance = torch.from_numpy(point_weights()).to(self.decoder)[:, None]
        return (self.decoder.square() * importance).sum((1, 2)).sqrt()

    @torch.no_grad()
    def predict(
        self,
        blocks: Iterable[Waveform],
        num_frames: int,
        level: float | None = None,
        *,
        fps: Fraction = DEFAULT_FPS,
        example: FloatArray | None = None,
    ) -> FloatArray:
        """Displacement of every video frame from the closed mouth.

        The sound is read once, block by block; what is kept is at most 128 bytes per 10 ms of it.

        Args:
            blocks: 16 kHz sound in order.
            num_frames: T, at `fps`.
            level: RMS of the speech where it is known; near 0 means that there is none.
            fps: video frames per second.
            example: `[68, 2]` canonical landmarks of the face that will speak; networks without an example input
                ignore it, the others take a usual face where it is missing.

        Returns:
            `[T, 68, 2]` float32 canonical displacement in outer-eye distances.
        """
        self.eval()
        count = max(1, -(-num_frames * FPS * fps.denominator // fps.numerator))
        root_power = self._read(blocks, count * MELS_PER_FRAME)
        energy = np.concatenate([_squared(part).mean(1) for part in _parts(root_power)])
        reference = reference_power(energy)
        if reference < MEL.silent_power or (level is not None and level < SILENT_LEVEL):
            return np.zeros((num_frames, 68, 2), np.float32)
        predicted = np.concatenate(list(self._coefficients(root_power, reference, self._example_of(example))))
        coefficients = at_full_range(predicted, self.shapes, LipRange.from_array(self.lip_range.numpy()))
        coefficients = coefficients * speech_gate(energy / reference)[:, None]
        motion = self.motion(torch.from_numpy(_resample(coefficients, num_frames, fps))) * self.scale
        return np.asarray(motion.numpy(), dtype=np.float32)

    def _read(self, blocks: Iterable[Waveform], count: int) -> FloatArray:
        """`[count, C]` square roots of band power, as float16, which holds 100 dB of them."""
        stream = MelStream(self.mel)
        frames = [np.zeros((0, self.mel.num_mels), np.float16)]
        for block in blocks:
            assert block.rate == SAMPLE_RATE, f"speech must be at {SAMPLE_RATE} Hz, got {block.rate}"
            frames.append(np.sqrt(stream.push(block.samples)).astype(np.float16))
        missing = max(0, count - sum(map(len, frames)))
        frames.append(np.sqrt(stream.finish(missing * MEL.hop)).astype(np.float16))
        return np.concatenate(frames)[:count]

    @torch.no_grad()
    def _coefficients(
        self, root_power: FloatArray, reference: float, example: Tensor | None = None
    ) -> Iterator[FloatArray]:
        """Coefficients `[n, P]` chunk by chunk, the same as `forward` gives for the whole at once."""
        divisor = np.float32(reference)
        mean = self.clip_mean(torch.from_numpy(_squared(part)[None] / divisor) for part in _parts(root_power))
        states: list[Any] = [None] * len(self.members)
        skips = [member.look_ahead for member in self.members]
        num_frames = len(root_power) // MELS_PER_FRAME
        for start in range(0, num_frames, SPEECH_NETWORK.chunk):
            stop = min(start + SPEECH_NETWORK.chunk, num_frames)
            first, last = max(0, start - self.context), min(num_frames, stop + self.context)
            relative = _squared(root_power[first * MELS_PER_FRAME : last * MELS_PER_FRAME]) / divisor
            features = self.features(torch.from_numpy(relative[None]), mean)
            predicted = []
            for index, member in enumerate(self.members):
                late = member.look_ahead if stop == num_frames else 0
                encoded = member.encode_audio(features)[:, start - first : stop - first]
                coefficients, states[index] = member.decode(
                    functional.pad(encoded, (0, 0, 0, late)), states[index], example
                )
                skip = min(skips[index], coefficients.shape[1])
                skips[index] -= skip
                predicted.append(coefficients[0, skip:])
            yield torch.stack(predicted).mean(0).numpy()


def speech_gate(energy: FloatArray) -> FloatArray:
    """Gate of the mouth's motion at each frame: 0 in pauses, 1 around speech, with soft edges.

    Args:
        energy: `[4 T]` mean band power over the reference.

    Returns:
        `[T]` float32, 0 to 1.
    """
    frames = energy.reshape(-1, MELS_PER_FRAME).mean(1)
    closed, free = SPEECH_NETWORK.gate_db
    open_share = np.clip((10 * np.log10(np.maximum(frames, 1e-12)) - closed) / (free - closed), 0, 1)
    padded = np.pad(open_share, SPEECH_NETWORK.gate_reach)
    reached = np.lib.stride_tricks.sliding_window_view(padded, 2 * SPEECH_NETWORK.gate_reach + 1).max(-1)
    smooth = np.array([1, 2, 3, 2, 1]) / 9
    return np.convolve(np.pad(reached, 2, mode="edge"), smooth, mode="valid").astype(np.float32)


def _parts(array: FloatArray) -> Iterator[FloatArray]:
    step = SPEECH_NETWORK.chunk * MELS_PER_FRAME
    return (array[start : start + step] for start in range(0, len(array), step))


def _squared(root_power: FloatArray) -> FloatArray:
    return np.asarray(np.square(root_power, dtype=np.float32))


def _resample(coefficients: FloatArray, num_frames: int, fps: Fraction) -> FloatArray:
    """25 frames/s -> `num_frames` at `fps`, each at the middle of its own time."""
    place = (np.arange(num_frames) + 0.5) * float(FPS / fps) - 0.5
    known = np.arange(len(coefficients))
    columns = [np.interp(place, known, column) for column in coefficients.T]
    return np.stack(columns, 1).astype(np.float32)
