"""One output, step by step: judged, and kept in the spool."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from aims_pax.calculations.inputs import KPoints
from aims_pax.calculations.lines import opened
from aims_pax.calculations.method import Method
from aims_pax.calculations.reader import READER_ERRORS
from aims_pax.calculations.step import Closing, Ended, Step
from aims_pax.calculations.work import work_of
from aims_pax.errors import AimsPaxError
from aims_pax.gathering.finding import Output
from aims_pax.gathering.judgement import Limits, is_free_atom, refusal, remarks_on, warnings_on
from aims_pax.gathering.methods import Methods
from aims_pax.gathering.reasons import LeftOut, Note, Reason
from aims_pax.gathering.spool import Spool
from aims_pax.gathering.wanted import Wanted

MAX_RESIDUAL: Final = 0.1
"""Residual of the work from which on it is told, as a part of the change of the energy. Right outputs with small steps
leave less than 0.05; those of another step or another energy leave more than that, and large steps, too."""

MIN_RESIDUAL_EV_PER_ATOM: Final = 1e-4
"""Below, it is what cycles of self-consistency leave."""

MIN_PAIRS: Final = 3
NEVER_TOGETHER: Final = 0.7
"""Residual, as a part of the change, from which on forces say nothing of the energies: grave."""

NOTHING_THERE: Final = frozenset({Reason.UNREADABLE, Reason.READER_FAILED, Reason.NO_STEP})
"""Reasons that say nothing of a calculation, but only of its file."""

SHOWN_EVERY: Final = 200


@dataclass(frozen=True, slots=True)
class Account:
    """What one output has given.

    Parameters
    ----------
    name : str
    program, kind : str
        Of its reader.
    n_steps : int
        That it holds.
    n_wanted : int
        That were asked for.
    n_kept : int
        That passed every judgement of steps for themselves.
    is_whole : bool
        Whether it ends in order.
    relaxed : bool or None
    """

    name: str
    program: str
    kind: str
    n_steps: int = 0
    n_wanted: int = 0
    n_kept: int = 0
    is_whole: bool = True
    relaxed: bool | None = None


@dataclass(slots=True)
class Reading:
    """Everything that was read so far.

    Parameters
    ----------
    wanted : Wanted
    limits : Limits
    spool : Spool
    show : callable
        Is told where it stands.
    """

    wanted: Wanted
    limits: Limits
    spool: Spool
    show: Callable[[str], None]
    methods: Methods = field(default_factory=Methods)
    outputs: list[Output] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def read_calculation(self, output: Output, others: Sequence[Output], *, n_outputs: int) -> None:
        """Read one output, and others of the same calculation only where it holds no step.

        Parameters
        ----------
        output : Output
        others : sequence of Output
            The better ones first.
        n_outputs : int
            Of all calculations, to be told.
        """
        self._read(output, n_outputs)
        for other in others:
            if not self._gave_nothing():
                return
            said = "read in the place of a better output, which gave nothing"
            self._read(other, n_outputs)
            self.notes.append(Note(len(self.accounts) - 1, None, said, self.outputs[-2].name))

    def _gave_nothing(self) -> bool:
        """Whether the output that was read last holds no step."""
        number = len(self.accounts) - 1
        reasons = {one.reason for one in self.left_out if one.file == number}
        return not self.accounts[number].n_kept and reasons <= NOTHING_THERE

    def _read(self, output: Output, n_outputs: int) -> None:
        """Read one output to its end; what is wrong with it is noted."""
        number = len(self.accounts)
        self.outputs.append(output)
        going = _Going(self, number, Account(output.name, output.reader.program, output.reader.kind), n_outputs)
        try:
            with opened(output.path) as lines:
                steps = _Steps(output.reader.steps(lines))
                going.take_all(steps)
                going.end(steps.closing, lines.damage)
        except OSError as error:
            reason = error.strerror or str(error)
            self.left_out.append(LeftOut(number, None, Reason.UNREADABLE, reason))
        except ReaderFailed as error:
            self._forget(number)
            self.left_out.append(LeftOut(number, None, Reason.READER_FAILED, str(error)))
        self.accounts.append(going.account)

    def _forget(self, number: int) -> None:
        """Keep nothing that an output has given so far."""
        self.spool.forget(file=number)
        self.left_out[:] = [one for one in self.left_out if one.file != number]
        self.notes[:] = [note for note in self.notes if note.file != number]


class ReaderFailed(AimsPaxError):
    """A reader has met something that it was not written for."""


class _Steps:
    """Steps of a reader; what it says at the end stays."""

    def __init__(self, going: Iterator[Step]) -> None:
        self._going = going
        self.closing = Closing(Ended.CUT)

    def __iter__(self) -> "_Steps":
        return self

    def __next__(self) -> Step:
        try:
            return next(self._going)
        except StopIteration as end:
            if isinstance(end.value, Closing):
                self.closing = end.value
            raise StopIteration from None
        except READER_ERRORS as error:
            raise ReaderFailed(f"{type(error).__name__}: {error}") from error


@dataclass(slots=True)
class _Going:
    """One output while it is read."""

    reading: Reading
    number: int
    account: Account
    n_outputs: int
    n_steps: int = 0
    n_wanted: int = 0
    n_kept: int = 0
    n_atoms: int = 0
    k_points: KPoints | None = None
    """By the input beside, which is looked into for the first step that tells none."""
    is_asked: bool = False
    before: Step | None = None
    """The step before, where it is sound."""
    work: list[tuple[float, float]] = field(default_factory=list)

    def take_all(self, steps: _Steps) -> None:
        """Judge all steps that are wanted; the path is looked at from end to end."""
        last: Step | None = None
        for step in steps:
            self.n_steps += 1
            self._show()
            verdict = refusal(step, self.reading.limits)
            self._follow(step if verdict is None else None)
            if self.reading.wanted.takes(self.n_steps - 1):
                self._judge(step, verdict)
            last = step
        if self.reading.wanted.is_last and last is not None:
            self._judge(last, refusal(last, self.reading.limits))

    def _show(self) -> None:
        if self.n_steps == 1 or self.n_steps % SHOWN_EVERY == 0:
            kept = f"{len(self.reading.spool.rows)} structures"
            where = f"file {self.number + 1} of {self.n_outputs}, {self.account.name}"
            self.reading.show(f"{where}: step {self.n_steps}; {kept} so far")

    def _follow(self, step: Step | None) -> None:
        """Compare energies with the work between this step and the one before."""
        if step is not None and self.before is not None:
            work = work_of((self.before, step))
            self.work += [(work.residual_ev, work.change_ev)] if work.n_pairs else []
        self.before = step

    def _judge(self, step: Step, verdict: tuple[Reason, str] | None) -> None:
        self.n_wanted += 1
        if verdict is not None:
            self.reading.left_out.append(LeftOut(self.number, self.n_steps, *verdict))
            return
        free = is_free_atom(step)
        method = self.reading.methods.number_of(step.method if free else self._with_k_points(step))
        self.reading.spool.add(step, file=self.number, number=self.n_steps, method=method, is_free_atom=free)
        self.n_kept += 1
        self.n_atoms = 0 if step.numbers is None else len(step.numbers)
        self.reading.notes += [Note(self.number, self.n_steps, *said) for said in remarks_on(step)]
        self.reading.notes += [Note(self.number, self.n_steps, said, is_grave=True) for said in warnings_on(step)]

    def _with_k_points(self, step: Step) -> Method:
        """The method of a step, with the k points of the input that lies beside where the output tells none."""
        method, output = step.method, self.reading.outputs[self.number]
        if method.mesh is not None or method.k_spacing is not None or not any(step.pbc):
            return method
        if not self.is_asked:
            self.is_asked = True
            self.k_points = None if output.reader.k_points is None else output.reader.k_points(output.path)
            if self.k_points is not None:
                said = "it tells no k points: those of the input beside it are taken"
                self.reading.notes.append(Note(self.number, None, said, self.k_points.file))
        if self.k_points is None:
            return method
        return replace(method, mesh=self.k_points.mesh, k_spacing=self.k_points.k_spacing)

    def end(self, closing: Closing, damage: str) -> None:
        """Note what is known only now."""
        notes = [Note(self.number, None, remark.rstrip(".")) for remark in closing.remarks]
        if damage:
            notes.append(Note(self.number, None, damage, is_grave=True))
        if closing.ended is Ended.CUT and self.n_steps:
            notes.append(Note(self.number, None, "not finished: whole steps are taken"))
        if closing.relaxed is False and self.n_kept and "relaxation" not in " ".join(closing.remarks):
            notes.append(Note(self.number, None, "a relaxation that has not reached its criterion"))
        if self.n_kept:
            notes += self._work_notes()
        if not self.n_steps:
            said = "; ".join(closing.remarks) or damage or ("it is cut" if closing.ended is Ended.CUT else "")
            self.reading.left_out.append(LeftOut(self.number, None, Reason.NO_STEP, said.rstrip(".")))
            notes = []
        self.reading.notes += notes
        self.account = replace(
            self.account,
            n_steps=self.n_steps,
            n_wanted=self.n_wanted,
            n_kept=self.n_kept,
            is_whole=closing.ended is Ended.IN_ORDER,
            relaxed=closing.relaxed,
        )

    def _work_notes(self) -> Iterator[Note]:
        if len(self.work) < MIN_PAIRS:
            return
        residual, change = (float(one) for one in np.median(np.array(self.work), axis=0))
        if residual < max(MAX_RESIDUAL * change, MIN_RESIDUAL_EV_PER_ATOM * self.n_atoms):
            return
        detail = f"{residual:.2g} eV where energies change by {change:.2g} eV"
        yield Note(
            self.number,
            None,
            "energies don't follow the work of the forces along the path: large steps, or values of different steps",
            detail,
            is_grave=residual > NEVER_TOGETHER * change,
        )
