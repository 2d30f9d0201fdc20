"""Crystals and methods of which books, or a few lines of one's own, know the properties."""

from typing import Any

from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from aims_pax.evaluation.properties import Measured, Method, Property, Specimen, measured

SIGMA_ANG, EPSILON_EV = 3.4, 0.0104
"""Of argon."""


def effective_medium() -> Method:
    """Metals as ASE has them."""
    calculator = EMT()
    return Method("EMT", lambda _: calculator)


def lennard_jones(**changed: float) -> Method:
    """Pairs that act along the line between them, with an energy that is smooth to its end."""
    chosen: dict[str, Any] = {"sigma": SIGMA_ANG, "epsilon": EPSILON_EV, "rc": 10.0, "smooth": True} | changed
    calculator = LennardJones(**chosen)
    return Method("pairs", lambda _: calculator)


def copper() -> Atoms:
    return bulk("Cu", cubic=True)


def specimen(atoms: Atoms, method: Method) -> Specimen:
    return Specimen("specimen", atoms, method, show=lambda _words: None)


def numbers(wanted: Property, atoms: Atoms, method: Method) -> dict[str, float]:
    """What is measured, by the keys of files."""
    outcome = measured(wanted, specimen(atoms, method))
    assert isinstance(outcome, Measured), outcome
    return {one.key: one.value for one in outcome.quantities}
