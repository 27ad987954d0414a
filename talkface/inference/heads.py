"""Rhythm of speech, or another head's track -> head pose of a photo that speaks."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from talkface.audio.rhythm import Rhythm
from talkface.checkpoints.format import load_weights
from talkface.checkpoints.load import load_headmotion, must_fit
from talkface.landmarks.head_style import HEAD_STYLES, back_and_forth, shown_pose
from talkface.landmarks.motion import head_motion, smooth_activity
from talkface.models.headmotion import Headmotion, learned_pose
from talkface.types import FloatArray, HeadPose

RHYTHM = "rhythm"  # the name of head motion without a network: nods on onsets and a slow drift


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
    network: Headmotion | None, rhythm: Rhythm, fps: Fraction, seed: int, amount: float, style: str = "natural"
) -> HeadPose:
    """How a head moves with speech, by a network or by rhythm; zero on the first frame.

    Args:
        network: None for the rhythm.
        rhythm: of T frames.
        fps: frames per second.
        seed: the same gives the same motion.
        amount: 0 still, 1 natural.
        style: one of `HEAD_STYLES`.
    """
    chosen = HEAD_STYLES[style]
    if network is not None:
        return learned_pose(network, rhythm, fps, seed, amount, chosen)
    activity = smooth_activity(rhythm.activity, fps)
    rng = np.random.default_rng([seed, 0])
    pose = head_motion(rhythm.onset, activity, fps, rng, amount=amount, tempo=float(chosen.tempo))
    both = chosen.scaled(np.concatenate([pose.rotation, pose.translation], 1)).astype(np.float32)
    return HeadPose(both[:, :3], both[:, 3:])


def followed_pose(track: FloatArray, num_frames: int, fps: Fraction, amount: float) -> HeadPose:
    """How a head moves that follows `[N, 6]` of another: back and forth where that is shorter, eased in from rest."""
    return shown_pose(back_and_forth(track, num_frames), fps, amount)
