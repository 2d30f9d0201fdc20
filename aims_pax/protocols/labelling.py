"""What turns frames into labels, and where that happens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aims_pax.frame import Frame, Label, LabelFailure


class Reference(Protocol):
    """A method that turns a frame into a label or a typed failure."""

    @property
    def name(self) -> str:
        """Engine, version and method, as it is stored with every label.

        What only a calculation tells, such as the version of an external program, its label adds after a semicolon.
        """
        ...

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Reasons why this machine can't label such a structure; empty when it can. Cheap, and computes nothing."""
        ...

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """Compute one label. Never raises for what happens inside the engine; may write into `folder`."""
        ...

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """Energy of one free atom in its ground state, eV; None when this method can't tell."""
        ...


class Labeller(Protocol):
    """Has structures labelled for those who can't go on without, such as AIMD; each comes in its own time."""

    def ask(self, frame: Frame) -> None:
        """Have a structure labelled, unless it has a label or is under way; one that failed is tried anew."""
        ...

    def answer(self, frame: Frame) -> Label | LabelFailure | None:
        """What is known of this very structure; None while nothing is."""
        ...

    def wait(self) -> None:
        """Wait until something has come of what was asked for."""
        ...


@dataclass(frozen=True, slots=True)
class LabelJob:
    """One label that is asked for.

    Parameters
    ----------
    label_id : int
        Its number in the run.
    frame : Frame
    folder : Path
        Where it may write.
    attempt : int
        Which try it is, from 1.
    start_before : float or None
        Unix time, s, after which no worker begins it any more, because it could not finish in time.
    is_revocable : bool
        Whether the campaign may take it back as long as no worker has begun it.
    """

    label_id: int
    frame: Frame
    folder: Path
    attempt: int = 1
    start_before: float | None = None
    is_revocable: bool = False


@dataclass(frozen=True, slots=True)
class LabelDone:
    """The answer to one :class:`LabelJob`."""

    label_id: int
    result: Label | LabelFailure


@dataclass(frozen=True, slots=True)
class PoolOutlook:
    """What may be hoped for from a pool.

    Parameters
    ----------
    words : str
        One line: its workers, and what runs and what waits in a queue, with the batch system's reason.
    is_dead : bool
        Whether no answer will ever come.
    """

    words: str
    is_dead: bool


class Pool(Protocol):
    """Where references run."""

    @property
    def n_in_flight(self) -> int:
        """Labels submitted and not yet collected."""
        ...

    @property
    def n_lost(self) -> int:
        """Attempts that were lost with their workers so far, also those that the pool began again by itself."""
        ...

    def submit(self, job: LabelJob) -> None:
        """Start a label as soon as there is room. Returns at once, except for the inline pool."""
        ...

    def collect(self, *, timeout_s: float | None) -> list[LabelDone]:
        """Everything that has finished.

        Blocks until at least one answer is there: at most `timeout_s` seconds, for ever when None, not at all
        when 0. Returns an empty list at once when nothing is in flight, or when it is woken.
        """
        ...

    def withdraw(self, label_id: int) -> None:
        """Wait no longer for a label: its result was found otherwise, or it is wanted no longer."""
        ...

    def wake(self) -> None:
        """Make a :meth:`collect` that blocks return at once, with what there is; the next one, when none blocks.

        May be called from a signal handler and from any thread.
        """
        ...

    def outlook(self) -> PoolOutlook:
        """What may be hoped for. May ask the batch system, and take seconds."""
        ...

    def close(self) -> None:
        """Release the workers; leaves no process behind. May be called twice."""
        ...
