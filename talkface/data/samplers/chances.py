"""Probabilities -> draws, as `rng.choice` draws, at a cost that does not grow with their number."""

import numpy as np

from talkface.types import FloatArray


class Chances:
    """Draws places by their probability; `Generator.choice` sums half a million probabilities for every draw.

    The same generator gives the same places as `rng.choice(len(chances), p=chances)`.
    """

    def __init__(self, chances: FloatArray) -> None:
        """Take `[N]` probabilities that sum to 1."""
        self.ends = np.cumsum(np.asarray(chances, np.float64))
        self.ends /= self.ends[-1]

    def draw(self, rng: np.random.Generator) -> int:
        """A place from 0 to N - 1."""
        return int(self.ends.searchsorted(rng.random(), side="right"))
