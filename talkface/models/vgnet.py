"""Photo + landmarks over time -> frames: attention, colour, and their blend with the photo (ATVGnet's VG-net)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from talkface.errors import ConfigError
from talkface.landmarks.layout import NUM_LANDMARKS
from talkface.models.conv_gru import ConvGru
from talkface.models.steps import each_frame

SHAPES = {"mean_image": (NUM_LANDMARKS, 2), "mean_norm": (NUM_LANDMARKS, 2), "directions": (100, 2 * NUM_LANDMARKS)}
"""Arrays of ATVGnet's normalisation, `basics/mean_shape_img.npy`, `mean_shape_norm.npy` and `S.npy`."""


@dataclass(frozen=True)
class VgnetSizes:
    """Sizes of VG-net."""

    group: int = 8  # channels that share a mean and a deviation
    halvings: int = 4  # of the photo, down to where the memory is


VGNET_SIZES = VgnetSizes()


@dataclass(frozen=True)
class VgnetConfig:
    """Generator and discriminator; travels in the checkpoint. The defaults are the published layout.

    Attributes:
        size: side of the picture in pixels, a multiple of 16.
        reach: side of the picture over that of ATVGnet's 128 x 128 crop, which cuts most chins off; 1.35 has them.
        width: channels of the first layer; 8 times as many at the memory.
        blocks: residual blocks.
        planes: of the landmarks' code, a map of size / 16 squared each.
        norm: `batch`, or `group` for small batches and short runs, see `VgNet`.
        dropout: share of a residual block's channels that are dropped in training.
        norm_bias: convolutions before a normalisation have a bias, which that takes out again; the published have none.
        norm_per_step: in training a batch is normalised frame number by frame number, as by the published code, which
            works on one after the other; instead of all frames of all sequences at once.
        memory_reset: every frame starts from an empty memory, see `VgNet`.
        discriminator_running: the discriminator averages the statistics of its batches and uses them in evaluation, as
            published.
        frame_landmarks: the discriminator reads landmarks from single frames, too, see `RegressionDiscriminator`.
        landmarks: `displacement` from the mean face | `atvgnet`, the published normalisation, whose arrays are weights.
    """

    size: int = 128
    reach: float = 1.0
    width: int = 64
    blocks: int = 9
    planes: int = 1
    norm: str = "batch"
    dropout: float = 0.5
    norm_bias: bool = True
    norm_per_step: bool = False
    memory_reset: bool = False
    discriminator_running: bool = False
    frame_landmarks: bool = True
    landmarks: str = "displacement"

    def __post_init__(self) -> None:
        norms = ("batch", "group")
        if self.norm not in norms:
            raise ConfigError(f"invalid model.norm {self.norm!r}: expected one of {', '.join(norms)}")
        landmarks = ("displacement", "atvgnet")
        if self.landmarks not in landmarks:
            raise ConfigError(f"invalid model.landmarks {self.landmarks!r}: expected one of {', '.join(landmarks)}")
        if self.size < 2 << VGNET_SIZES.halvings or self.size % (1 << VGNET_SIZES.halvings):
            raise ConfigError(f"invalid model.size {self.size}: expected a multiple of 16, and 32 or more")
        if self.width < 4 or self.width % 2:
            raise ConfigError(f"invalid model.width {self.width}: expected an even number, 4 or more")
        if self.blocks < 0 or self.planes < 1 or not 0 <= self.dropout < 1 or not 0.5 <= self.reach <= 3:
            raise ConfigError(
                "model.blocks must be 0 or more, model.planes 1 or more, model.dropout 0 to 1, model.reach 0.5 to 3"
            )

    @property
    def code(self) -> int:
        """Side of the maps at the memory."""
        return self.size >> VGNET_SIZES.halvings


@dataclass(frozen=True)
class VgPerson:
    """Features computed once per photo.

    Attributes:
        photo: `[B, 3, S, S]` in [-1, 1].
        skip: `[B, 2 w, S / 4, S / 4]` shallow features of the photo.
        deep: `[B, 8 w, S / 16, S / 16]` deep ones.
        landmarks: `[B, 4 w, S / 16, S / 16]` code of the photo's landmarks, and
        posture: `[B, 8 w, S / 16, S / 16]` what is made of it.
    """

    photo: Tensor
    skip: Tensor
    deep: Tensor
    landmarks: Tensor
    posture: Tensor


@dataclass(frozen=True)
class VgFrames:
    """Output of the network.

    Attributes:
        image: `[B, T, 3, S, S]` in [-1, 1], attention * colour + (1 - attention) * photo.
        colour: `[B, T, 3, S, S]` in [-1, 1], ATVGnet's motion map.
        attention: `[B, T, 1, S, S]` in [0, 1], where the colour replaces the photo.
        landmark_attention: `[B, T, 1, S / 4, S / 4]` in [0, 1], where the memory replaces the photo's features.
    """

    image: Tensor
    colour: Tensor
    attention: Tensor
    landmark_attention: Tensor


class VgNet(nn.Module):
    """Chen et al. 2019, section 3.3: who it is comes from a photo, what the face does from landmarks.

    The published network normalises every layer over the batch. Normalised over a picture instead, a layer next to the
    photo or next to the colours forgets how bright the photo is; so with `norm: group` those layers have none.

    The paper's memory runs over time, and so it does here. The published code's does not: its recurrent layer takes the
    first axis for time and is given the batch there, so that it runs from one sequence to the next, and at a batch of
    one every frame starts from an empty memory. Weights trained so want `memory_reset`.
    """

    def __init__(self, config: VgnetConfig) -> None:
        super().__init__()
        self.config = config
        width, bias = config.width, config.norm_bias
        normed = norm_maker(config.norm)
        beside: Callable[[int], nn.Module] = normed if config.norm == "batch" else lambda _: nn.Identity()
        self.skip = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_convolution(3, width, beside, kernel=7, padding=0, bias=bias),
            *_convolution(width, width, beside, stride=2, bias=bias),
            *_convolution(width, 2 * width, beside, stride=2, bias=bias),
        )
        self.deep = nn.Sequential(
            *_convolution(2 * width, 4 * width, normed, stride=2, bias=bias),
            *_convolution(4 * width, 8 * width, normed, stride=2, bias=bias),
        )
        self.landmark_code = nn.Sequential(
            nn.Flatten(), nn.Linear(2 * NUM_LANDMARKS, config.planes * config.code**2), nn.ReLU()
        )
        self.landmark_map = nn.Sequential(*_convolution(config.planes, 4 * width, normed, bias=bias))
        self.posture = nn.Sequential(*_convolution(4 * width, 8 * width, normed, bias=bias))
        self.landmark_attention = nn.Sequential(
            *_doubling(8 * width, 4 * width, normed),
            *_doubling(4 * width, 2 * width, normed),
            nn.Conv2d(2 * width, 1, 3, padding=1),
            nn.Sigmoid(),
        )
        self.joined = nn.Sequential(*_convolution(16 * width, 2 * width, normed, bias=bias))
        self.memory = ConvGru(2 * width, 8 * width, dilation=2)
        self.generator = nn.Sequential(
            *(VgBlock(8 * width, normed, config.dropout, bias) for _ in range(config.blocks)),
            *_doubling(8 * width, 4 * width, normed, bias),
            *_doubling(4 * width, 2 * width, normed, bias),
        )
        self.base = nn.Sequential(
            *_doubling(2 * width, width, beside, bias), *_doubling(width, width // 2, beside, bias)
        )
        self.heads = nn.Conv2d(width // 2, 4, 7, padding=3)  # colour and attention, which read the same features
        if config.landmarks == "atvgnet":
            for name, shape in SHAPES.items():
                self.register_buffer(name, torch.zeros(shape))

    def enroll(self, photo: Tensor, landmarks: Tensor) -> VgPerson:
        """Look at the photo.

        Args:
            photo: `[B, 3, S, S]` in [-1, 1].
            landmarks: `[B, 68, 2]` of the photo, as `data.interop.aligned.displacement` gives them.
        """
        skip = self.skip(photo)
        code: Tensor = self.landmark_map(self._landmark_code(landmarks))
        return VgPerson(photo, skip, self.deep(skip), code, self.posture(code))

    def generate(self, person: VgPerson, landmarks: Tensor, memory: Tensor | None = None) -> tuple[VgFrames, Tensor]:
        """Generate frames in order.

        Args:
            person: of `enroll`.
            landmarks: `[B, T, 68, 2]`, as the photo's.
            memory: what the last call for this video returned; None for its first frame.

        Returns:
            The frames, and the memory after the last one.
        """
        batch, frames = landmarks.shape[:2]

        def run(part: nn.Module, x: Tensor) -> Tensor:
            return each_frame(part, x, frames, self.config.norm_per_step)

        code = run(self.landmark_map, self._landmark_code(landmarks.flatten(0, 1)))
        where = run(self.landmark_attention, torch.cat([code, _each(person.landmarks, frames)], 1))
        moved = run(self.posture, code) - _each(person.posture, frames)
        joined = run(self.joined, torch.cat([_each(person.deep, frames), moved], 1))
        if self.config.memory_reset:
            states, kept = self.memory(joined[:, None])  # every frame a sequence of its own
            states = states.unflatten(0, (batch, frames)).squeeze(2)
        else:
            states, kept = self.memory(joined.unflatten(0, (batch, frames)), memory)
        skip = _each(person.skip, frames)
        generated = run(self.generator, states.flatten(0, 1))
        heads = self.heads(run(self.base, skip + where * (generated - skip)))
        colour, attention = torch.tanh(heads[:, :3]), torch.sigmoid(heads[:, 3:])
        photo = _each(person.photo, frames)
        image = photo + attention * (colour - photo)
        maps = (image, colour, attention, where)
        return VgFrames(*(part.unflatten(0, (batch, frames)) for part in maps)), kept

    def forward(self, photo: Tensor, photo_landmarks: Tensor, landmarks: Tensor) -> VgFrames:
        """Frames of one sequence from its start; shapes as in `enroll` and `generate`."""
        return self.generate(self.enroll(photo, photo_landmarks), landmarks)[0]

    def _landmark_code(self, landmarks: Tensor) -> Tensor:
        """`[N, 68, 2]` -> `[N, planes, S / 16, S / 16]`."""
        code: Tensor = self.landmark_code(landmarks)
        return code.unflatten(1, (self.config.planes, self.config.code, self.config.code))


class VgBlock(nn.Module):
    """Two normalised convolutions around a skip, the published one's dropout between them."""

    def __init__(self, channels: int, normed: Callable[[int], nn.Module], dropout: float, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, channels, normed, bias=bias),
            nn.Dropout(dropout),
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            normed(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> `[B, C, H, W]`."""
        return x + self.layers(x)


def norm_maker(norm: str, running: bool = True) -> Callable[[int], nn.Module]:
    """Layer that normalises so many channels.

    Args:
        norm: one of `NORMS`.
        running: whether a batch's statistics are averaged, to be used when training is over.
    """
    if norm == "batch":
        return lambda channels: nn.BatchNorm2d(channels, track_running_stats=running)
    return lambda channels: nn.GroupNorm(
        channels // VGNET_SIZES.group if channels % VGNET_SIZES.group == 0 else 1, channels
    )


def _convolution(
    inputs: int,
    outputs: int,
    normed: Callable[[int], nn.Module],
    *,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    bias: bool = True,
) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias), normed(outputs), nn.ReLU()]


def _doubling(inputs: int, outputs: int, normed: Callable[[int], nn.Module], bias: bool = True) -> list[nn.Module]:
    """Transposed convolution to twice the side."""
    return [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1, bias=bias), normed(outputs), nn.ReLU()]


def _each(features: Tensor, frames: int) -> Tensor:
    """`[B, ...]` -> `[B T, ...]`, the same for each frame."""
    return features.unsqueeze(1).expand(-1, frames, *features.shape[1:]).flatten(0, 1)
