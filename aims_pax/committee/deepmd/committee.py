"""A committee of DeePMD-kit's models: weights go on, or trainings begin anew, as the settings say."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import sched_getaffinity
from pathlib import Path

from ase.data import atomic_numbers

from aims_pax.committee.deepmd.checkpoint import (
    DeepmdCheckpoint,
    DeepmdDesign,
    Rate,
    read_committee,
    write_committee,
)
from aims_pax.committee.deepmd.installation import Environment, environment_of, require_deepmd
from aims_pax.committee.deepmd.training import Pace, Task, frozen, trained_anew, trained_on
from aims_pax.committee.deepmd.weights import Weights, read_models, told
from aims_pax.committee.hosted.checkpoint import naming_damage
from aims_pax.committee.hosted.committee import HostedCommittee, Lesson
from aims_pax.committee.hosted.predictor import HostedModel
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.statistics import fit_atomic_energies
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.errors import ModelError, Problem, ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.deepmd import read_deepmd_input


class DeepmdCommittee(HostedCommittee[Weights]):
    """M models of the same input.json, which differ by their seeds.

    With ``epoch_steps`` an epoch is so many steps of ``dp --pt train``, from the weights and the optimizer that are
    there, at a learning rate that stays; all epochs of a call are made in one process. Without, a training is a
    function of input, seed and points: the first epoch of a call trains a member from random weights if its points are
    others than before, and all other epochs change nothing; the train loss of a report is then that on what is new,
    before the training. The sigmas of the loss are by the prefactors of input.json at the end of a training.

    Parameters
    ----------
    design : DeepmdDesign
    models : sequence of HostedModel
        By member.
    """

    _design: DeepmdDesign

    def __init__(self, design: DeepmdDesign, models: Sequence[HostedModel[Weights]]) -> None:
        self._asked = read_deepmd_input(design.text)
        self._environment = Environment(design.place, design.on_cpu)
        self.SIGMAS = self._asked.sigmas
        cutoffs = [one.potential.cutoff_ang for one in models if one.potential is not None]
        cutoff_ang = max(self._asked.cutoff_ang, *cutoffs, 0.0)
        super().__init__(design, models, cutoff_ang=cutoff_ang, program=self._environment.program)
        self._rates = [Rate() for _ in design.seeds]

    # -- where it comes from --------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls, design: DeepmdDesign, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float]
    ) -> "DeepmdCommittee":
        """Members that were never trained, with a first set of points, which they also receive.

        `atomic_energies_ev` are those of isolated atoms; the energies of other elements are fitted by least squares.

        Raises
        ------
        ModelError
            There is no such environment, or a structure has an element that the type map lacks.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        if not labelled or not design.seeds or len(set(design.seeds)) != len(design.seeds):
            found = f"{len(labelled)} and {list(design.seeds)}"
            raise ShapeError(f"a committee needs labelled points and distinct seeds, not {found}")
        require_deepmd(Environment(design.place, design.on_cpu))
        elements = Elements.of(design.numbers)
        elements.require(int(number) for point in labelled for number in point.frame.numbers)
        known = {z: energy for z, energy in atomic_energies_ev.items() if z in design.numbers}
        energies = fit_atomic_energies(labelled, elements, known=known)
        model: HostedModel[Weights] = HostedModel(dict(zip(elements.numbers, energies, strict=True)))
        committee = cls(design, [model] * len(design.seeds))
        committee.add(labelled)
        return committee

    @classmethod
    def from_models(cls, design: DeepmdDesign, paths: Sequence[Path]) -> "DeepmdCommittee":
        """Members that go on from frozen models, each from its own, or all from one; without points.

        Raises
        ------
        ModelError
            A file is missing, or no model of these elements; or they are no committee for so many seeds.
        """
        found = read_models(paths, place=design.place, on_cpu=design.on_cpu)
        type_map = read_deepmd_input(design.text).type_map
        if len(found) not in (1, len(design.seeds)) or any(one.type_map != type_map for one in found):
            words = f"are {len(found)} models for {len(design.seeds)} members, or of other elements"
            allowed = f"one for each member, or one for all, with the type map {', '.join(type_map)}"
            raise ModelError(Problem("models", words, allowed))
        environment = Environment(design.place, design.on_cpu)
        models = [one.without_atoms(environment) for one in found]
        return cls(design, models * len(design.seeds) if len(models) == 1 else models)

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "DeepmdCommittee":
        """The same models on the scale of other labels, whose points they receive, and learn in the next epoch.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        ShapeError
            There are no points.
        """
        committee = DeepmdCommittee(self._design, self._moved(labelled, atomic_energies_ev))
        committee._follow(self, labelled)
        return committee

    # -- training -------------------------------------------------------------------------------------------------

    def _lessons(self, due: Mapping[int, Sequence[bool]]) -> Mapping[int, Lesson[Weights]]:
        """Train members side by side."""
        if self._design.epoch_steps is None:
            return self._anew(due)
        paces = {
            one: Pace(self._design.epoch_steps, epochs, self._rates[one].factor, self._rates[one].is_fresh)
            for one, epochs in due.items()
        }
        with _side_by_side(len(due)) as pool:
            lessons = list(pool.map(lambda one: trained_on(self._task(one), self._learned(one), paces[one]), due))
        for one in due:
            self._rates[one] = replace(self._rates[one], is_fresh=False)
        return dict(zip(due, lessons, strict=True))

    def _anew(self, due: Mapping[int, Sequence[bool]]) -> Mapping[int, Lesson[Weights]]:
        """Train those whose points have changed."""
        outdated = [one for one in due if self._is_outdated(one)]
        losses = {one: self._loss_of_new(one) if one in outdated else self._members[one].last_loss for one in due}
        with _side_by_side(len(outdated)) as pool:
            found = list(pool.map(lambda one: trained_anew(self._task(one), self._learned(one)), outdated))
        models = dict(zip(outdated, found, strict=True))
        return {
            one: Lesson([losses[one]] * len(epochs), {0: models[one]} if one in models else {})
            for one, epochs in due.items()
        }

    def _task(self, index: int) -> Task:
        stress = self._design.learns_stress
        model, name = self._models[index], self.names[index]
        return Task(self._asked, self._environment, self.seeds[index], model, stress, name)

    def reset_optimizer(self, member: int) -> None:
        """Let a member's optimizer begin afresh, at the learning rate of input.json; its weights stay."""
        self._rates[member] = Rate(is_fresh=True)

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Let a member learn at a part of start_lr from now on, with the prefactors of that rate."""
        self._rates[member] = replace(self._rates[member], factor=factor)

    # -- files ----------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write input, weights and what they have learned; the points are the store's."""
        saved = DeepmdCheckpoint(self._design, self._generation, self.weighed, self._states(), self._rates)
        write_committee(path, saved)

    @classmethod
    def load(cls, path: Path) -> "DeepmdCommittee":
        """The committee that was saved, without its points.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version; or there is no environment to use it in.
        """
        with naming_damage(path, "a committee of DeePMD-kit's models"):
            saved = read_committee(path)
            environment = environment_of(saved.design.place, on_cpu=saved.design.on_cpu)
            design = replace(saved.design, place=environment.place)
            committee = cls(design, [one.model for one in saved.members])
            committee._restore(saved.members, generation=saved.generation, weighed=saved.weighed)
            committee._rates = list(saved.rates)
        return committee

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member, a frozen model, by ``dp --pt freeze``.

        Raises
        ------
        ModelError
            A member was never trained, or DeePMD-kit has failed.
        """
        chosen = list(self._chosen(members))
        for one in chosen:
            if self._models[one].potential is None:
                raise ModelError(Problem(self.names[one], "was never trained: there is nothing to write"))
        with _side_by_side(len(chosen)) as pool:
            contents = list(pool.map(self._frozen, chosen))
        paths = [Path(folder) / f"{name}_{self.seeds[one]}.model" for one in chosen]
        for path, content in zip(paths, contents, strict=True):
            with replacing_bytes(path) as file:
                file.write(content)
        return paths

    def _frozen(self, index: int) -> bytes:
        energies = self._models[index].atomic_energies_ev
        by_type = [energies[atomic_numbers[symbol]] for symbol in self._asked.type_map]
        facts = {
            "environment": str(Path(self._design.place).absolute()),
            "type_map": self._asked.type_map,
            "cutoff_ang": self._asked.cutoff_ang,
            "atomic_energies_ev": {str(z): energy for z, energy in energies.items()},
        }
        return told(frozen(self._task(index), by_type), facts)


def _side_by_side(n_tasks: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, min(n_tasks, len(sched_getaffinity(0)))))
