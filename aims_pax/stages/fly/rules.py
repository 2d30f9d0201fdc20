"""What the learner goes by in a stage of flying, and at the steps by the reference that it begins with."""

from math import inf

from aims_pax.learner.cadence import PerLabel, PerRound
from aims_pax.learner.checks.selector import CheckIntervals
from aims_pax.learner.quota import Quota
from aims_pax.learner.selectors import EveryStructure
from aims_pax.learner.state import Rules
from aims_pax.settings import Project
from aims_pax.settings.stages.campaign import MAKES
from aims_pax.settings.stages.flying import DATASET, FlyStageSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.loop.selecting import budgets_of

STEPS_PER_CHUNK = 10
"""MD steps between two looks at labels that have come, and at the deviation that calls a check."""


def begins_with_reference(project: Project, plan: StagePlan) -> bool:
    """Whether there are no models before a stage, so that the reference makes its first steps."""
    settings, stages = plan.read_as(FlyStageSettings), project.settings.stages
    names = [one.name for one in stages]
    before = stages[: names.index(plan.name)] if plan.name in names else ()
    return getattr(settings, DATASET) is None and not any(one.kind in MAKES for one in before)


def first_rules(project: Project, settings: FlyStageSettings) -> Rules:
    """Those of the steps by the reference: one trajectory of each system, whose every structure is a label."""
    n_initial = settings.rules(with_models=False).num_initial_steps
    n_epochs = epochs_of(settings, is_first=True)
    return Rules(
        selectors=(EveryStructure(),),
        cadence=PerRound(
            labels_per_round=n_initial * len(project.systems),
            epochs_per_round=n_epochs,
            max_md_failures=settings.max_consecutive_failures,
        ),
        quota=Quota(settings.valid_ratio),
        skip_steps=1,
        max_failures=settings.max_consecutive_failures,
        max_epochs=n_epochs,
    )


def fly_rules(project: Project, plan: StagePlan) -> Rules:
    """Those of the checks."""
    settings = plan.read_as(FlyStageSettings)
    n_epochs = epochs_of(settings, is_first=settings.refit.from_scratch)
    return Rules(
        selectors=(
            CheckIntervals(
                settings.rules(with_models=True),
                early=inf if settings.early_check is None else settings.early_check,
                goes_back=settings.go_back,
            ),
        ),
        cadence=PerLabel(epochs_per_label=n_epochs, epochs_per_slice=n_epochs),
        quota=Quota(settings.valid_ratio),
        skip_steps=STEPS_PER_CHUNK,
        max_failures=settings.max_consecutive_failures,
        max_md_steps=settings.max_MD_steps,
        budgets=tuple(budgets_of(project, plan)),
    )


def epochs_of(settings: FlyStageSettings, *, is_first: bool) -> int:
    """Epochs of a training; a function of the user's own counts as one."""
    refit = settings.refit
    if refit.function_name is not None:
        return 1
    return refit.first_epochs if is_first else refit.epochs
