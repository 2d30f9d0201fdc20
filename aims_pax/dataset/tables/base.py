"""What all tables of a run store share: one database, one clock, and ways of reading that suit any size."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from aims_pax.dataset.tables.database import Database, Row

PAGE = 256
"""Rows with arrays that are held at once."""


class Tables:
    """A part of the run store."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._session: int | None = None

    def transaction(self) -> AbstractContextManager[None]:
        """All that is written within the block, or none of it. Blocks may be nested; the outermost one commits."""
        return self._database.transaction()

    def unflushed_transaction(self) -> AbstractContextManager[None]:
        """As :meth:`transaction`, for what can be made again: it does not wait for the disk.

        No kill takes back what was committed. A power cut may, as far as the last :meth:`transaction`; the run goes on
        from there, and the same requests follow. Labels can't be stored in it.
        """
        return self._database.unflushed_transaction()

    def _pages(self, sql: str, *parameters: object, after: int) -> Iterator[Row]:
        """Rows of a query that is ordered by its first column, a page at a time.

        The last parameters of the query are the value after which a page begins, and the size of a page. Nothing stays
        open between two pages, so that the store may be written while it is read.
        """
        for page in self._whole_pages(sql, *parameters, after=after):
            yield from page

    def _whole_pages(self, sql: str, *parameters: object, after: int) -> Iterator[list[Row]]:
        """As :meth:`_pages`, page by page."""
        while True:
            page = self._database.rows(sql, *parameters, after, PAGE)
            yield page
            if len(page) < PAGE:
                return
            after = page[-1][0]
