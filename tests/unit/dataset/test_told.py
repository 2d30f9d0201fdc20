"""Values by whatever names they have in a file."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.told import CONSISTENT, MACE, USUAL, Names, structures_in
from aims_pax.errors import StructureError

FAMILIES = (Names.beginning_with(MACE), USUAL)


def one_of(path: Path, comment: str, columns: str = "", values: str = "") -> Path:
    path.write_text(
        f"2\nProperties=species:S:1:pos:R:3{columns} {comment}\nH 0 0 0{values}\nH 0 0 0.8{values}\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("name", ["energy", "potential_energy", "total_energy", "MACE_energy"])
def test_energy_is_found_by_any_of_its_usual_names(name: str, tmp_path: Path) -> None:
    (told,) = structures_in(one_of(tmp_path / "a.xyz", f"{name}=-3.5"), FAMILIES)
    assert told.energy == -3.5
    assert np.isnan(told.forces).all()
    assert told.names == (name,)


def test_energy_of_a_model_is_not_paired_with_forces_of_the_reference(tmp_path: Path) -> None:
    """Which stand in the same file, and would make errors of zero."""
    path = one_of(tmp_path / "a.xyz", "energy=-3.0 MACE_energy=-3.5", ":forces:R:3", " 1 2 3")
    (told,) = structures_in(path, FAMILIES)
    assert told.energy == -3.5
    assert np.isnan(told.forces).all()
    path = one_of(tmp_path / "b.xyz", "energy=-3.0 MACE_energy=-3.5", ":forces:R:3:MACE_forces:R:3", " 1 2 3 4 5 6")
    (told,) = structures_in(path, FAMILIES)
    assert told.forces.tolist() == [[4, 5, 6]] * 2
    assert told.names == ("MACE_energy", "MACE_forces")


def test_names_of_a_dataset_come_before_the_usual_ones(tmp_path: Path) -> None:
    path = one_of(tmp_path / "a.xyz", "energy=-3.0 REF_energy=-4.0")
    (told,) = structures_in(path, (Names.of_keys(Keys()), USUAL))
    assert told.energy == -4.0
    (told,) = structures_in(one_of(tmp_path / "b.xyz", "energy=-3.0"), (Names.of_keys(Keys()), USUAL))
    assert told.energy == -3.0


def test_virials_are_minus_stress_times_volume(tmp_path: Path) -> None:
    cell = 'Lattice="2 0 0 0 2 0 0 0 2" pbc="T T T" energy=0.0'
    (told,) = structures_in(one_of(tmp_path / "a.xyz", f'{cell} virial="8 1 2 1 16 3 2 3 24"'), FAMILIES)
    assert told.stress is not None
    assert told.stress.tolist() == pytest.approx([-1.0, -2.0, -3.0, -3 / 8, -2 / 8, -1 / 8])
    both = f'{cell} virial="8 0 0 0 8 0 0 0 8" stress="5 0 0 0 5 0 0 0 5"'
    (told,) = structures_in(one_of(tmp_path / "b.xyz", both), FAMILIES)
    assert told.stress is not None
    assert told.stress[0] == 5.0, "a stress needs no virial"


def test_energy_that_forces_derive_from_is_taken_where_both_are_told(tmp_path: Path) -> None:
    path = one_of(tmp_path / "a.xyz", "energy=-3.0 free_energy=-3.1")
    assert next(structures_in(path, (CONSISTENT,))).energy == -3.1
    assert next(structures_in(path, (USUAL,))).energy == -3.0


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("DFT_energy=1", "has no energy or potential_energy or total_energy; it has DFT_energy"),
        ("note=1", "a.xyz, structure 1: has no energy or potential_energy or total_energy"),
        ("energy=low", "has energy that is not one number"),
        ("energy=nan", "has energy that is not finite"),
        ("energy=1 original_dataset_index=first", "original_dataset_index = first, which is not a whole number"),
    ],
)
def test_what_is_missing_or_no_number_is_told_by_its_structure(comment: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=said):
        list(structures_in(one_of(tmp_path / "a.xyz", comment), FAMILIES))


@pytest.mark.parametrize("name", ["nothing.xyz", "nothing.traj"])
def test_a_missing_file_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"can't be read \(No such file"):
        list(structures_in(tmp_path / name, FAMILIES))


def test_a_file_of_no_known_kind_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("no structure\n", encoding="utf-8")
    with pytest.raises(StructureError, match=r"can't be read|holds no structure"):
        list(structures_in(path, FAMILIES))


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("", encoding="utf-8")
    with pytest.raises(StructureError, match=r"a\.xyz: holds no structure"):
        list(structures_in(tmp_path / "a.xyz", FAMILIES))
