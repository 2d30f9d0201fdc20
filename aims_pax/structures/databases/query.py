"""What is asked of a database."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING, Final, TypedDict

from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from ase.formula import Formula

Words = str | Sequence[str]
"""Several words, or one text that separates them by commas."""

LIMIT: Final = 100
"""Structures that a search gives when nothing is said."""

_SUM: Final = "One formula, several by commas, with whole numbers: NaCl, Al2O3, Ca(OH)2"


class Asked(TypedDict, total=False):
    """What of a database is wanted, as people say it; all conditions must hold."""

    ids: Words
    formula: Words
    elements: Words
    chemsys: Words
    filter: str
    above_hull_ev: float
    max_atoms: int
    limit: int


@dataclass(frozen=True, slots=True)
class Query:
    """What of a database is wanted; all conditions must hold.

    Parameters
    ----------
    ids : tuple of str
        These entries, and nothing else is a condition.
    formulas : tuple of str
        Compositions up to a common factor, one of which an entry must have, as they were written.
    elements : tuple of str
        Symbols that an entry must all have, beside any others.
    systems : tuple of tuple of str
        Sets of symbols, one of which an entry must have, and no others.
    filter : str
        In OPTIMADE's language; empty for none.
    above_hull_ev : float, eV per atom, or None
        Largest distance from the hull of stable phases.
    max_atoms : int or None
        In the cell that the database has.
    limit : int
        Structures that a search gives at most.
    """

    ids: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    systems: tuple[tuple[str, ...], ...] = ()
    filter: str = ""
    above_hull_ev: float | None = None
    max_atoms: int | None = None
    limit: int = LIMIT

    @classmethod
    def of(cls, asked: Asked, *, spelled: Callable[[str], str]) -> "Query":
        """The same in order.

        Parameters
        ----------
        asked : Asked
        spelled : callable
            What messages call the option, or argument, of a name.

        Raises
        ------
        UserError
            With everything that is wrong.
        """
        query = cls(
            ids=_words(asked.get("ids")),
            formulas=_words(asked.get("formula")),
            elements=_words(asked.get("elements")),
            systems=tuple(tuple(sorted(set(one.split("-")))) for one in _words(asked.get("chemsys"))),
            filter=asked.get("filter", "").strip(),
            above_hull_ev=asked.get("above_hull_ev"),
            max_atoms=asked.get("max_atoms"),
            limit=asked.get("limit", LIMIT),
        )
        if problems := list(query._problems(spelled)):
            raise UserError(problems)
        return query

    def fits(self, counts: Mapping[str, int]) -> bool:
        """Whether a composition is one that was asked for: how a server is found out that has not understood."""
        found = reduced(counts)
        return (
            (not self.formulas or any(reduced(formula_of(one).count()) == found for one in self.formulas))
            and set(self.elements) <= set(found)
            and (not self.systems or tuple(sorted(found)) in self.systems)
        )

    def _problems(self, spelled: Callable[[str], str]) -> Iterator[Problem]:
        searched = self.formulas or self.elements or self.systems or self.filter
        if not self.ids and not searched:
            names = ", ".join(map(spelled, ("ids", "formula", "elements", "chemsys")))
            allowed = f"{names}; of a database of OPTIMADE {spelled('filter')}, too"
            yield Problem(spelled(""), "It is not said what is wanted.", allowed)
        if self.ids and (searched or self.above_hull_ev is not None):
            found = "Entries that are named are taken as they are, and other conditions have no place beside them."
            yield Problem(spelled("ids"), found, "", "Leave out one or the other.")
        for formula in self.formulas:
            if (why := _no_formula(formula)) is not None:
                yield Problem(spelled("formula"), f"{formula} {why}.", _SUM, self._meant(formula, spelled))
        for name, symbols in (("elements", self.elements), *(("chemsys", one) for one in self.systems)):
            if unknown := [symbol for symbol in symbols if not _is_element(symbol)]:
                allowed = "Al,O" if name == "elements" else "Al-O, several by commas"
                verb = "is no element" if len(unknown) == 1 else "are no elements"
                advice = self._meant(unknown[0], spelled)
                yield Problem(
                    spelled(name), f"{', '.join(filter(None, unknown)) or 'Nothing'} {verb}.", allowed, advice
                )
        for name, number in (("max_atoms", self.max_atoms), ("limit", self.limit)):
            if number is not None and number < 1:
                yield Problem(spelled(name), f"{number} is asked for.", "1 or more")
        if self.above_hull_ev is not None and not 0 <= self.above_hull_ev < float("inf"):
            yield Problem(spelled("above_hull_ev"), f"{self.above_hull_ev:g} is asked for.", "0 or more, eV per atom")

    @staticmethod
    def _meant(word: str, spelled: Callable[[str], str]) -> str:
        """Which other condition a word may belong to; empty where it belongs to none."""
        if re.fullmatch(r"(mp|mvc)-\w+", word):
            return f"Entries are named by {spelled('ids')}."
        if "-" in word and all(map(_is_element, word.split("-"))):
            return f"Did you mean {spelled('chemsys')} {word}?"
        return "" if _no_formula(word) else f"Did you mean {spelled('formula')} {word}?"


def formula_of(text: str) -> "Formula":
    """A formula that was looked at."""
    from ase.formula import Formula

    return Formula(text)


def reduced(counts: Mapping[str, int]) -> dict[str, int]:
    """A composition in its smallest whole numbers, by symbol in the order of the alphabet."""
    common = reduce(gcd, counts.values(), 0) or 1
    return {symbol: counts[symbol] // common for symbol in sorted(counts)}


def _words(said: Words | None) -> tuple[str, ...]:
    parts = [] if said is None else said.split(",") if isinstance(said, str) else [str(one) for one in said]
    return tuple(dict.fromkeys(word for part in parts if (word := part.strip())))


def _no_formula(text: str) -> str | None:
    """Why a text is no formula; None where it is one."""
    try:
        counts = formula_of(text).count()
    except ValueError:
        return "is no formula"
    unknown = [symbol for symbol in counts if not _is_element(symbol)]
    return f"holds {', '.join(unknown)}, which is no element" if unknown else None if counts else "is empty"


def _is_element(symbol: str) -> bool:
    from ase.data import atomic_numbers

    return symbol in atomic_numbers and symbol != "X"
