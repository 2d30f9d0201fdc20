"""Work that asks for forces on its way, and a driver that answers."""

from collections.abc import Generator, Mapping
from typing import TypeVar

from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import AnswersLater, Driver

T = TypeVar("T")

Asking = Generator[AtomBatch, tuple[Tensor, Tensor], T]
"""Yields a batch wherever it needs its energies and forces, is sent these, and returns what comes of it in the end."""


def side_by_side(works: Mapping[int, Asking[T]], driver: AnswersLater) -> dict[int, T]:
    """What comes of the work of each trajectory, where every one goes on as soon as its own question is answered."""
    results = dict[int, T]()

    def go_on(trajectory: int, forces: tuple[Tensor, Tensor] | None) -> None:
        work = works[trajectory]
        try:
            driver.ask(next(work) if forces is None else work.send(forces))
        except StopIteration as end:
            results[trajectory] = end.value

    for trajectory in works:
        go_on(trajectory, None)
    while len(results) < len(works):
        for trajectory, forces in driver.answers().items():
            go_on(trajectory, forces)
    return results


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
