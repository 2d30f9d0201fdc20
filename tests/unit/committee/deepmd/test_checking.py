"""What `aims-pax check` says of a committee of DeePMD-kit's models."""

from pathlib import Path

from ase.build import molecule

from aims_pax.checking.families import family_facts, family_problems
from aims_pax.settings import Project

from .environments import scripted

INPUT = {
    "model": {"type_map": ["H", "O"], "descriptor": {"type": "se_e2_a", "sel": [9, 9], "rcut": 4.5}},
    "learning_rate": {"start_lr": 0.002, "stop_lr": 1e-5},
    "training": {"numb_steps": 4000},
}


def project(environment: Path, **keys: object) -> Project:
    architecture = {"model_choice": "deepmd", "deepmd_environment": str(environment), "deepmd_input": INPUT, **keys}
    return Project.of(
        molecule("H2O"),
        stages=[{"initial": {"n_points_per_sampling_step_idg": 1, "max_initial_set_size": 4, "ensemble_size": 3}}],
        mace={"GENERAL": {"name_exp": "w"}, "ARCHITECTURE": architecture, "MISC": {"device": "cpu"}},
    )


def test_a_committee_is_told_with_how_it_learns_and_its_licence(tmp_path: Path) -> None:
    facts = list(family_facts(project(tmp_path)))
    assert "3 models of DeePMD-kit (se_e2_a), cutoff 4.5 Å, on the CPU" in facts[0]
    assert "200 steps an epoch from its weights, at a learning rate of 0.002" in facts[0]
    assert "LGPL" in facts[-1]
    assert "4000 steps from random weights" in next(family_facts(project(tmp_path, deepmd_epoch_steps=None)))


def test_a_missing_environment_is_told_where_it_is_named(tmp_path: Path) -> None:
    [problem] = family_problems(project(tmp_path / "none"))
    assert f"deepmd_environment is {tmp_path / 'none'}, and there is no {tmp_path / 'none/bin/python'}" in problem.found
    assert "pip install 'deepmd-kit[torch]'" in problem.advice
    sound = scripted(tmp_path / "env")
    assert not list(family_problems(project(sound.folder)))
