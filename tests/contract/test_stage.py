"""What every kind of stage must be, and what every stage of a campaign must do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aims_pax.campaign.course import Position, ahead
from aims_pax.errors import Problem
from aims_pax.forecast.amounts import Outset, Sizes, forecaster_of
from aims_pax.settings import Project, load_project
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.settings.further import Further
from aims_pax.settings.section import Section
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.pretrain import CheapReference, PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.reading import read_workflow
from aims_pax.stages.stage import Stage, stage_of

from ..integration.projects import copper_project
from ..integration.test_campaign_active import write_dataset

WORKFLOW = """
Phase0:
  Geometry: {Bulk: {Structure_1: {Path: copper.xyz}}}
  Run: {Type: NVT, Steps: 100, Temperature: {Tstart: 300, Tstop: 900}, Sampling: 5}
Phase1:
  Run: {Type: Relax}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has a stage of every kind that v0.2 has."""
    changes = {"INITIAL_DATASET_GENERATION": {"converge_initial": True}, "ACTIVE_LEARNING": {"converge_al": True}}
    project = load_project(copper_project(tmp_path_factory.mktemp("stages"), changes=changes))
    (project.folder / "melt.yaml").write_text(WORKFLOW, encoding="utf-8")
    workflow = read_workflow(project.folder / "melt.yaml", systems=[one.name for one in project.systems])
    return replace(project, further=Further(workflows={"played": (workflow,)}))


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> StagePlan:
    """A stage that goes over a pool."""
    folder = tmp_path_factory.mktemp("selection")
    write_dataset(folder / "pool.extxyz", n_structures=8, seed=1)
    settings = SelectSettings.model_validate({"pool": str(folder / "pool.extxyz"), "first_set_size": 4})
    return StagePlan("select", "select", settings)


@pytest.fixture(scope="module")
def relabelling() -> StagePlan:
    """A stage that labels by another reference."""
    return StagePlan("relabel", "relabel", RelabelSettings(REFERENCE={"type": "tblite"}))


@pytest.fixture(scope="module")
def pretraining() -> StagePlan:
    """A stage that has the committee learn a cheap method first."""
    return StagePlan("pretrain", "pretrain", PretrainSettings(REFERENCE=CheapReference(type="tblite")))


@pytest.fixture(scope="module")
def collecting() -> StagePlan:
    """A stage that labels structures made from others."""
    settings = augment_argument({"inputs": True, "distort": 20})
    return StagePlan("collect", "collect", CollectSettings(augment=settings))


@pytest.fixture(scope="module")
def validating() -> StagePlan:
    """A stage that looks at properties: of the starting structure, a cluster, its cohesive energy."""
    return StagePlan("validate", "validate", ValidateSettings(), keys=("STAGES",))


@pytest.fixture(scope="module")
def exploring() -> StagePlan:
    """A stage whose MD begins at the starting structures, where no stage before has made any."""
    return StagePlan("explore", "explore", ExploreSettings(temperature=(300.0, 600.0), length=0.1, sampling_time=0.02))


@pytest.fixture(scope="module")
def flying() -> StagePlan:
    """A stage whose MD is checked on the way, and whose first steps are the reference's: no stage is before it."""
    settings = FlyStageSettings.model_validate({"tolerances": {"frmse": 0.1}, "max_MD_steps": 50})
    return StagePlan("fly", "fly", settings, keys=("STAGES",))


@pytest.fixture(scope="module")
def playing(project: Project) -> StagePlan:
    """A stage that plays a workflow, with the models that stages before have made."""
    settings = PlaySettings.model_validate({"workflow": [str(project.folder / "melt.yaml")]})
    return StagePlan("play", "played", settings, keys=("STAGES",))


@pytest.fixture(params=KINDS)
def plan(
    request: pytest.FixtureRequest,
    project: Project,
    selection: StagePlan,
    relabelling: StagePlan,
    pretraining: StagePlan,
    collecting: StagePlan,
    validating: StagePlan,
    exploring: StagePlan,
    flying: StagePlan,
    playing: StagePlan,
) -> StagePlan:
    own = (selection, relabelling, pretraining, collecting, validating, exploring, flying, playing)
    plans = (*project.settings.stages, *own)
    return next(plan for plan in plans if plan.kind == request.param)


@pytest.fixture
def stage(plan: StagePlan) -> Stage:
    return stage_of(plan)


def test_row_names_settings_and_what_the_layers_above_have_of_it(plan: StagePlan, stage: Stage) -> None:
    kind = KINDS[plan.kind]
    assert issubclass(kind.settings, Section)
    assert isinstance(plan.settings, kind.settings)
    assert (stage.name, stage.plan) == (plan.name, plan)
    for module in (kind.stage, kind.forecast):
        assert module.partition(":")[0].startswith(("aims_pax.stages.", "aims_pax.outcome.", "aims_pax.forecast."))


def test_sound_project_has_no_problems_and_facts_are_sentences(stage: Stage, project: Project) -> None:
    assert [problem for problem in stage.problems(project) if isinstance(problem, Problem)] == []
    assert all(fact and not fact.endswith("\n") for fact in stage.facts(project))


def test_looking_twice_says_the_same(stage: Stage, project: Project) -> None:
    first: Iterator[str] = stage.facts(project)
    assert list(first) == list(stage.facts(project))


def test_it_is_foretold_and_no_structure_is_lost(plan: StagePlan, project: Project) -> None:
    outset = Outset(project, plan, None, Sizes(2, 4))
    amounts = forecaster_of(plan).amounts(outset)
    assert amounts.part == plan.name
    assert max(amounts.labels.likely, amounts.epochs.likely) > 0
    after = forecaster_of(plan).after(outset, amounts.labels.likely)
    assert after.of_all >= after.of_each > 0


def test_driver_that_does_not_exist_is_a_problem_of_its_stage(tmp_path: Path) -> None:
    changes = {"INITIAL_DATASET_GENERATION": {"foundational_model": "no_such_package:Calculator"}}
    project = load_project(copper_project(tmp_path, changes=changes))
    (problem,) = stage_of(project.settings.stages[0]).problems(project)
    assert "no_such_package" in str(problem)


def test_stages_follow_each_other_to_the_end(project: Project) -> None:
    names = [plan.name for plan in project.settings.stages]
    assert names == ["initial", "initial convergence", "active", "convergence"]
    for index, name in enumerate(names):
        position = Position(name, tuple(names[:index]))
        assert [plan.name for plan in ahead(project, position)] == names[index:]
