"""What drives MD where no committee does: tight binding, a foundation model, any calculator, or the reference."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, Project, System, TbliteSettings
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.driver import EMBEDDED, REFERENCE, DriverChoice, LearningDriverSettings
from aims_pax.settings.methods.reference import XtbMethod
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.committee import Handling
    from aims_pax.protocols import Driver
    from aims_pax.sampling import CalculatorForces

NETWORK_TIMEOUT_S: Final = 10.0


def driver_forces(project: Project, choice: DriverChoice) -> "Driver":
    """What drives MD where neither a committee nor the reference does, with its dispersion correction."""
    from aims_pax.committee import Handling

    return _driver(project, choice, Handling())


def learning_driver(project: Project, settings: ActiveLearningSettings) -> "Driver | None":
    """What drives a stage of active learning; None: the committee. Its MD is long, so that compiling a model pays."""
    from aims_pax.committee import Handling

    choice = settings.driving
    if choice is None:
        return None
    handling = Handling(compiled=project.mace.misc.compile, moves_cells=cells_move(project, settings))
    return _driver(project, choice, handling)


def cells_move(project: Project, settings: ActiveLearningSettings | FlyStageSettings) -> bool:
    """Whether any trajectory of a stage is under a barostat."""
    everyone = range(settings.num_trajectories)
    return any(project.md_for(index, settings).moves_cell for index in everyone)


def moves_cells(project: Project, name: str) -> bool:
    """Whether any phase of the workflows of a stage is under a barostat, or relaxes its cell."""
    return any(one.moves_cells() for one in project.further.workflows[name])


def _driver(project: Project, choice: DriverChoice, handling: "Handling") -> "Driver":
    from aims_pax.sampling import DispersedForces

    model = _driving_model(project, choice, handling)
    return model if choice.correction is None else DispersedForces(model, Dispersion(choice.correction))


def _driving_model(project: Project, choice: DriverChoice, handling: "Handling") -> "Driver":
    """The same without correction."""
    from aims_pax.committee import CommitteeForces, devices_of, load_foundation
    from aims_pax.sampling import CalculatorForces, shared_by_system

    if choice.kind == EMBEDDED:
        return tight_binding(project, method=choice.method)
    if choice.is_mace:
        devices = devices_of(project.mace.misc.device)
        return CommitteeForces(
            load_foundation(choice.kind, choice.model, device=devices, dtype=choice.dtype, handling=handling)
        )
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


def forget_history(choice: DriverChoice | None, forces: "Driver | None") -> Callable[[], None]:
    """What makes the embedded driver forget the wave functions of earlier steps.

    They change its forces in the seventh digit, and an interruption loses them: a run that goes on samples the same
    structures only when they are forgotten at the same steps without an interruption, too. A calculator of the user's
    own may be slow to make anew, and keeps its past.
    """
    from aims_pax.sampling import CalculatorForces

    if choice is not None and choice.kind == EMBEDDED and isinstance(forces, CalculatorForces):
        return forces.forget
    return lambda: None


def embedded_settings(
    project: Project, system: System | None = None, *, method: XtbMethod | None = None
) -> TbliteSettings:
    """The embedded driver, with the charge and spin that the reference is told.

    Where the reference finds its spin by itself, or shares its electrons at a Fermi energy, it is the lowest spin that
    the electrons can have.

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
    told = told_by(reference)
    charge, multiplicity = round(told.charge or 0.0), round(told.multiplicity or 1)
    finds_spin = told.multiplicity is None or getattr(reference, "multiplicity", None) is None
    if system is not None and finds_spin:
        n_electrons = int(system.frame.numbers.sum()) - charge
        multiplicity += (n_electrons - multiplicity + 1) % 2
    return TbliteSettings(method=method, charge=charge, multiplicity=multiplicity)


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


@dataclass(frozen=True, slots=True)
class Driven:
    """The MD of a stage that something else than a committee drives, and how messages speak of it.

    Parameters
    ----------
    choice : DriverChoice
    setting : str
        That names the driver.
    place : str
        File and line of that.
    md : str
        What it drives.
    others : str
        How another driver is named.
    instead : str
        What can be written in the place of a model.
    moves_cells : bool
        Whether it needs stress.
    """

    choice: DriverChoice
    setting: str
    place: str
    md: str
    others: str
    instead: str
    moves_cells: bool


def driven(project: Project, plan: StagePlan) -> Driven | None:
    """The MD of a stage; None where a committee drives it, or there is none."""
    match plan.settings:
        case InitialDatasetSettings() as initial:
            return Driven(
                initial.driving,
                plan.said(initial.driving.key),
                _place(project, plan, initial.driving.key),
                md="the initial MD",
                others="foundational_model, or initial_sampling: aimd",
                instead="leave the model out: GFN2-xTB then drives the MD",
                moves_cells=any(project.md_of(system).moves_cell for system in project.systems),
            )
        case PlaySettings(pretrained=LearningDriverSettings() as pretrained):
            return Driven(
                pretrained.choice,
                plan.said("pretrained.model_type"),
                _place(project, plan, "pretrained.model_type"),
                md="the first visits",
                others="pretrained.model_type",
                instead="remove pretrained, and let a stage before make a dataset",
                moves_cells=moves_cells(project, plan.name),
            )
        case ActiveLearningSettings(driving=DriverChoice() as choice) as active:
            return Driven(
                choice,
                plan.said(choice.key),
                _place(project, plan, choice.key),
                md="the MD of active learning",
                others="model_type, or use_foundational: false for the committee",
                instead="set use_foundational: false: the committee then drives the MD",
                moves_cells=cells_move(project, active),
            )
    return None


def _place(project: Project, plan: StagePlan, key: str) -> str:
    return project.where(*plan.keys, *key.split("."))


def driver_problems(project: Project, driven: Driven) -> Iterator[Problem]:
    """Why the MD of a stage can't be driven as it should be.

    Computes nothing; of a published model that is not on this machine its server is asked.
    """
    for one in _driver_problems(project, driven):
        where = one.where if one.where.startswith(driven.setting) else f"{driven.setting}: {one.where}"
        advice = one.advice or f"Name another driver, or {driven.instead}."
        yield replace(one, where=f"{driven.place}: {where}", advice=advice)


def _driver_problems(project: Project, driven: Driven) -> Iterator[Problem]:
    """The same by the setting, or by a file that it names."""
    choice = driven.choice
    try:
        if choice.kind == EMBEDDED:
            yield from _embedded_driver_problems(project, driven)
        elif choice.is_mace:
            yield from mace_model_problems(
                project, choice.kind, choice.model, setting=driven.setting, instead=driven.instead
            )
        elif choice.kind != REFERENCE:
            wanted = ("energy", "forces", "stress") if driven.moves_cells else ("energy", "forces")
            made_calculator(choice.kind, choice.arguments, key=driven.setting, wanted=wanted)
    except UserError as error:
        yield from error.problems
    if choice.correction is not None:
        numbers = [number for system in project.systems for number in system.frame.numbers.tolist()]
        for problem in Dispersion(choice.correction).problems(numbers):
            yield Problem(driven.setting, f"Dispersion can't be added: {problem}.")


def what_tight_binding_cannot(project: Project, *, method: XtbMethod | None = None) -> list[tuple[XtbMethod, str]]:
    """Methods and why they can't compute a starting structure: they know elements to radon, and cells of a size."""
    found = set()
    for system in project.systems:
        settings = embedded_settings(project, system, method=method)
        numbers, is_periodic = system.frame.numbers.tolist(), bool(system.frame.pbc.any())
        found |= {(settings.method, one) for one in build_reference(settings).problems(numbers, periodic=is_periodic)}
    return sorted(found)


def _embedded_driver_problems(project: Project, driven: Driven) -> Iterator[Problem]:
    for method, problem in what_tight_binding_cannot(project, method=driven.choice.method):
        said = f"The embedded {method} drives {driven.md}, and can't: {problem}."
        yield Problem(driven.setting, said, "", f"Name a driver that can: {driven.others}.")


def mace_model_problems(project: Project, family: str, name: str, *, setting: str, instead: str) -> Iterator[Problem]:
    """A model must load and know the elements; one that is still to be downloaded must be in reach.

    Parameters
    ----------
    family, name : str
        As :func:`~aims_pax.committee.load_foundation` takes them.
    setting : str
        That names it.
    instead : str
        What else can be done.
    """
    file = Path(name) if Path(name).is_file() else published_file(family, name)
    if file is None:
        reason = _unreachable_reason(family, name)
        if reason is not None:
            found = f"The model {family} {name} is not on this machine, and can't be downloaded ({reason})."
            advice = f"Fetch its file elsewhere and name it, or {instead}."
            yield Problem(setting, found, "", advice)
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
            setting,
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
