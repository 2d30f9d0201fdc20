"""What the tests of whole campaigns share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ..slurm.cluster import private_slurm, slurm  # noqa: F401 - fixtures
from .engines import Watched
from .projects import NOTHING_SEEN, copper, copper_project, run


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Campaigns are compared to the last bit, and children are forked, which thread pools do not survive."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def engine() -> Iterator[type[Watched]]:
    """The reference of copper projects, its memory empty and its manners good."""
    Watched.forget()
    yield Watched
    Watched.forget()


@pytest.fixture(scope="session")
def initial_copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of copper whose initial dataset is complete; tests of active learning begin with a copy of it."""
    Watched.forget()
    folder = tmp_path_factory.mktemp("initial")
    run(copper_project(folder, copper(), {"ACTIVE_LEARNING": None}), observer=NOTHING_SEEN)
    return folder
