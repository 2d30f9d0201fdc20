"""Members at work side by side: one thread each, as far as there are cores."""

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


@functools.cache
def _pool(n_workers: int, n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        n_workers, thread_name_prefix="member", initializer=functools.partial(torch.set_num_threads, n_threads)
    )


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], *, device: torch.device, max_threads: int | None = None
) -> list[Result]:
    """The results of `work` on every item, in order; on the CPU, as many at a time as PyTorch has threads.

    Parameters
    ----------
    max_threads : int or None
        Threads inside the operations of one item, where there are cores to spare.

    Notes
    -----
    The tensors of one member are too small to share between cores: two threads inside the operations of a 9-atom
    batch are slower than one, whereas whole members are independent and PyTorch lets go of the interpreter during
    its operations. The number of cores is PyTorch's own (``OMP_NUM_THREADS``). On a GPU the members share one
    stream, so that they take turns.
    """
    todo = list(items)
    n_cores = torch.get_num_threads()
    n_workers = max(1, min(len(todo), n_cores)) if device.type == "cpu" else 1
    n_threads = min(n_cores // n_workers, max_threads or n_cores)
    if n_workers < 2:
        with _threads(n_threads):
            return [work(item) for item in todo]
    return list(_pool(n_workers, n_threads).map(work, todo))


def one_core() -> AbstractContextManager[None]:
    """Operations inside use one thread: many small ones, as in building a model, lose time by waiting for others."""
    return _threads(1)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
