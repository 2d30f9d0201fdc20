"""A small MACE of several elements in the place of a foundation model: through the loaders, and through campaigns."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.io import write

from aims_pax.batch import AtomBatch
from aims_pax.campaign import run_campaign
from aims_pax.checking.check import CheckReport, check_project
from aims_pax.committee import CommitteeForces, Ensemble, Prediction, load_models
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Stage
from aims_pax.protocols import Status
from aims_pax.settings import load_project
from aims_pax.stages import assembly

from .projects import (
    TINY_MACE,
    WATER,
    Watcher,
    changed,
    in_child,
    labels_of,
    loaded,
    run,
    water_project,
    write_project,
)
from .resuming import IN_ACTIVE, IN_INITIAL, assert_same, killing, outcome_of
from .test_explore_mace import AUGMENT, FEW, explored
from .test_explore_mace import project_of as explored_project
from .test_explore_mace import run as run_explored

MOLECULES = {"water": "H2O", "methanol": "CH3OH"}
REPLAYED = {"finetuning_choice": "multihead"}
EXPLORE: dict[str, Any] = {"explore": FEW | {"max_loops": 1, "thr_forces": 1e-7}}


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model of H, C and O that has learned what GFN1-xTB says of two molecules."""
    folder = tmp_path_factory.mktemp("foundation")
    for name, formula in MOLECULES.items():
        write(folder / f"{name}.xyz", molecule(formula))
    settings = changed(WATER, {"ACTIVE_LEARNING": None, "MISC": {"path_to_geometry": None}})
    settings["REFERENCE"] = {"type": "tblite", "method": "GFN1-xTB"}
    settings["SYSTEMS"] = {name: {"geometry": f"{name}.xyz"} for name in MOLECULES}
    settings["INITIAL_DATASET_GENERATION"] |= {
        "distinct_model_sets": False,
        "max_initial_set_size": 6,
        "converge_initial": True,
        "max_convergence_epochs": 40,
    }
    write_project(folder, settings, changed(TINY_MACE, {"GENERAL": {"name_exp": "foundation"}}))
    run_campaign(load_project(folder, stages=(Stage.INITIAL,)), stages=(Stage.INITIAL,), observer=Watcher())
    return next((folder / "results" / "committee").glob("*.model"))


def driven(model: Path, **keys: Any) -> dict[str, Any]:
    settings = {"model_type": "mace", "model_path": str(model)}
    return {"ACTIVE_LEARNING": {"use_foundational": True, "foundational_model_settings": settings, **keys}}


def test_the_model_moves_all_in_one_pass_and_the_committee_judges_all_in_one(
    foundation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    evaluate = Ensemble.evaluate

    def noted(ensemble: Ensemble, batch: AtomBatch, **kwargs: Any) -> Prediction:
        asked.append((ensemble.n_members, batch.n_structures))
        return evaluate(ensemble, batch, **kwargs)

    folder = water_project(tmp_path, driven(foundation, max_MD_steps=10, max_train_set_size=None, c_x=1e6))
    run(folder, stages=(Stage.INITIAL,))
    monkeypatch.setattr(Ensemble, "evaluate", noted)
    run(folder, stages=(Stage.ACTIVE,))
    monkeypatch.undo()
    assert asked.count((1, 2)) == 1 + 10, "the starting structures, and every step of both"
    assert asked.count((2, 2)) >= 5, "every check of both"
    project = loaded(folder)
    driver = CommitteeForces(load_models([foundation], device="cpu"))
    nobody: Any = load_models([foundation], device="cpu")
    found, expected = (
        assembly.active_sampler(project, project.settings.learning[0], nobody, driver=driver) for _ in range(2)
    )
    with RunStore.open_readonly(folder) as store:
        memory = store.load_state("sampler.active")
    assert memory is not None
    found.load(memory)
    expected.advance([0, 1], 10)
    for index in (0, 1):
        np.testing.assert_allclose(found.frame(index).positions, expected.frame(index).positions, atol=1e-10)


@pytest.mark.parametrize("moment", ["first label to learn", "labels learned"])
def test_a_run_that_a_mace_model_drives_goes_on_to_the_same_bits(moment: str, foundation: Path, tmp_path: Path) -> None:
    """Weights, labels, splits and the sampler's own state, after a kill."""
    initial = water_project(tmp_path / "initial", driven(foundation, max_train_set_size=6, c_x=-0.3))
    run(initial, stages=(Stage.INITIAL,))
    for name in ("whole", "killed"):
        shutil.copytree(initial, tmp_path / name)
    run(tmp_path / "whole", stages=(Stage.ACTIVE,))
    killed = in_child(lambda: run(tmp_path / "killed", stages=(Stage.ACTIVE,), observer=killing(IN_ACTIVE[moment])))
    assert killed == -signal.SIGKILL
    run(tmp_path / "killed", stages=(Stage.ACTIVE,))
    assert_same(outcome_of(tmp_path / "killed"), outcome_of(tmp_path / "whole"))


def test_the_same_model_may_drive_both_stages_and_is_probed_once(
    foundation: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = driven(foundation, max_train_set_size=5, c_x=-0.3)
    settings = {"mace_model": str(foundation)}
    changes["INITIAL_DATASET_GENERATION"] = {"foundational_model": "mace", "foundational_model_settings": settings}
    folder = water_project(tmp_path, changes)
    text = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    text["MISC"]["probe"] = True
    write_project(folder, text)
    with caplog.at_level("INFO", "aims_pax.run"):
        content = run(folder).content
    assert sum(f"water, by mace {foundation.name}" in message for message in caplog.messages) == 1
    assert content["training_structures_of_each_member"] == [5, 5]
    assert content["stopped_because"]["active"] == "the training set has reached max_train_set_size"


@pytest.mark.dear
@pytest.mark.parametrize("choice", ["lora", "multihead"])
def test_members_begin_as_a_model_and_a_killed_run_goes_on_to_the_same_bits(
    choice: str, foundation: Path, tmp_path: Path
) -> None:
    """From check to the files that are handed over, which are plain models; both stages are killed."""
    replayed = [molecule(formula) for formula in MOLECULES.values()]
    rng = np.random.default_rng(1)
    for atoms in replayed:
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    write(tmp_path / "replayed.xyz", replayed)
    training: dict[str, Any] = {
        **{"perform_finetuning": True, "pretrained_model": str(foundation), "lr": 1e-3, "finetuning_choice": choice},
        **({"pt_train_file": str(tmp_path / "replayed.xyz")} if choice == "multihead" else {}),
    }
    changes = {"ACTIVE_LEARNING": {"max_train_set_size": 5, "c_x": -0.3, "converge_al": True}}
    for name in ("whole", "killed"):
        folder = water_project(tmp_path / name, changes)
        models = {key: value for key, value in TINY_MACE.items() if key != "ARCHITECTURE"}
        (folder / "mace.yaml").write_text(yaml.safe_dump({**models, "TRAINING": training}), encoding="utf-8")
    project = loaded(tmp_path / "whole")
    assert not check_project(project, (Stage.INITIAL, Stage.ACTIVE)).problems
    run(tmp_path / "whole")
    for moment in (IN_INITIAL["round complete"], IN_ACTIVE["labels learned"]):
        killed = in_child(lambda then=moment: run(tmp_path / "killed", observer=killing(then)))  # type: ignore[misc]
        assert killed == -signal.SIGKILL
    run(tmp_path / "killed")
    assert_same(outcome_of(tmp_path / "killed"), outcome_of(tmp_path / "whole"))
    product = load_models([tmp_path / "whole" / "results" / "tiny.model"], device="cpu")
    assert product.numbers == (1, 8) if choice == "lora" else (1, 6, 8), "with the elements of what is replayed"


def test_a_model_that_can_not_be_begun_as_is_refused(foundation: Path, tmp_path: Path) -> None:
    """With the setting and its line: of a file, its path alone does not tell where it was named."""
    folder = water_project(tmp_path / "water", {})
    write(folder / "salt.xyz", Atoms("NaCl", [[0, 0, 0], [0, 0, 2.4]]))
    for training, where, words in (
        ({"pretrained_model": "missing.model"}, "pretrained_model", "is missing.model, which is no file."),
        ({"pretrained_model": "mace.yaml"}, "pretrained_model", "can't be read as a model"),
        ({"pretrained_model": "mace-mp:enormous"}, "pretrained_model", "mace-mp has no model of this name."),
        (REPLAYED | {"pt_train_file": "mace.yaml"}, "pt_train_file", "mace.yaml: No structure can be read here"),
        (REPLAYED | {"pt_train_file": "salt.xyz"}, "pt_train_file", "It holds Na, Cl, which "),
    ):
        models = {key: value for key, value in TINY_MACE.items() if key != "ARCHITECTURE"}
        written = {"perform_finetuning": True, "pretrained_model": str(foundation), **training}
        text = yaml.safe_dump({**models, "TRAINING": written})
        (folder / "mace.yaml").write_text(text, encoding="utf-8")
        line = next(n for n, said in enumerate(text.splitlines(), 1) if where in said)
        (problem,) = check_project(loaded(folder), (Stage.INITIAL,)).problems
        assert str(problem).startswith(f"mace.yaml, line {line}: TRAINING.{where}"), str(problem)
        assert words in str(problem)
        assert problem.advice


def test_new_models_may_begin_as_a_model_and_are_looked_at_by_their_own_file(foundation: Path, tmp_path: Path) -> None:
    again = {"relabel": {"REFERENCE": {"method": "GFN1-xTB"}}}
    tuned = {"converge": {"name": "tuned", "models": "tuned.yaml", "from_scratch": True}}
    folder = explored_project(tmp_path, [{"collect": {"augment": AUGMENT}}, "converge", again, tuned])
    training = {"perform_finetuning": True, "pretrained_model": "missing.model", "freeze_readouts": True}
    (folder / "tuned.yaml").write_text(yaml.safe_dump({"TRAINING": training}), encoding="utf-8")

    def report() -> CheckReport:
        return check_project(load_project(folder, stages=(Stage.ACTIVE,)), (Stage.ACTIVE,))

    (problem,) = report().problems
    assert str(problem).startswith("tuned.yaml, line 4: TRAINING.pretrained_model is missing.model, which is no file.")
    training |= {"pretrained_model": str(foundation)}
    (folder / "tuned.yaml").write_text(yaml.safe_dump({"TRAINING": training}), encoding="utf-8")
    found = report()
    assert found.problems == ()
    begun = f"which begin as {foundation}; all weights are trained but its readouts"
    assert f"tuned: new models by tuned.yaml, {begun}" in found.facts
    assert [one.where for one in found.doubts if "TRAINING.lr is 0.01, its default" in one.found] == [
        "tuned.yaml, line 1"
    ]


TUNED_STAGES: list[Any] = [
    {"collect": {"augment": AUGMENT, "ensemble_size": 2}},
    {"converge": {"max_convergence_epochs": 3}},
    {"learn": {"num_trajectories": 2, "max_train_set_size": 16, "skip_step_mlff": 2, "max_MD_steps": 60, "c_x": -0.3}},
    {"converge": {"max_convergence_epochs": 3}},
]


@pytest.mark.dear
@pytest.mark.parametrize("choice", ["lora", "multihead"])
def test_members_that_begin_as_a_model_with_what_is_made_are_killed_and_come_to_the_same_bits(
    choice: str, foundation: Path, tmp_path: Path
) -> None:
    write(tmp_path / "replayed.xyz", [molecule(formula) for formula in MOLECULES.values()])
    replayed = {"pt_train_file": str(tmp_path / "replayed.xyz")} if choice == "multihead" else {}
    whole, killed = (
        tuned_project(tmp_path / name, TUNED_STAGES, foundation, finetuning_choice=choice, **replayed)
        for name in ("whole", "killed")
    )
    run_explored(whole)
    moments: list[Callable[[Status], bool]] = [
        lambda now: now.stage == "collect" and now.n_labels_received >= 4,
        lambda now: "converging, epoch 2 of" in now.activity,
        IN_ACTIVE["first label to learn"],
    ]
    for moment in moments:
        code = in_child(lambda then=moment: run_explored(killed, killing(then)))  # type: ignore[misc]
        assert code == -signal.SIGKILL
    run_explored(killed)
    assert_same(outcome_of(killed), outcome_of(whole))


def tuned_project(folder: Path, stages: list[Any], model: Path, **training: Any) -> Path:
    """Stages of water by GFN2-xTB, whose members begin as a model."""
    made = explored_project(folder, stages)
    tuned = {"perform_finetuning": True, "pretrained_model": str(model), "lr": 1e-3, **training}
    models = {key: value for key, value in TINY_MACE.items() if key != "ARCHITECTURE"}
    (made / "mace.yaml").write_text(yaml.safe_dump({**models, "TRAINING": tuned}), encoding="utf-8")
    return made


def test_members_that_begin_as_a_model_learn_what_is_made_and_explore(foundation: Path, tmp_path: Path) -> None:
    stages = [{"collect": {"augment": AUGMENT}}, {"converge": {"max_convergence_epochs": 3}}, EXPLORE]
    run_explored(tuned_project(tmp_path, stages, foundation))
    (course,) = explored(tmp_path).rounds[1:]
    assert course.n_labelled > 0, "members differ, and so does what they say of frames"
    files = sorted((tmp_path / "results" / "committee").glob("*.model"))
    assert len(files) == 2
    structures = [one.frame for one in labels_of(tmp_path)][:6]
    begun, *ended = (load_models([file], device="cpu").predict(structures) for file in (foundation, *files))
    for first, second, origin in zip(*ended, begun, strict=True):
        for one, other in ((first, origin), (second, origin), (first, second)):
            assert 0 < np.abs(one.forces - other.forces).max() < 0.1, "eV/Å, after some epochs at a small rate"


def test_members_that_begin_as_a_model_and_would_stay_alike_are_refused(foundation: Path, tmp_path: Path) -> None:
    def found(stages: list[Any], **training: Any) -> list[str]:
        project = load_project(tuned_project(tmp_path, stages, foundation, **training), stages=(Stage.ACTIVE,))
        report = check_project(project, (Stage.ACTIVE,))
        assert not any("random weights" in fact for fact in report.facts)
        return [problem.found for problem in report.problems]

    made = [{"collect": {"augment": AUGMENT}}, "converge", EXPLORE]
    (refused,) = found(made, batch_size=20)
    assert refused.endswith(
        "13 training structures are a single batch (TRAINING.batch_size 20): the members would stay the same."
    )
    assert found(made, batch_size=20, finetuning_choice="lora") == [], "each has matrices of its own"
    shutil.copy(foundation.parents[1] / "training.extxyz", tmp_path / "a.extxyz")
    shutil.copy(foundation.parents[1] / "validation.extxyz", tmp_path / "b.extxyz")
    given = {"initial_train_dataset": "a.extxyz", "initial_valid_dataset": "b.extxyz"}
    brought = [{"explore": EXPLORE["explore"] | given}]
    (refused,) = found(brought, batch_size=8)
    assert "training structures are a single batch (TRAINING.batch_size 8)" in refused
    assert found(brought, batch_size=2) == []
