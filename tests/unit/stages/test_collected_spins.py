"""Spins of structures that are made, and free atoms whose spin can't be told."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from aims_pax.atoms import frame_of
from aims_pax.frame import Stage
from aims_pax.reference.charged import with_fitting_spin
from aims_pax.settings import Project, load_project
from aims_pax.settings.methods.engines import Cp2kSettings, EspressoSettings
from aims_pax.settings.methods.reference import AseCalculatorSettings, TbliteSettings
from aims_pax.stages.labelled.collect import Collect, frames_and_splits

from ...aims.standin import SPECIES

BOTH = (Stage.INITIAL, Stage.ACTIVE)
GAAS = frame_of(bulk("GaAs", "zincblende", a=5.65, cubic=True), system="gaas")
DEFECT = replace(GAAS, numbers=GAAS.numbers[1:], positions=GAAS.positions[1:])
"""Without one gallium, and so with an odd number of electrons."""


@pytest.mark.parametrize("settings", [TbliteSettings(), Cp2kSettings()])
def test_a_cell_with_an_odd_number_of_electrons_is_a_doublet(settings: Any) -> None:
    assert with_fitting_spin(DEFECT, settings).spin == 2
    assert with_fitting_spin(GAAS, settings) is GAAS


@pytest.mark.parametrize(
    "settings",
    [
        EspressoSettings(pseudo_dir=Path(), magnetic_moments={"Ga": 1.0}),
        AseCalculatorSettings(calculator="ase.calculators.emt:EMT", arguments={"nelect": 3}),
        TbliteSettings(multiplicity=2),
    ],
    ids=["found by the program", "unknown charge", "fits"],
)
def test_spins_that_are_found_or_fit_are_left_alone(settings: Any) -> None:
    assert with_fitting_spin(DEFECT, settings).spin is None


def test_a_structure_s_own_spin_stays() -> None:
    assert with_fitting_spin(replace(DEFECT, spin=4), TbliteSettings()).spin == 4


def by_aims(folder: Path, atoms: Atoms, augment: dict[str, Any]) -> Project:
    write(folder / "start.extxyz", atoms)
    shutil.copytree(SPECIES, folder / "species")
    control = "xc pbe\nk_grid 4 4 4\n" if atoms.pbc.any() else "xc pbe\n"
    (folder / "control.in").write_text(control, encoding="utf-8")
    settings = {
        "REFERENCE": {"type": "fhi-aims", "command": "aims.x", "species_dir": "species"},
        "STAGES": [
            {"collect": {"augment": augment}},
            {"converge": {}},
            {"learn": {"num_trajectories": 1, "max_train_set_size": 50}},
        ],
        "MD": {"stat_ensemble": "nvt", "temperature": 300},
        "MISC": {"path_to_geometry": "start.extxyz"},
    }
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    (folder / "mace.yaml").write_text("GENERAL: {name_exp: m}\nMISC: {device: cpu}\n", encoding="utf-8")
    return load_project(folder, stages=BOTH)


def test_free_atoms_are_left_out_where_one_input_says_the_spin_of_all(tmp_path: Path) -> None:
    project = by_aims(
        tmp_path, molecule("H2O"), {"inputs": True, "isolated": True, "distort": {"n": 10, "vacancies": 0}}
    )
    stage = Collect(project.settings.stages[0])
    found = frames_and_splits(project, stage._settings)
    assert [frame.md_step for _, frame, _ in found] == list(range(1, 12))
    assert {key for key, _, _ in found} == {"inputs", "distort"}
    assert list(stage.problems(project)) == []
    facts = "\n".join(stage.facts(project))
    assert "collect: 11 structures are made and labelled (inputs 1, distort 10)" in facts
    assert "free atoms are left out: the reference can't be told their spin by structure" in facts


def test_input_of_a_crystal_is_none_of_its_clusters_and_slabs(tmp_path: Path) -> None:
    silicon = bulk("Si", cubic=True)
    project = by_aims(tmp_path, silicon, {"inputs": True, "distort": 10, "slabs": [[1, 0, 0]]})
    (problem,) = Collect(project.settings.stages[0]).problems(project)
    assert "periodic in other directions" in problem.found
    assert "Leave out clusters, slabs and dimers" in problem.advice
