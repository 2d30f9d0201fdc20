"""Where a run stands, as far as what is left of it depends on that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aims_pax.campaign.course import Position
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.learner.exploration import Exploration
from aims_pax.learner.state import State
from aims_pax.learner.workflows import PlayState
from aims_pax.settings import Project
from aims_pax.stages import assembly
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import (
    COLLECTS,
    CONVERGENCES,
    EXPLORATIONS,
    LOOPS,
    PLAYS,
    PRIORS,
    RELABELS,
    convergence_key,
    recall_state,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run has behind it.

    Parameters
    ----------
    position : Position
    states : mapping of str to State
        Of the stages that sample and learn, by name, as far as they have begun.
    epochs : mapping of str to int
        That trainings to the end have made, by the names of their states in the store.
    n_labels : int
        Labels received.
    relabels_left : mapping of str to int
        Structures that stages have still to label again, by their names, as far as they have begun.
    priors : mapping of str to mapping of str to int
        `labels` and `epochs` that stages have learned beforehand, likewise.
    collects_left : mapping of str to int
        Structures that were made and have no answer yet, likewise.
    explorations : mapping of str to Exploration
        Rounds of stages that explore, likewise.
    plays : mapping of str to PlayState
        Where stages are in their workflows, likewise.
    """

    position: Position
    states: Mapping[str, State] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    n_labels: int = 0
    relabels_left: Mapping[str, int] = field(default_factory=dict)
    priors: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    collects_left: Mapping[str, int] = field(default_factory=dict)
    explorations: Mapping[str, Exploration] = field(default_factory=dict)
    plays: Mapping[str, PlayState] = field(default_factory=dict)

    @property
    def progress(self) -> str | None:
        """Which stage comes next, or is under way."""
        return self.position.progress

    def n_epochs_of(self, stage: str) -> int:
        """Epochs of a training to the end."""
        return self.epochs.get(convergence_key(stage), 0)


def standing_of(store: RunStore, memory: Memory, *, n_labels: int) -> Standing | None:
    """Where the run stands that is remembered here; None when it has not begun."""
    position = Position.of(store, memory)
    if position.progress is None:
        return None
    names = [name.removeprefix(LOOPS) for name in store.state_names(LOOPS)]
    states = {name: state for name in names if (state := recall_state(store, name)) is not None}
    epochs = {key: _n_epochs(memory, key) for key in store.state_names(CONVERGENCES)}
    relabels = {name.removeprefix(RELABELS): memory.recall_json(name) for name in store.state_names(RELABELS)}
    left = {name: _n_left(store, name, begun) for name, begun in relabels.items() if isinstance(begun, dict)}
    noted = {name.removeprefix(PRIORS): memory.recall_json(name) for name in store.state_names(PRIORS)}
    priors = {name: done for name, done in noted.items() if isinstance(done, dict)}
    made = {name.removeprefix(COLLECTS): memory.recall_json(name) for name in store.state_names(COLLECTS)}
    uncollected = {name: _n_unanswered(store, name, begun) for name, begun in made.items() if isinstance(begun, dict)}
    explored = {
        name.removeprefix(EXPLORATIONS): found
        for name in store.state_names(EXPLORATIONS)
        if (found := memory.recall(name, Exploration)) is not None
    }
    played = {
        name.removeprefix(PLAYS): state_of_play
        for name in store.state_names(PLAYS)
        if " " not in name and (state_of_play := memory.recall(name, PlayState)) is not None
    }
    return Standing(position, states, epochs, n_labels, left, priors, uncollected, explored, played)


def read_standing(project: Project) -> Standing | None:
    """Where the run in a project's folder stands, also while it is under way; None when there is none."""
    if not (project.run_folder / STORE_NAME).is_file():
        return None
    with RunStore.open_readonly(project.run_folder) as store:
        return standing_of(store, Memory(store, assembly.run_folder(project)), n_labels=store.counts().n_received)


def _n_left(store: RunStore, reference: str, begun: Mapping[str, object]) -> int:
    """Structures without an answer by a reference, of those that another had labelled."""
    counts = store.counts(reference=reference)
    known = store.structures(reference=str(begun["from"]), only_placed=begun["which"] == "dataset")
    return max(0, len(known) - counts.n_received - counts.n_failed)


def _n_unanswered(store: RunStore, stage: str, begun: Mapping[str, int]) -> int:
    """Structures that a stage has made, without those that have an answer."""
    answered = sum(status is not JobStatus.SUBMITTED for status in store.asked_of(stage).values())
    return max(0, int(begun["n"]) - answered)


def _n_epochs(memory: Memory, key: str) -> int:
    stored = memory.recall_json(key)  # plain: its own type is at home beside PyTorch, which a check does without
    return int(stored["n_epochs"]) if isinstance(stored, dict) else 0
