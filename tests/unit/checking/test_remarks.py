"""What is allowed and doubted, and what a project was understood to be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixCartesian
from ase.io import write

from aims_pax.checking.asked import Asked
from aims_pax.checking.remarks import doubts
from aims_pax.checking.understood import quantities, structures
from aims_pax.errors import Doubt
from aims_pax.frame import Frame, Stage
from aims_pax.settings import Project, load_project
from aims_pax.settings.reading.arguments import initial
from aims_pax.stages.assembly import seeds_of
from aims_pax.structures.composition import formula, is_crystal, reduced

SETTINGS: dict[str, dict[str, Any]] = {
    "INITIAL_DATASET_GENERATION": {"n_points_per_sampling_step_idg": 2, "max_initial_set_size": 20},
    "ACTIVE_LEARNING": {"num_trajectories": 4, "max_train_set_size": 100},
    "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 0.5},
    "REFERENCE": {"type": "tblite"},
}
BOTH = (Stage.INITIAL, Stage.ACTIVE)
MGO = bulk("MgO", "rocksalt", a=4.21, cubic=True)


def project(
    folder: Path,
    *,
    atoms: Atoms | None = None,
    changes: Mapping[str, Mapping[Any, Any] | None] | None = None,
    mace: Mapping[str, Mapping[str, Any]] | None = None,
    stages: tuple[Stage, ...] = BOTH,
) -> Project:
    settings: dict[str, Any] = {name: dict(section) for name, section in SETTINGS.items()}
    for name, keys in (changes or {}).items():
        settings[name] = {**settings.get(name, {}), **keys} if keys is not None else None
    settings = {name: section for name, section in settings.items() if section is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    models = {"GENERAL": {"name_exp": "m"}, "MISC": {"device": "cpu"}, **(mace or {})}
    (folder / "mace.yaml").write_text(yaml.safe_dump(models, sort_keys=False), encoding="utf-8")
    (folder / "geometry").mkdir(exist_ok=True)
    write(folder / "geometry" / "start.xyz", molecule("CH3OH") if atoms is None else atoms, format="extxyz")
    return load_project(folder, stages=stages)


def told(one: Project, n_initial_train: int | None = None, stages: tuple[Stage, ...] = BOTH) -> tuple[Doubt, ...]:
    return doubts(Asked(one, stages, n_initial_train))


def test_a_weight_with_which_no_stress_is_learned_is_doubted_where_cells_move(tmp_path: Path) -> None:
    for ensemble, weight, is_doubted in (("npt", 1.0, True), ("npt", 1e4, False), ("nvt", 1.0, False)):
        one = project(
            tmp_path / f"{ensemble}-{weight:g}",
            atoms=MGO * (2, 2, 2),
            changes={"MD": {"stat_ensemble": ensemble}, "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"}},
            mace={"GENERAL": {"name_exp": "m", "compute_stress": True}, "TRAINING": {"stress_weight": weight}},
        )
        found = [doubt for doubt in told(one) if "stress_weight" in doubt.found]
        assert bool(found) == is_doubted
        assert all(doubt.where.startswith("mace.yaml") for doubt in found)


@pytest.mark.parametrize(
    ("training", "doubted"),
    [
        ({"loss": "stress", "stress_weight": 1.0}, ["stress_weight"]),
        ({"loss": "huber", "stress_weight": 1.0}, []),
        ({"stress_weight": 1e5, "swa": True}, ["swa_stress_weight"]),
        ({"stress_weight": 1e5, "swa": True, "swa_stress_weight": 1e4}, []),
    ],
)
def test_any_loss_of_the_squared_stress_is_doubted_so(
    tmp_path: Path, training: dict[str, Any], doubted: list[str]
) -> None:
    one = project(
        tmp_path,
        atoms=MGO * (2, 2, 2),
        changes={"MD": {"stat_ensemble": "npt"}, "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"}},
        mace={"GENERAL": {"name_exp": "m", "compute_stress": True}, "TRAINING": training},
    )
    found = [doubt.found for doubt in told(one) if "stress_weight is" in doubt.found]
    assert [said.partition(" is ")[0] for said in found] == [f"TRAINING.{key}" for key in doubted]


@pytest.mark.parametrize(
    ("md", "stress", "words"),
    [
        ({"pressure": 1.0}, True, "The unit is Pa: 1 bar is 1e5, 1 GPa is 1e9."),
        ({"final_pressure": 5.0, "ramp_steps": 100}, True, "MD.final_pressure is 5 Pa."),
        ({"final_pressure": 5.0e9, "ramp_steps": 100}, True, ""),
        ({"tdamp": 0.05}, True, "MD.tdamp is 0.05 fs, 0.1 time steps."),
        ({"pdamp": 2.0}, True, "MD.pdamp is 2 fs, 4 time steps."),
        ({"pressure": 1.0e9}, False, "cells move by what energies tell of it"),
        ({"pressure": 1.0e9}, True, ""),
    ],
)
def test_barostats_are_doubted(tmp_path: Path, md: dict[str, float], stress: bool, words: str) -> None:
    reference = {"type": "tblite", "method": "GFN1-xTB"}
    one = project(
        tmp_path,
        atoms=MGO * (2, 2, 2),
        changes={"MD": {"stat_ensemble": "npt", **md}, "REFERENCE": reference},
        mace={"GENERAL": {"name_exp": "m", "compute_stress": stress}, "TRAINING": {"stress_weight": 1e5}},
    )
    assert len(told(one)) == bool(words)
    said = " ".join(f"{doubt.found} {doubt.advice}" for doubt in told(one))
    assert (words in said) if words else ("npt" not in said and "pressure" not in said)


def test_a_thermostat_as_fast_as_the_steps_is_doubted(tmp_path: Path) -> None:
    (doubt,) = told(project(tmp_path, changes={"MD": {"thermostat": "bussi", "tdamp": 0.1}}))
    assert doubt.found == "MD.tdamp is 0.1 fs, 0.2 time steps."


def test_a_thermostat_that_npt_does_not_use_is_told(tmp_path: Path) -> None:
    """Not refused: it stands in files of aims-PAX, whatever the ensemble."""
    md = {"stat_ensemble": "npt", "thermostat": "Langevin", "friction": 0.001}
    one = project(
        tmp_path,
        atoms=MGO * (2, 2, 2),
        changes={"MD": md, "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"}},
        mace={"GENERAL": {"name_exp": "m", "compute_stress": True}, "TRAINING": {"stress_weight": 1e5}},
    )
    (doubt,) = told(one)
    assert doubt.found == "MD.thermostat is langevin, and npt has the thermostat of its barostat mtk."
    assert "barostat mtk of 500 fs, its chain of 3 links of 50 fs" in dict(quantities(one, BOTH))["MD"]


def test_a_thermostat_that_one_of_two_systems_uses_is_meant(tmp_path: Path) -> None:
    write(tmp_path / "molecule.xyz", molecule("CH3OH"))
    write(tmp_path / "crystal.xyz", MGO * (2, 2, 2), format="extxyz")
    pressed = {"geometry": "crystal.xyz", "num_trajectories": 2, "MD": {"stat_ensemble": "npt"}}
    systems = {"molecule": {"geometry": "molecule.xyz", "num_trajectories": 2}, "crystal": pressed}
    changes = {
        "SYSTEMS": systems,
        "MD": {"thermostat": "langevin"},
        "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"},
        "ACTIVE_LEARNING": {"num_trajectories": 4},
    }
    models = {"GENERAL": {"name_exp": "m", "compute_stress": True}, "TRAINING": {"stress_weight": 1e5}}
    one = project(tmp_path, changes=changes, mace=models)
    assert told(one) == ()


def test_committee_of_the_first_stage_counts_and_that_is_said(tmp_path: Path) -> None:
    sizes = {"INITIAL_DATASET_GENERATION": {"ensemble_size": 2}, "ACTIVE_LEARNING": {"ensemble_size": 4}}
    uneven = project(tmp_path, changes=sizes)
    assert seeds_of(uneven) == (42, 43)
    (doubt,) = told(uneven)
    assert "line 8: ACTIVE_LEARNING.ensemble_size is 4, and the first stage has 2 models: the committee has 2." in str(
        doubt
    )


def test_number_of_the_committee_need_not_be_said_twice(tmp_path: Path) -> None:
    once = project(tmp_path, changes={"INITIAL_DATASET_GENERATION": {"ensemble_size": 3}})
    assert (len(seeds_of(once)), told(once)) == (3, ())


def test_usual_project_gets_no_doubts(tmp_path: Path) -> None:
    assert told(project(tmp_path), n_initial_train=20) == ()


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("MD", "timestep", 5, "0.1 to 1 fs for H"),
        ("MD", "timestep", 1.5, "0.1 to 1 fs for H"),
        ("MD", "timestep", 0.0005, "Was ps meant?"),
        ("MD", "temperature", 0.3, "1 to 5000 K"),
        ("MD", "temperature", 9000, "1 to 5000 K"),
        ("MD", "friction", 1.0, "1 /ps is 0.001 /fs"),
        ("MD", "friction", 1e-7, "a time of 10 ns"),
        ("ACTIVE_LEARNING", "c_x", 10, "-0.9 to 1"),
        ("ACTIVE_LEARNING", "skip_step_mlff", 100_000_000, "1 to 1000 MD steps"),
        ("ACTIVE_LEARNING", "desired_acc", 25, "0.001 to 1 eV/Å"),
        ("ACTIVE_LEARNING", "max_train_set_size", 3, "10 to 50 000 structures"),
        ("ACTIVE_LEARNING", "epochs_per_worker", 5000, "1 to 200 epochs"),
        ("INITIAL_DATASET_GENERATION", "skip_step_initial", 10**6, "1 to 5000 MD steps"),
        ("INITIAL_DATASET_GENERATION", "valid_ratio", 0.9, "0.02 to 0.5"),
        ("REFERENCE", "max_force_ev_per_ang", 0.5, "5 to 1000 eV/Å"),
    ],
)
def test_number_outside_what_anyone_uses_is_doubted_with_its_line(
    section: str, key: str, value: float, words: str, tmp_path: Path
) -> None:
    said = told(project(tmp_path, changes={section: {key: value}}))
    (doubt,) = [one for one in said if f"{section}.{key} is" in one.found]
    lines = (tmp_path / "aims_PAX.yaml").read_text(encoding="utf-8").splitlines()
    number = int(doubt.where.rpartition(" ")[2])
    assert lines[number - 1].strip().startswith(f"{key}:")
    assert words in str(doubt)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("TRAINING", "lr", 10.0), ("ARCHITECTURE", "r_max", 50.0), ("TRAINING", "forces_weight", 0.0)],
)
def test_models_are_doubted_in_their_own_file(section: str, key: str, value: float, tmp_path: Path) -> None:
    (doubt,) = told(project(tmp_path, mace={section: {key: value}}))
    assert doubt.where.startswith("mace.yaml, line")
    assert f"{section}.{key} is" in doubt.found


def test_heavier_atoms_may_take_longer_steps(tmp_path: Path) -> None:
    assert (
        told(
            project(
                tmp_path,
                atoms=bulk("Cu", cubic=True) * (2, 1, 1),
                changes={
                    "MD": {"timestep": 5.0},
                    "REFERENCE": {"type": "tblite", "method": "GFN1-xTB"},
                    "INITIAL_DATASET_GENERATION": {"initial_sampling": "aimd"},
                },
            )
        )
        == ()
    )


def test_mistake_of_many_trajectories_is_said_once(tmp_path: Path) -> None:
    each = {index: {**SETTINGS["MD"], "timestep": 5.0} for index in range(4)}
    one = project(tmp_path)
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump({**SETTINGS, "MD": each}), encoding="utf-8")
    (doubt,) = told(load_project(tmp_path))
    assert "MD.timestep is 5 fs" in doubt.found
    assert one.systems


def test_goal_below_the_initial_size_is_doubted(tmp_path: Path) -> None:
    (doubt,) = told(project(tmp_path, changes={"ACTIVE_LEARNING": {"max_train_set_size": 15}}), n_initial_train=20)
    assert "it asks for no label" in doubt.found


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"uncert_not_crossed_limit": 900}, "trajectories end before it"),
        ({"skip_step_mlff": 600}, "trajectories end before their first check"),
        ({"freeze_threshold_dataset": 200}, "active learning ends before it"),
    ],
)
def test_limits_that_are_never_reached_are_doubted(keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    (doubt,) = told(project(tmp_path, changes={"ACTIVE_LEARNING": {"max_MD_steps": 500, **keys}}))
    assert words in doubt.found


def test_default_beyond_a_limit_of_the_users_is_not_doubted(tmp_path: Path) -> None:
    assert told(project(tmp_path, changes={"ACTIVE_LEARNING": {"max_MD_steps": 500}})) == ()


def test_cell_that_is_not_used_is_doubted(tmp_path: Path) -> None:
    atoms = MGO.copy()
    atoms.pbc = False
    (doubt,) = told(project(tmp_path, atoms=atoms))
    assert doubt.where == "geometry/start.xyz"
    assert "has a cell, and is not periodic" in doubt.found


def test_crystal_under_gfn2_is_doubted_for_labels_and_for_the_driver(tmp_path: Path) -> None:
    said = told(project(tmp_path / "both", atoms=MGO))
    first, second = (one.found.partition(" the crystal")[0] for one in said)
    assert (first, second) == ("GFN2-xTB labels", "GFN2-xTB drives the initial MD of")
    gfn1 = {"REFERENCE": {"method": "GFN1-xTB"}, "INITIAL_DATASET_GENERATION": {"initial_sampling": "aimd"}}
    assert told(project(tmp_path / "gfn1", atoms=MGO, changes=gfn1)) == ()
    settings = {"use_foundational": True, "foundational_model_settings": {"model_type": "GFN2-xTB"}}
    (doubt,) = told(project(tmp_path / "active", atoms=MGO, changes={**gfn1, "ACTIVE_LEARNING": settings}))
    assert doubt.found.startswith("GFN2-xTB drives the MD of active learning of the crystal ")


def test_cells_that_another_model_moves_need_no_stress_that_is_learned(tmp_path: Path) -> None:
    changes = {"MD": {"stat_ensemble": "npt"}, "REFERENCE": {"method": "GFN1-xTB"}}
    changes["INITIAL_DATASET_GENERATION"] = {"foundational_model": "GFN1-xTB"}
    (doubt,) = told(project(tmp_path / "committee", atoms=MGO, changes=changes))
    assert "the models learn no stress" in doubt.found
    settings = {"use_foundational": True, "foundational_model_settings": {"model_type": "GFN1-xTB"}}
    assert told(project(tmp_path / "driven", atoms=MGO, changes={**changes, "ACTIVE_LEARNING": settings})) == ()


def test_dataset_of_another_system_is_doubted(tmp_path: Path) -> None:
    copper = bulk("Cu", cubic=True)
    copper.calc = EMT()
    alone = Atoms("CHO", positions=[[0, 0, 0], [1.1, 0, 0], [0, 1.2, 0]])
    for name, atoms in (("train", alone), ("valid", alone)):
        given = atoms.copy()
        given.info["REF_energy"] = -1.0
        given.arrays["REF_forces"] = given.positions * 0
        write(tmp_path / f"{name}.xyz", given, format="extxyz")
    files = {f"initial_{name}_dataset": f"{name}.xyz" for name in ("train", "valid")}
    one = project(
        tmp_path, changes={"INITIAL_DATASET_GENERATION": None, "ACTIVE_LEARNING": files}, stages=(Stage.ACTIVE,)
    )
    (doubt,) = (doubt for doubt in told(one, stages=(Stage.ACTIVE,)) if "composition" in doubt.found)
    assert "has the composition of start" in doubt.found


def test_single_precision_is_doubted_where_atoms_are_heavy_and_all_electrons_count(tmp_path: Path) -> None:
    given = {"GENERAL": {"name_exp": "m", "default_dtype": "float32"}}
    energies = {"ARCHITECTURE": {"atomic_energies": {1: -13.6, 6: -1000.0, 8: -53_000.0}}}
    assert told(project(tmp_path / "light", mace=given)) == ()
    (doubt,) = told(project(tmp_path / "heavy", mace={**given, **energies}))
    assert "rounded to 3 meV per atom" in doubt.found


@pytest.mark.parametrize(
    ("atoms", "is_one"),
    [
        (MGO, True),
        (bulk("Si"), True),
        (bulk("NaCl", "rocksalt", a=5.64), True),
        (bulk("Cu"), True),
        (molecule("H2O"), False),
        (Atoms(molecule("H2O"), cell=[3.1] * 3, pbc=True) * (2, 2, 2), False),
        (bulk("Ar", a=5.3, cubic=True), False),
    ],
)
def test_crystals_are_told_from_liquids(atoms: Atoms, is_one: bool) -> None:
    frame = Frame("a", 0, 0, 0, atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    assert is_crystal(frame) == is_one


def test_repeated_cells_have_one_composition() -> None:
    def frame(atoms: Atoms) -> Frame:
        return Frame("a", 0, 0, 0, atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)

    assert (
        reduced(frame(MGO))
        == reduced(frame(MGO * 2))
        != reduced(frame(bulk("MgO", "cesiumchloride", a=3.0) + Atoms("O")))
    )
    assert formula(frame(MGO)) == "Mg4O4"


def test_structures_are_described_with_cell_charge_and_electrons(tmp_path: Path) -> None:
    reference = {"REFERENCE": {"charge": 1, "multiplicity": 2}}
    (line,) = structures(project(tmp_path / "ion", changes=reference))
    assert line == "start (6 atoms)  CH4O  no pbc  charge +1, doublet, 17 e-"
    (line,) = structures(project(tmp_path / "crystal", atoms=bulk("Si"), changes={"REFERENCE": {"method": "GFN1-xTB"}}))
    assert line == "start (2 atoms)  Si2  3.84 x 3.84 x 3.84 Å, 60 60 60°, pbc abc  charge 0, singlet, 28 e-"
    unknown = {"REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}}
    assert next(structures(project(tmp_path / "other", changes=unknown))).endswith("18 e- if neutral")


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ([FixAtoms([1])], "1 of 8 atoms is held, as start.xyz says (Mg1)"),
        (
            [
                FixAtoms([0, 1, 4, 5, 6]),
                FixCartesian([3, 7], (False, True, False)),
                FixCartesian([2], (True, True, False)),
            ],
            "8 of 8 atoms are held, as start.xyz says (Mg0 and Mg1, O4 to O6; along x and y: Mg2; along y: Mg3, O7)",
        ),
    ],
)
def test_fixed_atoms_are_said_with_their_file(tmp_path: Path, constraints: list[Any], words: str) -> None:
    atoms = Atoms(sorted(MGO.symbols), MGO.positions[np.argsort(MGO.numbers)[::-1]], cell=MGO.cell, pbc=True)
    atoms.set_constraint(constraints)
    _, line = structures(project(tmp_path, atoms=atoms, changes={"REFERENCE": {"method": "GFN1-xTB"}}))
    assert line == f"  {words}"


def test_many_fixed_atoms_are_said_shortly(tmp_path: Path) -> None:
    atoms = MGO * (2, 2, 2)
    atoms.set_constraint(FixAtoms(range(0, 64, 2)))
    _, line = structures(project(tmp_path, atoms=atoms, changes={"REFERENCE": {"method": "GFN1-xTB"}}))
    assert line == "  32 of 64 atoms are held, as start.xyz says (Mg0, Mg2, Mg4, Mg6 and 28 more)"


def test_fixed_atoms_without_a_file_are_those_of_their_constraints() -> None:
    water = molecule("H2O", constraint=FixAtoms([0]))
    _, line = structures(Project.of(water, stages=[initial(n_points_per_sampling_step_idg=2, max_initial_set_size=10)]))
    assert line == "  1 of 3 atoms is held, as its constraints say (O0)"


def test_quantities_have_units(tmp_path: Path) -> None:
    goal = {"max_MD_steps": 20_000, "desired_acc": 0.02}
    said = dict(quantities(project(tmp_path, changes={"ACTIVE_LEARNING": goal}), BOTH))
    assert said["MD"] == "NVT at 300 K, steps of 0.5 fs, friction 0.001 /fs (1 ps)"
    assert said["active learning"] == "4 trajectories, checked every 25 steps (12.5 fs)"
    assert "after 50 000 steps (25 ps)" in said["  labels"]
    assert "cutoff 5 Å" in said["models"]


def test_masked_forces_of_a_pool_are_doubted(tmp_path: Path) -> None:
    images = []
    for seed in range(240):
        image = MGO.copy()
        image.rattle(0.05, seed=seed)
        image.set_constraint(FixAtoms([0, 1]))
        forces = np.random.default_rng(seed).normal(size=(8, 3))
        image.info["REF_energy"], image.arrays["REF_forces"] = -40.0 + seed / 100, forces
        forces[:2] *= seed % 4 > 0
        images.append(image)
    write(tmp_path / "pool.extxyz", images)
    filtering = {"hdf5_paths": ["pool.extxyz"], "max_train_set_size": 30, "first_set_size": 4, "ensemble_size": 2}
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump({"DATA_FILTERING": filtering}), encoding="utf-8")
    (tmp_path / "mace.yaml").write_text("GENERAL: {name_exp: m}\nMISC: {device: cpu}\n", encoding="utf-8")
    one = load_project(tmp_path)
    (doubt,) = [doubt for doubt in told(one, stages=one.stages) if "zero" in doubt.found]
    assert str(doubt).startswith("pool.extxyz, structures spread over it: Forces of 60 of 120 structures are exactly")


def test_how_structures_are_judged_is_told_with_its_unit(tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any]] = {
        "ACTIVE_LEARNING": {"uncertainty_type": "energy_sd", "skip_alike": 0.3, "withdraw_sure": True},
        "MISC": {"mol_idxs": [[0, 1]]},
        "CLUSTER": {"type": "local"},
    }
    said = dict(quantities(project(tmp_path, changes=changes), BOTH))
    assert "where energy_sd (eV/atom) is above" in said["  labels"]
    assert said["  molecules"].startswith("1 of ")
    assert said["  passes over"].startswith("what is within 0.3 of a structure")
    assert "no worker has begun" in said["  withdraws"]
    relative = {"ACTIVE_LEARNING": {"uncertainty_type": "max_relative_sd", "relative_force_eps": 0.5}}
    said = dict(quantities(project(tmp_path / "relative", changes=relative), BOTH))
    assert "max_relative_sd (σ / (|F| + 0.5 eV/Å)) is above" in said["  labels"]
    assert not {"  molecules", "  passes over", "  withdraws"} & set(said)


def test_a_bias_is_said_where_it_acts(tmp_path: Path) -> None:
    said = dict(quantities(project(tmp_path, changes={"MD": {"uncertainty_bias": 2}}), BOTH))
    assert said["MD"].endswith("in active learning on E - 2 × deviation of the members' energies")


@pytest.mark.parametrize(
    ("training", "stress", "words"),
    [
        ({"loss": "ef"}, True, ["ef is none of stress: it is labelled, and not learned", "margin is 0.002"]),
        ({"loss": "forces_only"}, True, ["forces_only is none of stress"]),
        ({"loss": "stress"}, True, []),
        ({"loss": "weighted", "huber_delta": 0.1}, False, ["TRAINING.huber_delta is 0.1, and the loss weighted"]),
        ({"loss": "forces_only", "energy_weight": 1}, False, []),
        ({"loss": "forces_only", "energy_weight": 7}, False, ["TRAINING.energy_weight is 7, and the loss forces_only"]),
        ({"loss": "huber"}, False, []),
        ({"loss": "universal", "forces_weight": 10}, False, ["are a loss of 0.0045 by TRAINING.loss: universal"]),
        ({"forces_weight": 1}, False, ["are a loss of 0.0025 by TRAINING.loss: weighted"]),
        ({"loss": "l1l2energyforces"}, False, []),
        ({"start_swa": 10}, False, ["TRAINING.start_swa is 10, and swa is false"]),
        ({"swa": True, "start_swa": 10, "swa_lr": 0.002}, False, []),
        ({"swa": True, "swa_virials_weight": 3}, False, ["TRAINING.swa_virials_weight is 3, and stage two of"]),
        ({"swa": True, "swa_virials_weight": 3, "loss": "virials"}, True, []),
    ],
)
def test_losses_that_do_not_read_what_is_said_are_doubted(
    tmp_path: Path, training: dict[str, Any], stress: bool, words: list[str]
) -> None:
    mace = {"GENERAL": {"name_exp": "m", "compute_stress": stress}, "TRAINING": training}
    one = project(tmp_path, atoms=MGO * (2, 2, 2) if stress else None, mace=mace)
    found = [doubt.found for doubt in told(one) if "TRAINING" in doubt.found or "GENERAL" in doubt.found]
    assert all(any(word in said for said in found) for word in words), found
    assert bool(words) == bool(found)


def test_kernels_for_gpus_on_a_cpu_are_doubted(tmp_path: Path) -> None:
    (doubt,) = told(project(tmp_path, mace={"MISC": {"device": "cpu", "enable_cueq_train": True}}))
    assert "MISC.enable_cueq_train is true, and the models run on a CPU" in doubt.found


@pytest.mark.parametrize(
    ("more", "is_doubted"), [({}, True), ({"lr": 1e-3}, False), ({"finetuning_choice": "lora"}, False)]
)
def test_a_learning_rate_for_random_weights_is_doubted_in_fine_tuning(
    tmp_path: Path, more: dict[str, Any], is_doubted: bool
) -> None:
    training = {"perform_finetuning": True, "pretrained_model": "known.model", **more}
    found = [doubt for doubt in told(project(tmp_path, mace={"TRAINING": training})) if "TRAINING.lr" in doubt.found]
    assert bool(found) == is_doubted


@pytest.mark.parametrize(("first", "is_doubted"), [("collect", True), ("initial", False)])
def test_models_beside_a_dataset_that_is_made_are_doubted(tmp_path: Path, first: str, is_doubted: bool) -> None:
    whole = project(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.model").touch()
    if first == "collect":
        stages = [{"collect": {"augment": {"distort": 20}}}, "converge"]
        settings = {name: SETTINGS[name] for name in ("MD", "REFERENCE")} | {"STAGES": stages}
        (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        whole = load_project(tmp_path, stages=BOTH)
    found = [
        doubt for doubt in told(whole) if "has mine.model, and STAGES.0.collect begins without models" in doubt.found
    ]
    assert bool(found) == is_doubted


def test_loss_and_stage_two_are_told(tmp_path: Path) -> None:
    training = {"loss": "huber", "swa": True, "start_swa": 100, "swa_energy_weight": 50}
    said = dict(quantities(project(tmp_path, mace={"TRAINING": training}), BOTH))
    assert said["  loss"] == "huber, energy 1, forces 1000"
    assert said["  stage two"] == (
        "in the final convergence, after 100 epochs at the latest, for 400; huber, energy 50, forces 100; "
        "learning rate 0.001"
    )
    assert "  loss" not in dict(quantities(project(tmp_path / "plain"), BOTH))
