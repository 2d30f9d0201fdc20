"""What a committee says of a structure before it learns from it stands beside the label that comes after."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from aims_pax.dataset import RunStore
from aims_pax.errors import ShapeError, StoreError
from aims_pax.frame import CommitteePrediction, Frame, Label, Split, Stage
from aims_pax.selection import max_atomic_sd, mean_atomic_sd

from ..sameness import assert_same

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]


def predicted(n_atoms: int = 3, *, n_members: int = 4, with_stress: bool = False) -> CommitteePrediction:
    rng = np.random.default_rng(n_atoms)
    stresses = rng.normal(size=(n_members, 6)) if with_stress else None
    forces = rng.normal(size=(n_members, n_atoms, 3))
    return CommitteePrediction.of_members(rng.normal(size=n_members), forces, stresses, generation=7)


def test_predictions_come_back_bit_for_bit(store: RunStore, frame: MakeFrame) -> None:
    predictions = [predicted(), predicted(8, with_stress=True)]
    for step, prediction in enumerate(predictions, start=1):
        label_id = store.add_job(frame(step, n_atoms=len(prediction.forces)), Stage.ACTIVE)
        store.add_prediction(label_id, prediction)
        assert_same(store.prediction_of(label_id), prediction)
    store.add_job(frame(3), Stage.ACTIVE)
    assert store.prediction_of(3) is None


def test_predictions_are_read_with_the_labels_that_came_after(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    for step in range(1, 5):
        label_id = store.add_job(frame(step), Stage.ACTIVE, source="deviation")
        if step != 2:
            store.add_prediction(label_id, predicted())
    for label_id in (1, 2, 4):  # 3 is still in flight
        store.add_label(label_id, label(energy=-float(label_id)))
    store.assign(1, Split.TRAINING)
    store.assign(4, Split.VALIDATION)
    points = list(store.predicted())
    assert [(one.label_id, one.label.energy, one.stage, one.source) for one in points] == [
        (1, -1.0, "active", "deviation"),
        (4, -4.0, "active", "deviation"),
    ]
    for one in points:
        assert_same(one.frame, frame(one.label_id))
        assert_same(one.prediction, predicted())
    assert [one.label_id for one in store.predicted(after=1)] == [4]


def test_another_reference_is_held_against_the_same_prediction(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    label_id = store.add_job(frame(), Stage.ACTIVE)
    store.add_prediction(label_id, predicted())
    again = store.request(store.structure_of(label_id), stage="relabel", reference="pbe0")
    store.add_label(again, label(energy=-2.0))
    (one,) = store.predicted(reference="pbe0")
    assert (one.label_id, one.label.energy) == (again, -2.0)
    assert_same(store.prediction_of(again), predicted())
    assert list(store.predicted()) == []


def test_what_was_learned_is_no_longer_predicted(store: RunStore, frame: MakeFrame, label: MakeLabel) -> None:
    for step, split in enumerate((Split.TRAINING, Split.VALIDATION), start=1):
        store.add_label(store.add_job(frame(step), Stage.ACTIVE), label())
        store.assign(step, split)
    with pytest.raises(StoreError, match="label 1 is trained on: what the committee says of it now is no prediction"):
        store.add_prediction(1, predicted())
    store.add_prediction(2, predicted())
    assert store.prediction_of(1) is None


def test_a_structure_is_predicted_once(store: RunStore, frame: MakeFrame) -> None:
    label_id = store.add_job(frame(), Stage.ACTIVE)
    store.add_prediction(label_id, predicted())
    with pytest.raises(StoreError, match=r"UNIQUE constraint failed: predictions\.structure_id"):
        store.add_prediction(label_id, predicted())


def test_a_prediction_of_another_structure_is_refused(store: RunStore, frame: MakeFrame) -> None:
    label_id = store.add_job(frame(), Stage.ACTIVE)
    with pytest.raises(StoreError, match="label 1 is of 3 atoms, and what is predicted of it is of 8"):
        store.add_prediction(label_id, predicted(8))
    with pytest.raises(StoreError, match="label 9 was never asked for"):
        store.add_prediction(9, predicted())


def test_a_committee_that_diverges_does_not_end_a_run(store: RunStore, frame: MakeFrame) -> None:
    label_id = store.add_job(frame(), Stage.ACTIVE)
    wild = replace(predicted(), energy=math.nan, energy_deviation=math.inf, forces=np.full((3, 3), np.nan))
    store.add_prediction(label_id, wild)
    found = store.prediction_of(label_id)
    assert found is not None
    assert math.isnan(found.energy)
    assert found.energy_deviation == math.inf
    assert np.isnan(found.forces).all()


def test_deviations_are_those_of_which_scores_are_made() -> None:
    forces = np.random.default_rng(1).normal(size=(4, 5, 3))
    prediction = CommitteePrediction.of_members(np.zeros(4), forces, generation=0)
    of_atoms = np.sqrt((prediction.forces_deviation**2).mean(axis=1))
    assert of_atoms.max() == pytest.approx(max_atomic_sd(forces), rel=1e-12)
    assert of_atoms.mean() == pytest.approx(mean_atomic_sd(forces), rel=1e-12)


def test_one_member_predicts_without_a_deviation_and_is_refused() -> None:
    with pytest.raises(ShapeError, match="of at least two members"):
        CommitteePrediction.of_members(np.zeros(1), np.zeros((1, 3, 3)), generation=0)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"forces \(3, 3\) and their deviation \(2, 3\)"):
        replace(predicted(), forces_deviation=np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"must both be \(6,\) or None, not \(6,\) and None"):
        replace(predicted(), stress=np.zeros(6))
