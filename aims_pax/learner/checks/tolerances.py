"""How far a model may be from the reference where the two are compared."""

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Differences:
    """What a model and the reference differ by in one structure; NaN where that can't be told.

    Parameters
    ----------
    ediff : float, eV/atom
        Of the energy, absolute.
    fmax : float, eV/Å
        Of the force component that differs most, absolute.
    frmse : float, eV/Å
        Root mean square over all force components.
    vmax : float or None, eV/atom
        Of the component of the virial per atom that differs most, absolute; None where one of them gives no stress.
    """

    ediff: float
    fmax: float
    frmse: float
    vmax: float | None = None

    def __str__(self) -> str:
        said = f"{1000 * self.ediff:.1f} meV/atom, forces {1000 * self.fmax:.0f} meV/Å at most, "
        said += f"{1000 * self.frmse:.0f} RMS"
        return said if self.vmax is None else f"{said}, virial {1000 * self.vmax:.1f} meV/atom"


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What these may be, in the same units; None: not looked at.

    Notes
    -----
    Keys and rule of hybrid-md: all that are set must hold, each strictly.
    """

    ediff: float | None = None
    fmax: float | None = None
    frmse: float | None = None
    vmax: float | None = None

    def broken(self, found: Differences) -> tuple[str, ...]:
        """Names of those that do not hold. One whose difference is no number does not; `vmax` of no stress is off."""
        names = []
        for one in fields(self):
            limit, difference = getattr(self, one.name), getattr(found, one.name)
            if limit is not None and difference is not None and (math.isnan(difference) or difference >= limit):
                names.append(one.name)
        return tuple(names)
