"""Structures of databases, without a campaign."""

from pathlib import Path
from typing import Unpack

from aims_pax.structures.databases.fetched import Fetched, Question
from aims_pax.structures.databases.query import Asked, Query


def fetch(database: str, *, key_file: str | Path | None = None, **asked: Unpack[Asked]) -> Fetched:
    """Structures of the Materials Project, or of any database that speaks OPTIMADE.

    Parameters
    ----------
    database : str
        ``mp``, or the address of a database that speaks OPTIMADE.
    key_file : str, Path or None
        Holds your key to the Materials Project; None: MP_API_KEY of the environment, or ~/.config/aims_pax/mp_api_key.
    **asked
        What is wanted; all of it must hold. `ids`: entries by their names. `formula`, `elements`, `chemsys`: one of
        some formulas, all of some elements, one of some sets of elements and no others. `filter`: in OPTIMADE's
        language. `above_hull_ev`: largest distance from the hull of stable phases, eV per atom, Materials Project
        alone. `max_atoms`: of the cell. `limit`: structures that a search gives at most, 100 when nothing is said.

    Returns
    -------
    Fetched
        Printed it is a table, with all that was left out and why; `atoms()` and `named()` give the structures, whose
        `info` tells what the database says of them. Its energies are no labels.

    Raises
    ------
    UserError
        The question can't be asked, the database is not reached or refuses, or nothing of what it has can be used.
    """
    file = None if key_file is None else Path(key_file)
    query = Query.of(asked, spelled=_spelled)
    return Question.to(database, query, key_file=file, spelled=_spelled).fetched()


def _spelled(name: str) -> str:
    return f"fetch, {name}" if name else "fetch"
