"""Lists with a skin hold all pairs, are kept as long as they hold, and see overlaps coming."""

import numpy as np
import pytest
import torch

from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame
from aims_pax.sampling.neighbours import SkinLists

CUTOFF = 6.0


def lists_of(*frames: Frame, skin_ang: float = 0.6, cutoff: float | None = CUTOFF) -> SkinLists:
    numbered = [Frame(f.system, k, 0, 0, f.numbers, f.positions, f.cell, f.pbc) for k, f in enumerate(frames)]
    return SkinLists(numbered, cutoff, skin_ang=skin_ang, min_distance_factor=0.5, device=torch.device("cpu"))


def positions_of(*frames: Frame) -> torch.Tensor:
    return torch.as_tensor(np.concatenate([frame.positions for frame in frames]))


def cells_of(*frames: Frame) -> torch.Tensor:
    return torch.as_tensor(np.stack([frame.cell for frame in frames]))


def test_a_followed_list_holds_exactly_the_pairs_of_a_fresh_one(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(crystal, cluster)
    positions = positions_of(crystal, cluster)
    near = lists.gather([0, 1], positions, cells_of(crystal, cluster))
    rng = np.random.default_rng(5)
    built = [near.lists]
    for _ in range(60):
        positions = positions + torch.as_tensor(rng.normal(0, 0.04, tuple(positions.shape)))
        near = lists.follow(near, positions, near.batch.cells)
        built += [] if near.lists is built[-1] else [near.lists]
        fresh_frames = [
            Frame("", k, 0, 0, f.numbers, p.numpy(), f.cell, f.pbc)
            for k, (f, p) in enumerate(zip((crystal, cluster), positions.split([32, 4]), strict=True))
        ]
        fresh = AtomBatch.from_frames(fresh_frames, CUTOFF)
        followed = near.batch.within(CUTOFF)
        assert torch.equal(followed.edges, fresh.edges)
        assert torch.equal(followed.images, fresh.images)
    assert 3 < len(built) < 40


def slab(crystal: Frame) -> Frame:
    """The crystal with a free surface, in a left-handed, sheared cell."""
    cell = np.array([[0.0, 10.8, 0.0], [10.8, 3.6, 0.0], [0.0, 0.0, 30.0]])
    return Frame("slab", 0, 0, 0, crystal.numbers, crystal.positions, cell, np.array([True, True, False]))


def tiny() -> Frame:
    """One atom, whose images are its neighbours, in a slanted cell."""
    cell = np.array([[3.0, 0.0, 0.0], [1.4, 2.7, 0.0], [-1.2, 0.9, 2.9]])
    return Frame("tiny", 0, 0, 0, np.array([18]), np.zeros((1, 3)), cell, np.ones(3, dtype=bool))


def test_lists_follow_cells_that_change(crystal: Frame, cluster: Frame) -> None:
    frames = (crystal, cluster, slab(crystal), tiny())
    lists = lists_of(*frames)
    positions, cells = positions_of(*frames), cells_of(*frames)
    near = lists.gather([0, 1, 2, 3], positions, cells)
    rng = np.random.default_rng(6)
    built = [near.lists]
    for step in range(60):
        # Atoms ride on the cell, as under a barostat: far from the origin they move more than a skin.
        strain = torch.eye(3) + torch.as_tensor(rng.normal(0, 0.002, (4, 3, 3)) + 0.001 * np.eye(3))
        strain[1] = torch.eye(3)
        if step % 3 == 0:
            strain[:] = torch.eye(3)
        cells = cells @ strain
        moved = torch.einsum("ni,nij->nj", positions, strain[near.batch.structure])
        positions = moved + torch.as_tensor(rng.normal(0, 0.02, tuple(positions.shape)))
        near = lists.follow(near, positions, cells)
        built += [] if near.lists is built[-1] else [near.lists]
        each = zip(frames, positions.split([32, 4, 32, 1]), cells, strict=True)
        fresh = AtomBatch.from_frames(
            [Frame("", k, 0, 0, f.numbers, p.numpy(), c.numpy(), f.pbc) for k, (f, p, c) in enumerate(each)], CUTOFF
        )
        followed = near.batch.within(CUTOFF)
        assert torch.equal(followed.edges, fresh.edges)
        assert torch.equal(followed.images, fresh.images)
        assert torch.equal(followed.cells, cells)
        torch.testing.assert_close(followed.edge_vectors(), fresh.edge_vectors(), atol=1e-10, rtol=0)
    assert 3 < len(built) < 50


def test_one_that_keeps_its_cell_is_listed_to_the_last_bit_as_it_is_alone(crystal: Frame) -> None:
    lists = lists_of(crystal, crystal)
    cells = cells_of(crystal, crystal)
    alone = lists.gather([1], positions_of(crystal), cells[1:])
    cells[0] *= 1.001
    near = lists.gather([0, 1], positions_of(crystal, crystal), cells)
    assert torch.equal(near.batch.select([1]).shifts, alone.batch.shifts)


def test_only_the_list_of_the_structure_that_moved_is_built_anew(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(cluster, crystal, cluster)
    positions = positions_of(cluster, crystal, cluster)
    near = lists.gather([0, 1, 2], positions, cells_of(cluster, crystal, cluster))
    moved = positions.clone()
    moved[4 + 17, 1] += 0.31
    after = lists.follow(near, moved, near.batch.cells)
    assert [one is other for one, other in zip(after.lists, near.lists, strict=True)] == [True, False, True]


def test_small_moves_keep_the_lists(cluster: Frame) -> None:
    lists = lists_of(cluster)
    near = lists.gather([0], positions_of(cluster), cells_of(cluster))
    assert (
        lists.follow(near, positions_of(cluster) + 0.17, near.batch.cells).lists is near.lists
    )  # 0.29 Å, half a skin is 0.30


def test_any_trajectories_can_be_gathered_in_any_order(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(crystal, cluster, crystal)
    near = lists.gather([2, 1], positions_of(crystal, cluster), cells_of(crystal, cluster))
    assert near.batch.trajectory.tolist() == [2, 1]
    assert near.batch.n_atoms.tolist() == [32, 4]
    fresh = AtomBatch.from_frames([crystal, cluster], CUTOFF)
    assert torch.equal(near.batch.within(CUTOFF).edges, fresh.edges)


@pytest.mark.parametrize("cutoff", [None, CUTOFF])
@pytest.mark.parametrize("skin_ang", [0.0, 0.5, 2.0])
def test_overlap_is_seen_at_its_distance_whatever_the_lists_are(cutoff: float | None, skin_ang: float) -> None:
    # C-H: 0.5 (0.76 + 0.31) = 0.535 Å; H-H: 0.31 Å.
    frame = Frame("m", 0, 0, 0, np.array([6, 1, 1]), np.array([[0, 0, 0], [1.1, 0, 0], [0, 0.9, 0]], dtype=float))
    lists = lists_of(frame, frame, skin_ang=skin_ang, cutoff=cutoff)
    near = lists.gather([0, 1], positions_of(frame, frame), cells_of(frame, frame))
    assert near.overlaps() == {}
    for distance in np.linspace(1.0, 0.54, 24):
        positions = near.batch.positions.clone()
        positions[4, 0] = distance
        near = lists.follow(near, positions, near.batch.cells)
        assert near.overlaps() == {}
    positions = near.batch.positions.clone()
    positions[4, 0] = 0.53
    overlaps = lists.follow(near, positions, near.batch.cells).overlaps()
    assert list(overlaps) == [1]
    assert overlaps[1].startswith("atoms 0 (C) and 1 (H) are 0.53 Å apart")


def test_overlap_through_a_cell_face_is_seen(crystal: Frame) -> None:
    lists = lists_of(crystal)
    positions = positions_of(crystal)
    positions[0] = positions[1] + torch.tensor([10.8, 0.1, -10.8])
    overlaps = lists.gather([0], positions, cells_of(crystal)).overlaps()
    assert "atoms 0 (Ar) and 1 (Ar) are 0.10 Å apart" in overlaps[0]
