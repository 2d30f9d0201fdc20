"""What a MACE model sees of a structure, as numbers: to tell structures that are alike from those that are not."""

from collections.abc import Sequence

import numpy as np
import torch

from aims_pax.batch import AtomBatch
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.graph import ModelFrame, model_input
from aims_pax.frame import FloatArray, Frame

_FRAMES_PER_BATCH = 64


def descriptors_by(model: MaceModel, for_model: ModelFrame, frames: Sequence[Frame]) -> FloatArray:
    """The scalar features of each structure's atoms, averaged over the atoms: (n_frames, n_features), no unit.

    Turning, moving and mirroring a structure, and exchanging atoms of one element, leave them as they are.

    Raises
    ------
    ModelError
        The model does not know an element.
    """
    pooled = []
    for first in range(0, len(frames), _FRAMES_PER_BATCH):
        some = frames[first : first + _FRAMES_PER_BATCH]
        batch = AtomBatch.from_frames(some, for_model.cutoff_ang, device=for_model.device)
        for_model.elements.require(batch.numbers.cpu().numpy())
        out = model(dict(model_input(batch, for_model)), training=False, compute_force=False)
        features = _scalars(model, out["node_feats"].detach()).double()
        sums = torch.zeros(batch.n_structures, features.shape[1], dtype=torch.float64, device=for_model.device)
        sums.index_add_(0, batch.structure, features)
        pooled.append((sums / batch.n_atoms[:, None]).cpu().numpy())
    descriptors: FloatArray = np.concatenate(pooled)
    return descriptors


def _scalars(model: MaceModel, features: torch.Tensor) -> torch.Tensor:
    """Of the features of all layers, (N, ...), those that do not turn with the structure."""
    kept, first = [], 0
    for block in model.products:
        irreps = block.linear.irreps_out
        for irrep, span in zip(irreps, irreps.slices(), strict=True):
            if irrep.ir.l == 0 and irrep.ir.p == 1:
                kept.append(features[:, first + span.start : first + span.stop])
        first += irreps.dim
    return torch.cat(kept, dim=1)
