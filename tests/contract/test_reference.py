"""What every reference owes to a campaign, whatever engine is behind it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.engines import EngineSettings
from aims_pax.settings.methods.reference import (
    AseCalculatorSettings,
    PyscfSettings,
    ReferenceSettings,
    TbliteSettings,
    TeacherSettings,
)

from .. import programs
from ..aims.standin import aims_input
from ..asi import libraries as asi_libraries

FORCE_TOLERANCE_EV_PER_ANG = 1e-4
"""SCF convergence, amplified by a finite difference of 1e-3 Å, and the third derivative that it neglects."""


@dataclass(frozen=True)
class Case:
    """One engine, cheap settings of it, and structures that it can do."""

    settings: Callable[[Path], ReferenceSettings]
    molecule: str
    crystal: Frame | None = None
    writes_files: bool = False
    """Whether its engine is a program that works in the label's folder."""
    missing: str | None = None
    """Why it can't be tested on this machine."""
    force_tolerance_ev_per_ang: float = FORCE_TOLERANCE_EV_PER_ANG
    stress_tolerance_ev_per_ang3: float = 1e-5
    """1.6 MPa by default, the energies' convergence over the step."""
    energy_tolerance_ev: float = 1e-5
    """Between the same structure in another order."""
    is_slow: bool = False


def rattled(atoms: Any, *, system: str, seed: int = 3) -> Frame:
    atoms.rattle(0.05, seed=seed)
    return frame_of(atoms, system=system)


def diamond() -> Frame:
    return rattled(bulk("C", cubic=True), system="diamond")


CASES = {
    "tblite": Case(lambda _: TbliteSettings(method="GFN1-xTB", accuracy=0.01), "H2O", diamond()),
    "pyscf": Case(lambda _: PyscfSettings(basis="sto-3g", grid_level=1, conv_tol=1e-11), "H2O"),
    "hartree-fock": Case(lambda _: PyscfSettings(xc="HF", basis="sto-3g", density_fit=False, conv_tol=1e-11), "H2O"),
    "teacher": Case(lambda model: TeacherSettings(model_path=model), "H2O", diamond()),
    "ase-calculator": Case(
        lambda _: AseCalculatorSettings(calculator="ase.calculators.emt:EMT"),
        "H2O",
        rattled(bulk("Cu", cubic=True).repeat((2, 1, 1)), system="copper"),
    ),
    "with a walltime": Case(
        lambda _: TbliteSettings(method="GFN1-xTB", accuracy=0.01, walltime_s=120.0), "H2O", diamond()
    ),
    "asi": Case(lambda _: asi_libraries.lennard_jones_input(), "H2O", diamond(), missing=asi_libraries.missing()),
    "fhi-aims": Case(lambda _: aims_input("xc pbe\nk_grid 2 2 2\n"), "H2O", diamond(), writes_files=True),
}


def silicon() -> Frame:
    return rattled(bulk("Si"), system="silicon")


def program(settings: EngineSettings, *, molecule: str = "H2O", **case: Any) -> Case:
    """A case of a program that ASE drives."""
    return Case(lambda _: settings, molecule, writes_files=True, missing=programs.missing(settings), **case)


CASES |= {
    "nwchem": program(programs.nwchem()),
    # Atoms feel the grid of the density, the more the fewer plane waves: 1e-3 eV/Å covers it at these cutoffs. Quantum
    # ESPRESSO keeps the cutoff and not the number of waves when the cell is strained, which is 1e-5 eV/Å³ at 40 Ry.
    "espresso": program(
        programs.espresso(ecutwfc=40.0, ecutrho=240.0),
        crystal=silicon(),
        force_tolerance_ev_per_ang=1e-3,
        stress_tolerance_ev_per_ang3=5e-5,
        is_slow=True,
    ),
    "gpaw": program(programs.gpaw(), molecule="SH2", crystal=silicon(), force_tolerance_ev_per_ang=1e-3, is_slow=True),
    "abinit": program(programs.abinit(), crystal=silicon(), force_tolerance_ev_per_ang=1e-3, is_slow=True),
    "cp2k": program(
        programs.cp2k(),
        molecule="SH2",
        crystal=rattled(bulk("Si", cubic=True), system="silicon"),
        force_tolerance_ev_per_ang=1e-3,
        stress_tolerance_ev_per_ang3=1e-4,
        is_slow=True,
    ),
    "dispersion": Case(
        lambda _: AseCalculatorSettings(
            calculator="ase.calculators.emt:EMT", dispersion=DispersionSettings(xc="pbe", cutoff=12.0)
        ),
        "H2O",
        rattled(bulk("Cu", cubic=True).repeat((2, 1, 1)), system="copper"),
    ),
    "hartree-fock-d4": Case(
        lambda _: PyscfSettings(
            xc="HF",
            basis="sto-3g",
            density_fit=False,
            conv_tol=1e-11,
            dispersion=DispersionSettings(method="d4", xc="hf"),
        ),
        "H2O",
    ),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if case.is_slow else ()) for name, case in CASES.items()],
)
def case(request: pytest.FixtureRequest) -> Case:
    case = CASES[request.param]
    if case.missing is not None:
        pytest.skip(case.missing)
    return case


@pytest.fixture(scope="module")
def reference(case: Case, mace_model: Path) -> Reference:
    return build_reference(case.settings(mace_model))


@pytest.fixture
def water(case: Case) -> Frame:
    return rattled(molecule(case.molecule), system="water")


def label_of(reference: Reference, frame: Frame, folder: Path, *, want_stress: bool = False) -> Label:
    result = reference.label(frame, folder=folder / "label", want_stress=want_stress)
    assert isinstance(result, Label), result
    return result


def test_forces_are_the_negative_gradient_of_the_energy(
    reference: Reference, case: Case, water: Frame, tmp_path: Path
) -> None:
    forces = label_of(reference, water, tmp_path).forces
    step_ang = 1e-3
    for atom, axis in ((0, 2), (1, 1)):
        energies = []
        for sign in (1, -1):
            positions = water.positions.copy()
            positions[atom, axis] += sign * step_ang
            energies.append(label_of(reference, replace(water, positions=positions), tmp_path).energy)
        expected = -(energies[0] - energies[1]) / (2 * step_ang)
        assert forces[atom, axis] == pytest.approx(expected, abs=case.force_tolerance_ev_per_ang)


def test_stress_is_the_strain_derivative_of_the_energy_per_volume(
    reference: Reference, case: Case, tmp_path: Path
) -> None:
    if case.crystal is None:
        pytest.skip("labels molecules only")
    crystal = case.crystal
    label = label_of(reference, crystal, tmp_path, want_stress=True)
    assert label.stress is not None
    volume, step = abs(np.linalg.det(crystal.cell)), 1e-4
    for voigt, (row, column) in ((0, (0, 0)), (5, (0, 1))):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            deformation = np.eye(3) + strain
            strained = replace(crystal, positions=crystal.positions @ deformation, cell=crystal.cell @ deformation)
            energies.append(label_of(reference, strained, tmp_path).energy)
        expected = (energies[0] - energies[1]) / (2 * step * volume)
        assert label.stress[voigt] == pytest.approx(expected, abs=case.stress_tolerance_ev_per_ang3)


def test_labels_of_molecules_have_no_stress(reference: Reference, water: Frame, tmp_path: Path) -> None:
    assert label_of(reference, water, tmp_path, want_stress=True).stress is None


def test_stress_is_given_only_when_it_is_wanted(reference: Reference, case: Case, tmp_path: Path) -> None:
    if case.crystal is None:
        pytest.skip("labels molecules only")
    assert label_of(reference, case.crystal, tmp_path, want_stress=False).stress is None


def test_translation_changes_nothing(reference: Reference, case: Case, water: Frame, tmp_path: Path) -> None:
    still = label_of(reference, water, tmp_path)
    moved = label_of(reference, replace(water, positions=water.positions + np.array([1.0, -2.0, 0.5])), tmp_path)
    assert moved.energy == pytest.approx(still.energy, abs=1e-4)
    np.testing.assert_allclose(moved.forces, still.forces, atol=case.force_tolerance_ev_per_ang)


def test_forces_turn_with_the_molecule(reference: Reference, case: Case, water: Frame, tmp_path: Path) -> None:
    rotation = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    still = label_of(reference, water, tmp_path)
    turned = label_of(reference, replace(water, positions=water.positions @ rotation.T), tmp_path)
    assert turned.energy == pytest.approx(still.energy, abs=1e-4)
    np.testing.assert_allclose(turned.forces, still.forces @ rotation.T, atol=case.force_tolerance_ev_per_ang)


def test_forces_follow_the_order_of_the_atoms(reference: Reference, case: Case, water: Frame, tmp_path: Path) -> None:
    order = np.array([2, 0, 1])
    swapped = replace(water, numbers=water.numbers[order], positions=water.positions[order])
    still, other = label_of(reference, water, tmp_path), label_of(reference, swapped, tmp_path)
    assert other.energy == pytest.approx(still.energy, abs=case.energy_tolerance_ev)
    np.testing.assert_allclose(other.forces, still.forces[order], atol=case.force_tolerance_ev_per_ang)


def test_a_label_does_not_depend_on_what_was_labelled_before(
    reference: Reference, case: Case, water: Frame, mace_model: Path, tmp_path: Path
) -> None:
    label_of(reference, rattled(molecule(case.molecule), system="water", seed=5), tmp_path)
    after = label_of(reference, water, tmp_path)
    fresh = label_of(build_reference(case.settings(mace_model)), water, tmp_path)
    assert after.energy == fresh.energy
    np.testing.assert_array_equal(after.forces, fresh.forces)


def test_a_success_leaves_nothing_in_its_folder(reference: Reference, case: Case, water: Frame, tmp_path: Path) -> None:
    if case.writes_files:
        pytest.skip("its engine works in the label's folder, which the worker removes")
    label_of(reference, water, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_label_says_which_engine_made_it(reference: Reference, water: Frame, tmp_path: Path) -> None:
    label = label_of(reference, water, tmp_path)
    assert label.reference.partition("; ")[0] == reference.name
    assert any(character.isdigit() for character in label.reference)
    assert label.wall_s > 0
    assert label.forces.dtype == np.float64


def test_positions_that_are_not_finite_are_a_failure(reference: Reference, water: Frame, tmp_path: Path) -> None:
    positions = water.positions.copy()
    positions[0, 0] = np.nan
    result = reference.label(replace(water, positions=positions), folder=tmp_path, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.UNPHYSICAL


def test_a_label_of_forces_beyond_the_limit_is_kept_out_and_told(
    case: Case, water: Frame, mace_model: Path, tmp_path: Path
) -> None:
    strict = case.settings(mace_model).model_copy(update={"max_force_ev_per_ang": 1e-6})
    result = build_reference(strict).label(water, folder=tmp_path, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.KEPT_OUT
    assert "REFERENCE.max_force_ev_per_ang" in result.message
    assert result.label is not None
    allowed = label_of(build_reference(case.settings(mace_model)), water, tmp_path / "allowed")
    assert result.label.energy == pytest.approx(allowed.energy, abs=1e-6)
    np.testing.assert_allclose(result.label.forces, allowed.forces, atol=1e-5)
    assert result.label.reference.partition("; ")[0] == allowed.reference.partition("; ")[0]


def test_a_failure_keeps_an_account_and_the_structure(
    case: Case, water: Frame, mace_model: Path, tmp_path: Path
) -> None:
    strict = case.settings(mace_model).model_copy(update={"max_force_ev_per_ang": 1e-6})
    result = build_reference(strict).label(water, folder=tmp_path / "label", want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.folder == str(tmp_path / "label")
    assert result.message in (tmp_path / "label" / "failure.txt").read_text(encoding="utf-8")
    kept = ase.io.read(tmp_path / "label" / "structure.extxyz")
    np.testing.assert_allclose(kept.positions, water.positions, atol=1e-7)


def test_usual_structures_have_no_problems(reference: Reference, case: Case, water: Frame) -> None:
    assert reference.problems([int(number) for number in water.numbers], periodic=False) == []
    if case.crystal is not None:
        assert reference.problems([int(number) for number in case.crystal.numbers], periodic=True) == []
