"""Whether energies of all systems belong together: one model learns them all."""

from collections.abc import Iterator, Mapping
from typing import Final

from aims_pax.errors import Doubt
from aims_pax.settings import Project
from aims_pax.settings.section import Section

MAY_DIFFER: Final = (
    *("charge", "multiplicity", "command", "launch", "walltime_s", "max_force_ev_per_ang", "kspacing", "kpts"),
    *("molecule_box", "magnetic_moments", "max_iterations", "max_cycle", "device", "control", "density_fit"),
)
"""Settings of a method that systems may have of their own, and whose energies one model can learn all the same."""


def methods_apart(project: Project) -> Iterator[Doubt]:
    """Systems that are labelled by methods whose energies do not belong together."""
    plans = list(project.settings.systems.items())
    for name, plan in plans[1:]:
        first_name, first = plans[0][0], plans[0][1].reference
        apart = _apart(first, plan.reference)
        if apart:
            yield Doubt(
                project.where("SYSTEMS", name, "REFERENCE"),
                f"{name} and {first_name} are labelled by methods that differ in {', '.join(apart)}.",
                "one method for all systems, with k points, charge and spin of each",
                "Energies of two methods lie on two surfaces, and a model that learns both is right on neither. Give "
                "all systems the same method, or train a model for each.",
            )


def _apart(first: Section, second: Section) -> list[str]:
    """What of two references is not the same, besides what may differ."""
    if type(first) is not type(second):
        return ["type"]
    found = []
    for key in type(first).model_fields:
        one, other = getattr(first, key), getattr(second, key)
        if key == "parameters" and isinstance(one, Mapping) and isinstance(other, Mapping):
            found += [f"parameters.{inner}" for inner in sorted({*one, *other}) if _differs(inner, one, other)]
        elif key not in MAY_DIFFER and one != other:
            found.append(key)
    return found


def _differs(key: str, first: Mapping[str, object], second: Mapping[str, object]) -> bool:
    return key not in MAY_DIFFER and first.get(key) != second.get(key)
