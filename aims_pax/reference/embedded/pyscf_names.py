"""What PySCF understands by the name of a functional or a basis set, and what of it gives no label here.

PySCF itself finds out at the first calculation: it raises, ends the process, or returns numbers that mean nothing.
"""

import re
import warnings
from typing import Any, Final

LIBRARY_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    Warning,
)
"""What PySCF's libraries of functionals and basis sets raise for a name that they can't read: whatever comes first."""

CORES: Final = ("ccecpreg", "ccecphe", "ccecp28", "ccecp36", "ccecp", "bfd")
"""Families of basis sets that are made for core potentials of another name: the family's own, the longest first."""

AUXILIARY: Final = re.compile(r"(j|k|c|x|mp2)fit$|ri$|optri$|fit$")
"""How the names of basis sets end that fit densities and hold no orbitals."""

HAS_ENERGY: Final = 1
"""Libxc's flag XC_FLAGS_HAVE_EXC."""

DISPERSION_ADVICE: Final = (
    "install it with: pip install pyscf-dispersion; or name a functional without dispersion, and lay D3 or D4 over it "
    "by REFERENCE.dispersion"
)


def functional_problem(xc: str, *, is_corrected: bool) -> str | None:
    """Why a functional can't label; None when it can.

    Parameters
    ----------
    xc : str
        As PySCF names functionals; with a suffix such as ``-d3bj`` for dispersion.
    is_corrected : bool
        Whether REFERENCE.dispersion adds a correction.
    """
    from pyscf.dft import libxc
    from pyscf.scf import dispersion

    setting = f"{xc!r} (REFERENCE.xc)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain, _, _ = dispersion.parse_dft(xc)
            _, version, _ = dispersion.parse_disp(xc)
            parts = [number for number, _ in libxc.parse_xc(plain)[1]]
            needs_laplacian, has_nonlocal = libxc.needs_laplacian(plain), libxc.is_nlc(plain)
    except NotImplementedError as error:
        return f"{setting} can't be computed by PySCF: {str(error).rstrip('.')}; choose another functional"
    except LIBRARY_ERRORS:
        return f"{setting} is not a functional of libxc, such as PBE or B3LYP, nor HF"
    if needs_laplacian:
        return f"{setting} needs the Laplacian of the density, which PySCF does not compute; choose another functional"
    if not all(_has_energy(number) for number in parts):
        return f"{setting} is a potential without an energy; choose a functional that has one"
    return _dispersion_problem(setting, version, has_nonlocal=has_nonlocal, is_corrected=is_corrected)


def _dispersion_problem(setting: str, version: str | None, *, has_nonlocal: bool, is_corrected: bool) -> str | None:
    """What is wrong with the dispersion that a functional brings along."""
    from pyscf.scf import dispersion

    if version is not None and version not in dispersion.DISP_VERSIONS:
        known = ", ".join(f"-{one}" for one in dispersion.DISP_VERSIONS)
        return f"{setting} asks for the dispersion {version}, and PySCF knows {known}; write one of them"
    if is_corrected and (version is not None or has_nonlocal):
        return f"{setting} has dispersion of its own, and REFERENCE.dispersion adds another; keep one of them"
    if version is not None and dispersion.dftd3 is None:
        return f"{setting} needs the Python package pyscf-dispersion, which is not installed; {DISPERSION_ADVICE}"
    return None


def _has_energy(number: int) -> bool:
    """Whether one of libxc's functionals has an energy. Libxc ends the process when it is asked for one that lacks."""
    from ctypes import c_int, c_void_p

    from pyscf.dft import libxc

    library = libxc._itrf
    library.xc_func_alloc.restype = library.xc_func_get_info.restype = c_void_p
    functional = c_void_p(library.xc_func_alloc())
    if library.xc_func_init(functional, c_int(number), c_int(1)) != 0:
        return True  # a number of PySCF's own
    flags = library.xc_func_info_get_flags(c_void_p(library.xc_func_get_info(functional)))
    library.xc_func_end(functional)
    library.xc_func_free(functional)
    return bool(flags & HAS_ENERGY)


def basis_problems(name: str, symbols: list[str]) -> list[str]:
    """Why a basis set can't label structures of these elements."""
    plain = _plain(name)
    setting = f"the basis set {name} (REFERENCE.basis)"
    if AUXILIARY.search(plain):
        return [f"{setting} fits densities and holds no orbitals; name an orbital basis, such as def2-svp"]
    if plain.startswith("gth"):
        return [f"{setting} is made for pseudopotentials of crystals; name a basis for molecules, such as def2-svp"]
    without = [symbol for symbol in symbols if orbitals(name, symbol) is None]
    family = _family(plain)
    coreless = [one for one in symbols if family and one not in without and core(name, one) is None]
    found = [f"{setting} is not known for {', '.join(without)}"] if without else []
    if coreless:
        found.append(f"{setting} belongs to core potentials {family}, which PySCF lacks for {', '.join(coreless)}")
    return found


def orbitals(name: str, symbol: str) -> Any:
    """What PySCF's library of basis sets holds for an element; None when it holds nothing that it can read."""
    return _loaded("load", name, symbol)


def core(name: str, symbol: str) -> Any:
    """The effective core potential that belongs to the basis of an element; None for all-electron bases."""
    return _loaded("load_ecp", _family(_plain(name)) or name, symbol)


def _family(plain: str) -> str | None:
    return next((family for family in CORES if plain.startswith(family)), None)


def _plain(name: str) -> str:
    """A name as PySCF compares names."""
    return re.sub(r"[-_ ]", "", name.lower())


def _loaded(loader: str, name: str, symbol: str) -> Any:
    from pyscf import gto

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # advice to install yet another package
        try:
            return getattr(gto.basis, loader)(name, symbol) or None
        except LIBRARY_ERRORS:
            return None
