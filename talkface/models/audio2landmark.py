"""Speech -> coefficients -> canonical displacement of jaw and mouth from the closed mouth."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.features import (
    FRAME_RATE,
    HOP,
    SILENT_POWER,
    MelPower,
    MelStream,
    active_sum,
    log_mel,
    mean_spectrum,
    reference_power,
)
from talkface.types import DEFAULT_FPS, SAMPLE_RATE, FloatArray, Waveform

FPS = 25  # network frames per second; other rates are resampled in time
MELS_PER_FRAME = FRAME_RATE // FPS
CHUNK = 250  # network frames worked on at once, 10 s
CONTEXT = 8  # network frames that the convolutions may see on either side of a chunk
GATE_DB = (-42.0, -30.0)  # sound this far under the speech: mouth closed, mouth free
GATE_REACH = 4  # frames that the mouth may open before and after the sound
SILENT_LEVEL = 1e-4  # RMS, -80 dBFS


@dataclass(frozen=True)
class Audio2LandmarkConfig:
    """Size of the network."""

    num_mels: int = 64
    channels: int = 128
    hidden: int = 128  # of the recurrent layer
    layers: int = 1
    components: int = 16  # P
    look_ahead: int = 5  # frames that the recurrent layer hears before it speaks
    dropout: float = 0.3
    phones: int = 16  # classes that the front end also tells apart, see data.phones; 0 has none
    members: int = 3  # networks trained on batches of their own, whose answers are averaged


class Weights(Protocol):
    """The part of a checkpoint that rebuilds a network."""

    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def tensors(self) -> dict[str, Tensor]: ...


class Listener(nn.Module):
    """Log-mel -> coefficients: convolutions from 100 to 25 Hz, then a recurrent layer that speaks a little late."""

    def __init__(self, config: Audio2LandmarkConfig) -> None:
        super().__init__()
        channels, hidden = config.channels, config.hidden
        self.look_ahead = config.look_ahead
        self.convolutions = nn.ModuleList(
            [
                nn.Conv1d(config.num_mels, channels, 6, stride=2, padding=2),
                nn.Conv1d(channels, channels, 5, padding=2),
                nn.Conv1d(channels, channels, 4, stride=2, padding=1),
                nn.Conv1d(channels, channels, 3, padding=1),
            ]
        )
        self.norms = nn.ModuleList([nn.BatchNorm1d(channels) for _ in self.convolutions])
        self.phone_head = nn.Linear(channels, config.phones) if config.phones else None
        self.recurrent = nn.GRU(channels + config.phones, hidden, config.layers, batch_first=True)
        self.head = nn.Linear(hidden, config.components)
        self.dropout = nn.Dropout(config.dropout)

    def hear(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, D]` what the convolutions make of each frame and its surroundings."""
        x = features.transpose(1, 2)
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            y = torch.relu(norm(convolution(x)))
            x = y + x if index in (1, 3) else self.dropout(y)
        return self.dropout(x).transpose(1, 2)

    def phones(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, N]` logits of phone classes."""
        assert self.phone_head is not None, "built without a phone head"
        logits: Tensor = self.phone_head(self.hear(features))
        return logits

    def listen(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, D + N]` what was heard, with the probabilities of the phones."""
        heard = self.hear(features)
        if self.phone_head is None:
            return heard
        return torch.cat([heard, torch.softmax(self.phone_head(heard), -1)], -1)

    def speak(self, heard: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """`[B, T, D + N]` and the carried state -> `[B, T, P]` coefficients of `look_ahead` frames ago, next state."""
        states, state = self.recurrent(heard, state)
        return self.head(self.dropout(states)), state

    def forward(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, P]` coefficients."""
        spoken, _ = self.speak(functional.pad(self.listen(features), (0, 0, 0, self.look_ahead)), None)
        return spoken[:, self.look_ahead :]


class Audio2Landmark(nn.Module):
    """Speech -> PCA coefficients of jaw and mouth at 25 Hz: the mean of several `Listener`s.

    After Eskimez et al. 2018 (log-mel -> LSTM -> landmarks) with Chen et al. 2019's PCA output; what differs: the
    clip's own level and mean spectrum are taken out, so that gain and microphones do not matter.
    """

    voice_mean: Tensor
    decoder: Tensor
    scale: Tensor

    def __init__(self, config: Audio2LandmarkConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = MelPower(config.num_mels)
        self.listeners = nn.ModuleList([Listener(config) for _ in range(config.members)])
        self.register_buffer("voice_mean", torch.zeros(config.num_mels))  # mean log-mel of many voices
        self.register_buffer("decoder", torch.zeros(config.components, 68, 2))  # shape per unit of the output
        self.register_buffer("scale", torch.ones(()))  # outer-eye distances per unit of motion

    @property
    def members(self) -> list[Listener]:
        """The networks whose answers are averaged."""
        return [listener for listener in self.listeners if isinstance(listener, Listener)]

    def features(self, power: Tensor) -> Tensor:
        """`[B, 4 T, C]` mel power over the reference -> `[B, 4 T, C]` network input, by each clip's own mean."""
        return log_mel(power, mean_spectrum(*active_sum(power), self.voice_mean))

    def forward(self, features: Tensor) -> Tensor:
        """`[B, 4 T, C]` -> `[B, T, P]` coefficients."""
        return torch.stack([listener(features) for listener in self.members]).mean(0)

    def motion(self, coefficients: Tensor) -> Tensor:
        """`[..., P]` -> `[..., 68, 2]` displacement over the speaker's range."""
        return torch.tensordot(coefficients, self.decoder, dims=1)

    @torch.no_grad()
    def predict(
        self,
        blocks: Iterable[Waveform],
        num_frames: int,
        level: float | None = None,
        *,
        fps: Fraction = DEFAULT_FPS,
    ) -> FloatArray:
        """Displacement of every video frame from the closed mouth.

        The sound is read once, block by block; what is kept is 128 bytes per 10 ms of it.

        Args:
            blocks: 16 kHz sound in order.
            num_frames: T, at `fps`.
            level: RMS of the speech where it is known; near 0 means that there is none.
            fps: video frames per second.

        Returns:
            `[T, 68, 2]` float32 canonical displacement in outer-eye distances.
        """
        self.eval()
        count = max(1, -(-num_frames * FPS * fps.denominator // fps.numerator))
        root_power = self._read(blocks, count * MELS_PER_FRAME)
        energy = np.concatenate([_squared(part).mean(1) for part in _parts(root_power)])
        reference = reference_power(energy)
        if reference < SILENT_POWER or (level is not None and level < SILENT_LEVEL):
            return np.zeros((num_frames, 68, 2), np.float32)
        coefficients = np.concatenate(list(self._coefficients(root_power, reference)))
        coefficients *= speech_gate(energy / reference)[:, None]
        motion = self.motion(torch.from_numpy(_resample(coefficients, num_frames, fps))) * self.scale
        return np.asarray(motion.numpy(), dtype=np.float32)

    def _read(self, blocks: Iterable[Waveform], count: int) -> FloatArray:
        """`[count, C]` square roots of mel power, as float16, which holds 100 dB of them."""
        stream = MelStream(self.mel)
        frames = [np.zeros((0, self.config.num_mels), np.float16)]
        for block in blocks:
            assert block.rate == SAMPLE_RATE, f"speech must be at {SAMPLE_RATE} Hz, got {block.rate}"
            frames.append(np.sqrt(stream.push(block.samples)).astype(np.float16))
        missing = max(0, count - sum(map(len, frames)))
        frames.append(np.sqrt(stream.finish(missing * HOP)).astype(np.float16))
        return np.concatenate(frames)[:count]

    @torch.no_grad()
    def _coefficients(self, root_power: FloatArray, reference: float) -> Iterator[FloatArray]:
        """Coefficients `[n, P]` chunk by chunk, the same as `forward` gives for the whole at once."""
        total, active = torch.zeros(()), torch.zeros(())
        for part in _parts(root_power):
            more, count = active_sum(torch.from_numpy(_squared(part)[None] / np.float32(reference)))
            total, active = total + more, active + count
        mean = mean_spectrum(total, active, self.voice_mean)
        states: list[Tensor | None] = [None] * len(self.members)
        skip, num_frames = self.config.look_ahead, len(root_power) // MELS_PER_FRAME
        for start in range(0, num_frames, CHUNK):
            stop = min(start + CHUNK, num_frames)
            first, last = max(0, start - CONTEXT), min(num_frames, stop + CONTEXT)
            relative = _squared(root_power[first * MELS_PER_FRAME : last * MELS_PER_FRAME]) / np.float32(reference)
            features = log_mel(torch.from_numpy(relative[None]), mean)
            late = self.config.look_ahead if stop == num_frames else 0
            spoken = []
            for index, listener in enumerate(self.members):
                heard = listener.listen(features)[:, start - first : stop - first]
                coefficients, states[index] = listener.speak(functional.pad(heard, (0, 0, 0, late)), states[index])
                spoken.append(coefficients[0])
            yield torch.stack(spoken).mean(0)[skip:].numpy()
            skip = max(0, skip - len(spoken[0]))


def load_audio2landmark(checkpoint: Weights, device: torch.device | str = "cpu") -> Audio2Landmark:
    """Rebuild the network that a checkpoint of kind `audio2landmark` holds, ready to predict."""
    network = Audio2Landmark(Audio2LandmarkConfig(**checkpoint.config))
    network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    return network.to(device).eval()


def config_dict(config: Audio2LandmarkConfig) -> dict[str, Any]:
    """Settings as a checkpoint keeps them."""
    return asdict(config)


def speech_gate(energy: FloatArray) -> FloatArray:
    """How far the mouth may move at each frame: 0 in pauses, 1 around speech, with soft edges.

    Args:
        energy: `[4 T]` mean mel power over the reference.

    Returns:
        `[T]` float32, 0 to 1.
    """
    frames = energy.reshape(-1, MELS_PER_FRAME).mean(1)
    closed, free = GATE_DB
    open_share = np.clip((10 * np.log10(np.maximum(frames, 1e-12)) - closed) / (free - closed), 0, 1)
    padded = np.pad(open_share, GATE_REACH)
    reached = np.lib.stride_tricks.sliding_window_view(padded, 2 * GATE_REACH + 1).max(-1)
    smooth = np.array([1, 2, 3, 2, 1]) / 9
    return np.convolve(np.pad(reached, 2, mode="edge"), smooth, mode="valid").astype(np.float32)


def _parts(array: FloatArray) -> Iterator[FloatArray]:
    step = CHUNK * MELS_PER_FRAME
    return (array[start : start + step] for start in range(0, len(array), step))


def _squared(root_power: FloatArray) -> FloatArray:
    return np.asarray(np.square(root_power, dtype=np.float32))


def _resample(coefficients: FloatArray, num_frames: int, fps: Fraction) -> FloatArray:
    """25 frames/s -> `num_frames` at `fps`, each at the middle of its own time."""
    place = (np.arange(num_frames) + 0.5) * float(FPS / fps) - 0.5
    known = np.arange(len(coefficients))
    columns = [np.interp(place, known, column) for column in coefficients.T]
    return np.stack(columns, 1).astype(np.float32)
