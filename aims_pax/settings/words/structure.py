"""What a person is told of the structures that were read, before anything is done with them."""

from collections.abc import Iterator, Sequence
from typing import Final

from aims_pax.frame import Frame
from aims_pax.settings.systems import System

MOST_NAMED: Final = 8
"""Structures that are told one by one."""

OXYGEN, SILICON = 8, 14


def account(systems: Sequence[System], *, n_named: int = MOST_NAMED) -> Iterator[str]:
    """A line for each structure: ``acetone: C3H6O, 10 atoms, a molecule``; of many the first ones.

    Parameters
    ----------
    systems : sequence of System
    n_named : int
        Most lines of structures.
    """
    for system in systems[:n_named]:
        yield f"{system.name}: {formula(system.frame)}, {_atoms(system.frame.n_atoms)}, {_kind(system.frame)}"
    if (n_more := len(systems) - n_named) > 0:
        yield f"and {n_more} more"


def doubts_of_driver(systems: Sequence[System]) -> Iterator[str]:
    """What GFN1-xTB, which drives the first MD of crystals, is known to fail at.

    Notes
    -----
    Eight atoms of silicon at 300 K and the Γ point, by tblite 0.8: 60 steps of 1 fs heated them to 2000 K, and another
    run had no converged cycle after 52.
    """
    numbers = {int(number) for one in systems if one.frame.pbc.any() for number in one.frame.numbers}
    if SILICON in numbers and OXYGEN not in numbers:
        yield (
            "Silicon heats up in MD by GFN1-xTB until its cycles no longer converge. Name another driver as "
            "INITIAL_DATASET_GENERATION.foundational_model: mace-mp, or the path of a model by "
            "foundational_model_settings; or let the reference drive by initial_sampling: aimd."
        )


def formula(frame: Frame) -> str:
    """``C3H6O``."""
    from ase import Atoms

    written: str = Atoms(numbers=frame.numbers).get_chemical_formula()
    return written


def _atoms(number: int) -> str:
    return "1 atom" if number == 1 else f"{number} atoms"


def _kind(frame: Frame) -> str:
    n_periodic = int(frame.pbc.sum())
    if n_periodic:
        return {1: "periodic in one direction", 2: "periodic in two directions", 3: "periodic"}[n_periodic]
    return "no pbc, so a molecule" if frame.cell.any() else "no cell, so a molecule"
