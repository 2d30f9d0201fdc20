"""Every source that makes structures from others, by the suite that ships."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.protocols import Source
from aims_pax.settings.augmentation.reading import augment_argument
from aims_pax.settings.augmentation.sources import SupercellSettings
from aims_pax.structures.augmentation.drafts import Augmentation, Drawing
from aims_pax.structures.augmentation.registry import SOURCES
from aims_pax.structures.augmentation.supercells import Supercells
from aims_pax.testing.contracts import SourceContract
from aims_pax.testing.contracts.structures import cluster, crystal

from ..unit.structures.starts import salt

ATOM = Frame("atom", 0, 0, 0, np.array([29]), np.zeros((1, 3)))
CHLORINE = Frame("chlorine", 0, 0, 0, np.array([17, 17]), 2.0 * np.eye(2, 3))


@dataclass(frozen=True, slots=True)
class Case:
    """What `augment` says, and structures of which nothing can be made.

    Parameters
    ----------
    wish : object
    unsuited : tuple of Frame
        None at all: nothing else is in its way.
    """

    wish: object
    unsuited: tuple[Frame, ...] = ()


CASES = {
    "inputs": Case(True),
    "isolated": Case(True),
    "distort": Case({"n": 4}, (ATOM,)),
    "strain": Case(True, (cluster(),)),
    "strain_grid": Case(True, (cluster(),)),
    "displace": Case(True, (ATOM,)),
    "vacancies": Case({"n": 3, "n_vacancies": 3}, (cluster(),)),
    "clusters": Case(4),
    "slabs": Case(True, (cluster(),)),
    "substitute": Case({"structures": 1.0}, (crystal(),)),
    "alloys": Case({"species": ["Cu", "Au"], "fixed": "Cl", "n": 3}, (CHLORINE,)),
    "dimers": Case(3),
}


def made(kind: type[Augmentation[Any]], starts: tuple[Frame, ...]) -> Source:
    settings = augment_argument({kind.key: CASES[kind.key].wish})
    return kind(starts, getattr(settings, kind.key), Drawing.by(settings))


class _Kind(SourceContract):
    KIND: ClassVar[type[Augmentation[Any]]]

    def make(self) -> Source:
        starts = (crystal(), salt(), _doubled())
        return made(self.KIND, starts)

    def broken(self) -> Source:
        return made(self.KIND, CASES[self.KIND.key].unsuited)

    def test_frames_say_what_they_are(self, source: Source) -> None:
        assert {frame.config_type for frame in source.frames()} == {self.KIND.kind}


def _doubled() -> Frame:
    """Salt by another name: things of the same elements that differ otherwise."""
    return replace(salt(), system="more salt")


for one in SOURCES:
    name = f"Test{one.__name__}"
    globals()[name] = type(name, (_Kind,), {"KIND": one, "__module__": __name__})


class TestSupercells(SourceContract):
    def make(self) -> Source:
        return Supercells((crystal(), salt(), cluster()), SupercellSettings(), Drawing.by(augment_argument(None)))

    def broken(self) -> Source:
        return Supercells((), SupercellSettings(), Drawing.by(augment_argument(None)))


def test_each_source_has_a_case() -> None:
    assert CASES.keys() == {one.key for one in SOURCES}


@pytest.mark.parametrize("kind", SOURCES)
def test_sources_have_names_of_their_own(kind: type[Augmentation[Any]]) -> None:
    assert sum(kind.key == one.key or kind.kind == one.kind for one in SOURCES) == 1
