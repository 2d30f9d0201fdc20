"""Trainings of a loop that flies: whole refits, each of all labels that there are."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from aims_pax.dataset.store import RunStore
from aims_pax.frame import LabelledFrame
from aims_pax.protocols import EpochPlan
from aims_pax.stages.fly.refitting import Refitting
from aims_pax.stages.loop.trainer import CommitteeTrainer

if TYPE_CHECKING:
    from aims_pax.protocols import Committee


class RefitTrainer(CommitteeTrainer):
    """Trains in one piece what other trainers do in slices.

    Parameters
    ----------
    committee : Committee
    plan : EpochPlan
    refitting : Refitting
    store : RunStore
    build : callable
        Makes models of random weights from labels.
    replaced : callable
        Hears of models that take the place of those before.
    is_new : bool
        Whether the models have just been made, and learn for the first time.
    """

    def __init__(
        self,
        committee: "Committee",
        plan: EpochPlan,
        *,
        refitting: Refitting,
        store: RunStore,
        build: "Callable[[Sequence[LabelledFrame]], Committee]",
        replaced: "Callable[[Committee], None]",
        is_new: bool = False,
    ) -> None:
        super().__init__(committee, plan)
        self._refitting, self._store, self._build = refitting, store, build
        self._replaced, self._is_new = replaced, is_new

    def train(self, n_epochs: int, *, members: Sequence[int] | None = None) -> float | None:
        """One refit of all members, whatever was asked for: the rules ask for as many epochs as it has."""
        labelled = list(self._store.labelled())
        before = None if self._is_new else self.committee
        made, self._is_new = self.committee, False
        committee, reports = self._refitting.learn(
            before, labelled, lambda: made if before is None else self._build(labelled)
        )
        if committee is not self.committee:
            self.committee = committee
            self._replaced(committee)
        return self.noted(reports)
