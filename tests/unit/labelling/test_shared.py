"""Desks that ask the same pool at the same time."""

import time
from pathlib import Path

import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.labelling.shared import SharedPool
from aims_pax.protocols import LabelJob
from aims_pax.testing.pools import ScriptedPool


def job(label_id: int, folder: Path) -> LabelJob:
    return LabelJob(label_id, Frame("hydrogen", 0, label_id, 0, np.array([1]), np.zeros((1, 3))), folder)


def test_each_hears_of_its_own_labels_though_their_numbers_are_the_same(tmp_path: Path) -> None:
    pool = ScriptedPool()
    shared = SharedPool(pool)
    one, other = shared.share(), shared.share()
    for label_id in (1, 2):
        one.submit(job(label_id, tmp_path))
        other.submit(job(label_id, tmp_path))
    assert (one.n_in_flight, other.n_in_flight, pool.n_in_flight) == (2, 2, 4)
    assert [done.label_id for done in one.collect(timeout_s=None)] == [1, 2]
    assert (one.n_in_flight, other.n_in_flight, pool.n_in_flight) == (0, 2, 0)
    assert [done.label_id for done in other.collect(timeout_s=None)] == [1, 2]


def test_waiting_for_ones_own_label_outlasts_those_of_others(tmp_path: Path) -> None:
    shared = SharedPool(ScriptedPool(delay=lambda job: job.label_id))  # of which the pool has numbers of its own
    one, other = shared.share(), shared.share()
    for label_id in (1, 2, 3):
        one.submit(job(label_id, tmp_path))
    other.submit(job(1, tmp_path))
    assert [done.label_id for done in other.collect(timeout_s=None)] == [1]
    assert [done.label_id for done in one.collect(timeout_s=0.0)] == [1, 2, 3]


def test_share_that_waits_can_be_woken_and_does_not_wait_too_long(tmp_path: Path) -> None:
    shared = SharedPool(ScriptedPool(delay=lambda job: None))
    one = shared.share()
    one.submit(job(1, tmp_path))
    one.wake()
    assert one.collect(timeout_s=None) == []
    started = time.monotonic()
    assert one.collect(timeout_s=0.05) == []
    assert time.monotonic() - started < 5.0
    assert one.n_in_flight == 1


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_label_that_is_withdrawn_or_whose_share_is_closed_is_nobodys(is_heard_of: bool, tmp_path: Path) -> None:
    pool = ScriptedPool()
    shared = SharedPool(pool)
    one, other = shared.share(), shared.share()
    for label_id in (1, 2):
        one.submit(job(label_id, tmp_path))
    other.submit(job(1, tmp_path))
    if is_heard_of:
        other.collect(timeout_s=None)
    one.withdraw(1)
    assert one.n_in_flight == 1
    one.close()
    assert one.n_in_flight == 0
    assert one.collect(timeout_s=None) == []
    assert not pool.is_closed
    assert len(pool.withdrawn) == (0 if is_heard_of else 2)
    assert [done.label_id for done in other.collect(timeout_s=0.0)] == ([] if is_heard_of else [1])
