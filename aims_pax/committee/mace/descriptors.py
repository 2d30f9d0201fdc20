"""What a MACE model sees of a structure, as numbers: to tell structures that are alike from those that are not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from aims_pax.batch import AtomBatch
from aims_pax.committee.device import Where, as_devices
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.graph import model_input
from aims_pax.committee.mace.model import frame_of
from aims_pax.committee.mace.modelfile import load_models
from aims_pax.frame import FloatArray, Frame

_FRAMES_PER_BATCH = 64


def structure_descriptors(path: Path, frames: Sequence[Frame], *, device: Where) -> FloatArray:
    """The scalar features of each structure's atoms, averaged over the atoms: (n_frames, n_features), no unit.

    Turning, moving and mirroring a structure, and exchanging atoms of one element, leave them as they are.

    Parameters
    ----------
    path : Path
        A MACE model.
    frames : sequence of Frame

    Raises
    ------
    ModelError
        The file is no MACE model, or does not know an element.
    """
    home = as_devices(device)[0]
    (model,) = load_models([path], device=home).models
    for_model = frame_of(model)
    pooled = []
    for first in range(0, len(frames), _FRAMES_PER_BATCH):
        batch = AtomBatch.from_frames(frames[first : first + _FRAMES_PER_BATCH], for_model.cutoff_ang, device=home)
        for_model.elements.require(batch.numbers.cpu().numpy())
        out = model(dict(model_input(batch, for_model)), training=False, compute_force=False)
        features = _scalars(model, out["node_feats"].detach()).double()
        sums = torch.zeros(batch.n_structures, features.shape[1], dtype=torch.float64, device=home)
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


def farthest_points(descriptors: FloatArray, n_points: int) -> list[int]:
    """Indices of n_points structures that lie far apart, the one next to the mean first.

    Each next one is the farthest from all that were taken, in units of each feature's standard deviation.

    Parameters
    ----------
    descriptors : (n, n_features)

    Notes
    -----
    Gonzalez, Theor. Comput. Sci. 38, 293 (1985): at most twice as coarse as the best cover.
    """
    spread = descriptors.std(axis=0)
    scaled = (descriptors - descriptors.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    chosen = [int(np.linalg.norm(scaled, axis=1).argmin())]
    nearest = np.linalg.norm(scaled - scaled[chosen[0]], axis=1)
    while len(chosen) < min(n_points, len(scaled)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[chosen[-1]], axis=1))
    return chosen
