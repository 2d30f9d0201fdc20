"""References that cost nothing: springs as an ASE calculator, and springs that fail where they are told to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from aims_pax.atoms import frame_of
from aims_pax.batch import AtomBatch
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.calculation import Calculation, Observables
from aims_pax.testing.drivers import Bonds

if TYPE_CHECKING:
    from ase import Atoms

_VOIGT: Final = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


def observables(springs: Bonds, frame: Frame, *, want_stress: bool) -> Observables:
    """What bonds say of one frame; no stress where there is no cell."""
    batch = AtomBatch.from_frames([frame], springs.cutoff)
    energies, forces = springs.energies_forces(batch)
    stress = None
    if want_stress and frame.pbc.all():
        stress = springs.virials(batch)[0].numpy()[_VOIGT] / abs(np.linalg.det(frame.cell))
    return Observables(float(energies[0]), forces.numpy(), stress)


class SpringCalculator(Calculator):  # type: ignore[misc]
    """What a committee of springs comes to learn, as ``aims_pax.testing.references:SpringCalculator`` in settings.

    Parameters
    ----------
    **springs : float
        Of :class:`aims_pax.testing.drivers.Bonds`, where they are to be others.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, **springs: float) -> None:
        super().__init__()
        self._springs = Bonds(**springs)  # type: ignore[arg-type]

    def calculate(
        self,
        atoms: "Atoms | None" = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Energy, forces, and stress where the structure is periodic."""
        super().calculate(atoms, list(properties), system_changes)
        seen = observables(self._springs, frame_of(self.atoms, system=""), want_stress=True)
        self.results: dict[str, Any] = {"energy": seen.energy, "free_energy": seen.energy, "forces": seen.forces}
        if seen.stress is not None:
            self.results["stress"] = seen.stress


class SpringReference:
    """A reference that takes no time, and fails at chosen calls.

    Parameters
    ----------
    springs : Bonds or None
    failures : mapping of int to LabelFailure or Exception
        What becomes of the n-th label, from 1: a failure that it returns, or an exception that it raises.
    max_force_ev_per_ang : float
    """

    name = "springs 1"

    def __init__(
        self,
        springs: Bonds | None = None,
        *,
        failures: Mapping[int, LabelFailure | Exception] | None = None,
        max_force_ev_per_ang: float = 100.0,
    ) -> None:
        self._springs, self._failures = springs or Bonds(), dict(failures or {})
        self._max_force = max_force_ev_per_ang
        self.asked: list[Frame] = []
        """All frames that it was to label, in their order."""

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """None: it can label whatever has radii."""
        return []

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """What the springs say, or the failure that it is time for."""
        self.asked.append(frame)
        failure = self._failures.get(len(self.asked))
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return failure
        calculation = Calculation(frame, folder, self.name, self._max_force)
        return calculation.outcome(lambda: observables(self._springs, frame, want_stress=want_stress))

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """Zero: springs know no energy but that of being stretched."""
        return 0.0
