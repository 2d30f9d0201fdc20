"""Rounds of exploration: MD, what of it is beyond a tolerance, its labels, and a training to convergence.

Every round is a record. Rounds go on until nothing is beyond a tolerance, or there have been as many as there may be.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class End(StrEnum):
    """Why no more rounds follow."""

    NOTHING_ABOVE = "no frame was beyond a tolerance"
    """The models are as good as was asked for, as far as MD has come and the calibration holds."""
    LOOPS = "there were as many rounds as max_loops allows"
    """There were as many rounds as there may be."""
    JUDGED = "the models were judged, and nothing was trained"
    """It was asked for a judgement alone."""


class Step(StrEnum):
    """What a round is about to do."""

    MOVE = "move"
    """MD, until all trajectories are at their end or have become unphysical."""
    JUDGE = "judge"
    """Scores of all frames, thresholds, and the choice of what is labelled."""
    LABEL = "label"
    """Wait for the labels of what was chosen, and give them their places."""
    LEARN = "learn"
    """Train all members to convergence."""
    MEASURE = "measure"
    """Errors on what is not trained on, and the end of the round."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """One quantity of a round: how deviations were turned into errors, and how many frames are beyond a tolerance.

    Parameters
    ----------
    quantity : str
        ``energy``, ``forces`` or ``stress``.
    unit : str
        Of tolerance, threshold and deviations.
    tolerance : float
    slope : float or None
        Deviation over error; None where nothing could be fitted, and deviations are taken for errors.
    n_fitted : int
        Structures that it was fitted to.
    threshold : float
        Of deviations.
    n_above : int
        Frames above it.
    largest : float or None
        Deviation of the frame of the largest; None where none is finite.
    """

    quantity: str
    unit: str
    tolerance: float
    slope: float | None
    n_fitted: int
    threshold: float
    n_above: int
    largest: float | None


@dataclass(frozen=True, slots=True)
class Truth:
    """What labels of a round say of one quantity, of the frames that were labelled.

    Parameters
    ----------
    quantity, unit : str
        As in :class:`Beyond`.
    n_labelled, n_beyond : int
        Labels, and how many of their frames are truly beyond the tolerance.
    mean_error, mean_expected : float
        Error of the members, and what it was expected to be by the deviation.
    """

    quantity: str
    unit: str
    n_labelled: int
    n_beyond: int
    mean_error: float
    mean_expected: float


@dataclass(frozen=True, slots=True)
class Missed:
    """What labels of a round say of one threshold, of frames that were drawn at random from all.

    Parameters
    ----------
    quantity : str
        As in :class:`Beyond`.
    n_labelled, n_beyond : int
        Labels, and how many of their frames are truly beyond the tolerance.
    n_above, n_right : int
        Frames above the threshold, and how many of these are truly beyond the tolerance.
    """

    quantity: str
    n_labelled: int
    n_beyond: int
    n_above: int
    n_right: int


@dataclass(frozen=True, slots=True)
class SetErrors:
    """Root mean square errors of one member, or of the members' mean, on one set of structures.

    Parameters
    ----------
    split : str
        ``training``, ``validation`` or ``test``.
    is_first : bool
        Whether only those count that were there before the first round: the same structures in all rounds.
    member : str
        Its name; empty for the mean of all.
    n_structures : int
    energy_ev_per_atom, forces_ev_per_ang : float
    stress_ev_per_ang3 : float or None
    """

    split: str
    is_first: bool
    member: str
    n_structures: int
    energy_ev_per_atom: float
    forces_ev_per_ang: float
    stress_ev_per_ang3: float | None


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one round.

    Parameters
    ----------
    number : int
        From 1; 0 is how the models were before the first.
    n_trajectories, n_ended_early : int
        MD of it, and such as has become unphysical.
    md_steps : int
        Of all trajectories together.
    n_frames, n_opened : int
        Frames, and such of which a gap was opened to vacuum.
    beyond : tuple of Beyond
        By quantity.
    n_above, n_selected, n_random : int
        Frames beyond any tolerance, those of which a label is asked for, and those of them that were drawn at random
        from all.
    calibrated_on : str
        What slopes were fitted to, in words.
    n_labelled, n_failed : int
        Answers.
    truths : tuple of Truth
        What the labels of frames beyond a tolerance say of the errors that were expected.
    missed : tuple of Missed
        What those of frames that were drawn at random say of the thresholds.
    n_epochs, n_train : int
        Of its training.
    errors : tuple of SetErrors
        At its end.
    """

    number: int
    n_trajectories: int = 0
    n_ended_early: int = 0
    md_steps: int = 0
    n_frames: int = 0
    n_opened: int = 0
    beyond: tuple[Beyond, ...] = ()
    n_above: int = 0
    n_selected: int = 0
    n_random: int = 0
    calibrated_on: str = ""
    n_labelled: int = 0
    n_failed: int = 0
    truths: tuple[Truth, ...] = ()
    missed: tuple[Missed, ...] = ()
    n_epochs: int = 0
    n_train: int = 0
    errors: tuple[SetErrors, ...] = ()


@dataclass(frozen=True, slots=True)
class Exploration:
    """How far exploration has come; a value that can be journalled.

    Parameters
    ----------
    present : Round
        The round that is under way.
    step : Step
    over : tuple of Round
        Those before it.
    first_label : int
        Number of the first label of the present round.
    n_first : int
        Structures that had a place in the dataset before the first round.
    ended : End or None
        None while it goes on.
    """

    present: Round
    step: Step = Step.MOVE
    over: tuple[Round, ...] = ()
    first_label: int = 0
    n_first: int = 0
    ended: End | None = None

    @property
    def n_epochs(self) -> int:
        """Of the rounds that are over, and of the present one as far as it has been trained to its end."""
        return sum(one.n_epochs for one in (*self.over, self.present))

    @property
    def n_trajectories_before(self) -> int:
        """Trajectories of the rounds that are over: numbers that the present round does not use."""
        return sum(one.n_trajectories for one in self.over)

    @property
    def rounds(self) -> tuple[Round, ...]:
        """All of them, the present one last."""
        return (*self.over, self.present)

    def round_of(self, trajectory: int) -> int:
        """Number of the round that a trajectory belongs to; frames that were brought along are of the first."""
        n_until = 0
        for one in self.rounds:
            n_until += one.n_trajectories
            if one.number and trajectory < n_until:
                return one.number
        return self.present.number


@dataclass(frozen=True, slots=True)
class RoundRules:
    """When it is over.

    Parameters
    ----------
    max_rounds : int
    trains : bool
        Whether the committee learns.
    """

    max_rounds: int
    trains: bool = True


def begun(*, n_first: int, measured: tuple[SetErrors, ...]) -> Exploration:
    """Before the first round, with the errors of the models that it begins with."""
    return Exploration(Round(1), over=(Round(0, errors=measured),), n_first=n_first)


def moved(state: Exploration, *, n_trajectories: int, n_ended_early: int, md_steps: int) -> Exploration:
    """After the MD of a round; or without any, where frames are brought along."""
    present = replace(state.present, n_trajectories=n_trajectories, n_ended_early=n_ended_early, md_steps=md_steps)
    return replace(state, present=present, step=Step.JUDGE)


def judged(state: Exploration, judgement: Round, *, first_label: int) -> Exploration:
    """After all frames have been scored, and what is labelled was chosen.

    Parameters
    ----------
    judgement : Round
        The present round, with what was found.
    first_label : int
        Number of the first label that it asks for.
    """
    state = replace(state, present=judgement, first_label=first_label)
    if judgement.n_selected:
        return replace(state, step=Step.LABEL)
    return replace(state, step=Step.MEASURE)


def labelled(state: Exploration, rules: RoundRules, *, n_labelled: int, n_failed: int) -> Exploration:
    """After the last answer. What was drawn at random tests, so that nothing is learned of it."""
    state = replace(state, present=replace(state.present, n_labelled=n_labelled, n_failed=n_failed))
    has_news = n_labelled > 0 and state.present.n_selected > state.present.n_random
    return replace(state, step=Step.LEARN if rules.trains and has_news else Step.MEASURE)


def learned(state: Exploration, *, n_epochs: int, n_train: int) -> Exploration:
    """After the training."""
    return replace(state, present=replace(state.present, n_epochs=n_epochs, n_train=n_train), step=Step.MEASURE)


def measured(
    state: Exploration,
    rules: RoundRules,
    *,
    errors: tuple[SetErrors, ...],
    truths: tuple[Truth, ...],
    missed: tuple[Missed, ...] = (),
) -> Exploration:
    """At the end of a round; another one begins, or it is over."""
    state = replace(state, present=replace(state.present, errors=errors, truths=truths, missed=missed))
    if (ended := _end(state.present, rules)) is not None:
        return replace(state, ended=ended)
    return _next(state)


def reopened(state: Exploration, rules: RoundRules) -> Exploration:
    """The state under rules that may allow more rounds than before."""
    if state.ended is not End.LOOPS or state.present.number >= rules.max_rounds:
        return state
    return _next(replace(state, ended=None))


def _end(present: Round, rules: RoundRules) -> End | None:
    if not rules.trains:
        return End.JUDGED
    if not present.n_above and present.n_frames:
        return End.NOTHING_ABOVE
    return End.LOOPS if present.number >= rules.max_rounds else None


def _next(state: Exploration) -> Exploration:
    return replace(state, present=Round(state.present.number + 1), step=Step.MOVE, over=state.rounds)
