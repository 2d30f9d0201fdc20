"""No more labels are with the workers than allowed; all are computed."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.labelling.bounded import BoundedPool
from aims_pax.protocols import LabelJob
from aims_pax.settings.cluster import LocalCluster, SlurmCluster, labels_at_a_time
from aims_pax.testing.pools import ScriptedPool


def job(number: int, *, system: str = "water") -> LabelJob:
    return LabelJob(number, Frame(system, number, 0, 0, np.array([18]), np.zeros((1, 3))), Path("nowhere"))


def test_workers_hold_no_more_than_allowed_and_every_label_is_answered() -> None:
    workers = ScriptedPool(delay=lambda one: 1 + one.label_id % 3)
    pool = BoundedPool(workers, 5)
    for number in range(40):
        pool.submit(job(number))
    assert (pool.n_in_flight, workers.n_in_flight) == (40, 5)
    answered, most = [], 0
    while pool.n_in_flight:
        answered += [done.label_id for done in pool.collect(timeout_s=None)]
        most = max(most, workers.n_in_flight)
    assert sorted(answered) == list(range(40))
    assert most == 5


def test_labels_go_in_their_order_and_those_of_higher_priority_first() -> None:
    workers = ScriptedPool()
    pool = BoundedPool(workers, 1, priorities={"ice": 2, "water": 0})
    for number, system in enumerate(("water", "water", "ice", "ice")):
        pool.submit(job(number, system=system))
    while pool.n_in_flight:
        pool.collect(timeout_s=None)
    assert [one.label_id for one in workers.jobs] == [0, 2, 3, 1]


def test_withdrawn_label_leaves_room_and_one_that_waits_is_never_handed_on() -> None:
    workers = ScriptedPool(delay=lambda _job: None)
    pool = BoundedPool(workers, 1)
    for number in range(3):
        pool.submit(job(number))
    pool.withdraw(1)
    pool.withdraw(0)
    assert [one.label_id for one in workers.jobs] == [0, 2]
    assert workers.withdrawn == [0]
    assert pool.n_in_flight == 1


def test_closing_forgets_what_waits() -> None:
    workers = ScriptedPool()
    pool = BoundedPool(workers, 1)
    pool.submit(job(1))
    pool.submit(job(2))
    pool.close()
    assert pool.n_in_flight == 0
    assert workers.is_closed


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (LocalCluster(max_workers=4), 4),
        (LocalCluster(max_workers=4, max_in_flight=2), 2),
        (LocalCluster(max_workers=4, max_in_flight=9), 4),
        (SlurmCluster(slurm_str="#SBATCH --time=01:00:00", tasks_per_node=8, max_in_flight=5), 5),
    ],
)
def test_limit_counts_where_labels_at_a_time_are_told(settings: LocalCluster | SlurmCluster, expected: int) -> None:
    assert labels_at_a_time(settings) == expected
