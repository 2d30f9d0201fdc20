"""Atoms that a structure file holds: read as they were meant, or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import fcc111
from ase.constraints import FixAtoms, FixBondLengths, FixCartesian, FixedPlane, FixScaled
from ase.io import write

from aims_pax.errors import SettingsError, StructureError
from aims_pax.settings.reading.arguments import project_to_label
from aims_pax.settings.systems import System, read_systems, systems_of

SLAB = fcc111("Al", (1, 1, 3), vacuum=8.0)

ALL, NONE = [True] * 3, [False] * 3

GEOMETRY_IN = """\
lattice_vector 4 0 0
lattice_vector 0 4 0
lattice_vector 0 0 20
atom 0 0 0 Mg
  constrain_relaxation .true.
atom 0 0 2.5 Mg
  constrain_relaxation x
  initial_moment 1
  constrain_relaxation Z # not y
atom 0 0 5 Mg
"""


def read_one(folder: Any, name: str, text: str) -> System:
    (system,) = read_systems(folder.path, folder.file(name, text))
    return system


def rows(system: System) -> Any:
    assert system.fixed is None or system.fixed.shape == system.frame.positions.shape
    return None if system.fixed is None else system.fixed.tolist()


def written(folder: Path, name: str, atoms: Atoms, *constraints: Any, **options: Any) -> System:
    constrained = atoms.copy()
    constrained.set_constraint(constraints)
    write(folder / name, constrained, **options)
    (system,) = read_systems(folder, folder / name)
    return system


def test_free_structure_has_no_mask(folder: Any) -> None:
    assert rows(read_one(folder, "a.xyz", "2\n\nH 0 0 0\nH 0 0 0.74\n")) is None


# -- FHI-aims -------------------------------------------------------------------------------------------------------


def test_atoms_held_by_geometry_in_are_held(folder: Any) -> None:
    system = read_one(folder, "geometry.in", GEOMETRY_IN)
    assert rows(system) == [ALL, [True, False, True], NONE]
    assert (system.moments, system.fixed_vectors) == ((0.0, 1.0, 0.0), "")


def test_what_ase_writes_for_fhi_aims_is_held(tmp_path: Path) -> None:
    system = written(tmp_path, "geometry.in", SLAB, FixAtoms([0]), FixCartesian([1], (False, True, False)))
    assert rows(system) == [ALL, [False, True, False], NONE]


def test_atom_held_twice_is_held(folder: Any) -> None:
    twice = GEOMETRY_IN.replace(".true.\n", ".true.\n constrain_relaxation .true.\n constrain_relaxation x\n")
    assert rows(read_one(folder, "geometry.in", twice)) == [ALL, [True, False, True], NONE]


def test_held_lattice_vectors_hold_no_atom(folder: Any) -> None:
    first = GEOMETRY_IN.replace("20\n", "20\n constrain_relaxation .true.\n")
    first = first.replace("0 4 0\n", "0 4 0\n constrain_relaxation x\n")
    system = read_one(folder, "geometry.in", first)
    assert (rows(system), system.fixed_vectors) == ([ALL, [True, False, True], NONE], "bc")
    atoms_first = "atom 0 0 0 Al\natom 0 0 2.5 Al\nlattice_vector 4 0 0\n constrain_relaxation .true.\n"
    system = read_one(folder, "geometry.in", f"{atoms_first}lattice_vector 0 4 0\nlattice_vector 0 0 9\n")
    assert (rows(system), system.fixed_vectors) == (None, "a")


def test_remark_with_a_form_feed_stays_a_remark(folder: Any) -> None:
    text = GEOMETRY_IN.replace("# not y", "# not y\x0c constrain_relaxation y \x0c atom 0 0 7 Mg")
    assert rows(read_one(folder, "geometry.in", text.replace("\n", "\r\n"))) == [ALL, [True, False, True], NONE]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("constrain_relaxation x", "constrain_relaxation w", "line 7: constrain_relaxation is followed by w"),
        ("constrain_relaxation x", "constrain_relaxation x y", "line 7: constrain_relaxation is followed by x y"),
        ("constrain_relaxation x", "constrain_relaxation # x", "line 7: constrain_relaxation is followed by nothing"),
        ("lattice_vector 4", "constrain_relaxation x\nlattice_vector 4", "line 1: constrain_relaxation stands before"),
        ("atom 0 0 5", "symmetry_n_params 1 1 0\natom 0 0 5", "line 10: symmetry_n_params is about a relaxation"),
    ],
)
def test_what_geometry_in_says_of_a_relaxation_and_is_not_kept_is_refused(
    folder: Any, old: str, new: str, message: str
) -> None:
    path = folder.file("geometry.in", GEOMETRY_IN.replace(old, new, 1))
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, path)


# -- extended XYZ ---------------------------------------------------------------------------------------------------


def test_move_mask_of_atoms_is_read(tmp_path: Path) -> None:
    system = written(tmp_path, "a.xyz", SLAB, FixAtoms([0, 2]))
    assert "move_mask:L:1" in (tmp_path / "a.xyz").read_text()
    assert rows(system) == [ALL, NONE, ALL]


def test_move_mask_of_components_is_read(tmp_path: Path) -> None:
    system = written(tmp_path, "a.extxyz", SLAB, FixAtoms([0]), FixCartesian([1], (False, False, True)))
    assert "move_mask:L:3" in (tmp_path / "a.extxyz").read_text()
    assert rows(system) == [ALL, [False, False, True], NONE]


MASKED = "3\nProperties=species:S:1:move_mask:{}:pos:R:3\nMg {} 0 0 0\nMg {} 0 0 3\nMg {} 0 0 6\n"


@pytest.mark.parametrize(
    ("kind", "moves", "stays"),
    [("L:1", "T", "F"), ("L:1", "true", "false"), ("L:1", "1", "0"), ("S:1", "T", "F"), ("I:1", "1", "0")],
)
def test_truth_is_truth_however_it_is_written(folder: Any, kind: str, moves: str, stays: str) -> None:
    # ASE holds the atoms of `true` and `1`, and lets those of `S:1` move.
    assert rows(read_one(folder, "a.xyz", MASKED.format(kind, stays, moves, stays))) == [ALL, NONE, ALL]
    every = [" ".join([stays] * 3), f"{moves} {stays} {moves}", " ".join([moves] * 3)]
    text = MASKED.format(kind.replace("1", "3"), *every).replace("move_mask", "Move_Mask")
    assert rows(read_one(folder, "b.xyz", text)) == [ALL, [False, True, False], NONE]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MASKED.format("L:1", "T", "no!", "T"), "line 4: move_mask is no!, and should be T for what moves, or F"),
        (MASKED.format("L:2", "T T", "T T", "F F"), "line 2: move_mask has 2 columns, and should have one or three"),
    ],
)
def test_move_mask_that_says_nothing_is_refused(folder: Any, text: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        read_systems(folder.path, folder.file("a.xyz", text))


# -- VASP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("vasp5", [True, False])
def test_selective_dynamics_of_a_poscar_are_read(tmp_path: Path, direct: bool, vasp5: bool) -> None:
    flags = FixScaled([1], (False, False, True))
    system = written(tmp_path, "POSCAR", SLAB, FixAtoms([0]), flags, direct=direct, vasp5=vasp5)
    assert "Selective dynamics" in (tmp_path / "POSCAR").read_text()
    assert rows(system) == [ALL, [False, False, True], NONE]


@pytest.mark.parametrize("word", ["F", "f", ".FALSE.", ".f.", "false"])
def test_flags_of_a_poscar_are_read_as_vasp_reads_them(tmp_path: Path, word: str) -> None:
    written(tmp_path, "POSCAR", SLAB, FixAtoms([0]), FixScaled([1], (False, False, True)))
    text = (tmp_path / "POSCAR").read_text()
    assert "   F" in text
    (tmp_path / "POSCAR").write_text(text.replace("   F", f" {word}").replace("   T", " .TRUE."))
    (system,) = read_systems(tmp_path, tmp_path / "POSCAR")
    assert rows(system) == [ALL, [False, False, True], NONE]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("   F   F   F", " F", "line 10: The file has selective"), ("   F   F   F", " 0 0 0", "here stands 0 0 0 after")],
)
def test_flags_that_are_not_three_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    # ASE takes one F for three, and all words but F for T.
    written(tmp_path, "POSCAR", SLAB, FixAtoms([0]))
    text = (tmp_path / "POSCAR").read_text()
    assert old in text
    (tmp_path / "POSCAR").write_text(text.replace(old, new, 1))
    with pytest.raises(StructureError, match=message):
        read_systems(tmp_path, tmp_path / "POSCAR")


def test_flags_along_a_skewed_vector_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=r"holds FixScaled of the atom 2 along directions that are not x, y or z"):
        written(tmp_path, "POSCAR", SLAB, FixScaled([1], (True, False, False)))


# -- other files, and ASE's atoms -----------------------------------------------------------------------------------


def test_input_of_quantum_espresso_is_read(tmp_path: Path) -> None:
    species = {"pseudopotentials": {"Al": "Al.upf"}, "kpts": (1, 1, 1)}
    system = written(tmp_path, "a.pwi", SLAB, FixAtoms([0]), FixCartesian([1], (True, False, False)), **species)
    assert rows(system) == [ALL, [True, False, False], NONE]


@pytest.mark.parametrize("name", ["a.traj", "a.json"])
def test_files_of_ase_keep_constraints(tmp_path: Path, name: str) -> None:
    assert rows(written(tmp_path, name, SLAB, FixAtoms([2]), FixedPlane([0], (0, 1, 0)))) == [
        [False, True, False],
        NONE,
        ALL,
    ]


def test_constraints_of_atoms_are_kept() -> None:
    slab = SLAB.copy()
    slab.set_constraint([FixAtoms([0]), FixScaled([1], (False, False, True))])
    (system,) = systems_of({"slab": slab})
    assert rows(system) == [ALL, [False, False, True], NONE]
    slab.set_constraint()
    assert np.array_equal(system.fixed, [ALL, [False, False, True], NONE])  # it was copied


def test_other_constraints_are_refused_with_what_is_kept() -> None:
    slab = SLAB.copy()
    slab.set_constraint([FixBondLengths([[0, 1]]), FixedPlane([2], (1, 1, 0))])
    with pytest.raises(
        StructureError, match=r"atoms, slab: The structure holds FixedPlane of the atom 3 along"
    ) as said:
        systems_of({"slab": slab})
    words = str(said.value)
    assert "the constraint FixBondLengths, which MD would not keep" in words
    assert "Allowed: fixed atoms, in all directions or along x, y or z" in words
    assert "held by restraints: MD.restraints" in words


# -- together with settings -----------------------------------------------------------------------------------------

NPT = """\
INITIAL_DATASET_GENERATION: {n_points_per_sampling_step_idg: 2, max_initial_set_size: 10}
ACTIVE_LEARNING: {num_trajectories: 1, max_train_set_size: 20}
MD:
  stat_ensemble: npt
MISC: {path_to_geometry: geometry.in}
"""


def test_barostat_and_fixed_atoms_are_refused(folder: Any) -> None:
    folder.write(NPT, structure=None)
    free = GEOMETRY_IN.replace("constrain_relaxation", "# constrain_relaxation")
    folder.file("geometry.in", GEOMETRY_IN)
    complaint = folder.complaint()
    assert "line 4: MD.stat_ensemble is npt, and geometry has fixed atoms, which a barostat would move" in complaint
    assert "Set nvt, or remove the constraints from geometry.in." in complaint
    folder.file("geometry.in", free.replace("20\n", "20\n constrain_relaxation .true.\n"))
    assert "line 4: MD.stat_ensemble is npt, and geometry.in holds lattice vectors: c." in folder.complaint()
    folder.file("geometry.in", free)
    assert folder.load().systems[0].fixed is None
    folder.file("aims_PAX.yaml", NPT.replace("npt", "nvt"))
    folder.file("geometry.in", GEOMETRY_IN.replace("20\n", "20\n constrain_relaxation .true.\n"))
    assert folder.load().systems[0].fixed is not None


def test_structure_that_can_not_move_is_refused(folder: Any) -> None:
    folder.write(structure=MASKED.format("L:1", "F", "F", "F"))
    with pytest.raises(SettingsError, match="All atoms of water are fixed in all directions: nothing would move"):
        folder.load()
    folder.write(structure=MASKED.format("L:3", "F F F", "F F F", "F F T"))
    assert folder.load().systems[0].fixed.sum() == 8


def test_structure_that_can_not_move_can_be_labelled() -> None:
    slab = SLAB.copy()
    slab.set_constraint(FixAtoms([0, 1, 2]))
    emt = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}
    assert project_to_label(slab, emt, call="label").systems[0].fixed.all()


def test_systems_can_still_be_compared_and_hashed() -> None:
    slab = SLAB.copy()
    slab.set_constraint(FixAtoms([0]))
    one, other = systems_of([slab, slab])
    assert one != other
    assert len({one, other}) == 2
