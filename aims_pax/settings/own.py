"""SYSTEMS: all that is a system's own, in one place. What it leaves out is as the other sections say."""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.cluster import SystemResources
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS, Charge, ReferenceSettings
from aims_pax.settings.reading.document import Document, KeyPath, dotted
from aims_pax.settings.reading.kinds import Count, Kind, Limit, StructureFile, Whole, shown
from aims_pax.settings.reading.validation import Reading, Unsettled
from aims_pax.settings.section import Section

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_+-]{0,79}"
"""What a system may be called: it names folders of calculations and rows of figures."""

Priority = Annotated[int, Ge(-(10**6)), Le(10**6), Whole]


class SystemSettings(Section):
    """One starting structure and all that is its own. What is left out is as MD, REFERENCE and CLUSTER say."""

    geometry: StructureFile = Field(description="File of the starting structure. It holds this one structure.")
    num_trajectories: Count | None = Field(
        None,
        description="Its trajectories in active learning. When no system says it: those of ACTIVE_LEARNING in turn.",
    )
    charge: Charge | None = Field(None, description="Total charge, elementary charges. As REFERENCE.charge.")
    multiplicity: Count | None = Field(None, description="Spin multiplicity 2S + 1. As REFERENCE.multiplicity.")
    MD: Annotated[dict[str, Any], Kind("mapping of settings of MD")] = Field(
        default_factory=dict, description="How it moves, where that differs from MD."
    )
    REFERENCE: Annotated[dict[str, Any], Kind("mapping of settings of REFERENCE")] = Field(
        default_factory=dict,
        description="How it is labelled, where that differs from REFERENCE: k points, input files, limits. With a type "
        "of its own it stands alone.",
    )
    resources: SystemResources = Field(default_factory=SystemResources, description="What its labels need.")
    threshold: Literal["shared", "own"] = Field(
        "shared",
        description="Which uncertainties its threshold is the mean of. shared: those of all systems that share it; "
        "own: its own.",
    )
    max_labels: Limit = Field(
        float("inf"),
        description="Labels in a stage of learn, fly or workflows after which its trajectories end. The others go on.",
    )
    priority: Priority = Field(
        0, description="Which labels are computed first where workers are short: those of the higher number."
    )


@dataclass(frozen=True, slots=True)
class SystemPlan:
    """What SYSTEMS says of one system, complete.

    Parameters
    ----------
    settings : SystemSettings
        As written.
    md : MDSettings
        With what MD says besides.
    reference : ReferenceSettings
        With what REFERENCE says besides.
    """

    settings: SystemSettings
    md: MDSettings
    reference: ReferenceSettings


@dataclass(frozen=True, slots=True)
class SharedSection:
    """What a section says for all systems, to be completed or changed by each of them.

    Parameters
    ----------
    written : mapping or None
        By the settings' own names. None: it says nothing that can be built on, which was noted.
    unsettled : sequence of Unsettled
        What it lacks by itself.
    """

    written: Mapping[str, Any] | None
    unsettled: Sequence[Unsettled] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """What the other sections say, for systems to differ from.

    Parameters
    ----------
    md, reference : SharedSection
    read_reference : callable
        A mapping at some place of the file as settings of a reference; None after noting problems, or leaving what is
        missing in the list that it is given.
    """

    md: SharedSection
    reference: SharedSection
    read_reference: Callable[[Mapping[str, Any], KeyPath, list[Unsettled] | None], ReferenceSettings | None]


@dataclass(slots=True)
class _Lacking:
    """What systems lack that build on the shared sections: of each of them by itself."""

    md: list[list[Unsettled]] = field(default_factory=list)
    reference: list[list[Unsettled]] = field(default_factory=list)


def read_plans(reading: Reading, data: Any, shared: Shared) -> dict[str, SystemPlan] | None:
    """All entries of SYSTEMS, by name; None after noting problems."""
    if not isinstance(data, Mapping) or not data:
        allowed = "a mapping of names to {geometry: FILE, ...}"
        reading.add(("SYSTEMS",), f"SYSTEMS is {shown(data)}." if data else "SYSTEMS is empty.", allowed)
        data = {}
    plans, lacking = {}, _Lacking()
    for name, written in data.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            allowed = "letters, digits and _ + -, with a letter or digit first"
            reading.add(("SYSTEMS", name), f"SYSTEMS.{name} is no name of a system.", allowed)
            continue
        plan = _plan(reading, written, ("SYSTEMS", name), shared, lacking)
        if plan is not None:
            plans[name] = plan
    _settle(reading, shared.md.unsettled, lacking.md)
    _settle(reading, shared.reference.unsettled, lacking.reference)
    if not plans or len(plans) < len(data):
        return None
    return plans if not list(_number_problems(reading, plans)) else None


def _settle(reading: Reading, shared: Sequence[Unsettled], systems: Sequence[list[Unsettled]]) -> None:
    """Note what is missing: once, and where it stands, what all systems lack that build on a shared section."""
    common = {one.what for one in shared}.intersection(*({one.what for one in own} for own in systems))
    reading.add_unsettled(one for one in shared if one.what in common)
    reading.add_unsettled(one for own in systems for one in own if one.what not in common)


def _plan(reading: Reading, written: Any, keys: KeyPath, shared: Shared, lacking: _Lacking) -> SystemPlan | None:
    settings = reading.section(SystemSettings, written, keys)
    if settings is None:
        return None
    md, reference = _own_md(reading, settings, keys, shared, lacking), None
    own = _own_reference(reading, settings, keys, shared)
    place, base = (*keys, "REFERENCE"), shared.reference.written
    if "type" in own:
        reference = shared.read_reference(own, place, None)
    elif base is not None:
        unsettled: list[Unsettled] = []
        reference = shared.read_reference(merged(reading, base, own, ("REFERENCE",), place), place, unsettled)
        lacking.reference.append(unsettled)
    return None if md is None or reference is None else SystemPlan(settings, md, reference)


def _own_md(
    reading: Reading, settings: SystemSettings, keys: KeyPath, shared: Shared, lacking: _Lacking
) -> MDSettings | None:
    if shared.md.written is None:
        return None
    names = {MDSettings.ALIASES.get(key, key) for key in settings.MD}
    base = {key: value for key, value in shared.md.written.items() if MDSettings.ALIASES.get(key, key) not in names}
    place, unsettled = (*keys, "MD"), list[Unsettled]()
    found = merged(reading, base, settings.MD, ("MD",), place)
    md = reading.section(MDSettings, found, place, unsettled=unsettled)
    lacking.md.append(unsettled)
    return md


def _own_reference(reading: Reading, settings: SystemSettings, keys: KeyPath, shared: Shared) -> dict[str, Any]:
    """What a system says of its reference, its charge and multiplicity included; what it can't say is noted."""
    place, own = (*keys, "REFERENCE"), dict(settings.REFERENCE)
    if isinstance(own.get("control"), Mapping):
        found = f"{dotted((*place, 'control'))} is written by index, and a system has one."
        reading.add((*place, "control"), found, "the file of this system", "Write the file alone.")
        del own["control"]
    for key in ("charge", "multiplicity"):
        if (value := getattr(settings, key)) is None:
            continue
        if key in own:
            found = f"{dotted((*keys, key))} and {dotted((*place, key))} are the same setting."
            reading.add((*keys, key), found, "", "Keep one of them.")
        own[key] = value
        reading.rename((*place, key), (*keys, key))
        kind = own.get("type", (shared.reference.written or {}).get("type"))
        if kind is not None and key not in _fields(kind):
            found = f"{dotted((*keys, key))} is {value}, and this reference takes its {key} from its own input."
            reading.add((*keys, key), found, "", f"Write it where the method has it, by {dotted(place)}.")
            del own[key]
    return own


def _fields(kind: Any) -> Collection[str]:
    model = REFERENCE_SETTINGS.get(str(kind).lower())
    return () if model is None else model.model_fields


def merged(
    reading: Reading, base: Mapping[str, Any], own: Mapping[str, Any], at: KeyPath, keys: KeyPath
) -> dict[str, Any]:
    """What is shared, with what is a system's own on top; what is wrong with the first is told where it stands."""
    result = dict(own)
    for key, value in base.items():
        if key not in own:
            reading.rename((*keys, key), reading.written((*at, key)))
            result[key] = value
        elif isinstance(value, Mapping) and isinstance(own[key], Mapping):
            result[key] = merged(reading, value, own[key], (*at, key), (*keys, key))
    return result


def place_of(document: Document, system: str, section: str, key: str) -> KeyPath:
    """Where a setting of MD or REFERENCE is written that holds for one system; or where it would be."""
    systems = document.data.get("SYSTEMS")
    if not isinstance(systems, Mapping) or system not in systems:
        return (section, key)
    own, shared = _mapping(systems[system], section), _mapping(document.data, section)
    is_short = section == "REFERENCE" and key in ("charge", "multiplicity") and key not in own
    place: KeyPath = ("SYSTEMS", system, key) if is_short else ("SYSTEMS", system, section, key)
    is_own = key in own or (is_short and key in systems[system])
    stands_alone = section == "REFERENCE" and "type" in own
    return place if is_own or stands_alone or key not in shared else (section, key)


def _mapping(data: Any, key: str) -> Mapping[Any, Any]:
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Homes:
    """The systems of the trajectories of active learning: as many as each has, one after the other; or all in turn.

    Parameters
    ----------
    names : tuple of str
    ends : tuple of int
        Of each system, the trajectory after its last one, in the first turn.
    """

    names: tuple[str, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, plans: Mapping[str, SystemPlan]) -> "Homes":
        """As SYSTEMS says."""
        numbers = (plan.settings.num_trajectories or 1 for plan in plans.values())
        return cls(tuple(plans), tuple(accumulate(numbers)))

    @property
    def n_trajectories(self) -> int:
        """Of one turn."""
        return self.ends[-1]

    def place_of(self, trajectory: int) -> int:
        """Which of the systems, from 0."""
        return bisect_right(self.ends, trajectory % self.n_trajectories)


NO_HOMES: Final = Homes((), ())
"""Where there are no SYSTEMS."""


def _number_problems(reading: Reading, plans: Mapping[str, SystemPlan]) -> Iterator[KeyPath]:
    """All systems say how many trajectories they have, or none does."""
    silent = [name for name, plan in plans.items() if plan.settings.num_trajectories is None]
    if silent and len(silent) < len(plans):
        keys = ("SYSTEMS", silent[0])
        found = f"SYSTEMS.{silent[0]} does not say num_trajectories, and others do."
        reading.add(keys, found, "", "Say it for every system, or for none.")
        yield keys
