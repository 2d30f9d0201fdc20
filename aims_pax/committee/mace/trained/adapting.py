"""What fine-tuning leaves free to change in a model, and what becomes of it in a file. By MACE's own functions."""

import copy
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from aims_pax.committee.mace.backend import MaceModel, quietly
from aims_pax.committee.mace.build import default_dtype, set_atomic_energies
from aims_pax.committee.mace.model import atomic_energies, given_energies
from aims_pax.settings.committee.mace import TrainingSettings

_FROZEN: Final = {
    "freeze_embedding": "node_embedding",
    "freeze_interactions": "interactions",
    "freeze_products": "products",
    "freeze_readouts": "readouts",
}
"""Part of MACE's models that each setting keeps as it was."""

_LOW_RANK: Final = ".lora_"
"""What the names of matrices of low rank have in them."""


def adapt(model: MaceModel, training: TrainingSettings, *, seed: int) -> None:
    """Leave free to change what fine-tuning is to change.

    LoRA adds a product of two matrices of low rank to each linear layer, of which the first are drawn by the seed, and
    the second are zero; nothing else changes then.
    """
    if training.finetuning_choice == "lora":
        from mace.modules.lora import inject_LoRAs

        dtype = next(model.parameters()).dtype
        with torch.random.fork_rng(devices=[]), default_dtype(dtype), quietly():
            torch.manual_seed(seed)
            inject_LoRAs(model, rank=training.lora_rank, alpha=training.lora_alpha)
        for name, parameter in model.named_parameters():
            if training.lora_freeze_A and f"{_LOW_RANK}A" in name:
                parameter.requires_grad_(False)
        return
    for key, part in _FROZEN.items():
        if getattr(training, key):
            getattr(model, part).requires_grad_(False)


def brought_to(model: MaceModel, learnt: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a model as MACE builds it has learnt, under the names that it has in an adapted one."""
    own = {name: value for name, value in model.state_dict().items() if _LOW_RANK in name}
    plain_names = {name: name.replace(".base.", ".") for name in model.state_dict()}
    return {**own, **{name: learnt[plain_name] for name, plain_name in plain_names.items() if plain_name in learnt}}


def plain(model: MaceModel) -> MaceModel:
    """A copy as all programs of MACE read it, in double precision on the CPU.

    What is of low rank is added in, and of two heads its own is left.
    """
    from mace.modules.lora import merge_lora_weights
    from mace.tools.scripts_utils import remove_pt_head

    with quietly(), default_dtype(torch.float64):
        merged: MaceModel = merge_lora_weights(copy.deepcopy(model).cpu().double())
        if len(merged.heads) == 1:
            return merged
        alone: MaceModel = remove_pt_head(merged, merged.heads[0])
    set_atomic_energies(alone, atomic_energies(alone), given_ev=given_energies(merged))
    return alone
