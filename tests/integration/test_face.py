"""Campaigns from Python: run, interrupted, looked at; the models are springs, the labels EMT's."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read, write

import aims_pax as ap
from aims_pax.campaign.progress import FINISHED
from aims_pax.dataset.lock import LOCK_NAME
from aims_pax.dataset.store import RunStore
from aims_pax.errors import ModelError, UserError
from aims_pax.face import models
from aims_pax.frame import Label, LabelFailure
from aims_pax.selection import max_atomic_error
from aims_pax.settings import Project
from aims_pax.stages.loop.shell import Loop
from aims_pax.testing.family import SpringFamily

from .engines import Watched
from .projects import COPPER, TINY_MACE, copper, copper_project, labels_of

pytestmark = pytest.mark.usefixtures("springs")


def copper_of(folder: Path, **learn: Any) -> Project:
    """The usual campaign of copper, without a file."""
    return ap.Project.of(
        {"copper": copper()},
        reference=COPPER["REFERENCE"],
        stages=[ap.initial(**COPPER["INITIAL_DATASET_GENERATION"]), ap.learn(**COPPER["ACTIVE_LEARNING"] | learn)],
        md=COPPER["MD"],
        misc=COPPER["MISC"],
        mace=TINY_MACE,
        folder=folder,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, springs: None) -> ap.Run:
    Watched.forget()
    return ap.run(copper_of(tmp_path_factory.mktemp("finished")))


def interrupting(monkeypatch: pytest.MonkeyPatch, *, call: int) -> None:
    """Ctrl-C at the beginning of one step of the loop."""
    advance: Callable[..., Any] = Loop._advance
    calls = iter(range(1, 10**6))

    def asked(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
        return advance(*args, **kwargs)

    monkeypatch.setattr(Loop, "_advance", asked)


def test_run_is_that_of_the_files(finished: ap.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Watched.forget()
    of_files = ap.run(ap.load_project(str(copper_project(tmp_path / "project"))))
    ours, theirs = labels_of(finished.folder), labels_of(of_files.folder)
    assert len(ours) == len(theirs) > 4
    for one, other in zip(ours, theirs, strict=True):
        assert (one.label_id, one.split, one.label.energy) == (other.label_id, other.split, other.label.energy)
        assert np.array_equal(one.frame.positions, other.frame.positions)
        assert np.array_equal(one.label.forces, other.label.forces)
    assert (finished.folder / "results" / "tiny.model").is_file()
    assert f"run folder: {of_files.folder}" in capsys.readouterr().out


def test_interrupted_call_goes_on_by_the_same_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: ap.Run
) -> None:
    Watched.forget()
    handlers = [signal.getsignal(signal.SIGINT), *logging.getLogger().handlers]
    with monkeypatch.context() as patch:
        interrupting(patch, call=3)
        with pytest.raises(KeyboardInterrupt, match="Ctrl-C") as left:
            ap.run(copper_of(tmp_path))
    assert isinstance(left.value, ap.Departed)
    assert ap.open_run(tmp_path).status().progress != FINISHED
    assert "run ended: Ctrl-C" in (tmp_path / "logs" / "aims_pax.log").read_text()
    ap.run(copper_of(tmp_path))
    assert [signal.getsignal(signal.SIGINT), *logging.getLogger().handlers] == handlers
    assert [one.label.energy for one in labels_of(tmp_path)] == [one.label.energy for one in labels_of(finished.folder)]


def test_run_that_files_began_goes_on_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Watched.forget()
    folder = copper_project(tmp_path / "project")
    with monkeypatch.context() as patch:
        interrupting(patch, call=3)
        with pytest.raises(ap.Departed, match="Ctrl-C"):
            ap.run(ap.load_project(folder))
    n_before = len(labels_of(folder))
    assert ap.run(copper_of(folder)).status().is_finished
    assert len(labels_of(folder)) > n_before


def test_diary_says_each_line_once_in_a_second_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Watched.forget()
    project = copper_of(tmp_path)
    ap.run(project)
    capsys.readouterr()
    ap.run(project)
    words = "this run is finished; its results are in"
    assert capsys.readouterr().out.count(words) == 1
    assert (tmp_path / "logs" / "aims_pax.log").read_text().count(words) == 1


def test_mistakes_of_the_last_look_start_nothing(tmp_path: Path) -> None:
    project = ap.Project.of(
        copper(), stages=[ap.learn(**COPPER["ACTIVE_LEARNING"])], mace=TINY_MACE, folder=tmp_path / "new"
    )
    with pytest.raises(ap.UserError, match="There is no initial dataset"):
        ap.run(project)
    assert not (tmp_path / "new").exists()


def test_other_settings_in_the_same_folder_are_told_by_argument(finished: ap.Run, tmp_path: Path) -> None:
    other = ap.Project.of(
        copper(), stages=[ap.initial(**COPPER["INITIAL_DATASET_GENERATION"])], mace=TINY_MACE, folder=finished.folder
    )
    with pytest.raises(ap.UserError, match=r"Project\.of: ") as refused:
        ap.run(other)
    assert "aims_PAX.yaml" not in str(refused.value)


def test_sets_are_atoms_with_their_labels(finished: ap.Run, tmp_path: Path) -> None:
    sets = finished.sets()
    points = labels_of(finished.folder)
    assert sum(map(len, sets.values())) == len(points)
    for point in points:
        [atoms] = [one for one in sets[str(point.split)] if one.info["label_id"] == point.label_id]
        assert atoms.get_potential_energy() == point.label.energy
        assert np.array_equal(atoms.get_forces(), point.label.forces)
        assert (atoms.info["system"], atoms.info["stage"]) == ("copper", point.stage)
    write(tmp_path / "training.extxyz", sets["training"])
    assert len(read(tmp_path / "training.extxyz", ":")) == len(sets["training"])


def test_tables_are_arrays_and_frames(finished: ap.Run) -> None:
    pandas = pytest.importorskip("pandas")
    scores, errors, epochs = finished.scores(), finished.errors(), finished.epochs()
    with RunStore.open_readonly(finished.folder) as store:
        assert np.array_equal(scores["score"], store.scores()["score"])
        assert np.array_equal(epochs["train_loss"], store.epochs()["train_loss"])
        points = list(store.predicted())
    assert set(scores["stage"]) == {"active"}
    assert errors["label_id"].tolist() == [point.label_id for point in points]
    expected = [max_atomic_error(point.prediction.forces, point.label.forces) for point in points]
    assert errors["max_atomic_error_ev_per_ang"].tolist() == expected
    for table in (scores, errors, epochs):
        frame = table.frame()
        assert isinstance(frame, pandas.DataFrame)
        assert list(frame) == list(table)
        assert len(frame) == table.n_rows > 0


def test_tables_of_a_new_run_are_empty(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    run = ap.open_run(tmp_path)
    assert [run.scores().n_rows, run.errors().n_rows, run.epochs().n_rows] == [0, 0, 0]
    assert run.status().progress is None
    assert "nothing has been done yet" in str(run.status())
    with pytest.raises(ModelError, match="no models yet"):
        run.calculator()


def test_run_is_looked_at_while_a_campaign_is_at_work(tmp_path: Path) -> None:
    Watched.forget()
    seen: list[ap.Run] = []

    project = copper_of(tmp_path, converge_al=True, max_convergence_epochs=4)
    advance = Loop._advance

    def look(self: Loop, *args: Any, **kwargs: Any) -> Any:
        run = ap.open_run(project)
        if run.status().generation > 0 and not seen:
            assert run.status().owner, "this process"
            atoms = copper()
            atoms.calc = run.calculator()
            assert atoms.get_forces().shape == (4, 3)
            assert atoms.calc.results["max_atomic_deviation"] > 0
            assert run.sets()["training"]
            seen.append(run)
        return advance(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_advance", look)
        ap.run(project)
    assert seen
    assert seen[0].status().is_finished
    assert not seen[0].status().owner
    assert (tmp_path / LOCK_NAME).is_file()


@pytest.mark.parametrize(("best", "n_members"), [(True, 1), (False, 2)])
def test_models_of_a_finished_run_are_those_that_were_trained_to_the_end(
    best: bool, n_members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Watched.forget()
    run = ap.run(copper_of(tmp_path, converge_al=True, converge_best=best, max_convergence_epochs=4))
    monkeypatch.setattr(models, "load_models", SpringFamily().load_models)
    calculator = run.calculator()
    assert calculator.models.n_members == n_members
    atoms = copper()
    atoms.calc = calculator
    atoms.get_potential_energy()
    assert ("forces_deviation" in calculator.results) == (n_members > 1)


def test_initial_stage_alone_leaves_models_to_look_at(tmp_path: Path) -> None:
    Watched.forget()
    stages = [ap.initial(**COPPER["INITIAL_DATASET_GENERATION"])]
    arguments = {"reference": COPPER["REFERENCE"], "md": COPPER["MD"], "misc": COPPER["MISC"], "mace": TINY_MACE}
    run = ap.run(ap.Project.of(copper(), stages=stages, folder=tmp_path, **arguments))
    assert run.status().progress == "active"
    assert run.calculator().models.n_members == 2
    assert run.scores().n_rows == 0
    assert run.summary().content["labels"]["received"] == len(labels_of(tmp_path))


def test_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ap.UserError, match="holds no run"):
        ap.open_run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_folder_of_a_project_leads_to_its_run(tmp_path: Path) -> None:
    Watched.forget()
    folder = copper_project(
        tmp_path / "project", changes={"MISC": {"path_to_geometry": "copper.xyz", "output_dir": "out"}}
    )
    run = ap.run(ap.load_project(folder))
    assert run.folder == folder / "out"
    assert ap.open_run(folder) == ap.open_run(str(folder / "out")) == run


def test_labels_of_structures_of_ones_own() -> None:
    reference = {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"}
    one = ap.label(copper(), reference)
    assert isinstance(one, Label)
    assert one.forces.shape == (4, 3)
    several = ap.label([copper(), copper()[:1]], reference)
    assert isinstance(several, list)
    assert several[0].energy == one.energy
    assert len(several[1].forces) == 1, "an atom alone has a label, too"


def test_label_that_fails_is_a_value() -> None:
    failed = ap.label(
        copper(), {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT", "max_force_ev_per_ang": 1e-9}
    )
    assert isinstance(failed, LabelFailure)
    assert failed.folder is not None
    assert Path(failed.folder).is_dir()


def test_mistakes_of_a_label_name_the_argument() -> None:
    with pytest.raises(ap.UserError, match=r"label, reference: REFERENCE\.type is 'emt'"):
        ap.label(copper(), "emt")
    with pytest.raises(ap.UserError, match="atoms: holds a str"):
        ap.label("copper.xyz")


def test_models_are_measured_on_atoms_as_on_their_file(finished: ap.Run) -> None:
    files = sorted((finished.folder / "results" / "committee").glob("*.model"))
    on_file = ap.evaluate(files, finished.folder / "results" / "validation.extxyz")
    on_atoms = ap.evaluate([str(file) for file in files], finished.sets()["validation"])
    assert on_atoms.errors == on_file.errors
    bare = finished.sets()["validation"]
    bare[1].calc = None
    with pytest.raises(ap.UserError, match="data, structure 2: has no energy"):
        ap.evaluate(files, bare)


def test_numbers_of_a_plan_that_can_not_be_are_told_at_once(tmp_path: Path) -> None:
    project = ap.load_project(copper_project(tmp_path))
    with pytest.raises(UserError, match=r"plan, label_s: is -1.*\n.*\nplan, pick_rate: is 2") as caught:
        ap.plan(project, label_s=-1, pick_rate=2)
    assert len(caught.value.problems) == 2


def test_an_event_stops_a_run_in_another_thread_and_the_same_call_goes_on(tmp_path: Path) -> None:
    Watched.forget()
    project, stop, ended = ap.load_project(copper_project(tmp_path)), threading.Event(), list[str]()

    def work() -> None:
        try:
            ap.run(project, stop=stop)
        except ap.Departed as left:
            ended.append(str(left))

    stop.set()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=120)
    assert ended == ["a request to stop"]
    assert ap.run(project, stop=threading.Event()).status().is_finished
    exported = ap.open_run(project.run_folder).export(tmp_path / "exported", models=True)
    assert {path.suffix for path in exported} == {".model", ".extxyz"}
