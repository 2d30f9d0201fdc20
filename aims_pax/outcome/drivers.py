"""What drives other MD than that of the models: the driver of the run, its reference, or another method."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aims_pax.committee import CommitteeForces, devices_of, load_foundation
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.labelling.errands import errands_in
from aims_pax.protocols import Driver, Pool, Predictor
from aims_pax.reference.ase_adapter import import_callable
from aims_pax.sampling import CalculatorForces, ReferenceForces, shared_by_system
from aims_pax.settings import Project
from aims_pax.settings.methods.driver import EMBEDDED, EMBEDDED_METHODS
from aims_pax.settings.methods.reference import XtbMethod
from aims_pax.stages import assembly
from aims_pax.stages.driver import driver_forces as run_driver_forces
from aims_pax.stages.driver import embedded_settings, tight_binding

XTB: Final[Mapping[str, XtbMethod]] = {name: name for name in EMBEDDED_METHODS.values()}

FOUNDATIONS: Final = ("mace-mp", "mace-off")
"""Families of which the small model is meant where no file is named."""


def usual_driver(project: Project) -> str:
    """What drives the MD of a held-out set where nothing is said: the driver of the run, if it is no AIMD."""
    return "product" if project.settings.initial is None or project.initial.driver == "reference" else "driver"


def driver_name(by: str, project: Project) -> str:
    """The driver as a person is told of it."""
    names = {"product": "the models themselves", "reference": "the reference itself"}
    if by != "driver" or project.settings.initial is None:
        return names.get(by, by)
    choice = project.initial.driving
    if choice.kind == EMBEDDED:
        return embedded_settings(project, method=choice.method).method
    return names.get(choice.kind, choice.kind)


def is_reference(by: str, project: Project) -> bool:
    """Whether this driver is the reference, of which each step is a label."""
    is_aimd = project.settings.initial is not None and project.initial.driver == "reference"
    return by == "reference" or (by == "driver" and is_aimd)


def driver_forces(by: str, project: Project, product: Predictor, *, key: str = "--by") -> Driver:
    """What drives the MD where the reference does not, by its name.

    Parameters
    ----------
    by : str
        ``driver``, ``product``, ``GFN1-xTB``, ``GFN2-xTB``, a foundation model's family (``mace-mp``), a MACE model
        file, or an import path of an ASE calculator.
    project : Project
    product : Predictor
        Of which the first drives where `by` is ``product``.
    key : str
        The option that names it, for messages.

    Raises
    ------
    UserError
        There is no such driver.
    """
    devices = devices_of(project.mace.misc.device)
    if by == "product":
        return CommitteeForces(product, member=0)
    if by == "driver" and project.settings.initial is not None:
        choice = project.initial.driving
        if choice.kind == EMBEDDED:
            return tight_binding(project, method=choice.method, n_threads=assembly.n_cores())
        return run_driver_forces(project, choice)
    if by in XTB:
        return tight_binding(project, method=XTB[by], n_threads=assembly.n_cores())
    if by in FOUNDATIONS:
        return CommitteeForces(load_foundation(by, "small", device=devices))
    if Path(by).expanduser().is_file():
        return CommitteeForces(load_foundation("mace", by, device=devices))
    if ":" in by:
        make = import_callable(by, key=key)
        return CalculatorForces(make, owner=shared_by_system)
    named = " | ".join(("driver", "product", "reference", *XTB, *FOUNDATIONS))
    allowed = f"{named} | a model file | package.module:Callable"
    raise UserError(Problem(key, f"is {by!r}, and there is no such driver or file.", allowed))


@contextmanager
def workers(
    project: Project, *, want_stress: bool, departure: Departure, show: Callable[[str], None]
) -> Iterator[Pool]:
    """Where the reference computes; they are released at the end, and hear of a departure meanwhile."""
    show("starting what computes labels")
    pool = assembly.build_pool(project, want_stress=want_stress)
    departure.listeners.append(pool.wake)
    try:
        yield pool
    finally:
        departure.listeners.remove(pool.wake)
        pool.close()


@contextmanager
def reference_forces(
    project: Project, folder: RunFolder, *, moves_cells: bool, departure: Departure, show: Callable[[str], None]
) -> Iterator[Driver]:
    """The reference as a driver: each step is computed by its workers, and found in the books of `folder` when it was.

    Parameters
    ----------
    moves_cells : bool
        Whether MD asks for stress.
    """
    wants_stress = moves_cells or assembly.wants_stress(project)
    with (
        workers(project, want_stress=wants_stress, departure=departure, show=show) as pool,
        errands_in(
            folder,
            pool,
            departure,
            keeps_folders=not project.settings.cluster.clean_dirs,
            no_progress_s=project.settings.misc.no_progress_s,
            called="AIMD step",
        ) as steps,
    ):
        yield ReferenceForces(steps)
