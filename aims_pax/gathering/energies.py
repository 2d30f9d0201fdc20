"""Energies that are far from all others of the same composition."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from aims_pax.gathering.reasons import Note
from aims_pax.gathering.spool import Row

FAR_EV_PER_ATOM: Final = 3.0
"""More than melting or pressing changes an energy by: a wrong zero, or a start that was no structure."""

MIN_STRUCTURES: Final = 3


def far_energies(
    rows: Sequence[Row], formulas: Sequence[str], n_atoms: Sequence[int], *, settings: Sequence[str]
) -> Iterator[Note]:
    """What is told of structures whose energy is far from the median of their composition.

    Parameters
    ----------
    rows : sequence of Row
    formulas : sequence of str
        By kind.
    n_atoms : sequence of int
        By kind.
    settings : sequence of str
        Names of the methods, by their numbers: each has a zero of its own.
    """
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((formulas[row.kind], settings[row.method]), []).append(row)
    for mine in alike.values():
        if len(mine) < MIN_STRUCTURES:
            continue
        energies = np.array([row.energy / n_atoms[row.kind] for row in mine])
        apart = energies - np.median(energies)
        for place in np.flatnonzero(np.abs(apart) > FAR_EV_PER_ATOM).tolist():
            said = f"an energy more than {FAR_EV_PER_ATOM:g} eV an atom from the median of its composition"
            yield Note(mine[place].file, mine[place].step, said, f"{apart[place]:+.1f} eV an atom", is_grave=True)
