"""The reference of a project as an ASE calculator: its pool computes, and what it has computed is kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from zlib import crc32

from ase.calculators.calculator import Calculator, all_changes

from aims_pax.atoms import frame_of
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.departure import Departure
from aims_pax.errors import Problem, UserError
from aims_pax.evaluation.properties import Method
from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.labelling.errands import kept_errands
from aims_pax.labelling.free_atoms import free_atom
from aims_pax.outcome.drivers import workers
from aims_pax.protocols import NO_TRAJECTORY, Labeller
from aims_pax.reference.calculation import EngineFailed
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project
from aims_pax.settings.methods.reference import ReferencesBySystem

if TYPE_CHECKING:
    from ase import Atoms

REFERENCE: Final = "reference"
"""The word that names it."""


class LabellerCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) as a labeller says them, one structure after the other.

    Parameters
    ----------
    labeller : Labeller
    system : str
        Whose settings of the reference are meant.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, labeller: Labeller, system: str) -> None:
        super().__init__()
        self._labeller, self._system = labeller, system

    def calculate(
        self,
        atoms: "Atoms | None" = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """All results at once.

        Raises
        ------
        EngineFailed
            The reference gave no label; the message says why.
        """
        super().calculate(atoms, list(properties), system_changes)
        label = label_of(self._labeller, frame_of(self.atoms, system=self._system, trajectory=NO_TRAJECTORY))
        self.results = {"energy": label.energy, "free_energy": label.energy, "forces": label.forces}
        if label.stress is not None:
            self.results["stress"] = label.stress


def label_of(labeller: Labeller, frame: Frame) -> Label:
    """What a labeller says of a structure, waited for.

    Raises
    ------
    EngineFailed
        It says that there is no label.
    """
    labeller.ask(frame)
    while (answer := labeller.answer(frame)) is None:
        labeller.wait()
    if isinstance(answer, LabelFailure):
        kept = "" if answer.folder is None else f" (its files: {answer.folder})"
        raise EngineFailed(answer.reason, f"{answer.reason}: {answer.message}{kept}")
    return answer


@contextmanager
def reference_of(
    project: Project, books: Path, *, is_periodic: bool, departure: Departure, show: Callable[[str], None]
) -> Iterator[Method]:
    """The reference of a project, computed where its CLUSTER says.

    Parameters
    ----------
    books : Path
        What was computed is kept below it, by reference, and not computed again.
    is_periodic : bool
        Whether there are crystals, whose stress is wanted.

    Raises
    ------
    UserError
        The project has not one reference, but several.
    """
    settings = project.reference
    if isinstance(settings, ReferencesBySystem):
        found = "The systems of this project have references of their own."
        raise UserError(Problem("--against reference", found, "a project with one reference for all"))
    system = project.systems[0].name
    name = f"reference-{crc32(settings.identity.encode()):08x}"
    places = RunFolder(books / name, project.label_folder / name)
    with (
        workers(project, want_stress=is_periodic, departure=departure, show=show) as pool,
        kept_errands(
            places,
            pool,
            departure,
            keeps_folders=not project.settings.cluster.clean_dirs,
            no_progress_s=project.settings.misc.no_progress_s,
            called="structure",
        ) as errands,
    ):
        calculator = LabellerCalculator(errands, system)
        called, remarks = called_briefly(build_reference(settings).name)
        yield Method(
            called,
            lambda _: calculator,
            free_atom=lambda number: label_of(errands, free_atom(number, system=system)).energy,
            remarks=remarks,
        )


def called_briefly(name: str) -> tuple[str, tuple[str, ...]]:
    """What heads a column of numbers, and a remark with all that decides them: a program's settings."""
    brief, _, settings = name.partition(": ")
    return (brief, (f"{brief} has {settings}",)) if settings else (name, ())
