"""Runs that are looked at: what ends them, when, and in which words."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aims_pax.evaluation.bonds import BondGraph
from aims_pax.evaluation.stability import Conditions, RunWatch, Trouble, drift_of, thermal_mean
from aims_pax.frame import FloatArray, Frame

NVT = Conditions("x", "nvt", 300.0, 1.0, 100.0, 9)


def watch_of(atoms: Atoms, **changes: object) -> RunWatch:
    numbers = np.array(atoms.numbers, dtype=np.int64)
    frame = Frame("x", 0, 0, 0, numbers, atoms.positions.copy(), np.array(atoms.cell), np.array(atoms.pbc))
    return RunWatch(BondGraph.of(frame), replace(NVT, n_atoms=len(atoms)), **changes)  # type: ignore[arg-type]


def water_with_bond(length: float) -> FloatArray:
    """Water, one of whose bonds is so many times as long as at the start."""
    atoms = molecule("H2O")
    atoms.set_distance(0, 1, length * max(atoms.get_distance(0, 1), 0.97), fix=0)
    return atoms.positions


def test_a_bond_that_stays_long_has_broken_when_it_became_so() -> None:
    watch = watch_of(molecule("H2O"))
    assert watch.look(0.01, water_with_bond(1.0), 300.0) is None
    assert watch.look(0.02, water_with_bond(1.6), 300.0) is None
    assert watch.look(0.03, water_with_bond(1.7), 300.0) is None
    failure = watch.look(0.04, water_with_bond(1.8), 300.0)
    assert failure is not None
    assert failure.trouble is Trouble.TORN
    assert failure.time_ps == 0.02
    assert failure.words == "the bond O 1 - H 2 tore: 1.75 Å, where 0.97 Å is usual"


def test_a_bond_that_comes_back_was_a_vibration() -> None:
    watch = watch_of(molecule("H2O"))
    for time_ps, length in enumerate([1.6, 1.2, 1.6, 1.6, 1.0, 1.6]):
        assert watch.look(0.01 * time_ps, water_with_bond(length), 300.0) is None


def test_an_atom_that_is_far_away_is_gone_at_once() -> None:
    failure = watch_of(molecule("H2O")).look(0.01, water_with_bond(2.1), 300.0)
    assert failure is not None
    assert failure.trouble is Trouble.TORN


def test_heat_is_told_from_the_fluctuation_of_a_few_atoms() -> None:
    watch = watch_of(molecule("H2O"))
    still = molecule("H2O").positions
    seen = [watch.look(0.01 * k, still, temperature) for k, temperature in enumerate([900.0, 1500.0, 200.0] * 4)]
    assert seen == [None] * 12
    failures = [watch.look(0.2 + 0.01 * k, still, 2000.0) for k in range(12)]
    assert failures[-1] is not None
    assert failures[-1].trouble is Trouble.HOT


def test_a_network_may_lose_single_bonds_and_not_many() -> None:
    diamond = bulk("C", "diamond", a=3.57, cubic=True) * (2, 2, 2)
    moved = diamond.positions.copy()
    moved[0] += [0.0, 0.0, 1.2]
    one = watch_of(diamond, is_mobile=True).look(0.01, moved, 300.0)
    assert one is None
    rng = np.random.default_rng(1)
    failure = watch_of(diamond, is_mobile=True).look(0.01, moved + rng.normal(0, 1.0, moved.shape), 300.0)
    assert failure is not None
    assert failure.trouble is Trouble.APART


def test_a_crystal_without_order_is_reported_unless_its_atoms_wander_by_nature() -> None:
    copper = bulk("Cu", cubic=True)
    rng = np.random.default_rng(2)
    molten = copper.positions + rng.normal(0.0, 0.6, copper.positions.shape)
    failure = watch_of(copper).look(0.01, molten, 300.0)
    assert failure is not None
    assert failure.trouble is Trouble.MELTED
    assert watch_of(copper, is_mobile=True).look(0.01, molten, 300.0) is None
    hot = copper.positions + rng.normal(0.0, 0.15, copper.positions.shape)
    assert watch_of(copper).look(0.01, hot, 300.0) is None


def test_temperature_counts_once_the_thermostat_had_time() -> None:
    watch = watch_of(molecule("H2O"))
    still = molecule("H2O").positions
    for step in range(100):
        watch.look(0.01 * step, still, 150.0 if step <= 30 else 300.0)
    record = watch.record("start", length_ps=1.0, failure=None)
    assert thermal_mean(record) == pytest.approx(300.0)
    assert thermal_mean(replace(record, conditions=replace(NVT, relaxation_fs=1000.0))) is None, "too short for that"
    assert thermal_mean(replace(record, conditions=replace(NVT, ensemble="nve", relaxation_fs=None))) is None


def test_drift_is_the_slope_for_each_atom() -> None:
    times = np.linspace(0.0, 2.0, 50)
    energies = -400.0 + 0.006 * times + 0.001 * np.sin(97 * times)
    assert drift_of(times, energies, n_atoms=3) == pytest.approx(2.0, abs=0.05)
