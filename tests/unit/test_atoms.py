"""Labelled structures as ASE's atoms, and back."""

import io
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import read, write

from aims_pax.atoms import frame_of, labelled_atoms
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import dataset_of_atoms
from aims_pax.errors import StructureError
from aims_pax.frame import Label, LabelledFrame, Split

OF_CALCULATORS = Keys(energy="energy", forces="forces", stress="stress")


def labelled(atoms: Atoms, *, stress: bool) -> LabelledFrame:
    rng = np.random.default_rng(1)
    extras = {"dipole": rng.normal(size=3), "charges": rng.normal(size=len(atoms)), "homo_ev": np.array([-7.0])}
    label = Label(
        -3.5, rng.normal(size=(len(atoms), 3)), rng.normal(size=6) if stress else None, "made up", 1.0, extras
    )
    frame = frame_of(atoms, system="sample", trajectory=2, md_step=40, generation=3)
    return LabelledFrame(7, frame, label, Split.VALIDATION, None, "active", "random share")


@pytest.mark.parametrize(("atoms", "stress"), [(molecule("H2O"), False), (bulk("Cu", cubic=True), True)])
def test_label_is_the_result_of_a_calculator(atoms: Atoms, stress: bool) -> None:
    point = labelled(atoms, stress=stress)
    made = labelled_atoms(point)
    assert made.get_potential_energy() == point.label.energy
    assert np.array_equal(made.get_forces(), point.label.forces)
    assert np.array_equal(made.get_dipole_moment(), point.label.extras["dipole"])
    if stress:
        assert np.array_equal(made.get_stress(), point.label.stress)
    assert made.info == {
        "label_id": 7,
        "system": "sample",
        "trajectory": 2,
        "md_step": 40,
        "generation": 3,
        "reference": "made up",
        "stage": "active",
        "source": "random share",
        "split": "validation",
    }


def test_atoms_are_read_back_as_what_they_were() -> None:
    points = [labelled(bulk("Cu", cubic=True), stress=True), labelled(molecule("H2O"), stress=False)]
    dataset = dataset_of_atoms(map(labelled_atoms, points), OF_CALCULATORS, name="data", named_by="keys")
    for point, (frame, label) in zip(points, dataset.structures, strict=True):
        assert label.energy == point.label.energy
        assert np.array_equal(label.forces, point.label.forces)
        assert (label.stress is None) == (point.label.stress is None)
        assert np.array_equal(frame.positions, point.frame.positions)
        assert (frame.system, frame.trajectory, frame.md_step) == ("sample", 2, 40)


def test_atoms_can_be_written_and_read_by_ase() -> None:
    text = io.StringIO()
    write(text, labelled_atoms(labelled(molecule("H2O"), stress=False)), format="extxyz")
    text.seek(0)
    assert read(text, format="extxyz").info["source"] == "random share"


def test_labels_of_a_file_keep_their_names(tmp_path: Path) -> None:
    atoms = molecule("H2O")
    atoms.info["REF_energy"], atoms.arrays["REF_forces"] = -1.0, np.zeros((3, 3))
    [(_, label)] = dataset_of_atoms([atoms], Keys(), name="data", named_by="keys").structures
    assert label.energy == -1.0


def test_atoms_without_a_label_are_told_by_their_place() -> None:
    computed = bulk("Cu", cubic=True)
    computed.calc = EMT()
    computed.get_forces()
    with pytest.raises(StructureError, match="data, structure 2: has no energy"):
        dataset_of_atoms([computed, bulk("Cu", cubic=True)], OF_CALCULATORS, name="data", named_by="keys")
