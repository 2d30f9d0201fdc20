"""The newest page of some runs, drawn again when they have changed, and the files of its figures."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from aims_pax.dataset.store import STORE_NAME
from aims_pax.errors import AimsPaxError
from aims_pax.face.status import read_status
from aims_pax.page.document import Page, Served, file_address, page_of
from aims_pax.page.material import read_material

LEAST_PAUSE_S: Final = 10.0
"""From one drawing to the next, at least, s."""

MOST_SHARE: Final = 0.25
"""Part of the time of a core that drawing may take: what takes long is drawn less often."""

NEWS: Final = "news"
FILES: Final = "files"
"""Addresses beside that of the page."""

WATCHED: Final = (
    STORE_NAME,
    f"{STORE_NAME}-wal",
    "results/summary.json",
    "results/predictions.npz",
    "verify/verify.json",
)
"""Files of a run that a page is made of."""

T = TypeVar("T")

Stamp = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A run that is shown.

    Parameters
    ----------
    name : str
        What the page calls it.
    folder : Path
        Of the run.
    """

    name: str
    folder: Path


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A page as of one moment.

    Parameters
    ----------
    version : int
        Counts pages from 1.
    page : Page
    stamp : Stamp
        Of the files that it was made of.
    """

    version: int
    page: Page
    stamp: Stamp


class Gallery:
    """Draws the page of some runs when it is asked for and they have changed; one drawing at a time, each in a thread.

    Runs are only read, as :meth:`~aims_pax.dataset.store.RunStore.open_briefly` does: nothing is left in their folders.

    Parameters
    ----------
    subjects : sequence of Subject
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, subjects: Sequence[Subject], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._subjects, self._clock = subjects, clock
        self._drawn: Drawn | None = None
        self._drawing: asyncio.Task[Drawn] | None = None
        self._trouble, self._due_at = "", float("-inf")
        self._pencil = asyncio.Lock()  # matplotlib's settings are those of the process

    async def page(self) -> str:
        """The newest page; the first one is waited for.

        Raises
        ------
        AimsPaxError
            There is none, and it can't be drawn.
        """
        return (await self._newest()).page.html

    async def news(self) -> dict[str, object]:
        """The `version` of the newest page, and `words` on each run as it is now; another page is begun where due."""
        words = await _aside(lambda: _words(self._subjects))
        drawn = self._drawn
        is_due = self._drawing is None and self._clock() >= self._due_at
        if is_due and (drawn is None or _stamp(self._subjects) != drawn.stamp):
            self._draw()
        trouble = [self._trouble] if self._trouble else []
        return {"version": 0 if drawn is None else drawn.version, "words": [*words, *trouble]}

    async def file(self, run: str, name: str) -> bytes | None:
        """A figure's picture or data; None where there is none of this name."""
        drawn = await self._newest()
        for material, figure in drawn.page.figures:
            if (material.name, f"{figure.name}.csv") == (run, name):
                return (await _aside(figure.table.csv_text)).encode()
            if (material.name, f"{figure.name}.png") == (run, name):
                async with self._pencil:
                    return await _aside(figure.png)
        return None

    async def _newest(self) -> Drawn:
        if self._drawn is not None:
            return self._drawn
        return await asyncio.shield(self._draw())  # a reader who leaves must not end it for others

    def _draw(self) -> "asyncio.Task[Drawn]":
        """The drawing that is under way, or a new one."""
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._drawn_anew())
            self._drawing.add_done_callback(self._put_up)
        return self._drawing

    async def _drawn_anew(self) -> Drawn:
        version = 1 if self._drawn is None else self._drawn.version + 1
        async with self._pencil:
            began, stamp = self._clock(), _stamp(self._subjects)
            try:
                page = await _aside(lambda: _page(self._subjects, version))
            finally:
                ended = self._clock()
                self._due_at = ended + max(LEAST_PAUSE_S, (ended - began) * (1 / MOST_SHARE - 1))
        return Drawn(version, page, stamp)

    def _put_up(self, task: "asyncio.Task[Drawn]") -> None:
        self._drawing = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._drawn, self._trouble = task.result(), ""
        else:
            self._trouble = f"The page could not be drawn anew: {error}"


async def _aside(work: Callable[[], T]) -> T:
    """The result of a function that runs in a thread, for which the end of the program does not wait."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as raised:  # it is raised again where it is waited for
            error = raised
        with suppress(RuntimeError):  # all has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done


def _page(subjects: Sequence[Subject], version: int) -> Page:
    materials = [read_material(one.folder, name=one.name) for one in subjects]
    return page_of(materials, address=file_address(FILES), served=Served(NEWS, version))


def _words(subjects: Sequence[Subject]) -> list[str]:
    """How each run stands, as one line."""
    words = []
    for one in subjects:
        try:
            line = read_status(one.folder).line(at=time.time())
        except AimsPaxError as error:
            line = f"can't be read now: {error}"
        words.append(f"{one.name}: {line}" if len(subjects) > 1 else line)
    return words


def _stamp(subjects: Sequence[Subject]) -> Stamp:
    """Sizes and times of all files that pages are made of."""
    return tuple(_seen(one.folder / name) for one in subjects for name in WATCHED)


def _seen(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
