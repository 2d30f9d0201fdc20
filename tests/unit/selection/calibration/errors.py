"""Errors with scores of a known relation, for all that fits them."""

import numpy as np

from aims_pax.selection.calibration import Residuals


def drawn(n_structures: int, *, n_atoms: int = 6, power: float = 0.7, seed: int = 0, n_blocks: int = 10) -> Residuals:
    """Components of forces whose size goes with a power of the score, and with how hard their structure is."""
    rng = np.random.default_rng(seed)
    score = np.exp(rng.normal(0.0, 0.6, (n_structures, 1)) + rng.normal(0.0, 0.3, (n_structures, n_atoms)))
    size = 2.0 * score**power * np.exp(rng.normal(0.0, 0.3, (n_structures, 1)))
    error = np.abs(rng.normal(size=(n_structures, n_atoms, 3)) * size[:, :, None])
    number = np.repeat(np.arange(n_structures), 3 * n_atoms)
    return Residuals(
        score=np.repeat(score.ravel(), 3),
        error=error.ravel(),
        n_atoms=np.full(error.size, n_atoms),
        structure=number,
        block=number * n_blocks // n_structures,
    )
