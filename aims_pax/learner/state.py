"""Phases, rules and state of a loop of sampling, labelling and learning, as frozen values."""

from dataclasses import dataclass, replace
from enum import StrEnum

from aims_pax.learner.cadence import Cadence
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import OF_SCORES, Memory, PickReason, Selector


class Phase(StrEnum):
    """What one trajectory is doing."""

    RUNNING = "running"
    """It moves, and its structures are judged every `skip_steps` steps."""
    WAITING = "waiting"
    """Its last structure is being labelled; it stands still."""
    TRAINING = "training"
    """The committee is learning its newest label; it stands still."""
    FINISHED = "finished"
    """It has reached its number of MD steps, or the campaign has reached its goal."""
    FAILED = "failed"
    """Too many failures in a row; it is left alone."""


LIVE = frozenset({Phase.RUNNING, Phase.WAITING, Phase.TRAINING})


class StopReason(StrEnum):
    """Why a loop takes no more structures."""

    TRAIN_SIZE = "the training set has reached max_train_set_size"
    """Every member trains on as many structures as were asked for."""
    FORCE_MAE = "the validation force MAE has reached desired_acc"
    """The members' mean force MAE on their validation sets is at or below the goal."""
    EPOCHS = "max_epochs have been trained"
    """The total number of epochs is used up."""
    MD_STEPS = "every trajectory has made max_MD_steps or has failed"
    """No trajectory is left that could move."""
    ALL_FAILED = "every trajectory has failed too often in a row"
    """Nothing sensible is left to do."""
    BUDGETS = "every system has the labels that it may ask for, or no trajectory left"
    """Nobody is left who could ask."""
    WRECKS = "most structures that the MD comes to fall apart, however the models are trained"
    """Labels would be wasted."""


class Turn(StrEnum):
    """Whose turn it is when some trajectories can move and others have a label to learn."""

    SAMPLE = "sample"
    """The running trajectories advance."""
    TRAIN = "train"
    """The committee trains for a slice of epochs."""


@dataclass(frozen=True, slots=True)
class WreckRule:
    """What is done about labels that turn out to be unphysical in series.

    Parameters
    ----------
    n_recent, n_most : int
        Of so many labels in a row, so many may be unphysical. With one more, picking pauses.
    pause_epochs : int
        That the committee is trained for meanwhile.
    max_pauses : int
        Pauses in a row after which the next one ends the loop; a row ends with a series that is sound.
    """

    n_recent: int
    n_most: int
    pause_epochs: int
    max_pauses: int


@dataclass(frozen=True, slots=True)
class Budget:
    """Labels that some trajectories may ask for together; then they end, and the others go on.

    Parameters
    ----------
    trajectories : frozenset of int
    max_labels : int
        Labels that were computed or are in flight; one that failed gave nothing.
    """

    trajectories: frozenset[int]
    max_labels: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one loop; they never change while it runs, and are no part of its state.

    Parameters
    ----------
    selectors : tuple of Selector
        Each judges every structure. Of several that want it, one that judges models by it has it before one whose label
        is learned; else errors would be measured where nobody was unsure.
    cadence : Cadence
    quota : Quota
        Which labels validate.
    skip_steps : int
        MD steps between two structures that are judged.
    max_failures : int
        Failures in a row after which a trajectory is given up, where each waits for its own labels; else labels
        failing in a row, of whatever trajectory, after which nothing sensible is left to do.
    equilibration_steps, steps_per_chunk : int
        MD steps before the first structure is judged, and how many of them are made at once; between two chunks a run
        may be left.
    max_md_steps : int or None
        MD steps of each trajectory.
    max_train_size : int or None
        Training structures of one member.
    desired_force_mae : float or None, eV/Å
    max_epochs : float
        Total epochs; may be infinite.
    molecular_limit : float
        Crossings of molecules alone in a row after which the committee learns the forces on molecules, too; may be
        infinite.
    wrecks : WreckRule or None
        Where each label is learned at once; None: nothing is done.
    budgets : tuple of Budget
        No trajectory is in two of them. Where each label is learned at once.
    """

    selectors: tuple[Selector, ...]
    cadence: Cadence
    quota: Quota
    skip_steps: int
    max_failures: int
    equilibration_steps: int = 0
    steps_per_chunk: int = 1
    max_md_steps: int | None = None
    max_train_size: int | None = None
    desired_force_mae: float | None = None
    max_epochs: float = float("inf")
    molecular_limit: float = float("inf")
    wrecks: WreckRule | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One trajectory as the learner sees it.

    Parameters
    ----------
    md_step : int
        Steps made; never goes back.
    quiet_steps : int
        Steps since its last pick.
    epochs_left : int
        Epochs still to be trained for its newest label.
    failures : int
        Failures since its last label; of those that keep step, since their last structure.
    is_through : bool
        Of those that keep step: it has made its steps, and others have not.
    n_labels : int
        Labels of its structures that were computed or are in flight.
    """

    phase: Phase = Phase.RUNNING
    md_step: int = 0
    quiet_steps: int = 0
    epochs_left: int = 0
    failures: int = 0
    is_through: bool = False
    n_labels: int = 0


@dataclass(frozen=True, slots=True)
class Pick:
    """A structure that is being labelled: where it was taken, the name of the selector that wanted it, and why.

    Earlier versions did not keep why.
    """

    trajectory: int
    md_step: int
    selector: str
    reason: PickReason | None = None


@dataclass(frozen=True, slots=True)
class State:
    """All that the learner knows.

    Parameters
    ----------
    trajectories : tuple of Trajectory
    memories : tuple of Memory
        What selectors remember, also those that the rules have no longer.
    counts : tuple of SplitCounts
        Points of this loop by split: of each member where each has points of its own, else one for all.
    in_flight : tuple of Pick
        Labels that were asked for and have not been answered, in the order in which they were asked for.
    offered : tuple of Pick
        Structures that were picked, at which their trajectories stand, and that are asked for as soon as a round needs
        them.
    n_initial_train : int
        Training structures that a member had before.
    n_received, n_failed : int
        Labels.
    n_failed_in_row : int
        Labels failed since the last one that succeeded.
    n_passed_over, n_withdrawn : int
        Structures that were not asked for, because another one nearly alike was, and labels that were not wanted any
        more before anybody began them.
    n_molecular : int
        Crossings of molecules alone since the last one of a whole structure.
    weighs_molecules : bool
        Whether they were so many in a row, ever, that the committee learns the forces on molecules, too.
    n_round, n_in_round : int
        Complete rounds, and labels of the one that is being collected.
    epochs_due : int
        Epochs that the last complete round is still owed.
    n_equilibrated : int
        MD steps of equilibration that were made.
    recent : tuple of bool
        Whether each of the newest labels of the present series was unphysical.
    n_pauses : int
        Pauses of picking since the last sound series.
    pause_epochs : int
        Epochs that are still to be trained before picking goes on.
    n_epochs : int
    force_mae : float or None, eV/Å
        Mean over members at the newest validation.
    turn : Turn
    stopping : StopReason or None
    """

    trajectories: tuple[Trajectory, ...]
    memories: tuple[Memory, ...] = ()
    counts: tuple[SplitCounts, ...] = (SplitCounts(),)
    in_flight: tuple[Pick, ...] = ()
    offered: tuple[Pick, ...] = ()
    n_initial_train: int = 0
    n_received: int = 0
    n_failed: int = 0
    n_failed_in_row: int = 0
    n_passed_over: int = 0
    n_withdrawn: int = 0
    n_molecular: int = 0
    weighs_molecules: bool = False
    n_round: int = 0
    n_in_round: int = 0
    epochs_due: int = 0
    n_equilibrated: int = 0
    recent: tuple[bool, ...] = ()
    n_pauses: int = 0
    pause_epochs: int = 0
    n_epochs: int = 0
    force_mae: float | None = None
    turn: Turn = Turn.SAMPLE
    stopping: StopReason | None = None

    @property
    def n_requested(self) -> int:
        """Labels that were asked for."""
        return self.n_received + self.n_failed + len(self.in_flight)

    @property
    def train_size(self) -> int:
        """Training structures of one member: what it had before, and the least that any has got from this loop."""
        return self.n_initial_train + min(counts.n_train for counts in self.counts)

    @property
    def md_steps(self) -> int:
        """MD steps of all trajectories."""
        return sum(trajectory.md_step for trajectory in self.trajectories)

    @property
    def standing(self) -> tuple[int, ...]:
        """Trajectories that stand at a structure which is labelled for them, or learned."""
        still = (Phase.WAITING, Phase.TRAINING)
        return tuple(index for index, one in enumerate(self.trajectories) if one.phase in still)

    @property
    def withdrawable(self) -> tuple[Pick, ...]:
        """Labels in flight that better models may make needless, and that trajectories wait for; none at the end."""
        if self.stopping is not None:
            return ()
        return tuple(
            pick
            for pick in self.in_flight
            if pick.reason in OF_SCORES and self.trajectories[pick.trajectory].md_step == pick.md_step
        )

    def memory_of(self, selector: str) -> Memory:
        """What the selector of this name remembers."""
        return next((memory for memory in self.memories if memory.selector == selector), Memory(selector))

    def remembering(self, memory: Memory) -> "State":
        """The state in which its selector remembers this."""
        if all(one.selector != memory.selector for one in self.memories):
            return replace(self, memories=(*self.memories, memory))
        memories = tuple(memory if one.selector == memory.selector else one for one in self.memories)
        return replace(self, memories=memories)

    def with_trajectory(self, index: int, trajectory: Trajectory) -> "State":
        """The state with this trajectory in the place of that of its number."""
        return replace(self, trajectories=(*self.trajectories[:index], trajectory, *self.trajectories[index + 1 :]))

    def in_phase(self, phase: Phase) -> tuple[int, ...]:
        """Indices of the trajectories in a phase."""
        return tuple(i for i, trajectory in enumerate(self.trajectories) if trajectory.phase is phase)
