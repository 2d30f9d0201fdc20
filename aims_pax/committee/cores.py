"""Members at work side by side: one thread each, as far as there are cores."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch

from aims_pax.committee.device import current

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
        with _threads(n_threads), current(device):
            return [work(item) for item in todo]
    return list(_pool(n_workers, n_threads).map(work, todo))


def device_by_device(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    devices: Sequence[torch.device],
    max_threads: int | None = None,
) -> list[Result]:
    """The results of `work` on every item, in order; each device has a thread of its own when there are several.

    Parameters
    ----------
    devices : sequence of torch.device
        Where each item is worked on.
    max_threads : int or None
        As in :func:`side_by_side`, which does it all when there is one device.
    """
    todo = list(items)
    if len(set(devices)) < 2:
        return side_by_side(work, todo, device=devices[0], max_threads=max_threads) if todo else []

    def of_one(device: torch.device) -> list[Result]:
        with current(device):
            return [work(item) for item, place in zip(todo, devices, strict=True) if place == device]

    lanes = sorted(set(devices), key=str)
    done = {d: iter(results) for d, results in zip(lanes, _pool(len(lanes), 1).map(of_one, lanes), strict=True)}
    return [next(done[device]) for device in devices]


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
