"""FHI-aims or DFTB+ as a library, by the Atomic Simulation Interface: loaded once, and then fed structure by structure.

This runs in a host (:mod:`aims_pax.reference.process.host`), on one rank or on many, because an engine's abort ends its
process and because two instances of a library share their state.
"""

import atexit
import ctypes
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, Final

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem, ReferenceUnavailable
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.reference.calculation import Calculation, NotConverged, Observables, engine
from aims_pax.reference.programs.fhi_aims import write_input
from aims_pax.settings.methods.asi import GEOMETRY, HSD, AsiInput
from aims_pax.settings.reading.control_in import ENCODING, keywords

PACKAGES: Final = "asi4py and mpi4py are needed: pip install 'aims-pax[asi]'"
NO_MPI: Final = (
    "mpi4py finds no MPI library that it can load; load the module of the MPI that the library was built with, or, for "
    "a library that was built with MPICH, install one: pip install mpich"
)
IMPORTABLE: Final = "import mpi4py; mpi4py.rc.initialize = False; import asi4py"
"""Loads the MPI library and starts nothing, in a process that may die of it."""

FORCED: Final = "postprocess_anyway .true."
"""Without it FHI-aims stops the whole process when self-consistency is not reached."""

LOG: Final = "asi.log"

SWALLOWED: Final = "Some error in ASIlib.init"
"""What asi4py prints when the library could not be started."""


class AsiReference:
    """Labels by a library that is kept alive: its input is read once, and each structure starts from the one before.

    All ranks call it together with the same frames, and only those that one session can serve.

    Parameters
    ----------
    settings : AsiInput
    """

    def __init__(self, settings: AsiInput) -> None:
        self._settings = settings
        self._calculator: Any = None

    @property
    def name(self) -> str:
        """Interface and its version, engine, and a digest of the whole input."""
        aims = self._settings.aims
        method = "DFTB+" if aims is None else f"FHI-aims {aims.xc}, {aims.basis}"
        return f"{method}, input {self._settings.digest}, by {engine('asi4py', 'asi4py')}"

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Missing packages, MPI library or engine. What is wrong with the input is found when the project is read."""
        found = [] if _import_error() is None else [str(_import_error())]
        if not self._settings.library.is_file():
            found.append(f"the library {self._settings.library} is not there; correct REFERENCE.library")
        return found

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """One self-consistent calculation with its forces."""
        calculation = Calculation(frame, folder, self.name, self._settings.max_force_ev_per_ang)
        stress = want_stress and bool(frame.pbc.all())

        def compute() -> Observables:
            if self._calculator is None:
                self._calculator = self._start(frame, want_stress=stress)
                atexit.register(self._calculator.close)  # before MPI is finalized, which is later than all atexit
            return _observables(self._calculator, frame, want_stress=stress)

        return calculation.outcome(compute)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """None: a free atom needs other settings than those of the user's input."""
        return None

    def _start(self, frame: Frame, *, want_stress: bool) -> Any:
        """asi4py's calculator with the library loaded and its input read, on all ranks or on none.

        Raises
        ------
        ReferenceUnavailable
            Packages, MPI or the library can't be loaded.
        RuntimeError
            The input can't be written, or the library refused it.
        """
        make_calculator, world = _interface()
        library = self._settings.library
        failed = _agreed(world, _loading_error(library))
        if failed is not None:
            raise _unavailable(f"the library {library} can't be loaded: {failed}")
        folder = Path(world.bcast(tempfile.mkdtemp() if world.rank == 0 else None, root=0))
        failed = self._writing_error(frame, folder, want_stress=want_stress) if world.rank == 0 else None
        failed = _agreed(world, failed)
        if failed is not None:
            raise RuntimeError(f"the engine's input can't be written: {failed}")
        # asi4py prints what goes wrong at the start, and goes on as if it had not. The input is written already: on
        # rank 0 alone, an error in its own hook for that would leave the other ranks waiting.
        printed = io.StringIO()
        with redirect_stdout(printed):
            calculator = make_calculator(str(library), _nothing, world, atoms_of(frame), work_dir=folder, logfile=LOG)
        sys.stdout.write(printed.getvalue())
        swallowed = SWALLOWED in printed.getvalue() or not hasattr(calculator.asi, "lib")
        failed = _agreed(world, printed.getvalue().strip() or "no reason is given" if swallowed else None)
        if failed is not None:
            raise RuntimeError(f"the library did not start: {failed}")
        return calculator

    def _writing_error(self, frame: Frame, folder: Path, *, want_stress: bool) -> str | None:
        """Write the engine's input; the reason when that fails."""
        try:
            if self._settings.aims is not None:
                write_input(self._settings.aims, frame, folder, want_stress=want_stress)
                _force_postprocessing(folder / "control.in")
            else:
                from ase.io.gen import write_gen

                write_gen(folder / GEOMETRY, atoms_of(frame))
                (folder / HSD).write_text(self._settings.hsd_text or "", encoding="utf-8")
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return None


def _observables(calculator: Any, frame: Frame, *, want_stress: bool) -> Observables:
    """The numbers of one frame.

    Raises
    ------
    NotConverged
        The library says so, which it does only when it is asked.
    """
    atoms = atoms_of(frame)
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    library, world = calculator.asi, calculator.asi.mpi_comm
    unconverged = hasattr(library.lib, "ASI_is_scf_converged") and not library.is_scf_converged
    error = _agreed(world, f"self-consistency was not reached (energy {energy:.6f} eV)" if unconverged else None)
    if error is not None:
        raise NotConverged(error)
    forces = atoms.get_forces()
    stress = atoms.get_stress(voigt=True) if want_stress else None
    return Observables(energy=energy, forces=forces, stress=stress)


def _interface() -> tuple[Any, Any]:
    """asi4py's calculator class and all ranks that this process belongs to.

    Raises
    ------
    ReferenceUnavailable
        A package is missing, or no MPI library can be loaded.
    """
    try:
        from asi4py import ASI_ASE_calculator
        from mpi4py import MPI
    except ImportError as error:
        raise _unavailable(f"{PACKAGES} ({error})") from error
    except RuntimeError as error:
        raise _unavailable(f"{NO_MPI} ({error})") from error
    return ASI_ASE_calculator, MPI.COMM_WORLD


def _agreed(world: Any, error: str | None) -> str | None:
    """The first error of any rank, on all ranks: one that stopped alone would leave the others waiting."""
    return next((one for one in world.allgather(error) if one is not None), None)


def _force_postprocessing(control: Path) -> None:
    text = control.read_text(encoding=ENCODING)
    if FORCED.split()[0] not in {one.name for one in keywords(text)}:
        control.write_text(f"{FORCED}\n{text}", encoding=ENCODING)


def _loading_error(library: Path) -> str | None:
    try:
        ctypes.CDLL(os.fspath(library), mode=ctypes.RTLD_GLOBAL)  # as asi4py does, for the sake of MKL
    except OSError as error:
        return str(error)
    return None


@cache
def _import_error() -> str | None:
    """Why asi4py can't be used here, with advice; None when it can."""
    done = subprocess.run([sys.executable, "-c", IMPORTABLE], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"{PACKAGES if 'ModuleNotFoundError' in reason else NO_MPI} ({reason})"


def _unavailable(found: str) -> ReferenceUnavailable:
    return ReferenceUnavailable(Problem("REFERENCE", found))


def _nothing(library: Any) -> None:
    """What asi4py calls to have the input written, when it is written already."""
