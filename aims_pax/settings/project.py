"""A project: everything that a user wrote down, checked and frozen."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.errors import Problem, SettingsError, StructureError
from aims_pax.frame import Stage
from aims_pax.settings.cluster import (
    NO_RESOURCES,
    ClusterSettings,
    InlineCluster,
    SystemResources,
    on_parsl_config,
    with_resources,
)
from aims_pax.settings.committee.mace import MACE_SECTIONS, MaceSettings
from aims_pax.settings.committee.reading import read_mace
from aims_pax.settings.consistency import cross_problems
from aims_pax.settings.further import NOTHING_FURTHER, Further, anew, further_problems, read_further, relabelled
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.charges import charge_problems, with_what_is_told
from aims_pax.settings.methods.fhi_aims import Asked, FhiAimsInput
from aims_pax.settings.methods.inputs import by_reference, engine_inputs
from aims_pax.settings.methods.reference import ReferencesBySystem, ReferenceSettings
from aims_pax.settings.own import SystemPlan, place_of
from aims_pax.settings.places import Found, found, found_structures
from aims_pax.settings.reading.document import Document, KeyPath
from aims_pax.settings.reading.files import (
    BY_NAME,
    MACE_FILES,
    SETTINGS_FILES,
    NamedFiles,
    document_of,
    require_project_folder,
)
from aims_pax.settings.sections import Settings, aims_pax_reading, read_settings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.campaign import course, half_of, halves_asked
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.molecules import Groups, molecules_of
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.systems import System, systems_of

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.settings.reading.arguments import Listed

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
        aims_PAX.yaml and mace.yaml, or the arguments in their place: where each key was written.
    further : Further
        What is read beside these for single stages.
    """

    folder: Path
    settings: Settings
    mace: MaceSettings
    systems: tuple[System, ...]
    inputs: Mapping[str, FhiAimsInput | AsiInput] = field(default_factory=dict)
    documents: tuple[Document, ...] = ()
    further: Further = NOTHING_FURTHER

    @classmethod
    def of(
        cls,
        atoms: "Atoms | Iterable[Atoms] | Mapping[str, Atoms | Mapping[str, object]]",
        *,
        stages: "Sequence[Listed]",
        reference: str | Mapping[str, object] = "tblite",
        md: Mapping[Any, object] | None = None,
        mace: Mapping[str, Mapping[str, object]] | None = None,
        cluster: Mapping[str, object] | None = None,
        misc: Mapping[str, object] | None = None,
        folder: str | Path | None = None,
    ) -> "Project":
        """A project without files. Keys, defaults and checks are those of the files; nothing is written.

        Paths among the settings are relative to the current folder.

        Parameters
        ----------
        atoms : Atoms, iterable of Atoms, or mapping of str to Atoms or mapping
            Starting structures; by their formulas where they have no names. A mapping in the place of atoms is an
            entry of SYSTEMS, whose `geometry` may be atoms, or a file as there.
        stages : sequence
            What `initial`, `converge` and `learn` of :mod:`aims_pax.settings.reading.arguments` make, or entries as
            STAGES has them. Nothing is done that is not listed.
        reference : str or mapping
            REFERENCE: its type alone, or with its settings.
        md : mapping or None
            MD; `stat_ensemble` is nvt where nothing is said.
        mace : mapping of mapping, or None
            The sections of mace.yaml; `name_exp` is mace where nothing is said.
        cluster, misc : mapping or None
            CLUSTER and MISC.
        folder : str, Path or None
            Of the run; ``aims_pax_run`` in the current folder when None. Made when the run begins.

        Raises
        ------
        SettingsError
            With all problems, each with the name of its argument.
        StructureError
            The same, when the settings are right and the structures are not.
        """
        # They are made for this class.
        from aims_pax.settings.reading.arguments import arguments, mace_arguments, structures_given, systems_given

        home = Path("aims_pax_run" if folder is None else folder).expanduser().absolute()
        systems = systems_given(atoms)
        settings = arguments(reference, stages, systems=systems, md=md, cluster=cluster, misc=misc)
        models = mace_arguments(mace)
        written = Written(Path.cwd(), settings, models, [*settings.problems, *models.problems])

        def structures(read: Settings | None) -> Found:
            return found(lambda: systems_of(atoms)) if systems is None else structures_given(systems, read)

        return replace(written.project(BOTH_STAGES, structures), folder=home)

    def where(self, *keys: str | int) -> str:
        """File and line of a setting, or of the section that it is missing from; the file alone without its lines."""
        is_mace = keys[0] in MACE_SECTIONS and keys[0] != "MISC"
        if not self.documents:
            return (self.mace_file if is_mace else self.settings_file).name
        return self.documents[int(is_mace)].where(keys)

    def place_of(self, system: System, section: str, key: str) -> KeyPath:
        """Where a setting of MD or REFERENCE is written that holds for one system; or where it would be."""
        return place_of(self.documents[0], system.name, section, key) if self.documents else (section, key)

    @property
    def settings_file(self) -> Path:
        """aims_PAX.yaml; where there is no file, what messages say instead."""
        return self.documents[0].path if self.documents else self.folder / SETTINGS_FILES[0]

    @property
    def mace_file(self) -> Path:
        """mace.yaml, likewise."""
        return self.documents[1].path if self.documents else self.folder / MACE_FILES[0]

    def asked(self, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        """Of the halves of a campaign that a command runs those that are there, where STAGES lists what there is."""
        return halves_asked(self.settings.stages, self.documents[0] if self.documents else None, stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The halves of a campaign that it has stages of, in their order."""
        return tuple(half for half in BOTH_STAGES if half_of(self.settings.stages, half))

    def plans(self, stages: tuple[Stage, ...]) -> tuple[StagePlan, ...]:
        """All that these halves of the campaign go through, in order."""
        return course(self.settings.stages, stages)

    @property
    def initial(self) -> InitialDatasetSettings:
        """Settings of the stage that makes the initial dataset.

        Raises
        ------
        SettingsError
            There is none; impossible when the project was loaded for it.
        """
        if self.settings.initial is None:
            raise SettingsError(Problem(str(self.folder), "There is no stage that makes an initial dataset."))
        return self.settings.initial

    @property
    def active(self) -> ActiveLearningSettings:
        """Settings of the first stage that learns actively, which says what the committee is.

        Raises
        ------
        SettingsError
            There is none; impossible when the project was loaded for it.
        """
        if self.settings.active is None:
            raise SettingsError(Problem(str(self.folder), "There is no stage that learns actively."))
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
        """Atomic numbers that occur in any system, or in what workflows make of it, ascending."""
        of_systems = {int(number) for system in self.systems for number in system.frame.numbers}
        return tuple(sorted(of_systems | self.further.elements))

    @property
    def reference(self) -> ReferenceSettings | ReferencesBySystem:
        """What labels the structures of this project, system by system where it differs."""
        own = {system.name: self.reference_for(system) for system in self.systems}
        first = next(iter(own.values()), self.settings.reference)
        return first if all(one == first for one in own.values()) else ReferencesBySystem(own)

    @property
    def reference_keys(self) -> KeyPath:
        """The section that names the reference: REFERENCE, or the teacher of a stage."""
        for plan in self.settings.stages:
            if getattr(plan.settings, "teacher_reference_settings", None) == self.settings.reference:
                return (*plan.keys, "teacher_reference_settings")
        return ("REFERENCE",)

    def reference_for(self, system: System) -> ReferenceSettings:
        """What labels the structures of one system."""
        plan = self.plan_of(system)
        reference = self.settings.reference if plan is None else plan.reference
        return with_resources(self.inputs.get(system.name, reference), self.resources_of(system))

    def plan_of(self, system: System) -> SystemPlan | None:
        """What SYSTEMS says of a system; None where it says nothing."""
        return self.settings.systems.get(system.name)

    def resources_of(self, system: System) -> SystemResources:
        """What the labels of a system need, by SYSTEMS or by CLUSTER.systems."""
        plan = self.plan_of(system)
        if plan is not None and plan.settings.resources != NO_RESOURCES:
            return plan.settings.resources
        return self.settings.cluster.resources_of(system.frame.trajectory, system.name)

    def molecules_of(self, system: System) -> Groups:
        """Atoms of the molecules of a system that are told apart; empty where none are."""
        return molecules_of(self.settings.misc.mol_idxs, name=system.name, index=system.frame.trajectory)

    def labelled_by(self, stage: str) -> "Project":
        """The same project with the reference of a `relabel` stage; itself for the name of no such stage."""
        return relabelled(self, stage)

    def trained_as(self, stage: str) -> "Project":
        """The same project with the models that a `converge` begins with; itself where it names none."""
        return anew(self, stage)

    def on_cluster(self, cluster: ClusterSettings) -> "Project":
        """The same project with its labels computed elsewhere."""
        return replace(self, settings=replace(self.settings, cluster=cluster))

    def md_of(self, system: System) -> MDSettings:
        """How a system moves in the initial dataset generation, which has one trajectory of each."""
        plan, md = self.plan_of(system), self.settings.md
        if plan is not None:
            return plan.md
        return md if isinstance(md, MDSettings) else md[system.frame.trajectory]

    def md_for(self, trajectory: int, settings: ActiveLearningSettings | FlyStageSettings | None = None) -> MDSettings:
        """How one trajectory moves in a stage of these settings; None: in the first one of active learning."""
        stage, md = self.settings.active if settings is None else settings, self.settings.md
        md = md if isinstance(md, MDSettings) else md[trajectory]
        return md if stage is None else stage.moved(md)

    def system_for(self, trajectory: int) -> System:
        """Where one trajectory of active learning starts: as SYSTEMS says, or the systems in turn."""
        if not self.settings.systems:
            return self.systems[trajectory % len(self.systems)]
        return self.systems[self.settings.homes.place_of(trajectory)]


@dataclass(frozen=True, slots=True)
class Written:
    """What a user wrote, before it is a project.

    Parameters
    ----------
    folder : Path
        What paths are relative to.
    settings, mace : Document or None
        None where the file can't be read.
    problems : sequence of Problem
        What is wrong with the documents as such.
    parsl_config : str or None
        As in :class:`NamedFiles`.
    """

    folder: Path
    settings: Document | None
    mace: Document | None
    problems: Sequence[Problem] = ()
    parsl_config: str | None = None

    def project(self, stages: tuple[Stage, ...], structures: Callable[[Settings | None], Found]) -> Project:
        """The project, after all of it was checked.

        Parameters
        ----------
        stages : tuple of Stage
            Whose sections must be there.
        structures : callable
            Gives the starting structures, by the settings if they can be read.

        Raises
        ------
        SettingsError, StructureError
            As from :func:`load_project`.
        """
        problems = list(self.problems)
        settings, mace = None, None
        if self.settings is not None:
            reading = aims_pax_reading(self.settings, self.folder)
            settings = read_settings(reading, stages)
            problems += reading.problems
        if self.parsl_config is not None:
            cluster = InlineCluster() if settings is None else settings.cluster
            try:
                cluster = on_parsl_config(cluster, self.parsl_config, Path.cwd())
            except SettingsError as error:
                problems += error.problems
            settings = None if settings is None else replace(settings, cluster=cluster)
        if self.mace is not None:
            mace, mace_reading = read_mace(self.mace, self.folder)
            problems += mace_reading.problems
        systems, structure_problems = structures(settings)
        inputs: Mapping[str, FhiAimsInput | AsiInput] = {}
        further = NOTHING_FURTHER
        if settings is not None and self.settings is not None:
            halves = halves_asked(settings.stages, self.settings, stages)
            problems += cross_problems(settings, self.settings, mace, self.mace, systems, halves)
            want_stress = mace is not None and mace.general.compute_stress
            for reference, some in by_reference(settings, systems):
                asked = Asked(self.folder, some, len(systems), want_stress)
                own, input_problems = engine_inputs(reference, asked)
                inputs = {**inputs, **own}
                problems += input_problems
                problems += charge_problems(reference, self.settings, some, own)
            further, further_wrong = read_further(self.folder, settings, mace, systems)
            problems += further_wrong
        elif self.settings is not None:
            problems += further_problems(self.folder, self.settings, systems)
        if problems:
            raise SettingsError([*problems, *structure_problems])
        if structure_problems:
            raise StructureError(structure_problems)
        if settings is None or mace is None:
            raise AssertionError("settings without problems are settings")
        documents = tuple(one for one in (self.settings, self.mace) if one is not None)
        return Project(
            self.folder, settings, mace, with_what_is_told(systems, settings, inputs), inputs, documents, further
        )


def load_project(
    folder: str | Path, *, stages: tuple[Stage, ...] = BOTH_STAGES, files: NamedFiles = BY_NAME
) -> Project:
    """The project in a folder, after all of it was checked. Creates and changes nothing.

    Parameters
    ----------
    folder : str or Path
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
    home = Path(folder).expanduser().absolute()
    require_project_folder(home, files)
    problems: list[Problem] = []
    settings = document_of(home, SETTINGS_FILES, problems, named=files.settings)
    models = document_of(home, MACE_FILES, problems, named=files.mace)
    written = Written(home, settings, models, problems, files.parsl_config)
    return written.project(stages, lambda read: found_structures(home, read, settings))
