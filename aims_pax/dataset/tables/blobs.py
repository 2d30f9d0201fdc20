"""Arrays as bytes: C order, little-endian, the same on every machine."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aims_pax.errors import StoreError
from aims_pax.frame import BoolArray, FloatArray, IntArray


def float_blob(values: ArrayLike) -> bytes:
    """Bytes of float64 numbers."""
    return np.asarray(values, dtype="<f8").tobytes()


def int_blob(values: ArrayLike) -> bytes:
    """Bytes of int64 numbers."""
    return np.asarray(values, dtype="<i8").tobytes()


def bool_blob(values: ArrayLike) -> bytes:
    """Bytes of truth values, one each."""
    return np.asarray(values, dtype="?").tobytes()


def float_array(blob: bytes, *shape: int) -> FloatArray:
    """The numbers that :func:`float_blob` has written; the caller owns them. One dimension may be -1."""
    return _array(blob, "<f8", shape).astype(np.float64)


def int_array(blob: bytes, *shape: int) -> IntArray:
    """The numbers that :func:`int_blob` has written."""
    return _array(blob, "<i8", shape).astype(np.int64)


def bool_array(blob: bytes, *shape: int) -> BoolArray:
    """The truth values that :func:`bool_blob` has written."""
    return _array(blob, "?", shape).astype(np.bool_)


def _array(blob: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return np.frombuffer(blob, dtype=dtype).reshape(shape)
    except ValueError as error:
        raise StoreError(f"the run store is damaged: {len(blob)} bytes can't be an array of shape {shape}") from error
