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


def test_a_followed_list_holds_exactly_the_pairs_of_a_fresh_one(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(crystal, cluster)
    positions = positions_of(crystal, cluster)
    near = lists.gather([0, 1], positions)
    rng = np.random.default_rng(5)
    built = [near.lists]
    for _ in range(60):
        positions = positions + torch.as_tensor(rng.normal(0, 0.04, tuple(positions.shape)))
        near = lists.follow(near, positions)
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


def test_only_the_list_of_the_structure_that_moved_is_built_anew(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(cluster, crystal, cluster)
    positions = positions_of(cluster, crystal, cluster)
    near = lists.gather([0, 1, 2], positions)
    moved = positions.clone()
    moved[4 + 17, 1] += 0.31
    after = lists.follow(near, moved)
    assert [one is other for one, other in zip(after.lists, near.lists, strict=True)] == [True, False, True]


def test_small_moves_keep_the_lists(cluster: Frame) -> None:
    lists = lists_of(cluster)
    near = lists.gather([0], positions_of(cluster))
    assert lists.follow(near, positions_of(cluster) + 0.17).lists is near.lists  # 0.29 Å, half a skin is 0.30


def test_any_trajectories_can_be_gathered_in_any_order(crystal: Frame, cluster: Frame) -> None:
    lists = lists_of(crystal, cluster, crystal)
    near = lists.gather([2, 1], positions_of(crystal, cluster))
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
    near = lists.gather([0, 1], positions_of(frame, frame))
    assert near.overlaps() == {}
    for distance in np.linspace(1.0, 0.54, 24):
        positions = near.batch.positions.clone()
        positions[4, 0] = distance
        near = lists.follow(near, positions)
        assert near.overlaps() == {}
    positions = near.batch.positions.clone()
    positions[4, 0] = 0.53
    overlaps = lists.follow(near, positions).overlaps()
    assert list(overlaps) == [1]
    assert overlaps[1].startswith("atoms 0 (C) and 1 (H) are 0.53 Å apart")


def test_overlap_through_a_cell_face_is_seen(crystal: Frame) -> None:
    lists = lists_of(crystal)
    positions = positions_of(crystal)
    positions[0] = positions[1] + torch.tensor([10.8, 0.1, -10.8])
    overlaps = lists.gather([0], positions).overlaps()
    assert "atoms 0 (Ar) and 1 (Ar) are 0.10 Å apart" in overlaps[0]
