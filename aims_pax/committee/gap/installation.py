"""GAP's programs on this machine, and under which licence they are used. Imports neither quippy nor PyTorch."""

import functools
import importlib.util
import logging
from pathlib import Path
from typing import Final

from aims_pax.errors import ModelError, Problem

log = logging.getLogger(__name__)

LICENCE: Final = (
    "GAP (in quippy-ase) has the Academic Software Licence 1.0, for academic non-commercial use only; "
    "the rest of QUIP has the GPL 2. See https://github.com/libAtoms/GAP"
)
"""By the licence file and the documentation of libAtoms/GAP; the wheel on PyPI names the GPL 2 of quippy alone."""


def why_no_gap() -> Problem | None:
    """What keeps GAP from being used here; None if nothing is known to."""
    where = "mace.yaml: ARCHITECTURE.model_choice"
    advice = "Install it by pip install 'aims-pax[gap]', or set model_choice: mace."
    if (package := _package()) is None:
        return Problem(where, "is gap, and quippy-ase is not installed here.", "gap with quippy-ase", advice)
    if not (package / "gap_fit").is_file():
        found = f"is gap, and {package} has no program gap_fit."
        return Problem(where, found, "gap with a quippy-ase of 0.10 or later", advice)
    return None


def gap_fit_program() -> Path:
    """The program gap_fit.

    Raises
    ------
    ModelError
        It is not installed.
    """
    problem, package = why_no_gap(), _package()
    if problem is not None or package is None:
        raise ModelError([] if problem is None else problem)
    _tell_licence()
    return package / "gap_fit"


def require_quippy() -> None:
    """Refuse to go on where quippy is not installed.

    Raises
    ------
    ModelError
    """
    gap_fit_program()


@functools.cache
def _tell_licence() -> None:
    """Once in a process."""
    log.info("%s", LICENCE)


def _package() -> Path | None:
    """Where quippy is; it is not imported, which takes a second and brings Fortran into this process."""
    spec = importlib.util.find_spec("quippy")
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
