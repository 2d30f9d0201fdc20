"""What stands in these settings besides numbers: elements, ranges, faces of crystals, and a source in one word."""

import re
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any, Final

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from aims_pax.settings.reading.kinds import Kind, Schema, misfit, shown

MAX_INDEX: Final = 9
"""Of Miller's indices; surfaces of higher ones are hardly meant."""


def source(short: str = "") -> Any:
    """Takes true for all defaults, false for a source that does not run, and a bare value for one setting.

    Parameters
    ----------
    short : str
        The setting that a bare value is for; empty: there is none.
    """

    def spelled(value: object) -> object:
        match value:
            case True:
                return {}
            case False:
                return None
            case int() | float() | list() if short:
                return {short: value}
        return value

    return BeforeValidator(spelled)


def _element(value: object) -> str:
    from ase.data import atomic_numbers

    if not isinstance(value, str) or atomic_numbers.get(value, 0) < 1:
        raise misfit(f"is {shown(value)}, which is not an element")
    return value


Element = Annotated[str, BeforeValidator(_element), Kind("symbol of an element"), Schema({"type": "string"})]


def _elements_or_none(value: object) -> tuple[str, ...]:
    found = tuple(_element(one) for one in (value if isinstance(value, list | tuple) else [value]))
    if len(set(found)) < len(found):
        raise misfit("names an element twice")
    return found


def _elements(value: object) -> tuple[str, ...]:
    found = _elements_or_none(value)
    if not found:
        raise misfit("is an empty list")
    return found


Elements = Annotated[
    tuple[str, ...],
    BeforeValidator(_elements),
    Kind("symbol of an element, or a list of such"),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


ElementsOrNone = Annotated[
    tuple[str, ...],
    BeforeValidator(_elements_or_none),
    Kind("symbol of an element, or a list of such, which may be empty"),
    Schema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _range(lowest: float, *, of: str) -> Callable[[object], tuple[float, float]]:
    def read(value: object) -> tuple[float, float]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise misfit(f"is {shown(value)}")
        numbers = [float(one) for one in value if isinstance(one, int | float) and not isinstance(one, bool)]
        if len(numbers) < 2 or not all(isfinite(one) for one in numbers):
            raise misfit("holds what is no number")
        low, high = numbers
        if low > high:
            raise misfit(f"goes from {low:g} down to {high:g}")
        if low <= lowest:
            raise misfit(f"begins at {low:g}, which leaves no {of}")
        return low, high

    return read


_TWO: Final = Schema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2})
StrainRange = Annotated[
    tuple[float, float],
    BeforeValidator(_range(-1.0, of="length")),
    Kind("[from, to], two numbers above -1"),
    _TWO,
]
"""Relative changes of lengths, from and to."""
DistanceRange = Annotated[
    tuple[float, float],
    BeforeValidator(_range(0.0, of="distance")),
    Kind("[from, to], two numbers above 0"),
    _TWO,
]


_SIGNED: Final = re.compile(r"-?[0-9]")
_WRITTEN: Final = re.compile(r"(-?[0-9])+")
"""As it is spoken, and as `aims-pax validate --miller` takes it: 111, 1-10."""


def _face(value: object) -> tuple[int, int, int]:
    numbers: object = value
    if isinstance(value, str) and _WRITTEN.fullmatch(value):
        numbers = [int(one) for one in _SIGNED.findall(value)]
    if type(value) is int and (1 <= value <= 999 or -999 <= value <= -100):  # 111 and -110 are whole numbers in YAML
        numbers = [int(one) for one in _SIGNED.findall(f"{value:03d}")]
    if not isinstance(numbers, list | tuple) or len(numbers) != 3 or not all(type(one) is int for one in numbers):
        raise misfit(f"holds {shown(value)}, which are not three whole numbers")
    h, k, l = numbers  # noqa: E741  Miller's letters
    if not any(numbers) or max(map(abs, numbers)) > MAX_INDEX:
        raise misfit(f"holds {h} {k} {l}, which is no face")
    return h, k, l


def _faces(value: object) -> tuple[tuple[int, int, int], ...]:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return (_face(value),)
    if not isinstance(value, list | tuple) or not value:
        raise misfit("is an empty list" if isinstance(value, list | tuple) else f"is {shown(value)}")
    one_face = all(type(one) is int and abs(one) <= MAX_INDEX for one in value) and len(value) == 3
    faces = tuple(_face(one) for one in ([value] if one_face else value))
    if len(set(faces)) < len(faces):
        raise misfit("names a face twice")
    return faces


Faces = Annotated[
    tuple[tuple[int, int, int], ...],
    BeforeValidator(_faces),
    Kind(f"Miller indices, [1, 1, 0] or 110, up to {MAX_INDEX}, or a list of such"),
    Schema({"type": "array", "minItems": 1}),
]


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list | tuple) or not value:
        raise misfit("is an empty list" if isinstance(value, list | tuple) else f"is {shown(value)}")
    pairs = []
    for one in value:
        names = one.split("-") if isinstance(one, str) else one
        if not isinstance(names, list | tuple) or len(names) != 2:
            raise misfit(f"holds {shown(one)}, which is not a pair of elements")
        first, second = sorted(_element(name) for name in names)
        pairs.append((first, second))
    if len(set(pairs)) < len(pairs):
        raise misfit("names a pair twice")
    return tuple(pairs)


Pairs = Annotated[
    tuple[tuple[str, str], ...] | None,
    BeforeValidator(lambda value: None if value is None else _pairs(value)),
    Kind("list of pairs of elements, Na-Cl or [Na, Cl] each, or nothing"),
    Schema({"anyOf": [{"type": "array", "minItems": 1}, {"type": "null"}]}),
]


def _shares(value: object) -> dict[str, float] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        raise misfit(f"is {'an empty mapping' if isinstance(value, dict) else shown(value)}")
    for name, share in value.items():
        _element(name)
        if not isinstance(share, int | float) or isinstance(share, bool) or not (isfinite(share) and share >= 0):
            raise misfit(f"gives {name} {shown(share)}, which is no part of a whole")
    if not sum(value.values()):
        raise misfit("gives nothing to any element")
    return {name: float(share) for name, share in value.items()}


Shares = Annotated[
    dict[str, float] | None,
    BeforeValidator(_shares),
    Kind("mapping of elements to numbers >= 0, or nothing"),
    Schema({"anyOf": [{"type": "object", "additionalProperties": {"type": "number"}}, {"type": "null"}]}),
]

Share = Annotated[float, Ge(0), Le(1)]
"""A part of a whole, none and all included."""
