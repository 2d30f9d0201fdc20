"""Charge and spin in structure files, against what the reference is told."""

from pathlib import Path
from typing import Any

import pytest

from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.engines import CastepSettings, VaspSettings
from aims_pax.settings.methods.reference import AseCalculatorSettings, TeacherSettings
from aims_pax.settings.remarks import structure_remarks
from tests.unit.settings.conftest import AL, IDG, MD, WATER

BOTH = IDG + AL + MD


def water(comment: str) -> str:
    return WATER.replace("\n\n", f"\n{comment}\n")


def reference(lines: str) -> str:
    return f"{BOTH}REFERENCE:\n  type: {lines}\n"


@pytest.mark.parametrize(
    ("comment", "settings"),
    [
        ("charge=0 spin=1", BOTH),
        ("charge=0 spin=0", BOTH),
        ("charge=1 spin=2", reference("tblite\n  charge: 1\n  multiplicity: 2")),
        ("charge=1 spin=1", reference("tblite\n  charge: 1\n  multiplicity: 2")),
        ("charge=1 spin=0.5", reference("pyscf\n  charge: 1\n  multiplicity: 2")),
        ("total_charge=-1 multiplicity=2", reference("orca\n  charge: -1\n  multiplicity: 2")),
        ("charge=1", reference("ase-calculator\n  calculator: a:B\n  arguments: {charge: 1}")),
    ],
)
def test_file_and_reference_that_agree_are_accepted(folder: Any, comment: str, settings: str) -> None:
    assert folder.write(settings, structure=water(comment)).load().systems[0].frame.n_atoms == 3


@pytest.mark.parametrize(
    ("comment", "settings", "message"),
    [
        ("charge=1 spin=2", BOTH, "water.xyz: The file says charge=1 spin=2, and the reference computes charge 0 and"),
        ("multiplicity=3", BOTH, "says multiplicity=3, and the reference computes charge 0 and multiplicity 1"),
        ("charge=-2", reference("pyscf"), "Write what is meant at REFERENCE.charge and REFERENCE.multiplicity"),
        (
            "charge=1",
            reference("teacher\n  model_type: mace-mp"),
            "at REFERENCE.charge and REFERENCE.multiplicity, or the model's own data",
        ),
        (
            "charge=1",
            reference("ase-calculator\n  calculator: a:B"),
            "at REFERENCE.charge and REFERENCE.multiplicity, or REFERENCE.arguments",
        ),
    ],
)
def test_file_that_speaks_of_another_charge_is_refused(folder: Any, comment: str, settings: str, message: str) -> None:
    complaint = folder.write(settings, structure=water(comment)).complaint()
    assert message in complaint
    assert complaint.count("The file says") == 1


def test_structure_of_a_file_with_several_is_named(folder: Any) -> None:
    complaint = folder.write(structure=water("charge=0") + water("charge=2")).complaint()
    assert complaint.startswith("water.xyz (water-1): The file says charge=2")
    assert complaint.count("The file says") == 1


def test_electrons_that_can_not_be_are_said_once_with_their_line(folder: Any) -> None:
    complaint = folder.write(reference("tblite\n  charge: 1"), structure=WATER).complaint()
    assert complaint.count("electrons") == 1
    assert complaint.startswith("aims_PAX.yaml, line 11: 9 electrons can't have REFERENCE.multiplicity = 1")
    assert "(structure water).\n  Set it to one of 2, 4, 6, ..., or correct REFERENCE.charge (now 1)." in complaint


def test_spin_that_fits_one_structure_alone_is_to_be_said_of_the_other(folder: Any) -> None:
    complaint = folder.write(reference("tblite"), structure=WATER + "2\n\nO 0 0 0\nH 0 0 1\n").complaint()
    assert "9 electrons can't have REFERENCE.multiplicity = 1 (structure water-1)." in complaint
    assert "Say it of this structure alone: SYSTEMS.water-1.multiplicity, or SYSTEMS.water-1.charge." in complaint


def test_charge_of_control_in_counts(folder: Any) -> None:
    species = "".join(f"species {symbol}\n  nucleus {z}\n" for symbol, z in (("O", 8), ("H", 1)))
    spin = "spin collinear\nfixed_spin_moment 1\ndefault_initial_moment 1"
    settings = reference("fhi-aims\n  command: aims.x")
    folder.file("control.in", f"xc pbe\ncharge 1.\n{spin}\n{species}")
    folder.write(settings, structure=water("charge=1 multiplicity=2")).load()
    complaint = folder.write(settings, structure=water("charge=0 multiplicity=1")).complaint()
    assert "the reference computes charge 1 and multiplicity 2" in complaint
    assert "charge, spin and fixed_spin_moment of control.in" in complaint


@pytest.mark.parametrize(
    ("settings", "charge", "multiplicity"),
    [
        (VaspSettings(pseudo_dir=Path()), 0, 1),
        (VaspSettings.model_construct(parameters={"nelect": 9, "ispin": 2}), None, None),
        (VaspSettings.model_construct(magnetic_moments={"Fe": 2.0}), 0, None),
        (CastepSettings(parameters={"Charge": -1}), -1, 1),
        (AseCalculatorSettings(calculator="a:B", arguments={"deep": {"charge": 2}, "spin": 3}), 2, None),
        (TeacherSettings(model_type="mace-mp"), 0, 1),
    ],
)
def test_what_engines_are_told_is_found(settings: Any, charge: float | None, multiplicity: float | None) -> None:
    told = told_by(settings)
    assert (told.charge, told.multiplicity) == (charge, multiplicity)


def test_moments_that_no_reference_is_told_are_remarked(folder: Any) -> None:
    columns = "Properties=species:S:1:pos:R:3:initial_magmoms:R:1"
    moments = f"2\n{columns}\nO 0 0 0 1\nO 0 0 1.2 1\n"
    (remark,) = structure_remarks(folder.write(structure=moments).load())
    assert "initial magnetic moments, and the reference tblite is not told them" in str(remark)
    assert structure_remarks(folder.write().load()) == []


@pytest.mark.parametrize(("lattice", "advice"), [('Lattice="2 2 0 2 0 2 0 2 2"', "Repeat the cell"), ("", "Remove it")])
def test_structure_of_a_single_atom_is_refused(folder: Any, lattice: str, advice: str) -> None:
    complaint = folder.write(structure=f"1\n{lattice}\nAu 0 0 0\n").complaint()
    assert "water.xyz: The structure water has a single atom: by symmetry no force ever acts on it" in complaint
    assert advice in complaint
