"""Tasks of a node's workers, which may be killed at any instant."""

import importlib
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from aims_pax.labelling.workers.manager import TaskQueue

WITHIN_S = 60.0


WORKER = """
import os
import signal
from queue import Empty


def work(number, tasks, done, deadly):
    os.environ["PARSL_WORKER_RANK"] = str(number)
    while True:
        try:
            task = tasks.get(timeout=0.1)
        except Empty:
            continue
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        done.send((number, task))
"""
"""As Parsl's worker does; a deadly one ends with its first task, before it can tell anybody."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts workers; ends them after the test."""
    (tmp_path / "simple_worker.py").write_text(WORKER, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    work = importlib.import_module("simple_worker").work
    workers: list[BaseProcess] = []

    def started(number: int, tasks: TaskQueue, done: Any = None, *, deadly: bool = False) -> BaseProcess:
        spawn = multiprocessing.get_context("spawn")
        worker = spawn.Process(target=work, args=(number, tasks, done, deadly))
        worker.start()
        workers.append(worker)
        return worker

    yield started
    for worker in workers:
        worker.kill()
        worker.join()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_tasks_are_computed_once_each_by_workers_that_are_idle(start: Any) -> None:
    book: dict[int, Any] = {}
    tasks = TaskQueue(lambda: book)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    for number in (0, 1):
        start(number, tasks, theirs)
    for task in range(50):
        tasks.put({"task_id": task})
    found = []
    while len(found) < 50:
        assert ours.poll(WITHIN_S)
        found.append(ours.recv()[1]["task_id"])
    assert sorted(found) == list(range(50))
    assert tasks.qsize() == 0


def test_task_of_a_worker_that_dies_before_it_has_told_anybody_is_in_the_book(start: Any) -> None:
    book: dict[int, Any] = {}
    tasks = TaskQueue(lambda: book)
    worker = start(3, tasks, deadly=True)
    tasks.put({"task_id": 7})
    worker.join(WITHIN_S)
    assert worker.exitcode == -signal.SIGKILL
    assert book == {3: {"task_id": 7}}


def test_worker_that_is_killed_while_it_waits_takes_no_task_along(start: Any) -> None:
    book: dict[int, Any] = {}
    tasks = TaskQueue(lambda: book)
    waiting = start(0, tasks)
    wait_until(lambda: bool(tasks._idle))
    waiting.kill()
    tasks.put({"task_id": 1})  # it may not be dead yet
    waiting.join()
    book.pop(0, None)  # as Parsl does when it finds the worker dead: the task is answered as lost
    tasks.put({"task_id": 2})
    ours, theirs = multiprocessing.Pipe(duplex=False)
    start(0, tasks, theirs)
    assert ours.poll(WITHIN_S)
    assert ours.recv()[1]["task_id"] in (1, 2)
    wait_until(lambda: tasks.qsize() == 0)
