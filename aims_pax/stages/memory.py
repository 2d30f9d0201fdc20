"""What a campaign must remember to go on as if it had never been interrupted."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.dataset.tables.database import DAMAGED
from aims_pax.errors import StoreError
from aims_pax.learner.journal import from_text, to_text
from aims_pax.stages.activities import Stopwatch

if TYPE_CHECKING:
    from aims_pax.protocols import Committee

T = TypeVar("T")


class Memory:
    """Named values of a run in its store, and the committee's checkpoint beside it.

    Written within the caller's transaction, so that all of it is of the same moment as the labels and frames that
    are committed with it.
    """

    def __init__(self, store: RunStore, folder: RunFolder) -> None:
        self._store, self._folder = store, folder

    def keep(self, key: str, value: object) -> None:
        """Remember a frozen value of the learner."""
        self._store.save_state(key, to_text(value).encode())

    def recall(self, key: str, kind: type[T]) -> T | None:
        """A value that was kept, or None."""
        data = self._store.load_state(key)
        with recalling(key):
            return None if data is None else from_text(kind, data.decode())

    def keep_json(self, key: str, value: object) -> None:
        """Remember plain data."""
        self._store.save_state(key, json.dumps(value).encode())

    def recall_json(self, key: str) -> object | None:
        """Plain data that was kept, or None."""
        data = self._store.load_state(key)
        with recalling(key):
            return None if data is None else json.loads(data)

    def keep_bytes(self, key: str, value: bytes) -> None:
        """Remember a sampler's state or a checkpoint."""
        self._store.save_state(key, value)

    def recall_bytes(self, key: str) -> bytes | None:
        """Bytes that were kept, or None."""
        return self._store.load_state(key)

    def forget(self, key: str) -> None:
        """Remember nothing under this name any more."""
        self._store.forget_state(key)

    def keep_time(self, stopwatch: Stopwatch) -> None:
        """Remember the wall time by activity and by part of the run."""
        self._store.save_state("activities", stopwatch.to_text().encode())
        self._store.save_state("parts", stopwatch.parts_to_text().encode())

    def recall_time(self, stopwatch: Stopwatch) -> None:
        """Add the time of earlier processes of this run."""
        data, parts = self._store.load_state("activities"), self._store.load_state("parts")
        if data is not None:
            with recalling("activities"):
                stopwatch.add(data.decode(), parts=None if parts is None else parts.decode())

    def write_committee(self, committee: "Committee") -> Path:
        """Write the committee's weights and optimizers durably; :meth:`keep_committee` makes them the valid ones."""
        self._folder.checkpoints.mkdir(parents=True, exist_ok=True)
        path = self._folder.checkpoints / f"committee_{committee.generation:06d}.pt"
        committee.save(path)
        return path

    def keep_committee(self, path: Path) -> None:
        """Remember which checkpoint belongs to the state that is being committed."""
        self.keep_json("committee", path.name)

    def committee_checkpoint(self) -> Path | None:
        """The checkpoint that belongs to the stored state."""
        name = self.recall_json("committee")
        return None if name is None else self._folder.checkpoints / str(name)

    def forget_other_checkpoints(self) -> None:
        """Remove the checkpoints of earlier generations, once a newer one was committed."""
        valid = self.committee_checkpoint()
        for path in self._folder.checkpoints.glob("*committee_*.pt*"):  # with what a kill left half written
            if path != valid:
                path.unlink(missing_ok=True)


@contextmanager
def recalling(key: str) -> Iterator[None]:
    """Say that a value is damaged, instead of how its decoding fails."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{STORE_NAME}: the value {key} can't be read ({error}){DAMAGED}") from error


def pack(parts: Mapping[str, bytes]) -> bytes:
    """Several named byte strings in one."""
    names = json.dumps({name: len(data) for name, data in parts.items()}).encode()
    return len(names).to_bytes(8, "little") + names + b"".join(parts.values())


def unpack(data: bytes) -> dict[str, bytes]:
    """The byte strings that :func:`pack` has put together.

    Raises
    ------
    StoreError
        They are damaged.
    """
    with recalling("of packed bytes"):
        n_names = int.from_bytes(data[:8], "little")
        lengths = json.loads(data[8 : 8 + n_names])
        parts, start = {}, 8 + n_names
        for name, length in lengths.items():
            parts[name] = data[start : start + length]
            start += length
        return parts
