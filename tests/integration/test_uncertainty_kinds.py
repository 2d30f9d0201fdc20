"""Whole campaigns judged by each measure: what is stored, shown and compared has its unit, and costs no more passes."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk

from aims_pax.batch import AtomBatch
from aims_pax.campaign import run_campaign
from aims_pax.campaign.fingerprint import changed_settings
from aims_pax.campaign.snapshot import newest_committee
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import SettingsError
from aims_pax.frame import Stage
from aims_pax.learner.molecules import MovingThresholdOfMolecules
from aims_pax.outcome.provenance import deviation_of, learned_from
from aims_pax.protocols import Prediction, Status
from aims_pax.selection import molecular_sds
from aims_pax.settings.stages.uncertainty import UNCERTAINTIES
from aims_pax.stages.assembly import run_folder
from aims_pax.stages.memory import Memory
from aims_pax.testing.springs import Springs

from .engines import Watched
from .projects import TINY_MACE, Watcher, active_project, copper_project, jobs_of, loaded, run, write_project

pytestmark = pytest.mark.usefixtures("springs")

MOLECULES = [[0, 1], [2, 3]]


def judged_by(kind: str, **more: Any) -> dict[str, Any]:
    return {"ACTIVE_LEARNING": {"uncertainty_type": kind, "max_train_set_size": 3, "c_x": -0.2, **more}}


@pytest.mark.parametrize("kind", ["max_relative_sd", "energy_sd"])
def test_scores_and_thresholds_have_the_unit_of_their_kind(
    kind: str, initial_copper: Path, engine: type[Watched], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher()
    folder = active_project(tmp_path, initial_copper, judged_by(kind))
    with caplog.at_level(logging.INFO):
        content = run(folder, stages=(Stage.ACTIVE,), observer=watcher).content
    unit = UNCERTAINTIES[kind].unit
    assert content["threshold_ev_per_ang"] is None, "it is none of forces"
    assert content["threshold"]["of"] == kind
    assert content["threshold"]["unit"] == unit
    assert content["threshold"]["value"] > 0
    assert {one.score_kind for one in watcher.seen if one.stage == Stage.ACTIVE} == {kind}
    picked = [record.getMessage() for record in caplog.records if "deviation" in record.getMessage()]
    assert picked
    for line in picked:
        assert (f" {unit}  -> label" in line) if unit else ("eV" not in line)
    project = loaded(folder)
    with RunStore.open_readonly(folder) as store:
        assert [one.kind for one in store.series().values()] == [kind]
        assert learned_from(project, store).threshold_ev_per_ang is None
    assert deviation_of(project) == "max_atomic_sd", "a trial is judged by forces"


def test_no_measure_costs_a_pass_of_the_models(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the first pick all go through the same MD: as many passes, none of them with stress."""
    passes: list[bool] = []
    evaluate = Springs.evaluate

    def counted(self: Springs, batch: AtomBatch, **how: Any) -> Prediction:
        passes.append(bool(how.get("want_stress")))
        return evaluate(self, batch, **how)

    monkeypatch.setattr(Springs, "evaluate", counted)
    n_passes = {}
    for kind in ("max_atomic_sd", "max_relative_sd", "energy_sd", "molecules"):
        passes.clear()
        chosen = "max_atomic_sd" if kind == "molecules" else kind
        changes = judged_by(chosen, c_x=1e6, max_MD_steps=12, max_train_set_size=None)
        if kind == "molecules":
            changes["MISC"] = {"mol_idxs": MOLECULES, "path_to_geometry": "copper.xyz"}
        run(active_project(tmp_path / kind, initial_copper, changes), stages=(Stage.ACTIVE,))
        n_passes[kind] = len(passes)
        assert not any(passes)
    assert len(set(n_passes.values())) == 1, n_passes


def copper_crystal() -> Atoms:
    return bulk("Cu", a=3.6, cubic=True)


def test_crystals_are_judged_by_their_stress(engine: type[Watched], tmp_path: Path) -> None:
    changes = judged_by("stress_sd", max_train_set_size=4)
    folder = copper_project(tmp_path, copper_crystal(), changes)
    settings = json.loads(json.dumps(TINY_MACE))
    settings["GENERAL"]["compute_stress"] = True
    write_project(folder, yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8")), settings)
    content = run(folder).content
    assert content["threshold"]["unit"] == "eV/Å³"
    with RunStore.open_readonly(folder) as store:
        scores = {(int(row["trajectory"]), int(row["md_step"])): float(row["score"]) for row in store.scores()}
        predicted = [one for one in store.predicted() if one.stage == Stage.ACTIVE]
    assert predicted
    for one in predicted:
        deviation = one.prediction.stress_deviation
        assert deviation is not None
        expected = np.sqrt((np.square(deviation) * [1, 1, 1, 2, 2, 2]).sum() / 9)
        assert scores[one.frame.trajectory, one.frame.md_step] == pytest.approx(expected, rel=1e-9)


def with_molecules(folder: Path, initial: Path) -> Path:
    changes = judged_by("max_atomic_sd", c_x=0.1, max_train_set_size=5)
    return active_project(
        folder, initial, {**changes, "MISC": {"mol_idxs": MOLECULES, "path_to_geometry": "copper.xyz"}}
    )


def test_molecules_are_judged_beside_the_structure(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forces = []

    def recorded(said: Any, molecules: Any) -> Any:
        forces.append(said.copy())
        return molecular_sds(said, molecules)

    monkeypatch.setattr("aims_pax.stages.loop.judging.molecular_sds", recorded)
    folder = with_molecules(tmp_path, initial_copper)
    run(folder, stages=(Stage.ACTIVE,))
    with RunStore.open_readonly(folder) as store:
        assert {one.kind for one in store.series().values()} == {"max_atomic_sd", "molecular_sd"}
        scores = store.scores(kind="molecular_sd")
        whole = store.scores(kind="max_atomic_sd")
    assert len(scores) == len(whole) == len(forces)
    columns = np.array([molecular_sds(one, MOLECULES) for one in forces])
    assert all(score in row for score, row in zip(scores["score"], columns, strict=True))
    sources = {job.source for job in jobs_of(folder, Stage.ACTIVE)}
    assert scores["picked"].any() == (MovingThresholdOfMolecules.NAME in sources)
    for number in np.flatnonzero(scores["picked"]):
        assert scores["score"][number] > scores["threshold"][number]


def test_molecules_may_not_become_others_while_a_run_goes_on(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, judged_by("max_atomic_sd"))
    run(folder, stages=(Stage.ACTIVE,))
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    settings["MISC"]["mol_idxs"] = MOLECULES
    settings["ACTIVE_LEARNING"]["max_train_set_size"] = 6
    write_project(folder, settings)
    with pytest.raises(SettingsError, match=r"MISC\.mol_idxs is \[\[0, 1\], \[2, 3\]\], and the run"):
        run(folder, stages=(Stage.ACTIVE,))


def test_a_note_of_a_program_that_knew_fewer_settings_means_their_defaults(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, judged_by("max_relative_sd"))
    run(folder, stages=(Stage.ACTIVE,))
    with RunStore.open(folder) as store:
        noted = json.loads(store.get_meta("settings") or "")
        del noted["MISC.mol_idxs"], noted["ACTIVE_LEARNING.relative_force_eps"]
        store.set_meta("settings", json.dumps(noted))
    project = loaded(folder)
    assert changed_settings(json.dumps(noted), project) == []
    other = active_project(tmp_path, initial_copper, judged_by("max_relative_sd", relative_force_eps=0.5))
    (problem,) = changed_settings(json.dumps(noted), loaded(other))
    assert "ACTIVE_LEARNING.relative_force_eps is 0.5" in problem.found
    assert "was started with 1.0" in problem.found


def test_molecules_alone_that_are_unsure_again_and_again_are_learned(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by a run that was interrupted in between, to the last bit."""
    keys = {"intermol_crossed_limit": 1, "intermol_forces_weight": 7, "c_x": 0.0, "max_train_set_size": 8}
    changes = {**judged_by("mean_atomic_sd", **keys), "MISC": {"mol_idxs": MOLECULES, "path_to_geometry": "copper.xyz"}}
    mace = {**TINY_MACE, "TRAINING": {"loss": "intermol"}}

    def project(name: str) -> Path:
        folder = active_project(tmp_path / name, initial_copper, changes)
        write_project(folder, yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8")), mace)
        with RunStore.open(folder) as store:  # the initial dataset was learned by another loss: springs don't mind
            noted = json.loads(store.get_meta("settings") or "")
            store.set_meta("settings", json.dumps({**noted, "mace.yaml: TRAINING.loss": "intermol"}))
        return folder

    whole, parts = project("whole"), project("parts")
    with caplog.at_level(logging.INFO):
        run(whole, stages=(Stage.ACTIVE,))
    assert "the loss counts the forces on them from now on, by 7" in caplog.text
    departure = Departure()

    def act(status: Status) -> None:
        if status.n_labels_received > 12:
            departure.ask(Reason.INTERRUPTED)

    with pytest.raises(Departed, match=str(Reason.INTERRUPTED)):
        run_campaign(loaded(parts), stages=(Stage.ACTIVE,), observer=Watcher(act), departure=departure)
    run(parts, stages=(Stage.ACTIVE,))
    found = []
    for folder in (whole, parts):
        with RunStore.open_readonly(folder) as store:
            committee = newest_committee(Memory(store, run_folder(loaded(folder))), device="cpu")
            assert committee is not None
            found.append((store.scores().tobytes(), store.load_state("learner.active"), committee.weighed[1]))
    assert found[0] == found[1]
    assert found[0][2] == 7.0
