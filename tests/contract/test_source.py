"""Every source of structures, by the suite that ships."""

from pathlib import Path

import pytest
from ase.io import write

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem
from aims_pax.protocols import Source
from aims_pax.structures.files import StructureFile
from aims_pax.testing.contracts import SourceContract
from aims_pax.testing.contracts.structures import cluster, crystal, rattled
from aims_pax.testing.sources import ListedSource


class TestStructureFile(SourceContract):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        frames = [rattled(cluster(), 1), rattled(crystal(), 2), rattled(cluster(), 3)]
        write(tmp_path / "some.extxyz", [atoms_of(frame) for frame in frames])
        (tmp_path / "broken.cif").write_text("this is no crystal\n", encoding="utf-8")

    def make(self) -> Source:
        return StructureFile(self.folder / "some.extxyz", folder=self.folder)

    def broken(self) -> Source | None:
        return StructureFile(self.folder / "broken.cif", folder=self.folder)

    def test_frames_are_named_after_their_file(self) -> None:
        assert {frame.system for frame in self.make().frames()} == {"some"}
        (problem,) = self.broken().problems()  # type: ignore[union-attr]
        assert problem.where == "broken.cif", "told from the project's folder"


class TestListedSource(SourceContract):
    def make(self) -> Source:
        return ListedSource([rattled(cluster(), 1), crystal()])

    def broken(self) -> Source | None:
        return ListedSource([], problems=[Problem("list", "It is empty.")])
