"""Continual training of the committee: epochs, their records, and the optimizer resets."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aims_pax.committee import EpochPlan, EpochReport
from aims_pax.dataset.records import EpochRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Split
from aims_pax.learner.training.stagnation import Stagnation
from aims_pax.protocols import Committee, Molecules

diary = logging.getLogger("aims_pax.training")

EPOCHS_PER_LINE = 10
LINE_AFTER_S = 60.0
"""How often the diary tells of training: whatever comes first. What lies between is told at DEBUG."""

MIN_RESET_PATIENCE = 10
"""Epochs without improvement before an optimizer is reset, at least: what the paper trains per label (aims-PAX, II C).

With fewer epochs per label, noise in the validation loss would look like stagnation and throw the optimizer's memory
away at nearly every label.
"""


@dataclass(frozen=True, slots=True)
class Stagnations:
    """The stagnation of every member; a value that can be journalled."""

    members: tuple[Stagnation, ...]

    @classmethod
    def begin(cls, n_members: int, *, patience: int, margin: float) -> "Stagnations":
        return cls((Stagnation(patience, margin),) * n_members)

    def replaced(self, member: int, stagnation: Stagnation) -> "Stagnations":
        return Stagnations((*self.members[:member], stagnation, *self.members[member + 1 :]))

    def afresh(self) -> "Stagnations":
        return Stagnations(tuple(stagnation.afresh() for stagnation in self.members))


class CommitteeTrainer:
    """Trains a committee slice by slice and resets the optimizer of a member that has stopped improving.

    Parameters
    ----------
    committee : Committee
    plan : EpochPlan
        What belongs to each epoch.
    clock : callable
        Monotonic seconds.
    stagnations : Stagnations or None
        None: optimizers are never reset, as in initial dataset generation, where the learning rate is scheduled.
    """

    def __init__(
        self,
        committee: Committee,
        plan: EpochPlan,
        *,
        stagnations: Stagnations | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.committee, self.stagnations = committee, stagnations
        self._plan, self._clock = plan, clock
        self._told: tuple[float, int] | None = None
        self._rows: list[EpochRow] = []
        self._losses: dict[int, float | None] = {}

    def last_losses(self) -> Mapping[int, float | None]:
        """Validation loss of each member that took part in the newest slice; None where it was not measured."""
        return self._losses

    def dataset_grew(self, split: Split) -> None:
        """Take note of a new point: losses before and after a change of the validation set can't be compared."""
        if split is Split.VALIDATION and self.stagnations is not None:
            self.stagnations = self.stagnations.afresh()

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Have the forces on molecules learned, too: losses before and after can't be compared."""
        self.committee.weigh_molecules(molecules, weight=weight)
        if self.stagnations is not None:
            self.stagnations = self.stagnations.afresh()

    def train(self, n_epochs: int, *, members: Sequence[int] | None = None) -> float | None:
        """Train all or some members; returns their mean validation force MAE in eV/Å, None if it was not measured."""
        return self.noted(self.committee.train(n_epochs, members=members, plan=self._plan))

    def noted(self, reports: Sequence[EpochReport]) -> float | None:
        """Take note of epochs that were trained; the members' mean validation force MAE in eV/Å, None without any."""
        self._rows += [_row(report, self.committee) for report in reports]
        for report in reports:
            self._judge(report)
        self._losses = {report.member: None if report.errors is None else report.errors.loss for report in reports}
        newest = {report.member: report.errors for report in reports if report.errors is not None}
        if not newest:
            return None
        force_mae = float(np.mean([errors.force_mae_ev_per_ang for errors in newest.values()]))
        epoch = max(report.epoch for report in reports)
        diary.log(
            logging.INFO if self._is_time_to_tell(epoch) else logging.DEBUG,
            "epoch %d  %d training structures each  validation force MAE %.1f meV/Å",
            epoch,
            max(self.committee.n_train(report.member) for report in reports),
            1000 * force_mae,
        )
        return force_mae

    def _is_time_to_tell(self, epoch: int) -> bool:
        now_s = self._clock()
        if self._told is not None:
            told_s, told_epoch = self._told
            if epoch - told_epoch < EPOCHS_PER_LINE and now_s - told_s < LINE_AFTER_S:
                return False
        self._told = now_s, epoch
        return True

    def record(self, store: RunStore) -> None:
        """Write the epochs since the last record into the store, within the caller's transaction."""
        store.add_epochs(self._rows)
        self._rows = []

    def _judge(self, report: EpochReport) -> None:
        if self.stagnations is None:
            return
        loss = None if report.errors is None else report.errors.loss
        stagnation = self.stagnations.members[report.member].after(loss)
        if stagnation.is_reached:
            self.committee.reset_optimizer(report.member)
            name = self.committee.names[report.member]
            diary.info("%s  no improvement in %d epochs  -> optimizer reset", name, stagnation.n_epochs)
            stagnation = stagnation.restarted()
        self.stagnations = self.stagnations.replaced(report.member, stagnation)


def usual_trainer(committee: Committee, plan: EpochPlan, stagnations: Stagnations | None) -> CommitteeTrainer:
    """What trains slice by slice, from the weights that are there."""
    return CommitteeTrainer(committee, plan, stagnations=stagnations)


def _row(report: EpochReport, committee: Committee) -> EpochRow:
    return EpochRow(
        epoch=report.epoch,
        generation=committee.generation,
        member=report.member,
        train_loss=report.train_loss,
        errors=report.errors,
        n_train=committee.n_train(report.member),
        n_valid=committee.n_valid(report.member),
    )
