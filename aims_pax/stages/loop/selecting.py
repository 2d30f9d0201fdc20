"""Who asks for labels in a stage of active learning: thresholds of structures and molecules, and those that judge."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isinf

from aims_pax.learner.molecules import MovingThresholdOfMolecules
from aims_pax.learner.selectors import FixedSteps, MovingThreshold, RandomShare, Selector
from aims_pax.learner.state import Budget
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.molecules import Groups
from aims_pax.settings.stages.plan import StagePlan


def active_selectors(project: Project, plan: StagePlan, *, seed: int) -> Iterator[Selector]:
    """Who has structures labelled: the thresholds, and those that judge, of which some draw at random."""
    settings, systems = plan.read_as(ActiveLearningSettings), project.settings.systems
    shared = MovingThreshold(
        c_x=settings.c_x,
        quiet_limit_steps=settings.uncert_not_crossed_limit,
        freeze_train_size=settings.freeze_threshold_dataset,
    )
    homes = trajectories_of(project, plan)
    own = [name for name, one in systems.items() if one.settings.threshold == "own"]
    if not own:
        yield shared
    elif sharing := frozenset().union(*(some for name, some in homes.items() if name not in own)):
        yield replace(shared, trajectories=sharing)
    for name in own:
        yield replace(shared, system=name, trajectories=homes[name])
    yield from _thresholds_of_molecules(project, settings, homes, own)
    if settings.random_label_share:
        yield RandomShare(settings.random_label_share, seed=seed)
    if settings.analysis:
        yield FixedSteps(settings.analysis_skip)


def _thresholds_of_molecules(
    project: Project, settings: ActiveLearningSettings, homes: Mapping[str, frozenset[int]], own: Sequence[str]
) -> Iterator[Selector]:
    """Systems that have the same molecules share their thresholds, but for those that have one of their own."""
    sharing: dict[tuple[str, Groups], list[str]] = {}
    for system in project.systems:
        if groups := project.molecules_of(system):
            sharing.setdefault((system.name if system.name in own else "", groups), []).append(system.name)
    for names in sharing.values():
        yield MovingThresholdOfMolecules(
            c_x=settings.c_x,
            freeze_train_size=settings.freeze_threshold_dataset,
            system=names[0] if len(sharing) > 1 else None,
            trajectories=frozenset().union(*(homes[name] for name in names)),
        )


def budgets_of(project: Project, plan: StagePlan) -> Iterator[Budget]:
    """What SYSTEMS allows each system in a stage."""
    limited = {name: one.settings.max_labels for name, one in project.settings.systems.items()}
    limited = {name: limit for name, limit in limited.items() if not isinf(limit)}
    homes = trajectories_of(project, plan) if limited else {}
    for name, limit in limited.items():
        yield Budget(homes[name], int(limit))


def trajectories_of(project: Project, plan: StagePlan) -> dict[str, frozenset[int]]:
    """The trajectories that each system has in a stage, by its name."""
    settings = plan.settings
    assert isinstance(settings, ActiveLearningSettings | FlyStageSettings)
    homes: dict[str, set[int]] = {system.name: set() for system in project.systems}
    for index in range(settings.num_trajectories):
        homes[project.system_for(index).name].add(index)
    return {name: frozenset(some) for name, some in homes.items()}


def molecules(project: Project, settings: ActiveLearningSettings) -> dict[int, Groups]:
    """The molecules that are told apart, by trajectory; no entry where none are."""
    of_each = {index: project.molecules_of(project.system_for(index)) for index in range(settings.num_trajectories)}
    return {index: groups for index, groups in of_each.items() if groups}
