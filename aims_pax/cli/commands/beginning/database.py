"""What ``aims-pax collect`` asks of a database, as its options say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.structures.databases.fetched import Question
    from aims_pax.structures.databases.query import Asked

_NAMES: Final = {"database": "--from", "ids": "--id", "above_hull_ev": "--above-hull"}
"""Options that are called otherwise than what they say."""

Database = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="mp|URL",
        help="In the place of files: the Materials Project, or the address of a database that speaks OPTIMADE.",
    ),
]
Ids = Annotated[str | None, typer.Option("--id", metavar="ID,...", help="Entries of the database by their names.")]
Formula = Annotated[
    str | None, typer.Option("--formula", metavar="NaCl,...", help="Entries of this composition, or of one of several.")
]
Elements = Annotated[str | None, typer.Option("--elements", metavar="Al,O", help="Entries that hold all of these.")]
Chemsys = Annotated[
    str | None,
    typer.Option("--chemsys", metavar="Al-O,...", help="Entries that hold all of these and no others, or one of such."),
]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="FILTER", help="A filter in OPTIMADE's language, not for mp.")
]
AboveHull = Annotated[
    float | None,
    typer.Option("--above-hull", metavar="EV", help="At most so far above the hull, eV per atom; mp alone."),
]
MaxAtoms = Annotated[int | None, typer.Option("--max-atoms", metavar="N", help="At most so many atoms in the cell.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", help="At most so many entries of a search; 100 when not given."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        metavar="FILE",
        help="Holds your key to mp. MP_API_KEY of the environment, or ~/.config/aims_pax/mp_api_key, when not given.",
    ),
]


@dataclass(frozen=True, slots=True)
class Search:
    """The options about a database.

    Parameters
    ----------
    database : str or None
        None where none is asked.
    asked : mapping
        What was said of what is wanted.
    key_file : Path or None
    """

    database: str | None
    asked: "Asked"
    key_file: Path | None

    @classmethod
    def of(cls, database: str | None, said: Mapping[str, str | float | None], key_file: Path | None) -> "Search":
        """By what options say; those that were not given say None."""
        given = {name: one for name, one in said.items() if one is not None}
        return cls(database, cast("Asked", given), key_file)

    @property
    def words(self) -> list[str]:
        """The options that were given."""
        given = [*self.asked, *([] if self.key_file is None else ["key_file"])]
        return [option(name) for name in given]

    def question(self) -> "Question":
        """The question, looked at. UserError with everything that is wrong with it."""
        from aims_pax.structures.databases.fetched import Question
        from aims_pax.structures.databases.query import Query

        assert self.database is not None, "a database is named"
        problems: list[Problem] = []
        query, question = Query(), None
        try:
            query = Query.of(self.asked, spelled=option)
        except UserError as error:
            problems += error.problems
        try:
            question = Question.to(self.database, query, key_file=self.key_file, spelled=option)
        except UserError as error:
            problems += error.problems
        if problems or question is None:
            raise UserError(problems)
        return question


def option(name: str) -> str:
    """What people write for the condition of a name."""
    return _NAMES.get(name or "database", f"--{name.replace('_', '-')}")
