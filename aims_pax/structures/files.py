"""Structures of a file, as they stand there."""

from collections.abc import Iterator
from pathlib import Path

from aims_pax.atoms import frame_of
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings.systems import structures_of


class StructureFile:
    """All structures of a file in any format that starting structures may have.

    Parameters
    ----------
    path : Path
    folder : Path
        Of the project: in messages, files within it are told from there.
    """

    def __init__(self, path: Path, *, folder: Path = Path()) -> None:
        self._path, self._folder = path, folder

    @property
    def name(self) -> str:
        """The file's own: ``polymorphs.cif``."""
        return self._path.name

    def problems(self) -> list[Problem]:
        """A file that can't be read, and structures that can't be used."""
        try:
            structures_of(self._path, self._folder)
        except StructureError as error:
            return list(error.problems)
        return []

    def frames(self) -> Iterator[Frame]:
        """The structures in their order; their system is the file's name without its ending.

        Raises
        ------
        StructureError
            With all problems.
        """
        for number, atoms in enumerate(structures_of(self._path, self._folder), start=1):
            yield frame_of(atoms, system=self._path.stem, trajectory=NO_TRAJECTORY, md_step=number)
