"""The Materials Project, by its own REST interface.

Names and meanings of parameters and fields are those of its server and its documents (emmet-api 0.87.3,
routes/materials/summary; emmet-core 0.87.3, summary.SummaryDoc); structures are dictionaries as pymatgen writes them.
Nothing of these packages is needed or used.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from aims_pax.errors import Problem, UserError
from aims_pax.structures.databases.entry import Fact, Sites, Unusable, numbers
from aims_pax.structures.databases.key import Key
from aims_pax.structures.databases.query import Query
from aims_pax.structures.databases.service import Service, address_problems

NAME: Final = "Materials Project"
ADDRESS: Final = "https://api.materialsproject.org"
VARIABLE: Final = "AIMS_PAX_MP_URL"
"""Names another address in the environment: of a mirror, or of a server on this machine."""

ROUTE: Final = "/materials/summary/"
PAGE: Final = 1000
"""Names in one answer to a search; more are refused."""
MOST: Final = 20_000
"""Entries that a search may find: then it was twenty answers."""
N_IDS: Final = 100
"""Structures of one answer, by their names in the address, whose length servers limit."""

FACTS: Final[Mapping[str, str]] = {
    "formula_pretty": "mp_formula",
    "nsites": "mp_nsites",
    "uncorrected_energy_per_atom": "mp_uncorrected_energy_per_atom",
    "energy_per_atom": "mp_energy_per_atom",
    "formation_energy_per_atom": "mp_formation_energy_per_atom",
    "energy_above_hull": "mp_energy_above_hull",
    "is_stable": "mp_is_stable",
    "band_gap": "mp_band_gap",
    "ordering": "mp_magnetic_ordering",
    "total_magnetization": "mp_total_magnetization",
    "theoretical": "mp_theoretical",
    "deprecated": "mp_deprecated",
    "last_updated": "mp_last_updated",
}
"""Fields of a document, and what structures call them; energies in eV, the gap in eV, the moment in Bohr magnetons."""

FIELDS: Final = ("material_id", "structure", *FACTS, "symmetry", "origins", "builder_meta")

_LAST_NUMBERED: Final = 3347529
"""Entries after this one have letters only (emmet-core, mpid.AlphaID)."""

_ID: Final = re.compile(r"(mp|mvc)-(\d+|[a-z]+)")
_SAME_PLACE_ANG: Final = 1e-2
"""How far a site's two positions, in fractions and in Å, may be apart; both are written with all digits."""


def materials_service(key: Key) -> Service:
    """The service. UserError where the environment names an address that can't be one."""
    named = os.environ.get(VARIABLE, "").strip()
    if named and (problems := list(address_problems(named, VARIABLE))):
        raise UserError(problems)
    return Service(NAME, (named or ADDRESS).rstrip("/"), key)


def materials_problems(query: Query, spelled: Callable[[str], str]) -> Iterator[Problem]:
    """What this database can't be asked; `spelled` is what messages call the condition of a name."""
    if query.filter:
        advice = "Ask by formula, elements or chemical system, or ask its OPTIMADE interface at its own address."
        yield Problem(spelled("filter"), f"The {NAME}'s own interface takes no filter of OPTIMADE.", "", advice)
    for one in query.ids:
        if not _ID.fullmatch(one):
            yield Problem(spelled("ids"), f"{one} is not the name of an entry of the {NAME}.", "mp-149")


def number_of(name: str) -> tuple[str, int]:
    """What entries are ordered and compared by: mp-149 and mp-aaaaaaft are one.

    Notes
    -----
    Newer entries are numbered by letters, in the base 26 with a for 0 (emmet-core, mpid.AlphaID).
    """
    match = _ID.fullmatch(name)
    if match is None:
        return name, 0
    number = 0
    for letter in match[2]:
        number = number * 10 + int(letter) if letter.isdigit() else number * 26 + ord(letter) - ord("a")
    return match[1], number


def conditions(query: Query) -> dict[str, object]:
    """A search in the words of this database."""
    asked: dict[str, object] = {
        "formula": ",".join(query.formulas),
        "elements": ",".join(query.elements),
        "chemsys": ",".join("-".join(one) for one in query.systems),
        "nsites_max": query.max_atoms,
        "energy_above_hull_max": query.above_hull_ev,
    }
    return {name: value for name, value in asked.items() if value not in (None, "")} | {"deprecated": "false"}


def names_of(service: Service, query: Query) -> tuple[tuple[str, ...], int]:
    """The names of entries that a search finds, the nearest to the hull of stable phases first; and how many there are.

    Names are asked for alone, in the order of names: of other fields the server lets several entries have one place,
    and pages would overlap.

    Raises
    ------
    UserError
        The server is not reached or refuses, or far too much fits.
    """
    if query.ids:
        return query.ids, len(query.ids)
    fields = {"_fields": "material_id,energy_above_hull", "_sort_fields": "material_id", "_limit": PAGE}
    found: dict[tuple[str, int], float] = {}
    while True:
        n_before = len(found)
        page, n_there = _page(service, service.address(ROUTE, **conditions(query), **fields, _skip=n_before))
        if n_there > MOST:
            words = f"{n_there} entries fit."
            raise UserError(Problem(service.name, words, f"up to {MOST}", "Say more of what is wanted."))
        for one in page:
            above = one.get("energy_above_hull")
            found[number_of(name_of(one))] = float(above) if isinstance(above, int | float) else float("inf")
        if len(found) >= n_there or len(found) == n_before:
            break
    nearest = sorted(found, key=lambda number: (found[number], number))[: query.limit]
    return tuple(_named(*number) for number in nearest), len(found)


def documents(service: Service, names: Sequence[str], *, max_atoms: int | None = None) -> list[Mapping[str, Any]]:
    """The entries of some names, as far as they are there and no larger.

    Raises
    ------
    UserError
        The server is not reached, refuses, or answers in another form.
    """
    asked: dict[str, object] = {"_fields": ",".join(FIELDS), "_limit": N_IDS}
    asked |= {} if max_atoms is None else {"nsites_max": max_atoms}
    found: list[Mapping[str, Any]] = []
    for begin in range(0, len(names), N_IDS):
        named = ",".join(names[begin : begin + N_IDS])
        found += _page(service, service.address(ROUTE, material_ids=named, **asked))[0]
    return found


def _page(service: Service, address: str) -> tuple[list[Mapping[str, Any]], int]:
    answer = service.ask(address)
    data, meta = answer.get("data"), answer.get("meta")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        found = "Its answer holds no list of entries (data)."
        raise UserError(Problem(f"{service.name}, {service.base}", found, "", "Is this the address of its interface?"))
    total = meta.get("total_doc") if isinstance(meta, dict) else None
    return data, total if isinstance(total, int) else len(data)


def name_of(document: Mapping[str, Any]) -> str:
    """The entry's name, in the form that people know; empty where it tells none."""
    name = str(document.get("material_id") or "")
    return _named(*number_of(name)) if _ID.fullmatch(name) else name


def _named(prefix: str, number: int) -> str:
    """mp-149; of newer entries the form of letters."""
    if number <= _LAST_NUMBERED:
        return f"{prefix}-{number}"
    letters = ""
    while number:
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    return f"{prefix}-{letters}"


def sites_of(document: Mapping[str, Any]) -> Sites:
    """The structure of a document.

    Raises
    ------
    Unusable
        It has none, or none of whole atoms.
    """
    structure = document.get("structure")
    if not isinstance(structure, dict) or not isinstance(structure.get("lattice"), dict):
        raise Unusable("has no structure")
    lattice, sites = structure["lattice"], structure.get("sites")
    if not isinstance(sites, list) or not sites or not all(isinstance(site, dict) for site in sites):
        raise Unusable("has a structure without sites")
    symbols = [_symbol(site, index) for index, site in enumerate(sites, start=1)]
    cell = numbers(lattice.get("matrix"), (3, 3), "lattice vectors")
    fractions = numbers([site.get("abc") for site in sites], (len(sites), 3), "positions")
    positions = fractions @ cell
    if all(site.get("xyz") is not None for site in sites):
        written = numbers([site["xyz"] for site in sites], (len(sites), 3), "positions")
        if np.abs(written - positions).max() > _SAME_PLACE_ANG:
            raise Unusable("has sites whose positions in fractions and in Å contradict each other")
    pbc = lattice.get("pbc") or (True, True, True)
    charge = structure.get("charge")
    whole = round(charge) if isinstance(charge, int | float) and charge and charge == round(charge) else None
    return Sites(symbols, positions, cell, np.array(pbc, dtype=np.bool_).reshape(3), whole)


def _symbol(site: Mapping[str, Any], index: int) -> str:
    species = site.get("species")
    if not isinstance(species, list) or not species or not all(isinstance(one, dict) for one in species):
        raise Unusable(f"has no species at site {index}")
    shares = [(str(one.get("element")), one.get("occu")) for one in species]
    if len(shares) > 1 or shares[0][1] != 1:
        words = ", ".join(
            f"{symbol} ({share:g})" if isinstance(share, int | float) else symbol for symbol, share in shares
        )
        raise Unusable(f"is disordered: site {index} is shared, or not full: {words}")
    return shares[0][0]


def facts_of(document: Mapping[str, Any]) -> dict[str, Fact]:
    """What the database says of an entry."""
    facts: dict[str, Fact] = {"mp_material_id": name_of(document)}
    told = {ours: document.get(theirs) for theirs, ours in FACTS.items()}
    symmetry, meta = document.get("symmetry"), document.get("builder_meta")
    if isinstance(symmetry, dict):
        told |= {"mp_space_group": symmetry.get("symbol"), "mp_space_group_number": symmetry.get("number")}
    if isinstance(meta, dict):
        told |= {"mp_license": meta.get("license"), "mp_database_version": meta.get("database_version")}
    for origin in _mappings(document.get("origins")):
        if origin.get("name") == "energy":
            told["mp_energy_task"] = origin.get("task_id")
    return facts | {name: value for name, value in told.items() if isinstance(value, str | int | float)}


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
