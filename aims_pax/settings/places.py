"""Where the starting structures of a project are, also where its settings can't be read."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem, SettingsError, StructureError
from aims_pax.settings.reading.document import Document
from aims_pax.settings.sections import Settings
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.systems import DEFAULT_PLACES, System, read_named_systems, read_systems
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.reading import read_workflow

if TYPE_CHECKING:
    from ase import Atoms

Found = tuple[tuple[System, ...], tuple[Problem, ...]]
"""Starting structures, and what is wrong with them."""


def found_structures(folder: Path, settings: Settings | None, document: Document | None) -> Found:
    """Starting structures, and what is wrong with them. Looks for them where the settings say, if those can be read."""
    place: Path | Mapping[int, Path] | None = None
    if settings is not None and not settings.samples:
        return (), ()  # nothing starts anywhere
    if settings is not None and settings.systems:
        files = {name: file for name, plan in settings.systems.items() if (file := plan.settings.geometry)}
        return found(lambda: read_named_systems(folder, files))
    if settings is not None and (workflows := _workflows_alone(folder, settings)):
        return _of_workflows(folder, workflows)
    if settings is not None:
        place = settings.misc.path_to_geometry
    elif document is None:
        if not any((folder / name).exists() for name in DEFAULT_PLACES):
            return (), ()  # nobody knows where the structures are: the file that says it can't be read
    elif "SYSTEMS" in document.data:
        there = dict(_existing_geometries(folder, document.data["SYSTEMS"]))
        return found(lambda: read_named_systems(folder, there))
    elif _plays(document) and not any((folder / name).exists() for name in DEFAULT_PLACES):
        return (), ()  # workflows bring theirs along
    elif (written := _written_place(document)) is not None:
        place = _existing_place(folder, written)
        if place is None:
            return (), ()  # what is wrong with the name itself was said where it stands
    return found(lambda: read_systems(folder, place))


def _plays(document: Document) -> bool:
    """Whether a file that can't be read as settings names workflows."""
    stages = document.data.get("STAGES")
    entries = [one for one in stages if isinstance(one, Mapping)] if isinstance(stages, list) else []
    return any(isinstance(said, Mapping) and "workflow" in said for one in entries for said in one.values())


def _workflows_alone(folder: Path, settings: Settings) -> tuple[Path, ...]:
    """Workflow files, where nothing else says what a project is about."""
    if settings.misc.path_to_geometry is not None or any((folder / name).exists() for name in DEFAULT_PLACES):
        return ()
    playing = [plan.settings for plan in settings.stages if isinstance(plan.settings, PlaySettings)]
    samples = [plan for plan in settings.stages if KINDS[plan.kind].samples]
    return tuple(path for one in playing for path in one.workflow) if len(samples) == len(playing) else ()


def _of_workflows(folder: Path, files: tuple[Path, ...]) -> Found:
    """A system for each workflow, which begins with the first structure that its file names."""
    starts: dict[str, Path | Atoms] = {}
    for path in files:
        try:
            starts[path.stem] = atoms_of(read_workflow(path, systems=[path.stem]).start)
        except SettingsError:
            return (), ()  # what is wrong with it is told where it is read
    return found(lambda: read_named_systems(folder, starts))


def found(read: Callable[[], tuple[System, ...]]) -> Found:
    """What reading gives, or what is wrong with it."""
    try:
        return read(), ()
    except StructureError as error:
        return (), error.problems


def _written_place(document: Document) -> object:
    """What stands at MISC.path_to_geometry in a file that can't be read as settings; None when nothing does."""
    misc = document.data.get(_like("MISC", document.data))
    return misc.get(_like("path_to_geometry", misc)) if isinstance(misc, Mapping) else None


def _existing_geometries(folder: Path, written: object) -> Iterator[tuple[str, Path]]:
    """The files of SYSTEMS that exist; what is wrong with the names of others was said where they stand."""
    for name, entry in written.items() if isinstance(written, Mapping) else ():
        place = _existing_place(folder, entry.get("geometry")) if isinstance(entry, Mapping) else None
        if isinstance(place, Path) and place.is_file():
            yield str(name), place


def _like(name: str, data: Mapping[str | int, object]) -> str:
    """The key that is this name, or its misspelling, which is told where it stands."""
    keys = {str(key).lower(): str(key) for key in data}
    close = get_close_matches(name.lower(), keys, n=1, cutoff=0.7)
    return keys[close[0]] if close else name


def _existing_place(folder: Path, written: object) -> Path | Mapping[int, Path] | None:
    """The same as paths, None unless they all exist."""
    named = written if isinstance(written, Mapping) else {0: written}
    if not all(isinstance(index, int) and isinstance(name, str) for index, name in named.items()):
        return None
    try:
        places = {index: folder / Path(str(name)).expanduser() for index, name in named.items()}
        exist = all(place.exists() for place in places.values())
    except (OSError, ValueError, RuntimeError):  # too long, with a null character, of no such user
        return None
    if not exist:
        return None
    return places if isinstance(written, Mapping) else places[0]
