"""GFN1-xTB and GFN2-xTB of tblite: the embedded reference, fast enough for a laptop and a test suite."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.ase_adapter import observables
from aims_pax.reference.calculation import Calculation, Observables, engine
from aims_pax.reference.electrons import ground_state_multiplicity, spin_problem
from aims_pax.settings.methods.reference import TbliteSettings

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

HEAVIEST: Final = 86
"""GFN1 and GFN2 are parametrised up to radon (Bannwarth et al., J. Chem. Theory Comput. 15, 1652, 2019)."""

SMALLEST_CELL: Final = 8
"""Fewest atoms of a periodic cell: tblite samples the Gamma point only, which makes no sense for smaller ones."""

LANTHANIDES: Final = range(58, 72)
"""GFN-xTB keeps their f electrons in the core: three valence electrons each, whatever the element."""


@dataclass(frozen=True, slots=True)
class TbliteReference:
    """Labels by extended tight binding.

    A new calculator is made for every label (1 ms): one that is used again starts from the previous density, so
    that a label would depend on which labels the same worker computed before.
    """

    settings: TbliteSettings

    @property
    def name(self) -> str:
        """Engine, version and method, with charge and spin where they are not the plain ones."""
        name = f"{engine('tblite', 'tblite')} {self.settings.method}"
        if self.settings.charge != 0 or self.settings.multiplicity != 1:
            name += f", charge {self.settings.charge:+d}, multiplicity {self.settings.multiplicity}"
        return name

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Missing package, unknown elements, impossible spins, cells too small for the Gamma point."""
        if find_spec("tblite") is None:
            return ["the Python package tblite is not installed; install it with: pip install tblite"]
        found = []
        heavy = sorted({int(number) for number in numbers if number > HEAVIEST})
        if heavy:
            found.append(f"{self.settings.method} knows the elements up to Z = {HEAVIEST}, not Z = {_listed(heavy)}")
        if periodic and len(numbers) < SMALLEST_CELL:
            found.append(
                f"tblite samples the Gamma point only, and a cell of {len(numbers)} atoms is too small for that; "
                f"repeat it until it holds at least {SMALLEST_CELL} atoms"
            )
        # With f electrons in the core, the number of valence electrons does not follow from the atomic number.
        if not any(number in LANTHANIDES for number in numbers):
            spin = spin_problem(numbers, charge=self.settings.charge, multiplicity=self.settings.multiplicity)
            found += [] if spin is None else [spin]
        return found

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One self-consistent tight-binding calculation with its gradients."""
        calculation = Calculation(frame, folder, self.name, self.settings.max_force_ev_per_ang)

        def compute() -> Observables:
            calculator = self._calculator(charge=self.settings.charge, multiplicity=self.settings.multiplicity)
            return observables(calculator, frame, want_stress=want_stress)

        return calculation.outcome(compute)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """Energy of one neutral free atom, eV; None when it does not converge or the element is unknown."""
        multiplicity = 2 if number in LANTHANIDES else ground_state_multiplicity(number)
        if number > HEAVIEST or multiplicity is None:
            return None
        atom = Frame("isolated atom", 0, 0, 0, np.array([number]), np.zeros((1, 3)))
        calculation = Calculation(atom, folder, self.name, self.settings.max_force_ev_per_ang)
        calculator = self._calculator(charge=0, multiplicity=multiplicity)
        outcome = calculation.outcome(lambda: observables(calculator, atom, want_stress=False))
        return outcome.energy if isinstance(outcome, Label) else None

    def _calculator(self, *, charge: int, multiplicity: int) -> "BaseCalculator":
        from tblite.ase import TBLite

        return TBLite(
            method=self.settings.method,
            charge=charge,
            multiplicity=multiplicity,
            accuracy=self.settings.accuracy,
            max_iterations=self.settings.max_iterations,
            electronic_temperature=self.settings.electronic_temperature_k,
            verbosity=0,
        )


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)
