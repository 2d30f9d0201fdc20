"""Where a run stands, as far as what is left of it depends on that."""

from dataclasses import dataclass

from aims_pax.campaign.session import Progress
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.learner.state import State
from aims_pax.settings import Project
from aims_pax.stages import assembly
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import recall_state


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run has behind it.

    Parameters
    ----------
    progress : Progress
        Which part of it comes next, or is under way.
    initial, active : State or None
        None for a stage that has not begun, or was never to be run.
    n_epochs_initial_convergence, n_epochs_convergence : int
    n_labels : int
        Labels received.
    """

    progress: Progress
    initial: State | None = None
    active: State | None = None
    n_epochs_initial_convergence: int = 0
    n_epochs_convergence: int = 0
    n_labels: int = 0


def standing_of(store: RunStore, memory: Memory, *, n_labels: int) -> Standing | None:
    """Where the run stands that is remembered here; None when it has not begun."""
    progress = memory.recall_member("progress", Progress)
    if progress is None:
        return None
    return Standing(
        progress=progress,
        initial=recall_state(store, "initial"),
        active=recall_state(store, "active"),
        n_epochs_initial_convergence=_n_epochs(memory, "convergence.initial"),
        n_epochs_convergence=_n_epochs(memory, "convergence.active"),
        n_labels=n_labels,
    )


def read_standing(project: Project) -> Standing | None:
    """Where the run in a project's folder stands, also while it is under way; None when there is none."""
    if not (project.run_folder / STORE_NAME).is_file():
        return None
    with RunStore.open_readonly(project.run_folder) as store:
        return standing_of(store, Memory(store, assembly.run_folder(project)), n_labels=store.counts().n_received)


def _n_epochs(memory: Memory, key: str) -> int:
    stored = memory.recall_json(key)  # plain: its own type is at home beside PyTorch, which a check does without
    return int(stored["n_epochs"]) if isinstance(stored, dict) else 0
