"""Stages that a run may be opened at again, and whether they would go on by the settings of now."""

from collections.abc import Mapping
from typing import Final

from aims_pax.campaign.returning import rules_of
from aims_pax.dataset.store import RunStore
from aims_pax.learner import decide, exploration, workflows
from aims_pax.learner.exploration import Exploration, RoundRules
from aims_pax.learner.state import StopReason
from aims_pax.learner.workflows import PlayState
from aims_pax.settings import Project
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.stages.memory import Memory
from aims_pax.stages.playing import cast
from aims_pax.stages.states import EXPLORATIONS, PLAYS, recall_state

BUDGETS: Final = "raise SYSTEMS.<name>.max_labels"

RAISE: Final[Mapping[StopReason | exploration.End | workflows.End, tuple[str, str]]] = {
    StopReason.TRAIN_SIZE: ("raise", "max_train_set_size"),
    StopReason.FORCE_MAE: ("lower", "desired_acc"),
    StopReason.EPOCHS: ("raise", "max_epochs"),
    StopReason.MD_STEPS: ("raise", "max_MD_steps"),
    exploration.End.LOOPS: ("raise", "max_loops"),
    workflows.End.VISITS: ("raise", "max_visits"),
}
"""What has a stage go on that has ended for a reason."""


def open_stages(project: Project) -> tuple[StagePlan, ...]:
    """The last stage that learns until a goal is reached, and the last that explores after it, in their order."""
    stages, last = project.settings.stages, project.settings.looping[-1:]
    after = stages[stages.index(last[0]) :] if last else stages
    return (*last, *[plan for plan in after if _explores(plan)][-1:])


def has_begun_exploring(store: RunStore, name: str) -> bool:
    """Whether the stage of this name explores, by MD or by workflows, and has done anything."""
    return any(store.load_state(f"{kind}{name}") is not None for kind in (EXPLORATIONS, PLAYS))


def asks_for_more(project: Project, plan: StagePlan, store: RunStore, memory: Memory) -> bool:
    """Whether a stage that is over would go on by what its settings are now."""
    if isinstance(plan.settings, ExploreSettings):
        explored = memory.recall(f"{EXPLORATIONS}{plan.name}", Exploration)
        rules = RoundRules(plan.settings.rounds, trains=plan.settings.train)
        return explored is not None and exploration.reopened(explored, rules) != explored
    if isinstance(plan.settings, PlaySettings):
        played = memory.recall(f"{PLAYS}{plan.name}", PlayState)
        if played is None or played.stopping not in (workflows.End.VISITS, workflows.End.BUDGETS):
            return False
        roles = cast.roles_of(project.further.workflows[plan.name], plan.settings)
        of_play = cast.rules_of(project, plan.settings, roles, has_committee=True)  # models do not say when it is over
        return workflows.reopened(played, of_play) != played
    learned = recall_state(store, plan.name)
    return learned is not None and decide.reopened(learned, rules_of(project, plan.name)) != learned


def what_to_raise(project: Project, store: RunStore, memory: Memory) -> str:
    """What a user changes so that a finished run goes on: ``raise ACTIVE_LEARNING.max_epochs``; empty: not known."""
    for plan in reversed(open_stages(project)):
        ended = _ended_by(plan, store, memory)
        if ended in (StopReason.BUDGETS, workflows.End.BUDGETS):
            return BUDGETS
        if ended is not None and ended in RAISE:
            how, key = RAISE[ended]
            return f"{how} {plan.said(key)}"
    return ""


def _explores(plan: StagePlan) -> bool:
    """Whether it explores round after round; one that only judges has a single round."""
    if isinstance(plan.settings, ExploreSettings):
        return plan.settings.train
    return isinstance(plan.settings, PlaySettings)


def _ended_by(plan: StagePlan, store: RunStore, memory: Memory) -> StopReason | exploration.End | workflows.End | None:
    """Why a stage is over; None where it is not."""
    if isinstance(plan.settings, ExploreSettings):
        explored = memory.recall(f"{EXPLORATIONS}{plan.name}", Exploration)
        return None if explored is None else explored.ended
    if isinstance(plan.settings, PlaySettings):
        played = memory.recall(f"{PLAYS}{plan.name}", PlayState)
        return None if played is None else played.stopping
    learned = recall_state(store, plan.name)
    return None if learned is None else learned.stopping
