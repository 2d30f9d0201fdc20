"""What a committee knows before its first label: where that is kept, and how it comes to a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.frame import LabelledFrame
from aims_pax.settings import Project
from aims_pax.stages import assembly
from aims_pax.stages.memory import Memory

if TYPE_CHECKING:
    from aims_pax.protocols import Committee

KEY: Final = "prior"
"""Under which a run remembers the files of the models that have learned a cheap method, by their names."""

FOLDER: Final = "prior"
"""In the folder of the run: labels, weights and models of the cheap method, with books of their own."""


def books_of(run: RunFolder) -> RunFolder:
    """Where a run keeps what its committee learns first."""
    return RunFolder(run.root / FOLDER, run.root / FOLDER / "calculations")


def models_of(memory: Memory, run: RunFolder) -> list[Path]:
    """Models that have learned a cheap method to the end, in the order of the members; none where there are none."""
    names = memory.recall_json(KEY)
    return [books_of(run).root / str(name) for name in names] if isinstance(names, list) else []


def of_any_method(project: Project) -> Project:
    """The same project without energies of free atoms, which are by its reference."""
    architecture = project.mace.architecture.model_copy(update={"atomic_energies": None})
    return replace(project, mace=project.mace.model_copy(update={"architecture": architecture}))


def informed_committee(
    project: Project,
    models: Sequence[Path],
    labelled: Sequence[LabelledFrame],
    *,
    isolated_atoms_ev: Mapping[int, float],
) -> "Committee":
    """A committee that goes on from models of a cheap method, with labels of the reference and its atomic energies.

    Raises
    ------
    ModelError
        A model is missing, or has been changed.
    """
    informed = assembly.continued_committee(of_any_method(project), models, ())
    return informed.relabelled(labelled, atomic_energies_ev=isolated_atoms_ev)
