"""Identity + pixel landmarks -> frames whose mouth the `hybrid` network paints over the warp."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.errors import CheckpointError
from talkface.inference.canvas import Canvas, smooth_step
from talkface.inference.renderers import BATCH, Identity, Rendered
from talkface.landmarks.align import transform
from talkface.landmarks.deform import Deformation
from talkface.landmarks.frames import mouth_frame
from talkface.landmarks.layout import MOUTH, mouth_opening
from talkface.landmarks.rasterize import mouth_sketch
from talkface.models.hybrid import Enrolled, Hybrid, HybridConfig, Painted, border_window
from talkface.types import FloatArray, Shot
from talkface.video.paste import Patch, paste_patch

SHOTS_USED = 3  # of the photos given: each one costs a warp and a pass of the encoder per frame
LIPS_STILL = (0.005, 0.03)  # largest motion of a lip point, outer-eye distances, without and with full paint
LIPS_SHUT = (0.01, 0.035)  # opening below which there is nothing to paint, and from which there is
OWN_TEETH = 0.85  # share of the paint that a photo's own teeth make superfluous


class HybridRenderer:
    """The warp, with the mouth painted over it by the `hybrid` network where the mask says so."""

    name = "hybrid"

    def __init__(self, network: Hybrid, device: torch.device) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        if device.type == "cpu":
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.bf16 = device.type == "cuda" or (device.type == "cpu" and _cpu_has_bf16())

    def enroll(self, shots: Sequence[Shot]) -> Identity:
        canvases = tuple(Canvas(shot) for shot in spread_shots(shots))
        size, scale = self.network.config.patch, self.network.config.scale
        reference = canvases[0].own_patch(size, scale)
        own = []
        for canvas in canvases:
            patch = canvas.own_patch(size, scale) if canvas is canvases[0] else canvas.recolour(reference, size, scale)
            frame = mouth_frame(canvas.landmarks, size, scale)
            own.append(np.concatenate([patch, mouth_sketch(canvas.landmarks, frame, size)], 2))
        with torch.no_grad():
            enrolled = self.network.enroll(self._to_tensor(np.stack(own)))
        return Identity(canvases, enrolled)

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        assert identity.enrolled is not None, "this identity was enrolled by another renderer"
        for start in range(0, len(landmarks), BATCH):
            yield from self._render_batch(identity, identity.enrolled, landmarks[start : start + BATCH])

    def _render_batch(self, identity: Identity, enrolled: Enrolled, landmarks: FloatArray) -> Iterator[Rendered]:
        size, scale = self.network.config.patch, self.network.config.scale
        canvas = identity.canvases[0]
        deformations = [canvas.deform(target) for target in landmarks]
        warped, sketches, frames = [], [], []
        for target, deformation in zip(landmarks, deformations, strict=True):
            local = canvas.to_work(target)
            frames.append(mouth_frame(local, size, scale))
            sketches.append(mouth_sketch(local, frames[-1], size))
            patches = [canvas.warp_patch(deformation, frames[-1], size)]
            for other in identity.canvases[1:]:
                patches.append(other.warp_patch(other.deform(local, local=True), frames[-1], size))
            warped.append(np.stack(patches))
        changes, masks = self._paint(enrolled, np.stack(warped), np.stack(sketches))
        need = np.array(
            [paint_share(canvas, each, target) for each, target in zip(deformations, landmarks, strict=True)]
        )
        changes *= need[:, None, None, None].astype(np.float32)
        if canvas.grey:
            changes = np.repeat(changes.mean(-1, keepdims=True), 3, -1)
        masks *= need[:, None, None].astype(np.float32)
        for index, (target, deformation) in enumerate(zip(landmarks, deformations, strict=True)):
            frame = canvas.warp(deformation)
            inner = cv2.dilate(sketches[index][..., 0], np.ones((5, 5), np.uint8)).astype(np.float32) / 255
            replaced = masks[index] * cv2.GaussianBlur(inner, (0, 0), 1.5)
            to_patch = canvas.patch_from_photo(frames[index])
            paste_patch(frame, Patch(changes[index], warped[index][0], replaced), to_patch)
            yield Rendered(frame, target, masks[index], to_patch)

    @torch.no_grad()
    def _paint(self, enrolled: Enrolled, warped: np.ndarray, sketches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What `_to_arrays` returns, of `[T, K, S, S, 3]` warps and `[T, S, S, 3]` sketches."""
        with _one_thread(self.device):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                painted = self.network.paint_frames(enrolled, self._to_tensor(warped), self._to_tensor(sketches))
            return _to_arrays(painted, warped)

    def _to_tensor(self, images: np.ndarray) -> Tensor:
        """`[..., H, W, C]` uint8 -> `[..., C, H, W]` in [-1, 1] on the device."""
        tensor = torch.from_numpy(images).to(self.device).float().movedim(-1, -3)
        return tensor / 127.5 - 1


def build_hybrid(checkpoint: Checkpoint) -> Hybrid:
    """Network of a checkpoint, in single precision.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    try:
        settings = {**checkpoint.config, "channels": tuple(checkpoint.config["channels"])}
        network = Hybrid(HybridConfig(**settings))
        network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    except (TypeError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"these hybrid weights do not fit this version ({reason}): train or fetch new ones"
        ) from error
    return network


def spread_shots(shots: Sequence[Shot]) -> list[Shot]:
    """The canvas, and of the others those whose mouths differ most from each other: `SHOTS_USED` at most."""
    chosen = [0]
    openings = [float(mouth_opening(shot.landmarks)) for shot in shots]
    while len(chosen) < min(SHOTS_USED, len(shots)):
        rest = [i for i in range(len(shots)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(abs(openings[i] - openings[j]) for j in chosen)))
    return [shots[i] for i in chosen]


def paint_share(canvas: Canvas, deformation: Deformation, target: FloatArray) -> float:
    """How far the network's paint is wanted, 0 to 1.

    Nowhere while the lips are as in the photo or shut in both, and little where the photo shows teeth and the mouth
    opens no wider: those teeth are the person's own.
    """
    wanted = canvas.to_work(target)
    still = transform(deformation.to_photo, wanted[MOUTH])
    moved = float(np.linalg.norm(still - canvas.landmarks[MOUTH], axis=1).max()) / deformation.unit
    shown, opened = float(mouth_opening(canvas.landmarks)), float(mouth_opening(wanted))
    teeth = (
        smooth_step(shown, 0.05, 0.1) * smooth_step(opened, 0.02, 0.05) * (1 - smooth_step(opened - shown, 0.0, 0.08))
    )
    return smooth_step(moved, *LIPS_STILL) * smooth_step(max(shown, opened), *LIPS_SHUT) * (1 - OWN_TEETH * teeth)


def _to_arrays(painted: Painted, warped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[T, S, S, 3]` change over the canvas' warp in grey levels, and `[T, S, S]` how much of it is painted or lent."""
    window = border_window(painted.mask.shape[-1], painted.mask)
    kept = painted.attention[:, :1] * (1 - painted.mask)
    mask = ((1 - kept) * window)[:, 0].float().cpu().numpy()
    image = ((painted.image.float() + 1) * 127.5).movedim(1, -1).cpu().numpy()
    change = image - warped[:, 0]
    if painted.attention.shape[1] > 1:  # a lent patch has no border of its own
        change = change * window[0, 0, :, :, None].cpu().numpy()
    return np.ascontiguousarray(change, np.float32), np.ascontiguousarray(mask, np.float32)


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU the patches are too small to share out: threads would wait for each other, and for the encoder."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, about twice as fast here as float32."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())
