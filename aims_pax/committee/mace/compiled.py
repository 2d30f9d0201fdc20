"""Passes of MACE models as programs that PyTorch's compiler writes: one for all members, and for batches of any size.

MACE as it is built makes some hundreds of calls into PyTorch for a pass, each of which reads and writes its tensors in
memory. The compiler fuses them. Weights are arguments of a program and no part of it, so that it is made once for a
committee and stays valid while the models learn. Forces come from ``torch.func.grad``, whose derivative is part of the
program, too: a pass that is not for training keeps no history.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
import torch._dynamo
import torch.fx.experimental._config as tracing
from torch import Tensor

from aims_pax.committee.cores import one_core
from aims_pax.committee.footprint import made_up_input
from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.build import traceable_copy
from aims_pax.committee.mace.graph import ModelInput
from aims_pax.committee.mace.model import Outputs, Passes, frame_of, has_interaction_energy, run_model
from aims_pax.errors import ModelError, Problem

log = logging.getLogger(__name__)

Tensors: TypeAlias = dict[str, Tensor]

_VERSIONS = 64
"""Of one program: for predictions, for training, for every GPU. PyTorch gives up after 8."""

_SAME = 1e-3
"""How far a program and its model may be apart, of the largest value and in eV (eV/Å): rounding in single precision is
a tenth of it."""

_STRANGE = (KeyError, AttributeError, TypeError, ValueError)
"""What a network of another kind trips over."""

_FEW_ATOMS = 32
"""Up to here, and for one structure or edge, PyTorch would write other programs: two minutes in the middle of a run."""


class CompiledPasses:
    """Does what :func:`~aims_pax.committee.mace.model.run_model` does, for models of one architecture and one head.

    On a CPU only where a pass has one thread, as all have but those on structures too large for a core's cache.

    Parameters
    ----------
    skeletons : sequence of MACE models
        Of this architecture, built ``traceable``, one on each device. Their own weights are never used.
    models : sequence of MACE models
        One on each device. Programs are made for these at once, and not in the middle of a run.
    learn_virials : bool
        Whether the program for training that is made at once is the one with virials.
    tell_virials : bool
        Whether one for predictions with virials is made at once, besides the one without.

    Raises
    ------
    ModelError
        They can't be made.
    """

    def __init__(
        self, skeletons: Sequence[MaceModel], models: Sequence[MaceModel], *, learn_virials: bool, tell_virials: bool
    ) -> None:
        self._skeletons = {frame_of(skeleton).device: skeleton.requires_grad_(False) for skeleton in skeletons}
        for interaction in (layer for skeleton in skeletons for layer in skeleton.interactions):
            # As a number it would be part of the program, which had to be made anew whenever it follows the data.
            del interaction.avg_num_neighbors
            interaction.register_buffer("avg_num_neighbors", torch.tensor(1.0))
        self._companies: dict[tuple[torch.device, int], ModelInput] = {}
        self._lifted: WeakKeyDictionary[MaceModel, _Lifted] = WeakKeyDictionary()
        tracing.use_duck_shape = False  # sizes that are equal in the first batch need not be in the next one
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VERSIONS)
        on_cpu = all(device.type == "cpu" for device in self._skeletons)
        # Whatever can't be compiled is an error: made of pieces, a pass would be wrong when threads make it at once.
        # In C++ as a whole, and not piece by piece from Python: only then do members run side by side in threads.
        options: dict[str, Any] | None = {"cpp_wrapper": True} if on_cpu else None
        self._forces = torch.compile(_forces, dynamic=True, fullgraph=True, options=options)
        self._forces_and_virials = torch.compile(_forces_and_virials, dynamic=True, fullgraph=True, options=options)
        self._make(models, learn_virials=learn_virials, tell_virials=tell_virials)

    def __call__(self, model: MaceModel, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
        if data["positions"].device.type == "cpu" and torch.get_num_threads() > 1:
            # For large structures. What PyTorch 2.13 writes for several threads inside a pass has crashed.
            return run_model(model, data, training=training, want_virials=want_virials)
        tensors = self._tensors_of(model, training=training)
        program = self._forces_and_virials if want_virials else self._forces
        n_structures, n_atoms = len(data["ptr"]) - 1, len(data["positions"])
        company = self._company_of(data)
        arguments = dict(data) if company is None else _together(data, company)
        positions = arguments.pop("positions").detach()
        with torch.set_grad_enabled(training):
            energy, forces, virials = program(self._skeletons[positions.device], tensors, positions, arguments)
        if company is not None:
            energy, forces = energy[:n_structures], forces[:n_atoms]
            virials = None if virials is None else virials[:n_structures]
        return Outputs(energy=energy, forces=forces, virials=virials)

    def _company_of(self, data: ModelInput) -> ModelInput | None:
        """A made-up structure that a small batch takes along, so that the program is that of large ones."""
        n_atoms, n_edges = len(data["positions"]), data["edge_index"].shape[1]
        if n_atoms > _FEW_ATOMS and n_edges > 1 and len(data["ptr"]) > 2:
            return None
        place = data["positions"].device, max(2, _FEW_ATOMS + 1 - n_atoms)
        if place not in self._companies:
            for_model = frame_of(self._skeletons[place[0]])
            self._companies[place] = made_up_input(for_model, n_structures=1, n_atoms=place[1], n_edges=2)
        return self._companies[place]

    def _tensors_of(self, model: MaceModel, *, training: bool) -> Tensors:
        """Everything that a model consists of; these objects stay the same ones as long as it lives."""
        neighbours = float(model.interactions[0].avg_num_neighbors)
        known = self._lifted.get(model)
        if known is None:
            known = self._lifted[model] = self._lift(model)
        if known.neighbours != neighbours:
            known.neighbours = neighbours
            known.count.fill_(neighbours)
        return known.tensors if training else known.fixed

    def _lift(self, model: MaceModel) -> "_Lifted":
        for_model = frame_of(model)
        count = torch.zeros((), dtype=for_model.dtype, device=for_model.device)
        there = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        there |= {f"interactions.{layer}.avg_num_neighbors": count for layer in range(len(model.interactions))}
        names = self._skeletons[for_model.device].state_dict()
        tensors = {name: there[name] for name in names}
        return _Lifted(math.nan, count, tensors, {name: tensor.detach() for name, tensor in tensors.items()})

    def _make(self, models: Sequence[MaceModel], *, learn_virials: bool, tell_virials: bool) -> None:
        """Make the programs for predictions and, of weights that learn, for training, by a pass of each on each device.

        Sizes, numbers of threads and order are the same every time, and so are the programs.
        """
        log.info("compiling the models: some minutes, unless it was done on this machine before")
        begin = time.perf_counter()
        try:
            with one_core():
                for model in models:
                    data = made_up_input(frame_of(model), n_structures=3, n_atoms=24, n_edges=160)
                    for with_virials in (False, True) if tell_virials else (False,):
                        self(model, data, training=False, want_virials=with_virials)
                    if weights := [parameter for parameter in model.parameters() if parameter.requires_grad]:
                        out = self(model, data, training=True, want_virials=learn_virials)
                        torch.autograd.grad(out.forces.square().sum(), weights)
        except RuntimeError as cause:
            raise ModelError(cannot_compile(cause)) from cause
        log.info("compiled the models in %.0f s", time.perf_counter() - begin)


def passes_of_trained(model: MaceModel, devices: Sequence[torch.device], *, source: str, want_virials: bool) -> Passes:
    """Compiled passes of a model that learns no more; those of MACE where the compiler can't follow it, which is told.

    Parameters
    ----------
    devices : sequence of torch.device
        Where it is to run; `model` is on the first.
    source : str
        What to call it.
    want_virials : bool
        As for :class:`CompiledPasses`.
    """
    try:
        if len(getattr(model, "heads", None) or [""]) > 1 or not has_interaction_energy(model):
            raise ModelError(Problem(source, f"is a {type(model).__name__} of other kind than committees are"))
        skeletons = [traceable_copy(model).to(device) for device in devices]
        passes = CompiledPasses(skeletons, [model], learn_virials=False, tell_virials=want_virials)
        data = made_up_input(frame_of(model), n_structures=3, n_atoms=24, n_edges=160)
        said, expected = (run(model, data, training=False, want_virials=want_virials) for run in (passes, run_model))
        if said.is_like(expected, _SAME):
            return passes
        reason = "the program says something else than the model"
    except (ModelError, *_STRANGE) as cause:
        reason = f"{cause}"
    log.warning("%s is not compiled: %s", source, reason)
    return run_model


@dataclass(slots=True, eq=False)
class _Lifted:
    """The tensors of a model by name, with its mean number of neighbours as one of them; and the same as constants."""

    neighbours: float
    count: Tensor
    tensors: Tensors
    fixed: Tensors


def _together(data: ModelInput, company: ModelInput) -> ModelInput:
    """Both as one batch, by name; what is not in the company has no say in the energy."""
    n_atoms, n_structures = len(data["positions"]), len(data["ptr"]) - 1
    moved = {
        **company,
        "edge_index": company["edge_index"] + n_atoms,
        "batch": company["batch"] + n_structures,
        "ptr": company["ptr"][1:] + n_atoms,
    }
    along = {"edge_index": 1}
    return {name: torch.cat((data[name], other), dim=along.get(name, 0)) for name, other in moved.items()}


def _energy(positions: Tensor, skeleton: MaceModel, tensors: Tensors, rest: ModelInput) -> tuple[Tensor, Tensor]:
    arguments = ({**rest, "positions": positions},)
    energy = torch.func.functional_call(skeleton, tensors, arguments, {"compute_force": False})["interaction_energy"]
    return energy.sum(), energy


def _strained_energy(
    positions: Tensor, strain: Tensor, skeleton: MaceModel, tensors: Tensors, rest: ModelInput
) -> tuple[Tensor, Tensor]:
    arguments = ({**rest, "positions": positions, "displacement": strain},)
    options = {"compute_force": False, "compute_displacement": True}
    energy = torch.func.functional_call(skeleton, tensors, arguments, options)["interaction_energy"]
    return energy.sum(), energy


def _forces(skeleton: MaceModel, tensors: Tensors, positions: Tensor, rest: ModelInput) -> tuple[Tensor, Tensor, None]:
    slope, energy = torch.func.grad(_energy, has_aux=True)(positions, skeleton, tensors, rest)
    return energy, -slope, None


def _forces_and_virials(
    skeleton: MaceModel, tensors: Tensors, positions: Tensor, rest: ModelInput
) -> tuple[Tensor, Tensor, Tensor]:
    strain = positions.new_zeros((rest["ptr"].numel() - 1, 3, 3))
    both = torch.func.grad(_strained_energy, argnums=(0, 1), has_aux=True)
    (slope, strain_slope), energy = both(positions, strain, skeleton, tensors, rest)
    return energy, -slope, -strain_slope


def why_nothing_compiles(device: torch.device) -> Problem | None:
    """What keeps PyTorch's compiler from working here, found by compiling next to nothing; None if it works."""
    if not hasattr(torch._dynamo.config, "recompile_limit"):
        return Problem(
            where="mace.yaml: MISC.compile",
            found=f"PyTorch {torch.__version__} is too old to compile the models.",
            allowed="true with PyTorch 2.7 or newer",
            advice="Install a newer PyTorch, or set compile: false.",
        )
    try:
        torch.compile(_next_to_nothing)(torch.ones(8, device=device))
    except RuntimeError as cause:
        return cannot_compile(cause)
    return None


def _next_to_nothing(values: Tensor) -> Tensor:
    return values.sin() + values.square()


def cannot_compile(cause: Exception) -> Problem:
    """What to say of an error of the compiler."""
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return Problem(
        where="mace.yaml: MISC.compile",
        found=f"PyTorch can't compile the models here ({type(cause).__name__}: {' '.join(lines[:2])[:300]})",
        allowed="true where a C++ compiler and Python's headers are installed, or Triton for a GPU",
        advice="Install them (Debian: g++ and python3-dev), or set compile: false.",
    )
