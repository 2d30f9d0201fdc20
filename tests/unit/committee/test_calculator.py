"""A committee as ASE's calculator: the mean of MACE's own calculators, and what they differ by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from mace.calculators import MACECalculator

from aims_pax.committee import Committee, CommitteeCalculator, load_models
from aims_pax.errors import ModelError
from aims_pax.selection import max_atomic_sd
from aims_pax.selection.calibration import Calibration, Quantity, Rule, ThroughZero

from .toys import carbon, crystals, ethanol, molecules, settings

CLOSE = 1e-9
"""eV and Å in double precision: roundings of sums over some atoms."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    committee = Committee.build(settings(), [*molecules(3), *crystals(3)], seeds=(1, 2, 3))
    committee.train(1)
    return committee.export(tmp_path_factory.mktemp("models"), "test")


def with_committee(atoms: Atoms, files: Sequence[Path]) -> Atoms:
    atoms.calc = CommitteeCalculator(load_models(files, device="cpu"))
    return atoms


@pytest.mark.parametrize("make", [ethanol, carbon])
def test_mean_and_deviation_are_those_of_mace_model_by_model(make: type, files: Sequence[Path]) -> None:
    atoms = with_committee(make(np.random.default_rng(1)), files)
    energies, forces, stresses = [], [], []
    for file in files:
        alone = atoms.copy()
        alone.calc = MACECalculator(model_paths=str(file), device="cpu")
        energies.append(alone.get_potential_energy())
        forces.append(alone.get_forces())
        stresses.append(alone.get_stress() if alone.pbc.all() else np.zeros(6))
    assert atoms.get_potential_energy() == pytest.approx(np.mean(energies), abs=CLOSE)
    assert atoms.get_forces() == pytest.approx(np.mean(forces, axis=0), abs=CLOSE)
    results = atoms.calc.results
    assert results["energy_deviation"] == pytest.approx(np.std(energies), abs=CLOSE)
    assert results["forces_deviation"] == pytest.approx(np.std(forces, axis=0), abs=CLOSE)
    assert results["max_atomic_deviation"] == pytest.approx(max_atomic_sd(np.array(forces)), abs=CLOSE)
    if atoms.pbc.all():
        assert atoms.get_stress() == pytest.approx(np.mean(stresses, axis=0), abs=CLOSE)
        assert results["stress_deviation"] == pytest.approx(np.std(stresses, axis=0), abs=CLOSE)
    else:
        with pytest.raises(PropertyNotImplementedError, match="stress"):
            atoms.get_stress()


@pytest.mark.parametrize("make", [ethanol, carbon])
def test_a_calibration_tells_errors_by_the_deviations(make: type, files: Sequence[Path]) -> None:
    """By a slope of one half errors are twice the deviations; a molecule has no stress, and no error of it."""
    rule = {quantity: Rule(ThroughZero(0.5), quantity) for quantity in Quantity}
    atoms = make(np.random.default_rng(1))
    atoms.calc = CommitteeCalculator(load_models(files, device="cpu"), calibration=Calibration(rule))
    atoms.get_forces()
    results = atoms.calc.results
    deviations = np.sqrt(np.square(results["forces_deviation"]).mean(axis=1))
    assert results["energy_error"] == pytest.approx(2 * results["energy_deviation"], rel=1e-9)
    assert results["forces_error"] == pytest.approx(2 * deviations, rel=1e-9)
    assert results["forces_interval"] == pytest.approx(1.6449 * 2 * deviations, rel=1e-4)
    assert ("stress_error" in results) == atoms.pbc.all()
    if atoms.pbc.all():
        tensor = results["stress_deviation"][[0, 1, 2, 3, 3, 4, 4, 5, 5]]
        assert results["stress_error"] == pytest.approx(2 * np.sqrt(np.square(tensor).mean()), rel=1e-9)
        assert results["stress_interval"] > results["stress_error"]


def test_one_model_has_no_deviation(files: Sequence[Path]) -> None:
    atoms = with_committee(ethanol(np.random.default_rng(1)), files[:1])
    atoms.get_forces()
    assert sorted(atoms.calc.results) == ["energy", "forces", "free_energy"]
    with pytest.raises(PropertyNotImplementedError, match="forces_deviation"):
        atoms.calc.get_property("forces_deviation")


def test_forces_are_the_slope_of_the_energy(files: Sequence[Path]) -> None:
    atoms = with_committee(ethanol(np.random.default_rng(1)), files)
    forces, start, step = atoms.get_forces(), atoms.get_positions(), 1e-4
    energies = []
    for sign in (1, -1):
        atoms.set_positions(start + sign * step * forces)
        energies.append(atoms.get_potential_energy())
    # a central difference: the error is of the order of step squared
    assert (energies[1] - energies[0]) / (2 * step) == pytest.approx(np.square(forces).sum(), rel=1e-5)


def test_element_that_the_models_do_not_know_is_told(files: Sequence[Path]) -> None:
    atoms = with_committee(Atoms("Au2", positions=[[0, 0, 0], [0, 0, 2.5]]), files)
    with pytest.raises(ModelError, match="Au"):
        atoms.get_potential_energy()
