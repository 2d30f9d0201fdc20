"""What it means that a value comes back as it was."""

from dataclasses import fields

import numpy as np


def assert_same(found: object, expected: object) -> None:
    """Equal in every field; arrays bit for bit, with their type."""
    assert type(found) is type(expected)
    for field in fields(expected):  # type: ignore[arg-type]
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.tobytes() == other.tobytes()
        elif isinstance(other, dict):
            assert one.keys() == other.keys()
            assert all(one[key].tobytes() == other[key].tobytes() for key in other)
        else:
            assert one == other
