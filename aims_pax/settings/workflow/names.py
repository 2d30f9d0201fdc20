"""What phases, and the parts that a collage is made of, are called."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

from aims_pax.settings.reading.kinds import Kind

PREVIOUS: Final = "previous"
"""What a collage may be made with, besides the structures of its own geometry: the end of the phase before."""

BULK, SURFACE, MOLECULES = "Bulk", "Surface", "Molecules"
POOLS: Final = (BULK, SURFACE, MOLECULES)
"""What a geometry may hold, by the names that a collage calls it by."""

PHASE_PATTERN: Final = "[Pp]hase(0|[1-9][0-9]{0,5})"

_PHASE: Final = re.compile(PHASE_PATTERN)


def phase_number(text: object) -> int | None:
    """The number of a phase, from 0; None for what is no name of one."""
    found = _PHASE.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else int(found[1])


def phase_name(number: int) -> str:
    """``Phase0``."""
    return f"Phase{number}"


def _as_called(value: object) -> object:
    """A part by its one name, however it is written."""
    if not isinstance(value, str):
        return value
    number = phase_number(value)
    known = {name.lower(): name for name in (*POOLS, PREVIOUS)}
    return known.get(value.lower(), value) if number is None else phase_name(number)


Part = Annotated[str, BeforeValidator(_as_called), Kind("text")]
"""A phase, a pool of the geometry, or :data:`PREVIOUS`."""
