"""REFERENCE: programs of electronic structure that ASE drives."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.frame import FloatArray
from aims_pax.settings.methods.keywords import (
    CHARGE,
    CHARGE_OTHERWISE,
    MOLECULE_KEYWORDS,
    MOMENT,
    flat,
    says_k_points,
)
from aims_pax.settings.methods.limits import LabelLimits
from aims_pax.settings.reading.command import Command
from aims_pax.settings.reading.kinds import Arguments, Count, Positive, ProjectPath, Text, Whole, shown
from aims_pax.settings.section import Contradiction

Charge = Annotated[int, Ge(-1000), Le(1000), Whole]
Protocol = Literal["fast", "balanced", "stringent"]

_COMMAND: Final = "Command that starts the program, with its launcher: mpiexec -n 4 PROGRAM, srun PROGRAM."
_PSEUDO_DIR: Final = "Folder of pseudopotentials."


class EngineSettings(LabelLimits):
    """What all these programs share."""

    type: str = Field(description="The program.")
    parameters: Arguments = Field(
        default_factory=dict,
        description="Keyword arguments of ASE's calculator for the program, in ASE's names and units. They come last "
        "and win over anything that is derived from other keys.",
    )

    def _said_twice(self, key: str, names: tuple[str, ...]) -> Iterator[Contradiction]:
        """A key of ours, and the program's own keyword of the same meaning."""
        written = [name for name, _ in flat(self.parameters) if name in names]
        if self.is_set(key) and getattr(self, key) is not None and written:
            found = f"{key} is {getattr(self, key)}, and parameters have {written[0]}: both say the same thing."
            yield Contradiction(key, found, "Keep one of them.")


CLEARANCE_ANG: Final = 3.0
"""Least distance of a molecule from the walls of its cell."""


class MoleculeEngineSettings(EngineSettings):
    """What programs for molecules share."""

    charge: Charge = Field(0, description="Total charge, elementary charges.")
    multiplicity: Count = Field(1, description="Spin multiplicity 2S + 1. 1: closed shell.")

    def contradictions(self) -> Iterator[Contradiction]:
        for key in ("charge", "multiplicity"):
            yield from self._said_twice(key, tuple(name for meant, name in MOLECULE_KEYWORDS if meant == key))


class ChargedEngineSettings(EngineSettings):
    """What programs share whose own keywords may tell the charge, too."""

    charge: Charge | None = Field(
        None,
        description="Total charge (of a cell: with a uniform background), elementary charges. As parameters say "
        "when not given, and 0 when these say nothing.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from self._said_twice("charge", (*CHARGE, *CHARGE_OTHERWISE))


class BoxedEngineSettings(EngineSettings):
    """What programs share that put a molecule into a cell."""

    molecule_box: Positive = Field(
        15.0,
        description="Edge of the cubic cell around a molecule that has no cell of its own, Å. The molecule is moved to "
        "its centre.",
    )


def box_problem(positions: FloatArray, edge_ang: float, *, key: str = "REFERENCE.molecule_box") -> str | None:
    """Why a molecule is too large for such a cell; None when it is not.

    Parameters
    ----------
    positions : (n_atoms, 3), Å
    key : str
        What the edge is called where the user writes it.
    """
    extent = float((positions.max(axis=0) - positions.min(axis=0)).max())
    if extent + 2 * CLEARANCE_ANG <= edge_ang:
        return None
    return (
        f"the molecule extends over {extent:.1f} Å, and {key} = {edge_ang:g} Å leaves less than "
        f"{CLEARANCE_ANG:g} Å around it; enlarge it"
    )


class KPointEngineSettings(EngineSettings):
    """What programs share that sample the Brillouin zone."""

    protocol: Protocol | None = Field(
        None,
        description="How finely it is computed: k points, smearing, cutoffs and convergence by one word. kspacing and "
        "parameters win over it, one by one. As these alone say when not given.",
    )
    kspacing: Positive | None = Field(
        None,
        description="Largest distance of k points along each reciprocal vector, 1/Å, with the factor 2π as in VASP's "
        "KSPACING. When neither this nor a protocol nor kpts in parameters is given, the Γ point alone; ABINIT and "
        "CASTEP then choose points by rules of their own.",
    )

    @property
    def identity(self) -> str:
        """As it was before there were protocols, where none is named: folders of flights hold it."""
        unsaid = {"protocol"} if self.protocol is None else set()
        return f"{type(self).__name__} {self.model_dump(warnings=False, exclude=unsaid)}"

    @property
    def says_k_points(self) -> bool:
        """Whether the program's own keywords tell them."""
        return says_k_points(self.parameters)


class CrystalEngineSettings(KPointEngineSettings, BoxedEngineSettings, ChargedEngineSettings):
    """What programs for crystals share."""

    magnetic_moments: dict[Text, float] = Field(
        default_factory=dict, description="Initial magnetic moments by element, µB: {Fe: 2.5}."
    )
    multiplicity: Count | None = Field(
        None,
        description="Spin multiplicity 2S + 1: the total moment is held at 2S µB. When not given, it is found from "
        "magnetic_moments, and without these electrons are paired.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from self._said_twice("multiplicity", MOMENT)


PW_NAMELISTS: Final = ("control", "system", "electrons", "ions", "cell", "fcp", "rism")
"""Of pw.x's input (INPUT_PW of Quantum ESPRESSO 7)."""

BY_NAMELIST: Final = "Write them by namelist: input_data: {system: {ecutwfc: 50}}."


class EspressoSettings(CrystalEngineSettings):
    """Plane waves by Quantum ESPRESSO's pw.x."""

    type: Literal["espresso"] = Field("espresso", description="Quantum ESPRESSO.")
    command: Command = Field("pw.x", description=_COMMAND)
    protocol: Protocol = Field(
        "balanced",
        description="How finely it is computed. fast: k spacing 0.30 1/Å, cold smearing 0.0275 Ry; balanced: 0.15, "
        "0.02; stringent: 0.10, 0.0125. kspacing and input_data in parameters win over it.",
    )
    kspacing: Positive | None = Field(
        None,
        description="Largest distance of k points along each reciprocal vector, 1/Å, with the factor 2π as in VASP's "
        "KSPACING. That of the protocol when not given.",
    )
    pseudo_dir: ProjectPath = Field(
        description=f"{_PSEUDO_DIR} When it holds the table of an SSSP library (SSSP_*.json), files and cutoffs "
        "are those of the table."
    )
    pseudopotentials: dict[Text, Text] = Field(
        default_factory=dict, description="File of each element's pseudopotential: {Si: Si.pbe-n-rrkjus_psl.1.0.0.UPF}."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        data = self.parameters.get("input_data", {})
        written = dict(data) if isinstance(data, Mapping) else {"": None}
        groups = [group for group in written.values() if isinstance(group, Mapping)]
        alone = {key: value for key, value in written.items() if not isinstance(value, Mapping)}
        named = all(isinstance(key, str) for group in (written, *groups) for key in group)
        plain = all(isinstance(value, str | int | float) for group in (alone, *groups) for value in group.values())
        if not (named and plain):
            found = "input_data is not a mapping of pw.x's keywords to texts, numbers, true and false."
            yield Contradiction("parameters", found, BY_NAMELIST)
        for name in [name for name in alone if str(name).lower() in PW_NAMELISTS]:
            found = f"input_data.{name} is {shown(alone[name])}, and {name} is a namelist of pw.x."
            yield Contradiction("parameters", found, BY_NAMELIST)


class GpawSettings(CrystalEngineSettings):
    """Projector-augmented waves by GPAW, in a process of its own; needs the extra aims-pax[gpaw]."""

    OWN_PROCESS: ClassVar = True

    type: Literal["gpaw"] = Field("gpaw", description="GPAW.")
    launch: Command | None = Field(
        None,
        description="How the ranks of a label are started, for example mpiexec -n {ranks}; needs mpi4py. One "
        "process when not given.",
    )

    @property
    def launcher(self) -> tuple[str, ...]:
        """Words of `launch`."""
        return () if self.launch is None else tuple(shlex.split(self.launch))

    @property
    def own_environment(self) -> Mapping[str, str]:
        """GPAW's ranks speak by mpi4py, as ours do: two MPI libraries in one process crash it."""
        return {} if self.launch is None else {"GPAW_MPI_BACKEND": "mpi4py"}


class Cp2kSettings(KPointEngineSettings, BoxedEngineSettings, MoleculeEngineSettings):
    """Gaussians and plane waves by CP2K's shell."""

    type: Literal["cp2k"] = Field("cp2k", description="CP2K.")
    command: Command = Field("cp2k.psmp -s", description=f"{_COMMAND} It must start CP2K's shell (-s).")
    kspacing: Positive | None = Field(
        None,
        description="Largest distance of k points along each reciprocal vector, 1/Å, with the factor 2π as in VASP's "
        "KSPACING. When not given, as KPOINTS in inp of parameters says, or a protocol; the Γ point without any.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.kspacing is not None and self.says_k_points:
            found = f"kspacing is {self.kspacing:g}, and inp in parameters has KPOINTS: both say the same thing."
            yield Contradiction("kspacing", found, "Keep one of them.")

    @property
    def says_k_points(self) -> bool:
        """Whether CP2K's own input tells them, in its sections."""
        return "&KPOINTS" in str(self.parameters.get("inp", "")).upper()


class VaspSettings(CrystalEngineSettings):
    """Projector-augmented waves by VASP."""

    type: Literal["vasp"] = Field("vasp", description="VASP.")
    command: Command = Field("vasp_std", description=_COMMAND)
    pseudo_dir: ProjectPath = Field(description="Folder that holds potpaw_PBE and the like (ASE's VASP_PP_PATH).")


class CastepSettings(CrystalEngineSettings):
    """Plane waves by CASTEP."""

    type: Literal["castep"] = Field("castep", description="CASTEP.")
    command: Command = Field("castep.mpi", description=_COMMAND)
    pseudo_dir: ProjectPath | None = Field(
        None, description=f"{_PSEUDO_DIR} CASTEP generates its own on the fly when not given."
    )


class AbinitSettings(CrystalEngineSettings):
    """Plane waves by ABINIT."""

    type: Literal["abinit"] = Field("abinit", description="ABINIT.")
    command: Command = Field("abinit", description=_COMMAND)
    pseudo_dir: ProjectPath = Field(description=f"{_PSEUDO_DIR} ASE chooses the files by pps in parameters.")


class SiestaSettings(CrystalEngineSettings):
    """Numerical orbitals by SIESTA."""

    type: Literal["siesta"] = Field("siesta", description="SIESTA.")
    command: Command = Field("siesta", description=_COMMAND)
    pseudo_dir: ProjectPath = Field(description=f"{_PSEUDO_DIR} Element.psf or Element.psml.")


class DftbSettings(KPointEngineSettings, ChargedEngineSettings):
    """Density-functional tight binding by DFTB+."""

    type: Literal["dftb+"] = Field("dftb+", description="DFTB+.")
    command: Command = Field("dftb+", description=_COMMAND)
    pseudo_dir: ProjectPath | None = Field(
        None, description="Folder of Slater-Koster files, A-B.skf. Not needed for xTB (Hamiltonian_: xTB)."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.protocol is None or (self.kspacing is None and not self.says_k_points):
            return
        said = "parameters tell k points" if self.kspacing is None else f"kspacing is {self.kspacing:g}"
        found = f"protocol is {self.protocol}, and {said}: of DFTB+ both say how dense k points are."
        yield Contradiction("protocol", found, "Keep one of them.")


class OrcaSettings(MoleculeEngineSettings):
    """Molecules with Gaussian basis sets by ORCA."""

    STRESS: ClassVar = False

    type: Literal["orca"] = Field("orca", description="ORCA.")
    command: Command = Field(
        "orca", description="Command that starts the program, without launcher: ORCA starts its own (%pal)."
    )


class NwchemSettings(MoleculeEngineSettings):
    """Molecules with Gaussian basis sets by NWChem."""

    STRESS: ClassVar = False

    type: Literal["nwchem"] = Field("nwchem", description="NWChem.")
    command: Command = Field("nwchem", description=_COMMAND)


ENGINE_SETTINGS: Final[Mapping[str, type[EngineSettings]]] = {
    "abinit": AbinitSettings,
    "castep": CastepSettings,
    "cp2k": Cp2kSettings,
    "dftb+": DftbSettings,
    "espresso": EspressoSettings,
    "gpaw": GpawSettings,
    "nwchem": NwchemSettings,
    "orca": OrcaSettings,
    "siesta": SiestaSettings,
    "vasp": VaspSettings,
}
"""The sections of these programs, by REFERENCE.type."""
