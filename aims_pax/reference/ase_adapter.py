"""Any ASE calculator as an engine."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem, ReferenceUnavailable
from aims_pax.frame import Frame
from aims_pax.reference.calculation import ENGINE_ERRORS, EngineFailed, Observables, failure_reason

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator


@contextmanager
def foreign_code() -> Iterator[None]:
    """Whatever a calculator of somebody else's raises inside is a failure of its own, and not a defect of ours.

    Raises
    ------
    EngineFailed
        It raised what no engine raises, such as TypeError or an exception of its own, or tried to end the program.
    """
    try:
        yield
    except ENGINE_ERRORS:
        raise
    except (Exception, SystemExit) as error:
        message = f"{type(error).__name__}: {error}"
        raise EngineFailed(failure_reason(error), message) from error


def observables(calculator: "BaseCalculator", frame: Frame, *, want_stress: bool) -> Observables:
    """Energy, forces and, for crystals, stress of one frame from an ASE calculator.

    The energy is ASE's `free_energy` where the calculator knows it: with electronic smearing that is the one which
    the forces are the derivative of, and a model is trained on both.

    Raises
    ------
    EngineFailed
        What the engine raised is none of :data:`aims_pax.reference.calculation.ENGINE_ERRORS`, or its numbers are none.
    Exception
        Whatever else the engine raises.
    """
    with foreign_code():
        return _observables(calculator, frame, want_stress=want_stress)


def _observables(calculator: "BaseCalculator", frame: Frame, *, want_stress: bool) -> Observables:
    atoms = atoms_of(frame)
    atoms.calc = calculator
    forces = np.asarray(atoms.get_forces(), dtype=np.float64)
    stress = atoms.get_stress(voigt=True) if want_stress and frame.pbc.all() else None
    energy = calculator.results.get("free_energy")
    return Observables(
        energy=float(atoms.get_potential_energy() if energy is None else energy),
        forces=forces,
        stress=None if stress is None else np.asarray(stress, dtype=np.float64),
        extras=extras(calculator.results, periodic=bool(frame.pbc.any())),
    )


def extras(results: Mapping[str, Any], *, periodic: bool) -> dict[str, Any]:
    """What labels keep of a calculator's results besides energy, forces and stress."""
    wanted = ("charges",) if periodic else ("charges", "dipole")  # a crystal's dipole is not defined
    return {name: results[name] for name in wanted if results.get(name) is not None}


def import_callable(path: str, *, key: str) -> Any:
    """The object at an import path like ``ase.calculators.emt:EMT``.

    Parameters
    ----------
    path : str
        ``package.module:name``.
    key : str
        The setting that it comes from, for the message.

    Raises
    ------
    ReferenceUnavailable
        The module can't be imported, or has no such callable.
    """
    module, _, name = path.partition(":")
    form = "an import path like ase.calculators.emt:EMT"
    if not module or not name:
        raise ReferenceUnavailable(Problem(key, f"{path!r} is not an import path", form))
    try:
        imported = import_module(module)
    except ImportError as error:
        advice = f"Install the package that holds {module} into this Python environment ({error})."
        raise ReferenceUnavailable(Problem(key, f"{module} can't be imported", form, advice)) from error
    except (Exception, SystemExit) as error:  # what a module of the user's own does at its import is up to them
        advice = f"Correct it: it ends with {type(error).__name__}: {error}."
        raise ReferenceUnavailable(Problem(key, f"{module} can't be imported", form, advice)) from error
    try:
        found = attrgetter(name)(imported)
    except AttributeError as error:
        raise ReferenceUnavailable(Problem(key, f"{module} has no {name}", form, "Check the spelling.")) from error
    if not callable(found):
        raise ReferenceUnavailable(Problem(key, f"{path} is a {type(found).__name__}", "something that can be called"))
    return found
