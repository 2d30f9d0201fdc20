"""Two methods side by side: the same ones are alike, others are told apart, and too few runs say nothing."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.evaluation.blocks import Likeness
from aims_pax.evaluation.structure import Run, StructureComparison, compare


def runs(atoms: Atoms, *, n_runs: int = 6, n: int = 3, by_ang: float = 0.08, seed: int = 0) -> list[Run]:
    rng = np.random.default_rng(seed)
    found: list[Run] = []
    for trajectory in range(n_runs):
        frames = []
        for _ in range(n):
            moved = atoms.copy()
            moved.positions += rng.normal(scale=by_ang, size=moved.positions.shape)
            frames.append(frame_of(moved, system="it", trajectory=trajectory))
        found.append(frames)
    return found


ICE = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
WIDER = bulk("NaCl", "rocksalt", a=5.72, cubic=True)


def compared(mine: list[Run], theirs: list[Run]) -> StructureComparison:
    return compare(mine, theirs, methods=("model", "reference"))


def likeness(found: StructureComparison) -> dict[str, Likeness]:
    return {one.key: one.likeness for one in found.numbers}


def test_the_same_motion_is_alike_in_nearly_all_numbers() -> None:
    found = compared(runs(ICE), runs(ICE, seed=1))
    assert list(likeness(found).values()).count(Likeness.DIFFERENT) <= 2, "one in twenty by chance"
    assert found.n_runs == (6, 6)
    assert found.n_structures == (18, 18)


def test_a_wider_crystal_is_told_apart_by_its_first_peak() -> None:
    found = compared(runs(ICE), runs(WIDER, seed=1))
    peak = next(one for one in found.numbers if one.key == "na-cl_first_peak_ang")
    assert peak.likeness is Likeness.DIFFERENT
    assert peak.first.value == pytest.approx(2.82, abs=0.02)
    assert peak.difference.value == pytest.approx(-0.04, abs=0.015)
    assert "differ in " in found.sentence()
    assert likeness(found)["coordination_na_cl"] is Likeness.ALIKE, "six around each, in both"


def test_single_structures_say_nothing_of_their_spread() -> None:
    found = compared(runs(ICE, n_runs=1, n=1), runs(ICE, n_runs=1, n=1, seed=1))
    assert set(likeness(found).values()) == {Likeness.UNKNOWN}
    assert "too few runs" in found.sentence()


def test_one_long_run_is_cut_into_six_pieces() -> None:
    found = compared(runs(ICE, n_runs=1, n=12), runs(ICE, n_runs=6, n=2, seed=1))
    assert found.n_blocks == (6, 6)


def test_rings_that_one_method_never_makes_are_none_of_it() -> None:
    chain = Atoms("C6", positions=[[1.5 * n, 0.0, 0.0] for n in range(6)])
    angles = np.arange(6) * np.pi / 3
    ring = Atoms("C6", positions=np.array([1.5 * np.cos(angles), 1.5 * np.sin(angles), 0 * angles]).T)
    found = compared(runs(chain, by_ang=0.02), runs(ring, by_ang=0.02, seed=1))
    (rings,) = [one for one in found.numbers if one.key.startswith("rings")]
    assert (rings.first.value, rings.second.value) == (0.0, pytest.approx(1 / 6))
    assert rings.likeness is Likeness.DIFFERENT


def test_a_table_and_plain_values_have_all_numbers() -> None:
    found = compared(runs(ICE), runs(WIDER, seed=1))
    lines = found.lines()
    assert len(lines) == 1 + len(found.numbers) + 2
    assert set(found.record()["numbers"]) == {one.key for one in found.numbers}
    assert found.is_relative
