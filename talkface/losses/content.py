"""Features or pixels of a generated and of a real picture -> how far they are from each other."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def feature_l1(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean absolute difference (FSTH's L_CNT for one network, section 3.2)."""
    terms = [F.l1_loss(a.float(), b.float()) for a, b in zip(fake, real, strict=True)]
    return sum(terms[1:], terms[0])
