"""Batch jobs: what is written down of them, who cancels them, and what a batch system says."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost
from parsl.jobs.states import JobState, JobStatus
from parsl.providers import LocalProvider, LSFProvider, PBSProProvider, SlurmProvider
from parsl.providers.errors import SubmitException

from aims_pax.errors import StoreError
from aims_pax.labelling.workers.blocks import BlockQueue, Ledger, cancel_command, cancel_left_over, error_output
from aims_pax.labelling.workers.configuration import (
    FIRST_PAUSE_S,
    MAX_FAILED_BLOCKS,
    CountedLosses,
    GuardedExecutor,
    TooManyFailedBlocks,
    give_up_after_failures,
    retry_cost,
)
from aims_pax.labelling.workers.outlook import CONNECTING_S, EMPTY_S, BlockOutlook
from aims_pax.labelling.workers.undertaker import cancel_all
from aims_pax.protocols import PoolOutlook

from ..conftest import FakeSlurm


def executor_of(provider: Any, folder: Path) -> Any:
    """An executor that never starts, whose submit scripts go into a folder."""
    provider.script_dir = str(folder)
    executor = GuardedExecutor(label="dft", provider=provider)
    executor.launch_cmd = "true --block_id={block_id}"
    executor.connected_managers = list
    return executor


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "parsl")
    yield opened
    opened.close(all_cancelled=True)


def ledgers(folder: Path) -> list[Path]:
    return list((folder / "parsl").glob("batch_jobs-*"))


def entry(job: str, *, days_ago: float = 0.0) -> str:
    """A line of a ledger."""
    return json.dumps({"cancel": ["scancel"], "job": job, "submitted": time.time() - 86400 * days_ago}) + "\n"


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while ledgers(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("provider", "command"),
    [
        (SlurmProvider(clusters="big"), ["scancel", "--clusters=big"]),
        (PBSProProvider(), ["qdel"]),
        (LSFProvider(), ["bkill"]),
        (LocalProvider(), None),
    ],
    ids=["slurm", "pbs", "lsf", "local"],
)
def test_every_batch_system_has_its_command_to_cancel(provider: Any, command: list[str] | None) -> None:
    assert cancel_command(provider) == command


def test_a_submitted_job_is_in_the_ledger_as_long_as_the_campaign_lives(
    slurm: FakeSlurm, ledger: Ledger, tmp_path: Path
) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    BlockQueue(executor, ledger)
    assert executor.scale_out_facade(1) == ["0"]
    (file,) = ledgers(tmp_path)
    assert '"job": "7"' in file.read_text(encoding="utf-8")
    ledger.close(all_cancelled=True)
    assert ledgers(tmp_path) == []
    assert slurm.calls_of("scancel") == []


def test_jobs_that_a_campaign_could_not_cancel_are_cancelled_by_its_undertaker(
    slurm: FakeSlurm, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.add(["scancel"], "7")
    ledger.add(["scancel"], "8")
    ledger.close(all_cancelled=False)
    wait_until_gone(tmp_path)
    assert slurm.calls_of("scancel") == ["7 8"]


def test_jobs_of_a_killed_campaign_are_cancelled(slurm: FakeSlurm, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from aims_pax.labelling.workers.blocks import Ledger\n"
        "Ledger(Path(sys.argv[1])).add(['scancel'], '7'); print('ready', flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    campaign = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "parsl")], env=environment, stdout=subprocess.PIPE
    )
    assert campaign.stdout is not None
    assert campaign.stdout.readline() == b"ready\n"
    campaign.kill()
    wait_until_gone(tmp_path)
    campaign.communicate()
    assert slurm.calls_of("scancel") == ["7"]


def test_jobs_left_over_by_an_earlier_run_are_cancelled_and_those_of_a_live_one_are_not(
    slurm: FakeSlurm, ledger: Ledger, tmp_path: Path
) -> None:
    ledger.add(["scancel"], "1")
    (tmp_path / "parsl" / "batch_jobs-elsewhere-1-1.jsonl").write_text(entry("5") + '{"cancel": ["sca', "utf-8")
    again = Ledger(tmp_path / "parsl")
    assert again.n_left_over == 1
    assert slurm.calls_of("scancel") == ["5"]
    again.close(all_cancelled=True)
    assert len(ledgers(tmp_path)) == 1


def test_jobs_of_long_ago_are_left_alone_because_their_numbers_may_be_another_jobs(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    file = tmp_path / "batch_jobs.jsonl"
    file.write_text(entry("5", days_ago=30) + entry("6", days_ago=1), encoding="utf-8")
    assert cancel_all(file) == 1
    assert slurm.calls_of("scancel") == ["6"]
    assert not file.exists()


def test_ledgers_are_locked_where_locks_need_write_access(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked_as_by_nfs(file: Any, operation: int) -> None:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")

    (tmp_path / "batch_jobs-elsewhere-1-1.jsonl").write_text(entry("5"), encoding="utf-8")
    monkeypatch.setattr(fcntl, "flock", locked_as_by_nfs)
    assert cancel_left_over(tmp_path) == 1


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(file: Any, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(StoreError, match="can't lock files"):
        Ledger(tmp_path / "parsl")


def test_a_job_that_could_not_be_written_down_is_known_all_the_same(
    slurm: FakeSlurm, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    executor = executor_of(SlurmProvider(), tmp_path)
    queue = BlockQueue(executor, ledger)
    monkeypatch.setattr(os, "fsync", full)
    assert executor.scale_out_facade(1) == ["0"]
    assert queue.jobs(JobState.PENDING) == ["7"]
    assert "job 7 is not in" in caplog.text


@pytest.mark.parametrize("all_cancelled", [True, False])
def test_a_ledger_whose_undertaker_was_killed_is_closed(ledger: Ledger, *, all_cancelled: bool) -> None:
    ledger._undertaker.kill()
    ledger._undertaker.wait()
    ledger.close(all_cancelled=all_cancelled)
    assert ledger._file.closed
    assert ledger._path.exists() is not all_cancelled, "what is left is for the next start to cancel"


def test_a_job_that_slurm_has_forgotten_has_ended(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    BlockQueue(executor, None)
    executor.scale_out_facade(1)
    slurm.command("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    (status,) = executor.provider.status(["7"])
    assert status.terminal


def test_a_batch_system_that_does_not_answer_is_asked_again(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.command("scancel", "exit 1")
    file = tmp_path / "batch_jobs.jsonl"
    file.write_text(entry("5"), encoding="utf-8")
    pauses: list[float] = []
    assert cancel_all(file, attempts=3, sleep=pauses.append) == 1
    assert slurm.calls_of("scancel") == ["5", "5", "5"]
    assert len(pauses) == 2
    assert not file.exists()


def test_variables_of_the_campaigns_own_job_do_not_reach_those_that_it_submits(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    executor = executor_of(SlurmProvider(), tmp_path)
    BlockQueue(executor, None)
    executor.scale_out_facade(1)
    assert (slurm.folder / "environment").read_text(encoding="utf-8") == "SLURM_CONF=/etc/slurm.conf\n"


def test_a_refusal_is_kept_in_the_batch_systems_words_and_forgotten_when_it_is_over(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    slurm.refuses_jobs()
    executor = executor_of(SlurmProvider(), tmp_path)
    queue = BlockQueue(executor, None)
    with pytest.raises(SubmitException, match="Cannot launch job"):
        executor.provider.submit("true", 1, "job")
    assert queue.refusal == "sbatch: error: invalid partition specified: nowhere"
    assert queue.n_refused == 1
    slurm.takes_jobs()
    executor.provider.submit("true", 1, "job")
    assert (queue.refusal, queue.n_refused) == (None, 0)


def test_a_batch_system_that_refuses_is_not_asked_again_at_once(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.refuses_jobs()
    executor = executor_of(SlurmProvider(), tmp_path)
    for _ in range(5):
        assert executor.scale_out_facade(2) == []
    assert len(slurm.calls_of("sbatch")) == 1
    assert executor._not_before > time.monotonic() + FIRST_PAUSE_S / 2


def test_an_executor_is_not_given_up_for_jobs_that_are_refused(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    assert executor.scale_out_facade(1) == ["0"]
    slurm.refuses_jobs()
    for _ in range(MAX_FAILED_BLOCKS):
        executor._not_before = 0.0
        assert executor.scale_out_facade(4) == []
    give_up_after_failures(executor, executor.status_facade)
    assert not executor.bad_state_is_set


def test_an_executor_whose_blocks_all_fail_answers_its_tasks_with_the_last_ones_words(tmp_path: Path) -> None:
    from concurrent.futures import Future

    executor = executor_of(LocalProvider(), tmp_path)
    done: Future[None] = Future()
    done.set_result(None)
    waiting: Future[None] = Future()
    executor.tasks.update({1: done, 2: waiting})
    status = {str(number): JobStatus(JobState.MISSING) for number in range(MAX_FAILED_BLOCKS)}
    executor.blocks_to_job_id.update({block: f"job {block}" for block in status})
    give_up_after_failures(executor, {**status, "0": JobStatus(JobState.RUNNING)})
    assert not executor.bad_state_is_set
    (tmp_path / f"parsl.dft.block-{MAX_FAILED_BLOCKS - 1}.123.sh.err").write_text("no module pw\n", encoding="utf-8")
    give_up_after_failures(executor, status)
    give_up_after_failures(executor, status)
    assert isinstance(executor.executor_exception, TooManyFailedBlocks)
    assert "no module pw" in str(waiting.exception(timeout=0))


def test_the_end_of_a_blocks_error_output_is_found_whatever_the_provider_calls_its_file(tmp_path: Path) -> None:
    executor = executor_of(LocalProvider(), tmp_path)
    assert error_output(executor, "1") == ""
    for name in ("parsl.dft.block-1.12.sh.out", "parsl.dft.block-11.12.stderr", "parsl.dft.block-2.12.submit.stderr"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert error_output(executor, "1") == ""
    assert error_output(executor, "2") == "parsl.dft.block-2.12.submit.stderr"


# -- what the diary says --------------------------------------------------------------------------------------


def test_waiting_is_told_with_its_reason_less_and_less_often(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    queue = BlockQueue(executor, None)
    executor.scale_out_facade(1)
    executor.tasks[1] = None
    now = 0.0
    watch = BlockOutlook([queue], clock=lambda: now)
    assert [line for _, line in watch.news()] == ["executor dft: 0 jobs run, 1 are pending in the queue"]
    told = []
    for minute in range(1, 11):
        now = 60.0 * minute
        told += [(minute, line) for _, line in watch.news()]
    assert [minute for minute, _ in told] == [1, 2, 4, 8]
    assert told[0][1] == (
        "waiting: 1 job pending in the queue of executor dft since 1 min: PartitionNodeLimit (more nodes than the "
        "partition gives: it will not start)"
    )
    executor._status["0"] = JobStatus(JobState.RUNNING)
    assert [line for _, line in watch.news()] == ["executor dft: 1 jobs run, 0 are pending in the queue"]


def test_a_refusal_and_a_failed_block_are_told_once(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.refuses_jobs()
    executor = executor_of(SlurmProvider(), tmp_path)
    queue = BlockQueue(executor, None)
    watch = BlockOutlook([queue])
    executor.scale_out_facade(1)
    (line,) = [line for _, line in watch.news()]
    assert "a job was refused, and is tried again: sbatch: error: invalid partition specified: nowhere" in line
    assert list(watch.news()) == []
    slurm.takes_jobs()
    executor._not_before = 0.0
    assert executor.scale_out_facade(1) == ["1"]
    executor._status["1"] = JobStatus(JobState.MISSING)
    (tmp_path / "parsl.dft.block-1.12.stderr").write_text("conda: command not found\n", encoding="utf-8")
    (line,) = [line for _, line in watch.news()]
    assert line == "executor dft: block 1 came to nothing: conda: command not found"
    assert list(watch.news()) == []


# -- what may be hoped for ------------------------------------------------------------------------------------


def test_pending_blocks_are_a_hope_and_said_with_their_reason(slurm: FakeSlurm, tmp_path: Path) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    watch = BlockOutlook([BlockQueue(executor, None)])
    assert watch.outlook() == PoolOutlook("no executor has labels to compute", is_dead=False)
    executor.scale_out_facade(1)
    executor.tasks[1] = None
    outlook = watch.outlook()
    assert not outlook.is_dead
    assert outlook.words.startswith("executor dft: 0 blocks run, 1 are pending (PartitionNodeLimit (more nodes")


def test_refused_block_is_a_hope(slurm: FakeSlurm, tmp_path: Path) -> None:
    slurm.refuses_jobs()
    executor = executor_of(SlurmProvider(), tmp_path)
    now = 0.0
    watch = BlockOutlook([BlockQueue(executor, None)], clock=lambda: now)
    executor.scale_out_facade(1)
    executor.tasks[1] = None
    list(watch.news())
    now = 10 * EMPTY_S
    list(watch.news())
    outlook = watch.outlook()
    assert not outlook.is_dead
    assert "another was refused and is asked for again (sbatch: error: invalid partition" in outlook.words


def test_executor_with_labels_that_has_no_block_and_asks_for_none_is_dead_after_a_while(
    slurm: FakeSlurm, tmp_path: Path
) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    now = 0.0
    watch = BlockOutlook([BlockQueue(executor, None)], clock=lambda: now)
    executor.scale_out_facade(1)
    executor._status["0"] = JobStatus(JobState.MISSING)
    (tmp_path / "parsl.dft.block-0.12.stderr").write_text("conda: command not found\n", encoding="utf-8")
    executor.tasks[1] = None
    list(watch.news())
    now = EMPTY_S
    assert not watch.outlook().is_dead, "Parsl may be about to ask for another"
    now += 1.0
    assert watch.outlook() == PoolOutlook(
        "executor dft: 0 blocks run, 0 are pending, and none is asked for; the last one that failed said: "
        "conda: command not found",
        is_dead=True,
    )


def test_block_whose_workers_are_never_heard_of_is_dead_after_a_while(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = executor_of(SlurmProvider(), tmp_path)
    now, nodes = 0.0, [{"worker_count": 4}, {"worker_count": 4}]
    watch = BlockOutlook([BlockQueue(executor, None)], clock=lambda: now)
    monkeypatch.setattr(executor, "connected_managers", lambda: nodes)
    executor.scale_out_facade(1)
    executor._status["0"] = JobStatus(JobState.RUNNING)
    executor.tasks[1] = None
    list(watch.news())
    now = 2 * CONNECTING_S
    words = "executor dft: 1 blocks run, 0 are pending"
    assert watch.outlook() == PoolOutlook(f"{words}, 8 workers are connected", is_dead=False)
    nodes.clear()
    assert watch.outlook() == PoolOutlook(f"{words}, 0 workers are connected", is_dead=True)
    now = CONNECTING_S
    assert not watch.outlook().is_dead


def test_executor_that_was_given_up_is_dead_and_another_with_labels_is_a_hope(slurm: FakeSlurm, tmp_path: Path) -> None:
    broken, sound = (executor_of(SlurmProvider(), tmp_path) for _ in range(2))
    watch = BlockOutlook([BlockQueue(broken, None), BlockQueue(sound, None)])
    broken.set_bad_state_and_fail_all(TooManyFailedBlocks("10 blocks in a row came to nothing"))
    assert watch.outlook() == PoolOutlook("executor dft was given up: 10 blocks in a row came to nothing", is_dead=True)
    sound.scale_out_facade(1)
    sound.tasks[1] = None
    assert not watch.outlook().is_dead


def test_attempts_lost_with_their_workers_are_counted_whatever_they_cost() -> None:
    for rule, cost in ((None, 1.0), (retry_cost, 1.0), (lambda error, task: 0.5, 0.5)):
        losses = CountedLosses(rule)
        assert losses(WorkerLost(1, "node-03"), {}) == cost
        assert losses(ManagerLost(b"1", "node-03"), {}) == cost
        losses(ValueError("none of these"), {})
        assert losses.n_lost == 2
