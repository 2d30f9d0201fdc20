"""What all sources share that make structures from others."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, Generic, TypeVar

import numpy as np

from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings.augmentation.augment import AugmentSettings
from aims_pax.settings.augmentation.sources import Room
from aims_pax.settings.section import Section
from aims_pax.structures.augmentation.streams import Streams
from aims_pax.structures.spacing import has_overlaps
from aims_pax.structures.vacuum import with_vacuum

S = TypeVar("S", bound=Section)

RAISE_REDRAWS: Final = "Raise redraws, or lower overlap."


class Begins(StrEnum):
    """Which structures a source begins with."""

    GIVEN = "given"
    """Those that were given, in the cells that they were given in."""
    PREPARED = "prepared"
    """The same as supercells, where these are asked for."""
    MADE = "made"
    """What the sources before it have made."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How structures are drawn.

    Parameters
    ----------
    streams : Streams
    overlap : float
        Sums of covalent radii below which two atoms are too near.
    redraws : int
        How often a structure with such atoms is drawn anew.
    vacuum_ang : float, Å
        Along directions that are not periodic.
    """

    streams: Streams
    overlap: float = 0.5
    redraws: int = 20
    vacuum_ang: float = 15.0

    @classmethod
    def by(cls, settings: AugmentSettings) -> "Drawing":
        """As settings say."""
        return cls.within(settings, settings.seed)

    @classmethod
    def within(cls, room: Room, seed: int) -> "Drawing":
        """As settings say, by a seed."""
        return cls(Streams(seed), room.overlap, room.redraws, room.vacuum)


@dataclass(frozen=True, slots=True)
class Draft:
    """One structure that was asked for.

    Parameters
    ----------
    frame : Frame or None
        None where it can't be made.
    n_rejected : int
        How often it was drawn with atoms too near to each other.
    why : str
        Why there is none, or what is not as it was asked for; empty where all is.
    advice : str
        What brings it.
    name : str
        What it is called among those of its source that are made of one structure; empty where numbers tell them apart.
    """

    frame: Frame | None
    n_rejected: int = 0
    why: str = ""
    advice: str = ""
    name: str = ""


class Augmentation(ABC, Generic[S]):
    """A source whose structures are made from others.

    Parameters
    ----------
    starts : sequence of Frame
        With different names, or of different kinds (`config_type`, `md_step`).
    settings : Section
        Its own.
    drawing : Drawing
    """

    key: ClassVar[str]
    """What `augment` calls it."""
    kind: ClassVar[str]
    """What its frames are called, as their `config_type`."""
    begins: ClassVar[Begins] = Begins.PREPARED

    def __init__(self, starts: Sequence[Frame], settings: S, drawing: Drawing) -> None:
        self.starts, self.settings, self.drawing = tuple(starts), settings, drawing

    @property
    def name(self) -> str:
        """What `augment` calls it."""
        return self.key

    @abstractmethod
    def made_of(self, start: Frame) -> Iterator[Draft]:
        """Each of the structures that are asked for of one structure."""

    def unsuited(self, start: Frame) -> str:
        """Why nothing can be made of a structure, continuing its name: ``has one atom``; empty where something can."""
        return ""

    @property
    def suited(self) -> tuple[Frame, ...]:
        """The structures of which something can be made."""
        return tuple(start for start in self.starts if not self.unsuited(start))

    def problems(self) -> list[Problem]:
        """There is no structure of which it could make anything."""
        where = f"augment.{self.key}"
        if not self.starts:
            return [Problem(where, "There is no structure to make others from.", "", "Give one.")]
        if self.suited:
            return []
        first = self.starts[0]
        others = "" if len(self.starts) == 1 else f", nor of {len(self.starts) - 1} others"
        found = f"Nothing can be made of {first.system}, which {self.unsuited(first)}{others}."
        return [Problem(where, found, "", f"Leave {self.key} out, or give other structures.")]

    def drafts(self) -> Iterator[Draft]:
        """Each of the structures that are asked for, and those that can't be made, without a number.

        Raises
        ------
        StructureError
            For what :meth:`problems` tells.
        """
        if problems := self.problems():
            raise StructureError(problems)
        for start in self.suited:
            yield from self.made_of(start)

    def frames(self) -> Iterator[Frame]:
        """The structures that can be made, numbered from 1.

        Raises
        ------
        StructureError
            For what :meth:`problems` tells.
        """
        made = (draft.frame for draft in self.drafts() if draft.frame is not None)
        for number, frame in enumerate(made, start=1):
            yield replace(frame, md_step=number)

    def stream(self, start: Frame, number: int = 0) -> np.random.Generator:
        """Random numbers of the structure of this number, from 0, that is made of another."""
        origin = start.system if not start.config_type else f"{start.system} {start.config_type} {start.md_step}"
        return self.drawing.streams.of(self.key, origin, number)

    def finished(self, frame: Frame) -> Frame:
        """A structure with its origin, and the vacuum that it is to have."""
        own = replace(
            frame,
            trajectory=NO_TRAJECTORY,
            md_step=0,
            generation=0,
            config_type=self.kind,
            numbers=frame.numbers.copy(),
            positions=frame.positions.copy(),
            cell=frame.cell.copy(),
            pbc=frame.pbc.copy(),
        )
        return with_vacuum(own, self.drawing.vacuum_ang)

    def overlaps(self, frame: Frame) -> bool:
        """Whether atoms of a structure are too near to each other."""
        return has_overlaps(frame, self.drawing.overlap)

    def drawn(self, make: Callable[[], Frame], *, advice: str = RAISE_REDRAWS) -> Draft:
        """The first of several draws of one structure in which no atoms are too near to each other."""
        for n_rejected in range(self.drawing.redraws + 1):
            frame = make()
            if not self.overlaps(frame):
                return Draft(self.finished(frame), n_rejected)
        return Draft(None, self.drawing.redraws + 1, too_near(self.drawing.redraws + 1), advice)


def too_near(n_draws: int) -> str:
    """Why a structure is missing of which each draw had atoms too near to each other."""
    return f"atoms are too near to each other{'' if n_draws == 1 else f' in all {n_draws} draws'}"


def neutral(frame: Frame) -> Frame:
    """A structure of other atoms than the one that it was made from, neutral and with the fewest unpaired electrons.

    Of periodic structures nothing is said: what their electrons do is for the reference to find.
    """
    if frame.pbc.any():
        return replace(frame, charge=None, spin=None)
    return replace(frame, charge=0, spin=1 + int(frame.numbers.sum()) % 2)


def elements_of(starts: Sequence[Frame]) -> tuple[int, ...]:
    """Atomic numbers of all elements of some structures, in their order."""
    return tuple(sorted({int(number) for start in starts for number in start.numbers}))
