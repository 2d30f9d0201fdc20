"""A committee whose members are evaluated, and trained, by other programs: its points, epochs and convergence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic

import numpy as np

from aims_pax.committee.hosted.checkpoint import BestFit, HostedDesign, MemberState
from aims_pax.committee.hosted.hosts import Program
from aims_pax.committee.hosted.measuring import deviations, measured
from aims_pax.committee.hosted.predictor import Hosted, HostedModel, P
from aims_pax.committee.mace.statistics import corrected_atomic_energies
from aims_pax.errors import ShapeError
from aims_pax.frame import LabelledFrame, Split
from aims_pax.protocols import EVERY_EPOCH, EpochPlan, EpochReport, MemberErrors, Molecules

N_MEASURED: Final = 16
"""New points on which the loss before a fit is measured at most."""


@dataclass(frozen=True, slots=True)
class Lesson(Generic[P]):
    """What became of a member in some epochs.

    Parameters
    ----------
    losses : sequence of float
        Train loss of each epoch.
    models : mapping of int to HostedModel
        The model after an epoch, counted from 0 within the lesson, where it became another one; the last among them.
    """

    losses: Sequence[float]
    models: Mapping[int, HostedModel[P]]


@dataclass(slots=True)
class HostedMember(Generic[P]):
    """What belongs to one member's training; its model is the committee's."""

    train: list[LabelledFrame] = field(default_factory=list)
    valid: list[LabelledFrame] = field(default_factory=list)
    epoch: int = 0
    fitted_to: tuple[int, ...] = ()
    """Labels that its model has learned."""
    best: BestFit[P] | None = None
    last_loss: float = 0.0
    measured: tuple[object, MemberErrors | None] | None = None
    """Errors of a model on certain points, which need not be computed again."""

    def state(self, model: HostedModel[P]) -> MemberState[P]:
        """What is saved."""
        return MemberState(model, self.fitted_to, self.epoch, self.last_loss, self.best)


class HostedCommittee(Hosted[P]):
    """M potentials of one design; what is derived from it says how they learn.

    Before its first training a member knows the energies of free atoms, and feels no forces. Loss: mean squared errors
    of energies per atom, of forces and, where it is learned, of stress times volume per atom, each over the square of
    its sigma; it has no unit.

    Parameters
    ----------
    design : HostedDesign
    models : sequence of HostedModel
        By member.
    cutoff_ang : float
        Pairs up to this distance matter.
    program : Program
        What evaluates them.
    """

    SIGMAS: Sequence[float]
    """Of energies (eV/atom), forces (eV/Å) and virials (eV/atom), in the loss."""

    def __init__(
        self, design: HostedDesign, models: Sequence[HostedModel[P]], *, cutoff_ang: float, program: Program
    ) -> None:
        super().__init__(models, numbers=design.numbers, cutoff_ang=cutoff_ang, program=program)
        self._design = design
        self._members: list[HostedMember[P]] = [HostedMember() for _ in design.seeds]
        self._known: set[int] = set()
        self.weighed: tuple[Molecules, float] = ({}, 0.0)
        """Molecules that others would learn the forces on; these models learn those of atoms."""

    # -- what it is -----------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """What each member is called: ``{name}_{seed}``."""
        return tuple(f"{self._design.name}_{seed}" for seed in self.seeds)

    @property
    def seeds(self) -> tuple[int, ...]:
        return self._design.seeds

    @property
    def n_epochs(self) -> int:
        """Epochs that were made, of the member that has made most."""
        return max(member.epoch for member in self._members)

    def n_train(self, member: int) -> int:
        """Points that a member is trained on; those that it leaves out are among them."""
        return len(self._members[member].train)

    def n_valid(self, member: int) -> int:
        """Points that a member's errors are measured on."""
        return len(self._members[member].valid)

    def succeed(self, generation: int, *, n_epochs: int = 0) -> None:
        """Be the generation after another one; epochs are counted on from its own."""
        self._generation = generation + 1
        for member in self._members:
            member.epoch = max(member.epoch, n_epochs)

    def _moved(
        self, labelled: Sequence[LabelledFrame], atomic_energies_ev: Mapping[int, float] | None
    ) -> list[HostedModel[P]]:
        """The same potentials on the scale of other labels.

        Raises
        ------
        ShapeError
            There are no points.
        """
        if not labelled:
            raise ShapeError("a committee needs labelled points")
        known = {z: energy for z, energy in (atomic_energies_ev or {}).items() if z in self.numbers}
        said = self.predict([one.frame for one in labelled])
        own = [self.atomic_energies_ev[z] for z in self.numbers]
        means = np.array([one.energies.mean() for one in said])
        moved = corrected_atomic_energies(labelled, self._elements, own=own, said_ev=means, known=known)
        energies = dict(zip(self.numbers, moved, strict=True))
        return [HostedModel(energies, one.potential) for one in self._models]

    def _follow(self, earlier: "HostedCommittee[P]", labelled: Sequence[LabelledFrame]) -> None:
        """Be the generation after an earlier one, with other labels."""
        for member, one in zip(self._members, earlier._members, strict=True):
            member.epoch = one.epoch
        self.weighed = earlier.weighed
        self.add(labelled)
        self.centre_energies()
        self.succeed(earlier.generation)

    # -- points ---------------------------------------------------------------------------------------------------

    def add(self, labelled: Sequence[LabelledFrame]) -> None:
        """Give points to their member, or to all members; those for testing, and those that are known, are left out.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        for point in labelled:
            if point.split is Split.TEST or point.label_id in self._known:
                continue
            self._elements.require(point.frame.numbers.tolist())
            self._known.add(point.label_id)
            for member in self._members if point.member is None else [self._members[point.member]]:
                (member.train if point.split is Split.TRAINING else member.valid).append(point)

    def share_points(self, *, validation_trains: bool = False) -> None:
        """Give every member all points, in the order of their labels."""
        train = {point.label_id: replace(point, member=None) for member in self._members for point in member.train}
        valid = {point.label_id: replace(point, member=None) for member in self._members for point in member.valid}
        if validation_trains:
            train, valid = train | valid, {}
        for member in self._members:
            member.train = [train[label_id] for label_id in sorted(train)]
            member.valid = [valid[label_id] for label_id in sorted(valid)]

    def _learned(self, index: int) -> list[LabelledFrame]:
        """The points that a member learns, in the order of their labels."""
        return sorted(self._members[index].train, key=lambda point: point.label_id)

    def _is_outdated(self, index: int) -> bool:
        """Whether a member's points are others than those that it has learned."""
        return self._members[index].fitted_to != tuple(point.label_id for point in self._learned(index))

    # -- training -------------------------------------------------------------------------------------------------

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = EVERY_EPOCH
    ) -> list[EpochReport]:
        """Train some members (all when None); the next generation is then in use. Where one fails, none is changed.

        All points are learned, whatever the plan says of replay; it lets no learning rate fall.

        Raises
        ------
        ShapeError
            A member has no training point.
        ModelError
            The program that trains has failed.
        """
        chosen = list(self._chosen(members))
        idle = [member for member in chosen if not self._members[member].train]
        if idle:
            raise ShapeError(f"members {idle} have no training points")
        if n_epochs < 1:
            return []
        due = {one: [self._is_due(one, epoch, n_epochs, plan) for epoch in range(n_epochs)] for one in chosen}
        lessons = self._lessons(due)
        for one in chosen:
            self._members[one].fitted_to = tuple(point.label_id for point in self._learned(one))
        self._generation += 1
        reports = [
            self._epoch(one, lessons[one], epoch, is_measured=due[one][epoch])
            for epoch in range(n_epochs)
            for one in chosen
        ]
        for one in chosen:
            self._members[one].last_loss = lessons[one].losses[-1]
        return reports

    def _lessons(self, due: Mapping[int, Sequence[bool]]) -> Mapping[int, Lesson[P]]:
        """Train members, which change nothing in this committee; for each, which of its epochs are measured."""
        raise NotImplementedError("say how members learn")

    def _is_due(self, index: int, epoch: int, n_epochs: int, plan: EpochPlan) -> bool:
        is_last = plan.validates_last and epoch == n_epochs - 1
        return is_last or (self._members[index].epoch + epoch + 1) % plan.valid_skip == 0

    def _epoch(self, index: int, lesson: Lesson[P], epoch: int, *, is_measured: bool) -> EpochReport:
        member = self._members[index]
        member.epoch += 1
        self._models[index] = lesson.models.get(epoch, self._models[index])
        errors = self._errors(index) if is_measured else None
        if member.best is not None and errors is not None and errors.loss < member.best.loss:
            member.best = BestFit(errors.loss, self._models[index], member.fitted_to)
        return EpochReport(index, member.epoch, lesson.losses[epoch], errors)

    def _loss_of_new(self, index: int) -> float:
        """Loss on what a member will learn first now, by its model as it is."""
        learned, before = self._learned(index), set(self._members[index].fitted_to)
        new = [point for point in learned if point.label_id not in before] or learned
        return self._measured(index, new[-N_MEASURED:]).loss

    def errors(self, members: Sequence[int] | None = None) -> list[MemberErrors | None]:
        """Errors on the validation points, now; None for a member that has none."""
        return [self._errors(member) for member in self._chosen(members)]

    def _errors(self, index: int) -> MemberErrors | None:
        member = self._members[index]
        asked = (self._models[index], tuple(point.label_id for point in member.valid))
        if member.measured is None or member.measured[0] != asked:
            member.measured = asked, self._measured(index, member.valid) if member.valid else None
        return member.measured[1]

    def _measured(self, index: int, points: Sequence[LabelledFrame]) -> MemberErrors:
        stressed = self._design.learns_stress and any(point.label.stress is not None for point in points)
        said = self._predict([point.frame for point in points], [index], want_stress=stressed)
        return measured(said, points, sigmas=self.SIGMAS)

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Take note of it: the programs that train have no such term."""
        self.weighed = molecules, weight

    def begin_convergence(self, members: Sequence[int] | None = None) -> None:
        """From now on keep each member's model of least validation loss."""
        for member in self._chosen(members):
            errors = self._errors(member)
            own = self._members[member]
            own.best = None if errors is None else BestFit(errors.loss, self._models[member], own.fitted_to)

    def begin_stage_two(self, member: int) -> None:
        """Nothing: these trainings have no stages."""

    def end_convergence(self) -> None:
        """Go back to the best model since :meth:`begin_convergence`; a new generation."""
        for index, member in enumerate(self._members):
            if member.best is not None:
                self._models[index], member.fitted_to = member.best.model, member.best.fitted_to
                member.best = None
        self._generation += 1

    def centre_energies(self) -> None:
        """Let the mean energy error per atom of each member vanish on its training points; a new generation."""
        for index, member in enumerate(self._members):
            if member.train:
                said = self._predict([point.frame for point in member.train], [index], want_stress=False)
                energies, _ = deviations(said, member.train)
                shift = self._models[index].shift_ev_per_atom - float(energies.mean())
                self._models[index] = replace(self._models[index], shift_ev_per_atom=shift)
        self._generation += 1

    # -- state ----------------------------------------------------------------------------------------------------

    def _states(self) -> list[MemberState[P]]:
        return [member.state(model) for member, model in zip(self._members, self._models, strict=True)]

    def _restore(self, states: Iterable[MemberState[P]], *, generation: int, weighed: tuple[Molecules, float]) -> None:
        for member, one in zip(self._members, states, strict=True):
            member.fitted_to, member.epoch, member.last_loss = one.fitted_to, one.epoch, one.last_loss
            member.best = one.best
        self._generation, self.weighed = generation, weighed

    def _chosen(self, members: Sequence[int] | None) -> Sequence[int]:
        return range(self.n_members) if members is None else members
