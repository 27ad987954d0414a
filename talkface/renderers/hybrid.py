"""Identity + pixel landmarks -> frames whose mouth the `hybrid` network generates over the warp."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from talkface.checkpoints.format import Checkpoint
from talkface.checkpoints.load import must_fit
from talkface.errors import ConfigError
from talkface.geometry.affine import rotation_vectors
from talkface.geometry.resample import Patch, paste_patch
from talkface.landmarks.deform import Deformation
from talkface.landmarks.layout import mouth_opening
from talkface.landmarks.patches import patch_frame, patch_sketch
from talkface.landmarks.pose import head_rotation, reference_frames
from talkface.media.colour import to_levels, to_signed
from talkface.models.hybrid import Hybrid, PatchOutput, Previous, border_window
from talkface.models.hybrid_config import HybridConfig, current_settings
from talkface.renderers.base import BATCH, Identity, Rendered, Tuning, multiplies_bf16, one_thread
from talkface.renderers.canvas import Canvas, generated_share
from talkface.types import FloatArray, Image, Shot

if TYPE_CHECKING:
    from talkface.landmarks.mesh import FaceMesh
    from talkface.renderers.animation import Animation


@dataclass(frozen=True)
class HybridIdentity(Identity):
    """A person ready for the hybrid renderer.

    Attributes:
        poses: `[K, 3]` rotation vectors of the heads in all canvases.
        mesh: light 3-D face of the first canvas; None where the network takes none.
        animation: the user's own pictures of it, instead of drawing it.
    """

    poses: FloatArray | None = field(default=None, repr=False)
    mesh: "FaceMesh | None" = field(default=None, repr=False)
    animation: "Animation | None" = field(default=None, repr=False)

    @property
    def takes_animation(self) -> bool:
        return self.mesh is not None


@dataclass(frozen=True)
class Views:
    """Inputs of the network for T frames, uint8, and the placement of its output.

    Attributes:
        warped: `[T, K, S, S, 3]`.
        sketches: `[T, S, S, 3]`.
        ani: `[T, S, S, 4]` drawn 3-D face; no channels where the network takes none.
        chosen: `[T, K]` which of the canvases the warps are of.
        frames: T maps `[2, 3]` from the first canvas' working copy to the patch.
        deformations: T of the first canvas.
    """

    warped: Image
    sketches: Image
    ani: Image
    chosen: npt.NDArray[np.intp]
    frames: list[FloatArray]
    deformations: list[Deformation]


class HybridRenderer:
    """The warp, with the mouth (or face) generated over it by the `hybrid` network where the mask says so."""

    name = "hybrid"
    tuning = Tuning()

    def __init__(self, network: Hybrid, device: torch.device, ref_ids: Sequence[int] = ()) -> None:
        """Take a network.

        Args:
            network: trained.
            device: where it runs.
            ref_ids: which of the photos given lend their faces to the first one, counted from 0, instead of those that
                `model.pick` would choose.
        """
        self.network = network.to(device).eval().requires_grad_(False)
        if device.type == "cpu":
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.ref_ids = device, tuple(ref_ids)
        self.bf16 = multiplies_bf16(device)

    def enroll(self, shots: Sequence[Shot]) -> HybridIdentity:
        """Prepare a person; the first shot is the picture that will move.

        Raises:
            ConfigError: `ref_ids` names a photo that was not given.
        """
        config = self.network.config
        settings = self.tuning.canvas  # the working copy has its full size from a patch of 80 pixels a unit on
        share = min(1.0, config.patch / config.scale / 80)
        settings = replace(settings, work_unit=share * settings.work_unit)
        canvases = tuple(Canvas(shot, settings) for shot in self._choose(shots))
        reference = canvases[0].own_patch(self._frame(canvases[0].landmarks), config.patch)
        own = []
        for canvas in canvases:
            frame = self._frame(canvas.landmarks)
            patch = reference if canvas is canvases[0] else canvas.recolour(reference, frame, config.patch)
            own.append(np.concatenate([patch, self._sketch(canvas.landmarks, frame)], 2))
        with torch.no_grad():
            enrolled = self.network.enroll(self._to_tensor(np.stack(own)))
        mesh = None
        if config.drawn_face:
            from talkface.landmarks.mesh import FaceMesh

            mesh = FaceMesh(canvases[0].landmarks)
        return HybridIdentity(canvases, enrolled, poses=head_turns(canvases), mesh=mesh)

    def render(self, identity: Identity, landmarks: FloatArray) -> Iterator[Rendered]:
        """Frames; a network that sees the frame before goes on where a streaming identity's last block ended."""
        assert isinstance(identity, HybridIdentity), "this identity was enrolled by another renderer"
        carried = {} if identity.carried is None else identity.carried
        count = 1 if self.network.config.previous_frame else BATCH
        for start in range(0, len(landmarks), count):
            yield from self._render_batch(identity, landmarks[start : start + count], carried)

    def _render_batch(
        self, identity: HybridIdentity, landmarks: FloatArray, carried: dict[str, Any]
    ) -> Iterator[Rendered]:
        canvas = identity.canvases[0]
        views = self._look(identity, landmarks)
        changes, masks = self._generate(identity, views, carried)
        need = self._shares(canvas, views.deformations, landmarks)
        changes *= need[:, None, None, None]
        if canvas.tones is not None:
            changes = np.repeat(changes.mean(-1, keepdims=True), 3, -1)
        masks *= need[:, None, None]
        for index, (target, deformation) in enumerate(zip(landmarks, views.deformations, strict=True)):
            frame = canvas.warp(deformation)
            inner = cv2.dilate(views.sketches[index][..., 0], np.ones((5, 5), np.uint8)).astype(np.float32) / 255
            replaced = masks[index] * cv2.GaussianBlur(inner, (0, 0), 1.5)
            to_patch = canvas.patch_from_photo(views.frames[index])
            paste_patch(frame, Patch(changes[index], views.warped[index][0], replaced), to_patch)
            yield Rendered(frame, target, masks[index], to_patch)

    def _look(self, identity: HybridIdentity, landmarks: FloatArray) -> Views:
        """Warps, sketches and the 3-D face of every frame."""
        size, mesh = self.network.config.patch, identity.mesh
        canvas = identity.canvases[0]
        deformations = [canvas.deform(target) for target in landmarks]
        locals_ = [canvas.to_work(target) for target in landmarks]
        frames = [self._frame(local) for local in locals_]
        chosen = self._nearest(identity, locals_)
        warped = []
        for local, deformation, frame, indices in zip(locals_, deformations, frames, chosen, strict=True):
            patches = [canvas.warp_patch(deformation, frame, (size, size))]
            for other in (identity.canvases[index] for index in indices[1:]):
                patches.append(other.warp_patch(other.deform(local, local=True), frame, (size, size)))
            warped.append(np.stack(patches))
        ani = np.zeros((len(frames), size, size, 0), np.uint8)
        if mesh is not None:
            drawn = [self._face(identity, mesh, *pair) for pair in zip(locals_, frames, strict=True)]
            ani = np.stack(drawn)
        sketches = [self._sketch(local, frame) for local, frame in zip(locals_, frames, strict=True)]
        return Views(np.stack(warped), np.stack(sketches), ani, chosen, frames, deformations)

    def _face(self, identity: HybridIdentity, mesh: "FaceMesh", target: FloatArray, to_patch: FloatArray) -> Image:
        """The 3-D face in the pose of `target`: the user's own pictures of it, or drawn now."""
        size, photo = self.network.config.patch, identity.canvases[0].work
        if identity.animation is not None:
            return identity.animation.next_patch(target, to_patch, size)
        from talkface.geometry.draw_mesh import draw_mesh

        return draw_mesh(photo, mesh.places, mesh.toward(target), mesh.triangles, to_patch, size)

    @torch.no_grad()
    def _generate(
        self, identity: HybridIdentity, views: Views, carried: dict[str, Any]
    ) -> tuple[FloatArray, FloatArray]:
        """Return as `_to_arrays`; `carried` goes in with the frame before and comes out with the last."""
        assert identity.enrolled is not None
        every = views.chosen.shape[1] == len(identity.canvases)
        sketch, ani = self._to_tensor(views.sketches), None
        if identity.mesh is not None:
            drawn = torch.from_numpy(views.ani).to(self.device).float().movedim(-1, -3)
            ani = torch.cat([to_signed(drawn[:, :3]), drawn[:, 3:] / 255], 1)
        with one_thread(self.device):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                generated = self.network.generate_frames(
                    identity.enrolled,
                    self._to_tensor(views.warped),
                    sketch,
                    chosen=None if every else torch.from_numpy(views.chosen).to(self.device),
                    ani=ani,
                    previous=carried.get("previous"),
                )
            if self.network.config.previous_frame:
                carried["previous"] = Previous(generated.image.float(), sketch)
            return _to_arrays(generated, views.warped, self.network.config)

    def _choose(self, shots: Sequence[Shot]) -> list[Shot]:
        """The shots to enrol, the first one first."""
        config = self.network.config
        if self.ref_ids:
            if not all(0 <= index < len(shots) for index in self.ref_ids):
                wanted, last = ", ".join(map(str, self.ref_ids)), len(shots) - 1
                raise ConfigError(f"reference photos {wanted} asked for, but those given are 0 to {last}")
            return [shots[0], *(shots[index] for index in self.ref_ids if index != 0)][: config.max_shots]
        return list(shots) if config.pick == "nearest" else spread_shots(shots, config.max_shots)

    def _nearest(self, identity: HybridIdentity, targets: Sequence[FloatArray]) -> npt.NDArray[np.intp]:
        """`[T, K]` canvases of every frame: the first, and of more than fit those whose heads are turned most alike."""
        assert identity.poses is not None
        count, most = len(identity.canvases), self.network.config.max_shots
        if count <= most:
            return np.tile(np.arange(count), (len(targets), 1))
        turns = _turns(np.stack(targets))
        near = [reference_frames(identity.poses[1:], turn, most - 1) for turn in turns]
        return np.stack([np.concatenate([[0], 1 + np.sort(each)]) for each in near]).astype(np.intp)

    def _shares(self, canvas: Canvas, deformations: Sequence[Deformation], landmarks: FloatArray) -> FloatArray:
        """`[T]` how much of the generated picture is wanted; a whole face always."""
        if self.network.config.region == "face":
            return np.ones(len(landmarks), np.float32)
        pairs = zip(deformations, landmarks, strict=True)
        return np.array([generated_share(canvas, each, target) for each, target in pairs], np.float32)

    def _frame(self, landmarks: FloatArray) -> FloatArray:
        config = self.network.config
        return patch_frame(config.region, landmarks, config.patch, config.scale)

    def _sketch(self, landmarks: FloatArray, frame: FloatArray) -> Image:
        return patch_sketch(self.network.config.region, landmarks, frame, self.network.config.patch)

    def _to_tensor(self, images: np.ndarray) -> Tensor:
        """`[..., H, W, C]` uint8 -> `[..., C, H, W]` in [-1, 1] on the device."""
        return to_signed(torch.from_numpy(images).to(self.device).float().movedim(-1, -3))


def build_hybrid(checkpoint: Checkpoint) -> Hybrid:
    """Network of a checkpoint, in single precision.

    Raises:
        CheckpointError: settings or weights that do not fit this version's network.
    """
    with must_fit("this hybrid network", checkpoint.config, checkpoint.tensors):
        settings = {**current_settings(checkpoint.config), "channels": tuple(checkpoint.config["channels"])}
        network = Hybrid(HybridConfig(**settings))
        network.load_state_dict({name: tensor.float() for name, tensor in checkpoint.tensors.items()})
    return network


def spread_shots(shots: Sequence[Shot], most: int) -> list[Shot]:
    """The canvas, and of the others those whose mouths differ most from each other: `most` at most."""
    chosen = [0]
    openings = [float(mouth_opening(shot.landmarks)) for shot in shots]
    while len(chosen) < min(most, len(shots)):
        rest = [i for i in range(len(shots)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(abs(openings[i] - openings[j]) for j in chosen)))
    return [shots[i] for i in chosen]


def head_turns(canvases: Sequence[Canvas]) -> FloatArray:
    """`[K, 3]` rotation vectors of the heads in the photos."""
    return _turns(np.stack([canvas.landmarks for canvas in canvases]))


def _turns(points: FloatArray) -> FloatArray:
    return rotation_vectors(head_rotation(points))


def _to_arrays(generated: PatchOutput, warped: np.ndarray, config: HybridConfig) -> tuple[FloatArray, FloatArray]:
    """`[T, S, S, 3]` change over the canvas' warp in grey levels, and its share `[T, S, S]`, generated or lent."""
    window = border_window(generated.mask.shape[-1], generated.mask)
    elsewhere = config.unwarped or config.learned_flow != "none"  # the network's references are not the canvas' warp
    kept = generated.attention[:, :1] * (1 - generated.mask) * (0.0 if elsewhere else 1.0)
    mask = ((1 - kept) * window)[:, 0].float().cpu().numpy()
    image = to_levels(generated.image.float()).movedim(1, -1).cpu().numpy()
    change = image - warped[:, 0]
    if generated.attention.shape[1] > 1 or elsewhere:  # a lent patch has no border of its own
        change = change * window[0, 0, :, :, None].cpu().numpy()
    return np.ascontiguousarray(change, np.float32), np.ascontiguousarray(mask, np.float32)
