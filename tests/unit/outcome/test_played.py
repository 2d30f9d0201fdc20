"""Phases of workflows as a store has them: what they say, their record, lines, figures and structures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.io import read, write

from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.frame import FailureReason, Label, LabelFailure, Stage
from aims_pax.learner.workflows import End, Player, PlayState
from aims_pax.outcome.played import (
    Ending,
    PlayedPhase,
    lines_of,
    phases_in,
    phases_of,
    planned,
    record_of,
    visits_of,
    write_plays,
)
from aims_pax.page.charts.stages.scenery import structures_of_phases
from aims_pax.page.charts.stages.visits import scores_by_visit
from aims_pax.page.figure import Absent, Figure
from aims_pax.page.material import read_material
from aims_pax.settings import Project, load_project
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.memory import Memory
from aims_pax.stages.playing.cast import roles_of
from aims_pax.stages.playing.scenes import Scenes
from aims_pax.stages.states import PLAYS
from aims_pax.structures.building.phase import Built

OVERLAP = "atoms 4 (Cu) and 7 (Cu) are 1.28 Å apart; at least 1.32 Å is sound"
MELT: dict[str, Any] = {
    "Phase0": {
        "Geometry": {"Bulk": {"Structure_1": {"Path": "copper.extxyz"}}},
        "Run": {"Type": "Relax", "Steps": 30, "Sampling": 0},
    },
    "Phase1": {
        "Run": {
            "Type": "NVT",
            "Timestep": 2.0,
            "Steps": 100,
            "Temperature": {"Tstart": 1, "Tstop": 3000},
            "Sampling": 2,
        }
    },
    "Phase2": {"Run": {"Type": "NVT", "Timestep": 2.0, "Steps": 100, "Sampling": 2}},
}


class Theatre:
    """A store that players of one workflow have left, written phase by phase."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        write(folder / "copper.extxyz", bulk("Cu", cubic=True))
        (folder / "melt.yaml").write_text(yaml.safe_dump(MELT), encoding="utf-8")
        stage = {"workflow": "melt.yaml", "pretrained": {"model_type": "ase.calculators.emt:EMT"}, **settings}
        project = {
            "REFERENCE": {"type": "ase-calculator", "calculator": "ase.calculators.emt:EMT"},
            "STAGES": [{"explore": stage}],
            "MD": {"stat_ensemble": "nvt", "temperature": 450, "timestep": 1.0},
            "MISC": {"probe": False, "verdict_ps": False},
        }
        models = {"GENERAL": {"name_exp": "tiny", "seed": 1}, "MISC": {"device": "cpu"}}
        (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(project), encoding="utf-8")
        (folder / "mace.yaml").write_text(yaml.safe_dump(models), encoding="utf-8")
        self.folder = folder
        self.project: Project = load_project(folder, stages=(Stage.INITIAL, Stage.ACTIVE))
        (self.plan,) = self.project.settings.playing
        self.store = RunStore.open(self.project.run_folder)
        self.memory = Memory(self.store, RunFolder(self.project.run_folder, folder))
        self._steps = dict[int, int]()
        self._n_scores = 0

    def phase(
        self,
        visit: int,
        number: int,
        n_steps: int,
        *,
        picks: Sequence[int] = (),
        scores: Sequence[int] = (),
        answers: Sequence[str] = (),
        player: int = 0,
        driver: str = "committee",
        words: str = "",
        ends: bool = False,
        held: bool = False,
    ) -> None:
        """A phase that is over, with judged and picked MD steps, and how each label was answered."""
        first = self._steps.get(player, 0)
        self._steps[player] = first + n_steps
        name = f"Phase{number}"
        for place, step in enumerate(picks):
            frame = replace(self.project.systems[0].frame, trajectory=player, md_step=first + step)
            label_id = self.store.add_job(replace(frame, config_type=f"melt {name}"), "explore", source="melt")
            self._answer(label_id, frame.n_atoms, answers[place] if answers else "label")
        self.store.append_scores(
            ScoreRow(self._next(), player, first + k, 0, 0.01 * k, 0.5, k in picks, "explore", "melt", "max_atomic_sd")
            for k in scores
        )
        told = {"stage": "explore", "workflow": "melt", "replica": player + 1, "phase": name, "driver": driver}
        told |= {"first_step": first, "timestep_fs": 2.0, "player": player, "visit": visit, "n_steps": n_steps}
        largest = max((0.01 * k for k in scores), default=None)
        told |= {"largest": largest, "words": words, "held": held, "ends_visit": ends}
        self.store.append_journal("PhaseOver", told)

    def _next(self) -> int:
        self._n_scores += 1
        return self._n_scores

    def _answer(self, label_id: int, n_atoms: int, answer: str) -> None:
        label = Label(-1.0, np.full((n_atoms, 3), 90.0), None, "EMT", 1.0)
        match answer:
            case "label":
                self.store.add_label(label_id, replace(label, forces=np.zeros((n_atoms, 3))))
            case "failed":
                self.store.add_failure(label_id, LabelFailure(FailureReason.NOT_CONVERGED, "", wall_s=1.0))
            case "kept out":
                failure = LabelFailure(FailureReason.KEPT_OUT, "too strong", label=label, wall_s=1.0)
                self.store.add_failure(label_id, failure)

    def phases(self) -> list[PlayedPhase]:
        return planned(phases_of(self.store), self.project)

    def line(self, **said: Any) -> str:
        (line,) = lines_of([record_of("explore", self.phases(), **said)])
        return line


@pytest.fixture
def theatre(tmp_path: Path) -> Theatre:
    """A visit by the pretrained model, one that ends by an overlap, one above the threshold, and one that holds."""
    made = Theatre(tmp_path)
    made.phase(1, 0, 30, driver="pretrained")
    made.phase(1, 1, 100, driver="pretrained", picks=[50, 100])
    made.phase(1, 2, 100, driver="pretrained", picks=[50, 100], ends=True, answers=["kept out", "failed"])
    made.phase(2, 0, 12)
    made.phase(2, 1, 37, scores=[20], words=OVERLAP, ends=True)
    made.phase(3, 0, 12)
    made.phase(3, 1, 100, scores=[20, 40, 60, 80, 100], picks=[60])
    made.phase(3, 2, 100, scores=[20, 40, 60, 80, 100], ends=True)
    made.phase(4, 0, 12)
    made.phase(4, 1, 100, scores=[20, 40])
    made.phase(4, 2, 100, scores=[20, 40], ends=True, held=True)
    return made


def test_each_phase_has_what_was_judged_and_labelled_within_it(theatre: Theatre) -> None:
    found = theatre.phases()
    assert [(one.visit, one.phase, one.n_judged, one.picked) for one in found if one.n_judged or one.picked] == [
        (1, "Phase1", 0, (50, 100)),
        (1, "Phase2", 0, (50, 100)),
        (2, "Phase1", 1, ()),
        (3, "Phase1", 5, (60,)),
        (3, "Phase2", 5, ()),
        (4, "Phase1", 2, ()),
        (4, "Phase2", 2, ()),
    ]
    spoilt = found[2]
    assert (spoilt.n_received, spoilt.n_failed, spoilt.n_kept_out) == (0, 2, 1)
    assert found[1].n_received == 2


def test_workflows_say_how_long_and_how_hot_a_phase_was_to_be(theatre: Theatre) -> None:
    relaxed, melted, kept = theatre.phases()[:3]
    assert (relaxed.planned_steps, relaxed.temperatures_k) == (30, None)
    assert (melted.planned_steps, melted.temperatures_k) == (100, (1, 3000))
    assert kept.temperatures_k == (450, 450), "where the phase says nothing, MD does"


@pytest.mark.parametrize(
    ("words", "n_steps", "ending"),
    [
        ("", 100, Ending.WHOLE),
        (OVERLAP, 0, Ending.OVERLAP),
        ("the force on atom 3 (Cu) is 71.0 eV/Å; the limit is 50 eV/Å", 12, Ending.FORCES),
        ("forces on 3 of 4 atoms are not finite", 0, Ending.FORCES),
        ("the forces of a committee member are not finite", 12, Ending.FORCES),
        ("no forces: CalculationFailed: SCF not converged in 250 cycles", 12, Ending.NO_FORCES),
        ("the cell has 4.2 times the volume that it began with", 12, Ending.CELL),
        ("Water (3 of 12) has no room. Lower Density.", 0, Ending.NOT_BUILT),
    ],
)
def test_words_of_who_ended_a_phase_say_how(words: str, n_steps: int, ending: Ending) -> None:
    phase = PlayedPhase("explore", "dlc", 1, 0, 1, "Phase1", "committee", 0, n_steps, 1.0, None, words=words)
    assert phase.ending is ending


def test_a_record_gives_its_phases_back(theatre: Theatre) -> None:
    phases = theatre.phases()
    record = json.loads(json.dumps(record_of("explore", phases, ended=str(End.HOLD))))
    assert phases_in(record) == phases
    (melt,) = record["workflows"]
    assert (melt["n_visits"], melt["holds_since"], melt["n_received"]) == (4, 4, 3)
    relaxed, heated, cooled = melt["phases"]
    assert (relaxed["n_played"], relaxed["n_ended_early"]) == (4, 0)
    assert (heated["n_played"], heated["endings"]) == (4, {"overlap": 1})
    assert (cooled["n_played"], cooled["n_failed"], cooled["n_kept_out"]) == (3, 2, 1)


def test_the_end_of_a_run_says_since_when_a_workflow_holds_and_what_was_in_its_way(theatre: Theatre) -> None:
    assert theatre.line() == (
        "explore: melt holds since visit 4 (of 4), 3 labels: Phase1 ended early in 1 of 4 (overlap); "
        "1 label of Phase2 kept out for its forces; 1 label of Phase2 failed"
    )


def test_a_visit_that_holds_is_too_few_where_two_in_a_row_must(theatre: Theatre) -> None:
    assert theatre.line(n_hold=2).startswith("explore: melt does not hold yet after 4 visits, 3 labels")
    theatre.phase(5, 0, 12)
    theatre.phase(5, 1, 100)
    theatre.phase(5, 2, 100, ends=True, held=True)
    assert theatre.line(n_hold=2).startswith("explore: melt holds since visit 4 (of 5)")


def test_a_workflow_that_does_not_hold_says_what_was_above_the_threshold(tmp_path: Path) -> None:
    made = Theatre(tmp_path)
    made.phase(1, 1, 100, picks=[50, 100], driver="pretrained", ends=True)
    made.phase(2, 1, 100, picks=[50, 100, 70], ends=True)
    assert made.line() == (
        "explore: melt does not hold yet after 2 visits, 5 labels: 3 frames above the threshold in the last visit"
    )


def test_it_holds_where_all_its_trajectories_do(tmp_path: Path) -> None:
    made = Theatre(tmp_path, replicas=2)
    made.phase(1, 1, 100, ends=True, held=True)
    made.phase(1, 1, 50, ends=True, player=1, words=OVERLAP)
    assert made.line().startswith("explore: melt holds in 1 of 2 trajectories after 1 visit, 0 labels")
    made.phase(2, 1, 100, ends=True, held=True, player=1)
    assert made.line().startswith("explore: melt holds since visit 2 (of 2), 0 labels")


def test_visits_are_those_of_the_first_trajectory_with_its_scores(theatre: Theatre) -> None:
    theatre.phase(1, 1, 100, player=1, scores=[20, 40])
    visits, kind = visits_of(theatre.phases(), theatre.store.scores(), theatre.store.series())
    assert kind == "max_atomic_sd"
    assert [(one.number, one.held, one.n_picked) for one in visits] == [
        (1, False, 4),
        (2, False, 0),
        (3, False, 1),
        (4, True, 0),
    ]
    heated = visits[2].stretches[1]
    assert heated.judged.tolist() == [20, 40, 60, 80, 100]
    assert heated.scores == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert heated.threshold == pytest.approx(0.5)


def scenes_of(theatre: Theatre) -> Scenes:
    roles = roles_of(theatre.project.further.workflows["explore"], theatre.plan.read_as(PlaySettings))
    references = {one.name: theatre.project.reference_for(one) for one in theatre.project.systems}
    return Scenes(theatre.memory, f"{PLAYS}explore", roles, references=references, seed=1)


def test_what_is_written_is_a_record_figures_and_structures(theatre: Theatre, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    scenes = scenes_of(theatre)
    begin = scenes.build(0, visit=1, phase=0).frame
    scenes.over(0, phase=0, frame=replace(begin, positions=begin.positions + 0.1))
    scenes.keep()
    theatre.memory.keep(f"{PLAYS}explore", PlayState((Player(),), stopping=End.HOLD))
    (said,) = write_plays(theatre.project, theatre.store, theatre.memory, results)
    assert "played" not in said
    assert said["ended"] == "every workflow holds"
    assert len(phases_in(json.loads((results / "explore.json").read_text("utf-8")))) == 11
    assert (results / "explore_melt.png").stat().st_size > 20_000
    assert (results / "explore_melt_phases.png").stat().st_size > 10_000
    written = read(results / "explore_melt_phases.extxyz", ":")
    assert isinstance(written, list)
    assert [one.info["config_type"] for one in written] == ["Phase0 begin", "Phase0 end"]
    assert isinstance(written[1], Atoms)
    assert written[1].positions == pytest.approx(begin.positions + 0.1, abs=1e-6), "eight digits are written"


def test_a_stage_that_has_not_played_leaves_nothing(tmp_path: Path) -> None:
    made = Theatre(tmp_path)
    results = tmp_path / "results"
    results.mkdir()
    assert write_plays(made.project, made.store, made.memory, results) == []
    assert list(results.iterdir()) == []
    assert lines_of([]) == []


def test_the_page_shows_visits_of_a_run_under_way_and_of_a_finished_one(theatre: Theatre, tmp_path: Path) -> None:
    on_the_way = read_material(theatre.project.run_folder, name="run")
    assert [one.planned_steps for one in on_the_way.plays] == [None] * 11, "the store alone does not know"
    results = theatre.project.run_folder / "results"
    results.mkdir(exist_ok=True)
    said = write_plays(theatre.project, theatre.store, theatre.memory, results)
    (results / "summary.json").write_text(json.dumps({"plays": said}), encoding="utf-8")
    theatre.store.save_state("progress", json.dumps("finished").encode())
    theatre.store.close()
    finished = read_material(theatre.project.run_folder, name="run")
    assert finished.plays[1].temperatures_k == (1, 3000)
    for material in (on_the_way, finished):
        figure = scores_by_visit(material)
        assert figure is not None
        assert len(figure.panels) == 1
        assert figure.table.n_rows == 11
        assert figure.table["n_asked"].tolist() == [0, 2, 2, 0, 0, 0, 1, 0, 0, 0, 0]
        assert figure.table["ending"].tolist().count("overlap") == 1
        assert figure.note.startswith("explore: melt holds since visit 4 (of 4), 3 labels")
        assert figure.png().startswith(b"\x89PNG")


def test_the_page_shows_what_phases_have_begun_with_and_come_to(theatre: Theatre) -> None:
    """The first phase and the second one; the third has come to no end of which there would be a structure."""
    scenes = scenes_of(theatre)
    copper = scenes.build(0, visit=4, phase=0).frame
    relaxed = replace(copper, positions=copper.positions + 0.1)
    scenes.over(0, phase=0, frame=relaxed)
    scenes.build(0, visit=4, phase=1)
    scenes.over(0, phase=1, frame=replace(copper, positions=copper.positions + 0.3))
    scenes.keep()
    theatre.store.close()
    material = read_material(theatre.project.run_folder, name="run")
    ((of, ends),) = material.phase_ends.items()
    assert of == ("explore", "melt")
    assert [name for name, *_ in ends] == ["Phase0", "Phase1"]
    assert ends[1][1].frame.positions == pytest.approx(relaxed.positions), "it goes on where the first has come to"
    assert ends[1][2].frame.positions == pytest.approx(copper.positions + 0.3)
    figure = structures_of_phases(material)
    assert isinstance(figure, Figure)
    told = [figure.table[name].tolist() for name in ("phase", "moment", "formula", "n_atoms", "volume_ang3")]
    assert told[:2] == [["Phase0", "Phase0", "Phase1", "Phase1"], ["begin", "end"] * 2]
    assert told[2:4] == [["Cu4"] * 4, [4] * 4]
    assert told[4] == pytest.approx([3.61**3] * 4)
    (svg,) = figure.svg()
    for words in ("Phase0 begins", "Phase1 ends", "goes on from Phase0", ">Cu<"):
        assert words in svg, "a name, words or the legend"
    assert figure.png().startswith(b"\x89PNG")


def test_the_page_names_the_workflow_of_each_structure_where_there_are_several(theatre: Theatre) -> None:
    material = read_material(theatre.project.run_folder, name="run")
    copper = Built(theatre.project.systems[0].frame, {}, "copper")
    ends = [("Phase0", copper, copper)]
    two = replace(material, phase_ends={("explore", "melt"): ends, ("explore", "press"): ends})
    figure = structures_of_phases(two)
    assert isinstance(figure, Figure)
    assert ["press Phase0 begins" in svg for svg in figure.svg()] == [False, True]


def test_a_run_without_workflows_has_no_such_figures(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    material = read_material(tmp_path, name="new")
    assert scores_by_visit(material) is None
    assert structures_of_phases(material) is None


def test_phases_that_have_not_ended_are_told_to_have_no_picture(theatre: Theatre) -> None:
    found = structures_of_phases(read_material(theatre.project.run_folder, name="run"))
    assert isinstance(found, Absent)
    assert found.why == "No phase has come to its end."
