"""Passes of MACE models by cuEquivariance: NVIDIA's kernels in the place of e3nn's.

MACE converts a model into one whose layers are cuEquivariance's, with the weights of its symmetric contractions in
another basis. Members are not converted: each device has one converted model, a skeleton, that is lent the weights of
a member for a pass. Those of the contractions come to it through MACE's own change of basis, which is linear. So
gradients go back to the member's own weights, and checkpoints, optimizers and model files are what they are without.
"""

import functools
import logging
import threading
import time
from collections.abc import Sequence
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from aims_pax.committee.cores import one_core
from aims_pax.committee.device import current
from aims_pax.committee.footprint import made_up_input
from aims_pax.committee.hardware import CUEQ_SETTINGS, why_no_cueq
from aims_pax.committee.mace.backend import MaceModel, quietly
from aims_pax.committee.mace.build import default_dtype, set_avg_num_neighbors
from aims_pax.committee.mace.graph import ModelInput
from aims_pax.committee.mace.model import Outputs, frame_of, run_model
from aims_pax.errors import ModelError, Problem
from aims_pax.settings.committee.mace import CueqUse

log = logging.getLogger(__name__)

Tensors: TypeAlias = dict[str, Tensor]

_CONTRACTIONS: Final = ".symmetric_contractions."

_SAME: Final = {torch.float32: 1e-3, torch.float64: 1e-8}
"""By how much passes may differ, of their largest numbers. Where a conversion goes wrong it is by a tenth and more."""

_REFUSED: Final = (
    RuntimeError,
    ValueError,
    AssertionError,
    NotImplementedError,
    AttributeError,
    TypeError,
    LookupError,
)
"""What MACE and cuEquivariance say of models that they can't convert."""


class CueqPasses:
    """Does what :func:`~aims_pax.committee.mace.model.run_model` does, for models of one architecture.

    Parameters
    ----------
    models : sequence of MACE models
        One on each device; a skeleton is made of each.
    use : CueqUse
        Which passes are made so; the others are those of :func:`run_model`.

    Raises
    ------
    ModelError
        cuEquivariance is not installed, MACE can't convert the models, or what it converts them to does not say the
        same.
    """

    def __init__(self, models: Sequence[MaceModel], use: CueqUse) -> None:
        devices = [frame_of(model).device for model in models]
        if (problem := why_no_cueq([device.type for device in devices])) is not None:
            raise ModelError(problem)
        self._use = use
        begin = time.perf_counter()
        with one_core():
            self._skeletons = dict(zip(devices, map(_Skeleton, models), strict=True))
        log.info("converted the models for cuEquivariance in %.0f s", time.perf_counter() - begin)

    def __call__(self, model: MaceModel, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
        if not (self._use.trains if training else self._use.predicts):
            return run_model(model, data, training=training, want_virials=want_virials)
        skeleton = self._skeletons[data["positions"].device]
        return skeleton.run(model, data, training=training, want_virials=want_virials)


class _Skeleton:
    """A converted model, and how it is lent the weights of another.

    Parameters
    ----------
    model : MACE model
        Whose like it is to stand for.

    Raises
    ------
    ModelError
        MACE can't convert it, or what it converts it to does not say the same.
    """

    def __init__(self, model: MaceModel) -> None:
        device = frame_of(model).device
        self._lent: WeakKeyDictionary[MaceModel, Tensors] = WeakKeyDictionary()
        self._lock = threading.Lock()
        try:
            with current(device), default_dtype(frame_of(model).dtype), quietly():
                from mace.cli.convert_e3nn_cueq import run

                # A device and not its name, as in MACE's own training: told "cuda", it would fuse the convolution with
                # its sum over neighbours, by a kernel that training does not use.
                self._model = run(model, device=device, return_model=True).to(device).requires_grad_(False)
                self._shapes = {name: tensor.shape for name, tensor in self._model.state_dict().items()}
                self._bases = _bases(model, self._model)
                is_same = self._says_the_same_as(model)
        except _REFUSED as cause:
            raise ModelError(_cannot_convert(f"{type(cause).__name__}: {cause}")) from cause
        if not is_same:
            raise ModelError(_cannot_convert("what MACE converts them to predicts something else"))

    def run(self, model: MaceModel, data: ModelInput, *, training: bool, want_virials: bool) -> Outputs:
        """A pass with the weights of a model."""
        own = {**data, "positions": data["positions"].detach()}
        options = {"training": training, "compute_force": True, "compute_virials": want_virials}
        with self._lock:  # on a CPU members run in threads, and the weights stand in the skeleton during the pass
            set_avg_num_neighbors(self._model, float(model.interactions[0].avg_num_neighbors))
            tensors = self._tensors_of(model, training=training)
            out = torch.func.functional_call(self._model, tensors, (own,), options)
        outputs = Outputs(out["interaction_energy"], out["forces"], out["virials"] if want_virials else None)
        return outputs if training else outputs.detached()

    def _tensors_of(self, model: MaceModel, *, training: bool) -> Tensors:
        """What the model consists of, as the skeleton has it."""
        there = self._lent.get(model)
        if there is None:  # walking through the modules takes as long as a small pass
            there = self._lent[model] = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        if not training:
            there = {name: tensor.detach() for name, tensor in there.items()}
        tensors: Tensors = {}
        for name, shape in self._shapes.items():
            if name in self._bases:
                parts = [torch.einsum("zau,ab->zbu", there[old], basis) for old, basis in self._bases[name].items()]
                tensors[name] = functools.reduce(torch.add, parts)
            elif name in there and there[name].numel() == shape.numel():
                tensors[name] = there[name].reshape(shape)
        return tensors

    def _says_the_same_as(self, model: MaceModel) -> bool:
        """Whether a pass with a model's weights gives the numbers of the model."""
        data = made_up_input(frame_of(model), n_structures=2, n_atoms=16, n_edges=96)
        one = run_model(model, data, training=False, want_virials=True)
        other = self.run(model, data, training=False, want_virials=True)
        pairs = ((one.energy, other.energy), (one.forces, other.forces), (one.virials, other.virials))
        return all(a is not None and b is not None and _is_same(a, b) for a, b in pairs)


def _is_same(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _SAME[one.dtype] * max(1.0, float(one.abs().max())))


def _bases(model: MaceModel, converted: MaceModel) -> dict[str, dict[str, Tensor]]:
    """How MACE changes the basis of contractions, found by having it convert the unit vectors of the old one."""
    from mace.cli.convert_e3nn_cueq import transfer_symmetric_contractions
    from mace.tools.scripts_utils import extract_config_mace_model

    config = extract_config_mace_model(model)
    old, new = model.state_dict(), converted.state_dict()
    bases: dict[str, dict[str, Tensor]] = {}
    learnt = {name for name, _ in model.named_parameters()}
    for target in [name for name in new if name.endswith(f"{_CONTRACTIONS}weight")]:
        home = target.removesuffix("weight")
        sources = [name for name in old if name.startswith(home) and name in learnt]
        ends = np.cumsum([old[name].shape[1] for name in sources])
        units = torch.eye(int(ends[-1]), dtype=new[target].dtype, device=new[target].device)
        spans = {name: slice(int(end) - old[name].shape[1], int(end)) for name, end in zip(sources, ends, strict=True)}
        probed = {**old, **{name: units[:, span, None] for name, span in spans.items()}}
        answer: Tensors = {}
        transfer_symmetric_contractions(
            probed,
            answer,
            num_product_irreps=len(config["hidden_irreps"].slices()) - 1,
            products=model.products,
            correlation=config["correlation"],
            num_layers=int(config["num_interactions"]),
            use_reduced_cg=config.get("use_reduced_cg", True),
            keep_last_layer_irreps=config.get("keep_last_layer_irreps", False),
        )
        bases[target] = {name: answer[target][span, :, 0] for name, span in spans.items()}
    return bases


def _cannot_convert(reason: str) -> Problem:
    return Problem(
        where=CUEQ_SETTINGS,
        found=f"MACE can't have these models run by cuEquivariance ({reason[:300]})",
        allowed="true for models whose ARCHITECTURE MACE converts, such as its defaults",
        advice="Set enable_cueq and enable_cueq_train to false.",
    )
