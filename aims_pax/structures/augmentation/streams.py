"""Random numbers of what is made from structures."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np


@dataclass(frozen=True, slots=True)
class Streams:
    """A stream of random numbers for each structure that is made.

    What is drawn for one depends on the seed and on its own names alone, so that more structures, further sources and
    further inputs change none of those that there are.

    Parameters
    ----------
    seed : int
    """

    seed: int

    def of(self, source: str, start: str, number: int = 0) -> np.random.Generator:
        """The stream of one structure, at its beginning.

        Parameters
        ----------
        source, start : str
            What makes it, and of what.
        number : int
            Which of those, from 0.
        """
        key = (crc32(source.encode()), crc32(start.encode()), number)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
