"""FHI-aims' files: what is written for it, what of its output is believed, and how its failures are told."""

import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure
from aims_pax.labelling.worker import carry_out
from aims_pax.protocols import LabelJob
from aims_pax.reference.calculation import EngineFailed
from aims_pax.reference.programs.aims_output import Ending, observables, require_success
from aims_pax.reference.programs.fhi_aims import FhiAimsReference, control_text
from aims_pax.reference.registry import build_reference

from ....aims.standin import aims_input

SAMPLES = Path(ase.__file__).parent / "test" / "testdata" / "aims"
"""Outputs of the real program, which come with ASE."""


@pytest.fixture
def water() -> Frame:
    atoms = molecule("H2O")
    atoms.rattle(0.05, seed=1)
    return frame_of(atoms, system="water")


@pytest.fixture
def diamond() -> Frame:
    atoms = bulk("C", cubic=True)
    atoms.rattle(0.05, seed=1)
    return frame_of(atoms, system="diamond")


def result_of(frame: Frame, folder: Path, control: str, *, want_stress: bool = False, **others: Any) -> Any:
    reference = FhiAimsReference(aims_input(control, **others))
    return reference.label(frame, folder=folder / "label", want_stress=want_stress)


# -- what is written ------------------------------------------------------------------------------------------


def test_text_of_the_user_is_kept_to_the_letter() -> None:
    text = (
        "# Übung\n  xc hse06 0.11  # screened\nhse_unit bohr-1\noutput hirshfeld\noutput dipole\nk_grid 2 2 2\n"
        "many_body_dispersion\ncharge 1.\nspin collinear\ndefault_initial_moment hund\nspecies H\n  nucleus 1"
    )
    written = control_text(aims_input(text, species_text=""), want_stress=False)
    assert written == f"# Added for the label:\ncompute_forces .true.\n{text}\n"


def test_only_what_is_missing_is_added() -> None:
    forces = aims_input("xc pbe\ncompute_forces .true.\n", species_text="species O\n")
    assert control_text(forces, want_stress=False) == "xc pbe\ncompute_forces .true.\n\nspecies O\n"
    assert "compute_analytical_stress .true.\nxc" in control_text(aims_input("xc pbe\n"), want_stress=True)
    numerical = aims_input("xc pbe\ncompute_numerical_stress .true.\n")
    assert "analytical" not in control_text(numerical, want_stress=True)
    neither = aims_input("xc pbe\ncompute_numerical_stress .false.\n")
    assert "compute_analytical_stress .true." in control_text(neither, want_stress=True)


def test_bytes_of_any_encoding_survive(water: Frame, tmp_path: Path) -> None:
    assert isinstance(result_of(water, tmp_path, "xc pbe\n# \xfc\xff\n"), Label)
    assert b"# \xfc\xff\n" in (tmp_path / "label" / "aims.out").read_bytes()
    assert b"# \xfc\xff\n" in (tmp_path / "label" / "control.in").read_bytes()


def test_initial_moments_and_charges_are_written_for_each_atom(water: Frame, tmp_path: Path) -> None:
    label = result_of(
        water,
        tmp_path,
        "xc pbe\nspin collinear\n",
        initial_moments=(2.0, 0.0, -1.0),
        initial_charges=(-0.5, 0.25, 0.25),
    )
    assert isinstance(label, Label)
    lines = [line.split() for line in (tmp_path / "label" / "geometry.in").read_text().splitlines()]
    atoms = [line[0] for line in lines if line and line[0] in ("atom", "initial_moment", "initial_charge")]
    first, second = ["atom", "initial_charge", "initial_moment"], ["atom", "initial_charge"]
    assert atoms == [*first, *second, *first]


def test_users_hear_nothing_of_the_plugin_that_ase_moves_to(water: Frame, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(result_of(water, tmp_path, "xc pbe\n"), Label)


# -- what is believed -----------------------------------------------------------------------------------------


def test_label_holds_hirshfeld_charges_volumes_and_ratios(water: Frame, tmp_path: Path) -> None:
    plain = result_of(water, tmp_path / "plain", "xc pbe\n")
    label = result_of(water, tmp_path / "more", "xc pbe\nvdw_correction_hirshfeld\n")
    assert dict(plain.extras) == {}
    charges, ratios = label.extras["hirshfeld_charges"], label.extras["hirshfeld_volume_ratios"]
    assert charges[0] < -0.3 < 0.1 < charges[1]
    np.testing.assert_allclose(ratios, 1 - 0.1 * charges, atol=1e-7)  # as the stand-in makes them up, 8 digits
    assert label.extras["hirshfeld_volumes"].shape == (3,)


def test_label_bears_the_version_that_computed_it(water: Frame, tmp_path: Path) -> None:
    reference = FhiAimsReference(aims_input("xc pbe\n"))
    label = reference.label(water, folder=tmp_path, want_stress=False)
    assert isinstance(label, Label)
    assert label.reference == f"{reference.name}; version 0standin"
    assert reference.name.startswith("FHI-aims pbe, tests/light, input ")
    assert FhiAimsReference(aims_input("xc pbe\ncharge 1\n")).name != reference.name


def test_a_good_output_counts_although_mpi_ends_badly(water: Frame, tmp_path: Path) -> None:
    good = result_of(water, tmp_path / "good", "xc pbe\n")
    bad = result_of(water, tmp_path / "bad", "xc pbe\n# standin: ends-badly\n")
    assert isinstance(bad, Label)
    assert bad.energy == good.energy


def test_numbers_before_a_restarted_mixer_are_not_taken(diamond: Frame, tmp_path: Path) -> None:
    label = result_of(diamond, tmp_path, "xc pbe\nk_grid 2 2 2\n", want_stress=True)
    text = (tmp_path / "label" / "aims.out").read_text()
    assert "restarting mixer" in text  # followed by an energy of -999 eV and forces of zero
    assert isinstance(label, Label)
    assert label.energy < -400
    assert np.abs(label.forces).max() > 0.1


def test_numerical_stress_counts_although_it_is_printed_before_the_last_cycle(diamond: Frame, tmp_path: Path) -> None:
    control = "xc pbe\nk_grid 2 2 2\n"
    analytical = result_of(diamond, tmp_path / "1", control, want_stress=True)
    numerical = result_of(diamond, tmp_path / "2", f"{control}compute_numerical_stress .true.\n", want_stress=True)
    assert isinstance(numerical, Label)
    np.testing.assert_array_equal(numerical.stress, analytical.stress)
    neither = result_of(diamond, tmp_path / "3", f"{control}compute_analytical_stress .false.\n", want_stress=True)
    assert "no stress tensor" in neither.message


def test_an_output_that_was_cut_short_anywhere_gives_no_label(diamond: Frame, tmp_path: Path) -> None:
    label = result_of(diamond, tmp_path, "xc pbe\nk_grid 2 2 2\nmany_body_dispersion\n", want_stress=True)
    lines = (tmp_path / "label" / "aims.out").read_text().splitlines(keepends=True)
    closing = next(index for index, line in enumerate(lines) if "Have a nice day." in line)
    for end in range(0, closing, 5):
        with pytest.raises(EngineFailed, match="cut short"):
            require_success(Ending("".join(lines[:end]), "", 0))
    for gone in range(0, closing, 3):  # a line that was lost gives the same numbers or none
        text = "".join(lines[:gone] + lines[gone + 1 :])
        try:
            require_success(Ending(text, "", 0))
            seen = observables(text, n_atoms=8, periodic=True, want_stress=True)
        except (EngineFailed, ValueError):
            continue
        assert seen.energy == label.energy
        assert np.shape(seen.forces) != (8, 3) or np.array_equal(seen.forces, label.forces)
        np.testing.assert_array_equal(seen.stress, label.stress)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="this installation of ASE has no test data")
def test_real_outputs_are_read() -> None:
    text = (SAMPLES / "singlepoint.out").read_text()
    require_success(Ending(text, "", 0))
    seen = observables(text, n_atoms=3, periodic=False, want_stress=False)
    assert seen.energy == pytest.approx(-2063.02072675943, abs=1e-9)  # | Electronic free energy, the last
    assert seen.forces[1, 0] == pytest.approx(6.92109878170016, abs=1e-12)
    spin = (SAMPLES / "issue_3345_spin_md_light.out").read_text()
    require_success(Ending(spin, "", 0))
    assert Ending(spin, "", 0).version == "221103"
    with pytest.raises(EngineFailed, match="no total atomic forces"):
        observables(spin, n_atoms=1, periodic=False, want_stress=False)


# -- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "reason", "words"),
    [
        ("xc pbe\nsc_iter_limit 2\n", FailureReason.NOT_CONVERGED, "self-consistency in 2 cycles"),
        (
            "xc pbe\nsc_iter_limit 2\npostprocess_anyway .true.\n",
            FailureReason.NOT_CONVERGED,
            "self-consistency in 2 cycles",
        ),
        ("xc pbe\n# standin: killed\n", FailureReason.OUT_OF_MEMORY, "ended by SIGKILL"),
        ("xc pbe\n# standin: aborted\n", FailureReason.CRASHED, "exit code 1: *** aims_allocate: Allocation of array"),
        ("xc pbe\n# standin: cut-short\n", FailureReason.CUT_SHORT, "without its closing line"),
        ("xc pbe\n# standin: garbage\n", FailureReason.CUT_SHORT, "0 of 3 rows of its total atomic forces"),
        ("xc pbe\n# standin: no-forces\n", FailureReason.CRASHED, "no total atomic forces"),
        ("xc pbe\n# standin: hartree-only\n", FailureReason.CRASHED, "aims.out"),
        ("# no functional\n", FailureReason.CRASHED, "*** read_control: No exchange-correlation functional"),
    ],
)
def test_failure_is_told_in_the_words_of_fhi_aims(
    water: Frame, tmp_path: Path, control: str, reason: FailureReason, words: str
) -> None:
    result = result_of(water, tmp_path, control)
    assert isinstance(result, LabelFailure)
    assert result.reason is reason
    assert words in result.message
    kept = {path.name for path in (tmp_path / "label").iterdir()}
    assert kept >= {"aims.out", "control.in", "geometry.in", "failure.txt", "structure.extxyz"}


def test_energy_in_hartree_is_never_taken_for_ev() -> None:
    text = (
        "Begin self-consistency loop\n  SCF    1 :\n  | Electronic free energy : -1.0 Ha  -27.2 eV\n"
        "  Self-consistency cycle converged.\n  Total atomic forces [eV/Ang]:\n  |    1   0.0 0.0 0.0\n"
    )
    header = (
        "| Number of atoms : 1\n| Number of spin channels : 1\n"
        "The structure contains 1 atoms,  and a total of 1.0 electrons.\n"
        "| Atomic structure:\n|  Atom\n|  1: Species H 0.0 0.0 0.0\n"
        "| Number of Kohn-Sham states (occupied + empty): 1\n"
        "Convergence:    q app. |  density  | eigen (eV) | Etot (eV) | forces (eV/A) |\n"
    )
    with pytest.raises(EngineFailed, match="no electronic free energy"):
        observables(f"{header}{text}", n_atoms=1, periodic=False, want_stress=False)


def test_words_in_the_repeated_input_decide_nothing(water: Frame, tmp_path: Path) -> None:
    comment = "xc pbe\n# SELF-CONSISTENCY CYCLE DID NOT CONVERGE the last time\n"
    assert isinstance(result_of(water, tmp_path, comment), Label)
    killed = result_of(water, tmp_path / "2", f"{comment}# standin: killed\n# Have a nice day.\n")
    assert killed.reason is FailureReason.OUT_OF_MEMORY  # without its own words, the signal decides


def test_a_program_that_is_not_there_is_no_failure_of_the_structure(water: Frame, tmp_path: Path) -> None:
    missing = FhiAimsReference(aims_input(command="no-such-aims.x"))
    assert "no-such-aims.x was not found" in "".join(missing.problems([8, 1, 1], periodic=False))
    result = missing.label(water, folder=tmp_path / "1", want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.MISSING_EXECUTABLE
    launcher = shlex.join([sys.executable, "-c", "import sys; sys.exit('aims.x: not found')"])
    result = FhiAimsReference(aims_input(command=launcher)).label(water, folder=tmp_path / "2", want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.MISSING_EXECUTABLE
    assert "aims.x: not found" in result.message


def test_a_finished_label_is_not_computed_again(water: Frame, tmp_path: Path) -> None:
    job = LabelJob(1, water, tmp_path / "000001")
    first = carry_out(FhiAimsReference(aims_input()), job, want_stress=False)
    assert isinstance(first, Label)
    elsewhere = FhiAimsReference(aims_input(command="no-such-aims.x"))  # the same method, whatever starts it
    again = carry_out(elsewhere, job, want_stress=False)
    assert isinstance(again, Label)
    assert again.reference == first.reference
    other = carry_out(FhiAimsReference(aims_input("xc pbesol\n", xc="pbesol")), job, want_stress=False)
    assert isinstance(other, Label)
    assert "pbesol" in other.reference


def test_a_calculation_beyond_its_walltime_is_ended(water: Frame, tmp_path: Path) -> None:
    slow = build_reference(aims_input("xc pbe\n# standin: hanging\n", walltime_s=4.0))
    result = slow.label(water, folder=tmp_path, want_stress=False)
    assert isinstance(result, LabelFailure)
    assert result.reason is FailureReason.WALLTIME
    assert result.wall_s < 60
