"""What the tests of whole campaigns share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ..slurm.cluster import private_slurm, slurm  # noqa: F401 - fixtures
from .engines import Watched
from .projects import NOTHING_SEEN, copper, copper_project, run
from .springs import springs_for_mace


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


@pytest.fixture(scope="module")
def springs() -> Iterator[None]:
    """The models of a module are springs, for tests of when things happen and what is kept."""
    with springs_for_mace():
        yield


@pytest.fixture(scope="session")
def initial_copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of copper with a complete initial dataset, by springs; active learning begins with a copy of it."""
    with springs_for_mace():
        return _initial(tmp_path_factory.mktemp("initial"))


@pytest.fixture(scope="session")
def initial_copper_mace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with models of MACE."""
    return _initial(tmp_path_factory.mktemp("initial"))


def _initial(folder: Path) -> Path:
    Watched.forget()
    run(copper_project(folder, copper(), {"ACTIVE_LEARNING": None}), observer=NOTHING_SEEN)
    return folder
