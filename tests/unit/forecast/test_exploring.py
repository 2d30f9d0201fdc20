"""What stages that explore leave to those after them: labels of random frames test, and train nobody."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from aims_pax.campaign.course import Position
from aims_pax.forecast.amounts import Outset, Sizes, forecaster_of, outsets_ahead
from aims_pax.forecast.standing import Standing
from aims_pax.learner.exploration import End, Exploration, Round

from ..flights import BOTH, CONVERGE, INITIAL, flight_project

EXPLORE = {"length": 0.02, "sampling_time": 0.002, "valid_ratio": 0.2, "test_ratio": 0.1, "num_random_frames": 4}
SIZES = Sizes(10, 12)


def exploring(folder: Path, **changes: Any) -> Outset:
    stage = {key: value for key, value in (EXPLORE | changes).items() if value is not None}
    project = flight_project(folder, INITIAL, CONVERGE, {"explore": stage})
    (outset,) = [one for one in outsets_ahead(project, BOTH) if one.plan.kind == "explore"]
    return replace(outset, sizes=SIZES)


def grown(outset: Outset, n_labels: float) -> tuple[int, int]:
    """By how many training structures, of each member and of all."""
    sizes = forecaster_of(outset.plan).after(outset, n_labels)
    return sizes.of_each - SIZES.of_each, sizes.of_all - SIZES.of_all


def under_way(outset: Outset, state: Exploration) -> Outset:
    position = Position("explore", ("initial", "initial convergence"))
    return replace(outset, standing=Standing(position, explorations={"explore": state}))


def test_labels_of_random_frames_train_nobody(tmp_path: Path) -> None:
    outset = exploring(tmp_path)
    assert grown(outset, 3 * 4 + 20) == (14, 14), "three rounds are likely; 0.7 of the others train"
    assert grown(outset, 3 * 4) == (0, 0)


def test_nothing_trains_where_models_are_only_judged(tmp_path: Path) -> None:
    assert grown(exploring(tmp_path, train=False, valid_ratio=None, test_ratio=None), 24) == (0, 0)


def test_what_rounds_have_learned_is_counted_by_the_run_itself(tmp_path: Path) -> None:
    outset = exploring(tmp_path)
    first = Round(1, n_random=4, n_labelled=14, n_train=17)
    state = Exploration(Round(2), over=(Round(0), first))
    assert grown(under_way(outset, state), 2 * 4 + 10) == (7 + 7, 7 + 7), "two more rounds are likely"
    ended = Exploration(Round(2, n_random=4, n_labelled=4), over=(Round(0), first), ended=End.NOTHING_ABOVE)
    assert grown(under_way(outset, ended), 0) == (7, 7), "the last one had nothing to learn"
