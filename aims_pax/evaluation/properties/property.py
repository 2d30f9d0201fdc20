"""What a property of a material is: how it is asked for, and what comes of asking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from aims_pax.errors import AimsPaxError, Problem
from aims_pax.frame import FloatArray, Frame

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.evaluation.properties.specimen import Specimen


class Unmeasurable(AimsPaxError):
    """A number can't be had from this structure by this method; the message says why. It ends as a value."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number.

    Parameters
    ----------
    key : str
        Its name in files, with the unit last: ``bulk_modulus_gpa``.
    words : str
        Its name for a person: ``bulk modulus``.
    unit : str
    value : float
    least : float
        In `unit`. A deviation from a reference nearer to zero than this is not told in percent.
    is_of_phase : bool
        Whether its zero is a convention, such as that of an energy: only differences between phases mean something.
    is_detail : bool
        Whether it stands in files alone, and not in the table.
    blocks : tuple of float
        The same of independent parts of what was measured, whose mean is `value`; they tell how sure it is. Empty where
        nothing of it is chance.
    """

    key: str
    words: str
    unit: str
    value: float
    least: float = 0.0
    is_of_phase: bool = False
    is_detail: bool = False
    blocks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What one method says in one panel of a figure.

    Parameters
    ----------
    x : (n,)
    y : (n,) or (n, k)
        k lines in the same colour.
    marks : bool
        Points that were computed, beside a curve that was laid through them.
    half_width : (n,) or None
        Half of the 95 % interval of each value; None where nothing of it is chance.
    """

    x: FloatArray
    y: FloatArray
    marks: bool = False
    half_width: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One panel of a figure, with the lines of one method.

    Parameters
    ----------
    key : str
        Panels of the same key are drawn over each other.
    title, x_label, y_label : str
        Axes with their units; ticks have names instead of numbers where `ticks` are given.
    lines : tuple of Line
    ticks : tuple of float and str
        Special places of the x axis.
    difference_unit : str
        Of the difference of two curves, where every method has the same x; else empty.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    difference_unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What came of a property.

    Parameters
    ----------
    quantities : tuple of Quantity
    panels : tuple of Panel
        Of a figure; empty where numbers are all.
    remarks : tuple of str
        Sentences that a reader of the numbers should know.
    geometries : mapping of str to Atoms
        Structures that another method may judge, by what :meth:`Judged.judged` calls them.
    course : tuple of sequences of Frame
        Runs of atoms that moved, of which :meth:`Together.together` makes numbers.
    has_own_noise : bool
        Whether these were moved by noise that other methods did not have: pieces of both are no pairs.
    """

    quantities: tuple[Quantity, ...]
    panels: tuple[Panel, ...] = ()
    remarks: tuple[str, ...] = ()
    geometries: "Mapping[str, Atoms]" = field(default_factory=dict)
    course: tuple[Sequence[Frame], ...] = ()
    has_own_noise: bool = False

    def __post_init__(self) -> None:
        wrong = [one.words for one in self.quantities if not np.isfinite(one.value)]
        if wrong:
            raise Unmeasurable(f"no finite number came out for {', '.join(wrong)}")


class Lack(StrEnum):
    """Why there are no numbers."""

    UNFIT = "not for this structure"
    """The property makes no sense here, whatever computes it."""
    FAILED = "failed"
    """The method did not come to a result."""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """No numbers, and why.

    Parameters
    ----------
    lack : Lack
    reason : str
    """

    lack: Lack
    reason: str

    def __str__(self) -> str:
        return f"{self.lack}: {self.reason}"


class Property(Protocol):
    """A property of a material, with its own settings: a frozen value.

    One that offers :class:`Judged` besides is asked what another method says of the same geometries.
    """

    NAME: ClassVar[str]
    """As it is asked for: ``elastic``."""
    TITLE: ClassVar[str]
    """For a person: ``elastic constants``."""

    def problems(self) -> list[Problem]:
        """What this installation lacks for it, and settings of it that can't be."""
        ...

    def unfit(self, atoms: "Atoms") -> str | None:
        """Why it makes no sense for this structure; None where it does. Cheap, and computes nothing."""
        ...

    def measure(self, specimen: "Specimen") -> Measured:
        """Its numbers.

        Raises
        ------
        Unmeasurable
            They can't be had: a relaxation does not converge, a cell explodes, the method lacks what is needed.
        """
        ...


class Usual:
    """A property that needs nothing beyond this package."""

    __slots__ = ()

    def problems(self) -> list[Problem]:
        """None."""
        return []


class AsGiven:
    """A property of the structure as it was given: it needs no relaxed one."""

    __slots__ = ()


@runtime_checkable
class Judged(Protocol):
    """A property whose geometries by one method can be computed by another one."""

    def judged(self, geometries: "Mapping[str, Atoms]", specimen: "Specimen") -> tuple[Quantity, ...]:
        """What the method of `specimen` says of geometries that another one has relaxed.

        Raises
        ------
        Unmeasurable
            It can't compute them.
        """
        ...


@runtime_checkable
class Together(Protocol):
    """A property whose numbers rest on something that all methods share, and that is known when all were measured."""

    def together(self, found: Sequence[Measured]) -> list[Measured]:
        """The same of each method, in their order, with numbers and curves that are made alike."""
        ...


def measured(wanted: Property, specimen: "Specimen") -> Measured | Unmeasured:
    """What comes of a property: what can go wrong with a structure or a method is a value."""
    reason = wanted.unfit(specimen.atoms)
    if reason is not None:
        return Unmeasured(Lack.UNFIT, reason)
    try:
        return wanted.measure(specimen)
    except Unmeasurable as error:
        return Unmeasured(Lack.FAILED, str(error))
