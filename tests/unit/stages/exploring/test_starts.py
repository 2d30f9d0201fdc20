"""Where the MD of exploration begins, and how it moves there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule
from ase.io import write

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.settings import Project, load_project
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.stages.exploring.brought import brought_frames, brought_problems
from aims_pax.stages.exploring.explore import Explore
from aims_pax.stages.exploring.starts import drawn, driving_member, eligible, pool_of, system_of, trajectories_of

from ....integration.projects import COPPER, write_project

KBAR_PA = 1e8


def project_of(folder: Path, atoms: Any, md: dict[str, Any] | None = None) -> Project:
    write(folder / "start.extxyz", atoms)
    settings = {**COPPER, "MISC": {**COPPER["MISC"], "path_to_geometry": "start.extxyz"}}
    settings["MD"] = {"stat_ensemble": "nvt", "temperature": 300, "timestep": 1.0} if md is None else md
    write_project(folder, settings)
    return load_project(folder)


def crystal(number: int = 0) -> Frame:
    atoms = bulk("Cu", cubic=True)
    atoms.positions += 0.01 * number
    return frame_of(atoms, system="copper", trajectory=-1, md_step=number)


def labelled(frame: Frame, split: Split, stage: str = "collect") -> LabelledFrame:
    label = Label(0.0, np.zeros_like(frame.positions), None, "", 0.0)
    return LabelledFrame(frame.md_step, frame, label, split, stage=stage)


def test_each_start_has_all_temperatures_and_pressures(tmp_path: Path) -> None:
    project = project_of(tmp_path, bulk("Cu", cubic=True))
    settings = ExploreSettings(temperature=(100.0, 500.0), pressure=(0.0, 5 * KBAR_PA, -5 * KBAR_PA))
    found = trajectories_of(project, settings, [crystal(0), crystal(1)])
    assert len(found) == 12
    assert {(one.md.temperature, one.md.pressure) for one in found} == {
        (t, p) for t in (100.0, 500.0) for p in (0.0, 5 * KBAR_PA, -5 * KBAR_PA)
    }
    assert {one.md.stat_ensemble for one in found} == {"npt"}
    assert len({one.condition for one in found}) == 6


def test_a_barostat_acts_along_periodic_directions_and_a_molecule_has_none(tmp_path: Path) -> None:
    sheet = graphene(vacuum=8.0)
    project = project_of(tmp_path, sheet)
    settings = ExploreSettings(pressure=(0.0, KBAR_PA))
    slab = frame_of(sheet, system="start", trajectory=-1, md_step=1)
    (first, second) = trajectories_of(project, settings, [slab])
    assert first.md.pressure_directions == second.md.pressure_directions == ("a", "b")
    water = frame_of(molecule("CH4"), system="start", trajectory=-1, md_step=2)
    (only,) = trajectories_of(project, settings, [water])
    assert (only.md.stat_ensemble, only.condition) == ("nvt", "explored_300K")


@pytest.mark.parametrize(("ensemble", "expected"), [("nvt", "nvt"), ("npt", "npt"), ("nve", "nvt")])
def test_without_a_pressure_cells_move_where_md_says_so(ensemble: str, expected: str, tmp_path: Path) -> None:
    md = {"stat_ensemble": ensemble, "temperature": 250, "timestep": 1.0}
    project = project_of(tmp_path, bulk("Cu", cubic=True), md)
    (only,) = trajectories_of(project, ExploreSettings(), [crystal()])
    assert (only.md.stat_ensemble, only.md.temperature) == (expected, 250)
    assert only.segment.dynamics.wants_stress is (expected == "npt")


def test_nothing_begins_at_what_tests_validates_or_was_explored(tmp_path: Path) -> None:
    project = project_of(tmp_path, bulk("Cu", cubic=True))
    points = [
        labelled(crystal(1), Split.TRAINING),
        labelled(crystal(2), Split.VALIDATION),
        labelled(crystal(3), Split.TEST),
        labelled(crystal(4), Split.TRAINING, stage="explore"),
    ]
    assert [one.md_step for one in pool_of(project, points, stage="explore")] == [1]
    assert [one.system for one in pool_of(project, points[1:], stage="explore")] == ["start"]


def test_starts_have_two_atoms_and_are_distinct() -> None:
    lone = frame_of(molecule("H"), system="h", trajectory=-1, md_step=9)
    again = replace(crystal(1), md_step=7)
    assert [one.md_step for one in eligible([crystal(1), lone, again, crystal(2)])] == [1, 2]


def test_rounds_draw_by_seed_and_number_and_take_no_structure_twice() -> None:
    pool = [crystal(number) for number in range(30)]
    settings = ExploreSettings(num_random_structures=10)

    def steps(number: int, seed: int = 42) -> list[int]:
        return [one.md_step for one in drawn(pool, settings.model_copy(update={"seed": seed}), number=number)]

    assert steps(1) == steps(1) == sorted(set(steps(1)))
    assert len(steps(1)) == 10
    assert steps(1) != steps(2)
    assert steps(1) != steps(1, seed=7)
    assert len(drawn(pool[:4], settings, number=1)) == 4
    assert {driving_member(settings, number=number, n_members=3) for number in range(40)} == {0, 1, 2}


def test_a_structure_belongs_to_the_system_of_its_name_or_its_atoms(tmp_path: Path) -> None:
    write(tmp_path / "cu.extxyz", bulk("Cu", cubic=True))
    write(tmp_path / "nacl.extxyz", bulk("NaCl", "rocksalt", a=5.64))
    files = {"cu": "cu.extxyz", "salt": "nacl.extxyz"}
    systems = {name: {"geometry": file, "num_trajectories": 1} for name, file in files.items()}
    write_project(tmp_path, {**COPPER, "SYSTEMS": systems})
    project = load_project(tmp_path)
    salt = frame_of(bulk("NaCl", "rocksalt", a=6.0), system="elsewhere", trajectory=-1, md_step=1)
    assert system_of(project, salt).name == "salt"
    assert system_of(project, replace(crystal(), system="cu")).name == "cu"
    supercell = frame_of(bulk("NaCl", "rocksalt", a=5.6).repeat(2), system="elsewhere", trajectory=-1, md_step=1)
    assert system_of(project, supercell).name == "salt"


def test_frames_that_are_brought_along_keep_their_charge_and_spin(tmp_path: Path) -> None:
    project, atoms = project_of(tmp_path, molecule("H2O")), molecule("H2O")
    atoms.info |= {"charge": 1, "multiplicity": 2}
    write(tmp_path / "seen.extxyz", [molecule("H2O"), atoms])
    plain, ion = brought_frames(project, [tmp_path / "seen.extxyz"])
    assert (plain.charge, plain.spin) == (None, None)
    assert (ion.charge, ion.spin, ion.system) == (1, 2, "start")


def test_files_that_md_begins_at_are_looked_at_beforehand(tmp_path: Path) -> None:
    project = project_of(tmp_path, bulk("Cu", cubic=True))
    write(tmp_path / "mine.extxyz", [bulk("NaCl", "rocksalt", a=5.6), molecule("CH4")])
    (found,) = brought_problems(project, [tmp_path / "mine.extxyz"], "here", noun="structures")
    assert found.found == "The structures hold elements (Z = 1, 6, 11, 17) that no starting structure has."
    with pytest.raises(ValueError, match="start_structures is about MD, and the only round judges frames"):
        ExploreSettings(frames=(tmp_path / "mine.extxyz",), start_structures=(tmp_path / "mine.extxyz",), max_loops=1)


@pytest.mark.parametrize(
    ("dispersion", "is_slow"), [({"method": "d4"}, True), ({"method": "d4", "cutoff": 8}, False), ({}, False)]
)
def test_dispersion_that_takes_far_longer_than_models_is_doubted(
    dispersion: dict[str, Any], is_slow: bool, tmp_path: Path
) -> None:
    write(tmp_path / "start.extxyz", bulk("Cu", cubic=True))
    entry = {"ensemble_size": 2, "train": False, "dispersion": {"xc": "pbe", **dispersion}}
    settings = {key: COPPER[key] for key in ("REFERENCE", "MD")}
    write_project(tmp_path, settings | {"STAGES": [{"explore": entry}], "MISC": {"path_to_geometry": "start.extxyz"}})
    project = load_project(tmp_path)
    (plan,) = project.settings.stages
    told = [one for one in Explore(plan).remarks(project) if "of a round, on one core" in one.found]
    assert bool(told) is is_slow
