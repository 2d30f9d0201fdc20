"""Models that are springs: they predict, and are read from files, as any others, and cost nothing."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.dataset.durable import replacing
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import (
    FramePrediction,
    Prediction,
)
from aims_pax.testing.drivers import Bonds, SpringField, Tethers, stress_of

VERSION: Final = 1
"""Of the files."""

SPREAD: Final = 0.2
"""By how much the stiffness of an untrained member is wrong; its lengths by a quarter of it."""

LENGTH_SHARE: Final = 0.25

N_SHELLS: Final = 10
"""Of neighbours, by which structures are told apart."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a member has learned so far: all that its predictions depend on, besides what it was born with.

    Parameters
    ----------
    seed : int
        Draws in which direction it is wrong.
    visits : float
        Points that it was trained on, each as often as it was, times the learning rate. It is wrong by 1 / sqrt(1 +
        visits) of what it was before any training.
    shift_ev_per_atom : float
        Added to its energies.
    """

    seed: int
    visits: float = 0.0
    shift_ev_per_atom: float = 0.0

    def of(self, truth: SpringField, spread: float) -> SpringField:
        """The springs that this member takes for the true ones."""
        wrong = spread / math.sqrt(1.0 + self.visits)
        stiffness, length = np.random.default_rng(self.seed).uniform(0.5, 1.0, 2) * _signs(self.seed)
        return truth.varied(stiffness=1 + wrong * stiffness, length=1 + LENGTH_SHARE * wrong * length)


def _signs(seed: int) -> FloatArray:
    """Members of consecutive seeds are wrong in opposite directions, so that any committee disagrees."""
    return np.array([1.0 - 2.0 * (seed % 2), 1.0 - 2.0 * (seed // 2 % 2)])


@dataclass(frozen=True, slots=True, eq=False)
class Nature:
    """What all members have in common.

    Parameters
    ----------
    truth : SpringField
        What they would be after infinitely many epochs.
    spread : float
        See :data:`SPREAD`.
    numbers : tuple of int
        Elements that they know; empty: all.
    atomic_energies_ev : mapping of int to float
        Of free atoms, added to all energies.
    """

    truth: SpringField = field(default_factory=Bonds)
    spread: float = SPREAD
    numbers: tuple[int, ...] = ()
    atomic_energies_ev: Mapping[int, float] = field(default_factory=dict)

    def to_values(self) -> dict[str, Any]:
        """Plain values."""
        truth = asdict(self.truth)  # type: ignore[call-overload]
        if isinstance(truth.get("places"), Tensor):
            truth["places"] = truth["places"].tolist()
        kind = type(self.truth).__name__
        return {"kind": kind, "truth": truth, "spread": self.spread, "numbers": self.numbers} | {
            "atomic_energies_ev": {str(z): energy for z, energy in self.atomic_energies_ev.items()}
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Nature":
        """What :meth:`to_values` gave."""
        kinds: dict[str, type[Bonds] | type[Tethers]] = {"Bonds": Bonds, "Tethers": Tethers}
        truth = dict(values["truth"])
        if truth.get("places") is not None:
            truth["places"] = torch.as_tensor(truth["places"], dtype=torch.float64)
        energies = {int(z): float(energy) for z, energy in values["atomic_energies_ev"].items()}
        return cls(kinds[values["kind"]](**truth), values["spread"], tuple(values["numbers"]), energies)


class Springs:
    """Some members of one generation, for prediction.

    Parameters
    ----------
    nature : Nature
    members : sequence of Knowledge
    device : torch.device or str
    """

    def __init__(
        self, nature: Nature, members: Sequence[Knowledge], *, device: torch.device | str = "cpu", generation: int = 0
    ) -> None:
        self._nature = nature
        self._knowledge = list(members)
        self._device = torch.device(device)
        self._generation = generation
        baseline = torch.zeros(119, dtype=torch.float64, device=self._device)
        for number, energy in nature.atomic_energies_ev.items():
            baseline[number] = energy
        self._baseline = baseline

    @property
    def n_members(self) -> int:
        return len(self._knowledge)

    @property
    def generation(self) -> int:
        """Grows whenever a prediction would come out differently than before."""
        return self._generation

    @property
    def cutoff(self) -> float | None:
        """Of the springs, Å."""
        return self._nature.truth.cutoff

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements that the members know."""
        return self._nature.numbers or tuple(range(1, 97))

    @property
    def device(self) -> torch.device:
        return self._device

    def evaluate(
        self, batch: AtomBatch, *, members: Sequence[int] | None = None, want_stress: bool = False
    ) -> Prediction:
        """Energies, forces and stress of a batch by some members (all of them when None), in their order.

        Raises
        ------
        ModelError
            A structure has an element that the members do not know.
        """
        self.require_elements(set(batch.numbers.tolist()))
        chosen = range(self.n_members) if members is None else members
        said = [self._said(self._knowledge[member], batch, want_stress=want_stress) for member in chosen]
        energies, forces, stress = zip(*said, strict=True)
        return Prediction(torch.stack(energies), torch.stack(forces), torch.stack(stress) if want_stress else None)

    def opinions(self, batch: AtomBatch, *, want_stress: bool = False) -> Prediction:
        """Energies, forces and stress of a batch by all members."""
        return self.evaluate(batch, want_stress=want_stress)

    def predict(self, frames: Sequence[Frame], *, want_stress: bool = False) -> list[FramePrediction]:
        """Predictions of all members for each of some frames, in their order."""
        if not frames:
            return []
        batch = AtomBatch.from_frames(frames, self.cutoff, device=self._device)
        return self.evaluate(batch, want_stress=want_stress).by_structure(batch.n_atoms.tolist())

    def descriptors(self, frames: Sequence[Frame]) -> FloatArray:
        """How many neighbours an atom has in each of some shells with smooth edges, averaged over the atoms."""
        self.require_elements({int(z) for frame in frames for z in frame.numbers})
        radii = np.linspace(0.5, 5.0, N_SHELLS)
        found = np.zeros((len(frames), N_SHELLS))
        for row, frame in enumerate(frames):
            batch = AtomBatch.from_frames([frame], float(radii[-1]), device=self._device)
            lengths = batch.edge_vectors().norm(dim=1).cpu().numpy()
            found[row] = np.exp(-np.square((lengths[:, None] - radii) / 0.5)).sum(axis=0) / frame.n_atoms
        return found

    def _said(self, member: Knowledge, batch: AtomBatch, *, want_stress: bool) -> tuple[Tensor, Tensor, Tensor]:
        springs = member.of(self._nature.truth, self._nature.spread)
        energies, forces = springs.energies_forces(batch)
        energies = energies.index_add(0, batch.structure, self._baseline[batch.numbers])
        energies = energies + member.shift_ev_per_atom * batch.n_atoms
        return energies, forces, stress_of(springs.virials(batch), batch) if want_stress else forces

    def require_elements(self, found: set[int]) -> None:
        """Refuse elements that the members do not know."""
        unknown = sorted(found - set(self.numbers))
        if unknown:
            from ase.data import chemical_symbols

            names, known = ([chemical_symbols[z] for z in some] for some in (unknown, self.numbers))
            words = f"a structure has the elements {', '.join(names)}, which the springs do not know"
            raise ModelError(Problem(where="springs", found=words, allowed=", ".join(known)))


def read_springs(paths: Sequence[Path], *, device: torch.device | str = "cpu") -> Springs:
    """The members in some files of :meth:`SpringCommittee.export`, for prediction.

    Raises
    ------
    ModelError
        A file is missing, or damaged; or there is none.
    """
    if not paths:
        raise ModelError(Problem(where="models", found="no model file is given", allowed="one file or more"))
    members, nature = [], Nature()
    for path in paths:
        with reading(path) as content:
            members.append(Knowledge(**content["knowledge"]))
            nature = Nature.from_values(content["nature"])
    return Springs(nature, members, device=device)


def holds_springs(path: Path) -> bool:
    """Whether a file was written by a committee of springs."""
    try:
        with path.open("rb") as file:
            return file.read(11) == b'{"springs":'
    except OSError:
        return False


def write_springs(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values; the file appears complete or not at all."""
    with replacing(path) as file:
        json.dump({"springs": VERSION, **content}, file)


@contextmanager
def reading(path: Path) -> Iterator[dict[str, Any]]:
    """The content of a file; whatever goes wrong with it within is damage of this file."""
    try:
        yield json.loads(Path(path).read_bytes())
    except FileNotFoundError as cause:
        raise ModelError(Problem(where=str(path), found="is missing")) from cause
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as cause:
        found = f"can't be read as springs ({type(cause).__name__})"
        raise ModelError(Problem(where=str(path), found=found)) from cause
