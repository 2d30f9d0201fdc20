"""What databases give: their structures, and what is to be said of them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem, StructureError, UserError
from aims_pax.structures.databases import materials, optimade
from aims_pax.structures.databases.entry import Entry, Fact, Sites, Twins, Unusable, frame_of_sites
from aims_pax.structures.databases.key import found_key
from aims_pax.structures.databases.query import Query
from aims_pax.structures.databases.service import Service, address_problems

if TYPE_CHECKING:
    from ase import Atoms

MATERIALS_PROJECT: Final = "mp"
"""What people call the Materials Project; all else is the address of a database that speaks OPTIMADE."""

MAX_TOLD: Final = 5
"""Entries that are named one by one."""

MAX_ROWS: Final = 25

PROVENANCE: Final = ("database", "database_id", "database_url", "database_query", "database_date")
"""Facts of where a structure comes from, which also hold for what is made of it."""

_COLUMNS: Final = {
    "space group": ("mp_space_group", "{}"),
    "eV/atom": ("mp_uncorrected_energy_per_atom", "{:.4f}"),
    "eV/atom above hull": ("mp_energy_above_hull", "{:.4f}"),
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """Structures of a database. Printed it is their table, and what is to be said of them.

    Parameters
    ----------
    database : str
    entries : tuple of Entry
        In the order of their names.
    n_there : int
        Entries of the database that fit, as it says.
    remarks : tuple of Problem
        Entries that can't be used, and what is not as it was asked for.
    """

    database: str
    entries: tuple[Entry, ...]
    n_there: int
    remarks: tuple[Problem, ...] = field(default=())

    def atoms(self) -> "list[Atoms]":
        """The structures as ASE's; `info` tells what the database says of each, and where and when it was asked."""
        return list(self.named().values())

    def named(self) -> "dict[str, Atoms]":
        """The same by their names in the database."""
        found = {}
        for entry in self.entries:
            atoms = atoms_of(entry.frame)
            charge = {} if entry.frame.charge is None else {"charge": entry.frame.charge}
            atoms.info |= {**charge, **entry.facts}
            found[entry.name] = atoms
        return found

    def text(self) -> str:
        """The table of structures, and all remarks."""
        known = {head: one for head, one in _COLUMNS.items() if any(one[0] in entry.facts for entry in self.entries)}
        rows = [("", "formula", "atoms", *known)]
        for entry in self.entries[:MAX_ROWS]:
            formula = atoms_of(entry.frame).symbols.formula.format("metal")
            told = [
                "" if (value := entry.facts.get(name)) is None else form.format(value) for name, form in known.values()
            ]
            rows.append((entry.name, formula, str(entry.frame.n_atoms), *told))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        if (n_more := len(self.entries) - MAX_ROWS) > 0:
            lines.append(f"and {n_more} more")
        return "\n".join([*lines, *(f"\n{remark}" for remark in self.remarks)])

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, slots=True)
class Kind:
    """How the entries of one kind of database are read.

    Parameters
    ----------
    name_of, sites_of, facts_of : callable
        Of the document of an entry.
    order : callable
        Of a name: what entries are ordered and told apart by.
    """

    name_of: Callable[[Mapping[str, Any]], str]
    sites_of: Callable[[Mapping[str, Any]], Sites]
    facts_of: Callable[[Mapping[str, Any]], dict[str, Fact]]
    order: Callable[[str], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a database has answered.

    Parameters
    ----------
    kind : Kind
    documents : sequence of mapping
    names : sequence of str
        Entries that should be among them.
    n_there : int
        Entries that fit.
    facts : mapping of str to str
        Whose they are, what was asked, and when.
    """

    kind: Kind
    documents: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    n_there: int
    facts: Mapping[str, str]

    @property
    def database(self) -> str:
        return self.facts["database"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a database, of which all was looked at that can be without asking it.

    Parameters
    ----------
    service : Service
    query : Query
    """

    service: Service
    query: Query

    @classmethod
    def to(cls, database: str, query: Query, *, key_file: Path | None, spelled: Callable[[str], str]) -> "Question":
        """A question to ``mp``, or to the database that speaks OPTIMADE at an address.

        Parameters
        ----------
        database : str
        query : Query
        key_file : Path or None
            Holds the key to the Materials Project.
        spelled : callable
            What messages call the option, or argument, of a name.

        Raises
        ------
        UserError
            With all reasons for which it can't be asked, among them that there is no key.
        """
        problems: list[Problem] = []
        service: Service | None = None
        try:
            if database == MATERIALS_PROJECT:
                problems += materials.materials_problems(query, spelled)
                service = materials.materials_service(found_key(key_file, named_by=spelled("key_file")))
            else:
                problems += address_problems(database, spelled("database"), besides=f"{MATERIALS_PROJECT}, or ")
                problems += optimade.optimade_problems(query, spelled)
                service = optimade.optimade_service(database) if not problems else None
        except UserError as error:
            problems += error.problems
        if database != MATERIALS_PROJECT and key_file is not None:
            found = "Databases that speak OPTIMADE take no key."
            problems.append(Problem(spelled("key_file"), found, "", "Leave it out."))
        if problems or service is None:
            raise UserError(problems)
        return cls(service, query)

    def fetched(self) -> Fetched:
        """Ask, and look at what is given.

        Raises
        ------
        UserError
            The database is not reached or refuses, or nothing of what it has can be used.
        """
        answer = (
            _of_optimade(self.service, self.query)
            if self.service.key is None
            else _of_materials(self.service, self.query)
        )
        entries, remarks = _looked_at(answer, self.query)
        remarks += _absent(answer, self.query)
        if not entries:
            raise StructureError(remarks or [_nothing(answer)])
        if not self.query.ids and answer.n_there > len(answer.documents):
            found = (
                f"{answer.n_there} entries fit, and {len(answer.documents)} were taken, as many as the limit allows."
            )
            remarks.append(Problem(answer.database, found, "", "A larger limit gives more."))
        return Fetched(answer.database, tuple(entries), answer.n_there, tuple(remarks))


def _of_materials(service: Service, query: Query) -> Answer:
    names, n_there = materials.names_of(service, query)
    documents = materials.documents(service, names, max_atoms=query.max_atoms)
    asked = f"material_ids={','.join(query.ids)}" if query.ids else _joined(materials.conditions(query))
    kind = Kind(materials.name_of, materials.sites_of, materials.facts_of, materials.number_of)
    return Answer(kind, documents, names, n_there, _facts(materials.NAME, service, asked))


def _of_optimade(service: Service, query: Query) -> Answer:
    documents, n_there, provider = optimade.documents(service, query)
    asked = "; ".join(optimade.filters(query))
    kind = Kind(optimade.name_of, optimade.sites_of, optimade.facts_of, _natural)
    return Answer(kind, documents, query.ids, n_there, _facts(provider or service.name, service, asked))


def _joined(conditions: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in conditions.items())


def _facts(database: str, service: Service, asked: str) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"database": database, "database_url": service.base, "database_query": asked, "database_date": now}


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Names in an order in which 9 stands before 10."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))


def _looked_at(answer: Answer, query: Query) -> tuple[list[Entry], list[Problem]]:
    """The entries that can be used, each once, in the order of their names; and what is to be said of all others."""
    refused: list[tuple[str, str]] = []
    entries: list[Entry] = []
    twins = Twins()
    for name, document in _in_order(answer):
        try:
            entry = _entry(name, document, answer)
            _require_asked(entry, query)
            if (twin := twins.of(entry)) is not None:
                raise Unusable(f"is the same structure as another: {twin.name}")
        except Unusable as error:
            refused.append((name, str(error)))
            continue
        entries.append(entry)
    return entries, list(_refusals(refused, answer.database))


def _in_order(answer: Answer) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Documents behind their names, each name once: pages overlap where a database changes while it is read."""
    named = {answer.kind.order(name): (name, one) for one in answer.documents if (name := answer.kind.name_of(one))}
    yield from (named[order] for order in sorted(named))


def _entry(name: str, document: Mapping[str, Any], answer: Answer) -> Entry:
    frame = frame_of_sites(name, answer.kind.sites_of(document))
    return Entry(
        frame, {"database": answer.database, "database_id": name, **answer.facts, **answer.kind.facts_of(document)}
    )


def _require_asked(entry: Entry, query: Query) -> None:
    if query.max_atoms is not None and entry.frame.n_atoms > query.max_atoms:
        raise Unusable(f"has more than {query.max_atoms} atoms, although no more were asked for")
    if not query.fits(atoms_of(entry.frame).symbols.formula.count()):
        raise Unusable("is not what was asked for, which the database has not understood")


def _refusals(refused: Sequence[tuple[str, str]], database: str) -> Iterator[Problem]:
    """Each reason once, with the entries that it holds for; what it is in particular only of the first."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, why in refused:
        kinds.setdefault(why.partition(":")[0], []).append((name, why))
    for kind, those in kinds.items():
        (first, why), *others = those
        if not others:
            yield Problem(database, f"{first} {why}. It was left out.")
            continue
        names = ", ".join(name for name, _ in those[:MAX_TOLD])
        more = f" and {len(those) - MAX_TOLD} more" if len(those) > MAX_TOLD else ""
        detail = f" ({first}{why.removeprefix(kind)})" if why != kind else ""
        yield Problem(database, f"{names}{more} were left out, each of which {kind}{detail}.")


def _absent(answer: Answer, query: Query) -> list[Problem]:
    there = {answer.kind.order(answer.kind.name_of(one)) for one in answer.documents}
    absent = [name for name in answer.names if answer.kind.order(name) not in there]
    if not absent:
        return []
    size = "" if query.max_atoms is None else ", or larger than was asked for"
    found = f"It has no {', '.join(absent[:MAX_TOLD])}"
    found += f" and {len(absent) - MAX_TOLD} more" if len(absent) > MAX_TOLD else ""
    advice = "Compare the names with those on its pages; entries can be withdrawn, and are not given then."
    return [Problem(answer.database, f"{found}{size}.", "", advice)]


def _nothing(answer: Answer) -> Problem:
    found = f"Nothing that it has fits: {answer.facts['database_query']}."
    return Problem(answer.database, found, "", "Leave out a condition.")
