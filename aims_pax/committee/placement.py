"""Which device computes what: members spread over devices, and the parts of a batch when members are few."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from aims_pax.committee.mace.backend import MaceModel
from aims_pax.committee.mace.build import set_avg_num_neighbors
from aims_pax.committee.mace.graph import ModelInput


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One pass of one member on one part of a batch, with model and input on the device that it is made on."""

    member: int
    part: int
    device: torch.device
    model: MaceModel
    data: ModelInput


@dataclass(slots=True, eq=False)
class _Replica:
    """A member's model on a device where the member is not at home, and the generation of its weights."""

    model: MaceModel
    generation: int


def home_of(member: int, devices: Sequence[torch.device]) -> torch.device:
    """The device that a member is trained on: they take turns."""
    return devices[member % len(devices)]


class Placement:
    """M models on n devices: member m is at home on device m modulo n.

    Parameters
    ----------
    models : sequence of MACE models
        They are moved to their devices.
    devices : sequence of torch.device
        Inputs come from the first.
    """

    def __init__(self, models: Sequence[MaceModel], devices: Sequence[torch.device]) -> None:
        self.devices = tuple(devices)
        self._models = tuple(models)
        self._replicas: dict[tuple[int, int], _Replica] = {}
        for member, model in enumerate(self._models):
            model.to(self.home(member))

    def home(self, member: int) -> torch.device:
        """The device that a member is trained on."""
        return home_of(member, self.devices)

    def calls(self, members: Sequence[int], inputs: Sequence[ModelInput], *, generation: int) -> list[Call]:
        """What to compute so that some members say something of each part, by member and then by part.

        The first part goes to the members' homes, the next ones further on: where M members are called, part p of
        member m goes to device (m + p M) modulo n. Weights are copied to where a member is not at home, once for each
        generation; a part is sent once to each device that needs it.
        """
        sent: dict[tuple[int, int], ModelInput] = {}
        calls = []
        for member in members:
            for part, data in enumerate(inputs):
                place = (member + part * len(members)) % len(self.devices)
                device, there = self.devices[place], data
                if place:
                    if (part, place) not in sent:
                        sent[part, place] = {name: tensor.to(device) for name, tensor in data.items()}
                    there = sent[part, place]
                calls.append(Call(member, part, device, self._model(member, place, generation), there))
        return calls

    def _model(self, member: int, place: int, generation: int) -> MaceModel:
        """A member's model on a device, with its weights of this generation."""
        original = self._models[member]
        if place == member % len(self.devices):
            return original
        replica = self._replicas.get((member, place))
        if replica is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # e3nn copies its functions by TorchScript, as in building
                model = copy.deepcopy(original).requires_grad_(False).to(self.devices[place])
            replica = self._replicas[member, place] = _Replica(model, generation)
        if replica.generation != generation:
            _follow(replica.model, original)
            replica.generation = generation
        return replica.model


@torch.no_grad()
def _follow(replica: MaceModel, original: MaceModel) -> None:
    for ours, theirs in zip(replica.state_dict().values(), original.state_dict().values(), strict=True):
        ours.copy_(theirs)
    set_avg_num_neighbors(replica, original.interactions[0].avg_num_neighbors)  # no tensor
