"""A project: everything that a user wrote down, checked and frozen."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, SettingsError, StructureError
from aims_pax.frame import Stage
from aims_pax.settings.active import ActiveLearningSettings
from aims_pax.settings.cluster import ClusterSettings, with_resources
from aims_pax.settings.consistency import cross_problems
from aims_pax.settings.initial import InitialDatasetSettings
from aims_pax.settings.mace import MACE_SECTIONS, MaceSettings
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.asi import AsiInput, AsiSettings, read_asi_inputs
from aims_pax.settings.methods.charges import charge_problems
from aims_pax.settings.methods.fhi_aims import FhiAimsInput, FhiAimsSettings, read_inputs
from aims_pax.settings.methods.reference import ReferencesBySystem, ReferenceSettings
from aims_pax.settings.reading.document import Document, KeyPath, read_document
from aims_pax.settings.sections import STAGE_SECTIONS, Settings, aims_pax_reading, read_mace, read_settings
from aims_pax.settings.systems import DEFAULT_PLACES, System, read_systems

SETTINGS_FILES: Final = ("aims_PAX.yaml", "aimsPAX.yaml")
MACE_FILES: Final = ("mace.yaml", "model.yaml")


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files that hold the settings of a project, where they are not those that its folder has by name.

    Parameters
    ----------
    settings : Path or None
        In the place of aims_PAX.yaml.
    mace : Path or None
        In the place of mace.yaml.
    """

    settings: Path | None = None
    mace: Path | None = None


BY_NAME: Final = NamedFiles()
BOTH_STAGES: Final = (Stage.INITIAL, Stage.ACTIVE)


@dataclass(frozen=True, slots=True)
class Project:
    """One folder with settings, models and starting structures.

    Parameters
    ----------
    folder : Path
        Absolute. Every path in the settings that was written down is absolute, too.
    settings : Settings
        aims_PAX.yaml.
    mace : MaceSettings
        mace.yaml.
    systems : tuple of System
    inputs : mapping of str to FhiAimsInput or AsiInput
        What an engine with input files is given for each system, by its name; empty for other references.
    documents : tuple of Document
        aims_PAX.yaml and mace.yaml, which know the lines of their keys; empty for a project that was not read from
        files.
    """

    folder: Path
    settings: Settings
    mace: MaceSettings
    systems: tuple[System, ...]
    inputs: Mapping[str, FhiAimsInput | AsiInput] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()

    def where(self, *keys: str | int) -> str:
        """File and line of a setting, or of the section that it is missing from; the file alone without its lines."""
        is_mace = keys[0] in MACE_SECTIONS and keys[0] != "MISC"
        if self.documents:
            return self.documents[is_mace].where(keys)
        return MACE_FILES[0] if is_mace else SETTINGS_FILES[0]

    @property
    def initial(self) -> InitialDatasetSettings:
        """INITIAL_DATASET_GENERATION.

        Raises
        ------
        SettingsError
            There is no such section; impossible when the project was loaded for this stage.
        """
        if self.settings.initial is None:
            raise SettingsError(Problem(str(self.folder), f"There is no section {STAGE_SECTIONS[Stage.INITIAL]}."))
        return self.settings.initial

    @property
    def active(self) -> ActiveLearningSettings:
        """ACTIVE_LEARNING.

        Raises
        ------
        SettingsError
            There is no such section; impossible when the project was loaded for this stage.
        """
        if self.settings.active is None:
            raise SettingsError(Problem(str(self.folder), f"There is no section {STAGE_SECTIONS[Stage.ACTIVE]}."))
        return self.settings.active

    @property
    def run_folder(self) -> Path:
        """Where the run keeps run.db, checkpoints and results (MISC.output_dir)."""
        return self.folder / self.settings.misc.output_dir

    @property
    def log_folder(self) -> Path:
        """MISC.log_dir."""
        return self.folder / self.settings.misc.log_dir

    @property
    def label_folder(self) -> Path:
        """Where reference calculations write (CLUSTER.calc_dir)."""
        return self.folder / self.settings.cluster.calc_dir

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur in any system, ascending."""
        return tuple(sorted({int(number) for system in self.systems for number in system.frame.numbers}))

    @property
    def reference(self) -> ReferenceSettings | ReferencesBySystem:
        """What labels the structures of this project, system by system where it differs."""
        own = {system.name: self.reference_for(system) for system in self.systems}
        first = next(iter(own.values()))
        return first if all(one == first for one in own.values()) else ReferencesBySystem(own)

    @property
    def reference_keys(self) -> KeyPath:
        """The section that names the reference: REFERENCE, or the teacher of a stage."""
        for stage, section in ((Stage.INITIAL, self.settings.initial), (Stage.ACTIVE, self.settings.active)):
            if section is not None and section.teacher_reference_settings == self.settings.reference:
                return (STAGE_SECTIONS[stage], "teacher_reference_settings")
        return ("REFERENCE",)

    def reference_for(self, system: System) -> ReferenceSettings:
        """What labels the structures of one system."""
        reference = self.inputs.get(system.name, self.settings.reference)
        resources = self.settings.cluster.resources_of(system.frame.trajectory, system.name)
        return with_resources(reference, resources)

    def on_cluster(self, cluster: ClusterSettings) -> "Project":
        """The same project with its labels computed elsewhere."""
        return replace(self, settings=replace(self.settings, cluster=cluster))

    def md_for(self, trajectory: int) -> MDSettings:
        """How one trajectory moves; in initial dataset generation, the trajectory that starts at this system."""
        md = self.settings.md
        return md if isinstance(md, MDSettings) else md[trajectory]

    def system_for(self, trajectory: int) -> System:
        """Where one trajectory of active learning starts: the systems in turn."""
        return self.systems[trajectory % len(self.systems)]


def load_project(folder: Path, *, stages: tuple[Stage, ...] = BOTH_STAGES, files: NamedFiles = BY_NAME) -> Project:
    """The project in a folder, after all of it was checked. Creates and changes nothing.

    Parameters
    ----------
    folder : Path
    stages : tuple of Stage
        The stages that will run, and whose sections must therefore be there.
    files : NamedFiles
        Relative to the working directory. Paths within them are relative to the folder.

    Raises
    ------
    SettingsError
        With all problems that were found in all files, structures included.
    StructureError
        The same, when the settings are right and the structures are not.
    """
    folder = folder.expanduser().absolute()
    _require_project_folder(folder, files)
    problems: list[Problem] = []
    settings_document = _document(folder, SETTINGS_FILES, problems, named=files.settings)
    mace_document = _document(folder, MACE_FILES, problems, named=files.mace)
    settings, mace, reading = None, None, None
    if settings_document is not None:
        reading = aims_pax_reading(settings_document, folder)
        settings = read_settings(reading, stages)
        problems += reading.problems
    if mace_document is not None:
        mace, mace_reading = read_mace(mace_document, folder)
        problems += mace_reading.problems
    systems, structure_problems = _systems(folder, settings, settings_document)
    if settings is not None and settings_document is not None:
        problems += cross_problems(settings, settings_document, mace, mace_document, systems, stages)
    inputs: Mapping[str, FhiAimsInput | AsiInput] = {}
    if settings is not None:
        want_stress = mace is not None and mace.general.compute_stress
        inputs, input_problems = _inputs(settings.reference, folder, systems, want_stress=want_stress)
        problems += input_problems
        if settings_document is not None:
            problems += charge_problems(settings.reference, settings_document, systems, inputs)
    if problems:
        raise SettingsError([*problems, *structure_problems])
    if structure_problems:
        raise StructureError(structure_problems)
    if settings is None or mace is None:
        raise AssertionError("settings without problems are settings")
    documents = tuple(one for one in (settings_document, mace_document) if one is not None)
    return Project(folder, settings, mace, systems, inputs, documents)


def _inputs(
    reference: ReferenceSettings, folder: Path, systems: tuple[System, ...], *, want_stress: bool
) -> tuple[Mapping[str, FhiAimsInput | AsiInput], list[Problem]]:
    """The content of the input files of each system, and everything wrong with them."""
    match reference:
        case FhiAimsSettings():
            return read_inputs(reference, folder, systems, want_stress=want_stress)
        case AsiSettings():
            return read_asi_inputs(reference, folder, systems, want_stress=want_stress)
        case _:
            return {}, []


def _require_project_folder(folder: Path, files: NamedFiles) -> None:
    """Refuse what is no folder, or has nothing of a project, in one sentence."""
    where, advice = str(folder), f"aims-pax init {shlex.quote(str(folder))} makes a new project."
    if folder.is_file():
        advice = f"Name the folder that holds it: {shlex.quote(str(folder.parent))}."
        raise SettingsError(Problem(where, "This is a file.", "the folder of a project", advice))
    if not folder.is_dir():
        raise SettingsError(Problem(where, "There is no such folder.", "", advice))
    if files == BY_NAME and not any((folder / name).exists() for name in (*SETTINGS_FILES, *MACE_FILES)):
        found = f"This folder holds no project: there is neither {SETTINGS_FILES[0]} nor {MACE_FILES[0]}."
        raise SettingsError(Problem(where, found, "", f"Name a project's folder; or {advice}"))


def _document(folder: Path, names: tuple[str, ...], problems: list[Problem], *, named: Path | None) -> Document | None:
    """The file that was named, or the one of these names; None after noting what is wrong with it."""
    present = [folder / name for name in names if (folder / name).exists()]
    if named is not None:
        present = [named.expanduser().absolute()]
    if len(present) != 1:
        found = f"There is no {names[0]} in this folder." if not present else f"There are both {' and '.join(names)}."
        advice = "Copy one from an example, or let aims-pax init write one." if not present else "Remove one of them."
        problems.append(Problem(str(folder), found, "", advice))
        return None
    try:
        document = read_document(present[0])
    except SettingsError as error:
        problems += error.problems
        return None
    problems += document.problems
    return document


def _systems(
    folder: Path, settings: Settings | None, document: Document | None
) -> tuple[tuple[System, ...], tuple[Problem, ...]]:
    """Starting structures, and what is wrong with them. Looks for them where the settings say, if those can be read."""
    place: Path | Mapping[int, Path] | None = None
    if settings is not None:
        place = settings.misc.path_to_geometry
    elif document is None:
        if not any((folder / name).exists() for name in DEFAULT_PLACES):
            return (), ()  # nobody knows where the structures are: the file that says it can't be read
    elif (written := _written_place(document)) is not None:
        place = _existing_place(folder, written)
        if place is None:
            return (), ()  # what is wrong with the name itself was said where it stands
    try:
        return read_systems(folder, place), ()
    except StructureError as error:
        return (), error.problems


def _written_place(document: Document) -> object:
    """What stands at MISC.path_to_geometry in a file that can't be read as settings; None when nothing does."""
    misc = document.data.get(_like("MISC", document.data))
    return misc.get(_like("path_to_geometry", misc)) if isinstance(misc, Mapping) else None


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
