"""One calculation of a program that ASE drives, with all that it follows from."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aims_pax.reference.programs.precision import Precision, arguments_of, precision_of

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, slots=True)
class EngineRun:
    """One calculation of a program.

    Parameters
    ----------
    settings : EngineSettings
        Those of the engine's own class.
    folder : Path
        Where it runs; absolute.
    command : list of str, on its leash; empty for engines within Python
    atoms : Atoms, in a cell where the program needs one
    kpts : (n, n, n) or None
        None: not a crystal, or to be left to `parameters`.
    want_stress : bool
    charge : int
        0 where `parameters` tell it, which win.
    multiplicity : int or None
        2S + 1; None where it is found, or told by `parameters`.
    """

    settings: Any
    folder: Path
    command: list[str]
    atoms: "Atoms"
    kpts: tuple[int, int, int] | None
    want_stress: bool
    charge: int = 0
    multiplicity: int | None = 1

    @property
    def wanted(self) -> list[str]:
        """What is to be computed, by ASE's names."""
        return ["energy", "forces", *(["stress"] if self.want_stress else [])]

    def arguments(self, **derived: Any) -> dict[str, Any]:
        """Arguments of the calculator: those derived from other keys, of a protocol, and the user's, which win."""
        mesh = {} if self.kpts is None else {"kpts": self.kpts}
        return {**mesh, **derived, **arguments_of(self.settings, periodic=self.is_periodic)}

    @property
    def is_periodic(self) -> bool:
        """Whether the structure is a crystal, a slab or a chain."""
        return bool(self.atoms.pbc.any())

    @property
    def precision(self) -> Precision | None:
        """What the protocol means; None without one."""
        return precision_of(self.settings)

    @property
    def centred(self) -> tuple[int, int, int] | None:
        """The grid about Γ that a protocol asks of programs with grids of another kind; that point alone for molecules.

        None without a protocol, and where `parameters` tell k points.
        """
        if self.precision is None or self.settings.says_k_points:
            return None
        return self.kpts if self.is_periodic else (1, 1, 1)

    @property
    def is_magnetic(self) -> bool:
        """Whether any atom begins with a moment."""
        return bool(self.atoms.get_initial_magnetic_moments().any())

    @property
    def moment(self) -> int | None:
        """The total moment, µB, that a cell is held at; None where it is found, or no electron is unpaired."""
        if self.multiplicity is None or (self.multiplicity == 1 and not self.is_magnetic):
            return None
        return self.multiplicity - 1

    @property
    def words(self) -> str:
        """The command, quoted word by word: some of ASE's calculators hand it to a shell."""
        return shlex.join(self.command)
