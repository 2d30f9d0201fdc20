"""The structure files that a workflow names."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from aims_pax.atoms import frame_of
from aims_pax.constraints import constraints_of
from aims_pax.errors import StructureError
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.reading.structure_files import fixed_vectors
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.systems import structures_of
from aims_pax.settings.workflow.geometry import WorkflowFile

PATHS: Final = "path of a file, relative to the folder of the workflow's file"

_PATH: Final = TypeAdapter[Path](WorkflowFile)


def named_files(data: Mapping[Any, Any], keys: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Each ``Path`` of a geometry, by own names, and the way to it, also where its neighbours are wrong."""
    for pool in ("bulk", "surface", "molecules"):
        several = data.get(pool)
        for name, one in several.items() if isinstance(several, Mapping) else ():
            if isinstance(one, Mapping) and "path" in one:
                yield (*keys, pool, name, "path"), one["path"]


def read_structures(reading: Reading, named: Mapping[KeyPath, Any], system: str) -> dict[Path, Frame]:
    """The last structure of each file, read once, after noting what is wrong with the files.

    Parameters
    ----------
    reading : Reading
    named : mapping of KeyPath to what is written there
    system : str
        What the frames are of.
    """
    found: dict[Path, Frame] = {}
    for keys, written in named.items():
        try:
            path = _PATH.validate_python(written, context={"folder": reading.folder})
        except ValidationError:
            continue  # told with its section
        if path in found:
            continue
        frame = _read(reading, keys, path, system) if _is_there(reading, keys, path, str(written)) else None
        if frame is not None:
            found[path] = frame
    return found


def _is_there(reading: Reading, keys: KeyPath, path: Path, written: str) -> bool:
    try:
        if path.is_file():
            return True
        is_folder = path.is_dir()
    except OSError as error:
        found = f"{dotted(reading.written(keys))} names {path}, which can't be opened ({error.strerror})."
        reading.add(keys, found, PATHS, "Correct it.")
        return False
    if is_folder:
        found = f"{dotted(reading.written(keys))} names the folder {path}."
        reading.add(keys, found, PATHS, "Name each file of it: {Structure_1: {Path: a.xyz}, Structure_2: ...}.")
        return False
    found = f"{dotted(reading.written(keys))} names {path}, and there is no such file."
    reading.add(keys, found, PATHS, _advice(reading.folder, Path(written)))
    return False


def _advice(folder: Path, written: Path) -> str:
    """Which file is meant, or how one is named."""
    beside = [one.name for one in folder.iterdir() if one.is_file()]
    near = get_close_matches(written.name, beside, n=1, cutoff=0.75)
    if written.name in beside:
        return f"There is one beside the workflow's file: write Path: {written.name}."
    if near:
        return f"Did you mean {near[0]}?"
    if written.is_absolute():
        return f"It is the path of another machine: put the file beside this one, and write Path: {written.name}."
    return "Paths begin at the folder of this file: put it there, or write the way to it from there."


def _read(reading: Reading, keys: KeyPath, path: Path, system: str) -> Frame | None:
    """The last structure of a file; None after noting what is wrong with it."""
    name = dotted(reading.written(keys))
    try:
        atoms = structures_of(path, reading.folder)[-1]
    except StructureError as error:
        for problem in error.problems:
            reading.add(keys, f"{name} names {problem.where}. {problem.found}", problem.allowed, problem.advice)
        return None
    if constraints_of(atoms).fixed is not None or fixed_vectors(atoms):
        found = f"{name} names {path.name}, which holds atoms or lattice vectors, and a workflow does not."
        reading.add(keys, found, "", "Remove what is held from the file; Run.Hold holds atoms.")
    return frame_of(atoms, system=system, trajectory=NO_TRAJECTORY)
