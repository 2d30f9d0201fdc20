"""Small libraries with the Atomic Simulation Interface, compiled where the tests run.

Their engines are Lennard-Jones, which commits faults when told to (asi.c), and tblite's C library.
"""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.fhi_aims import FhiAimsInput

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent
"""Where pip puts MPICH's programs."""

CONTROL = "xc pbe\nspin none\n"
"""A control.in that both engines read; species blocks are added."""

HSD = 'Geometry = GenFormat {\n  <<< "geo.gen"\n}\n'


def missing() -> str | None:
    """Why no library can be built or used here; None when it can."""
    for package in ("asi4py", "mpi4py"):
        if find_spec(package) is None:
            return f"{package} is not installed"
    for program in (PROGRAMS / "mpicc", PROGRAMS / "mpiexec"):
        if not program.is_file():
            return f"{program.name} of the PyPI package mpich is not installed"
    if shutil.which("cc") is None:
        return "there is no C compiler"
    return None


def build(engine: str, folder: Path, *flags: str) -> Path:
    """Compile the library of an engine (``lennard_jones`` or ``tblite``) into a folder."""
    dummies = folder / "scalapack.c"
    dummies.write_text(_scalapack())
    library = folder / f"lib{engine}{''.join(flags).replace('-D', '_').replace('=', '')}.so"
    sources = [HERE / "asi.c", HERE / f"{engine}.c", dummies]
    options = ["-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-std=gnu11"]
    subprocess.run([PROGRAMS / "mpicc", *options, *flags, *sources, "-o", library, "-lm", "-ldl"], check=True)
    return library


@cache
def lennard_jones() -> Path:
    """The library of Lennard-Jones, built once and removed at the end of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="asi-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build("lennard_jones", folder)


def lennard_jones_input(*, launch: str | None = None, log: Path | None = None) -> AsiInput:
    """Lennard-Jones for any structure, without a project.

    Parameters
    ----------
    launch : str, optional
        What starts its ranks.
    log : Path, optional
        File that gets a line for every start and every run.
    """
    aims = FhiAimsInput(command="asi", control_text=CONTROL, xc="pbe", basis="its own species")
    environment = {} if log is None else {"ASI_TEST_LOG": str(log)}
    return AsiInput(library=lennard_jones(), launch=launch, environment=environment, aims=aims)


def species_dir(folder: Path, *species: tuple[int, str]) -> Path:
    """A folder of species defaults with these elements (Z, symbol), as far as it must be true to form."""
    folder.mkdir(exist_ok=True)
    for number, symbol in species:
        (folder / f"{number:02d}_{symbol}_default").write_text(f"species {symbol}\n  nucleus {number}\n")
    return folder


def tblite_library() -> Path:
    """The C library inside tblite's Python package."""
    import tblite

    return next(Path(tblite.__file__).parent.glob("_libtblite*.so"))


def _scalapack() -> str:
    """Definitions of what asi4py looks up of BLACS and ScaLAPACK when it loads a library; none is called for labels."""
    from scalapack4py.func_argtypes import SCALAPACKargs

    class Absent:
        def __getattr__(self, name: str) -> None:
            return None

    blacs = ["blacs_get", "blacs_gridinit", "blacs_gridexit", "blacs_gridmap", "blacs_gridinfo", "numroc", "descinit"]
    names = [*blacs, *SCALAPACKargs(Absent()).implemented_funcs]
    return "".join(f"int {name}_(void);\nint {name}_(void) {{ return 0; }}\n" for name in names)
