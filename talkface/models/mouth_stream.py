"""16 kHz samples as they come -> displacement of jaw and mouth at 25 frames/s, at most 200 ms late."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from talkface.audio.features import MEL, MelStream
from talkface.audio.level import SOUND_LEVEL, RunningLevel
from talkface.landmarks.lip_shape import LipRange, at_full_range
from talkface.models.speech_network import MELS_PER_FRAME, SPEECH_NETWORK, SpeechNetwork, speech_gate
from talkface.types import SAMPLE_RATE, FloatArray

LOOK_AHEAD_S = 0.2  # sound after the start of a frame that its mouth is made from


@dataclass(frozen=True)
class MouthStreamSettings:
    """Settings of streamed lips and of their gate."""

    known_rows: int = 19  # band power from a frame's start on that is complete then: 200 ms less half a spectrum
    voice_rows: int = 1_000  # of band power that the voice's mean spectrum is measured in: 10 s of speech
    prior_rows: float = 40.0  # weight of the usual voice in it
    mean_every: int = 5  # frames from one measurement of the mean to the next
    sharpen_past: int = 8  # frames before it that `at_full_range` looks at
    asleep: int = 12  # frames of silence from which the network rests


MOUTH_STREAM = MouthStreamSettings()
GATE_PAST = SPEECH_NETWORK.gate_reach + 2  # frames before the one in question that `speech_gate` looks at


class MouthStream:
    """A speech network that is fed while somebody speaks.

    Frame t is made from the sound up to 200 ms after its start. The offline network takes 336 ms for its convolutions
    and its recurrent layer, 280 ms for its gate, and the whole clip for level and mean spectrum; here the last band
    power is held for what is still to come, the recurrent layer runs ahead on that without keeping it, and level and
    mean spectrum are those of the last half minute and of the last ten seconds, which start from usual ones.
    """

    def __init__(self, network: SpeechNetwork, example: FloatArray | None = None) -> None:
        """Take a network, and the `[68, 2]` canonical face that will speak where the network wants one."""
        self._network = network.eval()
        self._example = network._example_of(example)
        self._mel = MelStream(network.mel)
        self._level = RunningLevel(_usual_power(network))
        self._lips = LipRange.from_array(network.lip_range.numpy())
        bands, self._past = network.mel.num_mels, max(network.context, GATE_PAST)
        self._rows = np.zeros((self._past * MELS_PER_FRAME, bands), np.float32)  # from `_past` frames before the next
        self._voice = np.zeros((0, bands), np.float32)
        self._mean: Tensor | None = network.clip_mean([])
        self._states: list[Any] = [None] * len(network.members)
        self._coefficients = np.zeros((MOUTH_STREAM.sharpen_past, len(network.decoder)), np.float32)
        self._frames = self._silent = 0

    def silence(self) -> None:
        """Forget what was pushed and has not become a frame yet: silence was pushed in its place, and before it."""
        self._mel.silence()
        self._rows[:] = 0
        self._states = [None] * len(self._states)
        self._coefficients[:] = 0

    @torch.no_grad()
    def push(self, samples: FloatArray) -> FloatArray:
        """`[S]` samples that follow the last ones -> `[n, 68, 2]` displacement of the frames that they complete."""
        rows = self._mel.push(samples)
        self._level.push(rows.mean(1))
        self._rows = np.concatenate([self._rows, rows])
        made = [np.zeros((0, 68, 2), np.float32)]
        while len(self._rows) >= self._past * MELS_PER_FRAME + MOUTH_STREAM.known_rows:
            made.append(self._next()[None])
            self._rows = self._rows[MELS_PER_FRAME:]
        return np.concatenate(made)

    def _next(self) -> FloatArray:
        """Displacement `[68, 2]` of the next frame, whose first row of power is behind `_past` frames."""
        network, now = self._network, self._past
        gate = self._gate(self._rows[: now * MELS_PER_FRAME + MOUTH_STREAM.known_rows])
        self._silent = 0 if gate > 0 else self._silent + 1
        self._frames += 1
        if self._silent > MOUTH_STREAM.asleep:
            return np.zeros((68, 2), np.float32)
        count = (now + 1 + max(member.look_ahead for member in network.members)) * MELS_PER_FRAME
        known = self._rows[: now * MELS_PER_FRAME + MOUTH_STREAM.known_rows]
        held = np.repeat(known[-2:].mean(0, keepdims=True), max(0, count - len(known)), 0)
        relative = np.concatenate([known, held]) / np.float32(self._level.value)
        self._learn_voice(relative[now * MELS_PER_FRAME : (now + 1) * MELS_PER_FRAME])
        first = now - network.context
        features = network.features(torch.from_numpy(relative[None, first * MELS_PER_FRAME :]), self._mean)
        spoken = []
        for index, member in enumerate(network.members):
            encoded = member.encode_audio(features)[:, network.context : network.context + 1 + member.look_ahead]
            coefficients, state = member.decode(encoded[:, :1], self._states[index], self._example)
            self._states[index] = state
            if member.look_ahead:
                coefficients, _ = member.decode(encoded[:, 1:], state, self._example)
            spoken.append(coefficients[0, -1])
        latest = torch.stack(spoken).mean(0).numpy()
        self._coefficients = np.concatenate([self._coefficients[1:], latest[None]])
        shown = at_full_range(self._coefficients, network.shapes, self._lips)[-1] * gate
        motion = network.motion(torch.from_numpy(shown.astype(np.float32))) * network.scale
        return np.asarray(motion.numpy(), np.float32)

    def _gate(self, known: FloatArray) -> np.float32:
        """Gate of the mouth's motion, 0 to 1; a steady noise does not open it."""
        start = (self._past - GATE_PAST) * MELS_PER_FRAME
        energy = np.maximum(known[start:].mean(1) - 2 * self._level.noise, 0) / self._level.value
        whole = energy[: len(energy) - len(energy) % MELS_PER_FRAME]
        gate: np.float32 = speech_gate(whole)[GATE_PAST]
        return gate

    def _learn_voice(self, relative: FloatArray) -> None:
        """Keep the rows that hold sound, and measure the mean spectrum now and then."""
        floor = max(MEL.active, 2 * self._level.noise / self._level.value)
        heard = relative[relative.mean(1) > floor]
        self._voice = np.concatenate([self._voice, heard])[-MOUTH_STREAM.voice_rows :]
        if self._frames % MOUTH_STREAM.mean_every or not len(self._voice):
            return
        usual, own = self._network.clip_mean([]), self._network.clip_mean([torch.from_numpy(self._voice[None])])
        if usual is None or own is None:
            return
        share = len(self._voice) / (len(self._voice) + MOUTH_STREAM.prior_rows)
        self._mean = share * own + (1 - share) * usual


def _usual_power(network: SpeechNetwork) -> float:
    """Mean band power of something like speech at -26 dBFS: noise that falls by 6 dB per octave above 500 Hz."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    spectrum = np.fft.rfft(noise)
    hz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    shaped = np.fft.irfft(spectrum / (1 + hz / 500) * (hz > 80))
    samples = (shaped * SOUND_LEVEL.usual_rms / np.sqrt(np.mean(np.square(shaped)))).astype(np.float32)
    with torch.no_grad():
        return float(network.mel.inside(torch.from_numpy(samples[None])).mean())
