"""Which frames are labelled, by what thresholds, and where they go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.dataset.store import RunStore
from aims_pax.frame import CommitteePrediction, Frame, Label, Split
from aims_pax.protocols import FramePrediction
from aims_pax.selection.calibration import Amounts, Quantity, Slope, Slopes
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.stages.exploring.judging import (
    ENOUGH,
    Thresholds,
    above,
    at_random,
    beyond,
    chosen,
    fitted_slopes,
    measured_errors,
    missed,
    placed,
    predicted,
    tolerances,
    truths,
)

HALF = Thresholds(Slopes(energy=Slope(0.5, 9), forces=Slope(0.5, 9), stress=Slope(0.5, 9)), "9 structures")
ALL = {Quantity.ENERGY: 0.001, Quantity.FORCES: 0.1, Quantity.STRESS: 0.001}
SHIFT = 0.02
"""By how much each of two members is beside their mean: eV of a structure, eV/Å, eV/Å³."""


class Pair:
    """Two members that say the reference's value and an error, each a little beside it."""

    names, generation, n_members = ("a", "b"), 3, 2

    def __init__(self, error: float) -> None:
        self._error = error

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        return [self._of(frame, want_stress) for frame in frames]

    def _of(self, frame: Frame, want_stress: bool) -> FramePrediction:
        sides = self._error + SHIFT * np.array([1.0, -1.0])
        stress = np.tile(sides[:, None], (1, 6)) if want_stress else None
        return FramePrediction(frame.n_atoms * sides, np.tile(sides[:, None, None], (1, frame.n_atoms, 3)), stress)


def frame(number: int, config_type: str = "") -> Frame:
    found = frame_of(bulk("Cu", cubic=True), system="copper", trajectory=number, md_step=1)
    return replace(found, config_type=config_type)


def label(*, stress: bool = True) -> Label:
    return Label(0.0, np.zeros((4, 3)), np.zeros(6) if stress else None, "", 0.0)


@contextmanager
def store_with(folder: Path, n_predicted: int, n_unseen: int) -> Iterator[RunStore]:
    """Labels that were predicted, by members of slope 1/2, and structures for validation and test."""
    with RunStore.open(folder) as store:
        for number in range(n_predicted):
            label_id = store.add_job(frame(number), "explore")
            two = np.array([SHIFT, -SHIFT]) + SHIFT * np.sqrt(3)
            said = CommitteePrediction.of_members(
                4 * two, np.tile(two[:, None, None], (1, 4, 3)), np.tile(two[:, None], (1, 6)), generation=1
            )
            store.add_prediction(label_id, said)
            store.add_label(label_id, label())
            store.assign(label_id, Split.TRAINING)
        for number in range(n_unseen):
            label_id = store.add_job(frame(100 + number), "collect")
            store.add_label(label_id, label())
            store.assign(label_id, Split.TEST if number % 2 else Split.VALIDATION)
        yield store


def test_slopes_are_those_of_labels_that_were_predicted_before_they_were_learned(tmp_path: Path) -> None:
    with store_with(tmp_path, ENOUGH, 4) as store:
        found = fitted_slopes(store, Pair(5.0), learns_stress=True)  # type: ignore[arg-type]
    for quantity in Quantity:
        slope = found.slopes.of(quantity)
        assert slope is not None
        assert (slope.value, slope.n_structures) == (pytest.approx(0.5), ENOUGH)
    assert found.fitted_to == f"{ENOUGH} labels that were predicted before they were learned"


def test_as_long_as_these_are_few_unseen_structures_are_judged_by_the_present_models(tmp_path: Path) -> None:
    with store_with(tmp_path, 0, 4) as store:
        found = fitted_slopes(store, Pair(0.0), learns_stress=False)  # type: ignore[arg-type]
    forces = found.slopes.of(Quantity.FORCES)
    assert forces is not None
    assert (forces.value, forces.n_structures) == (pytest.approx(1.0), 4), "members without a common error"
    assert found.slopes.of(Quantity.STRESS) is None
    assert found.fitted_to == "4 structures for validation and test"
    with store_with(tmp_path / "both", ENOUGH - 1, 4) as store:
        both = fitted_slopes(store, Pair(0.0), learns_stress=True)  # type: ignore[arg-type]
    assert both.fitted_to.endswith("learned and 4 structures for validation and test")
    mixed = both.slopes.of(Quantity.FORCES)
    assert mixed is not None
    assert mixed.n_structures == ENOUGH + 3
    assert 0.5 < mixed.value < 1.0


def test_a_frame_above_any_threshold_is_beyond_and_one_that_is_not_finite_always_is() -> None:
    deviations = [
        Amounts(0.0004, 0.04, 0.0004),
        Amounts(0.0006, 0.04, None),
        Amounts(0.0004, 0.06, 0.0006),
        Amounts(float("nan"), 0.04, None),
    ]
    found = beyond(deviations, HALF, ALL)
    assert [(one.quantity, one.threshold, one.n_above) for one in found] == [
        ("energy", pytest.approx(0.0005), 2),
        ("forces", pytest.approx(0.05), 1),
        ("stress", pytest.approx(0.0005), 1),
    ]
    assert [above(one, found) for one in deviations] == [[], ["energy"], ["forces", "stress"], ["energy"]]


def test_a_deviation_without_a_slope_is_taken_for_an_error() -> None:
    (energy, forces) = beyond(
        [Amounts(0.002, 0.05)], Thresholds(Slopes(), "nothing"), tolerances(ExploreSettings(), learns_stress=False)
    )
    assert (energy.threshold, energy.slope, energy.n_above) == (0.001, None, 1)
    assert (forces.threshold, forces.n_above) == (0.1, 0)


def test_no_more_than_is_allowed_is_labelled_and_by_chance() -> None:
    settings = ExploreSettings(max_selected_frames=5)
    assert chosen([3, 4, 9], settings, number=1) == [3, 4, 9]
    picked = chosen(range(50), settings, number=1)
    assert picked == sorted(set(picked)) == chosen(range(50), settings, number=1)
    assert len(picked) == 5
    assert picked != chosen(range(50), settings, number=2)


def test_frames_at_random_are_drawn_from_all_and_by_the_seed_and_the_round() -> None:
    settings = ExploreSettings(num_random_frames=6)
    drawn = at_random(40, settings, number=1)
    assert drawn == sorted(set(drawn)) == at_random(40, settings, number=1)
    assert (len(drawn), max(drawn) < 40) == (6, True)
    assert drawn != at_random(40, settings, number=2)
    assert at_random(4, settings, number=1) == [0, 1, 2, 3], "all of few"
    assert at_random(40, ExploreSettings(), number=1) == []


def test_labels_of_frames_at_random_tell_what_a_threshold_finds_and_misses(tmp_path: Path) -> None:
    with store_with(tmp_path, 3, 0) as store:
        labels = list(store.predicted())  # each with a deviation of SHIFT, and an error of twice as much
    wanted = {Quantity.FORCES: 1.9 * SHIFT, Quantity.ENERGY: 2.1 * SHIFT}
    found, silent = missed(labels, beyond([], HALF, wanted))
    assert (found.quantity, found.n_labelled, found.n_beyond, found.n_above, found.n_right) == ("forces", 3, 3, 3, 3)
    assert (silent.n_beyond, silent.n_above) == (0, 0)
    blind = Thresholds(Slopes(energy=Slope(0.2, 9), forces=Slope(2.0, 9)), "9 structures")
    late, early = missed(labels, beyond([], blind, wanted))
    assert (late.n_beyond, late.n_above, late.n_right) == (3, 0, 0), "all are missed"
    assert (early.n_beyond, early.n_above, early.n_right) == (0, 3, 0), "false alarms"
    assert missed([], beyond([], HALF, ALL)) == ()


def test_stress_is_judged_where_a_structure_has_one() -> None:
    slab = replace(frame(1), pbc=np.array([True, True, False]))
    whole, open_ = predicted(Pair(0.1), [frame(0), slab], learns_stress=True)  # type: ignore[arg-type]
    assert whole.stress is not None
    assert open_.stress is None
    (silent,) = predicted(Pair(0.1), [frame(0)], learns_stress=False)  # type: ignore[arg-type]
    assert silent.stress is None


def test_labels_tell_whether_expected_errors_were_right(tmp_path: Path) -> None:
    with store_with(tmp_path, 3, 0) as store:
        labels = list(store.predicted())
    found = beyond([], HALF, {Quantity.FORCES: 0.03, Quantity.ENERGY: 0.05})
    forces, energy = truths(labels, found)
    assert forces.mean_error == pytest.approx(2 * SHIFT)
    assert forces.mean_expected == pytest.approx(2 * SHIFT), "slope 1/2 holds"
    assert (forces.n_labelled, forces.n_beyond) == (3, 3)
    assert energy.n_beyond == 0
    assert truths([], found) == ()


def test_errors_are_those_of_each_member_and_of_the_structures_that_stay_the_same(tmp_path: Path) -> None:
    with store_with(tmp_path, 2, 4) as store:
        points = list(store.labelled())
    args: dict[str, Any] = {"committee": Pair(0.1), "learns_stress": True}
    found = measured_errors(points, n_first=4, **args)
    assert Counter((one.split, one.is_first, one.n_structures) for one in found) == {
        ("validation", False, 2): 3,
        ("validation", True, 1): 3,
        ("test", False, 2): 3,
        ("test", True, 1): 3,
        ("training", False, 2): 3,
    }
    by_member = {one.member: one.forces_ev_per_ang for one in found if one.split != "training"}
    assert by_member == {"a": pytest.approx(0.12), "b": pytest.approx(0.08), "": pytest.approx(0.1)}
    assert all(one.stress_ev_per_ang3 is not None for one in found)


def test_frames_of_one_condition_are_shared_out_and_what_lacks_is_made_up_for_later() -> None:
    settings = ExploreSettings(valid_ratio=0.1, test_ratio=0.1)
    groups = [frame(number, f"explored_{300 * (1 + number % 2)}K") for number in range(40)]
    splits = placed(groups, settings, number=1, before={})
    by_group = Counter((one.config_type, split) for one, split in zip(groups, splits, strict=True))
    assert by_group == {
        (f"explored_{t}K", split): n
        for t in (300, 600)
        for split, n in ((Split.TRAINING, 16), (Split.VALIDATION, 2), (Split.TEST, 2))
    }
    total: Counter[Split] = Counter()
    for number in range(1, 11):
        total += Counter(placed([frame(0), frame(1), frame(2)], settings, number=number, before=dict(total)))
    assert total == {Split.TRAINING: 24, Split.VALIDATION: 3, Split.TEST: 3}
