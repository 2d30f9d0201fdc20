"""Which elements a committee knows, and where each one stands in its tables."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from ase.data import chemical_symbols
from torch import Tensor

from aims_pax.errors import ModelError, Problem

_N_ELEMENTS = 119


@dataclass(frozen=True, slots=True)
class Elements:
    """The atomic numbers that a model knows, in its own order.

    Parameters
    ----------
    numbers : tuple of int
        Atomic numbers; ascending in models that are built here.
    """

    numbers: tuple[int, ...]

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Elements":
        """The distinct elements among some atomic numbers, ascending."""
        return cls(tuple(sorted({int(number) for number in numbers})))

    def __len__(self) -> int:
        return len(self.numbers)

    def symbols(self) -> str:
        """Chemical symbols, for a person: ``H, C, O``."""
        return ", ".join(chemical_symbols[number] for number in self.numbers)

    def places(self, device: torch.device) -> Tensor:
        """(119,) int64: the place of each atomic number in `numbers`; -1 for unknown ones."""
        return _places(self.numbers, device)

    def require(self, numbers: Iterable[int]) -> None:
        """Check that all atoms are of known elements.

        Raises
        ------
        ModelError
            Naming the elements that the models do not know.
        """
        unknown = sorted({int(number) for number in numbers} - set(self.numbers))
        if unknown:
            names = ", ".join(chemical_symbols[number] for number in unknown)
            raise ModelError(
                Problem(
                    where="models",
                    found=f"do not know the element(s) {names} of a structure",
                    allowed=f"elements {self.symbols()}",
                    advice="Use models that were trained with these elements, or remove the structure.",
                )
            )


@functools.cache
def _places(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    places = torch.full((_N_ELEMENTS,), -1, dtype=torch.int64)
    places[list(numbers)] = torch.arange(len(numbers))
    return places.to(device)
