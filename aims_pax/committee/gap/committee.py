"""A committee of GAPs: no weights go on from where they are; what has new points is fitted again."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import sched_getaffinity
from pathlib import Path

from aims_pax.committee.gap.checkpoint import GapCheckpoint, GapDesign, read_gaps, write_gaps
from aims_pax.committee.gap.fitting import Task, fitted
from aims_pax.committee.gap.potential import GapPotential, read_potentials
from aims_pax.committee.gap.predictor import QUIPPY, GapModel
from aims_pax.committee.hosted.checkpoint import naming_damage
from aims_pax.committee.hosted.committee import HostedCommittee, Lesson
from aims_pax.committee.hosted.predictor import HostedModel
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import fit_atomic_energies
from aims_pax.dataset.durable import replacing
from aims_pax.errors import ModelError, Problem, ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.gap import read_gap_input


class GapCommittee(HostedCommittee[GapPotential]):
    """M potentials fitted to the same options, each with sparse points of its own and without some of the points.

    A fit is a function of options, seed and points. So a member has no weights that go on, no optimizer and no learning
    rate: the first epoch of a call fits a member anew if its points are others than those of its last fit, and all
    other epochs change nothing. They are counted and reported like any, so that stages which train until nothing
    improves any more come to their end. The train loss of a report is that on what is new, before the fit; where
    nothing is new, that of the epoch before. The sigmas of the loss are those by which gap_fit weighs it.

    Parameters
    ----------
    design : GapDesign
    models : sequence of GapModel
        By member.
    """

    _design: GapDesign

    def __init__(self, design: GapDesign, models: Sequence[GapModel]) -> None:
        self._asked = read_gap_input(design.options)
        self.SIGMAS = self._asked.sigmas
        cutoffs = [one.potential.cutoff_ang for one in models if one.potential is not None]
        super().__init__(design, models, cutoff_ang=max(self._asked.cutoff_ang, *cutoffs, 0.0), program=QUIPPY)

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
        model: GapModel = HostedModel(dict(zip(elements.numbers, energies, strict=True)))
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
        models = [HostedModel(energies, potential) for potential, energies in found]
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
        committee = GapCommittee(self._design, self._moved(labelled, atomic_energies_ev))
        committee._follow(self, labelled)
        return committee

    # -- training -------------------------------------------------------------------------------------------------

    def _learned(self, index: int) -> list[LabelledFrame]:
        """The points that a member is fitted to: all that are its own, and most of those that all share."""
        train = super()._learned(index)
        chosen = [point for point in train if not self._leaves_out(index, point)]
        return chosen or train

    def _leaves_out(self, index: int, point: LabelledFrame) -> bool:
        """Drawn for each label by itself, so that a point that was left out stays left out while others come."""
        if point.member is not None or self.n_members == 1:
            return False
        return random.Random(f"{self.seeds[index]} {point.label_id}").random() < self._design.left_out

    def _lessons(self, due: Mapping[int, Sequence[bool]]) -> Mapping[int, Lesson[GapPotential]]:
        """Fit those whose points have changed, side by side."""
        outdated = [one for one in due if self._is_outdated(one)]
        losses = {one: self._loss_of_new(one) if one in outdated else self._members[one].last_loss for one in due}
        tasks = {one: self._task(one) for one in outdated}
        with ThreadPoolExecutor(max_workers=min(len(outdated) or 1, len(sched_getaffinity(0)))) as pool:
            potentials = list(pool.map(lambda one: fitted(tasks[one], self._learned(one)), outdated))
        models = {
            one: HostedModel(tasks[one].atomic_energies_ev, potential)
            for one, potential in zip(outdated, potentials, strict=True)
        }
        return {
            one: Lesson([losses[one]] * len(epochs), {0: models[one]} if one in models else {})
            for one, epochs in due.items()
        }

    def _task(self, index: int) -> Task:
        energies, stress = self._models[index].fitted_with_ev, self._design.learns_stress
        return Task(self._asked, self.seeds[index], energies, stress, self.names[index])

    def reset_optimizer(self, member: int) -> None:
        """Nothing: a fit has no optimizer."""

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Nothing: a fit has no learning rate."""

    # -- files ----------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write options, fits and what they were fitted to; the points are the store's."""
        write_gaps(path, GapCheckpoint(self._design, self._generation, self.weighed, self._states()))

    @classmethod
    def load(cls, path: Path) -> "GapCommittee":
        """The committee that was saved, without its points.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version.
        """
        with naming_damage(path, "a committee of GAPs"):
            saved = read_gaps(path)
            committee = cls(saved.design, [one.model for one in saved.members])
            committee._restore(saved.members, generation=saved.generation, weighed=saved.weighed)
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
