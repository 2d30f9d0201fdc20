"""The first act of a run: whether the reference makes sense, and what becomes of the labels that show it."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from typer.testing import CliRunner

from aims_pax.campaign import run_campaign
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import UserError
from aims_pax.frame import Split, Stage

from .engines import Watched, reference_section
from .projects import (
    TINY_MACE,
    Watcher,
    changed,
    copper,
    copper_project,
    in_child,
    jobs_of,
    labels_of,
    loaded,
    run,
    water_project,
    write_project,
)

pytestmark = pytest.mark.usefixtures("springs")


PROBED = {"MISC": {"path_to_geometry": "copper.xyz", "probe": True}}
INITIAL: dict[str, Any] = {"ACTIVE_LEARNING": None, **PROBED}


class Inverted(EMT):
    """EMT whose forces have the wrong sign."""

    def calculate(self, atoms: Atoms | None = None, properties: Sequence[str] = ("energy",), *args: Any) -> None:
        super().calculate(atoms, list(properties), *args)
        self.results["forces"] = -self.results["forces"]


INVERTED = f"{__name__}:Inverted"


class Unstressed(EMT):
    """EMT that knows no stress."""

    implemented_properties = ("energy", "forces")


UNSTRESSED = f"{__name__}:Unstressed"


def start_and_copy(engine: type[Watched]) -> tuple[int, int]:
    """How often the starting structure was labelled, and how many labels there were in all."""
    starts = [np.abs(positions - copper().positions).max() for positions in engine.computed]
    return sum(far < 1e-9 for far in starts), len(engine.computed)


def test_labels_of_the_probe_train_every_member_beside_the_quotas(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    content = run(folder).content
    dataset = labels_of(folder)
    probes = [one for one in dataset if one.frame.trajectory < -1]
    assert [(one.label_id, one.split, one.member) for one in probes] == [
        (1, Split.TRAINING, None),
        (2, Split.TRAINING, None),
    ]
    np.testing.assert_array_equal(probes[0].frame.positions, copper().positions)
    moved = probes[1].frame.positions - copper().positions
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(0.05)
    rest = [one for one in dataset if one.frame.trajectory >= 0]
    assert [len([one for one in rest if one.member == member]) for member in (0, 1)] == [4, 4]
    assert content["training_structures_of_each_member"] == [2 + 2, 2 + 2]
    assert content["labels"]["received"] == len(engine.computed) == 2 + 8, "each was computed once"
    assert not list((folder / "aims_ase_calcs").glob("probe-*"))


def test_run_of_both_stages_counts_the_probe_towards_its_goal(engine: type[Watched], tmp_path: Path) -> None:
    goal = {"max_train_set_size": 6}
    content = run(copper_project(tmp_path, changes={**PROBED, "ACTIVE_LEARNING": goal})).content
    assert content["training_structures_of_each_member"] == [6, 6]
    assert content["labels"]["received"] == len(engine.computed)


def test_run_from_given_datasets_is_probed_too(engine: type[Watched], tmp_path: Path) -> None:
    run(copper_project(tmp_path / "first", changes={"ACTIVE_LEARNING": None}))
    engine.forget()
    files = {name: str(tmp_path / "first" / "results" / f"{name}.extxyz") for name in ("training", "validation")}
    given = {"initial_train_dataset": files["training"], "initial_valid_dataset": files["validation"]}
    goal = {"max_train_set_size": None, "max_MD_steps": 2, "max_convergence_epochs": 2}
    folder = copper_project(
        tmp_path / "second",
        changes={"INITIAL_DATASET_GENERATION": None, "ACTIVE_LEARNING": {**given, **goal}, **PROBED},
    )
    run(folder)
    probes = [one for one in labels_of(folder) if one.frame.trajectory < -1]
    assert [one.split for one in probes] == [Split.TRAINING, Split.TRAINING]
    assert start_and_copy(engine)[0] == 1


def test_run_whose_reference_contradicts_itself_stops_before_all_else(tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={**INITIAL, "REFERENCE": reference_section(INVERTED)})
    with pytest.raises(UserError, match="Energy and forces contradict each other"):
        run(folder)
    assert jobs_of(folder, Stage.INITIAL) == []
    assert not (folder / "results").exists()


def test_run_that_was_stopped_goes_on_with_another_reference(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={**INITIAL, "REFERENCE": reference_section(INVERTED)})
    with pytest.raises(UserError, match="contradict each other"):
        run(folder)
    copper_project(tmp_path, changes=INITIAL)
    assert run(folder).content["labels"]["received"] == len(engine.computed) == 10


def test_user_who_insists_is_not_stopped(tmp_path: Path) -> None:
    misc = {"MISC": {"path_to_geometry": "copper.xyz", "probe": False}}
    folder = copper_project(tmp_path, changes={**INITIAL, **misc, "REFERENCE": reference_section(INVERTED)})
    assert run(folder).content["labels"]["received"] == 8


def test_driver_that_is_not_sane_stops_the_run(engine: type[Watched], tmp_path: Path) -> None:
    changes = {**INITIAL, "INITIAL_DATASET_GENERATION": {"foundational_model": INVERTED}}
    folder = copper_project(tmp_path, changes=changes)
    with pytest.raises(UserError, match=r"foundational_model .*Inverted.*contradict each other") as raised:
        run(folder)
    assert len(raised.value.problems) == 1, "the reference is sane"
    assert jobs_of(folder, Stage.INITIAL) == []


@pytest.mark.parametrize(
    ("changes", "stress", "words"),
    [
        ({"REFERENCE": reference_section(UNSTRESSED)}, True, "no stress, and the models are to learn it (GENERAL."),
        (
            {
                "REFERENCE": reference_section(UNSTRESSED),
                "INITIAL_DATASET_GENERATION": {"foundational_model": None, "initial_sampling": "aimd"},
            },
            False,
            "no stress, and the cell is to move by it (stat_ensemble is npt).",
        ),
        (
            {"INITIAL_DATASET_GENERATION": {"foundational_model": UNSTRESSED}},
            False,
            "It fails: PropertyNotImplementedError",
        ),
    ],
)
def test_what_lacks_the_stress_that_is_needed_stops_the_run(
    changes: dict[str, Any], stress: bool, words: str, tmp_path: Path
) -> None:
    npt = {"MD": {"stat_ensemble": "npt", "friction": None}}
    folder = copper_project(tmp_path, bulk("Cu", cubic=True), {**INITIAL, **npt, **changes})
    settings = yaml.safe_load((folder / "aims_PAX.yaml").read_text(encoding="utf-8"))
    write_project(folder, settings, changed(TINY_MACE, {"GENERAL": {"compute_stress": stress}}))
    with pytest.raises(UserError, match=re.escape(words)):
        run(folder)
    assert jobs_of(folder, Stage.INITIAL) == []


def test_all_failures_are_told_at_once_and_computed_anew_when_asked_again(
    engine: type[Watched], tmp_path: Path
) -> None:
    engine.manners = {1: "unconverged", 4: "nan"}
    folder = copper_project(tmp_path, changes={**INITIAL, "MISC": {"path_to_geometry": None, "probe": True}})
    (folder / "geometry").mkdir()
    for name in ("one", "two"):
        write(folder / "geometry" / f"{name}.xyz", copper())
    with pytest.raises(UserError, match="SCF not converged in 250 cycles") as raised:
        run(folder)
    assert [problem.where.rsplit(" ", 1)[-1] for problem in raised.value.problems] == ["one", "two"]
    kept = [line for problem in raised.value.problems for line in str(problem).split() if "attempt-" in line]
    assert len(kept) == 2
    assert all(Path(place.rstrip(".")).is_dir() for place in kept)
    engine.forget()
    run(folder)
    assert start_and_copy(engine)[0] == 2


def test_probe_that_was_killed_keeps_what_it_has_got(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    engine.manners = {2: "die"}
    assert in_child(lambda: run(folder)) < 0
    engine.forget()
    content = run(folder).content
    assert start_and_copy(engine) == (0, 9), "the first label is found, all others are computed"
    assert content["labels"]["received"] == 10


def test_probe_that_is_over_is_not_repeated(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    engine.manners = {5: "die"}
    assert in_child(lambda: run(folder)) < 0
    engine.forget()
    assert run(folder).content["labels"]["received"] == 10
    assert start_and_copy(engine)[0] == 0


def test_campaign_that_is_to_leave_does_so_between_labels(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    departure = Departure()
    calculate = engine.calculate

    def calculate_and_ask(self: Watched, *args: Any) -> None:
        calculate(self, *args)
        departure.ask(Reason.TERMINATED)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "calculate", calculate_and_ask)
        with pytest.raises(Departed, match="SIGTERM"):
            run_campaign(loaded(folder), stages=(Stage.INITIAL,), observer=Watcher(), departure=departure)
    assert len(engine.computed) == 1
    run(folder)
    assert start_and_copy(engine) == (1, 10)


def test_run_remembers_how_long_labels_and_driver_take(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    run(folder)
    with RunStore.open_readonly(folder) as store:
        state = store.load_state("probe")
    assert state is not None
    for word in (b'"labels": [1, 2]', b'"label_s": {"copper"', b'"driver_step_s"'):
        assert word in state


def test_check_probes_and_the_run_takes_the_labels_over(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes=INITIAL)
    result = CliRunner().invoke(program, ["check", str(folder), "--for", "idg", "--probe"])
    assert result.exit_code == 0, result.output
    assert "rattling costs +" in result.stdout
    assert "No problem found" in result.stdout
    assert len(engine.computed) == 2
    assert not (folder / "run.db").exists()
    run(folder)
    assert start_and_copy(engine) == (1, 10)


def test_check_tells_what_is_not_sane_with_exit_code_2(tmp_path: Path) -> None:
    folder = copper_project(tmp_path, changes={**INITIAL, "REFERENCE": reference_section(INVERTED)})
    assert CliRunner().invoke(program, ["check", str(folder), "--for", "idg"]).exit_code == 0, "nothing was computed"
    result = CliRunner().invoke(program, ["check", str(folder), "--for", "idg", "--probe"])
    assert result.exit_code == 2
    assert "Energy and forces contradict each other" in result.stderr
    assert not list((folder / "aims_ase_calcs").glob("probe-*"))


def test_magnesium_oxide_under_gfn2_is_stopped_and_under_gfn1_is_not(tmp_path: Path) -> None:
    for method, code in (("GFN2-xTB", 2), ("GFN1-xTB", 0)):
        reference = {"type": "tblite", "method": method}
        folder = water_project(tmp_path / method, {**INITIAL, "REFERENCE": reference})
        aimd = {"initial_sampling": "aimd"}
        water_project(folder, {**INITIAL, "REFERENCE": reference, "INITIAL_DATASET_GENERATION": aimd})
        write(folder / "copper.xyz", bulk("MgO", "rocksalt", a=4.21, cubic=True), format="extxyz")
        result = CliRunner().invoke(program, ["check", str(folder), "--for", "idg", "--probe"])
        assert result.exit_code == code, result.output
        assert ("the energy falls by" in result.stderr) == (code == 2)


def test_probe_goes_through_the_workers_of_the_cluster(tmp_path: Path) -> None:
    cluster = {"CLUSTER": {"type": "local", "max_workers": 1}}
    folder = water_project(tmp_path, {"ACTIVE_LEARNING": None, "MISC": {"path_to_geometry": "water.xyz"}, **cluster})
    result = CliRunner().invoke(program, ["check", str(folder), "--for", "idg", "--probe"])
    assert result.exit_code == 0, result.output
    assert list((folder / "logs" / "parsl").glob("*")), "Parsl was at work"
    (left,) = (folder / "aims_ase_calcs").glob("probe-*")
    with RunStore.open_readonly(left) as store:
        assert store.counts().n_received == 2
    shutil.rmtree(left)
