"""What single engines do beside the contract that all share."""

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.data import ground_state_magnetic_moments

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.reference.calculation import failure_reason
from aims_pax.reference.electrons import ground_state_multiplicity, spin_problem
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.reference import AseCalculatorSettings, PyscfSettings, TbliteSettings, TeacherSettings


def frame(atoms: Atoms) -> Frame:
    return frame_of(atoms, system="test")


SCATTERED = frame(Atoms("N2O2H2", positions=np.random.default_rng(0).normal(0, 2.5, (6, 3))))
"""Six atoms at random: no self-consistency within twenty cycles."""


@pytest.mark.parametrize(
    ("settings", "failing"),
    [
        (TbliteSettings(max_iterations=15), SCATTERED),
        (
            PyscfSettings(xc="HF", basis="sto-3g", max_cycle=6),
            frame(Atoms("OHH", positions=[[0, 0, 0], [0, 0, 2.2], [0, 2.0, 0.6]])),
        ),
    ],
    ids=["tblite", "pyscf"],
)
def test_an_unconverged_calculation_is_a_failure_and_the_reference_goes_on(
    settings: TbliteSettings | PyscfSettings, failing: Frame, tmp_path: Path
) -> None:
    reference = build_reference(settings)
    result = reference.label(failing, folder=tmp_path / "failed", want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.NOT_CONVERGED
    assert not result.reason.is_infrastructure
    assert {path.name for path in (tmp_path / "failed").iterdir()} == {"failure.txt", "structure.extxyz"}
    water = frame(molecule("H2O"))
    assert isinstance(reference.label(water, folder=tmp_path / "next", want_stress=False), Label)


def test_nearly_fused_atoms_are_kept_out_although_tblite_converges(tmp_path: Path) -> None:
    close = frame(Atoms("OH2", positions=[[0, 0, 0], [0, 0, 0.25], [0, 0.95, -0.3]]))
    result = build_reference(TbliteSettings()).label(close, folder=tmp_path, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.KEPT_OUT


def test_atoms_at_the_same_place_crash_tblite_as_a_value(tmp_path: Path) -> None:
    fused = frame(Atoms("H2", positions=np.zeros((2, 3))))
    result = build_reference(TbliteSettings()).label(fused, folder=tmp_path, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.CRASHED
    assert "Too close" in result.message


def test_a_calculator_is_made_anew_after_a_failure(tmp_path: Path) -> None:
    reference = build_reference(AseCalculatorSettings(calculator="ase.calculators.emt:EMT"))
    copper = frame(bulk("Cu", cubic=True))
    before = reference.label(copper, folder=tmp_path / "a", want_stress=True)
    unknown = reference.label(frame(bulk("Fe", cubic=True)), folder=tmp_path / "b", want_stress=True)
    after = reference.label(copper, folder=tmp_path / "c", want_stress=True)
    assert isinstance(unknown, LabelFailure)
    assert "Fe" in unknown.message
    assert isinstance(before, Label)
    assert isinstance(after, Label)
    assert after.energy == before.energy


def test_arguments_reach_the_calculator(tmp_path: Path) -> None:
    dimer = frame(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.5]]))
    energies = []
    for epsilon in (0.01, 0.02):
        settings = AseCalculatorSettings(
            calculator="ase.calculators.lj:LennardJones",
            arguments={"sigma": 3.4, "epsilon": epsilon, "rc": 10.0},
        )
        result = build_reference(settings).label(dimer, folder=tmp_path, want_stress=False)
        assert isinstance(result, Label)
        energies.append(result.energy)
    assert energies[1] == pytest.approx(2 * energies[0])


def test_charge_and_multiplicity_reach_the_engine(tmp_path: Path) -> None:
    water = frame(molecule("H2O"))
    for neutral, cation in (
        (TbliteSettings(), TbliteSettings(charge=1, multiplicity=2)),
        (
            PyscfSettings(basis="sto-3g", grid_level=0),
            PyscfSettings(basis="sto-3g", grid_level=0, charge=1, multiplicity=2),
        ),
    ):
        plain = build_reference(neutral).label(water, folder=tmp_path, want_stress=False)
        ionised = build_reference(cation).label(water, folder=tmp_path, want_stress=False)
        assert isinstance(plain, Label)
        assert isinstance(ionised, Label)
        assert ionised.energy - plain.energy > 5.0  # water's ionisation energy is 12.6 eV; methods differ
        assert "charge +1, multiplicity 2" in ionised.reference


def test_pyscf_uses_the_core_potential_of_a_heavy_element(tmp_path: Path) -> None:
    iodide = frame(molecule("HCl"))
    iodide = replace(iodide, numbers=np.array([53, 1]), positions=np.array([[0, 0, 0], [0, 0, 1.61]]))
    settings = PyscfSettings(xc="HF", basis="def2-svp")
    result = build_reference(settings).label(iodide, folder=tmp_path, want_stress=False)
    assert isinstance(result, Label)
    # 28 core electrons of iodine are a potential: all-electron energies are near -188 000 eV.
    assert -9000 < result.energy < -7000


@pytest.mark.parametrize(
    ("settings", "numbers", "periodic", "words"),
    [
        (TbliteSettings(), [87, 9], False, "up to Z = 86"),
        (TbliteSettings(), [14, 14], True, "at least 8 atoms"),
        (TbliteSettings(), [8, 1], False, "one of 2, 4, 6"),
        (TbliteSettings(charge=20), [8, 1, 1], False, "leaves -10 electrons"),
        (PyscfSettings(), [8, 1, 1], True, "molecules only"),
        (PyscfSettings(basis="sto-3g"), [87, 9], False, "not known for Fr"),
        (PyscfSettings(basis="no-such-basis"), [8, 1, 1], False, "not known for H, O"),
        (PyscfSettings(xc="PEB"), [8, 1, 1], False, "'PEB'"),
        (PyscfSettings(multiplicity=2), [8, 1, 1], False, "one of 1, 3, 5"),
        (AseCalculatorSettings(calculator="no_such_package.there:Calculator"), [8], False, "can't be imported"),
        (AseCalculatorSettings(calculator="ase.calculators.emt:ETM"), [8], False, "has no ETM"),
        (AseCalculatorSettings(calculator="ase.calculators.emt:parameters"), [8], False, "is a dict"),
        (AseCalculatorSettings(calculator="ase:Atoms", arguments={"no_such": 1}), [8], False, "can't be made"),
        (AseCalculatorSettings(calculator="ase:Atoms"), [8], False, "returns an object Atoms, no ASE calculator"),
    ],
)
def test_problems_say_what_is_wrong(
    settings: TbliteSettings | PyscfSettings | AseCalculatorSettings, numbers: list[int], periodic: bool, words: str
) -> None:
    assert words in "\n".join(build_reference(settings).problems(numbers, periodic=periodic))


def test_a_missing_package_is_a_problem_with_its_remedy(monkeypatch: pytest.MonkeyPatch, mace_model: Path) -> None:
    for package, settings in (
        ("tblite", TbliteSettings()),
        ("pyscf", PyscfSettings()),
        ("mace", TeacherSettings(model_path=mace_model)),
    ):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
        (problem,) = build_reference(settings).problems([8, 1, 1], periodic=False)
        assert "pip install" in problem
        assert package in problem


def test_a_teacher_names_the_elements_that_it_has_not_learnt(mace_model: Path) -> None:
    reference = build_reference(TeacherSettings(model_path=mace_model))
    (problem,) = reference.problems([8, 1, 17], periodic=False)
    assert "Z = 17" in problem


@pytest.mark.torch
def test_a_file_that_is_no_model_is_a_problem_and_a_failure(tmp_path: Path) -> None:
    (tmp_path / "broken.model").write_bytes(b"this is not a model")
    reference = build_reference(TeacherSettings(model_path=tmp_path / "broken.model"))
    (problem,) = reference.problems([8, 1, 1], periodic=False)
    assert "broken.model" in problem
    result = reference.label(frame(molecule("H2O")), folder=tmp_path / "label", want_stress=False)
    assert isinstance(result, LabelFailure)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_teacher_leaves_the_default_precision_of_the_process_alone(
    dtype: str, mace_model: Path, tmp_path: Path
) -> None:
    import torch

    reference = build_reference(TeacherSettings(model_path=mace_model, default_dtype=dtype))
    reference.label(frame(molecule("H2O")), folder=tmp_path, want_stress=False)
    reference.label(frame(molecule("HCl")), folder=tmp_path, want_stress=False)  # chlorine makes it fail
    assert torch.get_default_dtype() is torch.float32


def test_isolated_atoms_have_the_energies_of_their_method(mace_model: Path, tmp_path: Path) -> None:
    hydrogen = build_reference(PyscfSettings(grid_level=1)).isolated_atom_energy(1, folder=tmp_path)
    assert hydrogen == pytest.approx(-13.57, abs=0.05)  # PBE: -13.60 eV at the basis set limit
    tight_binding = build_reference(TbliteSettings()).isolated_atom_energy(1, folder=tmp_path)
    assert tight_binding == pytest.approx(-10.707, abs=1e-3)
    assert build_reference(TeacherSettings(model_path=mace_model)).isolated_atom_energy(6, folder=tmp_path) == -1029.0
    lennard_jones = AseCalculatorSettings(calculator="ase.calculators.lj:LennardJones")
    assert build_reference(lennard_jones).isolated_atom_energy(1, folder=tmp_path) is None


def test_isolated_atoms_outside_the_method_have_no_energy(mace_model: Path, tmp_path: Path) -> None:
    assert build_reference(TbliteSettings()).isolated_atom_energy(92, folder=tmp_path) is None
    assert build_reference(PyscfSettings(basis="sto-3g")).isolated_atom_energy(87, folder=tmp_path) is None
    assert build_reference(TeacherSettings(model_path=mace_model)).isolated_atom_energy(17, folder=tmp_path) is None


@pytest.mark.parametrize(
    ("number", "multiplicity"),
    [(1, 2), (2, 1), (6, 3), (7, 4), (8, 3), (24, 7), (26, 5), (46, 1), (58, 1), (64, 9), (103, 2), (104, None)],
)
def test_ground_state_multiplicities_follow_the_spectroscopic_tables(number: int, multiplicity: int | None) -> None:
    assert ground_state_multiplicity(number) == multiplicity


def test_ground_states_fit_the_number_of_electrons_and_those_of_ase() -> None:
    for number in range(1, 104):
        multiplicity = ground_state_multiplicity(number)
        assert multiplicity is not None
        assert spin_problem([number], charge=0, multiplicity=multiplicity) is None
        if number not in (58, 99, 103):  # cerium and einsteinium have another parity there, lawrencium nothing
            assert multiplicity - 1 == ground_state_magnetic_moments[number]


def test_spins_that_fit_are_no_problem() -> None:
    assert spin_problem([8, 8], charge=0, multiplicity=3) is None
    assert spin_problem([1], charge=0, multiplicity=2) is None


def test_building_a_reference_imports_no_engine() -> None:
    code = (
        "import sys\n"
        "from aims_pax.reference.registry import build_reference\n"
        "from aims_pax.settings.methods.reference import PyscfSettings, TbliteSettings\n"
        "build_reference(TbliteSettings()), build_reference(PyscfSettings())\n"
        "sys.exit(', '.join({'torch', 'mace', 'pyscf', 'tblite', 'ase', 'parsl'} & set(sys.modules)))\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.stderr.strip() == ""


def test_pyscf_refuses_crystals_as_a_value(tmp_path: Path) -> None:
    result = build_reference(PyscfSettings()).label(frame(bulk("Si")), folder=tmp_path, want_stress=True)
    assert isinstance(result, LabelFailure)
    assert "molecules only" in result.message
    assert not result.reason.is_infrastructure


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("SCF not converged in 250 cycles"), FailureReason.NOT_CONVERGED),
        (RuntimeError("Convergence failed: self-consistency was not reached"), FailureReason.NOT_CONVERGED),
        (RuntimeError("The SCF cycle did not converge."), FailureReason.NOT_CONVERGED),
        (RuntimeError("all converged, then the disk was full"), FailureReason.CRASHED),
        (subprocess.TimeoutExpired("aims.x", 10), FailureReason.WALLTIME),
        (subprocess.CalledProcessError(2, "pw.x"), FailureReason.CRASHED),
        (FileNotFoundError("aims.x"), FailureReason.MISSING_EXECUTABLE),
        (MemoryError("no memory"), FailureReason.OUT_OF_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), FailureReason.OUT_OF_MEMORY),
        (RuntimeError("std::bad_alloc"), FailureReason.OUT_OF_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), FailureReason.OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), FailureReason.SCRATCH),
        (OSError(errno.EROFS, "Read-only file system"), FailureReason.SCRATCH),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FailureReason.SCRATCH),
        (RuntimeError("forrtl: No space left on device"), FailureReason.SCRATCH),
    ],
)
def test_engines_errors_are_sorted_by_reason(error: Exception, reason: FailureReason) -> None:
    assert failure_reason(error) is reason
