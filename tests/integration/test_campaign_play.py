"""Workflows that are played while a committee learns, as a stage of whole campaigns."""

import hashlib
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from typer.testing import CliRunner

from aims_pax.campaign import run as campaign_run
from aims_pax.campaign import run_campaign
from aims_pax.campaign.fingerprint import changed_settings, claim, note_of
from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.dataset.tables.database import Database
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped, SettingsError
from aims_pax.frame import Split, Stage
from aims_pax.labelling.desk import LabelDesk
from aims_pax.learner.journal import from_text
from aims_pax.learner.workflows import Doing, End, PlayState
from aims_pax.protocols import Status
from aims_pax.reference.registry import build_reference
from aims_pax.sampling.program import dynamics_of
from aims_pax.settings import MDSettings, Project, load_project
from aims_pax.settings.workflow.run import COUPLINGS
from aims_pax.stages import assembly
from aims_pax.stages.loop.trainer import CommitteeTrainer
from aims_pax.stages.memory import Memory
from aims_pax.stages.playing import playing
from aims_pax.stages.playing.motion import Motion
from aims_pax.stages.playing.segments import program_of_phase
from aims_pax.stages.stage import stage_of
from aims_pax.structures.building.phase import Built
from aims_pax.testing.pools import ScriptedPool, computing

from .engines import PLAIN, Watched, reference_section
from .projects import COPPER, Watcher, copper, in_child, jobs_of, labels_of, write_project
from .resuming import assert_same, outcome_of
from .test_explore import COLLECT, CONVERGE

pytestmark = pytest.mark.usefixtures("springs")

ACTIVE = (Stage.ACTIVE,)
FEW: dict[str, Any] = {
    "ensemble_size": 2,
    "replicas": 2,
    "max_visits": 3,
    "threshold": 0.03,
    "skip_steps": 3,
    "epochs_per_label": 4,
    "epochs_at_a_time": 2,
    "max_convergence_epochs": 3,
    "valid_ratio": 0.25,
}
"""Springs are unsure of some frames of copper by this threshold, and of others not."""

MD = {"stat_ensemble": "nvt", "temperature": 300, "timestep": 2.0, "friction": 0.02}
MELT: dict[str, Any] = {
    "Phase0": {
        "Geometry": {"Bulk": {"Structure_1": {"Path": "cluster.extxyz"}}},
        "Run": {"Type": "NVT", "Steps": 12, "Temperature": {"Tstart": 300, "Tstop": 900}, "Sampling": 2},
    },
    "Phase1": {"Run": {"Type": "Relax", "Steps": 8, "Sampling": 1, "Fmax": 0.4}},
}
PRESS: dict[str, Any] = {
    "Phase0": {
        "Geometry": {
            "Bulk": {
                "Structure_1": {"Path": "cell.extxyz"},
                "Structure_2": {"Path": "cell.extxyz", "Repeat": [2, 1, 1]},
            }
        },
        "Run": {"Type": "NPT", "Steps": 8, "Pressure": 1.0, "Sampling": 2},
    },
}
PACKED: dict[str, Any] = {
    "Phase0": {
        "Geometry": {
            "Molecules": {
                "Nitrogen": {"Path": "n2.extxyz", "Concentration": 2},
                "Carbonmonoxide": {"Path": "co.extxyz", "Concentration": 1},
            },
            "Shuffle": True,
            "Number": 4,
            "Box": [7.0, 7.0, 7.0],
        },
        "Run": {"Type": "NVT", "Timestep": 0.5, "Steps": 6, "Temperature": 100, "Sampling": 2},
    },
}
WORKFLOWS = {"melt": MELT, "press": PRESS}
GENERAL = {"model_type": PLAIN}


SHORT: dict[str, Any] = {"pretrained": GENERAL, "replicas": 1, "threshold": 0.0, "max_visits": 2}
"""No visit of it holds."""


def explore(*names: str, **changes: Any) -> dict[str, Any]:
    usual = FEW | {"workflow": [f"{name}.yaml" for name in names or WORKFLOWS]} | changes
    return {"explore": {key: value for key, value in usual.items() if value is not None}}


LEARNED = [COLLECT, CONVERGE, explore()]


def project_of(folder: Path, *stages: Any, workflows: Mapping[str, Any] = WORKFLOWS, **sections: Any) -> Path:
    """Copper by EMT, with two workflows that are played from a made dataset where no stages are given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, atoms in {"cell": bulk("Cu", cubic=True), "cluster": copper()}.items():
        write(folder / f"{name}.extxyz", atoms)
    for name in ("N2", "CO"):
        write(folder / f"{name.lower()}.extxyz", molecule(name))
    for name, phases in workflows.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(phases)), encoding="utf-8")
    settings = {
        "REFERENCE": reference_section(),
        "STAGES": list(stages) or LEARNED,
        "MD": MD,
        "MISC": {**COPPER["MISC"], "path_to_geometry": "cell.extxyz"},
    }
    write_project(folder, settings | sections)
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=ACTIVE)
    stages = project.asked(ACTIVE)
    return run_campaign(project, stages=stages, observer=observer or Watcher(), departure=departure).content


def state_of(folder: Path) -> PlayState:
    with RunStore.open_readonly(folder) as store:
        stored = store.load_state("play.explore")
    assert stored is not None
    return from_text(PlayState, stored.decode())


def phases_of(folder: Path) -> list[dict[str, Any]]:
    """What the journal says of phases that are over."""
    with RunStore.open_readonly(folder) as store:
        return [dict(one.payload) for one in store.journal() if one.kind == "PhaseOver"]


def visits_of(folder: Path) -> list[dict[str, Any]]:
    return [one for one in phases_of(folder) if one["ends_visit"]]


# -- a campaign of its own --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory, springs: object) -> Callable[[str], Path]:
    """Runs of plans that nothing has interrupted, each made once."""

    @cache
    def whole_of(plan: str) -> Path:
        Watched.forget()
        folder, instants = planned(plan, tmp_path_factory.mktemp("whole") / plan), count()
        with passing(lambda: next(instants)):
            run(folder)
        (folder / "instants").write_text(str(next(instants)), encoding="utf-8")
        return folder

    return whole_of


@pytest.fixture
def learned(wholes: Callable[[str], Path]) -> Path:
    """A run from a made dataset."""
    return wholes("learned")


@pytest.fixture
def general(wholes: Callable[[str], Path]) -> Path:
    """A run that a general model begins."""
    return wholes("general")


def played(folder: Path) -> list[Any]:
    return [one for one in labels_of(folder) if one.stage == "explore"]


def test_labels_are_those_of_frames_of_phases_by_the_workflow_that_asked(learned: Path) -> None:
    points, state = played(learned), state_of(learned)
    assert state.n_received == len(points) == len({(one.frame.trajectory, one.frame.md_step) for one in points})
    for one in points:
        workflow = "melt" if one.frame.trajectory < 2 else "press"
        assert one.source == workflow
        assert one.frame.config_type.startswith(f"{workflow} Phase")
        assert one.frame.system == "cell"
    assert {one.frame.n_atoms for one in points if one.source == "melt"} == {4}
    assert {one.frame.n_atoms for one in points if one.source == "press"} <= {4, 8}
    assert {one.split for one in points} == {Split.TRAINING, Split.VALIDATION}
    assert (state.counts.n_train, state.counts.n_valid) == tuple(
        sum(one.split is split for one in points) for split in (Split.TRAINING, Split.VALIDATION)
    )


def test_each_pick_is_the_best_of_its_window_and_above_the_threshold(learned: Path) -> None:
    with RunStore.open_readonly(learned) as store:
        scores = store.scores()
    assert len(scores) == state_of(learned).n_scores
    picked = {(row["trajectory"], row["md_step"]): row["score"] for row in scores if row["picked"]}
    assert picked.keys() == {(one.frame.trajectory, one.frame.md_step) for one in played(learned)}
    assert min(picked.values()) >= FEW["threshold"]
    phases = [one for one in phases_of(learned) if one["workflow"] == "press"]
    assert phases
    for one in phases:
        for begin, end in ((0, 4), (4, 8)):
            own = scores[scores["trajectory"] == one["player"]]
            step = own["md_step"] - one["first_step"]
            window = own[(step > begin) & (step <= end)]
            best = window[np.argmax(window["score"])]
            assert best["picked"] == (best["score"] >= FEW["threshold"])
            assert window["picked"].sum() == best["picked"]


def test_what_models_had_said_of_a_frame_is_kept_and_was_said_before_they_learned_it(learned: Path) -> None:
    with RunStore.open_readonly(learned) as store:
        predicted = [one for one in store.predicted() if one.stage == "explore"]
    assert len(predicted) == len(played(learned))
    assert all(one.prediction.generation >= one.frame.generation for one in predicted), "it was kept in its window"


def test_who_holds_is_played_no_more_and_others_as_often_as_they_may(learned: Path) -> None:
    state, held = state_of(learned), Counter(one["player"] for one in visits_of(learned) if one["held"])
    for index, player in enumerate(state.players):
        assert player.doing is Doing.OVER
        assert held[index] == player.n_held
        assert player.n_held == 1 or player.visit == FEW["max_visits"] + 1
    assert 0 < sum(held.values()) < len(state.players), "or this project tries nothing"
    assert state.stopping is End.VISITS


def test_a_general_model_needs_no_dataset_and_its_frames_are_uniform_in_time(general: Path) -> None:
    first = [one for one in played(general) if one.frame.generation == 0]
    phases = phases_of(general)
    drivers = [one["driver"] for one in phases]
    assert set(drivers[:6]) == {"pretrained"}
    assert "committee" in drivers, "phases are handed over"
    assert sorted((one.frame.trajectory, one.frame.md_step) for one in first)[:2] == [(0, 6), (0, 12)]
    ends = {(one["player"], one["first_step"] + one["n_steps"]) for one in phases[:6]}
    assert ends <= {(one.frame.trajectory, one.frame.md_step) for one in first}
    assert not any(one["held"] for one in visits_of(general)[:4]), "it was not the committee"


def test_draws_differ_between_visits_and_replicas(general: Path) -> None:
    first = [one.frame for one in jobs_first_of_phase(general)]
    assert len({one.positions.tobytes() for one in first}) == len(first)
    sizes = {one.frame.n_atoms for one in played(general) if one.source == "press"}
    assert sizes == {4, 8}, "one of two structures is drawn at each visit"


def jobs_first_of_phase(folder: Path) -> list[Any]:
    seen: dict[tuple[int, str], Any] = {}
    for job in jobs_of(folder, "explore"):
        seen.setdefault((job.frame.trajectory, job.frame.config_type), job)
    return list(seen.values())


# -- interruptions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Left:
    """All that a stage leaves in the store, in a form in which every bit counts."""

    states: dict[str, bytes | None]
    phases: list[dict[str, Any]]
    sources: list[tuple[int, str]]


def left_by(folder: Path) -> Left:
    with RunStore.open_readonly(folder) as store:
        states = {name: store.load_state(name) for name in store.state_names("play.")}
        sources = [(one.label_id, one.source) for one in store.labelled()]
    return Left(states, phases_of(folder), sources)


def assert_same_play(folder: Path, whole: Path) -> None:
    assert_same(outcome_of(folder, stage="explore"), outcome_of(whole, stage="explore"))
    found, expected = left_by(folder), left_by(whole)
    assert found.phases == expected.phases
    assert found.sources == expected.sources
    assert found.states.keys() == expected.states.keys()
    for name, value in expected.states.items():
        assert found.states[name] == value, name


@contextmanager
def passing(instant: Callable[[], object]) -> Iterator[None]:
    """Within, something is called at each instant of a campaign's work.

    They are: before and after each commit, and before and after MD, labels, epochs, checkpoints and results.
    """

    def around(own: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            instant()
            result = own(*arguments, **named)
            instant()
            return result

        return watched

    def committing(own: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @contextmanager
        def transaction(database: Any) -> Iterator[None]:
            with own(database):
                yield
                instant()
            instant()

        return transaction

    with pytest.MonkeyPatch.context() as patch:
        for name in ("transaction", "unflushed_transaction"):
            patch.setattr(Database, name, committing(getattr(Database, name)))
        for place, name in (
            (Motion, "advance"),
            (LabelDesk, "send"),
            (Watched, "calculate"),
            (CommitteeTrainer, "train"),
            (Memory, "write_committee"),
            (campaign_run, "write_results"),
        ):
            patch.setattr(place, name, around(getattr(place, name)))
        yield


@contextmanager
def dying(number: int) -> Iterator[None]:
    """Within, this process is killed at an instant of its work, counted from 1; each moment of MD is committed."""
    passed = count(1)

    def instant() -> None:
        if next(passed) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with passing(instant), pytest.MonkeyPatch.context() as patch:
        patch.setattr(playing, "COMMIT_S", 0.0)
        yield


PLANS: dict[str, list[Any]] = {
    "learned": LEARNED,
    "general": [explore(pretrained=GENERAL, hand_over=0.05)],
    "scratch": [
        explore(pretrained=GENERAL, from_scratch=True, epochs_per_label=None, epochs_at_a_time=None, replicas=1),
        "converge",
    ],
    "packed": [explore("packed", pretrained=GENERAL, max_visits=2)],
}


def planned(plan: str, folder: Path) -> Path:
    if plan == "packed":
        return project_of(folder, *PLANS[plan], workflows={"packed": PACKED})
    return project_of(folder, *PLANS[plan])


@pytest.mark.parametrize("plan", PLANS)
def test_a_campaign_that_is_killed_again_and_again_comes_to_the_same_bits(
    plan: str, wholes: Callable[[str], Path], engine: type[Watched], tmp_path: Path
) -> None:
    if plan == "packed" and not shutil.which("packmol"):
        pytest.skip("packmol is not installed")
    whole, random = wholes(plan), Random(plan)
    n_instants = int((whole / "instants").read_text("utf-8"))
    folder, codes = planned(plan, tmp_path / "killed"), list[int]()

    def session() -> None:
        with dying(number):
            run(folder)

    while not codes or codes[-1]:
        assert len(codes) < 200, "it goes on at each session"
        number = random.randint(1, max(90, n_instants // 6))
        codes.append(in_child(session))
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) > 5, "or hardly any of its instants was tried"
    assert_same_play(folder, whole)


def in_play(activity: str, *, n_received: int = 0) -> Callable[[Status], bool]:
    return lambda now: now.stage == "explore" and activity in now.activity and now.n_labels_received >= n_received


@pytest.mark.parametrize("moment", [in_play("training"), in_play("melt Phase1", n_received=30)], ids=range(2))
def test_a_stage_that_is_asked_to_leave_goes_on_to_the_same_bits(
    moment: Callable[[Status], bool], learned: Path, engine: type[Watched], tmp_path: Path
) -> None:
    departure = Departure()

    def leave(now: Status) -> None:
        if moment(now):
            departure.ask(Reason.WALLTIME)

    with pytest.raises(Departed, match="walltime"):
        run(project_of(tmp_path), observer=Watcher(leave), departure=departure)
    run(tmp_path)
    assert_same_play(tmp_path, learned)


def test_a_stage_without_a_dataset_leaves_in_its_first_training_and_goes_on(
    wholes: Callable[[str], Path], engine: type[Watched], tmp_path: Path
) -> None:
    departure, folder = Departure(), planned("scratch", tmp_path / "left")

    def leave(now: Status) -> None:
        if in_play("epoch 2 of")(now):
            departure.ask(Reason.WALLTIME)

    with pytest.raises(Departed, match="walltime"):
        run(folder, observer=Watcher(leave), departure=departure)
    assert state_of(folder).doing(Doing.WAITING) == (0, 1)
    run(folder)
    assert_same_play(folder, wholes("scratch"))


# -- nobody waits for others ------------------------------------------------------------------------------------


def late(project: Any) -> ScriptedPool:
    """A pool whose labels come when it was asked for them five times."""
    return ScriptedPool(computing(build_reference(project.reference)), delay=lambda _job: 5)


def test_who_waits_for_its_labels_keeps_nobody_from_moving(
    engine: type[Watched], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four workflows of different lengths wait less often side by side than one after the other."""
    monkeypatch.setattr(assembly, "build_pool", late)
    phases = {f"flow{n}": {"Phase0": {"Geometry": MELT["Phase0"]["Geometry"], "Run": flow(n)}} for n in range(4)}
    n_waits = {}
    for names in (tuple(phases), *((name,) for name in phases)):
        watcher, folder = Watcher(), tmp_path / "-".join(names)
        stage = explore(*names, **SHORT | {"visits_ahead": 0, "pretrained_visits": 9, "skip_steps": 2})
        run(project_of(folder, stage, workflows=phases), observer=watcher)
        assert len(played(folder)) == 4 * len(names)
        n_waits[names] = sum(now.is_waiting for now in watcher.seen)
        moved = [now for now in watcher.seen if now.n_in_flight and now.n_running and not now.is_waiting]
        assert moved, "it moves while labels are computed"
    together = n_waits.pop(tuple(phases))
    assert 2 * together < sum(n_waits.values())


def flow(n: int) -> dict[str, Any]:
    return {"Type": "NVT", "Steps": 4 + 2 * n, "Sampling": 2}


# -- from scratch -----------------------------------------------------------------------------------------------


def test_from_scratch_models_are_new_after_each_visit_and_all_wait_for_them(wholes: Callable[[str], Path]) -> None:
    folder = wholes("scratch")
    with RunStore.open_readonly(folder) as store:
        epochs = store.epochs()
    first = epochs[epochs["member"] == 0]
    assert first["epoch"].tolist() == list(range(1, len(first) + 1)), "each goes on from those before, also at the end"
    assert first["train_loss"][::3].tolist() == [1.0] * (len(first) // 3), "as springs lose that have learned nothing"
    sizes = first["n_train"].tolist()
    assert sizes == sorted(sizes)
    visits = [one["visit"] for one in phases_of(folder)]
    assert visits == sorted(visits), "nobody is ahead"
    assert {one["driver"] for one in phases_of(folder) if one["visit"] > 1} == {"committee"}


def test_from_scratch_nothing_is_trained_where_nothing_new_was_found(engine: type[Watched], tmp_path: Path) -> None:
    stage = explore("press", from_scratch=True, epochs_per_label=None, epochs_at_a_time=None, threshold=100.0)
    folder = project_of(tmp_path, COLLECT, CONVERGE, stage)
    run(folder)
    state = state_of(folder)
    assert (state.stopping, state.n_received, state.n_epochs) == (End.HOLD, 0, 0)
    with RunStore.open_readonly(folder) as store:
        assert store.epochs()["epoch"].max() == 3, "those of the convergence before"


# -- what goes wrong --------------------------------------------------------------------------------------------

HOT: dict[str, Any] = {
    "Phase0": {
        "Geometry": {"Bulk": {"Structure_1": {"Path": "cell.extxyz"}}},
        "Run": {"Type": "NVT", "Steps": 60, "Temperature": 100_000, "Sampling": 20},
    },
}
LOST = {**MELT, "Phase1": {"Run": {**MELT["Phase1"]["Run"], "Hold": {"Above": {"z": 100.0}}}}}


def test_an_explosion_ends_its_visit_and_what_was_sampled_before_is_kept(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, COLLECT, CONVERGE, explore("hot", replicas=1), workflows={"hot": HOT}))
    visits = visits_of(tmp_path)
    assert len(visits) == 3
    assert all(one["words"] and one["n_steps"] < 60 for one in visits)
    points = played(tmp_path)
    assert points
    for one in points:
        (visit,) = [v for v in visits if v["player"] == one.frame.trajectory and _within(v, one.frame.md_step)]
        assert one.frame.md_step <= visit["first_step"] + visit["n_steps"]
    assert state_of(tmp_path).stopping is End.VISITS


def _within(visit: Mapping[str, Any], md_step: int) -> bool:
    return bool(0 < md_step - visit["first_step"] <= visit["n_steps"])


def test_a_structure_whose_atoms_overlap_is_neither_moved_nor_labelled(engine: type[Watched], tmp_path: Path) -> None:
    folder = project_of(tmp_path, COLLECT, CONVERGE, explore("melt", max_visits=2))
    write(folder / "cluster.extxyz", Atoms("Cu2", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.6]]))
    run(folder)
    assert played(folder) == []
    visits = visits_of(folder)
    assert [one["n_steps"] for one in visits] == [0] * 4
    assert all("Cu" in one["words"] for one in visits)


def test_a_workflow_that_can_not_be_built_stops_the_campaign_with_its_words(
    engine: type[Watched], tmp_path: Path
) -> None:
    folder = project_of(tmp_path, COLLECT, CONVERGE, explore("lost"), workflows={"lost": LOST})
    with pytest.raises(CampaignStopped, match=r"structure of lost Phase1 could not be built.*holds no atom.*Mend"):
        run(folder)
    assert played(folder), "what phases before it had found is kept"
    n_visits = len(visits_of(folder))
    assert n_visits >= FEW["max_visits"]
    with pytest.raises(CampaignStopped, match="holds no atom"):
        run(folder)
    assert len(visits_of(folder)) > n_visits, "it was tried again"

    project_of(folder, COLLECT, CONVERGE, explore("lost"), workflows={"lost": MELT})
    with pytest.raises(SettingsError, match=r"The workflow lost is not what the run in .* was started with"):
        run(folder)


def test_a_reference_that_fails_stops_it_and_it_goes_on_when_that_was_mended(
    engine: type[Watched], tmp_path: Path
) -> None:
    folder = project_of(tmp_path, explore("press", pretrained=GENERAL, max_consecutive_failures=3, max_visits=2))
    engine.always = "unconverged"
    with pytest.raises(CampaignStopped, match=r"3 labels of explore have failed in a row.*Mend the reference"):
        run(folder)
    engine.forget()
    run(folder)
    assert state_of(folder).n_failed >= 3
    assert state_of(folder).stopping in (End.VISITS, End.HOLD)


def test_first_visits_without_a_label_stop_it_and_are_made_again(engine: type[Watched], tmp_path: Path) -> None:
    folder = project_of(tmp_path, explore("press", pretrained=GENERAL, replicas=1, max_consecutive_failures=99))
    engine.always = "unconverged"
    with pytest.raises(CampaignStopped, match="no phase of explore has come to a frame whose label could be learned"):
        run(folder)
    engine.forget()
    run(folder)
    first = [one["driver"] for one in phases_of(folder)][:4]
    assert first[:2] == ["pretrained"] * 2, "as often as it took until there were models"


# -- goals ------------------------------------------------------------------------------------------------------


def visits_made(folder: Path) -> list[int]:
    assert state_of(folder).stopping is End.VISITS
    return [one["visit"] for one in visits_of(folder)]


def test_a_stage_that_is_over_makes_more_visits_until_the_next_one_begins(
    engine: type[Watched], tmp_path: Path
) -> None:
    """A campaign is killed between the end of the stage and what follows; then more is allowed."""
    folder, own = project_of(tmp_path, explore("press", **SHORT)), playing.Playing.run

    def run_and_die(self: Any) -> End:
        own(self)
        os.kill(os.getpid(), signal.SIGKILL)
        return End.HOLD

    def session() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(playing.Playing, "run", run_and_die)
            run(folder)

    assert in_child(session) == -signal.SIGKILL
    assert visits_made(folder) == [1, 2]
    run(project_of(tmp_path, explore("press", **SHORT | {"max_visits": 4})))
    assert visits_made(folder) == [1, 2, 3, 4]


def test_an_ended_campaign_plays_on_when_more_visits_are_allowed(engine: type[Watched], tmp_path: Path) -> None:
    run(project_of(tmp_path, explore("press", **SHORT), "converge"))
    assert visits_made(tmp_path) == [1, 2]
    asked = len(jobs_of(tmp_path, "explore"))
    said = CliRunner().invoke(program, ["check", str(project_of(tmp_path, explore("press", **SHORT), "converge"))])
    assert "raise STAGES.0.explore.max_visits" in " ".join(said.output.split())
    more = project_of(tmp_path, explore("press", **SHORT | {"max_visits": 3}), "converge")
    said = CliRunner().invoke(program, ["check", str(more)])
    assert "had ended, and it goes on exploring: max_visits was 2, and is 3" in " ".join(said.output.split())
    run(more)
    assert visits_made(tmp_path) == [1, 2, 3]
    assert len(jobs_of(tmp_path, "explore")) > asked
    assert (tmp_path / "results.1").is_dir()


def test_systems_that_may_have_more_labels_are_played_on_after_the_end(engine: type[Watched], tmp_path: Path) -> None:
    def allowed(n_labels: int) -> Path:
        systems = {"press": {"geometry": "cell.extxyz", "max_labels": n_labels}}
        stage = explore("press", **SHORT | {"max_visits": 9})
        return project_of(tmp_path, stage, SYSTEMS=systems, MISC=COPPER["MISC"])

    run(allowed(2))
    assert state_of(tmp_path).stopping is End.BUDGETS
    run(allowed(5))
    assert [one.n_labels for one in state_of(tmp_path).players] == [5]


def test_a_stage_that_was_left_makes_as_many_visits_as_it_may_now(engine: type[Watched], tmp_path: Path) -> None:
    departure = Departure()

    def leave(now: Status) -> None:
        if in_play("visit 2")(now):
            departure.ask(Reason.WALLTIME)

    with pytest.raises(Departed, match="walltime"):
        run(project_of(tmp_path, explore("press", **SHORT)), observer=Watcher(leave), departure=departure)
    run(project_of(tmp_path, explore("press", **SHORT | {"max_visits": 3})))
    assert visits_made(tmp_path) == [1, 2, 3]


def test_systems_have_the_labels_that_they_may_have(engine: type[Watched], tmp_path: Path) -> None:
    systems = {"melt": {"geometry": "cluster.extxyz", "max_labels": 3}, "press": {"geometry": "cell.extxyz"}}
    stage = explore(pretrained=GENERAL, replicas=1)
    folder = project_of(tmp_path, stage, SYSTEMS=systems, MISC=COPPER["MISC"])
    run(folder)
    asked = Counter(one.frame.system for one in played(folder))
    assert asked["melt"] == 3
    assert [one.n_labels for one in state_of(folder).players] == [3, asked["press"]]
    assert [one["visit"] for one in visits_of(folder) if one["workflow"] == "melt"] == [1], "another has no use"


# -- who drives -------------------------------------------------------------------------------------------------


def test_who_plays_beside_whom_changes_nothing_for_a_driver_that_remembers(tmp_path: Path) -> None:
    """Tight binding goes on from the wave functions of the last step, of a molecule of its own charge."""
    run_of = {"Type": "NVT", "Steps": 6, "Timestep": 0.5, "Sampling": 2}
    short = {"Phase0": {"Geometry": {"Bulk": {"Structure_1": {"Path": "h2o.extxyz"}}}, "Run": {**run_of, "Steps": 2}}}
    long = {"Phase0": {"Geometry": {"Bulk": {"Structure_1": {"Path": "h2o.extxyz"}}}, "Run": run_of}}
    ion = {"geometry": "h2o.extxyz", "charge": 1, "multiplicity": 2}
    found = {}
    for name, workflows in {"alone": {"ion": long}, "together": {"water": short, "ion": long}}.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "h2o.extxyz", molecule("H2O"))
        systems = {one: {"water": {"geometry": "h2o.extxyz"}, "ion": ion}[one] for one in workflows}
        stage = explore(*workflows, pretrained={"model_type": "GFN2-xTB"}, max_visits=1, replicas=1, skip_steps=2)
        tight = {"REFERENCE": {"type": "tblite"}, "SYSTEMS": systems, "MISC": COPPER["MISC"]}
        run(project_of(folder, stage, workflows=workflows, **tight))
        found[name] = [job.frame.positions for job in jobs_of(folder, "explore") if job.frame.system == "ion"]
    assert len(found["alone"]) == 2
    # MD begins afresh where others are due, which changes forces by 1e-5 eV/Å; the other molecule's differ by eV/Å.
    np.testing.assert_allclose(found["together"], found["alone"], rtol=0, atol=1e-5)


def coupled(folder: Path, **own: dict[str, Any]) -> Project:
    """Phases of these runs, each for eight steps, where MD is nvt."""
    first, *others = ({"Run": {"Steps": 8, **run}} for run in own.values())
    geometry = {"Geometry": {"Bulk": {"Structure_1": {"Path": "cell.extxyz"}}}, "Run": {**first["Run"], "Sampling": 2}}
    phases = dict(zip((f"Phase{number}" for number in range(len(own))), (geometry, *others), strict=True))
    return load_project(
        project_of(folder, explore("own", pretrained=GENERAL), workflows={"own": phases}), stages=ACTIVE
    )


def test_phases_have_thermostats_and_barostats_of_their_own_whatever_md_is(tmp_path: Path) -> None:
    own = {"Type": "NPT", "Barostat": "c-rescale", "Pdamp": 700.0, "Tdamp": 30.0, "Compressibility": 0.007}
    project = coupled(
        tmp_path, npt=own, nvt={"Type": "NVT", "Thermostat": "bussi", "Tdamp": 20.0}, plain={"Type": "NPT"}
    )
    assert not list(stage_of(project.settings.stages[0]).problems(project))
    (workflow,) = project.further.workflows["explore"]
    md, frame = project.md_of(project.systems[0]), project.systems[0].frame
    given, drawn, usual = (program_of_phase(one.settings.run, md, Built(frame, {}, "")) for one in workflow.phases)
    settings = {"stat_ensemble": "npt", "barostat": "c-rescale", "pdamp": 700.0, "tdamp": 30.0}
    expected = MDSettings(**settings, compressibility=0.007, pressure_directions=("a", "b", "c"))
    assert given[0].dynamics == dynamics_of(expected)
    assert drawn[0].dynamics == dynamics_of(MDSettings(stat_ensemble="nvt", thermostat="bussi", tdamp=20.0))
    assert usual[0].dynamics == dynamics_of(MDSettings(stat_ensemble="npt", pressure_directions=("a", "b", "c")))


def test_couplings_that_an_ensemble_has_no_use_for_are_refused(tmp_path: Path) -> None:
    project = coupled(
        tmp_path,
        nvt={"Type": "NVT", "Pdamp": 700.0, "Tdamp": 30.0},
        npt={"Type": "NPT", "Compressibility": 0.007, "Thermostat": "bussi"},
        nve={"Type": "NVE", "Friction": 0.01},
    )
    told = [problem.found for problem in stage_of(project.settings.stages[0]).problems(project)]
    assert told == [
        "Phase0: Tdamp belongs to npt and the other thermostats, and this is nvt by langevin.",
        "Phase0: Pdamp belongs to stat_ensemble: npt, and this is nvt by langevin.",
        "Phase1: Thermostat belongs to stat_ensemble: nvt, and this is npt by mtk.",
        "Phase1: Compressibility belongs to barostat: c-rescale, iso-c-rescale or berendsen, and this is npt by mtk.",
        "Phase2: Friction belongs to a thermostat, and this is nve.",
    ]


def test_phases_that_say_nothing_of_couplings_are_what_earlier_programs_have_noted(tmp_path: Path) -> None:
    project = coupled(tmp_path, npt={"Type": "NPT"})
    (workflow,) = project.further.workflows["explore"]
    known = [one.settings.model_dump(mode="json", exclude={"run": set(COUPLINGS)}) for one in workflow.phases]
    digest = hashlib.sha256(json.dumps(known).encode())
    for frame in workflow.structures.values():
        for array in (frame.numbers, frame.positions, frame.cell, frame.pbc):
            digest.update(np.ascontiguousarray(array).tobytes())
    with RunStore.open(tmp_path) as store:
        claim(store, project)
        noted = json.loads(store.get_meta("settings") or "")
    assert noted["STAGES.explore.workflow own"] == digest.hexdigest()


def test_workflows_of_a_project_that_was_moved_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    noted = note_of(coupled(tmp_path / "before", npt={"Type": "NPT"}))
    (tmp_path / "before").rename(tmp_path / "after")
    assert changed_settings(noted, load_project(tmp_path / "after", stages=ACTIVE)) == []


def test_a_phase_that_a_pretrained_model_is_to_drive_wants_one_to_be_named(tmp_path: Path) -> None:
    own = {"Phase0": MELT["Phase0"], "Phase1": {"Run": {**MELT["Phase1"]["Run"], "Driver": "pretrained"}}}
    folder = project_of(tmp_path, COLLECT, CONVERGE, explore("own"), workflows={"own": own})
    (problem,) = stage_of((project := load_project(folder, stages=ACTIVE)).settings.stages[2]).problems(project)
    assert "Phase1: a pretrained model is to drive, and STAGES.2.explore names none" in str(problem)
    project = load_project(
        project_of(folder, COLLECT, CONVERGE, explore("own", pretrained=GENERAL), workflows={"own": own}), stages=ACTIVE
    )
    assert not list(stage_of(project.settings.stages[2]).problems(project))


def test_the_first_visit_of_a_run_without_models_is_that_of_the_pretrained_one_whatever_a_phase_says(
    tmp_path: Path,
) -> None:
    own = {"Phase0": MELT["Phase0"], "Phase1": {"Run": {**MELT["Phase1"]["Run"], "Driver": "committee"}}}
    run(project_of(tmp_path, explore("own", pretrained=GENERAL, max_visits=2, replicas=1), workflows={"own": own}))
    drivers = {(one["visit"], one["phase"]): one["driver"] for one in phases_of(tmp_path)}
    assert drivers[1, "Phase0"] == drivers[1, "Phase1"] == "pretrained"
    assert set(drivers.values()) == {"pretrained", "committee"}


def test_what_is_never_driven_can_not_be_handed_over(tmp_path: Path) -> None:
    folder = project_of(tmp_path, explore(pretrained=GENERAL, pretrained_visits=0, hand_over=0.1))
    with pytest.raises(SettingsError, match=r"hand_over is given, and with pretrained_visits: 0 there is nothing"):
        load_project(folder, stages=ACTIVE)


def test_scores_of_stress_want_models_that_learn_it(tmp_path: Path) -> None:
    folder = project_of(tmp_path, explore("press", pretrained=GENERAL, uncertainty_type="stress_sd", threshold=0.001))
    with pytest.raises(SettingsError, match="compute_stress is false"):
        load_project(folder, stages=ACTIVE)
