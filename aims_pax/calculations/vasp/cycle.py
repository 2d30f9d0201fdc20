"""Whether the electrons of one step converged, and what else its energies tell."""

from dataclasses import dataclass
from typing import Final

from aims_pax.calculations.step import Convergence

ENTROPY_EV: Final = 1e-3
"""T S of one atom, from which on the choice among the energies that VASP prints matters."""

LEARNED: Final = "it is of a machine-learned force field"
NO_CYCLE: Final = "no electronic cycle is told of it: it may be of a force field"


@dataclass(frozen=True, slots=True)
class Cycle:
    """How the electronic loop of one step ended.

    VASP 4.6 and 5 print "aborting loop because EDIFF is reached" also when NELM ran out: the cycles are counted.

    Parameters
    ----------
    n_cycles : int
    limit : int or None
        NELM.
    threshold : float or None, eV
        EDIFF.
    changes : tuple of float, eV
        What the last cycle changed.
    """

    n_cycles: int
    limit: int | None
    threshold: float | None
    changes: tuple[float, ...] = ()

    @property
    def convergence(self) -> Convergence:
        """By the number of cycles; at their limit by the last change."""
        if self.n_cycles == 0 or self.limit is None or self.limit < 1:
            return Convergence.NOT_STATED
        if self.n_cycles < self.limit:
            return Convergence.REACHED
        if self.n_cycles > self.limit:
            return Convergence.NOT_STATED
        is_met = self.threshold is not None and bool(self.changes) and max(map(abs, self.changes)) < self.threshold
        return Convergence.AT_LIMIT if is_met else Convergence.NOT_REACHED


def entropy_remark(free: float | None, internal: float | None, n_atoms: int | None) -> tuple[str, ...]:
    """What is to be told of a step whose electrons are smeared so much that its energies differ."""
    if free is None or internal is None or not n_atoms or abs(free - internal) / n_atoms <= ENTROPY_EV:
        return ()
    share = 1000 * abs(free - internal) / n_atoms
    return (
        f"The entropy of the smeared electrons is {share:.1f} meV an atom: energies of other smearing are of another "
        "surface",
    )
