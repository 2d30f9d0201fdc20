"""Optimizer and learning-rate schedule of one member."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.lr_scheduler import ExponentialLR, ReduceLROnPlateau

from aims_pax.settings.committee.mace import TrainingSettings

_OPTIMIZERS: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def build_optimizer(model: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam or AdamW with MACE's groups: weight decay acts on linear layers of interactions, and on products.

    Weights that are frozen have no part in it.
    """
    decaying: list[torch.nn.Parameter] = []
    steady: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        in_interaction = name.startswith("interactions.")
        is_linear = "linear.weight" in name or "skip_tp_full.weight" in name
        decays = name.startswith("products.") or (in_interaction and is_linear)
        (decaying if decays else steady).append(parameter)
    groups = [{"params": decaying, "weight_decay": settings.weight_decay}, {"params": steady, "weight_decay": 0.0}]
    return _OPTIMIZERS[settings.optimizer](groups, lr=settings.lr, amsgrad=settings.amsgrad, fused=True)


@dataclass(slots=True)
class Schedule:
    """How the learning rate falls from epoch to epoch.

    Parameters
    ----------
    rule : ReduceLROnPlateau or ExponentialLR
    """

    rule: ReduceLROnPlateau | ExponentialLR

    @classmethod
    def build(cls, optimizer: torch.optim.Optimizer, settings: TrainingSettings) -> "Schedule":
        """The schedule of the settings, at its start."""
        if settings.scheduler == "ExponentialLR":
            return cls(ExponentialLR(optimizer, gamma=settings.lr_scheduler_gamma))
        return cls(ReduceLROnPlateau(optimizer, factor=settings.lr_factor, patience=settings.scheduler_patience))

    def step(self, valid_loss: float | None) -> None:
        """One epoch has ended; `valid_loss` is None when it was not validated, which a plateau rule passes over."""
        if isinstance(self.rule, ExponentialLR):
            self.rule.step()
        elif valid_loss is not None:
            self.rule.step(valid_loss)

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return self.rule.state_dict()

    def restore(self, state: dict[str, Any]) -> None:
        self.rule.load_state_dict(state)
