"""How trained models are named in the settings: by the name of a published one, or by a file."""

import os
import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, PlainValidator, ValidationInfo

from aims_pax.settings.reading.kinds import Kind, Schema, Unwarned, misfit, resolved, shown

Device = Literal["auto", "cpu", "cuda"]

_GPU: Final = r"cuda:(0|[1-9][0-9]{0,2})"


def _devices(value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if value not in ("auto", "cpu", "cuda") and not re.fullmatch(_GPU, value):
            raise misfit(f"is {shown(value)}, which is no device")
        return value
    if not isinstance(value, list | tuple) or not value:
        raise misfit(f"is {shown(value)}" if value else "is empty")
    for item in value:
        if not isinstance(item, str) or not re.fullmatch(_GPU, item):
            raise misfit(f"names {shown(item)}, which is no GPU by its number")
    if len(set(value)) < len(value):
        raise misfit("names a GPU twice")
    return tuple(value)


Devices = Annotated[
    str | tuple[str, ...],
    PlainValidator(_devices),
    Unwarned,
    Kind("auto | cpu | cuda | cuda:1 | list of GPUs such as [cuda:0, cuda:2]"),
    Schema(
        {
            "anyOf": [
                {"enum": ["auto", "cpu", "cuda"]},
                {"type": "string", "pattern": f"^{_GPU}$"},
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^{_GPU}$"},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
"""Where a committee runs; with several GPUs, what its members are spread over."""

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
    if not os.path.isfile(path):  # Path's own raises where a folder may not be entered
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
