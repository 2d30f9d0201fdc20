"""Fine-tuning: a committee that begins as copies of a foundation model, by MACE's own functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from pydantic import ValidationError

from aims_pax.committee.ensemble import Ensemble
from aims_pax.committee.footprint import made_up_input
from aims_pax.committee.mace.backend import MaceModel, quietly
from aims_pax.committee.mace.build import build_model, default_dtype
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.model import default_head, frame_of, has_interaction_energy, run_model
from aims_pax.committee.mace.statistics import DatasetStatistics
from aims_pax.committee.mace.trained.foundation import given_model
from aims_pax.committee.mace.trained.network import Network
from aims_pax.committee.mace.trained.pretrained import architecture_of
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.settings.committee.mace import ArchitectureSettings

_SAME: Final = 1e-5
"""How far a model and what became of it for fewer elements may be apart, of the largest value and in eV."""

_REFUSED: Final = (RuntimeError, KeyError, TypeError, ValueError, IndexError, AssertionError, AttributeError)
"""What MACE trips over in a network that it can't build again."""


@dataclass(frozen=True, slots=True, eq=False)
class Foundation:
    """A trained model that members begin as, of one head, for the elements that a committee is to know.

    Parameters
    ----------
    model : MACE model
        In double precision, on the CPU.
    network : Network
    architecture : ArchitectureSettings
        What settings can say of it.
    elements : Elements
    """

    model: MaceModel
    network: Network
    architecture: ArchitectureSettings
    elements: Elements

    @classmethod
    def of(cls, raw: MaceModel, elements: Elements, *, source: str) -> Self:
        """What a model of any MACE file becomes for some of the elements that it knows.

        Raises
        ------
        ModelError
            It is of a kind that can't be trained, or does not know an element, or becomes another model.
        """
        model = _single_head(raw.cpu().double().eval(), source=source)
        unknown = Elements.of(set(elements.numbers) - set(frame_of(model).elements.numbers))
        if len(unknown):
            found = f"does not know the element(s) {unknown.symbols()}, which the structures have."
            allowed = f"structures of {frame_of(model).elements.symbols()}"
            raise ModelError(Problem(source, found, allowed, "Give a model that knows them."))
        network = Network.of(model)
        reduced = _for_elements(model, network, elements, source=source)
        try:
            architecture = ArchitectureSettings.model_validate(architecture_of(model))
        except ValidationError as cause:
            found = f"holds a network that can't be trained in this version ({cause.errors()[0]['msg']})."
            raise ModelError(Problem(source, found, "", "Give another model.")) from cause
        return cls(reduced, Network(network.arguments, Network.of(reduced).own), architecture, elements)

    def constants(
        self, labelled: Sequence[LabelledFrame], *, known: Mapping[int, float], fixed: bool = False
    ) -> DatasetStatistics:
        """Its constants, with the atomic energies re-estimated for other labels.

        Parameters
        ----------
        labelled : sequence of LabelledFrame
        known : mapping of atomic number to eV
            Energies of free atoms by the method of the labels.
        fixed : bool
            Whether they stay, and what is left is but one shift for all atoms.

        Notes
        -----
        As MACE's ``E0s="estimated"``: what the model leaves of the labels, by least squares over elements, of least
        norm, is added to the energies of the free atoms (where they are not known, to the model's own). Elements that
        always come in the same ratio share their correction.
        """
        own = dict(zip(self.elements.numbers, self.network.own.atomic_energies_ev, strict=True))
        base = np.array([known.get(number, own[number]) for number in self.elements.numbers])
        counts = np.array([[np.sum(one.frame.numbers == z) for z in self.elements.numbers] for one in labelled], float)
        said = self._ensemble().predict([one.frame for one in labelled])
        own_ev = counts @ np.array(self.network.own.atomic_energies_ev)
        energies = np.array([one.label.energy for one in labelled])
        left = energies - (np.array([float(one.energies[0]) for one in said]) - own_ev) - counts @ base
        n_atoms = counts.sum(axis=1)
        if fixed:
            shift_ev = self.network.own.shift_ev + float((left / n_atoms).mean())
            return replace(self.network.own, atomic_energies_ev=tuple(float(one) for one in base), shift_ev=shift_ev)
        correction = np.linalg.lstsq(counts / n_atoms[:, None], left / n_atoms, rcond=1e-8)[0]
        return replace(self.network.own, atomic_energies_ev=tuple(float(one) for one in base + correction))

    def pseudolabelled(self, frames: Sequence[Frame]) -> list[LabelledFrame]:
        """Structures with what the foundation model itself says of them."""
        said = self._ensemble().predict(frames, want_stress=any(bool(frame.pbc.any()) for frame in frames))
        points = []
        for index, (frame, one) in enumerate(zip(frames, said, strict=True)):
            stress = None if one.stress is None or not frame.pbc.any() else one.stress[0]
            label = Label(float(one.energies[0]), one.forces[0], stress, "the foundation model", 0.0)
            points.append(LabelledFrame(-1 - index, frame, label, Split.TRAINING))
        return points

    def _ensemble(self) -> Ensemble:
        return Ensemble([self.model], sources=["the foundation model"], devices=[torch.device("cpu")])


def read_foundation(family: str, name: str, numbers: Iterable[int]) -> Foundation:
    """A model of a file, or a published one, for these elements; see :func:`load_foundation` for what names it.

    Raises
    ------
    ModelError
    """
    raw, source = given_model(family, name, torch.device("cpu"))
    return Foundation.of(raw, Elements.of(numbers), source=source)


def beginning(foundation: Foundation, statistics: DatasetStatistics, *, remembers: bool) -> MaceModel:
    """The foundation model with constants for other labels, and, where it remembers, its old head beside the new."""
    model = build_model(
        foundation.architecture,
        foundation.elements,
        statistics,
        dtype=torch.float64,
        seed=0,
        network=foundation.network,
        remembers=remembers,
    )
    shift = model.scale_shift.shift.clone()
    _load(model, foundation.model, foundation.elements)
    model.scale_shift.shift = shift
    return model


def _single_head(model: MaceModel, *, source: str) -> MaceModel:
    """The head of a model that is used, or the model; of a kind that can be trained."""
    if hasattr(model, "embedding_readout") or not has_interaction_energy(model):
        found = f"holds a {type(model).__name__} that can't be trained in this version."
        raise ModelError(Problem(source, found, "ScaleShiftMACE without use_embedding_readout", "Give another model."))
    heads = list(getattr(model, "heads", None) or ["Default"])
    if len(heads) == 1:
        return model
    from mace.tools.scripts_utils import remove_pt_head

    with quietly(), default_dtype(torch.float64):
        alone: MaceModel = remove_pt_head(model, heads[default_head(model, source=source)])
    return alone.double().eval()


def _for_elements(model: MaceModel, network: Network, elements: Elements, *, source: str) -> MaceModel:
    """The model as one that knows these elements only, and says the same of them."""
    known = frame_of(model).elements.numbers
    energies = tuple(network.own.atomic_energies_ev[known.index(number)] for number in elements.numbers)
    statistics = replace(network.own, atomic_energies_ev=energies)
    try:
        reduced = build_model(
            ArchitectureSettings(), elements, statistics, dtype=torch.float64, seed=0, network=network
        ).eval()
        _load(reduced, model, elements)
        if _predict_alike(model, reduced, [known.index(number) for number in elements.numbers]):
            return reduced
        trouble = "it would predict something else"
    except (*_REFUSED, ModelError) as cause:
        trouble = str(cause)
    found = f"holds a network that MACE does not build again for the elements {elements.symbols()} ({trouble})."
    raise ModelError(Problem(source, found, "", "Give another model, or let it drive (use_foundational) instead."))


def _load(model: MaceModel, foundation: MaceModel, elements: Elements) -> None:
    """Weights of a foundation model for a model of some of its elements, by MACE."""
    from mace.tools.finetuning_utils import load_foundations_elements
    from mace.tools.utils import AtomicNumberTable

    numbers = AtomicNumberTable(list(elements.numbers))
    max_l = int(model.products[0].linear.irreps_out.lmax)
    with quietly(), torch.no_grad():
        load_foundations_elements(model, foundation, numbers, load_readout=True, max_L=max_l)


def _predict_alike(model: MaceModel, reduced: MaceModel, places: Sequence[int]) -> bool:
    data = made_up_input(frame_of(reduced), n_structures=2, n_atoms=16, n_edges=96)
    wide = data["node_attrs"].new_zeros((len(data["node_attrs"]), len(model.atomic_numbers)))
    wide[:, list(places)] = data["node_attrs"]
    said = run_model(model, {**data, "node_attrs": wide}, training=False, want_virials=False)
    again = run_model(reduced, data, training=False, want_virials=False)
    return said.is_like(again, _SAME)
