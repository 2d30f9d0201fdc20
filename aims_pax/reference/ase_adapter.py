"""Any ASE calculator as an engine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from aims_pax.atoms import telling_atoms
from aims_pax.errors import Problem, ReferenceUnavailable
from aims_pax.frame import Frame
from aims_pax.reference.calculation import ENGINE_ERRORS, EngineFailed, Observables, failure_reason

if TYPE_CHECKING:
    from ase import Atoms
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


def observables(
    calculator: "BaseCalculator", frame: Frame, *, want_stress: bool, must_read: Sequence[str] = ()
) -> Observables:
    """Energy, forces and, for crystals, stress of one frame from an ASE calculator.

    The energy is ASE's `free_energy` where the calculator knows it: with electronic smearing that is the one which
    the forces are the derivative of, and a model is trained on both.

    Parameters
    ----------
    must_read : sequence of str
        Of charge and spin, those that count only when the calculator looks for them in the atoms' `info`.

    Raises
    ------
    EngineFailed
        What the engine raised is none of :data:`aims_pax.reference.calculation.ENGINE_ERRORS`, or its numbers are none.
    Exception
        Whatever else the engine raises.
    """
    with foreign_code():
        return _observables(calculator, frame, want_stress=want_stress, must_read=must_read)


def _observables(
    calculator: "BaseCalculator", frame: Frame, *, want_stress: bool, must_read: Sequence[str]
) -> Observables:
    atoms = telling_atoms(frame)
    facts = _Facts(atoms.info)
    if must_read:
        atoms = _watched(atoms, facts)
    if facts and hasattr(calculator, "reset"):
        calculator.reset()  # ASE takes the same positions with another charge for what was computed before
    atoms.calc = calculator
    forces = np.asarray(atoms.get_forces(), dtype=np.float64)
    stress = atoms.get_stress(voigt=True) if want_stress and frame.pbc.all() else None
    unread = [name for name in must_read if name in dict.keys(facts) and name not in facts.seen]
    if unread:
        found = f"the calculator never looked at info['{unread[0]}'] of its atoms, by which it was told the {unread[0]}"
        raise ValueError(f"{found}; tell it by its arguments, or choose one that reads it")
    energy = calculator.results.get("free_energy")
    return Observables(
        energy=float(atoms.get_potential_energy() if energy is None else energy),
        forces=forces,
        stress=None if stress is None else np.asarray(stress, dtype=np.float64),
        extras=extras(calculator.results, periodic=bool(frame.pbc.any())),
    )


class _Facts(dict[str, Any]):
    """What atoms say of themselves, and which of it anybody has asked for, of them or of their copies."""

    def __init__(self, facts: Mapping[str, Any], seen: set[str] | None = None) -> None:
        super().__init__(facts)
        self.seen: set[str] = set() if seen is None else seen

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().get(name, default)

    def items(self) -> Any:
        self.seen |= set(self)  # whoever goes through all of it may use any
        return super().items()

    def copy(self) -> "_Facts":
        return _Facts(dict(super().items()), self.seen)

    def __deepcopy__(self, _memo: Any) -> "_Facts":
        return self.copy()


def _watched(atoms: "Atoms", facts: _Facts) -> "Atoms":
    """The same atoms with these facts, which their copies share: most calculators compute on a copy."""
    from ase import Atoms

    class Watched(Atoms):  # type: ignore[misc]
        def copy(self) -> "Atoms":
            other = super().copy()
            other.info = self.info.copy()
            return other

    watched = Watched(atoms)
    watched.info = facts
    return watched


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
