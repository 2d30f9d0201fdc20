"""Databases that speak OPTIMADE, version 1, without a key.

Source of names, filters and meanings: The OPTIMADE specification v1.2, https://www.optimade.org/specification.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import numpy as np

from aims_pax.errors import Problem, UserError
from aims_pax.structures.databases.entry import Fact, Sites, Unusable, numbers
from aims_pax.structures.databases.query import Query, formula_of, reduced
from aims_pax.structures.databases.service import LONGEST_WAIT_S, Refusal, Service

PAGE: Final = 100
N_IDS: Final = 30
"""Names in one filter, whose length servers limit."""

FIELDS: Final = (
    *("lattice_vectors", "cartesian_site_positions", "species_at_sites", "species", "dimension_types", "nsites"),
    *("structure_features", "chemical_formula_reduced", "immutable_id", "last_modified"),
)

FEATURES: Final[Mapping[str, str]] = {
    "disorder": "is disordered: sites are shared, or not full",
    "implicit_atoms": "has atoms of which it tells no position",
    "site_attachments": "has atoms attached to sites, of which it tells no position",
    "assemblies": "has sites that are there together or not at all",
    "unknown_positions": "has sites of which it tells no position",
}
"""What a structure may have that is not one of whole atoms at known places, by the words of the specification."""

_OF_ADDRESSES: Final = "%/:=&?~#+!$,;'@()*[]"
"""What stands in an address as it is."""

_VERSIONED: Final = re.compile(r"/v\d+(\.\d+){0,2}$")


def optimade_service(address: str) -> Service:
    """The service at the address of a provider, with or without a version and /structures."""
    base = address.rstrip("/").removesuffix("/structures")
    return Service(urlsplit(base).hostname or base, base if _VERSIONED.search(base) else f"{base}/v1")


def optimade_problems(query: Query, spelled: Callable[[str], str]) -> Iterator[Problem]:
    """What no such database can be asked; `spelled` is what messages call the condition of a name."""
    if query.above_hull_ev is not None:
        found = "The distance from the hull is no property of OPTIMADE."
        advice = "Providers have properties of their own for it: ask by a filter."
        yield Problem(spelled("above_hull_ev"), found, "", advice)


def filters(query: Query) -> Iterator[str]:
    """What is asked for in OPTIMADE's language: one filter, or one for every 30 names."""
    sizes = [] if query.max_atoms is None else [f"nsites<={query.max_atoms}"]
    for begin in range(0, len(query.ids), N_IDS):
        named = " OR ".join(f"id={_quoted(one)}" for one in query.ids[begin : begin + N_IDS])
        yield _all_of([named, *sizes])
    if query.ids:
        return
    asked = [query.filter] if query.filter else []
    if query.formulas:
        asked.append(" OR ".join(f"chemical_formula_reduced={_quoted(_reduced(one))}" for one in query.formulas))
    if query.elements:
        asked.append(_having(query.elements))
    if query.systems:
        systems = [f"{_having(one)} AND nelements={len(one)}" for one in query.systems]
        asked.append(systems[0] if len(systems) == 1 else " OR ".join(f"({one})" for one in systems))
    yield _all_of([*asked, *sizes])


def documents(service: Service, query: Query) -> tuple[list[Mapping[str, Any]], int, str]:
    """What was found, at most as many as are wanted; how many there are, where that is told; and whose they are.

    Raises
    ------
    UserError
        The server is not reached, refuses, or answers in another form.
    """
    found: list[Mapping[str, Any]] = []
    n_there, provider = 0, ""
    for words in filters(query):
        most = len(query.ids) if query.ids else query.limit
        before = len(found)
        for answer in _pages(service, words, most):
            data, meta = answer["data"], answer.get("meta")
            found += data[: most + before - len(found)]
            if isinstance(meta, dict):
                provider = provider or _provider(meta)
                n_there = max(n_there, _whole(meta.get("data_returned")))
            if not data or len(found) - before >= most:
                break
    return found, max(len(found), 0 if query.ids else n_there), provider


def _pages(service: Service, words: str, most: int) -> Iterator[Mapping[str, Any]]:
    """Answers, each a page of entries."""
    asked = {"filter": words, "response_fields": ",".join(FIELDS)}
    first = service.address("/structures", **asked, page_limit=min(PAGE, most))
    asked_before: set[str] = set()
    address: str | None = first
    while address is not None and address not in asked_before:
        asked_before.add(address)
        try:
            answer = service.ask(address)
        except Refusal as refusal:
            if address != first or refusal.status not in (400, 403):
                raise _explained(refusal) from None
            # A database may refuse pages that are larger than its own.
            answer = service.ask(service.address("/structures", **asked))
        data = answer.get("data")
        if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
            found = "Its answer holds no list of entries (data)."
            advice = "Is this the address of a database that speaks OPTIMADE, as its provider lists it?"
            raise UserError(Problem(f"{service.name}, {service.base}", found, "", advice))
        yield answer
        address = _next(service, answer)
        meta = answer.get("meta")
        delay = meta.get("request_delay") if isinstance(meta, dict) else None
        if address is not None and isinstance(delay, int | float) and delay > 0:
            service.wait(min(float(delay), LONGEST_WAIT_S))


def _next(service: Service, answer: Mapping[str, Any]) -> str | None:
    """The address of the next page: a text, or an object that holds one; None behind the last."""
    links = answer.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    href = link.get("href") if isinstance(link, dict) else link
    if not isinstance(href, str) or not href:
        return None
    # Some servers repeat the filter as it was before it was encoded.
    address = quote(urljoin(f"{service.base}/structures", href), safe=_OF_ADDRESSES)
    if service.base.startswith("https://") and address.startswith("http://"):
        # What stands behind a proxy often does not know that it is asked by https.
        address = "https://" + address.removeprefix("http://")
    return address


def _explained(refusal: Refusal) -> Refusal:
    """The same, with what a 404 often means."""
    (problem,) = refusal.problems
    if refusal.status != 404:
        return refusal
    advice = (
        "Name the address of one database of the provider, without v1 and structures: an index of databases has no "
        "structures itself. Lists: https://www.optimade.org/providers-dashboard"
    )
    return Refusal(Problem(problem.where, problem.found, problem.allowed, advice), refusal.status)


def _all_of(conditions: list[str]) -> str:
    return conditions[0] if len(conditions) == 1 else " AND ".join(f"({one})" for one in conditions)


def _having(symbols: tuple[str, ...]) -> str:
    return f"elements HAS ALL {','.join(map(_quoted, symbols))}"


def _reduced(formula: str) -> str:
    counts = reduced(formula_of(formula).count())
    return "".join(f"{symbol}{'' if number == 1 else number}" for symbol, number in counts.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _provider(meta: Mapping[str, Any]) -> str:
    provider = meta.get("provider")
    return str(provider.get("name") or "") if isinstance(provider, dict) else ""


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def name_of(document: Mapping[str, Any]) -> str:
    """The entry's name; empty where it tells none."""
    return str(document.get("id") or "")


def sites_of(document: Mapping[str, Any]) -> Sites:
    """The structure of an entry.

    Raises
    ------
    Unusable
        It has none, or none of whole atoms at known places.
    """
    said = document.get("attributes")
    if not isinstance(said, dict):
        raise Unusable("has no structure")
    features = said.get("structure_features")
    for feature in features if isinstance(features, list) else []:
        if feature in FEATURES:
            raise Unusable(FEATURES[feature])
    if said.get("assemblies"):
        raise Unusable(FEATURES["assemblies"])
    names = said.get("species_at_sites")
    if not isinstance(names, list) or not names:
        raise Unusable("has no species at its sites")
    symbols = _symbols(said.get("species"), [str(name) for name in names])
    periodic = said.get("dimension_types")
    if not isinstance(periodic, list) or len(periodic) != 3 or any(one not in (0, 1) for one in periodic):
        raise Unusable("does not say along which directions it is periodic")
    positions = numbers(said.get("cartesian_site_positions"), (len(symbols), 3), "positions")
    cell = _cell(said.get("lattice_vectors"), periodic)
    return Sites(symbols, positions, cell, np.array(periodic, dtype=np.bool_))


def _cell(vectors: Any, periodic: list[int]) -> Any:
    """Lattice vectors; those that are unknown (null) must belong to directions that are not periodic."""
    if vectors is None and not any(periodic):
        return np.zeros((3, 3))
    rows = vectors if isinstance(vectors, list) and len(vectors) == 3 else [None] * 3
    bare = [row is None or (isinstance(row, list) and all(one is None for one in row)) for row in rows]
    if any(is_bare and is_periodic for is_bare, is_periodic in zip(bare, periodic, strict=True)):
        raise Unusable("is periodic along a direction of which it has no lattice vector")
    return numbers([[0.0] * 3 if is_bare else row for is_bare, row in zip(bare, rows, strict=True)], (3, 3), "cell")


def _symbols(species: Any, names: list[str]) -> list[str]:
    """The element of each site, by the table of species; by the names themselves where there is none."""
    if species is None:
        return names
    if not isinstance(species, list) or not all(isinstance(one, dict) for one in species):
        raise Unusable("has no table of species")
    table = {str(one.get("name")): one for one in species}
    return [_symbol(table.get(name), name) for name in names]


def _symbol(kind: Mapping[str, Any] | None, name: str) -> str:
    if kind is None:
        raise Unusable(f"has sites of {name}, which is not among its species")
    symbols, shares = kind.get("chemical_symbols"), kind.get("concentration")
    if not isinstance(symbols, list) or not isinstance(shares, list) or not symbols or len(symbols) != len(shares):
        raise Unusable(f"does not say what {name} consists of")
    if len(symbols) > 1 or symbols[0] == "vacancy" or shares[0] != 1:
        words = ", ".join(f"{symbol} ({share})" for symbol, share in zip(symbols, shares, strict=True))
        raise Unusable(f"is disordered: sites of {name} are shared, or not full: {words}")
    if kind.get("attached"):
        raise Unusable(FEATURES["site_attachments"])
    if symbols[0] == "X":
        raise Unusable(f"has sites of {name}, of which it does not know the element")
    return str(symbols[0])


def facts_of(document: Mapping[str, Any]) -> dict[str, Fact]:
    """What the database says of an entry."""
    said = document.get("attributes")
    attributes = said if isinstance(said, dict) else {}
    told = {
        "optimade_id": name_of(document),
        "optimade_immutable_id": attributes.get("immutable_id"),
        "optimade_formula": attributes.get("chemical_formula_reduced"),
        "optimade_last_modified": attributes.get("last_modified"),
    }
    return {name: value for name, value in told.items() if isinstance(value, str)}
