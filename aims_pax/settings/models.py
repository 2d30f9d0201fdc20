"""How trained models are named in the settings: by the name of a published one, or by a file."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ValidationInfo

from aims_pax.settings.kinds import Kind, misfit, resolved, shown

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["float32", "float64"]

MACE_OFF_NAMES: Final = ("small", "medium", "large")
"""Published models of MACE-OFF (organic molecules)."""

MACE_MP_NAMES: Final = (
    *MACE_OFF_NAMES,
    *("small-0b", "medium-0b", "small-0b2", "medium-0b2", "large-0b2", "medium-0b3", "medium-mpa-0"),
    *("small-omat-0", "medium-omat-0", "mace-matpes-pbe-0", "mace-matpes-r2scan-0", "mh-0", "mh-1"),
)
"""Published models of MACE-MP (materials), as mace-torch names them."""

PUBLISHED: Final = f"mace-mp has {', '.join(MACE_MP_NAMES)}; mace-off has {', '.join(MACE_OFF_NAMES)}."


def _name_or_file(value: object, info: ValidationInfo) -> str:
    if value in MACE_MP_NAMES:
        return str(value)
    path = resolved(value, info)
    if not path.is_file():
        raise misfit(f"is {shown(value)}, which is neither a published model nor a file that exists")
    return str(path)


ModelNameOrFile = Annotated[
    str,
    BeforeValidator(_name_or_file),
    Kind("published model (small | medium | large | ...), or the path of a model file"),
]


def is_file(model: str) -> bool:
    """Whether a :data:`ModelNameOrFile` is a file."""
    return model not in MACE_MP_NAMES
