"""Predictions of other programs, and relaxations, from files: nothing here needs PyTorch."""

from collections.abc import Sequence
from pathlib import Path

from aims_pax.dataset.entries import Keys
from aims_pax.outcome.assessment.findings import Assessment, compare_files
from aims_pax.outcome.assessment.relaxation import Relaxations, read_relaxations

Files = str | Path | Sequence[str | Path]
"""One file, or several: models of a committee, predictions side by side."""


def compare(predicted: Files, data: Files, *, keys: Keys | None = None, prefix: str | None = None) -> Assessment:
    """Errors of predictions that stand in files, of whatever program, on labelled structures of other files.

    Structures are matched by `original_dataset_index` on their comment lines, or in order.

    Parameters
    ----------
    predicted : path, or sequence of paths
        One file for each method.
    data : path, or sequence of paths
    keys : Keys or None
        Names of the labels: REF_energy and so on when None; energy, forces, stress where there are none by those.
    prefix : str or None
        What names of predictions begin with; when None ``MACE_`` where there are such, else nothing.

    Raises
    ------
    StructureError
        A file can't be read, or structures do not belong together.
    """
    return compare_files(paths_of(data), paths_of(predicted), keys=keys, prefix=prefix)


def relaxation(files: Files, *, keys: Keys | None = None) -> Relaxations:
    """Convergence by ionic step of relaxations: of extended XYZ, or what else ASE reads (OUTCAR, pw.out, .traj, ...).

    Raises
    ------
    StructureError
        A file can't be read, or holds no relaxation.
    """
    return read_relaxations(paths_of(files), keys)


def paths_of(files: Files) -> list[Path]:
    """Files by their paths, of a home folder (~), too."""
    several = [files] if isinstance(files, str | Path) else files
    return [Path(one).expanduser() for one in several]
