"""What a run and a process that evaluates models say to each other: blocks of named arrays, without pickles.

A block is :data:`MAGIC`, the version of the protocol and the length of what follows, 8 bytes each, then an npz file. A
question has ``kind``:

- ``load``: the content of potentials that are new; of those that are there, what ``keys`` do not name is forgotten.
- ``compute``: energies, forces and stress of structures, one after the other, by the potentials of some ``keys``.

The answer has the arrays asked for, or ``error``: words. This file needs no other of the package: processes in other
environments read it, too.
"""

import io
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

MAGIC: Final = b"aimspax\n"
VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sqq")

Block = Mapping[str, npt.NDArray[Any]]


def write_block(stream: BinaryIO, block: Mapping[str, Any]) -> None:
    """Write one block, and flush it."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in block.items()}
    np.savez(content, **arrays)
    data = content.getvalue()
    stream.write(_HEAD.pack(MAGIC, VERSION, len(data)))
    stream.write(data)
    stream.flush()


def read_block(stream: BinaryIO) -> Block:
    """Read one block.

    Raises
    ------
    EOFError
        The other side has ended.
    ValueError
        What is there is no block of this version.
    """
    magic, version, length = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"not a block of version {VERSION}")
    with np.load(io.BytesIO(_exactly(stream, length)), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    parts = bytearray()
    while len(parts) < n_bytes:
        part = stream.read(n_bytes - len(parts))
        if not part:
            raise EOFError("the other side has ended")
        parts += part
    return bytes(parts)
