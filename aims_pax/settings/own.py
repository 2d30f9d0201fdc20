"""SYSTEMS: all that is a system's own, in one place. What it leaves out is as the other sections say."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.cluster import SystemResources
from aims_pax.settings.md import MDSettings
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS, Charge, ReferenceSettings
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.reading.kinds import Count, ExistingFile, Kind, Limit, Whole, shown
from aims_pax.settings.reading.validation import Reading
from aims_pax.settings.section import Section

NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_+-]{0,79}"
"""What a system may be called: it names folders of calculations and rows of figures."""

Priority = Annotated[int, Ge(-(10**6)), Le(10**6), Whole]


class SystemSettings(Section):
    """One starting structure and all that is its own. What is left out is as MD, REFERENCE and CLUSTER say."""

    geometry: ExistingFile = Field(description="File of the starting structure. It holds this one structure.")
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
        float("inf"), description="Labels in active learning after which its trajectories end. The others go on."
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
class Shared:
    """What the other sections say, for systems to differ from.

    Parameters
    ----------
    md, reference : mapping
        As written.
    read_reference : callable
        A mapping at some place of the file as settings of a reference; None after noting problems.
    """

    md: Mapping[str, Any]
    reference: Mapping[str, Any]
    read_reference: Callable[[Mapping[str, Any], KeyPath], ReferenceSettings | None]


def read_plans(reading: Reading, data: Any, shared: Shared) -> dict[str, SystemPlan] | None:
    """All entries of SYSTEMS, by name; None after noting problems."""
    if not isinstance(data, Mapping) or not data:
        allowed = "a mapping of names to {geometry: FILE, ...}"
        reading.add(("SYSTEMS",), f"SYSTEMS is {shown(data)}." if data else "SYSTEMS is empty.", allowed)
        return None
    plans = {}
    for name, written in data.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            allowed = "letters, digits and _ + -, with a letter or digit first"
            reading.add(("SYSTEMS", name), f"SYSTEMS.{name} is no name of a system.", allowed)
            continue
        plan = _plan(reading, written, ("SYSTEMS", name), shared)
        if plan is not None:
            plans[name] = plan
    if len(plans) < len(data):
        return None
    return plans if not list(_number_problems(reading, plans)) else None


def _plan(reading: Reading, written: Any, keys: KeyPath, shared: Shared) -> SystemPlan | None:
    settings = reading.section(SystemSettings, written, keys)
    if settings is None:
        return None
    moving = {MDSettings.ALIASES.get(key, key): value for key, value in shared.md.items()}
    md = reading.section(MDSettings, merged(reading, moving, settings.MD, ("MD",), (*keys, "MD")), (*keys, "MD"))
    place = (*keys, "REFERENCE")
    own = dict(settings.REFERENCE)
    for key in ("charge", "multiplicity"):
        if (value := getattr(settings, key)) is None:
            continue
        if key in own:
            found = f"{dotted((*keys, key))} and {dotted((*place, key))} are the same setting."
            reading.add((*keys, key), found, "", "Keep one of them.")
        own[key] = value
        reading.rename((*place, key), (*keys, key))
        if key not in _fields(own.get("type", shared.reference.get("type"))):
            found = f"{dotted((*keys, key))} is {value}, and this reference takes its {key} from its own input."
            reading.add((*keys, key), found, "", f"Write it where the method has it, by {dotted(place)}.")
            del own[key]
    base = {} if "type" in own else shared.reference
    reference = shared.read_reference(merged(reading, base, own, ("REFERENCE",), place), place)
    return None if md is None or reference is None else SystemPlan(settings, md, reference)


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


def home_of(trajectory: int, plans: Mapping[str, SystemPlan]) -> str:
    """The system of a trajectory of active learning: as many as each has, one after the other; or all in turn."""
    numbers = [plan.settings.num_trajectories or 1 for plan in plans.values()]
    index = trajectory % sum(numbers)
    for name, number in zip(plans, numbers, strict=True):
        if index < number:
            return name
        index -= number
    raise AssertionError("a remainder is less than what it is the remainder of")


def _number_problems(reading: Reading, plans: Mapping[str, SystemPlan]) -> Iterator[KeyPath]:
    """All systems say how many trajectories they have, or none does."""
    silent = [name for name, plan in plans.items() if plan.settings.num_trajectories is None]
    if silent and len(silent) < len(plans):
        keys = ("SYSTEMS", silent[0])
        found = f"SYSTEMS.{silent[0]} does not say num_trajectories, and others do."
        reading.add(keys, found, "", "Say it for every system, or for none.")
        yield keys
