"""A run store that is damaged, moved away or left without its log: said in words, and never passed over."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aims_pax.dataset import RunStore
from aims_pax.errors import StoreError
from aims_pax.frame import Frame, Label, Split, Stage

MakeFrame = Callable[..., Frame]
MakeLabel = Callable[..., Label]

N_DAMAGED = 200


def filled(folder: Path, frame: MakeFrame, label: MakeLabel) -> None:
    with RunStore.open(folder) as store:
        for md_step in range(1, 9):
            label_id = store.add_job(frame(md_step), Stage.ACTIVE)
            store.add_label(label_id, label(energy=-float(md_step), with_stress=True))
            store.assign(label_id, Split.TRAINING)
            store.append_journal("LabelArrived", {"label_id": label_id})
        store.save_state("sampler", bytes(20_000))


def read_all(folder: Path) -> None:
    with RunStore.open(folder) as store:
        for job in store.jobs():
            store.failures_of(job.label_id)
        list(store.labelled())
        list(store.journal())
        store.scores()
        store.epochs()
        store.counts()
        store.load_state("sampler")
        store.set_meta("key", "value")


def with_flipped_bits(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 10, 100])):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(1, len(content))]


def with_a_lost_page(content: bytes, rng: random.Random) -> bytes:
    page = 4096 * rng.randrange(len(content) // 4096)
    return content[:page] + bytes(4096) + content[page + 4096 :]


@pytest.mark.parametrize("damage", [with_flipped_bits, cut, with_a_lost_page])
def test_damage_is_an_error_of_the_store_or_none(
    damage: Callable[[bytes, random.Random], bytes], tmp_path: Path, frame: MakeFrame, label: MakeLabel
) -> None:
    filled(tmp_path / "whole", frame, label)
    content, rng = (tmp_path / "whole" / "run.db").read_bytes(), random.Random(1)
    told = []
    for _ in range(N_DAMAGED):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "run.db").write_bytes(damage(content, rng))
        try:
            read_all(folder)
        except StoreError as error:
            told.append(str(error))
    assert len(told) > 0.3 * N_DAMAGED
    assert all("run.db" in message or "run store" in message for message in told)


def test_a_word_that_no_program_writes_is_damage(store: RunStore, frame: MakeFrame) -> None:
    store.add_job(frame(), Stage.ACTIVE)
    store._database.execute("PRAGMA ignore_check_constraints = ON")
    store._database.execute("UPDATE jobs SET status = 'submittee'")
    with pytest.raises(StoreError, match=r"run\.db: .*'submittee' is not a valid JobStatus.*restore it from a copy"):
        list(store.jobs())


def test_a_folder_in_the_place_of_the_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.db").mkdir()
    with pytest.raises(StoreError, match=r"run\.db: unable to open database file"):
        RunStore.open(tmp_path)


def test_a_store_cut_to_nothing_is_an_empty_one(tmp_path: Path) -> None:
    """What it held is missed by the campaign, which finds the checkpoints of a run without a memory."""
    (tmp_path / "run.db").touch()
    with RunStore.open(tmp_path) as store:
        assert store.counts().n_requested == 0


def test_a_store_without_its_shared_memory_is_read_from_its_log(
    tmp_path: Path, frame: MakeFrame, label: MakeLabel
) -> None:
    with RunStore.open(tmp_path / "run") as store:
        store.add_label(store.add_job(frame(), Stage.ACTIVE), label())
        shutil.copytree(tmp_path / "run", tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
    with RunStore.open(tmp_path / "copy") as store:
        assert store.counts().n_received == 1


@pytest.mark.parametrize("name", ["run.db", "run.db-wal", ""])
@pytest.mark.parametrize("way", ["removed", "replaced"])
def test_a_store_that_was_taken_away_is_noticed_at_the_next_commit(
    name: str, way: str, tmp_path: Path, frame: MakeFrame
) -> None:
    with RunStore.open(tmp_path / "run") as store:
        store.add_job(frame(1), Stage.ACTIVE)
        taken = tmp_path / "run" / name
        taken.rename(tmp_path / "elsewhere")
        if way == "replaced":
            (shutil.copytree if name == "" else shutil.copy)(tmp_path / "elsewhere", taken)
        with pytest.raises(StoreError, match=r"run\.db: this file, or run\.db-wal beside it, was removed or replaced"):
            store.add_job(frame(2), Stage.ACTIVE)
        with pytest.raises(StoreError, match="Leave a run folder alone while a campaign works in it"):
            store.save_state("learner", b"")


def test_a_store_that_is_taken_away_within_a_transaction_commits_nothing(tmp_path: Path, frame: MakeFrame) -> None:
    def add_and_lose(store: RunStore) -> None:
        with store.transaction():
            store.add_job(frame(1), Stage.ACTIVE)
            (tmp_path / "run" / "run.db").rename(tmp_path / "run.db")

    with RunStore.open(tmp_path / "run") as store:
        with pytest.raises(StoreError, match="was removed or replaced"):
            add_and_lose(store)
        (tmp_path / "run.db").rename(tmp_path / "run" / "run.db")
        assert store.counts().n_requested == 0
        store.add_job(frame(1), Stage.ACTIVE)  # it is back in its place


def test_a_request_does_not_wait_for_the_disk_and_a_label_does(
    store: RunStore, frame: MakeFrame, label: MakeLabel
) -> None:
    database = store._database
    with store.unflushed_transaction():
        label_id = store.add_job(frame(), Stage.ACTIVE)
        assert database.first("PRAGMA synchronous") == (1,)  # NORMAL
        with pytest.raises(StoreError, match="can't be stored in a transaction that is not flushed"):
            store.add_label(label_id, label())
    with store.transaction(), store.unflushed_transaction():
        assert database.first("PRAGMA synchronous") == (2,)  # FULL, as the outer block asks
        store.add_label(label_id, label())
    assert store.counts().n_received == 1


def test_a_failed_request_leaves_later_commits_flushed(store: RunStore, frame: MakeFrame) -> None:
    def request_and_fail() -> None:
        with store.unflushed_transaction():
            store.add_job(frame(), Stage.ACTIVE)
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        request_and_fail()
    assert store._database.first("PRAGMA synchronous") == (2,)
    assert store.counts().n_requested == 0
