"""What may be laid over the forces that drive a trajectory."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from aims_pax.frame import FloatArray

if TYPE_CHECKING:  # those who only name these types need no PyTorch
    import torch
    from torch import Tensor


class Variable(Protocol):
    """A number that says how a structure stands, such as an angle in it: a frozen value."""

    @property
    def period(self) -> float | None:
        """By how much it goes on without anything having changed; None where it never does."""
        ...

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Its vectors, of which it is a function: from which atom, to which.

        From -1: the place of the atom in space, which knows of no periodic image and moves along with no cell. All
        others go to the nearest image.
        """
        ...

    @classmethod
    def together(cls, each: Sequence[Self], device: "torch.device") -> "Callable[[Tensor], Tensor]":
        """Values (K,) of K variables of this kind by all of their vectors (V, 3), Å, in the order of `pairs`.

        PyTorch differentiates it. What one variable is depends to the last bit on its own vectors alone, and its
        derivatives are finite also where they are not defined, as those of an angle of three atoms in line.
        """
        ...


class BiasPotential(Protocol):
    """K biases of one kind, which depend on m values of variables in all."""

    def felt(self, values: "Tensor") -> "tuple[Tensor, Tensor]":
        """Energies (K,), eV, and their derivatives by the values (m,).

        Those of a bias depend to the last bit on its own values alone.
        """
        ...


class Bias(Protocol):
    """A potential over variables of one structure: a frozen value.

    One that learns offers more, and is asked for it by type: :class:`LearningBias`.
    """

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What it depends on."""
        ...

    @classmethod
    def together(cls, each: Sequence[Self], memories: Sequence[FloatArray], device: "torch.device") -> "BiasPotential":
        """Many biases of this kind as one, each by its own settings.

        Parameters
        ----------
        memories : sequence of (n_rows, n_columns) array
            What each has learned; without rows and columns where it does not learn.
        device : torch.device
        """
        ...


@runtime_checkable
class LearningPotential(BiasPotential, Protocol):
    """Biases that add to what they have learned."""

    def lesson(self, values: "Tensor") -> "Tensor":
        """What each would learn where it stands, (K, n), a row of its memory and whatever fills the width.

        It changes the energy there, and no force: forces that are known stay right.
        """
        ...


@runtime_checkable
class LearningBias(Bias, Protocol):
    """A bias that depends on where its trajectory has been, by a memory that the sampler keeps: rows of numbers."""

    @property
    def every_steps(self) -> int:
        """After how many steps under it a row is added."""
        ...

    @property
    def n_columns(self) -> int:
        """Numbers in a row."""
        ...
