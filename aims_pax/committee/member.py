"""One model of a committee, with everything that its training needs to go on."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aims_pax.committee.mace.averaging import AveragedModel
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.build import set_atomic_energies, shift_energies
from aims_pax.committee.mace.graph import LabelledGraph, ModelInput, Targets, join_graphs
from aims_pax.committee.mace.loss import Loss, Losses, member_errors
from aims_pax.committee.mace.model import Outputs, Passes, atomic_energies, given_energies, run_model
from aims_pax.committee.mace.optimizer import Schedule, build_optimizer
from aims_pax.committee.mace.replay import drawn, points_of_epoch
from aims_pax.committee.mace.statistics import centring
from aims_pax.committee.mace.trained.adapting import brought_to
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray
from aims_pax.protocols import EpochPlan, EpochReport, MemberErrors, RandomSubset
from aims_pax.settings.committee.mace import TrainingSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A copy of a member's weights, trained and averaged, and the validation loss that they reach."""

    loss: float
    trained: list[Tensor]
    averaged: list[Tensor]


class Member:
    """A model, its average, its optimizer and its points.

    Parameters
    ----------
    model : untrained or trained MACE model
    settings : TrainingSettings
    losses : Losses
    seed : int
        Of the order in which points are visited.
    passes : Passes
        How the model is run.
    told_without_ev : (n_elements,) or None, eV
        Atomic energies that the targets' energies are told without. None: those that this model has now.
    """

    def __init__(
        self,
        model: MaceModel,
        settings: TrainingSettings,
        *,
        losses: Losses,
        seed: int,
        passes: Passes = run_model,
        told_without_ev: FloatArray | None = None,
    ) -> None:
        self.model = model
        self._told_without_ev = told_without_ev
        self._baseline_ev = None if told_without_ev is None else _baseline(model, told_without_ev)
        self._passes = passes
        self.averaged = AveragedModel(model, decay=settings.ema_decay if settings.ema else None)
        self.train_graphs: list[LabelledGraph] = []
        self.valid_graphs: list[LabelledGraph] = []
        self.replayed_graphs: list[LabelledGraph] = []
        """What a foundation model has labelled, for the head that remembers it."""
        self.epoch = 0
        self.best: Weights | None = None
        self._settings = settings
        self._losses = losses
        self._is_in_stage_two = False
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._visits: dict[int, int] = {}
        self._generator = torch.Generator().manual_seed(seed)
        self.reset_optimizer()

    def reset_optimizer(self) -> None:
        """Forget all moments, and start again at the learning rate of the settings."""
        self._optimizer = build_optimizer(self.model, self._settings)
        self._schedule = Schedule.build(self._optimizer, self._settings)

    @property
    def _loss(self) -> Loss:
        return self._losses.second if self._is_in_stage_two else self._losses.first

    @property
    def is_in_stage_two(self) -> bool:
        """Whether the loss is that of stage two."""
        return self._is_in_stage_two

    def begin_stage_two(self) -> None:
        """Minimise the other loss from now on, and look for the best weights anew, by this loss."""
        self._is_in_stage_two = True
        if self.best is not None and (errors := self.validate()) is not None:
            self.best = self.weights(errors.loss)

    def end_stage_two(self) -> None:
        """Go back to the loss that comes first."""
        self._is_in_stage_two = False

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def train(self, n_epochs: int, plan: EpochPlan, *, member: int) -> list[EpochReport]:
        """Go on training for some epochs."""
        reports = []
        for remaining in reversed(range(n_epochs)):
            train_loss = self._train_epoch(plan.replay)
            self.epoch += 1
            is_due = self.epoch % plan.valid_skip == 0 or (plan.validates_last and remaining == 0)
            errors = self.validate(plan.replay) if is_due else None
            if plan.schedule:
                self._schedule.step(errors.loss if errors else None)
            if self.best is not None and errors is not None and errors.loss < self.best.loss:
                self.best = self.weights(errors.loss)
            reports.append(EpochReport(member, self.epoch, train_loss, errors))
        return reports

    def validate(self, replay: RandomSubset | None = None) -> MemberErrors | None:
        """Errors of the averaged weights on the validation points; None when there are none yet."""
        graphs: Sequence[LabelledGraph] = self.valid_graphs
        if replay is not None:
            graphs = drawn(graphs, replay.n_valid, self._generator)
        if not graphs:
            return None
        outputs, targets = [], []
        wants_virials = any(self._loss.wants_virials(graph.targets) for graph in graphs)
        for batch in _batches(graphs, self._settings.valid_batch_size):
            data, labels = self._joined(batch)
            outputs.append(self._passes(self.averaged.model, data, training=False, want_virials=wants_virials))
            targets.append(labels)
        return member_errors(Outputs.join(outputs), Targets.join(targets), loss=self._loss)

    def centre_energies(self) -> None:
        """Shift all energies per atom, and per atom of each element, so that those of the training points are centred.

        Forces and stress do not feel it. Without it the constant is off by tens of meV/atom after short training, and
        compositions are by hundreds from each other, because a loss that weights forces leaves that almost free.
        """
        errors, parts = [], []
        for batch in _batches(self.train_graphs, self._settings.valid_batch_size):
            data, targets = self._joined(batch)
            outputs = self._passes(self.averaged.model, data, training=False, want_virials=False)
            errors.append((outputs.energy - targets.energy) / targets.n_atoms)
            atoms = data["node_attrs"].new_zeros(len(batch), data["node_attrs"].shape[1])
            parts.append(atoms.index_add(0, data["batch"], data["node_attrs"]) / targets.n_atoms[:, None])
        if errors:
            told_without_ev = self._told()
            shifts = centring(torch.cat(errors).double().cpu().numpy(), torch.cat(parts).double().cpu().numpy())
            for model in (self.model, self.averaged.model):
                shift_energies(model, *shifts)
            self._tell_without(told_without_ev)

    def weights(self, loss: float) -> Weights:
        """A copy of the present weights."""
        averaged = [parameter.detach().clone() for parameter in self.averaged.model.parameters()]
        return Weights(loss, [parameter.detach().clone() for parameter in self._parameters], averaged)

    @torch.no_grad()
    def set_weights(self, weights: Weights) -> None:
        """Make a copy of the weights the present ones."""
        present = [*self._parameters, *self.averaged.model.parameters()]
        for parameter, value in zip(present, [*weights.trained, *weights.averaged], strict=True):
            parameter.copy_(value)

    def adopt(self, model: MaceModel) -> None:
        """Go on from the weights of another model of this architecture and these statistics."""
        for own in (self.model, self.averaged.model):
            _learn(own, brought_to(own, _learnt(model)))
            set_atomic_energies(own, atomic_energies(own), given_ev=given_energies(model))

    def go_on_from(self, earlier: "Member") -> None:
        """Go on from the weights of another member of this architecture, with its random numbers; not its optimizer."""
        _learn(self.model, _learnt(earlier.model))
        _learn(self.averaged.model, _learnt(earlier.averaged.model))
        self.averaged.n_updates, self.epoch = earlier.averaged.n_updates, earlier.epoch
        self._generator.set_state(earlier._generator.get_state())

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, apart from the points, as tensors and plain values."""
        best = self.best
        return {
            "model": _learnt(self.model),
            "averaged": _learnt(self.averaged.model),
            "n_updates": self.averaged.n_updates,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state(),
            "generator": self._generator.get_state(),
            "epoch": self.epoch,
            "visits": dict(self._visits),
            "stage_two": self._is_in_stage_two,
            "atomic_energies": torch.tensor(np.array([atomic_energies(self.model), given_energies(self.model)])),
            "best": best and {"loss": best.loss, "trained": best.trained, "averaged": best.averaged},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become the member whose state this is."""
        _learn(self.model, state["model"])
        _learn(self.averaged.model, state["averaged"])
        self.averaged.n_updates = state["n_updates"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.restore(state["schedule"])
        self._generator.set_state(state["generator"].cpu())
        self.epoch = state["epoch"]
        self._visits = dict(state["visits"])
        self.best = state["best"] and Weights(**state["best"])
        self._is_in_stage_two = state.get("stage_two", False)  # which older files know nothing of, as of the next
        if "atomic_energies" in state:
            told_without_ev = self._told()
            own, given = state["atomic_energies"].double().cpu().numpy()
            for model in (self.model, self.averaged.model):
                set_atomic_energies(model, own, given_ev=given)
            self._tell_without(told_without_ev)

    def _train_epoch(self, replay: RandomSubset | None) -> float:
        """Train once on the points of an epoch; the mean loss."""
        graphs = points_of_epoch(self.train_graphs, replay, self._generator, visits=self._visits)
        total = 0.0
        for batch in _batches(graphs, self._settings.batch_size):
            total += self._train_step(batch) * len(batch)
        for graph in graphs:
            self._visits[graph.label_id] = self._visits.get(graph.label_id, 0) + 1
        return total / len(graphs) if graphs else math.nan

    def _told(self) -> FloatArray:
        """Atomic energies that the targets' energies are told without."""
        return atomic_energies(self.model) if self._told_without_ev is None else self._told_without_ev

    def _tell_without(self, atomic_energies_ev: FloatArray) -> None:
        """The targets' energies are told without these, whatever this model's own have become."""
        self._told_without_ev = atomic_energies_ev
        self._baseline_ev = _baseline(self.model, atomic_energies_ev)

    def _joined(
        self, graphs: Sequence[LabelledGraph], beside: Sequence[LabelledGraph] = ()
    ) -> tuple[ModelInput, Targets]:
        """A batch, and its targets as this model tells energies; structures beside it are told as they are."""
        data, targets = join_graphs([*graphs, *beside])
        if self._baseline_ev is None:
            return data, targets
        own = data["node_attrs"] * (data["batch"] < len(graphs))[:, None]
        energy = targets.energy.index_add(0, data["batch"], own @ self._baseline_ev)
        return data, replace(targets, energy=energy)

    def _with_replayed(self, graphs: Sequence[LabelledGraph]) -> tuple[ModelInput, Targets]:
        """A batch, and beside it as many structures of the foundation model's own, for the head that remembers it."""
        if not self.replayed_graphs:
            return self._joined(graphs)
        beside = drawn(self.replayed_graphs, len(graphs), self._generator)
        data, targets = self._joined(graphs, beside)
        head = torch.zeros_like(data["ptr"][1:])
        head[len(graphs) :] = 1
        return {**data, "head": head}, targets

    def _train_step(self, graphs: Sequence[LabelledGraph]) -> float:
        data, targets = self._with_replayed(graphs)
        outputs = self._passes(self.model, data, training=True, want_virials=self._loss.wants_virials(targets))
        loss = self._loss(outputs, targets)
        for parameter in self._parameters:
            parameter.grad = None
        # By the weights only: the positions take part in the first derivative, and nobody asks for their second.
        torch.autograd.backward(loss, inputs=self._parameters)
        limit = math.inf if self._settings.clip_grad is None else self._settings.clip_grad
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, limit))
        if not math.isfinite(norm):
            log.warning("training step left out: its gradient is not finite (labels %s)", [g.label_id for g in graphs])
            return float(loss.detach())
        self._optimizer.step()
        self.averaged.update()
        return float(loss.detach())


def _baseline(model: MaceModel, told_without_ev: FloatArray) -> Tensor | None:
    """What is to be added to the targets' energies for each atom; None where this model's E0 are theirs."""
    difference = told_without_ev - atomic_energies(model)
    return next(model.parameters()).new_tensor(difference) if difference.any() else None


def _learnt(model: MaceModel) -> dict[str, Tensor]:
    """What distinguishes a model from others of its architecture and statistics: weights, and a shift of energies."""
    names = {name for name, _ in model.named_parameters()} | {"scale_shift.shift"}
    return {name: value for name, value in model.state_dict().items() if name in names}


def _learn(model: MaceModel, learnt: Mapping[str, Tensor]) -> None:
    """Take over what :func:`_learnt` gave; files of version 1 hold the constants of the architecture, too.

    Raises
    ------
    ModelError
        Something is missing, and would stay as it was drawn at random.
    """
    missing = sorted(_learnt(model).keys() - learnt.keys())
    if missing:
        raise ModelError(Problem("checkpoint", f"holds no {missing[0]}", "the weights of this architecture"))
    model.load_state_dict(learnt, strict=False)


def _batches(graphs: Sequence[LabelledGraph], size: int) -> Iterator[Sequence[LabelledGraph]]:
    for start in range(0, len(graphs), size):
        yield graphs[start : start + size]
