"""What was gathered: tables, and everything that is to be said of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Final

from aims_pax.errors import Problem, StructureError, UserError
from aims_pax.frame import FloatArray, Split
from aims_pax.gathering.agreement import Agreement
from aims_pax.gathering.division import Division
from aims_pax.gathering.reading import Account
from aims_pax.gathering.reasons import LeftOut, Note, Reason

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
"""What may differ in remarks that say the same."""

WIDTH: Final = 100
"""Columns of the terminal that tables take."""

MAX_ROWS: Final = 15
"""Rows of a table in the terminal."""

BY_DETAIL: Final = (Reason.FLAWED, Reason.MISSING, Reason.NO_STEP, Reason.READER_FAILED, Reason.UNREADABLE)
"""Reasons of which what is particular says more than the reason."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Structures of one composition.

    Parameters
    ----------
    formula : str
    n_atoms, n_structures, n_files, n_groups : int
        Groups: of structures that come from one another.
    """

    formula: str
    n_atoms: int
    n_structures: int
    n_files: int
    n_groups: int


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What the figure shows.

    Parameters
    ----------
    energies_ev_per_atom : mapping of str to (n,)
        By composition, from the median of it; where methods are mixed, of it by each of them.
    max_forces_ev_per_ang : mapping of str to (n,)
        By composition.
    left_out : mapping of str to int
        Steps by reason.
    """

    energies_ev_per_atom: Mapping[str, FloatArray]
    max_forces_ev_per_ang: Mapping[str, FloatArray]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A set of finished calculations. Printed it is its tables, and all that is to be said.

    Parameters
    ----------
    root : Path
        The folder from which names of outputs count.
    accounts : tuple of Account
        By output.
    left_out : tuple of LeftOut
    notes : tuple of Note
    compositions : tuple of Composition
        The largest first.
    free_atoms_ev : mapping of str to eV
        Energies of free atoms by element.
    agreement : Agreement
    picture : Picture
    passed_over : tuple of (str, str)
        Further outputs of calculations, each with the one that was read.
    n_unknown : int
        Files that are no outputs.
    unreadable : tuple of str
        Folders that could not be looked into.
    division : Division or None
    is_mixed : bool
        Whether a set of several methods was insisted on.
    written : tuple of Path
    """

    root: Path
    accounts: tuple[Account, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[Note, ...]
    compositions: tuple[Composition, ...]
    free_atoms_ev: Mapping[str, float]
    agreement: Agreement
    picture: Picture
    passed_over: tuple[tuple[str, str], ...] = ()
    n_unknown: int = 0
    unreadable: tuple[str, ...] = ()
    division: Division | None = None
    is_mixed: bool = False
    written: tuple[Path, ...] = field(default=())

    @property
    def n_structures(self) -> int:
        """In the set, free atoms among them."""
        return sum(one.n_structures for one in self.compositions) + len(self.free_atoms_ev)

    @property
    def is_refused(self) -> bool:
        """Whether it is no set."""
        return not self.n_structures or bool(self.agreement.differences and not self.is_mixed)

    def require_set(self) -> None:
        """Refuse what is no set.

        Raises
        ------
        StructureError
            Nothing can be learned.
        UserError
            Its structures were computed by different methods.
        """
        if not self.n_structures:
            reasons = ", ".join(dict.fromkeys(str(one.reason) for one in self.left_out))
            found = f"No step of {len(self.accounts)} outputs can be learned: {reasons}."
            raise StructureError(Problem(str(self.root), found))
        if self.is_refused:
            raise UserError(self.agreement.differences)

    def text(self) -> str:
        """The tables, and everything that is to be said."""
        parts = [
            self._outputs_text(),
            self._compositions_text(),
            self._left_out_text(),
            *self._told(),
            self._division_text(),
        ]
        return "\n\n".join(part for part in parts if part)

    def __str__(self) -> str:
        return self.text()

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """All that was left out or told, as in the file beside the set: file, step, what, reason, detail."""
        for one in self.left_out:
            step = "" if one.step is None else str(one.step)
            yield self.accounts[one.file].name, step, "left out", str(one.reason), one.detail
        for note in self.notes:
            step = "" if note.step is None else str(note.step)
            yield self.accounts[note.file].name, step, "warned" if note.is_grave else "told", note.said, note.detail

    def _outputs_text(self) -> str:
        by_kind: dict[tuple[str, str], list[Account]] = {}
        for one in self.accounts:
            by_kind.setdefault((one.program, one.kind), []).append(one)
        lost: dict[int, int] = {}
        for one_left in self.left_out:
            if one_left.reason in (Reason.DUPLICATE, Reason.FREE_ATOM):
                lost[one_left.file] = lost.get(one_left.file, 0) + 1
        kept = {one.name: one.n_kept - lost.get(number, 0) for number, one in enumerate(self.accounts)}
        rows = [("program", "output", "files", "steps", "asked for", "in the set")]
        rows += [
            (
                program,
                kind,
                str(len(mine)),
                str(sum(one.n_steps for one in mine)),
                str(sum(one.n_wanted for one in mine)),
                str(sum(kept[one.name] for one in mine)),
            )
            for (program, kind), mine in by_kind.items()
        ]
        besides = ["1 file is no output."] if self.n_unknown == 1 else []
        besides += [f"{self.n_unknown} files are no outputs."] if self.n_unknown > 1 else []
        if self.passed_over:
            name, read = self.passed_over[0]
            besides.append(f"{_files(len(self.passed_over))} of the same calculations passed over: {name} for {read}.")
        besides += [f"A folder can't be looked into: {said}." for said in self.unreadable]
        return "\n".join([aligned(rows, n_texts=2), *besides])

    def _compositions_text(self) -> str:
        shown = self.compositions[:MAX_ROWS]
        rows = [("composition", "atoms", "structures", "files", "groups")]
        rows += [
            (one.formula, str(one.n_atoms), str(one.n_structures), str(one.n_files), str(one.n_groups)) for one in shown
        ]
        more = len(self.compositions) - len(shown)
        lines = [aligned(rows, n_texts=1)] if self.compositions else []
        lines += [f"and {more} more compositions"] if more else []
        if self.free_atoms_ev:
            atoms = ", ".join(f"{element} {energy:.4f} eV" for element, energy in self.free_atoms_ev.items())
            lines.append(f"free atoms, which tell E0: {atoms}")
        return "\n".join(lines)

    def _left_out_text(self) -> str:
        groups: dict[tuple[Reason, str], list[LeftOut]] = {}
        for one in self.left_out:
            groups.setdefault((one.reason, one.detail if one.reason in BY_DETAIL else ""), []).append(one)
        lines = [f"{'steps':>8}  {'files':>5}  left out"] if groups else []
        for (reason, detail), mine in sorted(groups.items(), key=lambda item: -len(item[1]))[:MAX_ROWS]:
            said = f"{reason}: {detail}" if detail else str(reason)
            first = mine[0]
            where = self._where(first.file, first.step)
            where += f": {first.detail}" if first.detail and reason not in BY_DETAIL else ""
            n_steps = sum(one.step is not None for one in mine)
            counts = f"{n_steps or '':>8}  {len({one.file for one in mine}):>5}  "
            lines += [_wrapped(counts, said), _wrapped(" " * len(counts), f"such as {where}")]
        more = len(groups) - MAX_ROWS
        return "\n".join([*lines, *([f"and {more} more reasons"] if more > 0 else [])])

    def _where(self, file: int, step: int | None) -> str:
        return self.accounts[file].name + ("" if step is None else f" step {step}")

    def _told(self) -> Iterator[str]:
        groups: dict[tuple[bool, str], list[Note]] = {}
        for note in self.notes:
            groups.setdefault((note.is_grave, _NUMBER.sub("#", note.said)), []).append(note)
        for (is_grave, _), mine in sorted(groups.items(), key=lambda item: (not item[0][0], -len(item[1]))):
            files = _files(len({note.file for note in mine}))
            n_steps = sum(note.step is not None for note in mine)
            counted = f"{n_steps} steps of {files}" if n_steps > 1 else f"1 step of {files}" if n_steps else files
            first = mine[0]
            example = self._where(first.file, first.step) + (f": {first.detail}" if first.detail else "")
            yield f"{'Warning: ' if is_grave else ''}{counted}: {first.said}.\n  such as {example}"
        for remark in self.agreement.remarks:
            yield str(remark)
        if self.is_mixed:
            for difference in self.agreement.differences:
                yield str(Problem(f"mixed: {difference.where}", difference.found))

    def _division_text(self) -> str:
        if self.division is None:
            return ""
        rows = [("set", "asked for", "structures", "groups")]
        rows += [
            (str(split), str(wanted), str(self.division.counts[split]), str(self.division.n_groups[split]))
            for split, wanted in self.division.wanted.items()
            if wanted or self.division.counts[split] or split is not Split.TEST
        ]
        return "\n".join([aligned(rows, n_texts=1), *(str(remark) for remark in self.division.remarks())])


def aligned(rows: Sequence[Sequence[str]], *, n_texts: int) -> str:
    """Rows as lines of a table: the first columns are texts, the others numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:n_texts], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(row[n_texts:], widths[n_texts:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _wrapped(before: str, text: str) -> str:
    """A text with what stands before it, its further lines below its first one."""
    return fill(text, WIDTH, initial_indent=before, subsequent_indent=" " * len(before), break_on_hyphens=False)


def _files(n: int) -> str:
    return "1 file" if n == 1 else f"{n} files"
