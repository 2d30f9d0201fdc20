"""The committee: M models of one architecture that are trained on, generation after generation."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aims_pax.committee.checkpoint import MembersCheckpoint, naming_damage, read_checkpoint, write_checkpoint
from aims_pax.committee.design import Design
from aims_pax.committee.device import AS_IT_IS, Handling, Where, as_devices
from aims_pax.committee.learning import LearningEnsemble
from aims_pax.committee.mace.build import (
    dataset_statistics,
)
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.model import atomic_energies, frame_of
from aims_pax.committee.mace.modelfile import save
from aims_pax.committee.mace.statistics import corrected_atomic_energies
from aims_pax.committee.mace.trained.adapting import plain
from aims_pax.committee.mace.trained.finetuning import Foundation, beginning
from aims_pax.committee.mace.trained.network import statistics_of
from aims_pax.committee.mace.trained.pretrained import read_committee
from aims_pax.errors import ShapeError
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings


class Committee(LearningEnsemble):
    """M members that differ by their initial weights, their order of training, and possibly their data.

    Predictions, errors and exported files are those of the averaged weights. Training always goes on from the
    present weights. Made by :meth:`build` or :meth:`load`.

    On several devices each member is trained on its own, see :class:`Placement`; every device has a copy of the
    graphs.
    """

    @classmethod
    def build(
        cls,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Untrained members for a first set of points, which they also receive.

        Parameters
        ----------
        seeds : sequence of int
            One for each member.
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of isolated atoms by the reference. These elements are known to the models besides those of
            the points; the energies of others are fitted.
        handling : Handling

        Raises
        ------
        ModelError
            The settings describe no MACE model, or PyTorch can't compile it, or MACE not convert it.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        _require(labelled, seeds)
        isolated = dict(atomic_energies_ev or {})
        elements = Elements.of([*isolated, *(z for point in labelled for z in point.frame.numbers)])
        statistics = dataset_statistics(settings.architecture, labelled, elements, isolated_atoms_ev=isolated)
        design = Design(settings, tuple(seeds), elements, (statistics,) * len(seeds))
        committee = cls(design, devices=as_devices(device), handling=handling)
        committee.add(labelled)
        return committee

    @classmethod
    def from_models(
        cls,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Members that go on from trained models, each from its own, or all from one; without points.

        Raises
        ------
        ModelError
            With all that is wrong with the files.
        """
        models = read_committee(paths, settings.architecture)
        if len(models) == 1:
            models *= len(seeds)
        statistics = tuple(statistics_of(model) for model in models)
        design = Design(settings, tuple(seeds), frame_of(models[0]).elements, statistics)
        committee = cls(design, devices=as_devices(device), handling=handling)
        for member, model in zip(committee._members, models, strict=True):
            member.adopt(model)
        return committee

    @classmethod
    def fine_tuned(
        cls,
        settings: MaceSettings,
        foundation: Foundation,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """Members that begin as a foundation model, for a first set of points, which they also receive.

        Parameters
        ----------
        settings : MaceSettings
            Those of TRAINING say what of the model may change; ARCHITECTURE is that of the model.
        foundation : Foundation
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of free atoms, from which those of the models are re-estimated, see :meth:`Foundation.constants`;
            where the settings have atomic energies, these stay.

        Raises
        ------
        ModelError
            A structure has an element that the foundation model does not know.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        _require(labelled, seeds)
        foundation.elements.require(z for point in labelled for z in point.frame.numbers)
        fixed = settings.architecture.atomic_energies is not None
        statistics = foundation.constants(labelled, known=dict(atomic_energies_ev or {}), fixed=fixed)
        own = settings.model_copy(update={"architecture": foundation.architecture})
        design = Design(own, tuple(seeds), foundation.elements, (statistics,) * len(seeds), foundation.network)
        committee = cls(design, devices=as_devices(device), handling=handling)
        model = beginning(foundation, statistics, remembers=design.remembers)
        for member in committee._members:
            member.adopt(model)
        committee.add(labelled)
        return committee

    def relabelled(
        self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float] | None = None
    ) -> "Committee":
        """The same models for points with other labels, which they receive: the next generation.

        Weights and random numbers go on, atomic energies and mean energies are those of the labels, and optimizers
        start afresh. See :func:`corrected_atomic_energies`.

        Parameters
        ----------
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of isolated atoms by the reference of these labels; those of other elements are moved.

        Raises
        ------
        ModelError
            A structure has an element that the models do not know.
        ShapeError
            There are no points.
        """
        if not labelled:
            raise ShapeError("a committee needs labelled points")
        known = {z: energy for z, energy in (atomic_energies_ev or {}).items() if z in self._design.elements.numbers}
        said = self.predict([one.frame for one in labelled])
        own = np.mean([atomic_energies(model) for model in self._models], axis=0)
        e0 = corrected_atomic_energies(
            labelled,
            self._design.elements,
            own=own.tolist(),
            said_ev=np.array([one.energies.mean() for one in said]),
            known=known,
        )
        statistics = tuple(replace(one, atomic_energies_ev=e0) for one in self._design.statistics)
        committee = Committee(
            replace(self._design, statistics=statistics),
            devices=self.devices,
            handling=self._handling,
        )
        for member, earlier in zip(committee._members, self._members, strict=True):
            member.go_on_from(earlier)
            member.replayed_graphs = earlier.replayed_graphs
        committee.weigh_molecules(self.weighed[0], weight=self.weighed[1])
        committee.add(labelled)
        committee.centre_energies()
        committee.succeed(self.generation)
        return committee

    def save(self, path: Path) -> None:
        """Write everything that training depends on, apart from the points; the file appears complete or not at all."""
        design = self._design
        write_checkpoint(
            path,
            MembersCheckpoint(
                settings=design.settings.model_dump(mode="json", by_alias=False),
                seeds=design.seeds,
                elements=design.elements,
                statistics=design.statistics,
                generation=self._generation,
                members=[{**member.state(), "weighed": self._weighed} for member in self._members],
                network=design.network,
            ),
        )

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> "Committee":
        """The committee that was saved, without its points: add them again in their order and it is as it was.

        Parameters
        ----------
        handling : Handling
            It need not be what it was.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version; or PyTorch can't compile the models, or MACE not
            convert them.
        """
        devices = as_devices(device)
        saved = read_checkpoint(path, device=devices[0])
        with naming_damage(path):
            settings = MaceSettings.model_validate(saved.settings)
            design = Design(settings, saved.seeds, saved.elements, saved.statistics, saved.network)
            committee = cls(design, devices=devices, handling=handling)
            for member, state in zip(committee._members, saved.members, strict=True):
                member.restore(state)
            committee._baselines = committee._atomic_energies()
            molecules, weight = saved.members[0].get("weighed", ({}, 0.0))  # which older files know nothing of
            committee.weigh_molecules(molecules, weight=weight)
        committee._generation = saved.generation
        return committee

    def export(self, folder: Path, name: str, *, members: Sequence[int] | None = None) -> list[Path]:
        """Write ``{name}_{seed}.model`` of each member, for MACE's own calculator and tools.

        In double precision, whatever the members are trained in: MACE's calculator computes in the precision of the
        file unless it is told otherwise, and adds atomic energies within the model. In single precision that rounds
        the total energy of ten heavy atoms to tenths of an eV.
        """
        paths = []
        for member in range(self.n_members) if members is None else members:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript, as in building
                model = plain(self._models[member])
                path = Path(folder) / f"{name}_{self.seeds[member]}.model"
                save(model, path)
            paths.append(path)
        return paths


def _require(labelled: Sequence[LabelledFrame], seeds: Sequence[int]) -> None:
    """A first set of points, and a seed for each member."""
    if not labelled or not seeds or len(set(seeds)) != len(seeds):
        raise ShapeError(f"a committee needs labelled points and distinct seeds, not {len(labelled)} and {seeds}")
