"""When a page is drawn, and what it leaves in the folder of its run: nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from aims_pax.dataset.records import EpochRow
from aims_pax.dataset.store import RunStore
from aims_pax.face.dashboard.gallery import LEAST_PAUSE_S, Gallery, Subject
from aims_pax.protocols import MemberErrors

from ...page.runs import write_run


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "my run", finished=False)


def learn(run: Path) -> None:
    """One epoch more."""
    with RunStore.open(run) as store:
        store.add_epochs([EpochRow(90, 90, 0, 0.1, MemberErrors(0.1, 0.001, 0.01, None), 50, 2)])


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        if await claim():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it has not come true")


def test_a_page_is_drawn_anew_when_its_run_has_changed_and_not_too_often(run: Path) -> None:
    clock = Clock()
    gallery = Gallery([Subject("my run", run)], clock=clock)

    async def version() -> object:
        return (await gallery.news())["version"]

    async def look() -> None:
        first = await gallery.page()
        assert 'data-version="1"' in first
        clock.now_s += 10 * LEAST_PAUSE_S
        assert [await version() for _ in range(3)] == [1, 1, 1], "nothing has changed"
        assert gallery._drawing is None
        learn(run)

        async def is_second() -> bool:
            return await version() == 2

        await until(is_second)
        assert 'data-version="2"' in await gallery.page()
        (run / "results").mkdir()
        (run / "results" / "summary.json").write_text("{}")
        assert [await version() for _ in range(3)] == [2, 2, 2], "too soon"
        assert gallery._drawing is None
        clock.now_s += LEAST_PAUSE_S
        await version()
        assert gallery._drawing is not None
        await gallery._drawing

    asyncio.run(look())


def test_readers_who_come_together_share_one_drawing(run: Path) -> None:
    gallery = Gallery([Subject("my run", run)])

    async def look() -> None:
        impatient = asyncio.create_task(gallery.page())
        await asyncio.sleep(0)
        impatient.cancel()
        one, other = await asyncio.gather(gallery.page(), gallery.page())
        assert one is other
        assert 'data-version="1"' in one

    asyncio.run(look())


def test_the_folder_of_a_run_stays_as_it_was(run: Path) -> None:
    def content() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.rglob("*") if path.is_file()}

    before = content()
    gallery = Gallery([Subject("my run", run)])

    async def look() -> None:
        await gallery.page()
        await gallery.news()
        picture, table = await gallery.file("my run", "parity.png"), await gallery.file("my run", "parity.csv")
        assert (picture or b"").startswith(b"\x89PNG")
        assert b"quantity" in (table or b"").splitlines()[0]
        for name in (("my run", "../run.db"), ("other", "parity.png"), ("my run", "parity.svg")):
            assert await gallery.file(*name) is None

    asyncio.run(look())
    assert content() == before


def test_trouble_is_told_and_the_page_stays(run: Path) -> None:
    clock = Clock()
    gallery = Gallery([Subject("my run", run)], clock=clock)

    async def look() -> None:
        first = await gallery.page()
        (run / "run.db").rename(run / "elsewhere.db")
        clock.now_s += LEAST_PAUSE_S

        async def is_told() -> bool:
            return "could not be drawn anew" in str((await gallery.news())["words"])

        await until(is_told)
        words = str((await gallery.news())["words"])
        assert "can't be read now" in words
        assert await gallery.page() == first

    asyncio.run(look())
