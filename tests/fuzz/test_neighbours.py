"""Neighbour lists of random cells are those of brute force: tiny, sheared, left-handed, of any periodicity."""

import os

import numpy as np

from aims_pax.batch import neighbour_list
from aims_pax.frame import BoolArray, FloatArray

N = int(os.environ.get("FUZZ_FILES", "300"))


def random_structure(rng: np.random.Generator) -> tuple[FloatArray, FloatArray, BoolArray, float]:
    """Positions, cell, periodicity and cutoff."""
    while True:
        cell = rng.normal(0, 1, (3, 3)) * rng.uniform(0.5, 6.0, (3, 1))
        if rng.random() < 0.3:  # sheared by more than a lattice vector
            cell[2] += rng.integers(-2, 3) * cell[0] + rng.uniform(-2, 2) * cell[1]
        # As thin as no crystal is.
        heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        if heights.min() > 0.7:
            break
    pbc = rng.random(3) < rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.4, 0.5])
    if rng.random() < 0.5:
        cell[~pbc] = 0.0
    positions = rng.uniform(-5, 5, (int(rng.integers(1, 6)), 3))  # anywhere, not only inside the cell
    return positions, cell, pbc, float(rng.uniform(0.3, 2.5))


def by_brute_force(
    positions: FloatArray, cell: FloatArray, pbc: BoolArray, cutoff: float
) -> tuple[dict[tuple[int, ...], float], float]:
    """Distances by sender, receiver and image; and how near the closest pair is to the cutoff."""
    repeated = cell[pbc]
    inverse = np.linalg.pinv(repeated)
    # An image that is n layers away is at least (n - spread) heights away.
    spread = np.ptp(positions @ inverse, axis=0)
    reach = np.zeros(3, dtype=int)
    reach[pbc] = np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + spread) + 1
    images = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    vectors = positions[None, :, None] - positions[:, None, None] + (images[:, pbc] @ repeated)[None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    close = distances < cutoff
    close &= ~((distances == 0) & (images == 0).all(axis=1) & np.eye(len(positions), dtype=bool)[:, :, None])
    found = {
        (int(i), int(j), *images[k].tolist()): float(distances[i, j, k])
        for i, j, k in zip(*np.nonzero(close), strict=True)
    }
    return found, float(np.abs(distances - cutoff).min())


def test_pairs_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(2024)
    n_compared = n_pairs = 0
    for _ in range(N):
        positions, cell, pbc, cutoff = random_structure(rng)
        expected, margin = by_brute_force(positions, cell, pbc, cutoff)
        if margin < 1e-9:  # a pair at the cutoff may be in or out
            continue
        edges, images = neighbour_list(positions, cell, pbc, cutoff=cutoff)
        found = [tuple(row) for row in np.concatenate((edges.T, images), axis=1).tolist()]
        assert len(found) == len(set(found))
        assert set(found) == set(expected), (positions.tolist(), cell.tolist(), pbc.tolist(), cutoff)
        vectors = positions[edges[1]] - positions[edges[0]] + images[:, pbc] @ cell[pbc]
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [expected[row] for row in found], atol=1e-9)
        n_compared, n_pairs = n_compared + 1, n_pairs + len(found)
    assert n_compared > 0.99 * N
    assert n_pairs > 3 * N
