"""Which settings a run was started with, and which of them may change when it goes on."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, SettingsError
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.changing import MOLECULES, When, when
from aims_pax.settings.committee.mace import MACE_SECTIONS, MaceSettings
from aims_pax.settings.md import MDSettings
from aims_pax.settings.reading.final_datasets import EXTEND, TOLD
from aims_pax.settings.reading.stages import convergence_after
from aims_pax.settings.section import Section
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.systems import System
from aims_pax.settings.workflow.phases import Workflow
from aims_pax.settings.workflow.run import COUPLINGS
from aims_pax.stages.assembly import seeds_of
from aims_pax.stages.memory import recalling

STRUCTURES: Final = "starting structures"
AIMS_INPUT: Final = "input of FHI-aims"
SYSTEMS: Final = "SYSTEMS"
MEMBERS: Final = "number of models"
FOLDER: Final = "folder of the project"
"""Where the run was noted: paths within it move along with it."""
WORKFLOW: Final = ".workflow "
"""In the names of workflows, of which a digest is noted."""

SECTIONS: Final[Mapping[str, str]] = {"initial": "INITIAL_DATASET_GENERATION", "active": "ACTIVE_LEARNING"}
"""Sections of v0.2 by the names of the stages that they describe."""

OF_SECTIONS: Final = ("convergence_patience", "max_convergence_epochs", "converge_best", "converge_on_validation")
"""What these say of the convergence after them."""

OWN: Final = ("num_trajectories", "threshold", "max_labels", "priority")
"""What SYSTEMS says of a system that no other section says."""


def claim(store: RunStore, project: Project, *, is_new: bool = False) -> None:
    """Note the settings of a new run; for one that goes on, see that they still hold.

    Parameters
    ----------
    is_new : bool
        Whether nothing of the run was begun: what an attempt before noted, which its probe has stopped, is replaced.

    Raises
    ------
    SettingsError
        Settings have changed that a run can't change while it is under way.
    """
    stored = store.get_meta("settings")
    if stored is not None and not is_new:
        problems = changed_settings(stored, project)
        if problems:
            raise SettingsError(problems)
    store.set_meta("settings", note_of(project))


def note_of(project: Project) -> str:
    """What is kept of a project's settings, to be compared with those of later sessions."""
    return json.dumps({FOLDER: str(project.folder), **_described(project)})


def changed_settings(stored: str, project: Project) -> list[Problem]:
    """What the project says now that the run in its folder can't go on with.

    Parameters
    ----------
    stored : str
        The note of :func:`claim`.
    """
    found = {}
    for key, before, now in changes(stored, project):
        if when(key) is not When.NEVER:
            continue
        new, old = _what_differs(now, before), _what_differs(before, now)
        said, back = f"is {new}, and the run in {project.run_folder} was started with {old}.", "Set it back"
        if key in (STRUCTURES, AIMS_INPUT):
            said = f"are not those that the run in {project.run_folder} was started with."
            back = "Put the earlier files back"
        if WORKFLOW in key:
            said = f"is not what the run in {project.run_folder} was started with."
            back = "Put the earlier file, and the structures that it names, back"
        found[f"{in_users_words(project, key)} {said}"] = Problem(
            where=_file(project, key),
            found=f"{in_users_words(project, key)} {said}",
            advice=f"{back} to continue that run, or start a new one in another folder (MISC.output_dir).",
        )
    return list(found.values())


def _what_differs(one: Any, other: Any) -> Any:
    """A value as it is told beside another: of settings in a mapping only those that are not the same."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    return "{" + ", ".join(f"{key}: {value}" for key, value in one.items() if value != other.get(key)) + "}"


def changes(stored: str, project: Project) -> Iterator[tuple[str, Any, Any]]:
    """Key, value before and value now of all settings that differ and matter to what comes out.

    Paths in the project's folder are told from there, as settings name them.
    """
    with recalling("settings"):
        before = {SYSTEMS: [], **_unsaid(), **json.loads(stored)}
    here = str(project.folder)
    home = str(before.pop(FOLDER, here))
    plain = json.loads(json.dumps(_described(project, home=home)))
    now = _at(home, here, plain)
    moved = {key.rpartition(".")[0] for key in before if key.startswith("MD.")}
    for key, value in MDSettings(stat_ensemble="nvt").model_dump(mode="json").items():
        for place in moved:  # what a run of an earlier version does not say was as by default
            before.setdefault(f"{place}.{key}", value)
    for plan in project.settings.learning:
        _say_defaults(before, plan)
    for key in now:  # protocols of programs that had none, where a reference was noted without
        if key.endswith("REFERENCE.protocol") and f"{key.rpartition('.')[0]}.kspacing" in before:
            before.setdefault(key, None)
    for key in now:
        # Any other key on one side only belongs to a section, or a trajectory, of a stage that was not run yet.
        if key in before and before[key] != now[key] and when(key) is not When.ALWAYS:
            yield key, _retold(before[key], home, _from_within), _retold(plain[key], here, _from_within)


def _at(home: str, folder: str, value: Any) -> Any:
    """A setting, or all of them, with paths in a folder as they are were it at `home`."""
    return _retold(value, folder, lambda rest: home + rest)


def _from_within(rest: str) -> str:
    """A path by what follows its folder: as it is told from there."""
    return rest.removeprefix(os.sep) or os.curdir


def _retold(value: Any, folder: str, tell: Callable[[str], str]) -> Any:
    """A setting, or all of them, with paths in a folder told by what follows it in them."""
    match value:
        case str() if value == folder or value.startswith(f"{folder}{os.sep}"):
            return tell(value.removeprefix(folder))
        case list() | tuple():
            return [_retold(one, folder, tell) for one in value]
        case dict():
            return {key: _retold(one, folder, tell) for key, one in value.items()}
    return value


def _described(project: Project, *, home: str | None = None) -> dict[str, Any]:
    """All settings, by names without hierarchy: a value that is a mapping is compared as a whole.

    Parameters
    ----------
    home : str or None
        Where the project is taken to be by digests of settings that have paths; where it is when None.
    """
    settings = project.settings
    described: dict[str, Any] = {STRUCTURES: [[system.name, _digest(system)] for system in project.systems]}
    described[SYSTEMS] = list(settings.systems)
    if not any(getattr(one.settings, EXTEND, False) for one in settings.stages):  # where files say it
        described[MEMBERS] = len(seeds_of(project))
    if settings.learning:
        described |= {MOLECULES: settings.misc.model_dump(mode="json", include={"mol_idxs"})["mol_idxs"]}
    if project.inputs:
        described[AIMS_INPUT] = {name: one.digest for name, one in project.inputs.items()}
    sections: dict[str, Section | None] = {
        "REFERENCE.": None if settings.systems else settings.reference,
        **{f"MD.{index}.": md for index, md in _md(project).items()},
        **{
            f"mace.yaml: {name}.": getattr(project.mace, MaceSettings.SECTIONS[name])
            for name in MACE_SECTIONS
            if name != "MISC"
        },
    }
    sections |= {f"SYSTEMS.{name}.REFERENCE.": plan.reference for name, plan in settings.systems.items()}
    for name, plan in settings.systems.items():
        own = plan.settings.model_dump(mode="json", include=set(OWN))
        described |= {f"SYSTEMS.{name}.{key}": value for key, value in own.items()}
    for prefix, section in sections.items():
        if section is not None:
            described |= {f"{prefix}{key}": value for key, value in section.model_dump(mode="json").items()}
    for stage in settings.stages:
        if KINDS[stage.kind].judges:
            continue  # it looks at what the run has come to
        dumped = stage.settings.model_dump(mode="json")
        by_files = TOLD if dumped.get(EXTEND) else ()  # no user has said these
        if stage.name in settings.relabellings:
            del dumped["REFERENCE"]  # which is told below, complete
        described |= {noted(stage, key): value for key, value in dumped.items() if key not in by_files}
        described |= _read_beside(project, stage, home or str(project.folder))
    return described


def _read_beside(project: Project, stage: StagePlan, home: str) -> dict[str, Any]:
    """What a stage is told by a mapping or a file of its own: setting by setting, so that a place may change alone."""
    own, models = project.settings.relabellings.get(stage.name), project.further.models.get(stage.name)
    references = {} if own is None else {"": own.reference, **own.by_system}
    described = {
        f"STAGES.{stage.name}{f'.{system}' if system else ''}.REFERENCE.{key}": value
        for system, reference in references.items()
        for key, value in reference.model_dump(mode="json").items()
    }
    inputs = project.further.inputs.get(stage.name, {})
    described |= {f"STAGES.{stage.name}.input of {system}": one.digest for system, one in inputs.items()}
    if models is not None:
        described |= {
            f"STAGES.{stage.name}.models.{name}.{key}": value
            for name in ("ARCHITECTURE", "TRAINING")
            for key, value in getattr(models, MaceSettings.SECTIONS[name]).model_dump(mode="json").items()
        }
    described |= {
        f"STAGES.{stage.name}{WORKFLOW}{one.name}": _digest_of_workflow(one, partial(_at, home, str(project.folder)))
        for one in project.further.workflows.get(stage.name, ())
    }
    return described


def _digest_of_workflow(workflow: Workflow, at_home: Callable[[Any], Any]) -> str:
    """What a workflow says, and the structures that it names."""
    phases = [at_home(one.settings.model_dump(mode="json")) for one in workflow.phases]
    for phase in phases:  # notes of older programs do not have what these did not know
        phase["run"] = {key: one for key, one in phase["run"].items() if key not in COUPLINGS or one is not None}
    digest = hashlib.sha256(json.dumps(phases).encode())
    for lines in workflow.lines.values():
        digest.update(json.dumps(lines.commands).encode())
    for frame in workflow.structures.values():
        for array in (frame.numbers, frame.positions, frame.cell, frame.pbc):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _unsaid() -> dict[str, Any]:
    """What notes of older programs do not say of the models: settings that these did not know, as they then were."""
    plain = {name: MACE_SECTIONS[name]().model_dump(mode="json") for name in ("ARCHITECTURE", "TRAINING")}
    return {f"mace.yaml: {name}.{key}": value for name, keys in plain.items() for key, value in keys.items()}


def _say_defaults(before: dict[str, Any], plan: StagePlan) -> None:
    """Let a note of a stage of learning say what settings are that its program did not know: as they then were."""
    fields = ActiveLearningSettings.model_fields
    if not any(noted(plan, key) in before for key in fields):
        return
    before.setdefault(MOLECULES, None)
    plain = json.loads(json.dumps(ActiveLearningSettings.model_construct(num_trajectories=1).model_dump(mode="json")))
    for key, info in fields.items():
        if not info.is_required() and key not in TOLD:
            before.setdefault(noted(plan, key), plain[key])


def noted(plan: StagePlan, key: str = "") -> str:
    """What a setting of a stage is called in the note: those that v0.2 has, as its sections are.

    A convergence says after a section what that said of it, before campaigns were lists.
    """
    section, is_its = SECTIONS.get(plan.name, ""), True
    for name, said in SECTIONS.items():
        if plan.name == convergence_after(name):
            section, is_its = said, not key or key in OF_SECTIONS
    return f"{section if section and is_its else f'STAGES.{plan.name}'}.{key}"


def noted_plan(project: Project, name: str) -> StagePlan | None:
    """The stage that a setting of the note is about; None where it is about none that there is."""
    key = name.rpartition(".")[2]
    found = [one for one in project.settings.stages if key in type(one.settings).model_fields]
    return next((one for one in reversed(found) if noted(one, key) == name), None)


def _md(project: Project) -> Mapping[int, MDSettings]:
    """The MD of every trajectory, however it is written down."""
    settings = project.settings
    if not isinstance(settings.md, MDSettings):
        return settings.md
    return dict.fromkeys(range(max(len(project.systems), settings.n_trajectories)), settings.md)


def _digest(system: System) -> str:
    """By all that MD begins with; what is free is as it was before atoms could be held."""
    frame, fixed = system.frame, () if system.fixed is None else (system.fixed,)
    arrays = (frame.numbers, frame.positions, frame.cell, frame.pbc, *fixed)
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:12]


def _file(project: Project, key: str) -> str:
    if key == AIMS_INPUT:
        return "control.in"
    return (project.mace_file if key.startswith("mace.yaml: ") else project.settings_file).name


def in_users_words(project: Project, key: str) -> str:
    """A name of the note as the project spells it: without the file and, in MD, without the trajectory."""
    if key == STRUCTURES:
        return "The starting structures"
    if key == AIMS_INPUT:
        return "Keywords, species or initial moments"
    if key == MEMBERS:
        return "The number of models in the committee (ensemble_size)"
    if WORKFLOW in key:
        return f"The workflow {key.partition(WORKFLOW)[2]}"
    if (plan := noted_plan(project, key)) is not None:
        return plan.said(key.rpartition(".")[2])
    parts = key.removeprefix("mace.yaml: ").split(".")
    return ".".join(part for part in parts if not part.isdigit())
