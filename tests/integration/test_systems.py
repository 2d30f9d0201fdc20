"""A campaign whose systems have settings of their own, through all of its stages, interruptions and goals."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.io import write

from aims_pax.campaign import run_campaign
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.frame import LabelledFrame
from aims_pax.settings.stage import ACTIVE

from .projects import COPPER, Watcher, changed, copper, labels_of, loaded, run, stages_of, write_project

pytestmark = pytest.mark.usefixtures("springs")


def project(folder: Path, **of_pair: Any) -> Path:
    """Four atoms of copper, and two with a budget and a threshold of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "four.xyz", copper())
    write(folder / "two.xyz", Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]))
    systems = {
        "four": {"geometry": "four.xyz", "num_trajectories": 1},
        "pair": {
            "geometry": "two.xyz",
            "num_trajectories": 2,
            "MD": {"temperature": 150, "timestep": 2.0},
            "threshold": "own",
            "max_labels": 2,
            **of_pair,
        },
    }
    settings = changed(
        COPPER, {"ACTIVE_LEARNING": {"num_trajectories": None, "max_train_set_size": 14}, "MISC": {"probe": False}}
    )
    write_project(folder, {**settings, "SYSTEMS": systems})
    return folder


def of_active(folder: Path) -> list[LabelledFrame]:
    return [one for one in labels_of(folder) if one.stage == ACTIVE]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("systems"))
    run(folder)
    return folder


def test_a_system_gets_no_more_labels_than_its_budget_and_the_other_reaches_the_goal(finished: Path) -> None:
    by_system = Counter(one.frame.system for one in of_active(finished))
    assert by_system["pair"] == 2
    assert by_system["four"] > 2
    assert {one.frame.trajectory: one.frame.system for one in of_active(finished)}.items() <= {
        (0, "four"), (1, "pair"), (2, "pair")
    }  # fmt: skip
    selectors = {one.frame.system: one.source for one in of_active(finished)}
    assert selectors == {"four": "moving threshold", "pair": "moving threshold of pair"}


def test_labels_and_errors_are_told_by_system(finished: Path) -> None:
    content = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    counted = {name: sum(used.values()) for name, used in content["labels_by_system"].items()}
    assert counted == Counter(one.frame.system for one in labels_of(finished))
    n_told = Counter(one["origin"] for one in content["errors_by_system"] for _ in range(one["n_structures"]))
    assert set(n_told) <= {"of four", "of pair"}
    assert sum(n_told.values()) == content["labels"]["validation"]


def test_a_campaign_that_left_again_and_again_has_the_same_labels(finished: Path, tmp_path: Path) -> None:
    folder, n_left = project(tmp_path / "left"), 0
    while True:
        departure, seen = Departure(), 0

        def look(_: object, departure: Departure = departure) -> None:
            nonlocal seen
            seen += 1
            if seen >= 9:
                departure.ask(Reason.INTERRUPTED)

        try:
            run_campaign(loaded(folder), stages=stages_of(folder), observer=Watcher(look), departure=departure)
            break
        except Departed:
            n_left += 1
    assert n_left >= 2
    for one, other in zip(labels_of(finished), labels_of(folder), strict=True):
        assert (one.frame.system, one.frame.trajectory, one.frame.md_step, one.source, one.split) == (
            other.frame.system, other.frame.trajectory, other.frame.md_step, other.source, other.split
        )  # fmt: skip
        np.testing.assert_array_equal(one.frame.positions, other.frame.positions)


def test_a_raised_budget_lets_its_system_go_on(tmp_path: Path) -> None:
    folder = project(tmp_path, num_trajectories=1)
    path = folder / "aims_PAX.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["SYSTEMS"]["four"]["max_labels"] = 3
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    summary = run(folder)
    assert summary.content["stopped_because"]["active"].startswith("every system has the labels that it may ask for")
    assert Counter(one.frame.system for one in of_active(folder)) == {"four": 3, "pair": 2}
    settings["SYSTEMS"]["pair"]["max_labels"] = 4
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    run(folder)
    assert Counter(one.frame.system for one in of_active(folder)) == {"four": 3, "pair": 4}
