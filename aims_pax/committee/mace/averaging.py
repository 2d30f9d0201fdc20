"""The exponential moving average of a model's weights, kept as a second model."""

import copy
import warnings

import torch

from aims_pax.committee.mace.backend import MaceModel


class AveragedModel:
    """A model that follows another one's weights smoothly. Predictions, errors and exported files are its.

    A second set of modules rather than weights swapped in and out: the sampler may predict at any moment.

    Parameters
    ----------
    model : the model that is trained
    decay : float or None
        Weight of the past at every step; None follows without any delay.

    Notes
    -----
    The decay grows to its value as (1 + n) / (10 + n) with the number n of updates, so that the random initial
    weights are soon forgotten (Tensorflow's and torch_ema's rule, as used by MACE).
    """

    def __init__(self, model: MaceModel, *, decay: float | None) -> None:
        self._decay = decay
        self.n_updates = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # e3nn copies its functions by TorchScript, as in building
            self.model: MaceModel = copy.deepcopy(model).requires_grad_(False)
        self._weights = list(model.parameters())  # walking through the modules at each step takes longer than the step
        self._averages = list(self.model.parameters())

    @torch.no_grad()
    def update(self) -> None:
        """Follow the weights by one step."""
        self.n_updates += 1
        if self._decay is None:
            torch._foreach_copy_(self._averages, self._weights)
            return
        decay = min(self._decay, (1 + self.n_updates) / (10 + self.n_updates))
        torch._foreach_lerp_(self._averages, self._weights, 1.0 - decay)
