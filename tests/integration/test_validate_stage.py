"""Properties of materials as the last stage of a campaign: models handed over beside the reference, labels kept."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.io import write

from aims_pax import validate
from aims_pax.campaign import run_campaign
from aims_pax.checking.check import check_project
from aims_pax.checking.understood import quantities
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import SettingsError
from aims_pax.forecast.amounts import amounts_ahead
from aims_pax.frame import Stage
from aims_pax.page.charts import figures_of
from aims_pax.page.facts import texts_of
from aims_pax.page.figure import Figure
from aims_pax.page.material import read_material
from aims_pax.protocols import Status
from aims_pax.settings import load_project

from .engines import WATCHED, Watched
from .projects import COPPER, Watcher, in_child, write_project
from .resuming import weights_of

BOTH = (Stage.INITIAL, Stage.ACTIVE)
INITIAL: dict[str, Any] = {"initial": {**COPPER["INITIAL_DATASET_GENERATION"], "intermediate_epochs_idg": 20}}
LEARN: dict[str, Any] = {
    "learn": {key: value for key, value in COPPER["ACTIVE_LEARNING"].items() if key != "converge_al"}
}
CONVERGE: dict[str, Any] = {"converge": {"max_convergence_epochs": 2}}
VALIDATE: dict[str, Any] = {"validate": {"structures": "fcc.extxyz", "lattice": True, "eos": {"n_volumes": 5}}}
STAGES = [INITIAL, LEARN, CONVERGE, VALIDATE]


def project_of(folder: Path, stages: list[Any], **sections: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "copper.extxyz", bulk("Cu", cubic=True))
    write(folder / "fcc.extxyz", bulk("Cu"))
    settings = {
        "REFERENCE": {"type": "ase-calculator", "calculator": WATCHED, "max_force_ev_per_ang": 100.0},
        "STAGES": stages,
        "MD": COPPER["MD"],
        "MISC": {**COPPER["MISC"], "path_to_geometry": "copper.extxyz"},
    }
    write_project(folder, {**settings, **sections})
    return folder


def run(folder: Path, *, observer: Watcher | None = None, departure: Departure | None = None) -> Mapping[str, Any]:
    project = load_project(folder, stages=BOTH)
    return run_campaign(project, stages=BOTH, observer=observer or Watcher(), departure=departure).content


def found_in(folder: Path, stage: str = "validate") -> dict[str, float]:
    """Numbers of the reference."""
    record = json.loads((folder / "results" / stage / "properties.json").read_text(encoding="utf-8"))
    return {row["quantity"]: row["reference"] for row in record["comparison"]}


class Now(Watcher):
    """Remembers what it was shown, and acts at a moment of the stage that was added."""

    def __init__(self, words: str, act: Callable[[], None]) -> None:
        def look(now: Status) -> None:
            if now.stage == "further" and words in (now.activity or ""):
                act()

        super().__init__(look)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with its validation."""
    Watched.forget()
    folder = tmp_path_factory.mktemp("runs") / "copper"
    watcher = Watcher()
    summary = run(project_of(folder, STAGES), observer=watcher)
    assert {now.stage for now in watcher.seen} >= {"initial", "active", "validate"}
    assert summary["labels"]["received"] < len(Watched.computed), "what properties need is in no set"
    return folder


@pytest.fixture
def asked_further(finished: Path, tmp_path: Path) -> Path:
    """The same campaign, to which a validation of another structure was added."""
    folder = tmp_path / "copper"
    shutil.copytree(finished, folder)
    write(folder / "bcc.extxyz", bulk("Cu", "bcc", a=2.8))
    further = {"name": "further", "structures": "bcc.extxyz", "lattice": True}
    return project_of(folder, [*STAGES, {"validate": further}])


def test_a_campaign_ends_with_properties_by_its_model_and_its_reference(engine: type[Watched], finished: Path) -> None:
    summary = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    told = summary["properties"]["validate"]
    assert told["models"] == ["tiny.model"]
    assert told["complete"]
    found = found_in(finished)
    assert found["a_ang"] == pytest.approx(3.5896, abs=1e-3), "EMT's copper"
    assert found["bulk_modulus_gpa"] == pytest.approx(134.4, rel=0.02)
    assert {"eos.csv", "lattice.csv", "properties.txt"} <= {
        one.name for one in (finished / "results/validate").iterdir()
    }
    assert summary["wall_s_by_stage"]["validate"] > 0
    assert run(finished) == summary, "it is over"
    again = validate(finished / "fcc.extxyz", finished / "results/tiny.model", project=finished, properties=["lattice"])
    assert again.rows[0].reference == found["a_ang"]
    assert engine.computed == [], "the command finds what the stage has computed"


def test_the_report_shows_it(finished: Path) -> None:
    material = read_material(finished, name="copper")
    (figure,) = [one for one in figures_of(material) if one.name == "properties"]
    assert isinstance(figure, Figure)
    assert "a_ang" in figure.table["quantity"].tolist()
    assert any("equation of state" in text.text for text in texts_of(material) if text.title.startswith("validate"))
    assert figure.png().startswith(b"\x89PNG")


def test_a_finished_campaign_takes_it_up(engine: type[Watched], finished: Path, asked_further: Path) -> None:
    before = json.loads((finished / "results" / "summary.json").read_text(encoding="utf-8"))
    after = run(asked_further)
    assert list(after["properties"]) == ["validate", "further"]
    assert not (asked_further / "results.1").exists(), "the results are the same"
    kept = ("labels", "errors_on_validation_set", "product")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert weights_of(asked_further) == weights_of(finished)


def test_a_kill_in_the_middle_costs_no_calculation(engine: type[Watched], asked_further: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(asked_further, whole)
    run(whole)
    n_needed = len(engine.computed)
    engine.forget()
    engine.log = tmp_path / "computed"

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(asked_further, observer=Now("relaxing, step 2", kill))) == -signal.SIGKILL
    assert not (asked_further / "results" / "further").exists()
    run(asked_further)
    assert found_in(asked_further, "further") == found_in(whole, "further")
    assert len(engine.log.read_text(encoding="utf-8").split()) == n_needed, "none is computed twice"


def test_md_by_model_and_reference_is_killed_and_goes_on_from_its_labels(
    engine: type[Watched], finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copper"
    shutil.copytree(finished, folder)
    motion = {"time_ps": 0.28, "timestep_fs": 5.0, "friction_per_fs": 0.2, "length_ang": 3.0}
    further = {"name": "further", "structures": "copper.extxyz", "structure": motion}
    project = load_project(project_of(folder, [*STAGES, {"validate": further}]), stages=BOTH)
    facts = "\n".join(check_project(project, project.stages).facts)
    assert "further: at most 57 calculations by " in facts, "56 steps and the start, and no relaxation"
    engine.log = tmp_path / "computed"

    def kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: run(folder, observer=Now("MD, step 20 ", kill))) == -signal.SIGKILL
    assert 20 <= len(engine.log.read_text(encoding="utf-8").split()) < 57
    summary = run(folder)
    computed = engine.log.read_text(encoding="utf-8").split()
    assert len(computed) == len(set(computed)) == 57, "none is computed twice"
    told = summary["properties"]["further"]
    assert all(row["chance"]["likeness"].keys() == {"tiny.model"} for row in told["comparison"])
    assert told["sentences"][0].startswith("structure at a temperature: tiny.model ")
    (figure,) = [one for one in figures_of(read_material(folder, name="copper")) if one.name == "properties"]
    assert isinstance(figure, Figure)
    assert "cu-cu_first_peak_ang" in figure.table["quantity"].tolist()
    assert figure.png().startswith(b"\x89PNG")


def test_a_campaign_that_is_asked_to_leave_goes_on_without_writing_its_results_again(
    engine: type[Watched], asked_further: Path
) -> None:
    departure = Departure()
    with pytest.raises(Departed, match="walltime"):
        run(
            asked_further, observer=Now("relaxing, step 1", lambda: departure.ask(Reason.WALLTIME)), departure=departure
        )
    model = asked_further / "results" / "tiny.model"
    written = model.stat().st_mtime_ns
    assert "further" in run(asked_further)["properties"]
    assert model.stat().st_mtime_ns == written


def test_check_says_what_it_computes_and_what_that_costs(tmp_path: Path) -> None:
    project = load_project(project_of(tmp_path, STAGES), stages=BOTH)
    report = check_project(project, project.stages)
    assert report.problems == ()
    facts = "\n".join(report.facts)
    assert "validate: lattice constants, equation of state of fcc, by the final model and by " in facts
    assert "validate: at most 2406 calculations by " in facts, "six relaxations of 401 at most"
    assert "validate: 6 to 2 406 calculations" in report.facts
    assert ("validate", "lattice, eos; of fcc.extxyz, by the final model and by the reference") in quantities(
        project, project.stages
    )
    (amounts,) = [one for one in amounts_ahead(project, project.stages) if one.part == "validate"]
    assert (amounts.labels.low, amounts.labels.likely, amounts.labels.high) == (6, 72, 2406)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([VALIDATE, *STAGES[:-1]], "comes before any stage that makes models"),
        ([INITIAL, VALIDATE, LEARN], "comes before active"),
        ([*STAGES[:-1], {"validate": {"eos": {"n_volumes": 2}}}], "n_volumes is 2"),
        ([*STAGES[:-1], {"validate": {"name": "committee"}}], "results/committee holds the models"),
        ([*STAGES[:-1], {"validate": {"eso": True}}], "eso is not a setting"),
        ([*STAGES[:-1], {"validate": {"lattice": False}}], "No property is left"),
        ([*STAGES[:-1], {"validate": {"structures": "nowhere.cif"}}], "nowhere.cif"),
    ],
)
def test_what_makes_no_sense_is_said_where_it_is_written(stages: list[Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        load_project(project_of(tmp_path, stages), stages=BOTH)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"structures": "silver.extxyz"}, "silver holds Ag, which no starting structure has"),
        ({"structures": "molecule.extxyz", "eos": True}, "There is nothing to measure: it is a molecule"),
        ({"structures": "broken.extxyz"}, "broken.extxyz"),
    ],
)
def test_what_can_not_be_measured_is_said_before_a_run(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = project_of(tmp_path, [*STAGES[:-1], VALIDATE])
    write(folder / "silver.extxyz", bulk("Ag"))
    dimer = bulk("Cu").repeat((2, 1, 1))
    dimer.pbc = False
    write(folder / "molecule.extxyz", dimer)
    (folder / "broken.extxyz").write_text("no structure\n", encoding="utf-8")
    project = load_project(project_of(tmp_path, [*STAGES[:-1], {"validate": settings}]), stages=BOTH)
    assert words in "\n".join(map(str, check_project(project, project.stages).problems))
