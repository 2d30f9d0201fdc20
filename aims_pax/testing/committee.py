"""A committee of springs: it drives, disagrees, learns, is saved and exported as any other, and costs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from aims_pax.errors import ShapeError
from aims_pax.frame import FloatArray, LabelledFrame, Split
from aims_pax.protocols import EVERY_EPOCH, EpochPlan, EpochReport, MemberErrors, Molecules, RandomSubset
from aims_pax.testing.springs import Knowledge, Nature, Springs, read_springs, reading, write_springs

STAGE_TWO_ENERGY_WEIGHT: Final = 10.0
"""Of the energy's error in the loss of stage two; 1 before."""


@dataclass(slots=True)
class _Member:
    """What belongs to one member's training; its knowledge is the committee's."""

    train: list[LabelledFrame] = field(default_factory=list)
    valid: list[LabelledFrame] = field(default_factory=list)
    epoch: int = 0
    rate: float = 1.0
    best: tuple[float, Knowledge] | None = None
    is_in_stage_two: bool = False

    def n_points(self, replay: RandomSubset | None) -> int:
        """Points of one epoch."""
        return len(self.train) if replay is None else min(len(self.train), replay.n_train)


class SpringCommittee(Springs):
    """Springs that learn: by counting how many points they have been trained on, and how often.

    Their errors are measured, not made up: on labels of the true springs they fall towards zero; on those of anything
    else they end at what springs can't describe. A learning rate that falls makes them learn less in an epoch; a
    schedule within the plan of an epoch changes nothing, and an optimizer that is reset has only its rate to lose.

    Parameters
    ----------
    seeds : sequence of int
        One for each member.
    nature : Nature
    name : str
        First part of the members' names.
    device : torch.device or str
    """

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        nature: Nature | None = None,
        name: str = "springs",
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(nature or Nature(), [Knowledge(seed) for seed in seeds], device=device)
        self._name = name
        self._members = [_Member() for _ in seeds]
        self._known: set[int] = set()
        self.weighed: tuple[Molecules, float] = ({}, 0.0)
        """Molecules whose forces are to be learned, too, and their weight."""

    @property
    def names(self) -> tuple[str, ...]:
        """What each member is called: ``{name}_{seed}``."""
        return tuple(f"{self._name}_{seed}" for seed in self.seeds)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(one.seed for one in self._knowledge)

    @property
    def remembers(self) -> bool:
        """That it has no second head, by which it would remember another model."""
        return False

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """The one that all members are on."""
        return (self._device,)

    def n_train(self, member: int) -> int:
        """Points that a member is trained on."""
        return len(self._members[member].train)

    def n_valid(self, member: int) -> int:
        """Points that a member's errors are measured on."""
        return len(self._members[member].valid)

    def learning_rate(self, member: int) -> float:
        """The present learning rate of a member, in units of the first one."""
        return self._members[member].rate

    def visits(self, member: int) -> float:
        """What a member has learned so far, see :class:`Knowledge`."""
        return self._knowledge[member].visits

    def add(self, labelled: Sequence[LabelledFrame]) -> None:
        """Give points to their member, or to all members; those for testing, and those that are known, are left out."""
        for point in labelled:
            if point.split is Split.TEST or point.label_id in self._known:
                continue
            self.require_elements(set(point.frame.numbers.tolist()))
            self._known.add(point.label_id)
            for member in self._members if point.member is None else [self._members[point.member]]:
                (member.train if point.split is Split.TRAINING else member.valid).append(point)

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Take note of it: springs have no other way to learn."""
        self.weighed = molecules, weight

    def share_points(self, *, validation_trains: bool = False) -> None:
        """Give every member all points, in the order of their labels."""
        train = {point.label_id: point for member in self._members for point in member.train}
        valid = {point.label_id: point for member in self._members for point in member.valid}
        if validation_trains:
            train, valid = train | valid, {}
        for member in self._members:
            member.train = [train[label_id] for label_id in sorted(train)]
            member.valid = [valid[label_id] for label_id in sorted(valid)]

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = EVERY_EPOCH
    ) -> list[EpochReport]:
        """Let some members (all when None) visit their points so many times; the next generation is then in use."""
        chosen = self._chosen(members)
        idle = [member for member in chosen if not self._members[member].train]
        if idle:
            raise ShapeError(f"members {idle} have no training points")
        if n_epochs < 1:
            return []
        reports = [
            self._epoch(member, plan, is_last=epoch == n_epochs - 1) for epoch in range(n_epochs) for member in chosen
        ]
        self._generation += 1
        return reports

    def errors(self, members: Sequence[int] | None = None) -> list[MemberErrors | None]:
        """Errors on the validation points, now; None for a member that has none."""
        return [self._errors(member) for member in self._chosen(members)]

    def reset_optimizer(self, member: int) -> None:
        """Back to the first learning rate."""
        self._members[member].rate = 1.0

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Let a visit of a point count for less from now on."""
        self._members[member].rate = factor

    def begin_convergence(self, members: Sequence[int] | None = None) -> None:
        """From now on keep what each member knew at its least validation loss."""
        for member in self._chosen(members):
            self._members[member].best = None
            errors = self._errors(member)
            if errors is not None:
                self._members[member].best = (errors.loss, self._knowledge[member])

    def begin_stage_two(self, member: int) -> None:
        """Judge a member by a loss with more weight on energies, and keep what it knows best by that."""
        own = self._members[member]
        if own.is_in_stage_two:
            return
        own.is_in_stage_two = True
        if own.best is not None:
            self.begin_convergence([member])

    def end_convergence(self) -> None:
        """Go back to the best knowledge since :meth:`begin_convergence`, or stage two; a new generation."""
        for index, member in enumerate(self._members):
            member.is_in_stage_two = False
            if member.best is not None:
                self._knowledge[index], member.best = member.best[1], None
        self._generation += 1

    def centre_energies(self) -> None:
        """Let the mean energy error per atom of each member vanish on its training points; a new generation."""
        self.know_mean_energy()
        self._generation += 1

    def know_mean_energy(self) -> None:
        """The same for a committee that nobody has used yet: as if it had been built so."""
        for index, member in enumerate(self._members):
            if member.train:
                energies, _ = self._deviations(index, member.train)
                shift = self._knowledge[index].shift_ev_per_atom - float(energies.mean())
                self._knowledge[index] = replace(self._knowledge[index], shift_ev_per_atom=shift)

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "SpringCommittee":
        """The same springs for points with other labels, whose mean energy they know: the next generation."""
        if not labelled:
            raise ShapeError("a committee needs labelled points")
        nature = replace(self._nature, atomic_energies_ev=dict(atomic_energies_ev or {}))
        committee = SpringCommittee(self.seeds, nature=nature, name=self._name, device=self._device)
        committee._knowledge = list(self._knowledge)
        for member, earlier in zip(committee._members, self._members, strict=True):
            member.epoch = earlier.epoch
        committee.weighed = self.weighed
        committee.add(labelled)
        committee.know_mean_energy()
        committee.succeed(self.generation)
        return committee

    @property
    def n_epochs(self) -> int:
        """Epochs that were made, of the member that has made most."""
        return max(member.epoch for member in self._members)

    def succeed(self, generation: int, *, n_epochs: int = 0) -> None:
        """Be the generation after another one; epochs are counted on from its own."""
        self._generation = generation + 1
        for member in self._members:
            member.epoch = max(member.epoch, n_epochs)

    def save(self, path: Path) -> None:
        """Write everything that training depends on, apart from the points, as a few lines of JSON."""
        members = [
            {"knowledge": asdict(knowledge), "best": _best_values(member), "stage_two": member.is_in_stage_two}
            | {"epoch": member.epoch, "rate": member.rate}
            for knowledge, member in zip(self._knowledge, self._members, strict=True)
        ]
        content = {"name": self._name, "generation": self._generation, "members": members, "weighed": self.weighed}
        write_springs(path, content | {"nature": self._nature.to_values()})

    @classmethod
    def load(cls, path: Path, *, device: torch.device | str = "cpu") -> "SpringCommittee":
        """The committee that was saved, without its points.

        Raises
        ------
        ModelError
            The file is missing, or damaged.
        """
        with reading(path) as content:
            stored = content["members"]
            knowledge = [Knowledge(**one["knowledge"]) for one in stored]
            nature = Nature.from_values(content["nature"])
            committee = cls([one.seed for one in knowledge], nature=nature, name=content["name"], device=device)
            committee._knowledge, committee._generation = knowledge, content["generation"]
            molecules, weight = content.get("weighed", ({}, 0.0))
            committee.weighed = molecules, weight
            for member, one in zip(committee._members, stored, strict=True):
                best = one["best"]
                member.epoch, member.rate, member.is_in_stage_two = one["epoch"], one["rate"], one["stage_two"]
                member.best = None if best is None else (best["loss"], Knowledge(**best["knowledge"]))
        return committee

    @classmethod
    def from_models(
        cls, paths: Sequence[Path], *, seeds: Sequence[int], name: str, device: torch.device | str = "cpu"
    ) -> "SpringCommittee":
        """Members that go on from what exported ones know, each from its own, or all from one; without points.

        Raises
        ------
        ModelError
            A file is missing, or damaged.
        """
        exported = read_springs(paths, device=device)
        knowledge = list(exported._knowledge) * (len(seeds) if len(paths) == 1 else 1)
        committee = cls(seeds, nature=exported._nature, name=name, device=device)
        committee._knowledge = [replace(known, seed=seed) for known, seed in zip(knowledge, seeds, strict=True)]
        return committee

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member, for :func:`read_springs`."""
        paths = []
        for member in self._chosen(members):
            path = Path(folder) / f"{name}_{self.seeds[member]}.model"
            content = {"knowledge": asdict(self._knowledge[member])}
            write_springs(path, content | {"nature": self._nature.to_values()})
            paths.append(path)
        return paths

    def _chosen(self, members: Sequence[int] | None) -> Sequence[int]:
        return range(self.n_members) if members is None else members

    def _epoch(self, index: int, plan: EpochPlan, *, is_last: bool) -> EpochReport:
        member, known = self._members[index], self._knowledge[index]
        self._knowledge[index] = replace(known, visits=known.visits + member.rate * member.n_points(plan.replay))
        member.epoch += 1
        is_due = member.epoch % plan.valid_skip == 0 or (plan.validates_last and is_last)
        errors = self._errors(index) if is_due else None
        if member.best is not None and errors is not None and errors.loss < member.best[0]:
            member.best = (errors.loss, self._knowledge[index])
        return EpochReport(index, member.epoch, 1.0 / (1.0 + known.visits), errors)

    def _errors(self, index: int) -> MemberErrors | None:
        points = self._members[index].valid
        if not points:
            return None
        energies, forces = (np.abs(one).mean() for one in self._deviations(index, points))
        weight = STAGE_TWO_ENERGY_WEIGHT if self._members[index].is_in_stage_two else 1.0
        return MemberErrors(float(weight * energies + forces), float(energies), float(forces))

    def _deviations(self, index: int, points: Sequence[LabelledFrame]) -> tuple[FloatArray, FloatArray]:
        """Prediction minus label of one member: energies (n,) in eV/atom, force components in eV/Å."""
        frames, labels = [point.frame for point in points], [point.label for point in points]
        said = Springs(self._nature, [self._knowledge[index]], device=self._device).predict(frames)
        pairs = list(zip(said, labels, strict=True))
        energies = np.array([(one.energies[0] - label.energy) / len(label.forces) for one, label in pairs])
        return energies, np.concatenate([(one.forces[0] - label.forces).ravel() for one, label in pairs])


def _best_values(member: _Member) -> dict[str, Any] | None:
    return None if member.best is None else {"loss": member.best[0], "knowledge": asdict(member.best[1])}
