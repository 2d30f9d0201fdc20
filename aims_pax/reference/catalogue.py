"""What of all references is installed here."""

import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aims_pax.reference.process.leash import leashed
from aims_pax.reference.programs.engine_table import ENGINES, Engine, is_for_molecules_only
from aims_pax.settings.methods.engines import ENGINE_SETTINGS, GpawSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS

VERSION_S: Final = 5.0
"""Longest time for a program to tell its version."""

MOLECULES_ONLY: Final = "molecules only"


@dataclass(frozen=True, slots=True)
class Availability:
    """What is known of one reference on this machine.

    Parameters
    ----------
    type : str
        REFERENCE.type.
    what : str
        The engine and its method.
    version : str or None
        None: not installed, or it does not tell.
    where : str or None
        Its program or package; None: not found.
    install : str
        How to get it.
    forces : bool
    stress : str
        Whether crystals get a stress, in words.
    """

    type: str
    what: str
    version: str | None
    where: str | None
    install: str
    forces: bool = True
    stress: str = "yes"

    @property
    def is_here(self) -> bool:
        """Whether its program or package was found."""
        return self.version is not None or self.where is not None

    def record(self) -> dict[str, object]:
        """The same as JSON."""
        return {**asdict(self), "is_here": self.is_here}


def catalogue() -> list[Availability]:
    """Every REFERENCE.type. Programs are looked for by their usual names, and asked for their version at once.

    Imports no engine and never raises.
    """
    with ThreadPoolExecutor(len(ENGINE_SETTINGS)) as threads:
        engines = dict(zip(ENGINE_SETTINGS, threads.map(_engine, ENGINE_SETTINGS), strict=True))
    found = {one.type: one for one in _embedded()} | engines
    return [found[kind] for kind in REFERENCE_SETTINGS]


def _embedded() -> list[Availability]:
    return [
        _package("tblite", "GFN-xTB tight binding", "tblite", "comes with aims-pax", stress="yes, Γ point only"),
        _package(
            "pyscf", "molecular DFT and Hartree-Fock", "pyscf", "pip install 'aims-pax[pyscf]'", stress=MOLECULES_ONLY
        ),
        _package("teacher", "a trained MACE model", "mace-torch", "comes with aims-pax", module="mace"),
        _package(
            "ase-calculator", "any calculator of ASE", "ase", "comes with aims-pax", stress="if the calculator has it"
        ),
        Availability(
            "fhi-aims",
            "FHI-aims, all-electron DFT",
            None,
            shutil.which("aims.x"),
            "a licence from https://fhi-aims.org; set REFERENCE.command",
        ),
        _package(
            "asi",
            "FHI-aims or DFTB+ as a library",
            "asi4py",
            "pip install 'aims-pax[asi]'; set REFERENCE.library to the engine's shared library",
            stress="if the library has it",
        ),
    ]


def _package(
    kind: str, what: str, distribution: str, install: str, *, module: str | None = None, stress: str = "yes"
) -> Availability:
    """A Python package, found without importing it."""
    spec = find_spec(module or distribution)
    where = None if spec is None or spec.origin is None else str(Path(spec.origin).parent)
    try:
        told = version(distribution)
    except PackageNotFoundError:
        told = None
    return Availability(kind, what, told, where, install, stress=stress)


def _engine(kind: str) -> Availability:
    """A program that ASE drives."""
    engine, settings = ENGINES[ENGINE_SETTINGS[kind]], ENGINE_SETTINGS[kind]
    stress = MOLECULES_ONLY if is_for_molecules_only(settings) else "yes" if settings.STRESS else "no"
    if settings is GpawSettings:
        return _package(kind, engine.title, "gpaw", engine.install, stress=stress)
    program = shlex.split(settings.model_fields["command"].default)[0]
    where = shutil.which(program)
    told = None if where is None else version_told(engine, where)
    return Availability(kind, f"{engine.title} ({program})", told, where, engine.install, stress=stress)


def version_told(engine: Engine, program: str) -> str | None:
    """The version that a program prints when it is asked; None when it can't be, or does not answer."""
    if not engine.asked_by:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            told = subprocess.run(
                leashed([program, *engine.asked_by]),
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=VERSION_S,
                check=False,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
    match = re.search(engine.version, told.decode("utf-8", errors="replace"), re.MULTILINE)
    return None if match is None else match.group(1)
