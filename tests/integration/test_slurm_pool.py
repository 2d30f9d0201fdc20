"""Labels on the nodes of a real, private Slurm: blocks that come and go with demand, and what may be asked of them."""

import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from aims_pax.atoms import frame_of
from aims_pax.errors import SettingsError
from aims_pax.frame import Frame, Label
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.outlook import BlockOutlook
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelJob
from aims_pax.settings.methods.reference import AseCalculatorSettings

from ..slurm.cluster import Slurm
from ..slurm.daemons import holds_within
from .projects import copper

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

NODES = Path(__file__).parents[1] / "slurm"
"""Where the engines are that workers import, and the configuration."""

HASTY = NODES / "hasty.py"

DRAINED = (
    "ReqNodeNotAvail, UnavailableNodes:n[1-4] (nodes are down or reserved, maybe for maintenance)",
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
)
"""Slurm says the one first and the other later."""

OpenPool = Callable[..., ParslPool]


@pytest.fixture
def open_pool(tmp_path: Path) -> Iterator[OpenPool]:
    """Opens pools by a ready configuration's name and options, and closes them."""
    pools = []

    def opened(settings: AseCalculatorSettings, ready: str, **options: Any) -> ParslPool:
        config = load_config(HASTY, ready=ready, worker_init=f"export PYTHONPATH={NODES}:$PYTHONPATH", **options)
        pools.append(ParslPool(settings, config, want_stress=False, run_dir=tmp_path / "parsl"))
        return pools[-1]

    yield opened
    for pool in pools:
        pool.close()


def engine(name: str, **arguments: Any) -> AseCalculatorSettings:
    """Settings of one of the nodes' calculators."""
    return AseCalculatorSettings(calculator=f"node_engines:{name}", arguments=arguments, max_force_ev_per_ang=1000.0)


def events(log: Path) -> list[dict[str, Any]]:
    """What the nodes' calculators have told."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def shaken(number: int) -> Frame:
    """A copper tetrahedron that is unlike all others."""
    atoms = copper()
    atoms.rattle(0.02, seed=number)
    return frame_of(atoms, system="copper")


def submit(pool: ParslPool, folder: Path, numbers: range) -> None:
    for number in numbers:
        pool.submit(LabelJob(number, shaken(number), folder / f"label-{number}"))


def collected(pool: ParslPool, look: Callable[[], object] = lambda: None, *, within_s: float = 90) -> dict[int, Label]:
    """All labels in flight by their numbers; `look` is called a few times a second until they are there."""
    deadline = time.monotonic() + within_s
    labels: dict[int, Label] = {}
    while pool.n_in_flight:
        assert time.monotonic() < deadline, f"{pool.n_in_flight} labels have not come"
        for done in pool.collect(timeout_s=0.3):
            assert isinstance(done.result, Label), done.result
            assert done.label_id not in labels
            labels[done.label_id] = done.result
        look()
    return labels


def test_blocks_follow_demand_from_none_to_four_and_back(slurm: Slurm, open_pool: OpenPool, tmp_path: Path) -> None:
    log = tmp_path / "log"
    pool = open_pool(engine("Told", log=str(log), wall_s=1.0), "slurm_node_per_label", max_blocks=4, max_idletime_s=3)
    time.sleep(2)
    assert slurm.jobs() == [], "nothing was asked for yet"
    for wave in (range(16), range(16, 20)):
        began = time.monotonic()
        running: list[tuple[float, int]] = []
        submit(pool, tmp_path, wave)
        labels = collected(pool, lambda: running.append((time.monotonic() - began, slurm.n_running())))  # noqa: B023
        assert sorted(labels) == list(wave)
        assert max(count for _, count in running) == 4
        four_after_s = next(after for after, count in running if count == 4)
        print(f"4 blocks after {four_after_s:.1f} s, {len(labels)} labels after {running[-1][0]:.1f} s")
        began = time.monotonic()
        assert slurm.is_empty_within(30)
        print(f"no block {time.monotonic() - began:.1f} s after the last label")
    assert {event["node"] for event in events(log)} == {"n1", "n2", "n3", "n4"}


def test_labels_share_a_node_with_cores_of_their_own(slurm: Slurm, open_pool: OpenPool, tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two labels at a time need two cores")
    log = tmp_path / "log"
    options = {"cores_per_node": slurm.cpus_per_node, "labels_per_node": 2, "max_blocks": 2}
    pool = open_pool(engine("Told", log=str(log), wall_s=1.0), "slurm_packed", **options)
    submit(pool, tmp_path, range(12))
    running: list[int] = []
    assert sorted(collected(pool, lambda: running.append(slurm.n_running()))) == list(range(12))
    assert max(running) == 2
    cores = {(event["node"], event["pid"]): set(event["cores"]) for event in events(log)}
    nodes = sorted(node for node, _ in cores)
    assert nodes == [nodes[0], nodes[0], nodes[-1], nodes[-1]], "two workers on each of two nodes"
    for (one, its_cores), (other, others) in itertools.combinations(cores.items(), 2):
        assert one[0] != other[0] or (its_cores and not its_cores & others)
    overlap = [one for one, other in itertools.pairwise(_spans(log)) if one[1] > other[0]]
    assert len(overlap) > 3, "labels were computed side by side"


def _spans(log: Path) -> list[tuple[float, float]]:
    """When each calculation began and ended, by its beginning."""
    began = {event["structure"]: event["time"] for event in events(log) if event["what"] == "begin"}
    return sorted((began[event["structure"]], event["time"]) for event in events(log) if event["what"] == "end")


def test_more_labels_than_cores_of_a_node_are_refused() -> None:
    with pytest.raises(SettingsError, match="8 labels do not fit 4 cores"):
        load_config("slurm_packed", cores_per_node=4, labels_per_node=8)


def test_a_label_spans_two_nodes(slurm: Slurm, open_pool: OpenPool, tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    log = tmp_path / "log"
    spanning = engine("AcrossNodes", log=str(log), launch="srun --mpi=pmi2")
    pool = open_pool(spanning, "slurm_multi_node", nodes_per_label=2, ranks_per_node=2, max_blocks=2)
    submit(pool, tmp_path, range(6))
    for number, label in collected(pool).items():
        atoms = Atoms("Cu4", positions=shaken(number).positions, calculator=LennardJones(rc=1e6))
        assert label.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(label.forces, atoms.get_forces(), atol=1e-9)
    nodes_of_ranks = {tuple(event["ranks"]) for event in events(log)}
    assert nodes_of_ranks == {("n1", "n1", "n2", "n2"), ("n3", "n3", "n4", "n4")}


def test_a_queue_that_refuses_is_reported_in_its_words(slurm: Slurm, open_pool: OpenPool, tmp_path: Path) -> None:
    pool = open_pool(engine("Told", log=str(tmp_path / "log"), wall_s=0.1), "slurm_node_per_label", partition="gpus")
    began = time.monotonic()
    with pytest.raises(SettingsError, match="refuses the jobs of the executor slurm") as caught:
        pool.probe([shaken(0)], tmp_path / "labels")
    print(f"refused after {time.monotonic() - began:.1f} s")
    assert "invalid partition specified: gpus" in str(caught.value)
    assert time.monotonic() - began < 45
    assert slurm.jobs() == []


def test_jobs_that_stay_pending_are_reported_and_start_when_they_can(
    slurm: Slurm, open_pool: OpenPool, tmp_path: Path
) -> None:
    other = slurm.occupy("--exclusive", f"--nodes={slurm.n_nodes}")
    pool = open_pool(engine("Told", log=str(tmp_path / "log"), wall_s=0.1), "slurm_node_per_label", max_blocks=1)
    now = 0.0
    watch = BlockOutlook(pool._kernel.queues, clock=lambda: now)
    submit(pool, tmp_path, range(2))
    assert pool.collect(timeout_s=8) == []
    assert [job.state for job in slurm.jobs() if job.number != other] == ["PENDING"]
    assert [line for _, line in watch.news()] == ["executor slurm: 0 jobs run, 1 are pending in the queue"]
    now = 300.0
    ((level, line),) = watch.news()
    assert level == logging.INFO
    assert line.startswith("waiting: 1 job pending in the queue of executor slurm since 5 min: ")
    assert "Resources (no free nodes)" in line or "Priority (other jobs come first)" in line
    slurm.cancel(other)
    assert sorted(collected(pool)) == [0, 1]


def test_reasons_of_pending_jobs_are_put_in_plain_words(slurm: Slurm, open_pool: OpenPool, tmp_path: Path) -> None:
    pool = open_pool(engine("Told", log=str(tmp_path / "log"), wall_s=0.1), "slurm_node_per_label")
    (queue,) = pool._kernel.queues
    held, too_large = str(slurm.occupy("--hold")), str(slurm.occupy("--nodes=9"))
    with slurm.drained():
        waiting = str(slurm.occupy())
        assert holds_within(10, lambda: queue.reason_pending([waiting]) in DRAINED)
    assert queue.reason_pending([held]) == "JobHeldUser (it was held by you)"
    assert queue.reason_pending([too_large]).startswith("PartitionConfig (the partition can't give what is asked")
