"""The structures with the largest errors, as the page's own viewer draws them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.frame import Frame
from aims_pax.page.comparison import Compared, Comparison
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.structures.composition import BOND_FACTOR, formula

MOST_STRUCTURES: Final = 8

MOST_ATOMS: Final = 2000
"""Larger structures are left out: they would be slow to turn."""


def worst_of(comparison: Comparison) -> list[Compared]:
    """The structures with the largest errors of any atom's force, the worst one first."""
    rows = [row for row in comparison.rows if row.frame.n_atoms <= MOST_ATOMS]
    return sorted(rows, key=lambda row: -float(row.atomic_error.max()))[:MOST_STRUCTURES]


def drawn_structures(rows: Sequence[Compared]) -> list[dict[str, Any]]:
    """What the viewer is given of each structure: places (Å) about their middle, bonds, cell, sizes and colours."""
    return [_drawn(row) for row in rows]


def _drawn(row: Compared) -> dict[str, Any]:
    from ase.data import chemical_symbols, covalent_radii
    from ase.data.colors import jmol_colors

    frame, error = row.frame, row.atomic_error
    middle = (frame.positions.max(axis=0) + frame.positions.min(axis=0)) / 2
    if frame.pbc.any():
        middle = frame.cell.sum(axis=0) / 2
    kinds = sorted({int(number) for number in frame.numbers})
    worst = int(error.argmax())
    return {
        "title": f"{frame.system} ({formula(frame)}), label {row.label_id}",
        "words": f"{row.origin}; {_place(frame)}. Largest error "
        f"{1000 * float(error.max()):.0f} meV/Å, on {chemical_symbols[int(frame.numbers[worst])]} {worst}; force MAE "
        f"{1000 * float(np.abs(row.force_error).mean()):.0f} meV/Å.",
        "worst": worst,
        "kinds": {
            str(number): {
                "symbol": chemical_symbols[number],
                "radius": round(float(covalent_radii[number]), 2),
                "colour": "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[number]),
            }
            for number in kinds
        },
        "numbers": frame.numbers.tolist(),
        "positions": np.round(frame.positions - middle, 3).tolist(),
        "bonds": _bonds(frame),
        "cell": [] if not frame.pbc.any() else np.round(_edges(frame) - middle, 3).tolist(),
    }


def _place(frame: Frame) -> str:
    """Where it stands in its trajectory; of what no MD has made, its kind and number."""
    if frame.trajectory == NO_TRAJECTORY:
        return f"{frame.config_type.replace('_', ' ') or 'structure'} {frame.md_step}"
    return f"trajectory {frame.trajectory}, MD step {frame.md_step}"


def _bonds(frame: Frame) -> list[list[int]]:
    """Pairs of atoms that are bonded within the drawn cell, by their covalent radii."""
    from ase.neighborlist import natural_cutoffs, neighbor_list

    atoms = atoms_of(frame)
    first, second, shifts = neighbor_list("ijS", atoms, natural_cutoffs(atoms, mult=BOND_FACTOR))
    inside = (first < second) & ~shifts.any(axis=1)
    return np.stack([first[inside], second[inside]], axis=1).tolist()  # type: ignore[no-any-return]


def _edges(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(12, 2, 3), Å: the two ends of each edge of the cell."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64)
    ends = [(a, b) for a in range(8) for b in range(a + 1, 8) if np.abs(corners[a] - corners[b]).sum() == 1]
    edges: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = (corners @ frame.cell)[np.array(ends)]
    return edges
