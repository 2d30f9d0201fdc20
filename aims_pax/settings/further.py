"""What single stages read beside the two files of a project: input of another reference, another mace.yaml."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.committee.reading import read_mace
from aims_pax.settings.consistency import finetuning_problems
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.fhi_aims import Asked, FhiAimsInput
from aims_pax.settings.methods.inputs import engine_inputs
from aims_pax.settings.reading.document import Document, read_document
from aims_pax.settings.reading.stages import written_stages
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.kinds import CONVERGE, PLAY
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.systems import System
from aims_pax.settings.workflow.phases import Workflow
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.reading import read_workflow

if TYPE_CHECKING:
    from aims_pax.settings.project import Project


@dataclass(frozen=True, slots=True)
class Further:
    """What is read for single stages, by their names.

    Parameters
    ----------
    inputs : mapping of str to mapping of str to FhiAimsInput or AsiInput
        What an engine with input files is given for each system, where a stage labels by another reference.
    models : mapping of str to MaceSettings
        Models that a training begins with anew, called and seeded as those of the project.
    documents : mapping of str to Document
        Where the keys of these were written.
    workflows : mapping of str to tuple of Workflow
        What is played.
    """

    inputs: Mapping[str, Mapping[str, FhiAimsInput | AsiInput]] = field(default_factory=dict)
    models: Mapping[str, MaceSettings] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    workflows: Mapping[str, tuple[Workflow, ...]] = field(default_factory=dict)

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers that workflows bring along."""
        return frozenset(z for some in self.workflows.values() for one in some for z in one.elements)


NOTHING_FURTHER: Final = Further()

NAMED_BY_THE_PROJECT: Final = "models"
"""Stands for a name that is not used."""


def read_further(
    folder: Path, settings: Settings, mace: MaceSettings | None, systems: Sequence[System]
) -> tuple[Further, list[Problem]]:
    """All that stages name besides, and everything wrong with it."""
    problems: list[Problem] = []
    inputs: dict[str, dict[str, FhiAimsInput | AsiInput]] = {}
    models: dict[str, MaceSettings] = {}
    documents: dict[str, Document] = {}
    want_stress = mace is not None and mace.general.compute_stress
    for name, relabelling in settings.relabellings.items():
        inputs[name] = {}
        for reference, some in relabelling.references(systems):
            own, wrong = engine_inputs(reference, Asked(folder, some, len(systems), want_stress))
            inputs[name] |= own
            problems += wrong
    for plan in settings.stages:
        if not isinstance(plan.settings, ConvergeSettings) or (file := plan.settings.models) is None:
            continue
        found, document, wrong = _read_models(file, folder)
        problems += wrong
        if found is not None and document is not None and mace is not None:
            models[plan.name], documents[plan.name] = _of_the_project(found, mace), document
    workflows: dict[str, tuple[Workflow, ...]] = {}
    names = [one.name for one in systems] or list(settings.systems)
    bring_their_own = not names and settings.misc.path_to_geometry is None
    for plan in settings.stages:
        if isinstance(plan.settings, PlaySettings):
            files = {path: [path.stem] if bring_their_own else names for path in plan.settings.workflow}
            workflows[plan.name], wrong = _read_workflows(files)
            problems += wrong
    return Further(inputs, models, documents, workflows), problems


def further_problems(folder: Path, document: Document, systems: Sequence[System]) -> list[Problem]:
    """What is wrong with files that stages name, where aims_PAX.yaml is not right itself."""
    own = document.data.get("SYSTEMS")
    names = [str(name) for name in own] if isinstance(own, Mapping) else [one.name for one in systems]
    problems: list[Problem] = []
    for entry in written_stages(document)[0]:
        if entry.kind == CONVERGE:
            for path in _existing(folder, entry.written("models")):
                problems += _read_models(path, folder)[-1]
        if entry.kind == PLAY:
            problems += _read_workflows(dict.fromkeys(_existing(folder, entry.written("workflow")), names))[1]
    return problems


def _existing(folder: Path, written: object) -> list[Path]:
    """Files of a setting that names one or more of them, as far as they are there: what else is written is told."""
    names = written if isinstance(written, list) else [written]
    paths = [folder / Path(name).expanduser() for name in names if isinstance(name, str)]
    return [path for path in paths if path.is_file()]


def _read_models(file: Path, folder: Path) -> tuple[MaceSettings | None, Document | None, list[Problem]]:
    """The models of another mace.yaml, where its keys were written, and everything wrong with it.

    What the models are called is said by the project's own file, so that this one need not say it.
    """
    try:
        document = read_document(file)
    except SettingsError as error:
        return None, None, list(error.problems)
    general = document.data.get("GENERAL")
    if general is None or isinstance(general, Mapping):
        general = general or {}
        document = replace(document, data={**document.data, "GENERAL": {"name_exp": NAMED_BY_THE_PROJECT, **general}})
    found, reading = read_mace(document, folder)
    tuned = [] if found is None else finetuning_problems(found, document)
    return found, document, [*document.problems, *reading.problems, *tuned]


def _read_workflows(files: Mapping[Path, Sequence[str]]) -> tuple[tuple[Workflow, ...], list[Problem]]:
    """The workflows of a stage, each with the systems that it may name, and everything wrong with their files."""
    found, problems = list[Workflow](), list[Problem]()
    for path, systems in files.items():
        try:
            found.append(read_workflow(path, systems=systems))
        except SettingsError as error:
            problems += error.problems
    names = [one.name for one in found]
    for name in sorted({name for name in names if names.count(name) > 1}):
        where = ", ".join(str(one.path) for one in found if one.name == name)
        problems.append(Problem(where, f"Two workflows are called {name}.", "", "Give their files different names."))
    return tuple(found), problems


def _of_the_project(models: MaceSettings, own: MaceSettings) -> MaceSettings:
    """The same models with the name, seed and place of those of the project, and trained on the same values."""
    kept = ("name_exp", "seed", "compute_stress", "model_dir")
    general = models.general.model_copy(update={key: getattr(own.general, key) for key in kept})
    return models.model_copy(update={"general": general, "misc": own.misc})


def anew(project: "Project", stage: str) -> "Project":
    """A project with the models that a `converge` begins with, and where these were written; itself for no such."""
    if stage not in project.further.models:
        return project
    documents = (project.documents[0], project.further.documents[stage]) if project.documents else ()
    return replace(project, mace=project.further.models[stage], documents=documents)


def relabelled(project: "Project", stage: str) -> "Project":
    """A project with the reference of a `relabel` stage, and the free atoms by it; itself for the name of no such."""
    relabelling = project.settings.relabellings.get(stage)
    if relabelling is None:
        return project
    plan = next(one for one in project.settings.stages if one.name == stage)
    systems = {
        name: replace(one, reference=relabelling.by_system.get(name, relabelling.reference))
        for name, one in project.settings.systems.items()
    }
    settings = replace(project.settings, reference=relabelling.reference, systems=systems)
    energies = {"atomic_energies": plan.read_as(RelabelSettings).atomic_energies}
    architecture = project.mace.architecture.model_copy(update=energies)
    mace = project.mace.model_copy(update={"architecture": architecture})
    return replace(project, settings=settings, inputs=project.further.inputs.get(stage, {}), mace=mace)
