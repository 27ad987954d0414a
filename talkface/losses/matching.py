"""Embedding of the shots and the discriminator's embedding of the video -> how far they are from each other."""

from torch import Tensor


def embedding_match(identity_embedding: Tensor, video_embedding: Tensor) -> Tensor:
    """L1 that moves the embedder only (FSTH's L_MCH, section 3.2).

    W is taken as it is: with a gradient on both sides the cheapest match is both at 0, and W learns from the
    discriminator's loss alone.

    Args:
        identity_embedding: `[B, D]`, FSTH's mean embedding of the shots; or `[B, K, D]`, every shot's own.
        video_embedding: `[B, D]`, W_i of each video.
    """
    rows = video_embedding.detach()
    return (identity_embedding - (rows[:, None] if identity_embedding.ndim > rows.ndim else rows)).abs().mean()
