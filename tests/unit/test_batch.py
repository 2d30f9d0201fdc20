"""Neighbour lists against brute force, and batches that are taken apart and put together."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aims_pax.batch import AtomBatch, neighbour_list
from aims_pax.errors import ShapeError
from aims_pax.frame import BoolArray, FloatArray, Frame

from ..profiles import times

torch.set_num_threads(1)

Pair = tuple[int, int, int, int, int]


def brute_force_pairs(positions: FloatArray, cell: FloatArray, pbc: BoolArray, cutoff: float) -> set[Pair]:
    reach = [range(-6, 7) if periodic else (0,) for periodic in pbc]
    pairs = set()
    for a, b, c in product(*reach):
        shifted = positions[None, :] + np.array([a, b, c]) @ cell - positions[:, None]
        distance = np.linalg.norm(shifted, axis=2)
        if a == b == c == 0:
            np.fill_diagonal(distance, np.inf)
        pairs |= {(int(i), int(j), a, b, c) for i, j in np.argwhere(distance < cutoff)}
    return pairs


def pairs_of(positions: FloatArray, cell: FloatArray, pbc: BoolArray, cutoff: float) -> list[Pair]:
    edges, images = neighbour_list(positions, cell, pbc, cutoff=cutoff)
    return [tuple(row) for row in np.column_stack((edges.T, images)).tolist()]


@times(0.6)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_atoms=st.integers(1, 6),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    cutoff=st.floats(1.0, 5.0),
)
def test_neighbour_list_equals_brute_force_in_skewed_cells_with_any_periodicity(
    seed: int, n_atoms: int, pbc: tuple[bool, bool, bool], cutoff: float
) -> None:
    rng = np.random.default_rng(seed)
    periodic = np.array(pbc)
    cell = 3.0 * np.eye(3) + rng.uniform(-0.8, 0.8, (3, 3))
    cell[~periodic] = 0.0
    positions = rng.uniform(-4.0, 4.0, (n_atoms, 3))  # also outside of the cell
    found = pairs_of(positions, cell, periodic, cutoff)
    assert len(found) == len(set(found))
    assert set(found) == brute_force_pairs(positions, cell, periodic, cutoff)


def test_order_of_pairs_depends_on_the_set_of_pairs_alone() -> None:
    rng = np.random.default_rng(1)
    cell, pbc = 4.0 * np.eye(3), np.ones(3, dtype=np.bool_)
    positions = rng.uniform(0.0, 4.0, (5, 3))
    pairs = pairs_of(positions, cell, pbc, 3.0)
    wide_edges, wide_images = neighbour_list(positions, cell, pbc, cutoff=3.7)
    vectors = positions[wide_edges[1]] - positions[wide_edges[0]] + wide_images @ cell
    near = np.linalg.norm(vectors, axis=1) < 3.0
    assert pairs == [tuple(row) for row in np.column_stack((wide_edges[:, near].T, wide_images[near])).tolist()]


def frames() -> list[Frame]:
    rng = np.random.default_rng(3)
    molecule = Frame("m", 7, 0, 0, np.array([8, 1, 1]), rng.uniform(0, 2, (3, 3)))
    atom = Frame("a", 2, 0, 0, np.array([18]), np.zeros((1, 3)))
    cell = np.array([[3.9, 0, 0], [0.3, 4.1, 0], [0, 0.2, 4.0]])
    crystal = Frame("c", 5, 0, 0, np.full(4, 14), rng.uniform(0, 4, (4, 3)), cell, np.ones(3, dtype=np.bool_))
    return [molecule, atom, crystal]


def assert_same(batch: AtomBatch, other: AtomBatch) -> None:
    for name in AtomBatch.__slots__:
        mine, theirs = getattr(batch, name), getattr(other, name)
        same = torch.equal(mine, theirs) if isinstance(mine, torch.Tensor) else _places(mine) == _places(theirs)
        assert same, name


def _places(origins: tuple[Frame, ...]) -> list[tuple[str, int]]:
    return [(frame.system, frame.trajectory) for frame in origins]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0], [1], [2, 1, 0]])
def test_selected_structures_are_the_batch_of_these_structures(order: list[int]) -> None:
    all_frames = frames()
    selected = AtomBatch.from_frames(all_frames, 4.5).select(order)
    assert_same(selected, AtomBatch.from_frames([all_frames[index] for index in order], 4.5))


@pytest.mark.parametrize("ends", [[3], [1, 3], [2, 3], [1, 2, 3]])
def test_a_batch_is_cut_into_the_batches_of_its_runs(ends: list[int]) -> None:
    batch = AtomBatch.from_frames(frames(), 4.5)
    runs = batch.runs(ends)
    assert len(runs) == len(ends)
    for start, end, run in zip([0, *ends], ends, runs, strict=False):
        assert_same(run, AtomBatch.from_frames(frames()[start:end], 4.5))


def test_a_wide_list_cut_to_the_cutoff_is_the_list_of_the_cutoff() -> None:
    assert_same(AtomBatch.from_frames(frames(), 5.2).within(4.5), AtomBatch.from_frames(frames(), 4.5))


def test_edge_vectors_lead_to_the_images_of_the_receivers() -> None:
    batch = AtomBatch.from_frames(frames(), 4.5)
    lengths = batch.edge_vectors().norm(dim=1)
    assert batch.edges.shape[1] > 0
    assert float(lengths.max()) < 4.5
    assert torch.equal(batch.structure[batch.edges[0]], batch.structure[batch.edges[1]])
    crystal = frames()[2]
    senders, receivers = (batch.edges - 4)[:, batch.structure[batch.edges[0]] == 2].numpy()
    images = batch.images[batch.structure[batch.edges[0]] == 2].numpy()
    expected = crystal.positions[receivers] + images @ crystal.cell - crystal.positions[senders]
    np.testing.assert_allclose(lengths[batch.structure[batch.edges[0]] == 2], np.linalg.norm(expected, axis=1))


def test_a_batch_without_cutoff_has_no_edges() -> None:
    batch = AtomBatch.from_frames(frames(), None)
    assert batch.edges.shape == (2, 0)
    assert batch.n_structures == 3
    assert batch.trajectory.tolist() == [7, 2, 5]


@pytest.mark.parametrize("structures", [[], [0, 0]])
def test_selecting_nothing_or_one_twice_is_refused(structures: list[int]) -> None:
    with pytest.raises(ShapeError, match="distinct, and at least one"):
        AtomBatch.from_frames(frames(), 4.5).select(structures)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least one frame"):
        AtomBatch.from_frames([], 4.5)
