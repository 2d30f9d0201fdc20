"""The sections of aims_PAX.yaml and mace.yaml, from documents to settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aims_pax.frame import Stage
from aims_pax.settings.cluster import CLUSTERS, ClusterSettings, InlineCluster
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsSettings
from aims_pax.settings.methods.reference import (
    COMMON_NAMES,
    REFERENCE_ALIASES,
    REFERENCE_SETTINGS,
    AseCalculatorSettings,
    ReferenceSettings,
    TbliteSettings,
)
from aims_pax.settings.misc import MiscSettings
from aims_pax.settings.own import NO_HOMES, Homes, Shared, SharedSection, SystemPlan, read_plans
from aims_pax.settings.reading.absent import NOT_YET, NOT_YET_VALUES
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.fhi_aims_places import fhi_aims_data
from aims_pax.settings.reading.final_datasets import with_final_datasets
from aims_pax.settings.reading.kinds import shown
from aims_pax.settings.reading.stages import SECTION, SECTIONS, WrittenStage, written_stages
from aims_pax.settings.reading.validation import Reading, Unsettled, suggestion
from aims_pax.settings.relabelling import Relabelling, read_relabellings
from aims_pax.settings.section import Section
from aims_pax.settings.stage import StageSettings
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.campaign import (
    AT_REST,
    Brought,
    any_samples,
    bringing,
    end_of,
    files_of,
    half_of,
    is_end,
    judge_motion,
    judging,
    read_campaign,
    read_md,
    require_sections,
    with_trajectories_of_systems,
)
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.workflow.playing import PlaySettings

_HOMES: Final[dict[str, type[Section]]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
    "DATA_FILTERING": SelectSettings,
    "MD": MDSettings,
    "MISC": MiscSettings,
}
AIMS_PAX_SECTIONS: Final = (*_HOMES, "CLUSTER", "REFERENCE", "SYSTEMS", SECTION)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of aims_PAX.yaml.

    Parameters
    ----------
    stages : tuple of StagePlan
        The campaign, in its order.
    md : MDSettings, or mapping of trajectory index to MDSettings
    misc : MiscSettings
    cluster : ClusterSettings
    reference : ReferenceSettings
        Where the file names none: GFN2-xTB, or the teacher of the stages.
    systems : mapping of str to SystemPlan
        SYSTEMS, by name, in the order of the file; empty where it has no such section.
    homes : Homes
        Of trajectories in these systems.
    relabellings : mapping of str to Relabelling
        What the `relabel` stages label by, by their names.
    """

    stages: tuple[StagePlan, ...]
    md: MDSettings | Mapping[int, MDSettings]
    misc: MiscSettings
    cluster: ClusterSettings
    reference: ReferenceSettings
    systems: Mapping[str, SystemPlan] = field(default_factory=dict)
    homes: Homes = NO_HOMES
    relabellings: Mapping[str, Relabelling] = field(default_factory=dict)

    @property
    def initial(self) -> InitialDatasetSettings | None:
        """Of the stage that makes the initial dataset; None where there is none."""
        return next((one.settings for one in self.stages if isinstance(one.settings, InitialDatasetSettings)), None)

    @property
    def active(self) -> ActiveLearningSettings | None:
        """Of the first stage that learns actively, which says what the committee is; None where there is none."""
        return next((one.settings for one in self.stages if isinstance(one.settings, ActiveLearningSettings)), None)

    @property
    def learning(self) -> tuple[StagePlan, ...]:
        """The stages that learn actively."""
        return tuple(one for one in self.stages if isinstance(one.settings, ActiveLearningSettings))

    @property
    def flying(self) -> tuple[StagePlan, ...]:
        """The stages whose MD is checked against the reference on the way."""
        return tuple(one for one in self.stages if isinstance(one.settings, FlyStageSettings))

    @property
    def playing(self) -> tuple[StagePlan, ...]:
        """The stages that play workflows."""
        return tuple(one for one in self.stages if isinstance(one.settings, PlaySettings))

    @property
    def looping(self) -> tuple[StagePlan, ...]:
        """Both of them, in their order: what samples, labels and learns until a goal is reached."""
        return tuple(one for one in self.stages if one in (*self.learning, *self.flying))

    @property
    def bringing(self) -> StagePlan | None:
        """The stage that begins with a dataset which is brought along; None where none is."""
        return bringing(self.stages)

    @property
    def judging(self) -> StagePlan | None:
        """The stage that judges models which are brought along, without a dataset; None where none does."""
        return judging(self.stages)

    @property
    def brought(self) -> tuple[Brought, Brought] | None:
        """The files of this dataset, for training and for validation; None where none is brought along."""
        return None if self.bringing is None else files_of(self.bringing)

    @property
    def ending(self) -> StagePlan | None:
        """The training that ends the campaign; None where it ends without."""
        return next((one for one in reversed(self.stages) if is_end(self.stages, one)), None)

    @property
    def end(self) -> str:
        """Name of the training that ends the campaign, also where none is asked for."""
        return end_of(self.stages)

    def is_end(self, plan: StagePlan) -> bool:
        """Whether an entry trains the models that are handed over; before others all members are trained alike."""
        return is_end(self.stages, plan)

    @property
    def samples(self) -> bool:
        """Whether any stage moves atoms and asks the reference for labels."""
        return any_samples([one.kind for one in self.stages])

    @property
    def n_trajectories(self) -> int:
        """The most trajectories that any stage of active learning has; 0 without one."""
        return max((one.read_as(ActiveLearningSettings).num_trajectories for one in self.learning), default=0)

    @property
    def references(self) -> tuple[ReferenceSettings, ...]:
        """All that label, each once: that of REFERENCE, or those of the systems."""
        of_systems = [plan.reference for plan in self.systems.values()]
        return tuple({one.identity: one for one in of_systems or [self.reference]}.values())


def aims_pax_reading(document: Document, folder: Path) -> Reading:
    """A pass over aims_PAX.yaml."""
    reference = _reference_type(document, folder)
    return Reading(document, folder, NOT_YET, reference=reference, homes=_HOMES, kinds=SECTIONS)


def read_settings(reading: Reading, halves: tuple[Stage, ...]) -> Settings | None:
    """Settings of aims_PAX.yaml, of which the given halves of a campaign must be there; None after noting problems."""
    n_before = len(reading.problems)
    data = reading.document.data
    refuse_unknown_sections(reading, AIMS_PAX_SECTIONS)
    written, problems = written_stages(reading.document)
    require_sections(reading, halves, written)
    for problem in problems:
        reading.add(*problem)
    written = with_trajectories_of_systems(reading, written)
    stages = read_campaign(reading, with_final_datasets(reading, written))
    if SECTION in data and halves and not (reading.problems or any(half_of(stages, half) for half in halves)):
        reading.add((SECTION,), "STAGES lists nothing of what this command does.", "", "Use aims-pax run.")
    misc = reading.section(MiscSettings, data.get("MISC"), ("MISC",))
    cluster = _read_cluster(reading, data.get("CLUSTER"))
    unsettled: list[Unsettled] | None = [] if "SYSTEMS" in data else None
    reference, written_reference = _read_reference(reading, written, stages, unsettled)
    plans: dict[str, SystemPlan] | None = {}
    md: MDSettings | Mapping[int, MDSettings] | None = None
    homes = NO_HOMES
    if "SYSTEMS" not in data:
        md = read_md(reading, data)
    elif plans := _read_systems(reading, data, SharedSection(written_reference, unsettled or ())):
        reference = reference or next(iter(plans.values())).reference
        homes, moving = Homes.of(plans), [plan.md for plan in plans.values()]
        learning = [
            one.settings for one in stages if isinstance(one.settings, ActiveLearningSettings | FlyStageSettings)
        ]
        n_trajectories = max(homes.n_trajectories, *(one.num_trajectories for one in learning), 0)
        md = {index: moving[homes.place_of(index)] for index in range(n_trajectories)}
    judge_motion(reading, stages, md)
    relabellings: Mapping[str, Relabelling] = {}
    if reference is not None and plans is not None:

        def read(data: Mapping[str, Any], keys: KeyPath) -> ReferenceSettings | None:
            return _reference_at(reading, data, keys)

        relabellings = read_relabellings(reading, stages, reference, systems=plans, read=read)
    if len(reading.problems) > n_before or md is None or misc is None or cluster is None:
        return None
    if reference is None or plans is None:
        return None
    return Settings(stages, md, misc, cluster, reference, plans, homes, relabellings)


def read_labelling_settings(reading: Reading) -> Settings | None:
    """What says how structures are labelled, without a campaign; None after noting problems."""
    n_before, data = len(reading.problems), reading.document.data
    refuse_unknown_sections(reading, AIMS_PAX_SECTIONS)
    written, _ = written_stages(reading.document)
    misc = reading.section(MiscSettings, data.get("MISC"), ("MISC",))
    cluster = _read_cluster(reading, data.get("CLUSTER"))
    stages = read_campaign(reading, written) if "REFERENCE" not in data else ()
    reference, _ = _read_reference(reading, written, stages, None)
    if len(reading.problems) > n_before or misc is None or cluster is None or reference is None:
        return None
    return Settings((), AT_REST, misc, cluster, reference)


def refuse_unknown_sections(reading: Reading, known: Mapping[str, Any] | tuple[str, ...]) -> None:
    for name in reading.document.data:
        if name not in known:
            advice = suggestion(str(name), known) or f"Sections are {', '.join(known)}."
            reading.add((name,), f"{name} is not a section.", "", advice)


def _read_systems(
    reading: Reading, data: Mapping[str | int, Any], reference: SharedSection
) -> dict[str, SystemPlan] | None:
    """SYSTEMS, each entry with what the shared sections say; None after noting problems."""
    misc = data.get("MISC")
    if isinstance(misc, Mapping) and misc.get("path_to_geometry") is not None:
        keys = ("MISC", "path_to_geometry")
        reading.add(keys, f"{dotted(keys)} is given beside SYSTEMS.", "", "Remove it: SYSTEMS.<name>.geometry says it.")

    def read_reference(
        written: Mapping[str, Any], keys: KeyPath, unsettled: list[Unsettled] | None
    ) -> ReferenceSettings | None:
        return _reference_at(reading, written, keys, unsettled=unsettled)

    return read_plans(reading, data["SYSTEMS"], Shared(_shared_md(reading, data), reference, read_reference))


def _shared_md(reading: Reading, data: Mapping[str | int, Any]) -> SharedSection:
    """MD as it is for all systems, which may complete it."""
    md = data.get("MD") or {}
    if not isinstance(md, Mapping):
        reading.add(("MD",), f"MD is {shown(md)}.", "a mapping of settings")
        return SharedSection(None)
    if any(isinstance(key, int) for key in md):
        advice = "Write MD of all systems as one mapping, and what differs into SYSTEMS.<name>.MD."
        reading.add(("MD",), "MD is written by index, and there are SYSTEMS.", "", advice)
        return SharedSection(None)
    unsettled: list[Unsettled] = []
    reading.section(MDSettings, md, ("MD",), unsettled=unsettled)
    return SharedSection(md, unsettled)


def _read_cluster(reading: Reading, data: Any) -> ClusterSettings | None:
    if data is None:
        return InlineCluster()
    if isinstance(data, Mapping) and "type" not in data and "parsl_config" in data:
        data = {**data, "type": "parsl"}
    cluster: ClusterSettings | None = _tagged(reading, CLUSTERS, data, ("CLUSTER",))
    return cluster


def _read_reference(
    reading: Reading,
    written: Sequence[WrittenStage],
    stages: Sequence[StagePlan],
    unsettled: list[Unsettled] | None,
) -> tuple[ReferenceSettings | None, Mapping[str, Any] | None]:
    """The one reference of a project, and how it is written: REFERENCE, or the stages' teacher, or GFN2-xTB.

    Parameters
    ----------
    unsettled : list of Unsettled, or None
        Gets what it lacks, where systems may complete it.
    """
    data = reading.document.data.get("REFERENCE")
    present = [(one, one.settings) for one in stages if isinstance(one.settings, StageSettings)]
    taught = [one for one, settings in present if settings.use_teacher_reference]
    for one in taught if data is not None else ():
        found = f"{one.said('use_teacher_reference')} is true, and REFERENCE is another reference."
        reading.add((*one.keys, "use_teacher_reference"), found, "", "Keep one of them.")
    teachers = [settings.teacher_reference_settings for _, settings in present]
    if taught and data is None and (len(taught) < len(present) or len({repr(teacher) for teacher in teachers}) > 1):
        found = "The stages have different references, and a model can't learn from both."
        advice = "Give all stages the same use_teacher_reference and teacher_reference_settings."
        reading.add((*taught[0].keys, "use_teacher_reference"), found, "", advice)
    if reading.reference == "fhi-aims":
        described = fhi_aims_data(reading, {} if data is None else data, written)
        return reading.section(FhiAimsSettings, described, ("REFERENCE",), unsettled=unsettled), described
    if data is not None:
        read = _reference_at(reading, data, ("REFERENCE",), unsettled=unsettled)
        kind = _type_of(data)
        return read, data if isinstance(kind, str) and kind in REFERENCE_SETTINGS else None
    if taught:
        said = next(one.written("teacher_reference_settings") for one in written if one.keys == taught[0].keys)
        return teachers[0], {**(said or {}), "type": "teacher"}
    return TbliteSettings(), {"type": "tblite"}


def _reference_at(
    reading: Reading, data: Any, keys: KeyPath, *, unsettled: list[Unsettled] | None = None
) -> ReferenceSettings | None:
    """The reference that a mapping describes, by its type."""
    if isinstance(data, Mapping) and data.get("type") == "teacher" and "calculator" in data:
        return reading.section(AseCalculatorSettings, data, keys, unsettled=unsettled)
    reference: ReferenceSettings | None = _tagged(reading, REFERENCE_SETTINGS, data, keys, unsettled=unsettled)
    return reference


def _type_of(data: Any) -> Any:
    """The type that a mapping names, by its own spelling."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    return REFERENCE_ALIASES.get(kind.lower(), kind.lower()) if isinstance(kind, str) else kind


def _tagged(
    reading: Reading,
    choices: Mapping[str, type[Any]],
    data: Any,
    keys: KeyPath,
    *,
    unsettled: list[Unsettled] | None = None,
) -> Any:
    """The section that its own `type` chooses; None after noting problems."""
    if not isinstance(data, Mapping):
        allowed = f"a mapping with type: {' | '.join(choices)}"
        reading.add(keys, f"{dotted(keys)} is {shown(data)}.", allowed)
        return None
    kind = _type_of(data)
    if not isinstance(kind, str) or kind not in choices:
        name = dotted((*keys, "type"))
        found = f"{name} is {shown(kind)}." if "type" in data else f"{name} is missing."
        advice = NOT_YET_VALUES.get(f"{keys[-1]}.type", {}).get(str(kind), "")
        reading.add(
            (*keys, "type"),
            found,
            " | ".join(choices),
            advice or (_meant(kind, choices) if isinstance(kind, str) else ""),
        )
        return None
    return reading.section(choices[kind], {**data, "type": kind}, keys, unsettled=unsettled)


def _meant(kind: str, choices: Mapping[str, type[Any]]) -> str:
    """``Did you mean espresso?``, also of what a method is called elsewhere; or nothing."""
    common = COMMON_NAMES.get(kind)
    return f"Did you mean {common}?" if common in choices else suggestion(kind, choices)


def _has_type(entry: Any) -> bool:
    """Whether a system has a whole reference of its own."""
    own = entry.get("REFERENCE") if isinstance(entry, Mapping) else None
    return isinstance(own, Mapping) and "type" in own


def _reference_type(document: Document, folder: Path) -> str:
    """Which reference the raw settings ask for, as far as it decides whether FHI-aims' own keys may stay."""
    data, (written, _) = document.data, written_stages(document)
    mappings = [stage.data for stage in written if isinstance(stage.data, Mapping)]
    if any(stage.get("use_teacher_reference") is True for stage in mappings):
        return "teacher"
    reference, systems = data.get("REFERENCE"), data.get("SYSTEMS")
    if reference is None and isinstance(systems, Mapping) and systems and all(map(_has_type, systems.values())):
        return "another by SYSTEMS"
    if reference is not None:
        kind = str(reference.get("type")).lower() if isinstance(reference, Mapping) else "another"
        return "fhi-aims" if REFERENCE_ALIASES.get(kind, kind) == "fhi-aims" else f"{kind} by REFERENCE"
    misc = data.get("MISC")
    control = misc.get("path_to_control") if isinstance(misc, Mapping) else None
    asks = any(stage.get("species_dir") is not None for stage in mappings)
    return "fhi-aims" if asks or control is not None or (folder / "control.in").exists() else "tblite"
