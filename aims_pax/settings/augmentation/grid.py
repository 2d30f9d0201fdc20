"""Settings of sources that take regular steps: grids of strains, and displacements."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Annotated, Final, Literal

from annotated_types import Gt, Lt
from pydantic import BeforeValidator, Field

from aims_pax.settings.reading.kinds import Count, Kind, Positive, Schema, misfit, shown
from aims_pax.settings.section import Contradiction, Section

Mode = Literal["hydrostatic", "axes", "components", "full"]

N_COMPONENTS: Final[Mapping[Mode, int]] = {"hydrostatic": 3, "axes": 3, "components": 6, "full": 6}
"""Components of the strain that differ from structure to structure, and stand in names."""


def _values(value: object) -> tuple[float, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value:
        raise misfit("is an empty list" if isinstance(value, list | tuple) else f"is {shown(value)}")
    for one in value:
        if not isinstance(one, int | float) or isinstance(one, bool) or not isfinite(one):
            raise misfit(f"holds {shown(one)}, which is no number")
        if not -1 < one < 1:
            raise misfit(f"holds {one:g}, which is not between -1 and 1")
    if len({float(one) for one in value}) < len(value):
        raise misfit("holds a strain twice")
    return tuple(float(one) for one in value)


Strains = Annotated[
    tuple[float, ...] | None,
    BeforeValidator(_values),
    Kind("list of different numbers between -1 and 1, or nothing"),
    Schema({"anyOf": [{"type": "array", "items": {"type": "number"}, "minItems": 1}, {"type": "null"}]}),
]
Strain = Annotated[float, Gt(-1), Lt(1)]


class StrainGridSettings(Section):
    """Cells strained by each point of a grid, fractional coordinates unchanged: each structure once at each point."""

    mode: Mode = Field(
        "hydrostatic",
        description="What is strained. hydrostatic: e1 = e2 = e3; axes: all combinations of e1, e2, e3; components: "
        "each of the six for itself; full: all combinations of the six. Shears count twice (e4 = 2 e_yz).",
    )
    start: Strain = Field(-0.05, description="First strain: -0.05 makes lengths 5 % shorter.")
    stop: Strain = Field(0.05, description="Last strain, where steps end there; never beyond it.")
    step: Positive = Field(0.01, description="Step between them. Counted in decimals, so that zero is exactly zero.")
    values: Strains = Field(None, description="All strains one by one, in the place of start, stop and step.")
    max_structures: Count = Field(
        20_000, description="Structures made of each structure at most: a grid of more is refused, with its number."
    )

    @property
    def strains(self) -> tuple[Decimal, ...]:
        """Strains of one component, as they are written."""
        if self.values is not None:
            return tuple(_decimal(value) for value in self.values)
        first, last, step = _decimal(self.start), _decimal(self.stop), _decimal(self.step)
        return tuple(first + step * number for number in range(int((last - first) // step) + 1))

    @property
    def n_strains(self) -> int:
        """How many these are, without making them."""
        if self.values is not None:
            return len(self.values)
        return int((_decimal(self.stop) - _decimal(self.start)) // _decimal(self.step)) + 1

    @property
    def n_points(self) -> int:
        """Structures that are made of each structure; `components` have zero once instead of six times."""
        match self.mode:
            case "hydrostatic":
                return self.n_strains
            case "axes":
                return self.n_strains**3
            case "components":
                return 6 * self.n_strains - 5 * self._has_zero
        return self.n_strains**6

    @property
    def _has_zero(self) -> bool:
        if self.values is not None:
            return 0.0 in self.values
        first, last, step = _decimal(self.start), _decimal(self.stop), _decimal(self.step)
        return first <= 0 <= last and first % step == 0

    def contradictions(self) -> Iterator[Contradiction]:
        if self.values is not None and (named := [key for key in ("start", "stop", "step") if self.is_set(key)]):
            found = f"values and {' and '.join(named)} both say which strains there are."
            yield Contradiction("values", found, "Keep one of them.")
            return
        if self.values is None and self.start > self.stop:
            found = f"start is {self.start:g}, and stop is {self.stop:g}, which is lower."
            yield Contradiction("start", found, "Exchange them.")
            return
        if self.n_points > self.max_structures:
            found = f"mode {self.mode} with {self.n_strains} strains makes {self.n_points} of each structure."
            advice = f"Raise max_structures (now {self.max_structures}), take fewer strains, or another mode."
            yield Contradiction("mode", found, advice)


class DisplaceSettings(Section):
    """Each atom displaced by the same distance along x, y and z, and back: finite differences of forces."""

    distance: Annotated[float, Gt(0), Lt(1)] = Field(0.01, description="How far each atom is displaced, Å.")
    atoms: Literal["all", "unique"] = Field(
        "all",
        description="Which atoms. all: every one; unique: one of those that symmetry makes alike, by spglib, in "
        "structures that are periodic in three directions.",
    )


def _decimal(value: float) -> Decimal:
    """What a person wrote, not what binary makes of it."""
    return Decimal(repr(value))
