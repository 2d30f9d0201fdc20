"""What drives MD where no committee does: tight binding, a foundation model, any calculator, or the reference."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import Request, urlopen

from aims_pax.errors import Problem, UserError
from aims_pax.reference.ase_adapter import import_callable
from aims_pax.reference.dispersion import Dispersion
from aims_pax.reference.embedded.model_file import elements_of, published_file, published_urls
from aims_pax.reference.embedded.teacher import made_calculator
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project, System, TbliteSettings
from aims_pax.settings.methods.driver import EMBEDDED, REFERENCE, DriverChoice
from aims_pax.settings.methods.reference import XtbMethod

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.protocols import Driver
    from aims_pax.sampling import CalculatorForces

NETWORK_TIMEOUT_S: Final = 10.0


def driver_forces(project: Project, choice: DriverChoice) -> "Driver":
    """What drives MD where neither a committee nor the reference does, with its dispersion correction."""
    from aims_pax.sampling import DispersedForces

    model = _driving_model(project, choice)
    return model if choice.correction is None else DispersedForces(model, Dispersion(choice.correction))


def _driving_model(project: Project, choice: DriverChoice) -> "Driver":
    """The same without correction."""
    from aims_pax.committee import CommitteeForces, devices_of, load_foundation
    from aims_pax.sampling import CalculatorForces, shared_by_system

    if choice.kind == EMBEDDED:
        return tight_binding(project, method=choice.method)
    if choice.is_mace:
        devices = devices_of(project.mace.misc.device)
        return CommitteeForces(load_foundation(choice.kind, choice.model, device=devices, dtype=choice.dtype))
    make = import_callable(choice.kind, key=choice.key)
    return CalculatorForces(lambda: make(**choice.arguments), owner=shared_by_system)


def tight_binding(project: Project, *, method: XtbMethod | None = None, n_threads: int = 1) -> "CalculatorForces":
    """Embedded tight binding for each system, with charge and spin of its reference.

    Parameters
    ----------
    method : XtbMethod or None
        None: that of a reference of tight binding, and GFN2-xTB for all others.
    n_threads : int
        As for :class:`aims_pax.sampling.CalculatorForces`.
    """
    from aims_pax.sampling import CalculatorForces

    own = {}
    for system in project.systems:
        own[system.name] = partial(_embedded_calculator, embedded_settings(project, system, method=method))
    return CalculatorForces(next(iter(own.values())), own=own, n_threads=n_threads)


def forget_history(choice: DriverChoice, forces: "Driver") -> Callable[[], None]:
    """What makes the embedded driver forget the wave functions of earlier steps.

    They change its forces in the seventh digit, and an interruption loses them: a run that goes on samples the same
    structures only when they are forgotten at the same steps without an interruption, too. A calculator of the user's
    own may be slow to make anew, and keeps its past.
    """
    from aims_pax.sampling import CalculatorForces

    if choice.kind == EMBEDDED and isinstance(forces, CalculatorForces):
        return forces.forget
    return lambda: None


def embedded_settings(
    project: Project, system: System | None = None, *, method: XtbMethod | None = None
) -> TbliteSettings:
    """The embedded driver, with the charge and spin of the reference where that has them.

    Parameters
    ----------
    system : System or None
        Whose reference it follows; None: what the project says for all.
    method : XtbMethod or None
        None: that of a reference of tight binding, and GFN2-xTB for all others.
    """
    reference = project.settings.reference if system is None else project.reference_for(system)
    if method is None:
        method = reference.method if isinstance(reference, TbliteSettings) else "GFN2-xTB"
    return TbliteSettings(
        method=method,
        charge=getattr(reference, "charge", 0),
        multiplicity=getattr(reference, "multiplicity", 1),
    )


def driver_words(project: Project, choice: DriverChoice) -> str:
    """What drives, in words."""
    if choice.kind == REFERENCE:
        return "the reference itself"
    if choice.kind == EMBEDDED:
        return embedded_settings(project, method=choice.method).method
    return f"{choice.kind} {choice.model.rsplit('/', 1)[-1]}" if choice.is_mace else choice.kind


def _embedded_calculator(settings: TbliteSettings):  # type: ignore[no-untyped-def]
    from tblite.ase import TBLite

    return TBLite(method=settings.method, charge=settings.charge, multiplicity=settings.multiplicity, verbosity=0)


# -- what can be wrong with it --------------------------------------------------------------------------------


def driver_problems(project: Project, choice: DriverChoice, *, where: str, instead: str) -> Iterator[Problem]:
    """Why the MD of a stage can't be driven as it should be.

    Computes nothing; of a published model that is not on this machine its server is asked.

    Parameters
    ----------
    where : str
        The setting that names the driver.
    instead : str
        What drives where none is named, and how that is said: the end of a sentence.
    """
    try:
        if choice.kind == EMBEDDED:
            yield from _embedded_driver_problems(project, choice, where)
        elif choice.is_mace:
            yield from _model_problems(project, choice, where, instead)
        elif choice.kind != REFERENCE:
            moves_cells = any(project.md_of(system).moves_cell for system in project.systems)
            wanted = ("energy", "forces", *(("stress",) if moves_cells else ()))
            made_calculator(choice.kind, choice.arguments, key=where, wanted=wanted)
    except UserError as error:
        yield from error.problems
    if choice.correction is not None:
        numbers = [number for system in project.systems for number in system.frame.numbers.tolist()]
        for problem in Dispersion(choice.correction).problems(numbers):
            yield Problem(where, f"Dispersion can't be added: {problem}.")


def _embedded_driver_problems(project: Project, choice: DriverChoice, where: str) -> Iterator[Problem]:
    """Tight binding knows elements to radon, and cells of a certain size."""
    advice = "Name a driver that can: foundational_model, or initial_sampling: aimd."
    found = set()
    for system in project.systems:
        settings = embedded_settings(project, system, method=choice.method)
        numbers, is_periodic = system.frame.numbers.tolist(), bool(system.frame.pbc.any())
        found |= {(settings.method, one) for one in build_reference(settings).problems(numbers, periodic=is_periodic)}
    for method, problem in sorted(found):
        yield Problem(where, f"The embedded {method} drives the initial MD, and can't: {problem}.", "", advice)


def _model_problems(project: Project, choice: DriverChoice, where: str, instead: str) -> Iterator[Problem]:
    """A model must load and know the elements; one that is still to be downloaded must be in reach."""
    family, name = choice.kind, choice.model
    file = Path(name) if Path(name).is_file() else published_file(family, name)
    if file is None:
        reason = _unreachable_reason(family, name)
        if reason is not None:
            found = f"The model {family} {name} is not on this machine, and can't be downloaded ({reason})."
            advice = f"Fetch its file elsewhere and name it by mace_model, or {instead}."
            yield Problem(where, found, "", advice)
        return
    known = elements_of(file)
    if known is None:
        from aims_pax.committee import load_foundation

        known = load_foundation(family, str(file), device="cpu").numbers
    foreign = [number for number in project.elements if number not in known]
    if foreign:
        from ase.data import chemical_symbols

        symbols, all_known = (", ".join(chemical_symbols[z] for z in numbers) for numbers in (foreign, known))
        yield Problem(
            where,
            found=f"The model {name} does not know the elements {symbols}.",
            allowed=f"structures of {all_known}",
            advice=f"Choose a model that was trained on them, or {instead}.",
        )


def _unreachable_reason(family: str, name: str) -> str | None:
    """Why a published model can't be downloaded here; None when its server answers."""
    try:
        with urlopen(Request(published_urls(family)[name], method="HEAD"), timeout=NETWORK_TIMEOUT_S):
            return None
    except OSError as error:
        return str(getattr(error, "reason", error))
