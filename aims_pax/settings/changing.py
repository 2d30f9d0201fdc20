"""Which settings may be others when a run goes on, and when."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings

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
"""When a part of a run is over."""

CONVERGENCE: Final = (
    *("convergence_patience", "max_convergence_epochs"),
    *("converge_initial", "converge_al", "converge_best"),
)
"""How long, whether and which models are converged at the end."""

ROUNDS: Final = ("max_loops", "max_visits")
"""When an exploration is over."""

MAY_CHANGE: Final = (
    *dict.fromkeys((*GOALS, *CONVERGENCE)),
    "max_consecutive_failures",
    "progress_dft_update",
    "save_trajectories",
    "save_trajectories_interval",
    "random_label_share",
    "analysis",
    "analysis_skip",
    "train_on_analysis",
    "extend_existing_final_ds",
)
"""Settings that a run may be continued with: goals, what is tolerated, shown, saved or labelled for judging, and that
it is to go on."""

PLACES: Final = (
    *("CLUSTER.", "MISC.", "mace.yaml: MISC.", "mace.yaml: GENERAL.model_dir"),
    *("REFERENCE.command", "REFERENCE.walltime_s", "REFERENCE.control", "REFERENCE.species_dir"),
)
"""Sections and settings that say where something is computed, read or written; they may change, too."""

LIMIT: Final = "max_force_ev_per_ang"
"""Setting of references, and of `collect`, that says which labels are learned. What is kept out is stored, and may
return."""

MOLECULES: Final = "MISC.mol_idxs"
"""It says what is judged, although all else in its section says where things are."""

JUDGING: Final = "STAGES.validate."
"""What only looks at the models that are there."""

STAGES: Final[Mapping[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
}


class When(StrEnum):
    """When a setting of a run may be another one."""

    ALWAYS = "always"
    """It says where, or what is tolerated, shown or saved."""
    RENEWS = "always; a run that has ended goes on when it asks for more than before"
    """A goal of active learning, of exploration, or of the convergence at the end."""
    UNTIL_OVER = "until that part of the run is over"
    """A goal of the initial dataset, which what comes after it builds on."""
    NEVER = "never: it belongs to what the run is"
    """With another value it would be another run."""


OF_SYSTEMS: Final[Mapping[str, When]] = {"max_labels": When.RENEWS, "priority": When.ALWAYS}
"""Settings of one system that may change."""


def when(name: str) -> When:
    """When a setting may change, by its name as in ``ACTIVE_LEARNING.c_x`` or ``mace.yaml: TRAINING.lr``."""
    if name == MOLECULES:
        return When.NEVER
    if name.startswith((*PLACES, JUDGING)) or name == f"REFERENCE.{LIMIT}":
        return When.ALWAYS
    if name.startswith("SYSTEMS."):
        home, _, key = name.rpartition(".")
        return when(f"REFERENCE.{key}") if home.endswith(".REFERENCE") else OF_SYSTEMS.get(key, When.NEVER)
    section, _, key = name.rpartition(".")
    if section.startswith("STAGES.") and key in ROUNDS:
        return When.RENEWS
    if section.startswith("STAGES.") and section.endswith(".REFERENCE"):
        return when(f"REFERENCE.{key}")
    if section.startswith("STAGES.") and key == LIMIT:
        return When.ALWAYS
    if not (section in STAGES or section.startswith("STAGES.")) or key not in MAY_CHANGE:
        return When.NEVER
    if key not in (*GOALS, *CONVERGENCE):
        return When.ALWAYS
    return When.UNTIL_OVER if section == "INITIAL_DATASET_GENERATION" else When.RENEWS


def as_markdown() -> str:
    """Which settings may change when a run goes on, as docs/durability.md shows it."""
    rows = []
    for section, fields in STAGES.items():
        for moment in When:
            keys = [key for key in fields.model_fields if when(f"{section}.{key}") is moment]
            if keys and moment is not When.NEVER:
                rows.append((f"`{section}`: {_code(keys)}", str(moment)))
    rows += [(f"`explore` of `STAGES`: {_code(ROUNDS)}", str(When.RENEWS))]
    rows += [(f"`SYSTEMS.<name>`: `{key}`", str(moment)) for key, moment in OF_SYSTEMS.items()]
    rows += [(f"{_code(place.removesuffix('.') for place in PLACES)}, but for `{MOLECULES}`", "always")]
    rows += [(f"`REFERENCE.{LIMIT}`, and that of `collect`", "always; what was kept out returns when it is raised")]
    rows += [("everything else, what the starting structures are, and what FHI-aims is told (`control.in`)", "never")]
    return "\n".join(
        ["| Settings | May change |", "| --- | --- |", *(f"| {keys} | {moment} |" for keys, moment in rows)]
    )


def _code(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
