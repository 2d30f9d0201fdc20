"""Which settings a run was started with, and which of them may change when it goes on."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from aims_pax.campaign.memory import recalling
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import Frame
from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, Project
from aims_pax.settings.mace import MACE_SECTIONS, MaceSettings
from aims_pax.settings.md import MDSettings
from aims_pax.settings.section import Section

GOALS: Final = (
    "max_MD_steps",
    "max_train_set_size",
    "max_epochs",
    "max_initial_epochs",
    "max_initial_set_size",
    "desired_acc",
    "desired_acc_scale_idg",
    "convergence_patience",
    "max_convergence_epochs",
)
"""When a part of a run is over: may change until it is."""

MAY_CHANGE: Final = (
    *GOALS,
    "max_consecutive_failures",
    "progress_dft_update",
    "save_trajectories",
    "save_trajectories_interval",
)
"""Settings that a run may be continued with: goals, and what is tolerated, shown or saved."""

PLACES: Final = (
    *("CLUSTER.", "MISC.", "mace.yaml: MISC."),
    *("REFERENCE.command", "REFERENCE.walltime_s", "REFERENCE.control", "REFERENCE.species_dir"),
)
"""Sections and settings that say where something is computed, read or written; they may change, too."""

STAGES: Final[Mapping[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
}

STRUCTURES: Final = "starting structures"
AIMS_INPUT: Final = "input of FHI-aims"


def claim(store: RunStore, project: Project) -> None:
    """Note the settings of a new run; for one that goes on, see that they still hold.

    Raises
    ------
    SettingsError
        Settings have changed that a run can't change while it is under way.
    """
    stored = store.get_meta("settings")
    if stored is not None:
        problems = changed_settings(stored, project)
        if problems:
            raise SettingsError(problems)
    store.set_meta("settings", json.dumps(_described(project)))


def changed_settings(stored: str, project: Project) -> list[Problem]:
    """What the project says now that the run in its folder can't go on with.

    Parameters
    ----------
    stored : str
        The note of :func:`claim`.
    """
    found = {}
    for key, before, now in changes(stored, project):
        if key.rsplit(".", 1)[-1] in MAY_CHANGE:
            continue
        said, back = f"is {now}, and the run in {project.run_folder} was started with {before}.", "Set it back"
        if key in (STRUCTURES, AIMS_INPUT):
            said = f"are not those that the run in {project.run_folder} was started with."
            back = "Put the earlier files back"
        found[f"{_in_users_words(key)} {said}"] = Problem(
            where=_file(key),
            found=f"{_in_users_words(key)} {said}",
            advice=f"{back} to continue that run, or start a new one in another folder (MISC.output_dir).",
        )
    return list(found.values())


def changes(stored: str, project: Project) -> Iterator[tuple[str, Any, Any]]:
    """Key, value before and value now of all settings that differ and matter to what comes out."""
    with recalling("settings"):
        before = dict(json.loads(stored))
    now = json.loads(json.dumps(_described(project)))
    for key in now:
        # A key on one side only belongs to a section, or a trajectory, of a stage that was not run yet.
        if key in before and before[key] != now[key] and not key.startswith(PLACES):
            yield key, before[key], now[key]


def as_markdown() -> str:
    """Which settings may change when a run goes on, as docs/durability.md shows it."""
    rows = []
    for section, fields in STAGES.items():
        goals = [key for key in fields.model_fields if key in GOALS]
        others = [key for key in fields.model_fields if key in MAY_CHANGE and key not in GOALS]
        rows += [(f"`{section}`: {_code(goals)}", "until that part of the run is over")]
        rows += [(f"`{section}`: {_code(others)}", "always")]
    rows += [(_code(place.removesuffix(".") for place in PLACES), "always")]
    rows += [("everything else, what the starting structures are, and what FHI-aims is told (`control.in`)", "never")]
    return "\n".join(["| Settings | May change |", "| --- | --- |", *(f"| {keys} | {when} |" for keys, when in rows)])


def _code(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _described(project: Project) -> dict[str, Any]:
    """All settings, by names without hierarchy: a value that is a mapping is compared as a whole."""
    settings = project.settings
    described: dict[str, Any] = {STRUCTURES: [[system.name, _digest(system.frame)] for system in project.systems]}
    if project.inputs:
        described[AIMS_INPUT] = {name: one.digest for name, one in project.inputs.items()}
    sections: dict[str, Section | None] = {
        "INITIAL_DATASET_GENERATION.": settings.initial,
        "ACTIVE_LEARNING.": settings.active,
        "REFERENCE.": settings.reference,
        **{f"MD.{index}.": md for index, md in _md(project).items()},
        **{
            f"mace.yaml: {name}.": getattr(project.mace, MaceSettings.SECTIONS[name])
            for name in MACE_SECTIONS
            if name != "MISC"
        },
    }
    for prefix, section in sections.items():
        if section is not None:
            described |= {f"{prefix}{key}": value for key, value in section.model_dump(mode="json").items()}
    return described


def _md(project: Project) -> Mapping[int, MDSettings]:
    """The MD of every trajectory, however it is written down."""
    settings = project.settings
    if not isinstance(settings.md, MDSettings):
        return settings.md
    n_trajectories = 0 if settings.active is None else settings.active.num_trajectories
    return dict.fromkeys(range(max(len(project.systems), n_trajectories)), settings.md)


def _digest(frame: Frame) -> str:
    arrays = (frame.numbers, frame.positions, frame.cell, frame.pbc)
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:12]


def _file(key: str) -> str:
    if key == AIMS_INPUT:
        return "control.in"
    return "mace.yaml" if key.startswith("mace.yaml: ") else "aims_PAX.yaml"


def _in_users_words(key: str) -> str:
    """The name without the file and, in MD, without the trajectory."""
    if key == STRUCTURES:
        return "The starting structures"
    if key == AIMS_INPUT:
        return "Keywords, species or initial moments"
    parts = key.removeprefix("mace.yaml: ").split(".")
    return ".".join(part for part in parts if not part.isdigit())
