"""Members that learn: their points, their training, their errors."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from aims_pax.committee.cores import Result, device_by_device
from aims_pax.committee.design import Design
from aims_pax.committee.device import Handling
from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.mace.build import (
    DTYPES,
    set_avg_num_neighbors,
)
from aims_pax.committee.mace.compiled import CompiledPasses
from aims_pax.committee.mace.cueq import CueqPasses
from aims_pax.committee.mace.graph import LabelledGraph
from aims_pax.committee.mace.loss import Losses, MolecularLoss
from aims_pax.committee.mace.model import Passes, atomic_energies, run_model
from aims_pax.committee.mace.statistics import DatasetStatistics
from aims_pax.committee.member import Member
from aims_pax.committee.placement import home_of
from aims_pax.committee.points import Points
from aims_pax.errors import ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.protocols import EVERY_EPOCH, EpochPlan, EpochReport, MemberErrors, Molecules
from aims_pax.settings.committee.mace import CueqUse, MaceSettings


class LearningEnsemble(Ensemble):
    """Members that are trained, and go on from where they are; see :class:`Committee` for where they come from.

    Parameters
    ----------
    design : Design
    devices : sequence of torch.device
        Each member is trained on its own, see :class:`Placement`; every device has a copy of the graphs.
    handling : Handling
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
        self._told_without_ev = atomic_energies(models[0])  # before energies are centred, or those of a file restored
        self._members = tuple(
            Member(
                model,
                settings.training,
                losses=losses,
                seed=seed,
                passes=passes,
                told_without_ev=self._told_without_ev,
            )
            for model, seed in zip(models, design.seeds, strict=True)
        )
        super().__init__(
            [member.averaged.model for member in self._members], sources=design.names, devices=devices, passes=passes
        )
        self._losses = losses
        self._weighed: tuple[Molecules, float] = ({}, 0.0)
        self._points = Points(self._members, self._placement, weights=settings.training.config_type_weights)

    @property
    def n_epochs(self) -> int:
        """Epochs that were made, of the member that has made most."""
        return max(member.epoch for member in self._members)

    def succeed(self, generation: int, *, n_epochs: int = 0) -> None:
        """Be the generation after another one, whatever models that had; epochs are counted on from its own."""
        self._generation = generation + 1
        for member in self._members:
            member.epoch = max(member.epoch, n_epochs)

    @property
    def statistics(self) -> DatasetStatistics:
        """The constants of the models that came from data; of the first where they differ."""
        return self._design.statistics[0]

    @property
    def settings(self) -> MaceSettings:
        """What the members are built and trained by."""
        return self._design.settings

    @property
    def handling(self) -> Handling:
        """How the members are run."""
        return self._handling

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
        footprint = self._budget.footprint
        self._points.add(labelled, self._for_model, atomic_energies_ev=self._told_without_ev, footprint=footprint)

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
        """Let the mean energy error per atom of each member vanish on its training points; a new generation.

        Where these are of several compositions, that of each element vanishes, too, see :func:`centring`.
        """
        self._side_by_side(lambda member: self._members[member].centre_energies(), range(self.n_members))
        self._baselines = self._atomic_energies()
        self._generation += 1

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
