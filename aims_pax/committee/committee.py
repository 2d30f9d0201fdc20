"""The committee: M models of one architecture that are trained on, generation after generation."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from aims_pax.committee.checkpoint import MembersCheckpoint, naming_damage, read_checkpoint, write_checkpoint
from aims_pax.committee.cores import Result, device_by_device
from aims_pax.committee.design import Design
from aims_pax.committee.device import Where, as_devices
from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.handling import AS_IT_IS, Handling
from aims_pax.committee.mace.build import (
    DTYPES,
    dataset_statistics,
    set_avg_num_neighbors,
)
from aims_pax.committee.mace.compiled import CompiledPasses
from aims_pax.committee.mace.cueq import CueqPasses
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.graph import LabelledGraph
from aims_pax.committee.mace.loss import Losses, MolecularLoss
from aims_pax.committee.mace.model import Passes, atomic_energies, frame_of, run_model
from aims_pax.committee.mace.modelfile import save
from aims_pax.committee.mace.statistics import DatasetStatistics, fit_atomic_energies
from aims_pax.committee.mace.trained.adapting import plain
from aims_pax.committee.mace.trained.finetuning import Foundation, beginning
from aims_pax.committee.mace.trained.network import statistics_of
from aims_pax.committee.mace.trained.pretrained import baseline_of, read_committee
from aims_pax.committee.member import Member
from aims_pax.committee.placement import home_of
from aims_pax.committee.points import Points
from aims_pax.errors import ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.protocols import EVERY_EPOCH, EpochPlan, EpochReport, MemberErrors, Molecules
from aims_pax.settings.mace import CueqUse, MaceSettings

log = logging.getLogger(__name__)


class Committee(Ensemble):
    """M members that differ by their initial weights, their order of training, and possibly their data.

    Predictions, errors and exported files are those of the averaged weights. Training always goes on from the
    present weights. Made by :meth:`build` or :meth:`load`.

    On several devices each member is trained on its own, see :class:`Placement`; every device has a copy of the
    graphs.
    """

    def __init__(
        self,
        design: Design,
        *,
        devices: Sequence[torch.device],
        handling: Handling,
    ) -> None:
        settings = design.settings
        self._design, self._handling = design, handling
        dtype = DTYPES[settings.general.default_dtype]
        losses = Losses.build(settings.training, compute_stress=settings.general.compute_stress, dtype=dtype)
        models = [model.to(home_of(index, devices)) for index, model in enumerate(design.models(dtype))]
        passes: Passes = run_model
        if handling.compiled:
            skeletons = [design.skeleton(dtype).to(device) for device in devices]
            first = models[: len(devices)]
            learns = settings.general.compute_stress
            passes = CompiledPasses(skeletons, first, learn_virials=learns, tell_virials=learns or handling.moves_cells)
        elif handling.cueq is not CueqUse.NOTHING:
            passes = CueqPasses(models[: len(devices)], handling.cueq)
        self._members = tuple(
            Member(
                model,
                settings.training,
                losses=losses,
                seed=seed,
                passes=passes,
                baseline_ev=baseline_of(model, models[0]),
            )
            for model, seed in zip(models, design.seeds, strict=True)
        )
        super().__init__(
            [member.averaged.model for member in self._members], sources=design.names, devices=devices, passes=passes
        )
        self._losses = losses
        self._weighed: tuple[Molecules, float] = ({}, 0.0)
        self._points = Points(self._members, self._placement, weights=settings.training.config_type_weights)

    @classmethod
    def build(
        cls,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Untrained members for a first set of points, which they also receive.

        Parameters
        ----------
        seeds : sequence of int
            One for each member.
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of isolated atoms by the reference. These elements are known to the models besides those of
            the points; the energies of others are fitted.
        handling : Handling

        Raises
        ------
        ModelError
            The settings describe no MACE model, or PyTorch can't compile it, or MACE not convert it.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        if not labelled or not seeds or len(set(seeds)) != len(seeds):
            raise ShapeError(f"a committee needs labelled points and distinct seeds, not {len(labelled)} and {seeds}")
        isolated = dict(atomic_energies_ev or {})
        elements = Elements.of([*isolated, *(z for point in labelled for z in point.frame.numbers)])
        statistics = dataset_statistics(settings.architecture, labelled, elements, isolated_atoms_ev=isolated)
        design = Design(settings, tuple(seeds), elements, (statistics,) * len(seeds))
        committee = cls(design, devices=as_devices(device), handling=handling)
        committee.add(labelled)
        return committee

    @classmethod
    def from_models(
        cls,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Members that go on from trained models, each from its own, or all from one; without points.

        Raises
        ------
        ModelError
            With all that is wrong with the files.
        """
        models = read_committee(paths, settings.architecture)
        if len(models) == 1:
            models *= len(seeds)
        statistics = tuple(statistics_of(model) for model in models)
        design = Design(settings, tuple(seeds), frame_of(models[0]).elements, statistics)
        committee = cls(design, devices=as_devices(device), handling=handling)
        for member, model in zip(committee._members, models, strict=True):
            member.adopt(model)
        return committee

    @classmethod
    def fine_tuned(
        cls,
        settings: MaceSettings,
        foundation: Foundation,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Members that begin as a foundation model, for a first set of points, which they also receive.

        Parameters
        ----------
        settings : MaceSettings
            Those of TRAINING say what of the model may change; ARCHITECTURE is that of the model.
        foundation : Foundation
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of free atoms, from which those of the models are re-estimated, see :meth:`Foundation.constants`;
            where the settings have atomic energies, these stay.

        Raises
        ------
        ModelError
            A structure has an element that the foundation model does not know.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        if not labelled or not seeds or len(set(seeds)) != len(seeds):
            raise ShapeError(f"a committee needs labelled points and distinct seeds, not {len(labelled)} and {seeds}")
        foundation.elements.require(z for point in labelled for z in point.frame.numbers)
        fixed = settings.architecture.atomic_energies is not None
        statistics = foundation.constants(labelled, known=dict(atomic_energies_ev or {}), fixed=fixed)
        own = settings.model_copy(update={"architecture": foundation.architecture})
        design = Design(own, tuple(seeds), foundation.elements, (statistics,) * len(seeds), foundation.network)
        committee = cls(design, devices=as_devices(device), handling=handling)
        model = beginning(foundation, statistics, remembers=design.remembers)
        for member in committee._members:
            member.adopt(model)
        committee.add(labelled)
        return committee

    def replay(self, pseudolabelled: Sequence[LabelledFrame]) -> None:
        """Let members with a head for it remember what a foundation model says of these structures, as they train.

        Needed after :meth:`fine_tuned` and after :meth:`load`, with the same structures.
        """
        network = self._design.network
        assert network is not None
        energies = np.array(network.own.atomic_energies_ev)
        graphs = [LabelledGraph.build(one, self._for_model, atomic_energies_ev=energies) for one in pseudolabelled]
        for index, member in enumerate(self._members):
            home = self._placement.home(index)
            member.replayed_graphs = [graph if home == self.device else graph.on(home) for graph in graphs]

    @property
    def remembers(self) -> bool:
        """Whether members have a head for what a foundation model knew, so that training needs :meth:`replay`."""
        return self._design.remembers

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "Committee":
        """The same models for points with other labels, which they receive: the next generation.

        Weights and random numbers go on, atomic energies and mean energies are those of the labels, and optimizers
        start afresh.

        Parameters
        ----------
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of isolated atoms by the reference of these labels; those of other elements are fitted.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        ShapeError
            There are no points.
        """
        if not labelled:
            raise ShapeError("a committee needs labelled points")
        known = {z: energy for z, energy in (atomic_energies_ev or {}).items() if z in self._design.elements.numbers}
        e0 = fit_atomic_energies(labelled, self._design.elements, known=known)
        statistics = tuple(replace(one, atomic_energies_ev=e0) for one in self._design.statistics)
        committee = Committee(
            replace(self._design, statistics=statistics),
            devices=self.devices,
            handling=self._handling,
        )
        for member, earlier in zip(committee._members, self._members, strict=True):
            member.go_on_from(earlier)
            member.replayed_graphs = earlier.replayed_graphs
        committee.weigh_molecules(self.weighed[0], weight=self.weighed[1])
        committee.add(labelled)
        committee.centre_energies()
        committee.succeed(self.generation)
        return committee

    def succeed(self, generation: int) -> None:
        """Be the generation after another one, whatever models that had."""
        self._generation = generation + 1

    @property
    def statistics(self) -> DatasetStatistics:
        """The constants of the models that came from data; of the first where they differ."""
        return self._design.statistics[0]

    @property
    def settings(self) -> MaceSettings:
        """What the members are built and trained by."""
        return self._design.settings

    @property
    def seeds(self) -> tuple[int, ...]:
        return self._design.seeds

    @property
    def names(self) -> tuple[str, ...]:
        """What each member is called everywhere: ``{name_exp}_{seed}``."""
        return self._design.names

    def n_train(self, member: int) -> int:
        """Points that a member is trained on."""
        return len(self._members[member].train_graphs)

    def n_valid(self, member: int) -> int:
        """Points that a member's errors are measured on."""
        return len(self._members[member].valid_graphs)

    def learning_rate(self, member: int) -> float:
        """The present learning rate of a member."""
        return self._members[member].learning_rate

    def add(self, labelled: Sequence[LabelledFrame]) -> None:
        """Give points to their member, or to all members.

        Points for testing, which no committee is to know, and points that are known already (by label_id) are left out.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        energies_ev, footprint = atomic_energies(self._models[0]), self._budget.footprint
        self._points.add(labelled, self._for_model, atomic_energies_ev=energies_ev, footprint=footprint)

    def share_points(self, *, validation_trains: bool = False) -> None:
        """Give every member all points, those that were one member's own included, in the order of their labels.

        Members of an initial dataset have points of their own, so that they disagree. Once nothing more is to be
        explored, that only keeps labels from the models that were paid for with them.

        Parameters
        ----------
        validation_trains : bool
            Whether the validation points become training points, so that nothing is left to measure errors on.
        """
        self._points.share(validation_trains=validation_trains)

    def train(
        self, n_epochs: int, *, members: Sequence[int] | None = None, plan: EpochPlan = EVERY_EPOCH
    ) -> list[EpochReport]:
        """Go on training some members (all when None) for some epochs; the next generation is then in use.

        Returns
        -------
        list of EpochReport
            By epoch, then by member.

        Raises
        ------
        ShapeError
            A member has no training point, or nothing to replay.
        """
        chosen = range(self.n_members) if members is None else members
        idle = [member for member in chosen if not self._members[member].train_graphs]
        if idle:
            raise ShapeError(f"members {idle} have no training points")
        if self.remembers and not self._members[0].replayed_graphs:
            raise ShapeError("members that remember a foundation model have nothing to replay")
        if n_epochs < 1:
            return []
        self._update_avg_num_neighbors()
        histories = self._side_by_side(
            lambda member: self._members[member].train(n_epochs, plan, member=member), chosen
        )
        self._generation += 1
        return [report for epoch in zip(*histories, strict=True) for report in epoch]

    def errors(self, members: Sequence[int] | None = None) -> list[MemberErrors | None]:
        """Errors on the validation points, now; None for a member that has no validation point."""
        chosen = range(self.n_members) if members is None else members
        return self._side_by_side(lambda member: self._members[member].validate(), chosen)

    def reset_optimizer(self, member: int) -> None:
        """Start a stagnating member's optimizer afresh, at the learning rate of the settings; its weights stay."""
        self._members[member].reset_optimizer()

    def set_learning_rate(self, member: int, *, factor: float) -> None:
        """Let a member learn at a part of the rate of the settings from now on."""
        self._members[member].learning_rate = factor * self._design.settings.training.lr

    def weigh_molecules(self, molecules: Molecules, *, weight: float) -> None:
        """Let the loss count the forces on molecules from now on, if it is the one that can."""
        if self._weighed == (molecules, weight):
            return
        self._weighed = (molecules, weight)
        for loss in (self._losses.first, self._losses.second):
            if isinstance(loss, MolecularLoss):
                loss.weight = weight
        self._points.tell_apart(molecules)

    @property
    def weighed(self) -> tuple[Molecules, float]:
        """The molecules whose forces are learned, too, and their weight."""
        return self._weighed

    def begin_convergence(self, members: Sequence[int] | None = None) -> None:
        """From now on keep each member's weights of least validation loss."""
        chosen = range(self.n_members) if members is None else members
        for member, errors in zip(chosen, self.errors(chosen), strict=True):
            if errors is not None:
                self._members[member].best = self._members[member].weights(errors.loss)

    def begin_stage_two(self, member: int) -> None:
        """Train a member by the loss of stage two until :meth:`end_convergence`, and keep its best weights by that."""
        if not self._members[member].is_in_stage_two:
            self._members[member].begin_stage_two()

    def end_convergence(self) -> None:
        """Go back to the best weights since :meth:`begin_convergence`, or stage two; a new generation."""
        for member in self._members:
            member.end_stage_two()
            if member.best is not None:
                member.set_weights(member.best)
                member.best = None
        self._generation += 1

    def centre_energies(self) -> None:
        """Let the mean energy error per atom of each member vanish on its training points; a new generation."""
        self._side_by_side(lambda member: self._members[member].centre_energies(), range(self.n_members))
        self._generation += 1

    def save(self, path: Path) -> None:
        """Write everything that training depends on, apart from the points; the file appears complete or not at all."""
        design = self._design
        write_checkpoint(
            path,
            MembersCheckpoint(
                settings=design.settings.model_dump(mode="json", by_alias=False),
                seeds=design.seeds,
                elements=design.elements,
                statistics=design.statistics,
                generation=self._generation,
                members=[{**member.state(), "weighed": self._weighed} for member in self._members],
                network=design.network,
            ),
        )

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """The committee that was saved, without its points: add them again in their order and it is as it was.

        Parameters
        ----------
        handling : Handling
            It need not be what it was.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version; or PyTorch can't compile the models, or MACE not
            convert them.
        """
        devices = as_devices(device)
        saved = read_checkpoint(path, device=devices[0])
        with naming_damage(path):
            settings = MaceSettings.model_validate(saved.settings)
            design = Design(settings, saved.seeds, saved.elements, saved.statistics, saved.network)
            committee = cls(design, devices=devices, handling=handling)
            for member, state in zip(committee._members, saved.members, strict=True):
                member.restore(state)
            molecules, weight = saved.members[0].get("weighed", ({}, 0.0))  # which older files know nothing of
            committee.weigh_molecules(molecules, weight=weight)
        committee._generation = saved.generation
        return committee

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member, for MACE's own calculator and tools.

        In double precision, whatever the members are trained in: MACE's calculator computes in the precision of the
        file unless it is told otherwise, and adds atomic energies within the model. In single precision that rounds
        the total energy of ten heavy atoms to tenths of an eV.
        """
        paths = []
        for member in range(self.n_members) if members is None else members:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript, as in building
                model = plain(self._models[member])
                path = Path(folder) / f"{name}_{self.seeds[member]}.model"
                save(model, path)
            paths.append(path)
        return paths

    def _side_by_side(self, work: Callable[[int], Result], members: Sequence[int]) -> list[Result]:
        """Members at work on their points, each in one thread while its batches are small; see :class:`Budget`.

        That matters where one member is left, as in converging the best: two threads inside the operations of a batch
        of five ethanols are no faster than one, and fifteen times slower when another process has one of the cores.
        """
        batch_bytes = self._design.settings.training.batch_size * self._points.largest_graph_bytes
        max_threads = None if batch_bytes > self._budget.largest_bytes else 1
        homes = [self._placement.home(member) for member in members]
        return device_by_device(work, members, devices=homes, max_threads=max_threads)

    def _update_avg_num_neighbors(self) -> None:
        """Let the models' mean number of neighbours follow the training points, if the settings say so.

        That of a foundation model stays, for which its weights are what they are.
        """
        settings = self._design.settings
        if self._design.network is not None or not (
            settings.training.update_avg_num_neighbors and settings.architecture.compute_avg_num_neighbors
        ):
            return
        before, mean = self._design.statistics, self._points.mean_neighbours
        if mean is None or all(mean == one.avg_num_neighbors for one in before):
            return
        statistics = tuple(replace(one, avg_num_neighbors=mean) for one in before)
        self._design = replace(self._design, statistics=statistics)
        for member in self._members:
            set_avg_num_neighbors(member.model, mean)
            set_avg_num_neighbors(member.averaged.model, mean)
