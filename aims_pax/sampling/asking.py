"""Work that asks for forces on its way, and a driver that answers."""

from collections.abc import Generator
from typing import TypeVar

from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import Driver

T = TypeVar("T")

Asking = Generator[AtomBatch, tuple[Tensor, Tensor], T]
"""Yields a batch wherever it needs its energies and forces, is sent these, and returns what comes of it in the end."""


def at_once(work: Asking[T], driver: Driver) -> T:
    """What comes of some work whose every question is answered before anything else happens."""
    forces: tuple[Tensor, Tensor] | None = None
    while True:
        try:
            batch = next(work) if forces is None else work.send(forces)
        except StopIteration as end:
            result: T = end.value
            return result
        forces = driver.energies_forces(batch)
