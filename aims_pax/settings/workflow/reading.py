"""A workflow from its file: everything that is wrong with it at once, or a workflow that can be begun."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.motion.lammps_lines import LammpsLines
from aims_pax.settings.reading.document import KeyPath, dotted, read_document
from aims_pax.settings.reading.kinds import shown
from aims_pax.settings.reading.validation import Reading, suggestion
from aims_pax.settings.section import Section
from aims_pax.settings.sections import AIMS_PAX_SECTIONS
from aims_pax.settings.workflow.chain import Chain
from aims_pax.settings.workflow.geometry import GeometrySettings
from aims_pax.settings.workflow.names import phase_name, phase_number
from aims_pax.settings.workflow.phases import Phase, PhaseSettings, Workflow
from aims_pax.settings.workflow.run import RunSettings
from aims_pax.settings.workflow.spellings import Spellings
from aims_pax.settings.workflow.structures import named_files, read_structures

SYSTEM: Final = ("System", "system")

_HOMES: Final[Mapping[str, type[Section]]] = {"Geometry": GeometrySettings, "Run": RunSettings}


def read_workflow(path: Path, *, systems: Sequence[str]) -> Workflow:
    """The workflow of a file, and the structures that it names.

    Parameters
    ----------
    path : Path
        Paths in the file are relative to its folder.
    systems : sequence of str
        The names of the project's systems; none where they are not known, and any name may be right.

    Raises
    ------
    SettingsError
        With everything that is wrong, each with its line.
    """
    document = read_document(path)
    reading = Reading(document, path.absolute().parent)
    _refuse_projects(path, document.data)
    phases = _numbered(reading)
    system = _system(reading, path.stem, systems)
    files = {
        keys: written
        for number, data in phases.items()
        if isinstance(data, Mapping) and isinstance(geometry := data.get("geometry"), Mapping)
        for keys, written in named_files(geometry, (phase_name(number), "geometry"))
    }
    chain = Chain(reading, read_structures(reading, files, system))
    read = [_phase(reading, chain, number, data) for number, data in phases.items()]
    lines = _lines(reading, [phase for phase in read if phase is not None])
    if document.problems or reading.problems:
        raise SettingsError([*document.problems, *reading.problems])
    found = tuple(phase for phase in read if phase is not None)
    return Workflow(path.stem, path, system, found, chain.structures, lines)


def _lines(reading: Reading, phases: Sequence[Phase]) -> dict[Path, LammpsLines]:
    """What phases tell LAMMPS, after noting what is wrong with it."""
    found: dict[Path, LammpsLines] = {}
    for phase in phases:
        path = phase.settings.run.lines
        if path is None or path in found:
            continue
        try:
            found[path] = LammpsLines.read(path)
        except SettingsError as error:
            for problem in error.problems:
                said = f"{problem.where}: {problem.found}"
                reading.add((phase.name, "run", "lines"), said, problem.allowed, problem.advice)
    return found


def _refuse_projects(path: Path, data: Mapping[Any, Any]) -> None:
    """A project's own settings are no workflow.

    Raises
    ------
    SettingsError
    """
    sections = [str(key) for key in data if key in AIMS_PAX_SECTIONS or key in MACE_SECTIONS]
    if sections and not any(phase_number(key) is not None for key in data):
        found = f"This file has {', '.join(sections[:3])}: it holds settings of a project, and no workflow."
        advice = "Name the file that has the phases; aims-pax init --workflow writes one."
        raise SettingsError(Problem(path.name, found, "Phase0, Phase1, ...", advice))


def _numbered(reading: Reading) -> dict[int, Any]:
    """What is written of each phase, by own names and in their order, after noting gaps and strangers."""
    found: dict[int, Any] = {}
    for key, data in reading.document.data.items():
        number = phase_number(key)
        if number is None:
            if key not in SYSTEM:
                _note_stranger(reading, key)
            continue
        keys: KeyPath = (phase_name(number),)
        if number in found:
            found_text = f"{key} and {dotted(reading.written(keys))} are the same phase."
            reading.add((key,), found_text, "", "Keep one of them, or number them one after the other.")
            continue
        reading.rename(keys, (key,))
        found[number] = data
        if isinstance(data, Mapping):
            found[number] = Spellings(reading, _HOMES).named(PhaseSettings, data, keys)
    ordered = sorted(found)
    if not ordered and not reading.problems:
        advice = "Begin with Phase0: {Geometry: ..., Run: ...}."
        reading.add((), "There is no phase.", "Phase0, Phase1, ...", advice)
    for expected, number in enumerate(ordered):
        if number != expected:
            keys = (phase_name(number),)
            missing = f"{phase_name(expected)} is missing"
            found_text = f"{phase_name(number)} is phase {expected + 1} of the file, and {missing}."
            reading.add(keys, found_text, "numbers without gaps, from 0", f"Call it {phase_name(expected)}.")
            break
    return {number: found[number] for number in ordered}


def _note_stranger(reading: Reading, key: str | int) -> None:
    choices = [*(phase_name(number) for number in range(10)), SYSTEM[0]]
    name = str(key)
    belongs = [home for home, model in _HOMES.items() if key in model.model_fields or key in model.ALIASES]
    if name.capitalize() in PhaseSettings.ALIASES:
        advice = f"Indent {name} below its phase: Phase0: {{{name}: ...}}."
    elif belongs:
        advice = f"It belongs to {belongs[0]} of a phase."
    else:
        advice = suggestion(name, choices) or "Remove it."
    reading.add((key,), f"{name} is neither a phase nor System.", "Phase0, Phase1, ..., System", advice)


def _system(reading: Reading, stem: str, systems: Sequence[str]) -> str:
    """The system that the file says or is called by, or the only one; empty after noting that there is none."""
    written = [key for key in SYSTEM if key in reading.document.data]
    allowed = " | ".join(systems)
    if len(written) == 2:
        reading.add((written[1],), "System and system are the same setting.", "", "Keep one of them.")
    if written:
        name = reading.document.data[written[0]]
        if isinstance(name, str) and (name in systems or not systems):
            return name
        advice = suggestion(name, systems) if isinstance(name, str) else ""
        found = f"{written[0]} is {shown(name)}, which is no system of this project."
        reading.add((written[0],), found, allowed, advice or "Name one of them, as the project calls it.")
        return ""
    if stem in systems or not systems:
        return stem
    if len(systems) == 1:
        return systems[0]
    found = f"Nothing says which system of the project this is: none is called {stem}, as this file is."
    reading.add((), found, allowed, "Write System: and the name of one of them.")
    return ""


def _phase(reading: Reading, chain: Chain, number: int, data: Any) -> Phase | None:
    """One phase; None after noting what is wrong with it."""
    name = phase_name(number)
    settings = reading.section(PhaseSettings, data, (name,))
    written: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    geometry, run = written.get("geometry"), written.get("run")
    if "geometry" in written and geometry is None:
        found = f"{dotted(reading.written((name, 'geometry')))} is empty."
        reading.add((name, "geometry"), found, "", "Write below it what the phase begins with, or leave it out.")
    elif geometry is None and number == 0 and isinstance(data, Mapping):
        found = f"{dotted(reading.written((name,)))} has no Geometry, and there is no phase before it."
        advice = "Give it one: Geometry: {Bulk: {Structure_1: {Path: a.xyz}}}."
        reading.add((name,), found, "", advice)
    # What is right by itself is looked at together with the phases before, also beside what is wrong.
    own_geometry, own_run = None, None
    if isinstance(geometry, Mapping):
        own_geometry = reading.section(GeometrySettings, geometry, (name, "geometry"))
        if own_geometry is not None and number > 0:
            own_geometry = own_geometry.after(phase_name(number - 1))
    if isinstance(run, Mapping):
        own_run = reading.section(RunSettings, run, (name, "run"))
    chain.add(number, own_geometry, own_run, is_readable="geometry" not in written)
    return None if settings is None else Phase(name, settings.model_copy(update={"geometry": own_geometry}))
