"""Photos -> a person who is ready to be rendered; speech -> a track that drives one; options -> their networks."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from zlib import crc32

import numpy as np

from talkface.audio.rhythm import Rhythm
from talkface.checkpoints.format import SUFFIX, find_weights, load_checkpoint, load_weights
from talkface.checkpoints.load import load_headmotion, must_fit
from talkface.errors import CheckpointError
from talkface.inference.photos import Shots
from talkface.inference.request import AnimateOptions, RenderOptions
from talkface.landmarks.head_style import HEAD_STYLES, back_and_forth, shown_pose
from talkface.landmarks.motion import MOTION, MotionSettings, head_motion, smooth_activity
from talkface.landmarks.retarget import Retargeter
from talkface.models.headmotion import Headmotion, learned_pose
from talkface.renderers.base import DEFAULT_INPAINTER, RENDERER_OF, RENDERERS, Identity, Renderer
from talkface.types import FloatArray, HeadPose

if TYPE_CHECKING:
    from talkface.checkpoints.identity import StoredIdentity

RHYTHM = "rhythm"  # the name of head motion without a network: nods on onsets and a slow drift

NETWORKS = ("renderer", "renderer_model", "set", "detector", "device", "speech_model", "head_model")
"""Options that choose networks; the others say what to do with them."""


@dataclass(frozen=True)
class Track:
    """Motion that drives one video, all frames at once.

    Attributes:
        displacement: `[T, 68, 2]` canonical displacement from the closed mouth, in outer-eye distances.
        rhythm: of the speech, or silence.
        exact: `[T, 68, 2]` pixel landmarks to reproduce as they are, instead of `displacement`.
        head: `[N, 6]` track of another head to follow, see `landmarks.head_track`, instead of the speech's rhythm.
        key: number that follows from what is said, so that people do not all blink at the same times.
    """

    displacement: FloatArray
    rhythm: Rhythm
    exact: FloatArray | None = None
    head: FloatArray | None = None
    key: int = 0

    def __len__(self) -> int:
        return len(self.displacement)


@dataclass(frozen=True)
class Subject:
    """A person who is ready to speak: the renderer's identity and what was found in the photos."""

    identity: Identity
    retargeter: Retargeter
    shots: Shots = field(repr=False)

    @property
    def landmarks(self) -> FloatArray:
        """`[68, 2]` pixel landmarks of the photo that is animated."""
        return self.shots.shots[0].landmarks

    @property
    def key(self) -> int:
        """Number that follows from the photo's pixels."""
        return crc32(np.ascontiguousarray(self.shots.shots[0].image[::4, ::4]).tobytes())


@runtime_checkable
class KnowsIdentities(Protocol):
    """A renderer that takes more from an identity file than its shots."""

    def enroll_stored(self, stored: "StoredIdentity") -> Identity:
        """Prepare the person of a file."""
        ...


def enroll_found(renderer: Renderer, found: Shots) -> Identity:
    """Prepare a person from photos, or from an identity file; a remark says what of the file stays unused."""
    stored = found.stored
    if stored is not None and isinstance(renderer, KnowsIdentities):
        return renderer.enroll_stored(stored)
    if stored is not None and stored.fewshot is not None and stored.fewshot.generator:
        found.notes.append(f"{stored.path} has a generator of its own: --renderer fewshot uses it")
    identity = renderer.enroll(found.shots)
    found.notes.extend(identity.notes)
    return identity


def load_heads(name_or_path: str | Path) -> Headmotion | None:
    """A head-motion network by shipped name or path; None for `rhythm`.

    Raises:
        CheckpointError: no such weights, of another kind, or of another version.
    """
    if str(name_or_path) == RHYTHM:
        return None
    checkpoint = load_weights(name_or_path, "headmotion")
    with must_fit(f"the head-motion network {name_or_path}", checkpoint.config, checkpoint.tensors):
        return load_headmotion(checkpoint)


def spoken_pose(
    network: Headmotion | None,
    rhythm: Rhythm,
    fps: Fraction,
    seed: int,
    amount: float,
    style: str = "natural",
    settings: MotionSettings = MOTION,
) -> HeadPose:
    """Head motion from speech, by a network or by rhythm; zero on the first frame.

    Args:
        network: None for the rhythm.
        rhythm: of T frames.
        fps: frames per second.
        seed: the same gives the same motion.
        amount: 0 still, 1 natural.
        style: one of `HEAD_STYLES`.
        settings: rates and amplitudes of the rhythm's motion.
    """
    chosen = HEAD_STYLES[style]
    if network is not None:
        return learned_pose(network, rhythm, fps, seed, amount, chosen)
    activity = smooth_activity(rhythm.activity, fps)
    rng = np.random.default_rng([seed, 0])
    pose = head_motion(rhythm.onset, activity, fps, rng, amount=amount, tempo=float(chosen.tempo), settings=settings)
    both = chosen.scaled(np.concatenate([pose.rotation, pose.translation], 1)).astype(np.float32)
    return HeadPose(both[:, :3], both[:, 3:])


def followed_pose(track: FloatArray, num_frames: int, fps: Fraction, amount: float) -> HeadPose:
    """Head motion that follows `[N, 6]` of another: back and forth where that is shorter, eased in from rest."""
    return shown_pose(back_and_forth(track, num_frames), fps, amount)


def network_names(options: AnimateOptions) -> tuple[str, ...]:
    """Names or paths of the networks that an animator of these options has."""
    heads = () if options.head_model == RHYTHM else (options.head_model,)
    return (options.speech_model, *heads, *renderer_network(options))


def renderer_network(options: RenderOptions) -> tuple[str, ...]:
    """Name or path of the renderer's network; none for `warp`, or where a person's file holds it."""
    if options.renderer == "warp":
        return ()
    named = options.renderer_model or {"hybrid": DEFAULT_INPAINTER}.get(options.renderer)
    return () if named is None else (named,)


def find_networks(name: str | Path) -> dict[str, str]:
    """Options that name the networks of a renderer family, of a file, or of a folder.

    Raises:
        CheckpointError: no such weights, or a folder without a renderer's.
    """
    if str(name) in RENDERERS:
        return {"renderer": str(name)}
    path = Path(name)
    if not path.is_dir():
        kind = load_checkpoint(find_weights(name)).kind
        if kind not in RENDERER_OF:
            raise CheckpointError(
                f"{name} holds a network of kind {kind}, expected a renderer's: {', '.join(RENDERER_OF)}"
            )
        return {"renderer": RENDERER_OF[kind], "renderer_model": str(name)}
    found: dict[str, str] = {}
    for file in sorted(path.glob(f"*{SUFFIX}")):
        kind = load_checkpoint(file).kind
        if kind in RENDERER_OF:
            found |= {"renderer": RENDERER_OF[kind], "renderer_model": str(file)}
        elif kind in ("audio2landmark", "headmotion"):
            found["speech_model" if kind == "audio2landmark" else "head_model"] = str(file)
    if "renderer" not in found:
        raise CheckpointError(f"no renderer's network in {path}: expected a {SUFFIX} file of {', '.join(RENDERER_OF)}")
    return found
