"""What a session of a run begins with, kept so that each of its labels and models leads back to it."""

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

from aims_pax.atoms import atoms_of
from aims_pax.dataset.store import RunStore
from aims_pax.dataset.tables.sessions import installed_versions
from aims_pax.settings import Project, System
from aims_pax.settings.reading.arguments import Arguments

MOST_BYTES: Final = 2**20
"""Files that are larger (of thousands of starting structures) are not kept."""

AS_READ: Final = "settings as read"
"""Name of the settings with all their defaults, which may be others in another version."""


def begin_session(store: RunStore, project: Project) -> int:
    """Note that this process works on the run from now on, after its settings were claimed."""
    inputs = dict(input_texts(project))
    if (settings := store.get_meta("settings")) is not None:
        inputs[AS_READ] = settings
    return store.begin_session(versions=installed_versions(), inputs=inputs)


def input_texts(project: Project) -> Iterator[tuple[str, str]]:
    """Names and texts of the settings files, of the engine's input for each system, and of the starting structures."""
    for document in project.documents:
        if isinstance(document, Arguments):
            yield document.name, json.dumps(document.data, indent=2)
    files = [document.path for document in project.documents]
    files += [system.file for system in project.systems if system.file is not None]
    for path in dict.fromkeys(files):
        if (text := _text(path)) is not None:
            yield _name(path, project.folder), text
    for system in project.systems:
        if system.file is None:
            yield f"{system.name}.xyz", _xyz(system)
    for name, given in project.inputs.items():
        for key, value in given.model_dump(mode="json").items():
            yield from _texts_within(f"{key} of {name}", value)


def _xyz(system: System) -> str:
    """The starting structure that no file holds, as extended XYZ."""
    from ase.io import write

    text = StringIO()
    write(text, atoms_of(system.frame), format="extxyz")
    return text.getvalue()


def _texts_within(name: str, value: object) -> Iterator[tuple[str, str]]:
    """The texts of files among the fields of an input: those whose names end so."""
    key, _, whose = name.partition(" of ")
    if isinstance(value, dict):
        for inner, content in value.items():
            yield from _texts_within(f"{inner} of {whose}", content)
    elif isinstance(value, str) and value and key.endswith("_text"):
        yield name, value


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= MOST_BYTES else None
    except OSError:  # it was read a moment ago; the run can do without its text
        return None


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
