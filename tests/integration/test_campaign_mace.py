"""What campaigns do with models of MACE that springs can't show: weights, optimizers, files for MACE's own calculator.

What happens when, and what is kept, the other modules try on springs.
"""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.io import read
from mace.calculators import MACECalculator
from typer.testing import CliRunner

from aims_pax.batch import AtomBatch
from aims_pax.campaign.snapshot import export_snapshot
from aims_pax.cli.program import program
from aims_pax.committee import Committee, Ensemble, Prediction, RandomSubset
from aims_pax.committee import member as member_module
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.store import RunStore
from aims_pax.errors import ModelError
from aims_pax.frame import FloatArray, Split, Stage
from aims_pax.outcome.evaluate import evaluate_models
from aims_pax.stages import convergence

from .engines import Watched
from .projects import (
    TINY_MACE,
    active_project,
    changed,
    copper,
    copper_project,
    in_child,
    labels_of,
    loaded,
    run,
    write_project,
)
from .resuming import CHANGES, IN_ACTIVE, IN_INITIAL, assert_same, killing, outcome_of
from .snapshots import N_INITIAL, interrupted


def active_changes(**keys: Any) -> dict[str, Any]:
    return {"ACTIVE_LEARNING": keys}


# -- training -------------------------------------------------------------------------------------------------


def test_validation_structures_can_train_the_models_that_are_handed_over(engine: type[Watched], tmp_path: Path) -> None:
    """For the epochs that were found with them aside; the errors are those of the models before."""
    keys = {"converge_al": True, "converge_best": False, "max_convergence_epochs": 12, "c_x": -0.3}
    plain = run(copper_project(tmp_path / "plain", changes=active_changes(**keys))).content
    changes = active_changes(**keys, converge_on_validation=True)
    summary = run(copper_project(tmp_path / "all", changes=changes))
    content, labels = summary.content, summary.content["labels"]
    assert content["product"]["training_structures"] == labels["training"] + labels["validation"]
    assert content["errors_on_validation_set"]["members"] == plain["errors_on_validation_set"]["members"]
    assert content["product"]["member"] == plain["product"]["member"]
    assert any("without the validation structures" in line for line in summary.lines())
    results = [tmp_path / name / "results" / "tiny.model" for name in ("plain", "all")]
    assert results[0].read_bytes() != results[1].read_bytes()
    keys_of_labels = Keys()
    errors = [
        evaluate_models([model], tmp_path / "all" / "results" / "validation.extxyz", keys=keys_of_labels, device="cpu")
        for model in results
    ]
    maes = [one.errors.mean.force_mae_ev_per_ang for one in errors]
    assert maes[1] < maes[0], "it has learned them"


def test_random_subset_trains_on_the_new_structures_and_some_others(
    initial_copper_mace: Path, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[tuple[int, set[int], int]] = []
    points_of_epoch = member_module.points_of_epoch

    def noted(graphs: Sequence[Any], replay: RandomSubset | None, *args: Any, **kwargs: Any) -> list[Any]:
        chosen = points_of_epoch(graphs, replay, *args, **kwargs)
        epochs.append((len(graphs), {graph.label_id for graph in chosen}, len(chosen)))
        return chosen

    monkeypatch.setattr(member_module, "points_of_epoch", noted)
    changes = active_changes(
        replay_strategy="random_subset", train_subset_size=3, valid_subset_size=1, max_train_set_size=6, c_x=-0.3
    )
    folder = active_project(tmp_path, initial_copper_mace, changes)
    content = run(folder, stages=(Stage.ACTIVE,)).content
    # Also the points of the initial dataset are part of every epoch until they have had epochs_per_worker epochs.
    assert any(n_all > 4 for n_all, _, _ in epochs)
    assert all(n == len(chosen) for _, chosen, n in epochs), "nothing twice in one epoch"
    assert all(n == min(n_all, 3) for n_all, _, n in epochs if n_all >= 3)
    new = [one.label_id for one in labels_of(folder) if one.member is None and one.split is Split.TRAINING]
    for label_id in new:
        assert sum(label_id in chosen for _, chosen, _ in epochs) >= 2 * 2, "two epochs, two members"
    assert content["training_structures_of_each_member"] == [6, 6]


def test_training_goes_on_from_the_weights_before_it(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over rounds of the initial dataset, into active learning, over its slices, and into convergence."""
    before: list[list[FloatArray]] = []
    after: list[list[FloatArray]] = []
    train = Committee.train

    def weights(committee: Committee) -> list[FloatArray]:
        return [
            parameter.detach().numpy().copy()
            for member in committee._members
            for model in (member.model, member.averaged.model)
            for parameter in model.parameters()
        ]

    def noted(committee: Committee, *args: Any, **kwargs: Any) -> Any:
        before.append(weights(committee))
        reports = train(committee, *args, **kwargs)
        after.append(weights(committee))
        return reports

    monkeypatch.setattr(Committee, "train", noted)
    changes = active_changes(converge_al=True, converge_best=False, max_convergence_epochs=2, c_x=-0.3)
    content = run(copper_project(tmp_path, changes=changes)).content
    assert content["epochs"]["initial"] == 4
    assert len(before) > 2 + 3 + 2
    for ended, begun in zip(after[:-1], before[1:], strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(ended, begun, strict=True))
    for begun, ended in zip(before, after, strict=True):
        assert any(not np.array_equal(one, other) for one, other in zip(begun, ended, strict=True))


@pytest.mark.parametrize("mode", ["mean", "member"])
def test_trajectories_move_by_the_mean_or_by_one_member(
    mode: str, engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...] | None] = []
    evaluate = Ensemble.evaluate

    def noted(ensemble: Ensemble, batch: AtomBatch, **kwargs: Any) -> Prediction:
        asked.append(kwargs.get("members"))
        return evaluate(ensemble, batch, **kwargs)

    monkeypatch.setattr(Ensemble, "evaluate", noted)
    changes = {"MD": {"propagate_with": mode}, **active_changes(max_MD_steps=10, max_train_set_size=None, c_x=1e6)}
    folder = copper_project(tmp_path, changes=changes)
    run(folder)
    with RunStore.open_readonly(folder) as store:
        n_checks = len(store.scores())
    assert n_checks == 10
    if mode == "mean":
        assert set(asked) == {None}
    else:
        assert asked.count((0,)) == 1 + 10, "the starting structures, and every step of both at once"
        # Labels of the second round of the initial dataset are predicted before they are learned.
        assert asked.count(None) == 5 + 2 + 4, "every check of both at once, the final errors of two sets, and those"


# -- interruptions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never interrupted."""
    Watched.forget()
    return _run_by_stages(tmp_path_factory.mktemp("whole"))


def _run_by_stages(folder: Path) -> Path:
    copper_project(folder, changes=CHANGES)
    run(folder, stages=(Stage.INITIAL,))
    shutil.copytree(folder, folder / "initial")
    run(folder, stages=(Stage.ACTIVE,))
    return folder


@pytest.mark.parametrize("moment", ["second round"])
def test_run_killed_in_its_initial_stage_has_the_weights_of_one_that_was_not(
    moment: str, whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes=CHANGES)
    killed = in_child(lambda: run(folder, stages=(Stage.INITIAL,), observer=killing(IN_INITIAL[moment])))
    assert killed == -signal.SIGKILL
    run(folder, stages=(Stage.INITIAL,))
    assert_same(outcome_of(folder), outcome_of(whole / "initial"))


def test_run_killed_in_stage_two_has_the_weights_of_one_that_was_not(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its epochs; what is kept is of every epoch."""
    monkeypatch.setattr(convergence, "COMMIT_S", 0.0)
    keys = {"converge_al": True, "converge_best": False, "converge_on_validation": True, "c_x": -0.3}
    changes = active_changes(max_convergence_epochs=5, **keys)
    training = {"TRAINING": {"swa": True, "start_swa": 2, "swa_lr": 0.005}}
    folders = [copper_project(tmp_path / name, changes=changes) for name in ("whole", "killed", "plain")]
    for folder in folders[:2]:
        settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
        write_project(folder, settings, changed(TINY_MACE, training))
    run(folders[0])
    for epoch in (3, 4):
        at_epoch = killing(lambda now, epoch=epoch: f"converging, epoch {epoch} of" in now.activity)
        assert in_child(lambda watcher=at_epoch: run(folders[1], observer=watcher)) == -signal.SIGKILL
    run(folders[1])
    assert_same(outcome_of(folders[1]), outcome_of(folders[0]))
    run(folders[2])
    models = [(folder / "results" / "tiny.model").read_bytes() for folder in folders]
    assert models[0] != models[2]


@pytest.mark.parametrize("moment", ["validation label to learn", "convergence"])
def test_run_killed_in_active_learning_has_the_weights_of_one_that_was_not(
    moment: str, whole: Path, engine: type[Watched], tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(whole / "initial", folder)
    killed = in_child(lambda: run(folder, stages=(Stage.ACTIVE,), observer=killing(IN_ACTIVE[moment])))
    assert killed == -signal.SIGKILL
    run(folder, stages=(Stage.ACTIVE,))
    assert_same(outcome_of(folder), outcome_of(whole))


# -- snapshots ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted in active learning, when it had learned its first labels."""
    return interrupted(tmp_path_factory.mktemp("learning"), "sampling", n_labels=N_INITIAL + 2)


@pytest.fixture
def project(learning: Path, tmp_path: Path) -> Path:
    shutil.copytree(learning, tmp_path / "project")
    return tmp_path / "project"


def test_interrupted_run_gives_models_that_work_and_says_what_they_are(project: Path) -> None:
    before = (project / "run.db").read_bytes()
    said = CliRunner().invoke(program, ["export", "--models", str(project)])
    assert said.exit_code == 0, said.output
    assert "active learning, not converged" in said.output
    assert "The run was interrupted; aims-pax run goes on from there." in said.output
    assert not (project / "results").exists()
    snapshot = project / "snapshot"
    assert {path.name for path in (snapshot / "committee").iterdir()} == {"tiny_1.model", "tiny_2.model"}
    for name in ("training.extxyz", "validation.extxyz", "metrics.txt", "parity.png", "learning_curve.png", "time.png"):
        assert (snapshot / name).is_file(), name
    assert "not converged" in (snapshot / "state.txt").read_text(encoding="utf-8")
    atoms = copper()
    atoms.calc = MACECalculator(model_paths=str(snapshot / "tiny.model"), device="cpu", default_dtype="float64")
    assert abs(atoms.get_forces()).max() > 0.0
    assert (project / "run.db").read_bytes() == before


def test_product_of_a_snapshot_is_the_member_of_least_error(project: Path) -> None:
    snapshot = export_snapshot(loaded(project), None)
    frames = read(snapshot.folder / "validation.extxyz", ":")
    errors = {}
    for path in snapshot.models[1:]:
        calculator = MACECalculator(model_paths=str(path), device="cpu", default_dtype="float64")
        errors[path] = sum(abs(calculator.get_forces(atoms) - atoms.arrays["REF_forces"]).sum() for atoms in frames)
    best = min(errors, key=lambda path: errors[path])
    assert snapshot.models[0].name == "tiny.model"
    assert snapshot.models[0].read_bytes() == best.read_bytes()


def test_damaged_checkpoint_is_told(project: Path) -> None:
    (checkpoint,) = (project / "checkpoints").glob("committee_*.pt")
    checkpoint.write_bytes(b"")
    with pytest.raises(ModelError, match="can't be read as a committee"):
        export_snapshot(loaded(project), None)
