"""Work that asks for forces on its way, and a driver that answers."""

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.protocols import AnswersLater, Driver, GivesStress
from aims_pax.sampling.dynamics import Felt
from aims_pax.sampling.dynamics.shape import matrices_of

T = TypeVar("T")


class Question(NamedTuple):
    """What is to be computed: energies and forces of a batch, and its stress where that is wanted."""

    batch: AtomBatch
    want_stress: bool


class Answer(NamedTuple):
    """Energies (B,) in eV, forces (N, 3) in eV/Å, and stress (B, 6) in eV/Å³ where that was wanted."""

    energies: Tensor
    forces: Tensor
    stress: Tensor | None

    @property
    def felt(self) -> Felt:
        """The same in double precision."""
        stress = None if self.stress is None else matrices_of(self.stress.to(torch.float64))
        return Felt(self.energies.to(torch.float64), self.forces.to(torch.float64), stress)


Asking = Generator[Question, Answer, T]
"""Yields a question wherever it needs forces, is sent the answer, and returns what comes of it in the end."""


def side_by_side(works: Mapping[int, Asking[T]], driver: AnswersLater) -> dict[int, T]:
    """What comes of the work of each trajectory, where every one goes on as soon as its own question is answered."""
    results = dict[int, T]()

    def go_on(trajectory: int, answer: Answer | None) -> None:
        work = works[trajectory]
        try:
            driver.ask((next(work) if answer is None else work.send(answer)).batch)
        except StopIteration as end:
            results[trajectory] = end.value

    for trajectory in works:
        go_on(trajectory, None)
    while len(results) < len(works):
        for trajectory, answer in driver.answers().items():
            go_on(trajectory, Answer(*answer))
    return results


def at_once(work: Asking[T], driver: Driver) -> T:
    """What comes of some work whose every question is answered before anything else happens."""
    answer: Answer | None = None
    while True:
        try:
            question = next(work) if answer is None else work.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = answer_of(driver, question)


def answer_of(driver: Driver, question: Question) -> Answer:
    """What a driver says; it must be one that gives stress where that is wanted."""
    if not question.want_stress:
        return Answer(*driver.energies_forces(question.batch), None)
    if not isinstance(driver, GivesStress):
        raise TypeError(f"{type(driver).__name__} gives no stress, and moves no cells")
    return Answer(*driver.energies_forces_stress(question.batch))
