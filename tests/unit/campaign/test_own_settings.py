"""A run whose systems are given other settings of their own."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.campaign.fingerprint import STRUCTURES, _described, changed_settings, note_of
from aims_pax.settings import Project, load_project

from ..settings.test_own import BASE, written


def project(folder: Path, **changes: Any) -> Project:
    """The project of two systems, the ion's entry changed."""
    folder.mkdir()
    settings = copy.deepcopy(BASE)
    settings["SYSTEMS"]["ammonium"] |= changes
    return load_project(written(folder, settings))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_trajectories": 3}, "SYSTEMS.ammonium.num_trajectories is 3"),
        ({"threshold": "shared"}, "SYSTEMS.ammonium.threshold is shared"),
        ({"REFERENCE": {"max_iterations": 50}}, "SYSTEMS.ammonium.REFERENCE.max_iterations is 50"),
        ({"MD": {"timestep": 0.5}}, "MD.timestep is 0.5"),
    ],
)
def test_what_makes_another_run_is_told(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    before = json.dumps(_described(project(tmp_path / "before")))
    problems = changed_settings(before, project(tmp_path / "after", **changes))
    assert any(problem.found.startswith(said) for problem in problems), problems


@pytest.mark.parametrize("changes", [{"priority": 5}, {"max_labels": 9}, {"resources": {"ranks": 2}}])
def test_what_may_change_may(changes: dict[str, Any], tmp_path: Path) -> None:
    before = json.dumps(_described(project(tmp_path / "before")))
    assert changed_settings(before, project(tmp_path / "after", **changes)) == []


def test_what_an_older_run_does_not_know_was_as_by_default(tmp_path: Path) -> None:
    stored = _described(project(tmp_path / "before"))
    older = json.dumps({key: value for key, value in stored.items() if not key.endswith((".hold", ".tdamp"))})
    assert changed_settings(older, project(tmp_path / "same")) == []
    problems = changed_settings(older, project(tmp_path / "held", MD={"hold": {"atoms": 0}}))
    assert any("MD.hold is [{" in one.found for one in problems), problems


def test_a_run_that_was_begun_before_there_were_protocols_takes_none(tmp_path: Path) -> None:
    before = project(tmp_path / "before", REFERENCE={"type": "castep"})
    stored = json.loads(json.dumps(_described(before)))
    older = json.dumps({key: value for key, value in stored.items() if not key.endswith("REFERENCE.protocol")})
    assert changed_settings(older, before) == []
    problems = changed_settings(older, project(tmp_path / "after", REFERENCE={"type": "castep", "protocol": "fast"}))
    assert any("SYSTEMS.ammonium.REFERENCE.protocol is fast" in one.found for one in problems), problems


def with_potentials(folder: Path, potentials: str) -> Project:
    """The project, with pseudopotentials in a folder that may be within its own."""
    found = project(folder, REFERENCE={"type": "castep"})
    plan = found.settings.systems["ammonium"]
    reference = plan.reference.model_copy(update={"pseudo_dir": found.folder / potentials})
    systems = {**found.settings.systems, "ammonium": replace(plan, reference=reference)}
    return replace(found, settings=replace(found.settings, systems=systems))


@pytest.mark.parametrize("potentials", ["mine", "", "/elsewhere"])
def test_files_of_a_project_that_was_moved_are_the_same_files(potentials: str, tmp_path: Path) -> None:
    before = note_of(with_potentials(tmp_path / "before", potentials))
    assert changed_settings(before, with_potentials(tmp_path / "after", potentials)) == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_other_files_are_told_by_where_they_are_in_the_project(place: str, tmp_path: Path) -> None:
    """As its settings name them, also where it was moved: the earlier folder may be gone."""
    before = note_of(with_potentials(tmp_path / "before", "mine"))
    (tmp_path / "before").rename(tmp_path / "earlier")
    (problem,) = changed_settings(before, with_potentials(tmp_path / place, "others"))
    assert "REFERENCE.pseudo_dir is others, and the run in" in problem.found
    assert problem.found.endswith("was started with mine.")
    (problem,) = changed_settings(before, with_potentials(tmp_path / "outside", "/elsewhere"))
    assert "REFERENCE.pseudo_dir is /elsewhere, and the run in" in problem.found


def test_a_run_without_systems_does_not_go_on_with_some(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = {key: value for key, value in BASE.items() if key != "SYSTEMS"}
    plain |= {
        "MISC": {"path_to_geometry": "water.xyz"},
        "ACTIVE_LEARNING": {"max_train_set_size": 9, "num_trajectories": 5},
    }
    stored = json.loads(json.dumps(_described(load_project(written(tmp_path / "plain", plain)))))
    after = project(tmp_path / "after")
    assert any("SYSTEMS is" in one.found for one in changed_settings(json.dumps(stored), after))
    del stored["SYSTEMS"]  # as a run of an older program has it
    assert any("SYSTEMS is" in one.found for one in changed_settings(json.dumps(stored), after))


def test_other_fixed_atoms_are_another_structure(tmp_path: Path) -> None:
    free = project(tmp_path / "free")
    water, *others = free.systems
    mask = np.zeros((3, 3), dtype=np.bool_)
    mask[0] = True
    held = replace(free, systems=(replace(water, fixed=mask), *others))
    partly = replace(free, systems=(replace(water, fixed=mask & [True, False, False]), *others))
    notes = [json.dumps(_described(one)) for one in (free, held, partly)]
    digests = [json.loads(note)[STRUCTURES][0][1] for note in notes]
    assert len(set(digests)) == 3
    assert digests[0] == "e8a36bf9e9fc", "older programs, which held no atoms, have noted it so"
    assert changed_settings(notes[1], held) == []
    for note in notes[1:]:
        assert any("The starting structures are not those" in problem.found for problem in changed_settings(note, free))


def test_a_note_of_an_older_program_means_its_settings_of_training_as_they_were(tmp_path: Path) -> None:
    """It did not know these keys, so the run has them at their defaults."""
    plain = project(tmp_path / "plain")
    stored = json.loads(json.dumps(_described(plain)))
    for key in ("loss", "config_type_weights"):
        del stored[f"mace.yaml: TRAINING.{key}"]
    assert changed_settings(json.dumps(stored), plain) == []
    (tmp_path / "plain" / "mace.yaml").write_text("GENERAL: {name_exp: run}\nTRAINING: {loss: huber}\n")
    said = [problem.found for problem in changed_settings(json.dumps(stored), load_project(tmp_path / "plain"))]
    assert any(one.startswith("TRAINING.loss is huber, and the run in") for one in said), said
