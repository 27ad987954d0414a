"""Rhythm of speech and past head pose -> the next frames of head pose, sampled block by block.

After the head-motion learner of Chen et al. 2020 (6-d pose from audio and past pose, the next n frames at a time); what
differs: the output is a distribution (Bishop 1994, mixture density network) over the shapes that the next frames can
take, so that a head is not pulled to the mean of all that it might do, and another seed moves it otherwise. Every pose
that is fed back lies inside fixed limits, so that minutes of it cannot run away.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from talkface.audio.rhythm import Rhythm
from talkface.landmarks.head_style import HEAD_STYLES, HeadStyle, calm_in_silence, shown_pose
from talkface.landmarks.smooth import hanning
from talkface.models import load_renamed
from talkface.types import FloatArray, HeadPose


@dataclass(frozen=True)
class HeadmotionSizes:
    """Sizes and limits of the head motion network."""

    fps: int = 25  # frames per second of every track and of the network
    features: int = 3  # onset, activity, loudness, see `audio.rhythm.Rhythm`
    limit: float = 4.0  # of a head's own deviations that a pose which is fed back stays within
    held: int = 6  # frames whose mean stands for sound that has not come yet
    damping: float = 0.7  # of the velocity that a head is expected to keep from one frame to the next


HEADMOTION = HeadmotionSizes()
POSE = 6  # pitch, yaw, roll, x, y, z, see `landmarks.driver.DriverFace.track`
JOIN_WIDTH = 7  # frames of the Hanning window that rounds off where one block joins the next
PHOTO_SHARE = 0.5  # of how far real heads move that one photo bears: hair beside a face that turns on is stretched


@dataclass(frozen=True)
class HeadmotionConfig:
    """Settings of the network."""

    block: int = 8  # n, frames that are predicted at a time: 0.32 s
    past: int = 16  # frames of pose that it sees behind it
    before: int = 8  # frames of sound that it reads before the block
    after: int = 8  # and behind it
    hidden: int = 64
    components: int = 20  # shapes that the block's 6 n numbers are made of
    mixtures: int = 4
    dropout: float = 0.1


@dataclass(frozen=True)
class BlockMixture:
    """Distribution of the next block, a mixture of Gaussians over its shapes.

    Attributes:
        logits: `[..., K]`.
        mean: `[..., K, P]`.
        log_std: `[..., K, P]`.
    """

    logits: Tensor
    mean: Tensor
    log_std: Tensor

    def log_density(self, shapes: Tensor) -> Tensor:
        """`[..., P]` -> `[...]`, per shape."""
        distance = (shapes.unsqueeze(-2) - self.mean) * torch.exp(-self.log_std)
        each = -0.5 * distance.square() - self.log_std - 0.5 * float(np.log(2 * np.pi))
        whole = torch.logsumexp(torch.log_softmax(self.logits, -1) + each.sum(-1), -1)
        return whole / shapes.shape[-1]


class Headmotion(nn.Module):
    """Head pose in blocks of n frames: base of held velocity plus shapes whose sizes the network predicts."""

    deviation: Tensor
    shapes: Tensor
    log_scale_quartiles: Tensor
    gain: Tensor
    renamed: ClassVar[Mapping[str, str]] = {
        "listen.": "sound_encoder.",
        "watch.": "pose_encoder.",
        "answer.": "mixture_head.",
        "liveliness": "log_scale_quartiles",
    }
    """Beginnings of weights' names until 2026-11 -> today's."""

    def __init__(self, config: HeadmotionConfig) -> None:
        super().__init__()
        self.config = config
        sound = (config.before + config.block + config.after) * HEADMOTION.features
        self.sound_encoder = nn.Sequential(nn.Linear(sound, config.hidden), nn.ReLU())
        self.pose_encoder = nn.Sequential(nn.Linear(config.past * POSE + 1, config.hidden), nn.ReLU())
        self.dropout = nn.Dropout(config.dropout)
        self.recurrent = nn.GRUCell(2 * config.hidden, config.hidden)
        self.head = nn.Sequential(nn.Linear(3 * config.hidden, config.hidden), nn.ReLU())
        self.mixture_head = nn.Linear(config.hidden, config.mixtures * (1 + 2 * config.components))
        self.register_buffer("deviation", torch.ones(POSE))  # typical standard deviation of each number of a pose
        self.register_buffer("shapes", torch.zeros(config.components, config.block * POSE))  # of one deviation each
        self.register_buffer("gain", torch.ones(()))  # what samples lack in extent, given back at the end
        self.register_buffer("log_scale_quartiles", torch.zeros(3))  # of people
        load_renamed(self, self.renamed)

    def step(self, sound: Tensor, past: Tensor, log_scale: Tensor, state: Tensor | None) -> tuple[BlockMixture, Tensor]:
        """One block further.

        Args:
            sound: `[B, before + n + after, 3]` around the block.
            past: `[B, past, 6]` poses before it, in this head's own deviations.
            log_scale: `[B]` logarithm of how much this head moves over what is typical.
            state: `[B, D]` carried, None at the start.
        """
        settings = self.config
        last = past[:, -1:]
        pose = torch.cat([(past[:, :-1] - last).flatten(1), last[:, 0], log_scale[:, None]], 1)
        encoded = torch.cat([self.sound_encoder(sound.flatten(1)), self.pose_encoder(pose)], 1)
        state = self.recurrent(self.dropout(encoded), state)
        hidden = self.dropout(self.head(torch.cat([state, encoded], 1)))
        logits, mean, log_std = self.mixture_head(hidden).split(
            [settings.mixtures, *[settings.mixtures * settings.components] * 2], 1
        )
        shaped = (past.shape[0], settings.mixtures, settings.components)  # `len` of a traced tensor warns
        # a floor keeps a mixture from collapsing onto one clip, a ceiling keeps samples sane
        return BlockMixture(logits, mean.view(shaped), 2.5 * torch.tanh(log_std.view(shaped) / 2.5) - 0.7), state

    def units(self, log_scale: Tensor) -> Tensor:
        """`[B]` -> `[B, 1, 6]` own deviations of heads of that scale: all move alike in these."""
        return self.deviation * torch.exp(log_scale)[:, None, None]

    def base(self, past: Tensor) -> Tensor:
        """`[B, past, 6]` -> `[B, n, 6]`: where the head would go if it only lost speed."""
        speed = (past[:, -1] - past[:, -2])[:, None]
        powers = HEADMOTION.damping ** torch.arange(1, self.config.block + 1, dtype=past.dtype, device=past.device)
        return past[:, -1:] + speed * powers.cumsum(0)[None, :, None]

    def encode(self, block: Tensor, past: Tensor) -> Tensor:
        """`[B, n, 6]` poses and `[B, past, 6]` before them -> `[B, P]` sizes of the shapes that come closest."""
        rest = (block - self.base(past)).flatten(1)
        return rest @ self.shapes.T / self.shapes.square().sum(1).clamp(min=1e-12)

    def decode(self, sizes: Tensor, past: Tensor) -> Tensor:
        """`[B, P]` and `[B, past, 6]` -> `[B, n, 6]` poses in own deviations, inside the limits."""
        free = self.base(past) + (sizes @ self.shapes).view(len(sizes), self.config.block, POSE)
        return HEADMOTION.limit * torch.tanh(free / HEADMOTION.limit)

    def start(self, seed: int | None, log_scale: float | None = None, known: int | None = None) -> "HeadmotionStream":
        """A head that looks as the photo does, about to move.

        Args:
            seed: of the samples and, where `log_scale` is not given, of that, between the quartiles of people; None for
                no sampling at all: the likeliest motion, of a median head.
            log_scale: logarithm of how much it moves over what is typical.
            known: frames of a block, at most all of them, whose sound must have come before it is posed: what follows
                is taken to sound on as they do. None waits for the block and the `after` frames behind it.
        """
        return HeadmotionStream(self, seed, log_scale, known)

    def predict(self, features: FloatArray, seed: int | None = 0, log_scale: float | None = None) -> FloatArray:
        """`[T, 3]` onset, activity and loudness at 25 frames/s -> `[T, 6]` track, the first frame near zero."""
        stream = self.start(seed, log_scale)
        return np.concatenate([stream.push(features), stream.finish()])


def learned_pose(
    network: Headmotion,
    rhythm: Rhythm,
    fps: Fraction,
    seed: int | None,
    amount: float = 1.0,
    style: HeadStyle = HEAD_STYLES["natural"],
) -> HeadPose:
    """Head motion of a photo from speech.

    Args:
        network: trained, on the CPU.
        rhythm: of the speech, T frames at `fps`.
        fps: video frames per second; the network runs at 25.
        seed: of the sample; None takes the likeliest way.
        amount: 0 still, 1 as far as a photo looks natural, half as far as real heads move.
        style: how far and how fast; a tempo of 1.25 shows the network speech that is 1.25 times as long.

    Returns:
        T poses against the photo's, calm in long silence, zero on the first frame.
    """
    count, rate = len(rhythm.onset), HEADMOTION.fps * style.tempo
    if fps == rate:
        track = hanning(network.predict(rhythm.features, seed), JOIN_WIDTH)
    else:
        from scipy.interpolate import CubicSpline  # slow to import, and most videos have 25 frames/s

        length = max(2, ceil(count * rate / fps))
        middle = (np.arange(length) + 0.5) * float(fps / rate) - 0.5  # of the network's frames, in video frames
        features = np.stack([np.interp(middle, np.arange(count), each) for each in rhythm.features.T], 1)
        made = hanning(network.predict(features.astype(np.float32), seed), JOIN_WIDTH)
        track = CubicSpline(middle, made)(np.clip(np.arange(count), middle[0], middle[-1]))
    return shown_pose(PHOTO_SHARE * calm_in_silence(style.scaled(track), rhythm.activity, fps), fps, amount)


class HeadmotionStream:
    """Features as they come -> poses as soon as the network has heard enough; state carried in between.

    Parts of any length give the same poses as the whole, bit for bit.
    """

    def __init__(
        self, network: Headmotion, seed: int | None, log_scale: float | None, known: int | None = None
    ) -> None:
        self._network, self._known = network.eval(), known
        self._rng = None if seed is None else np.random.default_rng([seed, 2])
        low, middle, high = network.log_scale_quartiles.tolist()
        if log_scale is None:
            log_scale = middle if self._rng is None else float(self._rng.uniform(low, high))
        self._log_scale = torch.full((1,), log_scale)
        self._units = network.gain * network.units(self._log_scale)[0]
        self._past = torch.zeros(1, network.config.past, POSE)
        self._state: Tensor | None = None
        self._waiting = np.zeros((network.config.before, HEADMOTION.features), np.float32)
        self._owed = 0  # frames that were heard of and not yet posed

    def push(self, features: FloatArray) -> FloatArray:
        """`[m, 3]` that follow the last ones -> `[k, 6]` poses that follow the last ones."""
        self._waiting = np.concatenate([self._waiting, np.asarray(features, np.float32)])
        self._owed += len(features)
        config = self._network.config
        window = config.before + config.block + config.after
        least = window if self._known is None else config.before + self._known
        made = [np.zeros((0, POSE), np.float32)]
        while len(self._waiting) >= least:
            sound = self._waiting[:least]
            held = np.repeat(sound[-HEADMOTION.held :].mean(0, keepdims=True), window - least, 0)
            made.append(self._next(np.concatenate([sound, held])))
            self._waiting = self._waiting[config.block :]
        poses = np.concatenate(made)
        self._owed -= len(poses)
        return poses

    def finish(self) -> FloatArray:
        """The poses that are left, `[k, 6]`; silence follows the end."""
        config = self._network.config
        owed = self._owed
        return self.push(np.zeros((config.block + config.after, HEADMOTION.features), np.float32))[:owed]

    @torch.no_grad()
    def _next(self, sound: FloatArray) -> FloatArray:
        mixture, self._state = self._network.step(
            torch.from_numpy(sound[None].copy()), self._past, self._log_scale, self._state
        )
        if self._rng is None:
            chosen, noise = int(mixture.logits[0].argmax()), np.zeros(self._network.config.components)
        else:
            chance = functional.softmax(mixture.logits[0].double(), 0).numpy()
            chosen = int(np.searchsorted(chance.cumsum()[:-1], self._rng.random()))
            noise = self._rng.standard_normal(self._network.config.components)
        spread = torch.exp(mixture.log_std[:, chosen]) * torch.from_numpy(noise.astype(np.float32))
        block = self._network.decode(mixture.mean[:, chosen] + spread, self._past)
        self._past = torch.cat([self._past, block], 1)[:, -self._network.config.past :]
        return (block[0] * self._units).numpy()


def build_headmotion(config: Mapping[str, Any]) -> Headmotion:
    """A network with fresh weights from what `config_dict` gives."""
    return Headmotion(HeadmotionConfig(**config))


def config_dict(config: HeadmotionConfig) -> dict[str, Any]:
    """Settings as a checkpoint keeps them."""
    return asdict(config)
