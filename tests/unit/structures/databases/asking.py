"""Questions to the databases of this machine."""

from typing import Unpack

import pytest

from aims_pax.structures.databases.fetched import MATERIALS_PROJECT, Fetched, Question
from aims_pax.structures.databases.materials import VARIABLE
from aims_pax.structures.databases.query import Asked, Query
from aims_pax.testing.databases.server import KEY, Databases


def spelled(name: str) -> str:
    return f"--{name}"


def ask(address: str, **asked: Unpack[Asked]) -> Fetched:
    """By OPTIMADE, or the Materials Project."""
    query = Query.of(asked, spelled=spelled)
    return Question.to(address, query, key_file=None, spelled=spelled).fetched()


def at_home(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the Materials Project is called, after the environment has named this server and its key."""
    monkeypatch.setenv(VARIABLE, databases.address)
    monkeypatch.setenv("MP_API_KEY", KEY)
    return MATERIALS_PROJECT


def names(fetched: Fetched) -> list[str]:
    return [entry.name for entry in fetched.entries]


def told(fetched: Fetched) -> str:
    return "\n".join(map(str, fetched.remarks))
