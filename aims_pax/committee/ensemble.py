"""Models of one generation, for prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.committee.backend import MaceModel
from aims_pax.committee.cores import side_by_side
from aims_pax.committee.graph import VOIGT, ModelFrame, ModelInput, model_input
from aims_pax.committee.model import (
    Outputs,
    atomic_energies,
    default_head,
    frame_of,
    has_interaction_energy,
    max_edges,
    run_model,
)
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray, Frame

_FRAMES_PER_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What M members say of a batch of B structures with N atoms; float64, without gradients.

    Parameters
    ----------
    energies : (M, B), eV
    forces : (M, N, 3), eV/Å
    stress : (M, B, 6), eV/Å³, or None when it was not asked for
        ASE's sign and Voigt order; NaN for structures without a periodic cell.
    """

    energies: Tensor
    forces: Tensor
    stress: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class FramePrediction:
    """What M members say of one frame.

    Parameters
    ----------
    energies : (M,), eV
    forces : (M, n_atoms, 3), eV/Å
    stress : (M, 6), eV/Å³, or None
        ASE's sign and Voigt order; None when not asked for, and for structures without a periodic cell.
    """

    energies: FloatArray
    forces: FloatArray
    stress: FloatArray | None


class Ensemble:
    """M models of one generation that predict for whole batches, in one call per member and batch.

    Parameters
    ----------
    models : sequence of MACE models
        On `device`, in one precision, with the same elements and cutoff.
    sources : sequence of str
        What to call each model in messages: a file, or its place in the committee.
    """

    def __init__(self, models: Sequence[MaceModel], *, sources: Sequence[str]) -> None:
        self._models = tuple(models)
        self._for_model = _common_frame(self._models, sources)
        self._heads = tuple(default_head(m, source=s) for m, s in zip(self._models, sources, strict=True))
        self._baselines = self._atomic_energies()
        self._max_edges = max_edges(self._models[0])
        self._generation = 0

    @property
    def n_members(self) -> int:
        return len(self._models)

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
        return self._for_model.device

    @property
    def dtype(self) -> torch.dtype:
        return self._for_model.dtype

    def evaluate(
        self, batch: AtomBatch, *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """Energies, forces and stress of a batch by some members (all of them when None), in their order.

        A batch that is too large for the memory is computed in parts. Edges beyond the cutoff do no harm.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        """
        chosen = range(self.n_members) if members is None else members
        parts = [self._evaluate_part(part, chosen, want_stress=want_stress) for part in self._parts(batch)]
        if len(parts) == 1:
            return parts[0]
        stresses = [part.stress for part in parts if part.stress is not None]
        return Prediction(
            energies=torch.cat([part.energies for part in parts], dim=1),
            forces=torch.cat([part.forces for part in parts], dim=1),
            stress=torch.cat(stresses, dim=1) if stresses else None,
        )

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        """Predictions of all members for each of some frames, in their order."""
        predictions: list[FramePrediction] = []
        for start in range(0, len(frames), _FRAMES_PER_BATCH):
            batch = AtomBatch.from_frames(frames[start : start + _FRAMES_PER_BATCH], self.cutoff, device=self.device)
            predictions += _by_frame(self.evaluate(batch, want_stress=want_stress), batch)
        return predictions

    def _parts(self, batch: AtomBatch) -> Iterator[AtomBatch]:
        """Runs of structures whose edges fit into memory together; a structure is never divided."""
        if batch.edges.shape[1] <= self._max_edges:
            yield batch
            return
        n_edges = torch.bincount(batch.structure[batch.edges[0]], minlength=batch.n_structures).tolist()
        run: list[int] = []
        filled = 0
        for structure, count in enumerate(n_edges):
            if run and filled + count > self._max_edges:
                yield batch.select(run)
                run, filled = [], 0
            run.append(structure)
            filled += count
        yield batch.select(run)

    def _evaluate_part(self, batch: AtomBatch, members: Sequence[int], *, want_stress: bool) -> Prediction:
        data = model_input(batch, self._for_model)
        places = data["node_attrs"].argmax(dim=1)

        def one_member(member: int) -> tuple[Tensor, Tensor, Tensor | None]:
            outputs = self._run(member, data, want_virials=want_stress)
            energies = outputs.energy.double()
            baseline = self._baselines[member]
            if baseline is not None:
                energies = energies.index_add(0, batch.structure, baseline[places])
            stress = None if outputs.virials is None else _stress(outputs.virials.double(), batch)
            return energies, outputs.forces.double(), stress

        results = side_by_side(one_member, members, device=self.device)
        stresses = [stress for _, _, stress in results if stress is not None]
        return Prediction(
            energies=torch.stack([energies for energies, _, _ in results]),
            forces=torch.stack([forces for _, forces, _ in results]),
            stress=torch.stack(stresses) if stresses else None,
        )

    def _run(self, member: int, data: ModelInput, *, want_virials: bool) -> Outputs:
        head = self._heads[member]
        if head:
            data = {**data, "head": torch.full_like(data["ptr"][1:], head)}
        return run_model(self._models[member], data, training=False, want_virials=want_virials)

    def _atomic_energies(self) -> list[Tensor | None]:
        """E0 to be added to each member's energies in float64; None for models that add their own."""
        return [
            torch.as_tensor(atomic_energies(model, head=head), device=self.device)
            if has_interaction_energy(model)
            else None
            for model, head in zip(self._models, self._heads, strict=True)
        ]


def _common_frame(models: Sequence[MaceModel], sources: Sequence[str]) -> ModelFrame:
    """What all models ask of a structure; they must agree."""
    frames = [frame_of(model) for model in models]
    for frame, source in zip(frames, sources, strict=True):
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


def _by_frame(prediction: Prediction, batch: AtomBatch) -> list[FramePrediction]:
    ends = np.cumsum(batch.n_atoms.tolist())[:-1]
    energies = prediction.energies.cpu().numpy()
    forces = np.split(prediction.forces.cpu().numpy(), ends, axis=1)
    stress = None if prediction.stress is None else prediction.stress.cpu().numpy()

    def stress_of(frame: int) -> FloatArray | None:
        return None if stress is None or np.isnan(stress[:, frame]).any() else stress[:, frame]

    return [FramePrediction(energies[:, i], forces[i], stress_of(i)) for i in range(batch.n_structures)]
