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
from aims_pax.settings.reading.document import read_document
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.converge import ConvergeSettings
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
    workflows : mapping of str to tuple of Workflow
        What is played.
    """

    inputs: Mapping[str, Mapping[str, FhiAimsInput | AsiInput]] = field(default_factory=dict)
    models: Mapping[str, MaceSettings] = field(default_factory=dict)
    workflows: Mapping[str, tuple[Workflow, ...]] = field(default_factory=dict)

    @property
    def elements(self) -> frozenset[int]:
        """Atomic numbers that workflows bring along."""
        return frozenset(z for some in self.workflows.values() for one in some for z in one.elements)


NOTHING_FURTHER: Final = Further()


def read_further(
    folder: Path, settings: Settings, mace: MaceSettings | None, systems: Sequence[System]
) -> tuple[Further, list[Problem]]:
    """All that stages name besides, and everything wrong with it."""
    problems: list[Problem] = []
    inputs: dict[str, dict[str, FhiAimsInput | AsiInput]] = {}
    models: dict[str, MaceSettings] = {}
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
        try:
            document = read_document(file)
        except SettingsError as error:
            problems += error.problems
            continue
        found, reading = read_mace(document, folder)
        problems += [*document.problems, *reading.problems]
        if found is not None and mace is not None:
            problems += finetuning_problems(found, document)
            models[plan.name] = _of_the_project(found, mace)
    workflows: dict[str, tuple[Workflow, ...]] = {}
    for plan in settings.stages:
        if isinstance(plan.settings, PlaySettings):
            workflows[plan.name], wrong = _read_workflows(plan.settings, systems)
            problems += wrong
    return Further(inputs, models, workflows), problems


def _read_workflows(settings: PlaySettings, systems: Sequence[System]) -> tuple[tuple[Workflow, ...], list[Problem]]:
    """The workflows of a stage, and everything wrong with their files."""
    found, problems = list[Workflow](), list[Problem]()
    for path in settings.workflow:
        try:
            # Where there are no systems yet, what is wrong with them is told elsewhere.
            found.append(read_workflow(path, systems=[one.name for one in systems] or [path.stem]))
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
