"""Runs that are interrupted at a chosen moment."""

from pathlib import Path

import pytest

from aims_pax.protocols import Status

from .engines import PLAIN, Watched
from .projects import Watcher, copper_project, run

CHANGES = {
    "REFERENCE": {"calculator": PLAIN},
    "ACTIVE_LEARNING": {"max_train_set_size": 6, "converge_al": True, "max_convergence_epochs": 3},
}


N_INITIAL = 8


def leaves_when(moment: str, n_labels: int) -> Watcher:
    def leave(now: Status) -> None:
        if now.activity.startswith(moment) and now.n_labels_received >= n_labels:
            raise KeyboardInterrupt("now")

    return Watcher(leave)


def interrupted(folder: Path, moment: str, *, n_labels: int = 0) -> Path:
    Watched.forget()
    copper_project(folder, changes=CHANGES)
    with pytest.raises(KeyboardInterrupt, match="now"):
        run(folder, observer=leaves_when(moment, n_labels))
    return folder
