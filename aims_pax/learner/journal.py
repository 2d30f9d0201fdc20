"""Learner values to text and back, exactly: floats keep every bit, infinities included."""

import dataclasses
import json
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_text(value: object) -> str:
    """JSON text of a frozen learner value."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{value!r} is not a value of the learner")
    return json.dumps(dataclasses.asdict(value))


def from_text(kind: type[T], text: str) -> T:
    """The value of this type that :func:`to_text` has written."""
    built: T = _build(kind, json.loads(text))
    return built


def _build(kind: Any, data: Any) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _build(hints[name], value) for name, value in data.items()})
    origin = get_origin(kind)
    if origin is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in data)
    if origin in (UnionType, Union):
        if data is None:
            return None
        return _build(next(option for option in get_args(kind) if option is not type(None)), data)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(data)
    return data
