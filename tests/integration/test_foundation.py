"""Active learning that another model than the committee drives: on springs, with EMT in the place of a foundation."""

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from aims_pax.batch import AtomBatch
from aims_pax.checking.check import check_project
from aims_pax.checking.understood import quantities
from aims_pax.dataset.store import RunStore
from aims_pax.errors import CampaignStopped, UserError
from aims_pax.frame import Stage
from aims_pax.protocols import Prediction
from aims_pax.sampling import BatchedSampler, CalculatorForces
from aims_pax.stages import assembly
from aims_pax.testing.springs import Knowledge, Nature, Springs

from .engines import PLAIN, Watched
from .projects import active_project, copper, copper_project, in_child, jobs_of, labels_of, loaded, run, water_project
from .resuming import CHANGES, IN_ACTIVE, assert_labels_conserved, assert_same, killing, outcome_of
from .test_probing import INVERTED

pytestmark = pytest.mark.usefixtures("springs")

FAULTY = "tests.faults.faulty_engines:Faulty"
ACTIVE = (Stage.ACTIVE,)


def driven(path: str = PLAIN, arguments: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """Changes of a project by which a calculator drives active learning."""
    model = {"model_type": path, "arguments": arguments or {}}
    return {"ACTIVE_LEARNING": {"use_foundational": True, "foundational_model_settings": model, **keys}}


def moved_by_emt(folder: Path) -> BatchedSampler:
    """The trajectories of a project at their start, which nothing but EMT moves."""
    project = loaded(folder)
    nobody: Any = Springs(Nature(), [Knowledge(1)])
    return assembly.active_sampler(project, project.settings.learning[0], nobody, driver=CalculatorForces(EMT))


# -- who moves, and who judges --------------------------------------------------------------------------------


def test_the_driver_moves_all_and_the_committee_judges_all_at_once(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    opinions = Springs.opinions

    def noted(springs: Springs, batch: AtomBatch, *, want_stress: bool = False) -> Prediction:
        asked.append(batch.n_structures)
        return opinions(springs, batch, want_stress=want_stress)

    monkeypatch.setattr(Springs, "opinions", noted)
    changes = driven(max_MD_steps=10, max_train_set_size=None, c_x=1e6)
    folder = active_project(tmp_path, initial_copper, changes)
    run(folder, stages=ACTIVE)
    with RunStore.open_readonly(folder) as store:
        scores, memory = store.scores(), store.load_state("sampler.active")
    assert asked == [2] * 5, "one pass for each check of both trajectories, and none for a step"
    assert len(scores) == 10
    assert memory is not None
    found, expected = moved_by_emt(folder), moved_by_emt(folder)
    found.load(memory)
    expected.advance([0, 1], 10)
    for index in (0, 1):
        np.testing.assert_allclose(found.frame(index).positions, expected.frame(index).positions, atol=1e-10)


def test_a_committee_that_learns_changes_nothing_in_how_atoms_move(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    """The first label of each trajectory is where EMT alone leads to, and whatever generation had been reached."""
    folder = active_project(tmp_path, initial_copper, driven(c_x=-0.5, max_train_set_size=6))
    content = run(folder, stages=ACTIVE).content
    jobs = jobs_of(folder, Stage.ACTIVE)
    assert content["training_structures_of_each_member"] == [6, 6]
    assert {job.frame.generation for job in jobs} == {0}, "the driver never changes"
    with RunStore.open_readonly(folder) as store:
        generations = {one.prediction.generation for one in store.predicted() if one.stage == Stage.ACTIVE}
    assert len(generations) > 1, "and the committee does"
    for index in (0, 1):
        first = next(job.frame for job in jobs if job.frame.trajectory == index)
        expected = moved_by_emt(folder)
        expected.advance([0, 1], first.md_step)
        np.testing.assert_allclose(expected.frame(index).positions, first.positions, atol=1e-10)


def test_what_the_committee_said_is_kept_of_every_label(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, driven(c_x=-0.5))
    run(folder, stages=ACTIVE)
    with RunStore.open_readonly(folder) as store:
        predicted = {one.label_id: one for one in store.predicted() if one.stage == Stage.ACTIVE}
        scores = {(int(row["trajectory"]), int(row["md_step"])): float(row["score"]) for row in store.scores()}
    assert set(predicted) == {one.label_id for one in labels_of(folder) if one.stage == Stage.ACTIVE}
    for one in predicted.values():
        deviation = np.sqrt(np.square(one.prediction.forces_deviation).sum(axis=1) / 3).max()
        assert deviation == pytest.approx(scores[one.frame.trajectory, one.frame.md_step], rel=1e-12)


def test_cells_move_by_the_stress_of_the_driver(engine: type[Watched], tmp_path: Path) -> None:
    md = {"stat_ensemble": "npt", "barostat": "isomtk", "pdamp": 100.0, "friction": None}
    changes = {"MD": md, **driven(max_MD_steps=20, max_train_set_size=None, c_x=1e6)}
    folder = copper_project(tmp_path, bulk("Cu", cubic=True, a=3.5), changes)
    run(folder)
    with RunStore.open_readonly(folder) as store:
        memory = store.load_state("sampler.active")
    assert memory is not None
    found, expected = moved_by_emt(folder), moved_by_emt(folder)
    found.load(memory)
    expected.advance([0, 1], 20)
    assert abs(np.linalg.det(expected.frame(0).cell) / 3.5**3 - 1) > 1e-4
    np.testing.assert_allclose(found.frame(0).cell, expected.frame(0).cell, atol=1e-10)


def test_one_stage_may_be_driven_and_the_next_one_not(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"INITIAL_DATASET_GENERATION": None, "ACTIVE_LEARNING": None})
    text = (folder / "aims_PAX.yaml").read_text(encoding="utf-8")
    model = f"{{model_type: '{PLAIN}'}}"
    common = "num_trajectories: 2, skip_step_mlff: 2, valid_ratio: 0.4, save_trajectories: false, c_x: -0.5"
    stages = (
        "STAGES:\n"
        f"- initial: {{foundational_model: '{PLAIN}', n_points_per_sampling_step_idg: 2, ensemble_size: 2, "
        "skip_step_initial: 5, intermediate_epochs_idg: 2, max_initial_set_size: 2, valid_ratio: 0.4}\n"
        f"- learn: {{{common}, max_train_set_size: 4, use_foundational: true, foundational_model_settings: {model}}}\n"
        f"- learn: {{{common}, max_train_set_size: 6}}\n"
    )
    (folder / "aims_PAX.yaml").write_text(f"{text}{stages}", encoding="utf-8")
    run(folder, stages=(Stage.INITIAL, Stage.ACTIVE))
    generations = {
        name: {one.frame.generation for one in labels_of(folder) if one.stage == name} for name in ("active", "learn-2")
    }
    assert generations["active"] == {0}
    assert min(generations["learn-2"]) > 0


# -- what is said ---------------------------------------------------------------------------------------------


def test_check_says_who_drives_and_who_judges(tmp_path: Path) -> None:
    project = loaded(copper_project(tmp_path, changes=driven()))
    assert ("  drives", f"{PLAIN}; the committee judges and learns") in list(quantities(project, tuple(Stage)))
    facts = check_project(project, tuple(Stage)).facts
    assert f"active learning: MD driven by {PLAIN}; the committee judges" in facts


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (driven("ase.calculators.emt:NoSuch"), "ase.calculators.emt has no NoSuch"),
        (driven(FAULTY, {"nonsense": 1}), "Faulty(nonsense=1) can't be made"),
    ],
)
def test_check_says_what_can_not_drive(keys: dict[str, Any], words: str, tmp_path: Path) -> None:
    problems = check_project(loaded(copper_project(tmp_path, changes=keys)), tuple(Stage)).problems
    (found,) = [one for one in problems if "ACTIVE_LEARNING.foundational_model_settings.model_type" in one.where]
    assert words in found.found
    assert found.where.startswith("aims_PAX.yaml, line ")


def test_a_file_that_is_no_model_is_told_where_it_is_named(tmp_path: Path) -> None:
    model = {"model_type": "mace", "model_path": "copper.xyz"}
    keys = {"ACTIVE_LEARNING": {"use_foundational": True, "foundational_model_settings": model}}
    (found,) = check_project(loaded(copper_project(tmp_path, changes=keys)), tuple(Stage)).problems
    assert re.match(r"aims_PAX.yaml, line \d+: ACTIVE_LEARNING.foundational_model_settings.model_type: ", found.where)
    assert "copper.xyz: can't be read as a model" in str(found)
    assert "use_foundational: false" in found.advice


def test_a_mace_model_must_know_the_elements(mace_model: Path, tmp_path: Path) -> None:
    model = {"model_type": "mace", "model_path": str(mace_model)}
    keys = {"ACTIVE_LEARNING": {"use_foundational": True, "foundational_model_settings": model}}
    report = check_project(loaded(copper_project(tmp_path / "copper", changes=keys)), tuple(Stage))
    (found,) = [one for one in report.problems if "foundational_model_settings" in one.where]
    assert "does not know the elements Cu" in found.found
    assert "use_foundational: false" in found.advice
    report = check_project(loaded(water_project(tmp_path / "water", keys)), tuple(Stage))
    assert not report.problems
    assert any("ACTIVE_LEARNING.foundational_model_settings" in fact and "pickle" in fact for fact in report.facts)


def test_a_driver_that_is_not_sane_is_found_by_the_probe(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={"MISC": {"path_to_geometry": "copper.xyz"}, **driven(INVERTED)})
    text = (folder / "aims_PAX.yaml").read_text(encoding="utf-8")
    (folder / "aims_PAX.yaml").write_text(text.replace("probe: false", ""), encoding="utf-8")
    with pytest.raises(UserError, match=r"ACTIVE_LEARNING.foundational_model_settings.model_type \(.*Inverted\) for"):
        run(folder)
    assert not labels_of(folder)


# -- what goes wrong ------------------------------------------------------------------------------------------


def test_a_driver_that_always_fails_ends_the_campaign_with_its_name(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = active_project(tmp_path, initial_copper, driven(FAULTY, {"manner": "raise"}))
    with pytest.raises(
        CampaignStopped, match=r"If it was the reference or tests.faults.faulty_engines:Faulty, mend it"
    ):
        run(folder, stages=ACTIVE)


def test_labels_that_fall_apart_do_not_stop_the_picking_for_a_training_that_mends_nothing(
    initial_copper: Path, engine: type[Watched], tmp_path: Path
) -> None:
    project = loaded(active_project(tmp_path / "driven", initial_copper, driven()))
    assert assembly.active_rules(project, project.settings.learning[0]).wrecks is None
    project = loaded(active_project(tmp_path / "plain", initial_copper))
    assert assembly.active_rules(project, project.settings.learning[0]).wrecks is not None


def test_a_trajectory_whose_label_fails_goes_back(
    initial_copper: Path, engine: type[Watched], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine.manners = {3: "unconverged"}
    folder = active_project(tmp_path, initial_copper, driven(c_x=-0.5))
    with caplog.at_level("INFO", "aims_pax.active"):
        content = run(folder, stages=ACTIVE).content
    assert content["labels"]["failed"] == 1
    assert sum("back to its checkpoint" in message for message in caplog.messages) == 1
    assert content["training_structures_of_each_member"] == [4, 4]


# -- interruptions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def initial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete initial dataset, and a project whose active learning EMT drives."""
    Watched.forget()
    Watched.log = tmp_path_factory.mktemp("log") / "calculated"
    changes = {section: {**keys} for section, keys in CHANGES.items()}
    changes["ACTIVE_LEARNING"] |= driven(c_x=-0.3)["ACTIVE_LEARNING"]
    folder = copper_project(tmp_path_factory.mktemp("initial"), copper(), changes)
    run(folder, stages=(Stage.INITIAL,))
    shutil.copy(Watched.log, folder / "calculated")
    return folder


@pytest.fixture(scope="module")
def whole(initial: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never interrupted."""
    Watched.forget()
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(initial, folder, dirs_exist_ok=True)
    run(folder, stages=ACTIVE)
    return folder


@pytest.mark.parametrize("moment", IN_ACTIVE)
def test_a_driven_run_that_is_killed_goes_on_to_the_same_bits(
    moment: str, initial: Path, whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(initial, folder)
    engine.log = folder / "calculated"
    killed = in_child(lambda: run(folder, stages=ACTIVE, observer=killing(IN_ACTIVE[moment])))
    assert killed == -signal.SIGKILL
    run(folder, stages=ACTIVE)
    assert_same(outcome_of(folder), outcome_of(whole))
    assert_labels_conserved(folder, engine.log)


def test_a_run_does_not_go_on_with_another_driver(initial_copper: Path, engine: type[Watched], tmp_path: Path) -> None:
    folder = active_project(tmp_path, initial_copper, driven(max_train_set_size=3))
    run(folder, stages=ACTIVE)
    active_project(tmp_path / "new", folder, driven(max_train_set_size=6))
    shutil.copy(tmp_path / "new" / "aims_PAX.yaml", tmp_path / "goes_on.yaml")
    changed = copper_project(tmp_path / "other", changes={"ACTIVE_LEARNING": {"max_train_set_size": 6}})
    shutil.copy(changed / "aims_PAX.yaml", folder / "aims_PAX.yaml")
    with pytest.raises(
        UserError, match=r"ACTIVE_LEARNING.use_foundational is False, and the run in .* was started with"
    ):
        run(folder, stages=ACTIVE)
    lennard_jones = "ase.calculators.lj:LennardJones"
    changed = copper_project(tmp_path / "third", changes=driven(lennard_jones, max_train_set_size=6))
    shutil.copy(changed / "aims_PAX.yaml", folder / "aims_PAX.yaml")
    with pytest.raises(
        UserError, match=rf"foundational_model_settings is {{model_type: {lennard_jones}}}, and the run"
    ):
        run(folder, stages=ACTIVE)
    shutil.copy(tmp_path / "goes_on.yaml", folder / "aims_PAX.yaml")
    assert run(folder, stages=ACTIVE).content["training_structures_of_each_member"] == [6, 6]
