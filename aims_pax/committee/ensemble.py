"""Models of one generation, for prediction."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.committee.cores import device_by_device, one_core
from aims_pax.committee.footprint import Budget, Footprint
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.descriptors import descriptors_by
from aims_pax.committee.mace.embedding import SPECS
from aims_pax.committee.mace.graph import VOIGT, ModelFrame, ModelInput, model_input
from aims_pax.committee.mace.model import (
    Outputs,
    Passes,
    atomic_energies,
    default_head,
    frame_of,
    given_energies,
    has_interaction_energy,
    run_model,
)
from aims_pax.committee.placement import Call, Placement
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import FramePrediction, Prediction

_FRAMES_PER_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Remembered:
    """The newest prediction by all members, and of what."""

    generation: int
    batch: AtomBatch
    prediction: Prediction

    def holds(self, batch: AtomBatch, *, with_stress: bool) -> bool:
        """Whether these are the same structures, at the same positions to the last bit; and a stress is there."""
        if with_stress and self.prediction.stress is None:
            return False
        if self.batch.origins is not batch.origins and _states(self.batch) != _states(batch):
            return False
        names = ("positions", "numbers", "n_atoms", "cells", "pbc")
        return all(torch.equal(getattr(self.batch, name), getattr(batch, name)) for name in names)


class Ensemble:
    """M models of one generation that predict for whole batches, in one call per member and batch.

    Parameters
    ----------
    models : sequence of MACE models
        In one precision, with the same elements and cutoff.
    sources : sequence of str
        What to call each model in messages: a file, or its place in the committee.
    devices : sequence of torch.device
        What the models are spread over. Batches come from the first, and predictions go there.
    passes : Passes
        How the models are run.
    """

    def __init__(
        self,
        models: Sequence[MaceModel],
        *,
        sources: Sequence[str],
        devices: Sequence[torch.device],
        passes: Passes = run_model,
    ) -> None:
        self._models = tuple(models)
        self._passes = passes
        self._placement = Placement(self._models, devices)
        self._for_model = _common_frame(self._models, sources)
        self._heads = tuple(default_head(m, source=s) for m, s in zip(self._models, sources, strict=True))
        self._baselines = self._atomic_energies()
        self._remembered: _Remembered | None = None
        self._generation = 0

    @property
    def n_members(self) -> int:
        return len(self._models)

    @property
    def models(self) -> tuple[MaceModel, ...]:
        """The members' models, for what is no prediction."""
        return self._models

    @property
    def atomic_energies_ev(self) -> dict[int, float]:
        """What the members were given for a free atom of each element (E0), their mean, eV."""
        pairs = zip(self._models, self._heads, strict=True)
        given = np.mean([given_energies(model, head=head) for model, head in pairs], axis=0)
        return dict(zip(self.numbers, given.tolist(), strict=True))

    @property
    def generation(self) -> int:
        """Grows whenever a prediction would come out differently than before; 0 before any training."""
        return self._generation

    @property
    def cutoff(self) -> float:
        """Pairs up to this distance matter, Å."""
        return self._for_model.cutoff_ang

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements that the models know."""
        return self._for_model.elements.numbers

    @property
    def device(self) -> torch.device:
        """Where batches come from."""
        return self._for_model.device

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """Where members are; the first is :attr:`device`."""
        return self._placement.devices

    @property
    def dtype(self) -> torch.dtype:
        return self._for_model.dtype

    def evaluate(
        self, batch: AtomBatch, *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """Energies, forces and stress of a batch by some members (all of them when None), in their order.

        A batch is computed in parts that fit into the memory and keep all cores or devices busy. Edges beyond the
        cutoff do no harm.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        chosen = range(self.n_members) if members is None else members
        parts = self.parts(batch, n_members=len(chosen))
        with one_core():  # a percent of the calls' time: less than waiting for each other once more
            inputs = [model_input(part, self._for_model) for part in parts]

        def one_call(call: Call) -> Prediction:
            outputs = self._run(call, want_virials=want_stress).on(batch.device)
            return self._prediction(call.member, outputs, parts[call.part], inputs[call.part])

        calls = self._placement.calls(chosen, inputs, generation=self._generation)
        devices = [call.device for call in calls]
        said = device_by_device(one_call, calls, devices=devices, max_threads=self._budget.threads_of(parts))
        rows = [said[start : start + len(parts)] for start in range(0, len(said), len(parts))]
        return _joined(rows)

    def parts(self, batch: AtomBatch, *, n_members: int) -> list[AtomBatch]:
        """Runs of structures that fit into the memory, and let all cores or devices work on so many members."""
        return batch.runs(self._budget.ends(batch, n_members))

    @functools.cached_property
    def _budget(self) -> Budget:
        return Budget.of(self.devices, Footprint.measure(self._models[0], self._for_model))

    def opinions(self, batch: AtomBatch, *, want_stress: bool = False) -> Prediction:
        """Energies, forces and stress of a batch by all members; not computed again for the same structures.

        With the mean as driving force, the members' forces at the end of a stretch of MD have been computed when
        their deviation is asked for.
        """
        last = self._remembered
        if last is None or last.generation != self._generation or not last.holds(batch, with_stress=want_stress):
            said = self.evaluate(batch, want_stress=want_stress)
            last = _Remembered(self._generation, batch.at(batch.positions.clone()), said)
            self._remembered = last
        return last.prediction

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        """Predictions of all members for each of some frames, in their order."""
        predictions: list[FramePrediction] = []
        for start in range(0, len(frames), _FRAMES_PER_BATCH):
            batch = AtomBatch.from_frames(frames[start : start + _FRAMES_PER_BATCH], self.cutoff, device=self.device)
            predictions += self.evaluate(batch, want_stress=want_stress).by_structure(batch.n_atoms.tolist())
        return predictions

    def descriptors(self, frames: Sequence[Frame]) -> FloatArray:
        """What the first member sees of each structure; see :func:`descriptors_by`."""
        return descriptors_by(self._models[0], self._for_model, frames)

    def _prediction(self, member: int, outputs: Outputs, batch: AtomBatch, data: ModelInput) -> Prediction:
        """What one member's outputs say; M is 1."""
        energies = outputs.energy.double()
        baseline = self._baselines[member]
        if baseline is not None:
            energies = energies.index_add(0, batch.structure, baseline[data["node_attrs"].argmax(dim=1)])
        stress = None if outputs.virials is None else _stress(outputs.virials.double(), batch)[None]
        return Prediction(energies[None], outputs.forces.double()[None], stress)

    def _run(self, call: Call, *, want_virials: bool) -> Outputs:
        data, head = call.data, self._heads[call.member]
        if head:
            data = {**data, "head": torch.full_like(data["ptr"][1:], head)}
        return self._passes(call.model, data, training=False, want_virials=want_virials)

    def _atomic_energies(self) -> list[Tensor | None]:
        """E0 to be added to each member's energies in float64; None for models that add their own."""
        return [
            torch.as_tensor(atomic_energies(model, head=head), device=self.device)
            if has_interaction_energy(model)
            else None
            for model, head in zip(self._models, self._heads, strict=True)
        ]


def _states(batch: AtomBatch) -> list[tuple[int | None, int | None]]:
    """Charge and spin of each structure."""
    return [(origin.charge, origin.spin) for origin in batch.origins]


def _joined(rows: Sequence[Sequence[Prediction]]) -> Prediction:
    """One prediction from those of each member (rows) for each part of a batch (columns)."""

    def table(cells: Sequence[Sequence[Tensor]]) -> Tensor:
        return torch.cat([torch.cat(list(row), dim=1) for row in cells])

    stresses = [[one.stress for one in row if one.stress is not None] for row in rows]
    return Prediction(
        energies=table([[one.energies for one in row] for row in rows]),
        forces=table([[one.forces for one in row] for row in rows]),
        stress=table(stresses) if stresses[0] else None,
    )


def _common_frame(models: Sequence[MaceModel], sources: Sequence[str]) -> ModelFrame:
    """What all models ask of a structure; they must agree."""
    frames = [frame_of(model) for model in models]
    for model, frame, source in zip(models, frames, sources, strict=True):
        foreign = sorted(set(frame.embeds) - set(SPECS))
        if foreign or type(model).__name__ == "PolarMACE":
            takes = ", ".join(foreign) or "the charges and fields of PolarMACE"
            advice = "As a calculator of ASE it can label or drive: REFERENCE.type ase-calculator, foundational_model."
            raise ModelError(Problem(source, f"is a model that takes {takes}", "total_charge, total_spin", advice))
        if frame.embeds != frames[0].embeds:
            both = (", ".join(one.embeds) or "neither charge nor spin" for one in (frame, frames[0]))
            found, allowed = (f"takes {words}" for words in both)
            raise ModelError(Problem(source, found, f"{allowed}, as {sources[0]}", "Give models of one committee."))
        if (frame.elements, frame.cutoff_ang) != (frames[0].elements, frames[0].cutoff_ang):
            raise ModelError(
                Problem(
                    where=source,
                    found=f"has the elements {frame.elements.symbols()} and the cutoff {frame.cutoff_ang:g} Å",
                    allowed=f"elements {frames[0].elements.symbols()} and cutoff {frames[0].cutoff_ang:g} Å, "
                    f"as in {sources[0]}",
                    advice="Give models of one committee.",
                )
            )
    return frames[0]


def _stress(virials: Tensor, batch: AtomBatch) -> Tensor:
    """Stress (B, 6) in eV/Å³ from virials (B, 3, 3) in eV; NaN where no volume is defined."""
    volume = torch.linalg.det(batch.cells).abs()
    defined = batch.pbc.any(dim=1) & (volume > 0)
    stress = -virials / torch.where(defined, volume, torch.nan)[:, None, None]
    return stress[:, VOIGT[0], VOIGT[1]]
