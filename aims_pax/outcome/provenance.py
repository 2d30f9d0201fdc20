"""The models that a run has left, and how they came to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.errors import Problem, StoreError, UserError
from aims_pax.evaluation.verdict import Learned
from aims_pax.frame import Split
from aims_pax.learner.transition import threshold
from aims_pax.outcome.product import COMMITTEE_FOLDER
from aims_pax.outcome.results import read_summary
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.uncertainty import FORCE_UNIT, kind_named
from aims_pax.stages.assembly import active_rules, run_folder, seeds_of
from aims_pax.stages.convergence import final_convergence
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import newest_learning

DEFAULT_DEVIATION: Final = "max_atomic_sd"
"""How the deviation of forces is measured where no stage of learning has measured any."""


def product_of(project: Project) -> tuple[Path, ...]:
    """The models of a run: the product first, then the other members of its committee.

    Raises
    ------
    UserError
        The run has left no models.
    """
    results, name = project.run_folder / "results", project.mace.general.name_exp
    first = [results / f"{name}.model"] if (results / f"{name}.model").is_file() else []
    members = sorted((results / COMMITTEE_FOLDER).glob("*.model")) or sorted(results.glob(f"{name}_*.model"))
    others = [path for path in members if not first or path.read_bytes() != first[0].read_bytes()]
    if not first and not others:
        found = "There are no models of a run here: the project was not run, or not to its end."
        advice = "Run it (aims-pax run), or name models by --models."
        raise UserError(Problem(str(results), found, "", advice))
    return (*first, *others) if first else _best_first(results, others)


def _best_first(results: Path, members: Sequence[Path]) -> tuple[Path, ...]:
    """In results of a run without a product of its own: the member of the lowest error on validation structures."""
    try:
        errors = read_summary(results).content["errors_on_validation_set"]["members"]
        order = sorted(members, key=lambda path: float(errors[path.name]["force_mae_ev_per_ang"]))
    except (StoreError, KeyError, TypeError, ValueError):
        return tuple(members)
    return tuple(order)


def learned_of(project: Project) -> Learned | None:
    """How the models of the run in a project's folder came to be; None where there is no run."""
    if not (project.run_folder / STORE_NAME).is_file():
        return None
    with RunStore.open_readonly(project.run_folder) as store:
        return learned_from(project, store)


def learned_from(project: Project, store: RunStore) -> Learned:
    """The same from its store, while the run is open or later."""
    sizes = [point.frame.n_atoms for point in store.labelled() if point.split is Split.TRAINING]
    learning = newest_learning(project, store)
    value = None
    if learning is not None and _kind_of(learning[0]) == deviation_of(project):
        value = threshold(learning[1], active_rules(project, learning[0]))
    state = final_convergence(project, Memory(store, run_folder(project)))
    falls = (
        []
        if state is None
        else [
            annealing.late_fall()
            for member, annealing in zip(state.members, state.annealings, strict=False)
            if not annealing.is_converged and _is_handed_over(project, member)
        ]
    )
    return Learned(
        n_train=len(sizes),
        n_atoms=sum(sizes),
        is_converged=state is not None,
        fall_at_cap=max((fall for fall in falls if fall is not None), default=None),
        threshold_ev_per_ang=value if value is not None and np.isfinite(value) else None,
    )


def deviation_of(project: Project) -> str:
    """How a trial measures the deviation of forces: as the run's last stage of learning did, if it looked at them.

    A verdict compares it with that stage's threshold, or with the forces themselves.
    """
    learning = project.settings.learning
    name = _kind_of(learning[-1]) if learning else DEFAULT_DEVIATION
    return name if kind_named(name).unit == FORCE_UNIT else DEFAULT_DEVIATION


def _kind_of(plan: StagePlan) -> str:
    return plan.read_as(ActiveLearningSettings).uncertainty_type


def _is_handed_over(project: Project, member: int) -> bool:
    """Whether a member is the product; any may be where the results do not say which one that is."""
    try:
        product = read_summary(project.run_folder / "results").content["product"]["member"]
    except (StoreError, KeyError, TypeError):
        return True
    return bool(product == f"{project.mace.general.name_exp}_{seeds_of(project)[member]}")
