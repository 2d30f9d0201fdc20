"""Where a run stands that has told nothing of itself, because an older program worked on it: what its store knows."""

from dataclasses import replace

from aims_pax.campaign.progress import FINISHED
from aims_pax.campaign.session import stages_over
from aims_pax.dataset.store import RunStore
from aims_pax.learner.state import LIVE, Phase, State
from aims_pax.protocols import StageSeen, StageState, Status
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import LETTERS, LOOPS, N_SCORES, recall_state
from aims_pax.stages.watching import N_ERRORS, status_at_rest


def status_told_by(store: RunStore, memory: Memory, progress: str) -> Status:
    """What can be seen of a run in its store: its newest loop, its labels, its errors; nobody says what it is doing."""
    over = [name for name in stages_over(store, memory) if name != progress]
    present = [] if progress == FINISHED else [progress]
    errors, counts = tuple(store.error_course(N_ERRORS)), store.counts()
    told = replace(
        status_at_rest(counts, stage=progress),
        epochs=store.n_epochs(),
        force_mae_ev_per_ang=errors[-1] if errors else None,
        stages=(
            *(StageSeen(name, StageState.OVER) for name in over),
            *(StageSeen(name, StageState.PRESENT) for name in present),
        ),
        force_maes=errors,
    )
    names = [name.removeprefix(LOOPS) for name in store.state_names(LOOPS)]
    newest = next((name for name in (progress, *reversed(over), *names) if name in names), None)
    state = None if newest is None else recall_state(store, newest)
    return told if newest is None or state is None else _with_loop(told, state, store, newest)


def _with_loop(told: Status, state: State, store: RunStore, name: str) -> Status:
    """The same with what a loop knows."""
    scores = next((memory.scores for memory in state.memories if memory.scores), ())
    kind, threshold = store.newest_threshold(name) or ("", float("inf"))
    return replace(
        told,
        phases="".join(LETTERS[one.phase] for one in state.trajectories),
        n_running=len(state.in_phase(Phase.RUNNING)),
        n_waiting=len(state.in_phase(Phase.WAITING)),
        n_training=len(state.in_phase(Phase.TRAINING)),
        n_finished=sum(one.phase not in LIVE for one in state.trajectories),
        md_steps=state.md_steps,
        scores=scores[-N_SCORES:],
        last_score=scores[-1] if scores else None,
        threshold=threshold,
        score_kind=kind,
    )
