"""Which structures of a labelled stock are learned: passes over it, and a threshold that follows the errors.

All labels are there, so that nothing is asked of a committee but how wrong it is. A structure joins the dataset where
its error is above the threshold; then the committee is trained. The stock is gone through again and again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from aims_pax.frame import Split
from aims_pax.learner.quota import Quota, SplitCounts
from aims_pax.learner.selectors import WINDOW

SLICE: Final = 5
"""Epochs that are trained between two moments at which a run can be left."""


class End(StrEnum):
    """Why no more structures are taken from a stock."""

    TRAIN_SIZE = "the training set has reached max_train_set_size"
    """There are as many training structures as were asked for."""
    ERROR = "the validation error has reached desired_acc"
    """The committee is as good as was asked for."""
    NOTHING_PICKED = "a whole pass over the pool picked nothing"
    """No structure that is left has an error above the threshold."""
    USED_UP = "every structure of the pool is in the dataset"
    """None is left."""


@dataclass(frozen=True, slots=True)
class StockRules:
    """How a stock is gone through.

    Parameters
    ----------
    n_stock : int
        Structures of the stock.
    stride : int
        Structures that are judged before the committee is trained on those that are picked.
    epochs_per_batch : int
        Epochs trained on them, and on all that is there.
    quota : Quota
    c_x : float
        Shift of the threshold.
    freeze_train_size : float
        Training structures at which the threshold stops moving.
    max_train_size : int or None
        Training structures at which it is over; None: no such goal.
    desired_error : float or None
        Validation error at which it is over, in the unit of the errors; None: no such goal.
    """

    n_stock: int
    stride: int
    epochs_per_batch: int
    quota: Quota
    c_x: float = 0.0
    freeze_train_size: float = math.inf
    max_train_size: int | None = None
    desired_error: float | None = None


@dataclass(frozen=True, slots=True)
class Passes:
    """How far a stock has been gone through; a value that can be journalled.

    Parameters
    ----------
    n_passes : int
        Passes that are complete.
    position : int
        Structures of the present pass that were judged, or passed over because they are in the dataset.
    n_picked : int
        Structures picked in the present pass.
    n_taken : int
        Structures of the stock that are in the dataset.
    counts : SplitCounts
        Of a member's whole dataset.
    errors : tuple of float
        Newest validation errors, each measured after the training on a batch; oldest first.
    frozen_at : float or None
        The threshold that stays once the training set is large enough; None while it moves.
    n_epochs, epochs_due : int
        Epochs trained, and such as are to be trained before the next structures are judged.
    ended : End or None
        None while it goes on.
    """

    n_passes: int = 0
    position: int = 0
    n_picked: int = 0
    n_taken: int = 0
    counts: SplitCounts = field(default_factory=SplitCounts)
    errors: tuple[float, ...] = ()
    frozen_at: float | None = None
    n_epochs: int = 0
    epochs_due: int = 0
    ended: End | None = None

    def threshold(self, rules: StockRules) -> float:
        """Error above which a structure is worth learning, in the unit of the errors.

        Minus infinity while nothing was measured: then everything is worth it.

        Notes
        -----
        (1 + c_x) times the mean of the last 400 validation errors, as the threshold of active learning is of
        uncertainties (aims-PAX, Eq. 2).
        """
        if self.frozen_at is not None:
            return self.frozen_at
        if not self.errors:
            return -math.inf
        return (1 + rules.c_x) * sum(self.errors) / len(self.errors)


@dataclass(frozen=True, slots=True)
class Judge:
    """Find the errors of these structures, by their places in the order of the present pass."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Learn:
    """Train for some epochs."""

    n_epochs: int


@dataclass(frozen=True, slots=True)
class Close:
    """It is over."""

    end: End


def decide(state: Passes, rules: StockRules) -> Judge | Learn | Close:
    """What comes next."""
    if state.epochs_due:
        return Learn(min(SLICE, state.epochs_due))
    if state.ended is not None:
        return Close(state.ended)
    return Judge(state.position, min(rules.n_stock, state.position + rules.stride))


def measured(state: Passes, rules: StockRules, error: float | None) -> Passes:
    """After the committee was trained on all that is there, or when one is there at the beginning.

    Parameters
    ----------
    error : float or None
        Its validation error; None where there are no validation structures.
    """
    if error is not None and math.isfinite(error):
        state = replace(state, errors=(*state.errors, error)[-WINDOW:])
        if rules.desired_error is not None and error <= rules.desired_error:
            state = replace(state, ended=state.ended or End.ERROR)
    return _frozen(state, rules)


def trained(state: Passes, n_epochs: int) -> Passes:
    """After a slice of epochs; :func:`measured` follows when none are left."""
    return replace(state, n_epochs=state.n_epochs + n_epochs, epochs_due=state.epochs_due - n_epochs)


def taken(state: Passes, rules: StockRules, n_structures: int) -> tuple[Passes, tuple[Split, ...]]:
    """Structures join the dataset without being judged, as a committee's first ones; with the place of each.

    Of those that are more than the goal allows the last are left out.
    """
    counts, splits = state.counts, []
    for _ in range(n_structures):
        if rules.max_train_size is not None and counts.n_train >= rules.max_train_size:
            break
        counts, split = rules.quota.place(counts)
        splits.append(split)
    is_full = rules.max_train_size is not None and counts.n_train >= rules.max_train_size
    n_taken = state.n_taken + len(splits)
    ended = End.TRAIN_SIZE if is_full else End.USED_UP if n_taken >= rules.n_stock else state.ended
    due = rules.epochs_per_batch if splits else 0
    after = replace(state, counts=counts, n_taken=n_taken, epochs_due=state.epochs_due + due, ended=ended)
    return after, tuple(splits)


def judged(state: Passes, rules: StockRules, last: int, errors: Sequence[float]) -> tuple[Passes, dict[int, Split]]:
    """After the structures of a chunk have been judged.

    Parameters
    ----------
    last : int
        Up to which place of the present pass.
    errors : sequence of float
        Of the structures that are not in the dataset yet; not finite where the committee fails.

    Returns
    -------
    Passes
    dict of int to Split
        Those that join the dataset, by their numbers among the errors, and their places in it.
    """
    threshold = state.threshold(rules)
    wanted = [number for number, error in enumerate(errors) if not error <= threshold]
    after, splits = taken(state, rules, len(wanted))
    picked = dict(zip(wanted, splits, strict=False))
    after = replace(after, position=last, n_picked=state.n_picked + len(picked))
    if last < rules.n_stock:
        return after, picked
    ended = after.ended or (End.NOTHING_PICKED if after.n_picked == 0 else None)
    return replace(after, n_passes=after.n_passes + 1, position=0, n_picked=0, ended=ended), picked


def reopened(state: Passes, rules: StockRules) -> Passes:
    """The state under goals that may be others than before: it goes on where they are not reached any more."""
    match state.ended:
        case End.TRAIN_SIZE:
            is_reached = rules.max_train_size is not None and state.counts.n_train >= rules.max_train_size
        case End.ERROR:
            is_reached = rules.desired_error is not None and state.errors[-1] <= rules.desired_error
        case _:
            return state
    return state if is_reached else replace(state, ended=None)


def _frozen(state: Passes, rules: StockRules) -> Passes:
    """The same with the threshold of this moment for ever, once the training set is large enough."""
    if state.frozen_at is not None or not state.errors or state.counts.n_train < rules.freeze_train_size:
        return state
    return replace(state, frozen_at=state.threshold(rules))
