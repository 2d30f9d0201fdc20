"""Who plays: each workflow by as many trajectories as there are replicas."""

from collections.abc import Sequence
from dataclasses import dataclass

from aims_pax.learner.quota import Quota
from aims_pax.learner.state import Budget
from aims_pax.learner.workflows import DrivenBy, Holds, PhaseRule, PlayRules
from aims_pax.settings import Project
from aims_pax.settings.workflow.phases import Phase, Workflow
from aims_pax.settings.workflow.playing import PlaySettings


@dataclass(frozen=True, slots=True)
class Role:
    """What one player plays.

    Parameters
    ----------
    workflow : Workflow
    replica : int
        From 1.
    """

    workflow: Workflow
    replica: int

    def phase(self, number: int) -> Phase:
        return self.workflow.phases[number]

    def called(self, number: int) -> str:
        """What the frames of a phase are called by: ``dlc Phase1``."""
        return f"{self.workflow.name} {self.phase(number).name}"


def roles_of(workflows: Sequence[Workflow], settings: PlaySettings) -> tuple[Role, ...]:
    """By player."""
    return tuple(Role(one, replica + 1) for one in workflows for replica in range(settings.replicas))


def rules_of(project: Project, settings: PlaySettings, roles: Sequence[Role], *, has_committee: bool) -> PlayRules:
    """The rules of the learner."""
    slice_of_epochs = min(settings.epochs_at_a_time, settings.epochs_per_label)
    return PlayRules(
        programs=tuple(tuple(_phase_rule(phase, settings) for phase in role.workflow.phases) for role in roles),
        skip_steps=settings.skip_steps,
        quota=Quota(settings.valid_ratio),
        epochs_per_label=settings.epochs_per_label,
        epochs_per_slice=slice_of_epochs,
        max_visits=settings.max_visits,
        holds=Holds(settings.holds),
        n_hold=settings.hold_visits,
        from_scratch=settings.from_scratch,
        begins_without_models=not has_committee,
        pretrained_visits=0 if settings.pretrained is None else settings.pretrained_visits,
        hand_over=settings.hand_over,
        visits_ahead=settings.visits_ahead,
        max_failures=settings.max_consecutive_failures,
        budgets=tuple(_budgets(project, roles)),
    )


def _phase_rule(phase: Phase, settings: PlaySettings) -> PhaseRule:
    run = phase.settings.run
    return PhaseRule(
        phase.name,
        run.most_steps,
        run.sampling,
        settings.least_score if run.threshold is None else run.threshold,
        None if run.driver is None else DrivenBy(run.driver),
    )


def _budgets(project: Project, roles: Sequence[Role]) -> list[Budget]:
    found = []
    for name, plan in project.settings.systems.items():
        if plan.settings.max_labels != float("inf"):
            own = frozenset(index for index, role in enumerate(roles) if role.workflow.system == name)
            found.append(Budget(own, int(plan.settings.max_labels)))
    return found
