"""Packages are those of pyproject.toml, whatever is installed."""

import tomllib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from aims_pax.checking.installation import packages
from aims_pax.checking.installation.finding import Standing

PROJECT: dict[str, Any] = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]


def installed(*present: str) -> Callable[[str], str]:
    def version(name: str) -> str:
        if name in present:
            return "1.0"
        raise PackageNotFoundError(name)

    return version


@pytest.fixture
def requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["ase>=3.24", "torch>=2.4", "pyscf>=2.14; extra == 'pyscf'", 'ruff>=0.8 ; extra == "dev"']
    monkeypatch.setattr(packages, "requires", lambda name: lines)


@pytest.mark.usefixtures("requirements")
def test_what_is_missing_is_installed_by_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", installed())
    found = packages.needed_packages()
    assert found.prevents
    assert found.advice == "python -m pip install ase", "PyTorch has a finding of its own"


@pytest.mark.usefixtures("requirements")
def test_extras_are_told_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", installed("ase"))
    absent = {one.name: one for one in packages.extras()}["extra pyscf"]
    assert (absent.standing, absent.found) == (Standing.ABSENT, "without pyscf")
    assert absent.advice == "python -m pip install 'aims-pax[pyscf]'"
    monkeypatch.setattr(packages, "version", installed("pyscf"))
    assert {one.name: one for one in packages.extras()}["extra pyscf"].standing is Standing.READY


def test_every_extra_that_a_user_may_want_is_told() -> None:
    told = {one.name.removeprefix("extra ") for one in packages.extras()}
    assert told <= set(PROJECT["optional-dependencies"]), "the installed package is another one"
    assert not told & packages.OF_DEVELOPERS
    assert {"asi", "dispersion", "gpaw", "pyscf"} <= told


def test_a_clone_that_was_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "requires", missing)
    found = packages.needed_packages()
    assert found.standing is Standing.ABSENT
    assert "--editable ." in found.advice
    assert packages.extras() == []
