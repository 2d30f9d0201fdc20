"""MISC.mol_idxs: which molecules are told apart, and what can't be."""

from collections.abc import Callable

import numpy as np
import pytest

from aims_pax.learner.molecules import MovingThresholdOfMolecules
from aims_pax.settings import Project
from aims_pax.stages.assembly import active_rules
from aims_pax.stages.loop.selecting import molecules

from .conftest import AL, IDG, MD, WATER, ProjectFolder

DIMER = """\
6

O 0 0 0
H 0 0.76 0.59
H 0 -0.76 0.59
O 0 0 4
H 0 0.76 4.59
H 0 -0.76 4.59
"""

SETTINGS = IDG + AL + MD


def with_molecules(written: str) -> str:
    return f"{SETTINGS}MISC:\n  mol_idxs: {written}\n"


def thresholds(project: Project) -> list[MovingThresholdOfMolecules]:
    rules = active_rules(project, project.settings.learning[0])
    return [one for one in rules.selectors if isinstance(one, MovingThresholdOfMolecules)]


@pytest.mark.parametrize("written", ["[[0, 1, 2], [3, 4, 5]]", "['0-2', '3-5']", "dimers.npz"])
def test_molecules_are_lists_of_atoms_ranges_or_a_file_of_v02(folder: ProjectFolder, written: str) -> None:
    np.savez(folder.path / "dimers.npz", [[0, 1, 2], [3, 4, 5]])
    project = folder.write(with_molecules(written), structure=DIMER).load()
    assert project.molecules_of(project.systems[0]) == ((0, 1, 2), (3, 4, 5))
    assert molecules(project, project.active) == dict.fromkeys((0, 1), ((0, 1, 2), (3, 4, 5)))
    (threshold,) = thresholds(project)
    assert threshold.name == "moving threshold of molecules"


def test_nothing_is_told_apart_unless_it_is_asked_for(folder: ProjectFolder) -> None:
    project = folder.write(with_molecules("null")).load()
    assert molecules(project, project.active) == {}
    assert thresholds(project) == []


def test_systems_have_molecules_of_their_own(folder: ProjectFolder) -> None:
    """By name or by index; thresholds are shared by those that have the same."""
    for name in ("a", "b"):
        folder.file(f"geometry/{name}.xyz", DIMER)
    settings = SETTINGS.replace("num_trajectories: 2", "num_trajectories: 3")
    text = f"{settings}MISC:\n  mol_idxs: {{a: ['0-2', '3-5'], 1: ['0-2', '3-5'], water: [[0, 1]]}}\n"
    project = folder.write(text).load()
    assert [len(project.molecules_of(one)) for one in project.systems] == [2, 2, 1]
    assert [(one.system, one.trajectories) for one in thresholds(project)] == [("a", {0, 1}), ("water", {2})]
    (folder.path / "aims_PAX.yaml").write_text(text.replace(", water: [[0, 1]]", ""))
    project = folder.load()
    assert [(one.system, one.trajectories) for one in thresholds(project)] == [(None, {0, 1})]
    assert sorted(molecules(project, project.active)) == [0, 1]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[]", "is an empty list"),
        ("{}", "is an empty mapping"),
        ("5", "MISC.mol_idxs is 5."),
        ("[0, 1, 2]", "has 0 among its molecules, which is no list of atoms"),
        ("[[0, 1], [1, 2]]", "atom 1 is in the molecules 0 and 1."),
        ("[[0, 0]]", "names atom 0 twice"),
        ("[[0, 7]]", "molecule 0 names atom 7, and water has 3 atoms."),
        ("[[0, 1, 2]]", "molecule 0 is all of water: no forces act on it from outside"),
        ("[[0, x]]", "has 'x' among its atoms"),
        ("{ice: [[0]]}", "MISC.mol_idxs.ice is none of the starting structures."),
        ("{water: [[0]], 0: [[1]]}", "MISC.mol_idxs.0 and MISC.mol_idxs.water are the same structure."),
        ("{water: [[0, 9]]}", "MISC.mol_idxs.water: molecule 0 names atom 9"),
        ("missing.npz", "can't be opened"),
        ("mace.yaml", "which is no .npz file"),
    ],
)
def test_molecules_that_can_not_be_told_apart_are_refused(
    refused: Callable[..., str], written: str, words: str
) -> None:
    said = refused(with_molecules(written), structure=WATER)
    assert words in said
    assert "aims_PAX.yaml, line " in said


def test_a_file_that_could_run_code_is_not_read(folder: ProjectFolder) -> None:
    """v0.2 unpickles it, which molecules of several sizes make necessary."""
    np.savez(folder.path / "ragged.npz", np.array([[0, 1], [2]], dtype=object))
    said = folder.write(with_molecules("ragged.npz")).complaint()
    assert "holds pickled objects" in said
    assert "must be written as a list" in said


CRYSTAL = 'Lattice="4 0 0 0 4 0 0 0 4" pbc="T T T"'


@pytest.mark.parametrize(
    ("stress", "structure", "words"),
    [
        ("false", WATER.replace("\n\n", f"\n{CRYSTAL}\n"), "GENERAL.compute_stress is false: no model has learned"),
        ("true", WATER, "water is a molecule, which has no stress"),
    ],
)
def test_a_deviation_of_stress_is_refused_where_there_is_none(
    refused: Callable[..., str], stress: str, structure: str, words: str
) -> None:
    settings = SETTINGS.replace("num_trajectories: 2", "num_trajectories: 2\n  uncertainty_type: stress_sd")
    said = refused(settings, f"GENERAL:\n  name_exp: water\n  compute_stress: {stress}\n", structure)
    assert "ACTIVE_LEARNING.uncertainty_type is stress_sd" in said
    assert words in said
    assert "max_atomic_sd | mean_atomic_sd" in said


def test_a_deviation_of_stress_is_accepted_for_crystals(folder: ProjectFolder) -> None:
    settings = SETTINGS.replace("num_trajectories: 2", "num_trajectories: 2\n  uncertainty_type: stress_sd")
    mace = "GENERAL:\n  name_exp: water\n  compute_stress: true\n"
    project = folder.write(settings, mace, WATER.replace("\n\n", f"\n{CRYSTAL}\n")).load()
    assert project.active.uncertainty_type == "stress_sd"


def test_eps_of_another_measure_is_refused(refused: Callable[..., str]) -> None:
    settings = SETTINGS.replace("num_trajectories: 2", "num_trajectories: 2\n  relative_force_eps: 0.5")
    assert (
        "relative_force_eps is of max_relative_sd and component_relative_sd, and uncertainty_type is max_atomic_sd"
        in refused(settings)
    )
