"""Batches are cut by what their calls were measured to take."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from aims_pax.batch import AtomBatch
from aims_pax.committee import Committee
from aims_pax.committee.footprint import Budget, Footprint, _kept_bytes
from aims_pax.committee.mace.graph import model_input
from aims_pax.frame import Frame

from .toys import crystals, frame_of, molecules, settings


@pytest.fixture(scope="module")
def committee() -> Committee:
    return Committee.build(settings(), [*molecules(1), *crystals(1)], seeds=(1, 2))


@pytest.fixture(scope="module")
def footprint(committee: Committee) -> Footprint:
    return Footprint.measure(committee._models[0], committee._for_model)


def ethanols(number: int) -> list[Frame]:
    return [point.frame for point in molecules(number, n_valid=0)]


def long_crystal(repeats: int) -> Frame:
    cell = crystals(1)[0].frame
    return frame_of(Atoms(cell.numbers, cell.positions, cell=cell.cell, pbc=cell.pbc) * (repeats, 1, 1))


def test_the_footprint_depends_on_the_design_of_the_models_alone(committee: Committee, footprint: Footprint) -> None:
    other = Committee.build(settings(), [*molecules(2), *crystals(3)], seeds=(7,))
    assert Footprint.measure(other._models[0], other._for_model) == footprint
    half = Committee.build(settings(dtype="float32"), [*molecules(1), *crystals(1)], seeds=(1,))
    # Indices of atoms and edges stay 8 bytes wide.
    assert Footprint.measure(half._models[0], half._for_model).per_edge == pytest.approx(
        footprint.per_edge / 2, rel=0.1
    )


@pytest.mark.parametrize("frames", [ethanols(12), [long_crystal(4)] * 2])
def test_the_footprint_tells_what_a_call_keeps(committee: Committee, footprint: Footprint, frames: list[Frame]) -> None:
    model, for_model = committee._models[0], committee._for_model
    single, many = (AtomBatch.from_frames(some, committee.cutoff) for some in (frames[:1], [*frames, *frames]))
    kept = _kept_bytes(model, model_input(many, for_model)) - _kept_bytes(model, model_input(single, for_model))
    told = float(footprint.of(many).sum() - footprint.of(single).sum())
    assert told == pytest.approx(kept, rel=0.1)


def budget(footprint: Footprint, *, largest: float, least: float = 0.0) -> Budget:
    return Budget(footprint, largest, least, runs_side_by_side=True)


def test_runs_hold_every_structure_once_and_are_of_even_size(footprint: Footprint) -> None:
    batch = AtomBatch.from_frames(ethanols(20), 4.0)
    sizes = footprint.of(batch)
    ends = budget(footprint, largest=float(sizes.sum()) / 3.5).ends(batch, n_members=4)
    assert ends == [5, 10, 15, 20]


def test_mixed_sizes_stay_below_the_limit_by_one_structure_at_most(footprint: Footprint) -> None:
    frames = [*ethanols(5), long_crystal(3), *ethanols(4), long_crystal(2), long_crystal(5)]
    batch = AtomBatch.from_frames(frames, 4.0)
    sizes = footprint.of(batch).numpy()
    for share in np.linspace(0.05, 1.0, 20):
        largest = share * sizes.sum()
        ends = budget(footprint, largest=largest).ends(batch, n_members=4)
        assert ends == sorted(set(ends))
        assert ends[-1] == len(frames)
        for start, end in zip([0, *ends], ends, strict=False):
            assert sizes[start:end].sum() <= largest + sizes[start:end].max()


def test_one_member_is_called_as_often_as_there_are_cores(footprint: Footprint) -> None:
    batch = AtomBatch.from_frames(ethanols(8), 4.0)
    total = float(footprint.of(batch).sum())
    roomy = budget(footprint, largest=2 * total)
    torch.set_num_threads(4)
    try:
        assert roomy.ends(batch, n_members=1) == [2, 4, 6, 8]
        assert roomy.ends(batch, n_members=2) == [4, 8]
        assert roomy.ends(batch, n_members=4) == [8]
        assert replace(roomy, least_bytes=total / 3).ends(batch, n_members=1) == [8]
        assert replace(roomy, runs_side_by_side=False).ends(batch, n_members=1) == [8]
    finally:
        torch.set_num_threads(1)


def test_only_a_single_large_structure_gets_threads_inside_its_operations(footprint: Footprint) -> None:
    small = AtomBatch.from_frames(ethanols(8), 4.0)
    large = AtomBatch.from_frames([long_crystal(6)], 4.0)
    limit = budget(footprint, largest=0.9 * float(footprint.of(large).sum()))
    assert limit.threads_of([small]) == 1
    assert limit.threads_of([small, large]) is None
