"""Labels of single structures, without a campaign."""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.frame import Label, LabelFailure
from aims_pax.reference.registry import build_reference
from aims_pax.reference.tryout import require
from aims_pax.settings.reading.arguments import project_to_label

if TYPE_CHECKING:
    from ase import Atoms

Result = Label | LabelFailure


def label(atoms: "Atoms | Iterable[Atoms]", reference: str | Mapping[str, object] = "tblite") -> Result | list[Result]:
    """What a reference says of structures: energy, forces and, where they are periodic, stress.

    Parameters
    ----------
    atoms : Atoms, or iterable of Atoms
    reference : str or mapping
        REFERENCE: its type alone, or with its settings.

    Returns
    -------
    Label or LabelFailure, or a list of them
        A calculation that gives no label is a value, too: it says why, and where its files are.

    Raises
    ------
    UserError
        The arguments say what can't be, or the reference can't run here.
    """
    from ase import Atoms

    project = project_to_label(atoms if isinstance(atoms, Atoms) else list(atoms), reference, call="label")
    method, frames = build_reference(project.reference), [system.frame for system in project.systems]
    for frame in frames:
        require(method, frame)
    home = Path(tempfile.mkdtemp(prefix="aims-pax-label-"))
    results: list[Result] = []
    for index, frame in enumerate(frames):
        folder = home / f"{index + 1:06d}"
        folder.mkdir()
        results.append(method.label(frame, folder=folder, want_stress=bool(frame.pbc.all())))
        if isinstance(results[-1], Label):
            shutil.rmtree(folder, ignore_errors=True)
    if all(isinstance(result, Label) for result in results):
        shutil.rmtree(home, ignore_errors=True)
    return results[0] if isinstance(atoms, Atoms) else results
