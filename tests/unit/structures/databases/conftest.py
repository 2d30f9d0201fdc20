"""Databases on this machine, and an environment without a key of whoever runs the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aims_pax.structures.databases.key import VARIABLES
from aims_pax.structures.databases.materials import VARIABLE
from aims_pax.testing.databases.server import Databases


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*VARIABLES, VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def databases() -> Iterator[Databases]:
    with Databases() as serving:
        yield serving
