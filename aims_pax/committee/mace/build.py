"""MACE models from settings and the statistics of a dataset."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from aims_pax.committee.cores import one_core
from aims_pax.committee.mace.backend import MaceModel, compilation, modules, o3
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.embedding import specs
from aims_pax.committee.mace.model import atomic_energies, given_energies
from aims_pax.committee.mace.statistics import (
    DatasetStatistics,
    fit_atomic_energies,
    mean_neighbours,
    mean_residual_energy,
    rms_force,
)
from aims_pax.committee.mace.trained.network import Network
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray, LabelledFrame, Split
from aims_pax.settings.committee.mace import ArchitectureSettings

DTYPES = {"float32": torch.float32, "float64": torch.float64}

# mace-torch and e3nn check their arguments by these, and not by one class of their own
_MACE_REFUSES = (RuntimeError, ValueError, AssertionError, NotImplementedError, AttributeError, TypeError, IndexError)


def dataset_statistics(
    architecture: ArchitectureSettings,
    labelled: Sequence[LabelledFrame],
    elements: Elements,
    *,
    isolated_atoms_ev: Mapping[int, float],
) -> DatasetStatistics:
    """The constants of the models, from the training points (from those for validation when there is none).

    Parameters
    ----------
    isolated_atoms_ev : mapping of atomic number to eV
        As the reference says; energies written into the settings come first, and elements in neither are fitted.
    """
    points = [point for point in labelled if point.split is Split.TRAINING]
    points = points or [point for point in labelled if point.split is Split.VALIDATION]
    known = {**isolated_atoms_ev, **(architecture.atomic_energies or {})}
    e0 = fit_atomic_energies(points, elements, known=known)
    shift, spread = mean_residual_energy(points, elements, e0)
    scales = {"rms_forces_scaling": rms_force(points), "std_scaling": spread, "no_scaling": 1.0}
    # A structure at rest, or a single point, has no spread to scale by.
    scale = scales[architecture.scaling] or 1.0
    neighbours = mean_neighbours(points, cutoff=architecture.r_max) if architecture.compute_avg_num_neighbors else 1.0
    return DatasetStatistics(e0, scale, shift, neighbours)


def build_model(
    architecture: ArchitectureSettings,
    elements: Elements,
    statistics: DatasetStatistics,
    *,
    dtype: torch.dtype,
    seed: int,
    traceable: bool = False,
    network: Network | None = None,
    remembers: bool = False,
) -> MaceModel:
    """An untrained model whose weights follow from the seed alone.

    Parameters
    ----------
    traceable : bool
        Leave tensor products as Python that PyTorch's compiler can follow, instead of TorchScript: slow as it is, and
        not to be written into files.
    network : Network or None
        That of a given model, in the place of the architecture.
    remembers : bool
        With a second head that has the constants of the given model, see :class:`Network`.

    Raises
    ------
    ModelError
        MACE can't be built with this combination of settings.
    """
    with one_core(), torch.random.fork_rng(devices=[]), default_dtype(dtype), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # e3nn compiles by TorchScript, which has much to say about it
        torch.manual_seed(seed)
        try:
            if network is None:
                arguments = _arguments(architecture, elements, statistics)
            else:
                arguments = network.for_mace(elements, statistics, remembers=remembers)
            if not traceable:
                return modules.ScaleShiftMACE(**arguments)
            with compilation.disable_e3nn_codegen():
                return compilation.simplify(modules.ScaleShiftMACE(**arguments))
        except _MACE_REFUSES as cause:
            raise ModelError(
                Problem(
                    where="mace.yaml: ARCHITECTURE",
                    found=f"gives no MACE model ({type(cause).__name__}: {cause})",
                    advice="Go back to the defaults of interaction, interaction_first and MLP_irreps.",
                )
            ) from cause


def traceable_copy(model: MaceModel) -> MaceModel:
    """A trained model as PyTorch's compiler can follow it: slow as it is, and not to be written into files.

    Raises
    ------
    ModelError
        It is of a kind that MACE can't build again.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        from mace.tools.scripts_utils import extract_model

    parameter, refusal = next(model.parameters()), None
    copy: MaceModel = None
    with default_dtype(parameter.dtype), warnings.catch_warnings(), compilation.disable_e3nn_codegen():
        warnings.simplefilter("ignore")
        try:  # within, for mace does not take its change back when something is raised
            copy = compilation.simplify(extract_model(model, map_location=str(parameter.device)))
        except _MACE_REFUSES as cause:
            refusal = cause
    if refusal is not None:
        found = f"can't be built again ({type(refusal).__name__}: {refusal})"
        raise ModelError(Problem(type(model).__name__, found)) from refusal
    return copy.to(parameter.dtype)


def _arguments(architecture: ArchitectureSettings, elements: Elements, statistics: DatasetStatistics) -> dict[str, Any]:
    """Of MACE's class."""
    hidden = [(architecture.num_channels, (degree, (-1) ** degree)) for degree in range(architecture.max_L + 1)]
    return {
        "r_max": architecture.r_max,
        "num_bessel": architecture.num_radial_basis,
        "num_polynomial_cutoff": architecture.num_cutoff_basis,
        "max_ell": architecture.max_ell,
        "interaction_cls": modules.interaction_classes[architecture.interaction],
        "interaction_cls_first": modules.interaction_classes[architecture.interaction_first],
        "num_interactions": architecture.num_interactions,
        "num_elements": len(elements),
        "hidden_irreps": o3.Irreps(hidden),
        "MLP_irreps": o3.Irreps(architecture.MLP_irreps),
        "atomic_energies": np.array(statistics.atomic_energies_ev),
        "avg_num_neighbors": statistics.avg_num_neighbors,
        "atomic_numbers": list(elements.numbers),
        "correlation": architecture.correlation,
        "gate": modules.gate_dict[architecture.gate],
        "radial_MLP": list(architecture.radial_MLP),
        "radial_type": architecture.radial_type,
        "heads": ["Default"],
        "atomic_inter_scale": statistics.scale,
        "atomic_inter_shift": statistics.shift_ev,
        "embedding_specs": specs(architecture.embed),
    }


def set_avg_num_neighbors(model: MaceModel, value: float) -> None:
    """Let a model divide its messages by another mean number of neighbours."""
    for interaction in model.interactions:
        interaction.avg_num_neighbors = value


def shift_energies(model: MaceModel, constant_ev: float, by_element_ev: FloatArray) -> None:
    """Let a model's own head, its first, tell energies that are higher by so much per atom, and per atom of an element.

    The second goes into its atomic energies; which it had before is kept beside them, see :func:`given_energies`.
    """
    model.scale_shift.shift.view(-1)[0] += constant_ev
    if by_element_ev.any():
        set_atomic_energies(model, atomic_energies(model) + by_element_ev, given_ev=given_energies(model))


def set_atomic_energies(model: MaceModel, own_ev: FloatArray, *, given_ev: FloatArray) -> None:
    """Let a model's own head, its first, have these atomic energies, (n_elements,), eV, in the place of those given."""
    table = model.atomic_energies_fn.atomic_energies
    table.view(-1, len(own_ev))[0] = torch.as_tensor(own_ev, dtype=table.dtype, device=table.device)
    model.given_energies_ev = tuple(float(energy) for energy in given_ev)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Inside, tensors are made in this precision where none is named."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
