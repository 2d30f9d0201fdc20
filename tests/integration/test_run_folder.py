"""Campaigns whose run folder is taken from under them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aims_pax.errors import StoreError
from aims_pax.protocols import Status

from .engines import Watched
from .projects import Watcher, copper_project, labels_of, run

pytestmark = pytest.mark.usefixtures("springs")


LOST = r"run\.db: this file, or run\.db-wal beside it, was removed or replaced while the campaign was using it"


def moved_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replaced_by_a_copy(folder: Path) -> None:
    moved_away(folder)
    shutil.copytree(folder.with_name("elsewhere"), folder)


def without_its_log(folder: Path) -> None:
    (folder / "run.db-wal").unlink()


@pytest.mark.parametrize("take", [moved_away, replaced_by_a_copy, without_its_log])
def test_a_campaign_whose_store_is_gone_stops_instead_of_storing_labels_nowhere(
    take: Callable[[Path], None], engine: type[Watched], tmp_path: Path
) -> None:
    folder = copper_project(tmp_path / "project", changes={"ACTIVE_LEARNING": None})
    taken = []

    def act(now: Status) -> None:
        if now.n_labels_received == 2 and not taken:
            taken.append(take)
            take(folder)

    with pytest.raises(StoreError, match=LOST):
        run(folder, observer=Watcher(act))
    assert taken


def test_a_run_that_was_moved_away_goes_on_where_it_is_now(engine: type[Watched], tmp_path: Path) -> None:
    folder = copper_project(tmp_path / "project", changes={"ACTIVE_LEARNING": None})

    def move(now: Status) -> None:
        if now.n_labels_received == 2 and folder.exists():
            moved_away(folder)

    with pytest.raises(StoreError, match=LOST):
        run(folder, observer=Watcher(move))
    elsewhere = folder.with_name("elsewhere")
    n_before = len(engine.computed)
    run(elsewhere)
    assert len(labels_of(elsewhere)) == 8
    assert n_before <= 3, "it stopped at the next commit"
