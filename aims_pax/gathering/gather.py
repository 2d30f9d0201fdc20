"""Finished outputs made into one set: found, read, judged, compared, divided, written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from aims_pax.errors import Problem, StructureError, UserError
from aims_pax.frame import FloatArray, Split
from aims_pax.gathering.agreement import Use, agreement_of
from aims_pax.gathering.division import Division, Shares, divided
from aims_pax.gathering.duplicates import Twin, lesser_free_atoms, twins
from aims_pax.gathering.energies import far_energies
from aims_pax.gathering.finding import Found, find, known_kinds
from aims_pax.gathering.gathered import Composition, Gathered, Picture
from aims_pax.gathering.judgement import Limits
from aims_pax.gathering.meshes import Density, density_of_mesh, density_of_spacing, empty_directions
from aims_pax.gathering.origins import Origins, origins_of
from aims_pax.gathering.reading import Reading
from aims_pax.gathering.reasons import LeftOut, Note, Reason
from aims_pax.gathering.spool import Row, spooled
from aims_pax.gathering.wanted import Wanted
from aims_pax.gathering.writing.formats import Format
from aims_pax.gathering.writing.output import Order, write_all
from aims_pax.gathering.writing.structures import Content, Kept

Draw = Callable[[Path, Picture], None]
"""Draws the figure of a set."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be gathered, and how.

    Parameters
    ----------
    paths : sequence of Path
        Folders and files.
    out : Path
        What is written.
    form : Format
    wanted : Wanted
    shares : Shares or None
        None: the set is not divided.
    seed : int
        Of the division.
    limits : Limits
    is_mixed : bool
        Whether structures of different methods may be in one set.
    is_dry_run : bool
        Whether nothing is written.
    """

    paths: Sequence[Path]
    out: Path
    form: Format = Format.EXTXYZ
    wanted: Wanted = field(default_factory=lambda: Wanted(every=1))
    shares: Shares | None = None
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    is_mixed: bool = False
    is_dry_run: bool = False


def gather(request: Request, *, show: Callable[[str], None], draw: Draw | None = None) -> Gathered:
    """Read and judge everything, and write what is a set.

    What is no set (:attr:`Gathered.is_refused`) is not written, and is the result all the same.

    Parameters
    ----------
    request : Request
    show : callable
        Is told where it stands.
    draw : callable or None
        None: no figure is written.

    Raises
    ------
    UserError
        Nothing is there to be read, or the set can't be written.
    """
    show("looking for outputs")
    found = find(request.paths)
    if not found.outputs:
        said = f"None of {found.n_unknown} files is an output that is known." if found.n_unknown else "No file is here."
        advice = "Name folders with finished calculations, or their files."
        raise StructureError(Problem(str(found.root), said, f"outputs of {known_kinds()}", advice))
    with spooled(None if request.is_dry_run else request.out.absolute().parent) as spool:
        reading = Reading(request.wanted, request.limits, spool, show)
        for output in found.outputs:
            reading.read_calculation(output, found.others_of(output), n_outputs=len(found.outputs))
        show("comparing structures")
        return _Set(request, found, reading).concluded(show, draw)


@dataclass(slots=True)
class _Set:
    """All that was read, on its way to become one set."""

    request: Request
    found: Found
    reading: Reading

    def concluded(self, show: Callable[[str], None], draw: Draw | None) -> Gathered:
        """The set, which is written if it is one."""
        spool, methods = self.reading.spool, self.reading.methods
        methods.settle()
        agreement = agreement_of(list(self._uses()))
        same = [*twins(spool, methods.ids), *lesser_free_atoms(spool, methods.ids)]
        for twin in same:
            self._leave_out(twin)
        origins = origins_of(spool, self.reading.outputs, self._same_files(same))
        gone = {twin.index for twin in same}
        rows = [row for index, row in enumerate(spool.rows) if index not in gone]
        formulas = [_formula(kind.numbers.tolist()) for kind in spool.kinds]
        labelled = [row for row in rows if not row.is_free_atom]
        n_atoms = [len(kind.numbers) for kind in spool.kinds]
        self.reading.notes += far_energies(labelled, formulas, n_atoms, settings=methods.ids)
        self.reading.notes += self._charges(labelled)
        division = self._division(rows, origins)
        gathered = Gathered(
            root=self.found.root,
            accounts=tuple(self.reading.accounts),
            left_out=tuple(self.reading.left_out),
            notes=tuple(self.reading.notes),
            compositions=_compositions(labelled, formulas, n_atoms, origins=origins),
            free_atoms_ev=self._free_atoms(rows),
            agreement=agreement,
            picture=self._picture(labelled, formulas, n_atoms),
            passed_over=self._passed_over(),
            n_unknown=self.found.n_unknown,
            unreadable=self.found.unreadable,
            division=division,
            is_mixed=self.request.is_mixed,
        )
        if self.request.is_dry_run or gathered.is_refused:
            return gathered
        content = self._content(rows, formulas, origins, division)
        return replace(gathered, written=self._written(content, gathered, show, draw))

    def _passed_over(self) -> tuple[tuple[str, str], ...]:
        """Names of outputs that were not read, each with that of the better one."""
        read = {output.name for output in self.reading.outputs}
        return tuple((one.name, better.name) for one, better in self.found.passed_over if one.name not in read)

    def _uses(self) -> Iterator[Use]:
        """By which methods each output was computed."""
        spool, methods = self.reading.spool, self.reading.methods
        groups: dict[tuple[int, int, int], list[Row]] = {}
        for row in spool.rows:
            groups.setdefault((row.file, row.method, row.kind), []).append(row)
        for (file, number, kind), rows in groups.items():
            account, atoms = self.reading.accounts[file], spool.kinds[kind].numbers.tolist()
            yield Use(
                file=account.name,
                kind=account.kind,
                method=methods.known[number],
                formula=_formula(atoms),
                elements=frozenset(chemical_symbols[one] for one in atoms),
                n=len(rows),
                is_free_atom=rows[0].is_free_atom,
                is_periodic=bool(spool.kinds[kind].pbc.any()),
                density=self._density(rows[0], number),
            )

    def _density(self, row: Row, method: int) -> Density | None:
        known, pbc = self.reading.methods.known[method], self.reading.spool.kind_of(row).pbc
        if not pbc.all():
            return None
        if known.k_spacing is not None:
            return density_of_spacing(known.k_spacing)
        if known.mesh is None:
            return None
        numbers = self.reading.spool.numbers_of(row)
        return density_of_mesh(known.mesh, numbers.cell, empty_directions(numbers.positions, numbers.cell))

    def _leave_out(self, twin: Twin) -> None:
        spool = self.reading.spool
        row, other = spool.rows[twin.index], spool.rows[twin.of]
        there = f"{self.reading.accounts[other.file].name} step {other.step}"
        reason = Reason.FREE_ATOM if row.is_free_atom else Reason.DUPLICATE
        self.reading.left_out.append(LeftOut(row.file, row.step, reason, there))
        if twin.is_contrary:
            said = "another energy of a structure that is there already, by the same settings"
            detail = f"{twin.energy_apart_ev:+.3g} eV beside {there}"
            self.reading.notes.append(Note(row.file, row.step, said, detail, is_grave=True))

    def _same_files(self, same: Sequence[Twin]) -> Iterator[tuple[int, int]]:
        """Outputs that hold a structure that another has come to; a start that they share says nothing."""
        rows = self.reading.spool.rows
        for row, other in ((rows[twin.index], rows[twin.of]) for twin in same):
            if not row.is_free_atom and (row.step > 1 or other.step > 1):
                yield row.file, other.file

    def _charges(self, rows: Sequence[Row]) -> Iterator[Note]:
        """What is told where structures of several charges are in one set."""
        counts = Counter(row.charge for row in rows if row.charge is not None)
        if len(counts) < 2:
            return
        usual = counts.most_common(1)[0][0]
        first = next(row for row in rows if row.charge not in (None, usual))
        detail = ", ".join(f"{n} of charge {charge:+d}" for charge, n in counts.most_common())
        said = "structures of several charges: one model learns all of them only if it is told the charge"
        yield Note(first.file, first.step, said, detail)

    def _free_atoms(self, rows: Sequence[Row]) -> dict[str, float]:
        kinds = self.reading.spool.kinds
        atoms = {int(kinds[row.kind].numbers[0]): row.energy for row in rows if row.is_free_atom}
        return {chemical_symbols[number]: energy for number, energy in sorted(atoms.items())}

    def _division(self, rows: Sequence[Row], origins: Origins) -> Division | None:
        if self.request.shares is None:
            return None
        groups = Counter(origins.of(row.file) for row in rows if not row.is_free_atom)
        return divided(groups, self.request.shares, seed=self.request.seed)

    def _picture(self, rows: Sequence[Row], formulas: Sequence[str], n_atoms: Sequence[int]) -> Picture:
        """What is drawn: energies about the median of those that have one zero."""
        ids = self.reading.methods.ids
        energies: dict[str, list[float]] = {}
        forces: dict[str, list[float]] = {}
        alike: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            method = ids[row.method] if self.request.is_mixed else ""
            alike.setdefault((formulas[row.kind], method), []).append(row)
        for (formula, _), mine in alike.items():
            values = np.array([row.energy / n_atoms[row.kind] for row in mine])
            energies.setdefault(formula, []).extend(values - np.median(values))
            forces.setdefault(formula, []).extend(row.max_force for row in mine)
        left_out = Counter(str(one.reason) for one in self.reading.left_out)
        return Picture(_arrays(energies), _arrays(forces), left_out)

    def _content(
        self, rows: Sequence[Row], formulas: Sequence[str], origins: Origins, division: Division | None
    ) -> Content:
        kept: list[Kept] = []
        for row in rows:
            if division is None:
                split = None
            elif row.is_free_atom:
                split = Split.TRAINING
            else:
                split = division.places.get(origins.of(row.file))
            if division is None or split is not None:
                kept.append(Kept(len(kept) + 1, row, split))
        names = [account.name for account in self.reading.accounts]
        return Content(
            self.reading.spool,
            self.reading.methods,
            names,
            formulas,
            {file: names[origins.of(file)] for file in {row.file for row in rows}},
            kept,
        )

    def _written(
        self, content: Content, gathered: Gathered, show: Callable[[str], None], draw: Draw | None
    ) -> tuple[Path, ...]:
        request = self.request
        facts = {
            "steps": str(request.wanted),
            "max_force_ev_per_ang": request.limits.max_force_ev_per_ang,
            "mixed": request.is_mixed,
            "seed": None if request.shares is None else request.seed,
        }
        try:
            return write_all(Order(request.out, request.form, facts, draw), content, gathered, show=show)
        except OSError as error:
            found = f"The set can't be written ({error.strerror or error})."
            raise UserError(Problem(f"--out {request.out}", found, "a folder that you may write to")) from error


def _formula(numbers: Sequence[int]) -> str:
    """Hill's: C2H6O."""
    from ase.formula import Formula
    from ase.symbols import Symbols

    return str(Formula(str(Symbols(numbers))).format("hill"))


def _compositions(
    rows: Sequence[Row], formulas: Sequence[str], n_atoms: Sequence[int], *, origins: Origins
) -> tuple[Composition, ...]:
    by_formula: dict[str, list[Row]] = {}
    for row in rows:
        by_formula.setdefault(formulas[row.kind], []).append(row)
    found = [
        Composition(
            formula,
            n_atoms[mine[0].kind],
            len(mine),
            len({row.file for row in mine}),
            len({origins.of(row.file) for row in mine}),
        )
        for formula, mine in by_formula.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.n_structures))


def _arrays(values: Mapping[str, list[float]]) -> dict[str, FloatArray]:
    return {name: np.array(mine) for name, mine in sorted(values.items(), key=lambda item: -len(item[1]))}
