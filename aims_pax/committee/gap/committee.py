"""A committee of GAPs: no weights go on from where they are; what has new points is fitted again."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from os import sched_getaffinity
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.committee.gap.checkpoint import (
    BestFit,
    GapCheckpoint,
    GapDesign,
    MemberState,
    naming_damage,
    read_gaps,
    write_gaps,
)
from aims_pax.committee.gap.fitting import Task, fitted
from aims_pax.committee.gap.measuring import deviations, measured
from aims_pax.committee.gap.potential import read_potentials
from aims_pax.committee.gap.predictor import GapModel, Gaps
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import corrected_atomic_energies, fit_atomic_energies
from aims_pax.dataset.durable import replacing
from aims_pax.errors import ModelError, Problem, ShapeError
from aims_pax.frame import LabelledFrame, Split
from aims_pax.protocols import EVERY_EPOCH, EpochPlan, EpochReport, MemberErrors, Molecules
from aims_pax.settings.committee.gap import read_gap_input

N_MEASURED: Final = 16
"""New points on which the loss before a fit is measured at most."""


@dataclass(slots=True)
class _Member:
    """What belongs to one member's training; its model is the committee's."""

    train: list[LabelledFrame] = field(default_factory=list)
    valid: list[LabelledFrame] = field(default_factory=list)
    epoch: int = 0
    fitted_to: tuple[int, ...] = ()
    """Labels that its model has learned."""
    best: BestFit | None = None
    last_loss: float = 0.0
    measured: tuple[object, MemberErrors | None] | None = None
    """Errors of a model on certain points, which need not be computed again."""


class GapCommittee(Gaps):
    """M potentials fitted to the same options, each with sparse points of its own and without some of the points.

    A fit is a function of options, seed and points. So a member has no weights that go on, no optimizer and no learning
    rate: the first epoch of a call fits a member anew if its points are others than those of its last fit, and all
    other epochs change nothing. They are counted and reported like any, so that stages which train until nothing
    improves any more come to their end. The train loss of a report is that on what is new, before the fit; where
    nothing is new, that of the epoch before.

    Before its first fit a member knows the energies of free atoms, and feels no forces. Loss: mean squared errors of
    energies per atom, of forces and, where it is learned, of stress times volume per atom, each over the square of the
    sigma by which gap_fit weighs it; it has no unit.

    Parameters
    ----------
    design : GapDesign
    models : sequence of GapModel
        By member.
    """

    def __init__(self, design: GapDesign, models: Sequence[GapModel]) -> None:
        self._asked = read_gap_input(design.options)
        cutoffs = [one.potential.cutoff_ang for one in models if one.potential is not None]
        super().__init__(models, numbers=design.numbers, cutoff_ang=max(self._asked.cutoff_ang, *cutoffs, 0.0))
        self._design = design
        self._members = [_Member() for _ in design.seeds]
        self._known: set[int] = set()
        self.weighed: tuple[Molecules, float] = ({}, 0.0)
        """Molecules that others would learn the forces on; a GAP learns those of atoms."""

    # -- where it comes from --------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        design: GapDesign,
        labelled: Sequence[LabelledFrame],
        *,
        atomic_energies_ev: Mapping[int, float],
    ) -> "GapCommittee":
        """Members that nothing was fitted to, with a first set of points, which they also receive.

        `atomic_energies_ev` are those of isolated atoms; the energies of other elements are fitted by least squares.

        Raises
        ------
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        if not labelled or not design.seeds or len(set(design.seeds)) != len(design.seeds):
            found = f"{len(labelled)} and {list(design.seeds)}"
            raise ShapeError(f"a committee needs labelled points and distinct seeds, not {found}")
        elements = Elements.of(design.numbers)
        energies = fit_atomic_energies(labelled, elements, known=atomic_energies_ev)
        model = GapModel(dict(zip(elements.numbers, energies, strict=True)))
        committee = cls(design, [model] * len(design.seeds))
        committee.add(labelled)
        return committee

    @classmethod
    def from_models(cls, design: GapDesign, paths: Sequence[Path]) -> "GapCommittee":
        """Members that predict as fitted ones do, each as its own, or all as one, until they have points; without any.

        Raises
        ------
        ModelError
            A file is missing, or no GAP; or they are no committee for so many seeds.
        """
        found = read_potentials(paths)
        if len(found) == 1:
            found *= len(design.seeds)
        if len(found) != len(design.seeds) or any(set(energies) != set(found[0][1]) for _, energies in found):
            words = f"are {len(found)} models for {len(design.seeds)} members, or of different elements"
            raise ModelError(Problem("models", words, "one for each member, or one for all"))
        models = [GapModel(energies, potential) for potential, energies in found]
        return cls(replace(design, numbers=tuple(sorted(found[0][1]))), models)

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "GapCommittee":
        """The same potentials on the scale of other labels, whose points they receive, and learn in the next epoch.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
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
        committee = GapCommittee(self._design, [GapModel(energies, one.potential) for one in self._models])
        for member, earlier in zip(committee._members, self._members, strict=True):
            member.epoch = earlier.epoch
        committee.weighed = self.weighed
        committee.add(labelled)
        committee.centre_energies()
        committee.succeed(self.generation)
        return committee

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
        """The points that a member is fitted to: all that are its own, and most of those that all share."""
        train = sorted(self._members[index].train, key=lambda point: point.label_id)
        chosen = [point for point in train if not self._leaves_out(index, point)]
        return chosen or train

    def _leaves_out(self, index: int, point: LabelledFrame) -> bool:
        """Drawn for each label by itself, so that a point that was left out stays left out while others come."""
        if point.member is not None or self.n_members == 1:
            return False
        return random.Random(f"{self.seeds[index]} {point.label_id}").random() < self._design.left_out

    # -- training -------------------------------------------------------------------------------------------------

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = EVERY_EPOCH
    ) -> list[EpochReport]:
        """Fit some members (all when None) whose points have changed; the next generation is then in use.

        All points are learned, whatever the plan says of replay; its learning rates do not exist.

        Raises
        ------
        ShapeError
            A member has no training point.
        ModelError
            gap_fit has failed.
        """
        chosen = list(self._chosen(members))
        idle = [member for member in chosen if not self._members[member].train]
        if idle:
            raise ShapeError(f"members {idle} have no training points")
        if n_epochs < 1:
            return []
        self._fit([member for member in chosen if self._is_outdated(member)])
        self._generation += 1
        return [
            self._epoch(member, plan, is_last=epoch == n_epochs - 1) for epoch in range(n_epochs) for member in chosen
        ]

    def _is_outdated(self, index: int) -> bool:
        return self._members[index].fitted_to != tuple(point.label_id for point in self._learned(index))

    def _fit(self, members: Sequence[int]) -> None:
        """Fit these side by side; none is changed where one of them fails."""
        if not members:
            return
        learned = {one: self._learned(one) for one in members}
        losses = {one: self._loss_of_new(one, learned[one]) for one in members}
        tasks = {
            one: Task(
                self._asked,
                self.seeds[one],
                self._models[one].fitted_with_ev,
                self._design.learns_stress,
                self.names[one],
            )
            for one in members
        }
        with ThreadPoolExecutor(max_workers=min(len(members), len(sched_getaffinity(0)))) as pool:
            potentials = list(pool.map(lambda one: fitted(tasks[one], learned[one]), members))
        for one, potential in zip(members, potentials, strict=True):
            self._models[one] = GapModel(tasks[one].atomic_energies_ev, potential)
            self._members[one].fitted_to = tuple(point.label_id for point in learned[one])
            self._members[one].last_loss = losses[one]

    def _loss_of_new(self, index: int, learned: Sequence[LabelledFrame]) -> float:
        before = set(self._members[index].fitted_to)
        new = [point for point in learned if point.label_id not in before] or list(learned)
        return self._measured(index, new[-N_MEASURED:]).loss

    def _epoch(self, index: int, plan: EpochPlan, *, is_last: bool) -> EpochReport:
        member = self._members[index]
        member.epoch += 1
        is_due = member.epoch % plan.valid_skip == 0 or (plan.validates_last and is_last)
        errors = self._errors(index) if is_due else None
        if member.best is not None and errors is not None and errors.loss < member.best.loss:
            member.best = BestFit(errors.loss, self._models[index], member.fitted_to)
        return EpochReport(index, member.epoch, member.last_loss, errors)

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
        return measured(said, points, sigmas=self._asked.sigmas)

    # -- what only those with weights do --------------------------------------------------------------------------

    def reset_optimizer(self, member: int) -> None:
        """Nothing: a fit has no optimizer."""

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Nothing: a fit has no learning rate."""

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Take note of it: gap_fit has no such term."""
        self.weighed = molecules, weight

    def begin_convergence(self, members: Sequence[int] | None = None) -> None:
        """From now on keep each member's fit of least validation loss."""
        for member in self._chosen(members):
            errors = self._errors(member)
            own = self._members[member]
            own.best = None if errors is None else BestFit(errors.loss, self._models[member], own.fitted_to)

    def begin_stage_two(self, member: int) -> None:
        """Nothing: a fit has no stages."""

    def end_convergence(self) -> None:
        """Go back to the best fit since :meth:`begin_convergence`; a new generation."""
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

    # -- files ----------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write options, fits and what they were fitted to; the points are the store's."""
        checkpoint = GapCheckpoint(self._design, self._generation, self.weighed)
        for member, model in zip(self._members, self._models, strict=True):
            checkpoint.members.append(MemberState(model, member.fitted_to, member.epoch, member.last_loss, member.best))
        write_gaps(path, checkpoint)

    @classmethod
    def load(cls, path: Path) -> "GapCommittee":
        """The committee that was saved, without its points.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version.
        """
        with naming_damage(path):
            saved = read_gaps(path)
            committee = cls(saved.design, [one.model for one in saved.members])
            for member, one in zip(committee._members, saved.members, strict=True):
                member.fitted_to, member.epoch, member.last_loss = one.fitted_to, one.epoch, one.last_loss
                member.best = one.best
        committee._generation, committee.weighed = saved.generation, saved.weighed
        return committee

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member: XML that QUIP, quippy and LAMMPS read as they read gap_fit's.

        Raises
        ------
        ModelError
            A member was never fitted.
        """
        paths = []
        for member in self._chosen(members):
            model, path = self._models[member], Path(folder) / f"{name}_{self.seeds[member]}.model"
            if model.potential is None:
                raise ModelError(Problem(self.names[member], "was never fitted: there is nothing to write"))
            with replacing(path) as file:
                file.write(model.potential.file_text(model.atomic_energies_ev))
            paths.append(path)
        return paths

    def _chosen(self, members: Sequence[int] | None) -> Sequence[int]:
        return range(self.n_members) if members is None else members
