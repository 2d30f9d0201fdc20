"""Elements from a POSCAR beside an OUTCAR that does not tell them all."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.calculations.vasp.head import Head
from aims_pax.calculations.vasp.potential import element_of
from aims_pax.calculations.vasp.run import Run
from aims_pax.frame import FloatArray

NAMES: Final = ("POSCAR", "CONTCAR")
SAME: Final = 1e-5
"""Fractional coordinates, which OUTCAR prints with eight decimals."""


def companions(path: Path) -> tuple[Path, ...]:
    """Files beside an OUTCAR that may tell its elements."""
    return tuple(one for name in NAMES if (one := path.parent / name).is_file())


def completed(head: Head, path: Path) -> tuple[Run, tuple[str, ...]]:
    """A run with the numbers of its atoms, and what is to be told of where they are from.

    OUTCAR has room for ten counts of atoms. A POSCAR or CONTCAR beside it is believed where it has this run's first
    geometry, as many kinds of atoms as there are potentials, and the same elements in their order.
    """
    run = head.run
    if run.numbers is not None or not run.titles:
        return run, ()
    for companion in companions(path):
        counts = _counts(companion, run, head.fractional)
        if counts is not None:
            return replace(run, counts=counts), (
                f"OUTCAR does not tell how many atoms each of its {len(run.titles)} potentials has: taken from "
                f"{companion.name} beside it, whose geometry is the first of the run.",
            )
    if run.n_atoms is None:
        return run, ("Elements can't be known: OUTCAR stops before it counts atoms.",)
    told = sum(run.counts or ())
    return run, (
        f"Elements can't be known: of {run.n_atoms} atoms and {len(run.titles)} potentials OUTCAR counts {told} atoms "
        "only, and no POSCAR or CONTCAR of this run lies beside it. vasprun.xml tells all.",
    )


def _counts(path: Path, run: Run, fractional: FloatArray | None) -> tuple[int, ...] | None:
    from ase.io.vasp import read_vasp

    if fractional is None:
        return None
    try:
        atoms = read_vasp(str(path))
        words = path.read_text().splitlines()[5:7]
        symbols, counts = words[0].split(), tuple(int(word) for word in words[1].split())
    except (OSError, ValueError, IndexError, KeyError, AttributeError, RuntimeError):
        return None
    away = atoms.get_scaled_positions(wrap=False)
    if away.shape != fractional.shape or len(symbols) != len(run.titles) or len(counts) != len(symbols):
        return None
    away = away - fractional
    is_same = bool((abs(away - np.round(away)) < SAME).all())
    elements = np.repeat([element_of(title) or 0 for title in run.titles], counts)
    return counts if is_same and np.array_equal(elements, atoms.numbers) else None
