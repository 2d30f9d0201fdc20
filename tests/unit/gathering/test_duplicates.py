"""Structures that are there more than once."""

from pathlib import Path

import numpy as np

from .fake import CELL, Settings, atom, molecule, step, write
from .gathering import gathered, reasons, warned


def test_a_copy_of_an_output_adds_nothing(tmp_path: Path) -> None:
    steps = [step(0.05, seed=seed) for seed in range(4)]
    for folder in ("a", "b"):
        write(tmp_path / folder / "FAKEOUT", steps)
    found = gathered(tmp_path)
    assert found.n_structures == 4
    assert reasons(found) == [("b/FAKEOUT", number, "DUPLICATE") for number in (1, 2, 3, 4)]
    assert not warned(found)


def test_other_cells_shifts_and_rounding_make_no_other_structure(tmp_path: Path) -> None:
    known = step(0.05, seed=1)
    moved = np.array(known["positions"]) + np.array([0.3, -0.2, 0.1])
    moved[1] += np.array(CELL)[0] - np.array(CELL)[2]
    write(tmp_path / "a" / "FAKEOUT", [known])
    write(tmp_path / "b" / "FAKEOUT", [known | {"positions": np.round(moved, 5).tolist()}])
    assert reasons(gathered(tmp_path)) == [("b/FAKEOUT", 1, "DUPLICATE")]


def test_displacements_of_finite_differences_are_other_structures(tmp_path: Path) -> None:
    known = step()
    moved = np.array(known["positions"])
    moved[0, 0] += 1e-3
    write(tmp_path / "a" / "FAKEOUT", [known])
    write(tmp_path / "b" / "FAKEOUT", [known | {"positions": moved.tolist()}])
    assert gathered(tmp_path).n_structures == 2


def test_molecules_that_are_the_same_are_found(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "FAKEOUT", [molecule()])
    write(tmp_path / "c" / "FAKEOUT", [molecule(charge=1)])
    assert reasons(gathered(tmp_path)) == [("b/FAKEOUT", 1, "DUPLICATE")]


def test_another_energy_of_one_structure_is_warned_of(tmp_path: Path) -> None:
    for folder, energy in (("a", -20.0), ("b", -20.4)):
        write(tmp_path / folder / "FAKEOUT", [step(energy=energy)])
    found = gathered(tmp_path)
    assert reasons(found) == [("b/FAKEOUT", 1, "DUPLICATE")]
    assert "another energy of a structure" in warned(found)[0]
    assert "-0.4 eV beside a/FAKEOUT step 1" in found.text()


def test_one_structure_by_two_methods_is_kept_twice_where_mixing_is_insisted_on(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()])
    write(tmp_path / "b" / "FAKEOUT", [step(energy=-30.0)], settings=Settings(aspects={"functional": "PBE0"}))
    found = gathered(tmp_path, mixed=True)
    assert found.n_structures == 2
    assert not warned(found)


def test_free_atoms_keep_the_lowest_state(tmp_path: Path) -> None:
    for folder, energy in (("a", -430.0), ("b", -432.0), ("c", -432.0)):
        write(tmp_path / folder / "FAKEOUT", [atom(8, energy)])
    found = gathered(tmp_path)
    assert found.free_atoms_ev == {"O": -432.0}
    assert [one[2] for one in reasons(found)] == ["FREE_ATOM", "FREE_ATOM"]
    assert len(warned(found)) == 1


def test_many_copies_of_one_structure_leave_one(tmp_path: Path) -> None:
    write(tmp_path / "FAKEOUT", [step(0.05, seed=1)] * 50)
    assert gathered(tmp_path).n_structures == 1


def test_steps_of_one_run_that_have_hardly_moved_are_steps_all_the_same(tmp_path: Path) -> None:
    known = step(0.05, seed=1)
    write(tmp_path / "FAKEOUT", [known, known | {"energy": known["energy"] - 5e-6}, known])
    assert reasons(gathered(tmp_path)) == [("FAKEOUT", 3, "DUPLICATE")]


def test_of_two_methods_the_one_of_most_structures_tells_the_free_atom(tmp_path: Path) -> None:
    other = Settings(aspects={"functional": "LDA"})
    write(tmp_path / "a" / "FAKEOUT", [step(0.05, seed=seed) for seed in range(3)])
    write(tmp_path / "b" / "FAKEOUT", [atom(14, -100.0)])
    write(tmp_path / "c" / "FAKEOUT", [atom(14, -120.0)], settings=other)
    found = gathered(tmp_path, mixed=True)
    assert found.free_atoms_ev == {"Si": -100.0}
    assert not warned(found)
