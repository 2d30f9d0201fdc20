"""What MACE builds a given model's network from, as plain values: more than ARCHITECTURE can say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from aims_pax.committee.mace.backend import MaceModel, modules, o3, quietly
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.model import atomic_energies
from aims_pax.committee.mace.statistics import DatasetStatistics

OWN_HEAD: Final = "pt_head"
"""MACE's name for the head of a foundation model that remembers what it has known before."""

_DATA: Final = (
    *("atomic_energies", "atomic_numbers", "num_elements", "avg_num_neighbors"),
    *("atomic_inter_scale", "atomic_inter_shift", "heads", "cueq_config"),
)
"""Arguments that come from data, or from how a model is run."""

_IRREPS: Final = ("hidden_irreps", "MLP_irreps", "edge_irreps")


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a trained model of one head, and what that model's own data had told it.

    Parameters
    ----------
    arguments : mapping of str
        Of MACE's class, as values of JSON; without those that come from data.
    own : DatasetStatistics
        Of the trained model, for its elements.
    """

    arguments: Mapping[str, Any]
    own: DatasetStatistics

    @classmethod
    def of(cls, model: MaceModel) -> Self:
        """That of a ScaleShiftMACE with one head."""
        from mace.tools.scripts_utils import extract_config_mace_model

        with quietly():
            found = extract_config_mace_model(model)
        arguments = {key: _plain(key, value) for key, value in found.items() if key not in _DATA}
        return cls(arguments, statistics_of(model))

    def for_mace(self, elements: Elements, statistics: DatasetStatistics, *, remembers: bool) -> dict[str, Any]:
        """All arguments of MACE's class.

        Parameters
        ----------
        elements : Elements
            Of the model to be built; those of `own` where it remembers.
        statistics : DatasetStatistics
            Of its data.
        remembers : bool
            Whether it has a second head, with the constants of the trained model.
        """
        constants = [statistics, self.own] if remembers else [statistics]
        scales, shifts = [one.scale for one in constants], [one.shift_ev for one in constants]
        energies = [one.atomic_energies_ev for one in constants]
        return {
            **{key: _for_mace(key, value) for key, value in self.arguments.items()},
            "atomic_numbers": list(elements.numbers),
            "num_elements": len(elements),
            "atomic_energies": np.array(energies if remembers else energies[0]),
            "avg_num_neighbors": statistics.avg_num_neighbors,
            "atomic_inter_scale": scales if remembers else scales[0],
            "atomic_inter_shift": shifts if remembers else shifts[0],
            "heads": ["Default", OWN_HEAD] if remembers else ["Default"],
        }


def statistics_of(model: MaceModel) -> DatasetStatistics:
    """The constants of a model, of one head."""
    return DatasetStatistics(
        atomic_energies_ev=tuple(float(energy) for energy in atomic_energies(model)),
        scale=float(model.scale_shift.scale),
        shift_ev=float(model.scale_shift.shift),
        avg_num_neighbors=float(model.interactions[0].avg_num_neighbors),
    )


def _plain(key: str, value: Any) -> Any:
    """A value of JSON for an argument of MACE."""
    if key == "gate":
        return next((name for name, gate in modules.gate_dict.items() if gate is value), "None")
    if key in _IRREPS:
        return None if value is None else str(value)
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, Mapping):
        return {name: dict(one) if isinstance(one, Mapping) else one for name, one in value.items()}
    return value


def _for_mace(key: str, value: Any) -> Any:
    """The inverse."""
    if key == "gate":
        return modules.gate_dict[value]
    if key in _IRREPS:
        return None if value is None else o3.Irreps(value)
    if key.startswith("interaction_cls"):
        return modules.interaction_classes[value]
    if key == "readout_cls":
        return modules.readout_classes.get(value, modules.NonLinearReadoutBlock)
    return value
