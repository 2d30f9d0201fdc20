"""Every label and model leads back to the session that made it, and so to inputs, settings and versions."""

import os
import shutil
import socket
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

import aims_pax
from aims_pax.dataset import EpochRow, RunStore
from aims_pax.dataset.records import ModelRow
from aims_pax.dataset.tables.sessions import installed_versions
from aims_pax.errors import StoreError
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Split, Stage

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]

DATA = Path(__file__).parents[3] / "data"


def test_labels_epochs_and_models_belong_to_the_session_that_stored_them(
    tmp_path: Path, frame: MakeFrame, label: MakeLabel
) -> None:
    for number in (1, 2):
        with RunStore.open(tmp_path, clock=lambda: 1000.0 * number) as store:  # noqa: B023
            inputs = {"aims_PAX.yaml": f"max_train_set_size: {number}", "geometry.in": "atom 0 0 0 H"}
            assert store.begin_session(versions={"torch": f"2.{number}"}, inputs=inputs) == number
            store.add_label(store.add_job(frame(number), Stage.ACTIVE), label())
            store.assign(number, Split.TRAINING)
            store.add_epochs([EpochRow(number, number, 0, 1.0, None, number, 0)])
            store.add_models([ModelRow("water_1.model", f"digest {number}", 0, number)])
    with RunStore.open_readonly(tmp_path) as store:
        first, second = store.sessions()
        assert (second.number, second.began_at, second.versions) == (2, 2000.0, {"torch": "2.2"})
        assert (second.host, second.process) == (socket.gethostname(), os.getpid())
        assert second.inputs == {"aims_PAX.yaml": "max_train_set_size: 2", "geometry.in": "atom 0 0 0 H"}
        assert [store.session_of(number) for number in (1, 2)] == [first, second]
        assert [store.session_of_generation(number) for number in (1, 2, 3)] == [first, second, None]
        assert [store.session_of_model(f"digest {number}") for number in (1, 2, 3)] == [first, second, None]
        assert store.models()[1] == ModelRow("water_1.model", "digest 2", 0, 2)


def test_a_text_that_does_not_change_is_stored_once(tmp_path: Path) -> None:
    for _ in range(3):
        with RunStore.open(tmp_path) as store:
            store.begin_session(versions={}, inputs={"aims_PAX.yaml": "the same", "mace.yaml": "the same"})
    with RunStore.open(tmp_path) as store:
        assert len(store.sessions()) == 3
        assert store._database.first("SELECT count(*) FROM texts") == (1,)


def test_what_is_stored_without_a_session_belongs_to_none(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    store.add_label(store.add_job(frame(), Stage.ACTIVE), label())
    store.add_failure(store.add_job(frame(50), Stage.ACTIVE), LabelFailure(FailureReason.CRASHED, "signal 11"))
    assert store.sessions() == []
    assert store.session_of(1) is None
    assert store.session_of(2) is None


def test_a_session_that_was_taken_back_is_none(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    def begin_and_fail() -> None:
        with store.transaction():
            store.begin_session(versions={}, inputs={})
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        begin_and_fail()
    store.begin_session(versions={}, inputs={})
    store.add_label(store.add_job(frame(), Stage.ACTIVE), label())
    assert store.session_of(1) == store.sessions()[0]


def test_labels_of_version_1_belong_to_no_session(tmp_path: Path) -> None:
    shutil.copytree(DATA / "finished_run", tmp_path / "run")
    with RunStore.open(tmp_path / "run") as store:
        assert store.sessions() == []
        assert {store.session_of(point.label_id) for point in store.labelled()} == {None}
        assert store.session_of_generation(1) is None
        assert store.models() == []


def test_a_lost_text_is_damage(store: RunStore) -> None:
    store.begin_session(versions={}, inputs={"aims_PAX.yaml": "text"})
    store._database.execute("DELETE FROM texts")
    with pytest.raises(StoreError, match=r"run\.db: it holds what can't stand there .*restore it from a copy"):
        store.sessions()


def test_versions_are_those_of_what_is_installed() -> None:
    versions = installed_versions()
    assert versions["aims_pax"] == aims_pax.__version__
    assert versions["numpy"] == version("numpy")
    assert {"python", "torch", "mace-torch", "ase", "parsl"} <= versions.keys()
    assert "None" not in versions.values()
