"""Where a run stands, for whoever looks at it: built here, whatever the stage."""

from dataclasses import dataclass, replace

from aims_pax.dataset.records import Counts
from aims_pax.learner.cadence import PerRound
from aims_pax.learner.events import Advance, Ask, AwaitLabel, Command, Distribute, Finish, Train
from aims_pax.learner.state import LIVE, Phase, Rules, State
from aims_pax.learner.transition import equilibration_left, threshold
from aims_pax.protocols import Committee, Status
from aims_pax.stages.loop.parts import LoopParts
from aims_pax.stages.states import LETTERS, N_SCORES
from aims_pax.stages.watching import status_at_rest


@dataclass(frozen=True, slots=True)
class LabelsBefore:
    """Labels of a run that were asked for before its present stage."""

    n_requested: int
    n_received: int
    n_failed: int

    @classmethod
    def of(cls, counts: Counts, state: State) -> "LabelsBefore":
        """From all labels of the run, and the state of the loop that has a part in them."""
        return cls(
            counts.n_requested - state.n_requested,
            counts.n_received - state.n_received,
            counts.n_failed - state.n_failed,
        )


def loop_status(
    stage: str, state: State, parts: LoopParts, command: Command, *, before: LabelsBefore, committee: Committee | None
) -> Status:
    """Where a loop stands when it is about to do something.

    Parameters
    ----------
    committee : Committee or None
        None where the first labels are still being collected.
    """
    rules = parts.rules
    all_train = isinstance(rules.cadence, PerRound) and isinstance(command, Train | Distribute)
    scores = next((memory.scores for memory in state.memories if memory.scores), None)
    return Status(
        stage=stage,
        n_running=0 if all_train else len(state.in_phase(Phase.RUNNING)),
        n_waiting=len(state.in_flight),
        n_training=len(state.trajectories) if all_train else len(state.in_phase(Phase.TRAINING)),
        n_finished=sum(trajectory.phase not in LIVE for trajectory in state.trajectories),
        n_labels_requested=before.n_requested + state.n_requested,
        n_labels_received=before.n_received + state.n_received,
        n_labels_failed=before.n_failed + state.n_failed,
        n_train=state.train_size,
        n_valid=state.counts[0].n_valid if committee is None else committee.n_valid(0),
        train_goal=rules.max_train_size,
        md_steps=state.md_steps,
        epochs=parts.n_epochs_before + state.n_epochs,
        threshold=threshold(state, rules),
        last_score=None if scores is None else scores[-1],
        score_kind=parts.score_kind,
        phases="".join(LETTERS[Phase.TRAINING if all_train else one.phase] for one in state.trajectories),
        scores=() if scores is None else scores[-N_SCORES:],
        is_waiting=isinstance(command, AwaitLabel),
        n_passed_over=state.n_passed_over,
        n_withdrawn=state.n_withdrawn,
        force_mae_ev_per_ang=state.force_mae,
        activity=_activity(state, rules, command),
    )


def convergence_status(
    counts: Counts, committee: Committee, *, n_epochs: int, force_mae: float | None, activity: str
) -> Status:
    """Where a run stands while no trajectory moves; the epochs are those of the whole run."""
    return replace(
        status_at_rest(counts, stage="convergence", activity=activity),
        n_train=committee.n_train(0),
        n_valid=committee.n_valid(0),
        epochs=n_epochs,
        force_mae_ev_per_ang=force_mae,
    )


def _activity(state: State, rules: Rules, command: Command) -> str:
    """What is being done, in words."""
    match command:
        case Advance() if equilibration_left(state, rules):
            return f"equilibrating, step {state.n_equilibrated} of {rules.equilibration_steps}"
        case Train() | Distribute():
            return "training"
        case Finish():
            return "finished"
        case Advance() | Ask() | AwaitLabel() if isinstance(rules.cadence, PerRound):
            return "sampling and labelling"
        case AwaitLabel():
            return "waiting for labels"
        case _:
            return "sampling"
