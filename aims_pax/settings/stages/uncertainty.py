"""Measures of a committee's disagreement by their names, and what is known of them without importing them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class UncertaintyKind:
    """One measure.

    Parameters
    ----------
    unit : str
        Of its values and thresholds; empty for a ratio.
    what : str
        What is measured, as the axis of a figure says it.
    of_stress : bool
        Whether it looks at the stress that the members predict.
    """

    unit: str
    what: str
    of_stress: bool = False

    @property
    def ending(self) -> str:
        """What follows a value: `` eV/Å``, or nothing."""
        return f" {self.unit}" if self.unit else ""

    def shown(self, value: float) -> str:
        """A value without its unit: thousandths of eV/Å and of ratios matter, of others three digits."""
        return f"{value:.3f}" if self.unit in (FORCE_UNIT, "") else f"{value:.3g}"

    @property
    def axis(self) -> str:
        """``largest force deviation (eV/Å)``."""
        return f"{self.what} ({self.unit})" if self.unit else self.what


FORCE_UNIT: Final = "eV/Å"
RELATIVE: Final = "max_relative_sd"
OF_COMPONENTS: Final = "component_relative_sd"

UNCERTAINTIES: Final[Mapping[str, UncertaintyKind]] = {
    "max_atomic_sd": UncertaintyKind(FORCE_UNIT, "largest force deviation"),
    "mean_atomic_sd": UncertaintyKind(FORCE_UNIT, "mean force deviation"),
    "ensemble_sd": UncertaintyKind(FORCE_UNIT, "deviation of all forces"),
    "component_sd": UncertaintyKind(FORCE_UNIT, "largest deviation of a force component"),
    RELATIVE: UncertaintyKind("", "largest relative force deviation"),
    OF_COMPONENTS: UncertaintyKind("", "largest relative deviation of a force component"),
    "energy_sd": UncertaintyKind("eV/atom", "energy deviation"),
    "stress_sd": UncertaintyKind("eV/Å³", "stress deviation", of_stress=True),
}
"""By the names that ACTIVE_LEARNING.uncertainty_type takes; the first three are those of aims-PAX v0.2."""

BETWEEN_MOLECULES: Final = "molecular_sd"
"""What the store calls the deviation of the forces on whole molecules (MISC.mol_idxs)."""


def kind_named(name: str) -> UncertaintyKind:
    """What is known of a kind of score in the store; the deviation of forces for one that was not noted."""
    if name == BETWEEN_MOLECULES:
        return UncertaintyKind(FORCE_UNIT, "force deviation of a molecule")
    return UNCERTAINTIES.get(name, UncertaintyKind(FORCE_UNIT, "committee deviation"))
