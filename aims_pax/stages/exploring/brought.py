"""Frames that were explored elsewhere, and structures of files that MD begins at."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings import Project
from aims_pax.stages.exploring.starts import system_of
from aims_pax.structures.files import StructureFile


def brought_frames(project: Project, files: Sequence[Path]) -> list[Frame]:
    """All structures of files, each of the system that it has the atoms of; `md_step` numbers them through.

    Charge and spin that a file tells go along: they are computed, or the label fails and says why.

    Raises
    ------
    StructureError
        A file can't be read.
    """
    found: list[Frame] = []
    for path in files:
        for frame in StructureFile(path, folder=project.folder).frames():
            found.append(
                replace(
                    frame,
                    system=system_of(project, frame).name,
                    trajectory=NO_TRAJECTORY,
                    md_step=len(found) + 1,
                    config_type=f"explored_{path.stem}",
                )
            )
    return found


def brought_problems(project: Project, files: Sequence[Path], where: str, *, noun: str = "frames") -> Iterator[Problem]:
    """Files that can't be read, structures of elements that no starting structure has, and lone atoms."""
    try:
        frames = brought_frames(project, files)
    except StructureError as error:
        yield from error.problems
        return
    unknown = sorted({int(number) for frame in frames for number in frame.numbers} - set(project.elements))
    if unknown:
        found = f"The {noun} hold elements (Z = {', '.join(map(str, unknown))}) that no starting structure has."
        yield Problem(where, found, "", f"Add a starting structure that holds them, or leave these {noun} out.")
    if lone := sum(frame.n_atoms == 1 for frame in frames):
        found = f"{lone} of {len(frames)} {noun} have a single atom, on which no force acts."
        yield Problem(where, found, "at least 2 atoms", "Leave them out.")
