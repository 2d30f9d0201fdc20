"""How long the first task is waited for."""

from concurrent.futures import Future
from pathlib import Path

import pytest
from parsl.jobs.states import JobState, JobStatus
from parsl.providers import SlurmProvider

from aims_pax.errors import SettingsError
from aims_pax.labelling.workers import probe
from aims_pax.labelling.workers.blocks import BlockQueue
from aims_pax.labelling.workers.configuration import GuardedExecutor
from aims_pax.labelling.workers.probe import ANSWER_S, Surroundings, await_probes

from ..conftest import FakeSlurm

FOUND = Surroundings("n1", "3.11", ())
RUNNING, PENDING = JobState.RUNNING, JobState.PENDING


@pytest.fixture
def queue(slurm: FakeSlurm, tmp_path: Path) -> BlockQueue:
    """The queue of an executor whose only block is pending."""
    provider = SlurmProvider()
    provider.script_dir = str(tmp_path)
    executor = GuardedExecutor(label="dft", provider=provider)
    executor.launch_cmd = "true --block_id={block_id}"
    queue = BlockQueue(executor, None)
    executor.scale_out_facade(1)
    return queue


def awaited(queue: BlockQueue, history: list[tuple[float, JobState]]) -> dict[str, Surroundings]:
    """What comes of a probe whose block has these states at these times, s, and which is answered afterwards."""
    answer: Future[Surroundings] = Future()
    steps, now = iter(history), 0.0

    def look() -> None:
        nonlocal now
        now, state = next(steps, (now, None))
        if state is None:
            answer.set_result(FOUND)
        else:
            queue.executor._status["0"] = JobStatus(state)

    return await_probes({"dft": answer}, {"dft": queue}, lost=look, clock=lambda: now)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LOOK_S", 0.0)


def test_a_block_whose_workers_never_answer_is_given_up(queue: BlockQueue) -> None:
    with pytest.raises(SettingsError, match="A block of the executor dft has run for 5 min, and no worker has answer"):
        awaited(queue, [(0, PENDING), (10_000, RUNNING), (10_000 + ANSWER_S + 1, RUNNING)])


def test_a_block_that_is_preempted_has_its_whole_time_again(queue: BlockQueue) -> None:
    history = [(0.0, RUNNING), (200.0, RUNNING), (400.0, PENDING), (5000.0, RUNNING), (5200.0, RUNNING)]
    assert awaited(queue, history) == {"dft": FOUND}
