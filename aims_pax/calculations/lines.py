"""The lines of one output, one after the other, also of a compressed one: outputs may be larger than the memory."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

_MAGIC: Final[Mapping[bytes, Callable[[BinaryIO, Literal["rb"]], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
COMPRESSED: Final = (".gz", ".bz2", ".xz")
HEAD_BYTES: Final = 65536


class Lines:
    """Lines of a text without their line feeds; one can be looked at before it is taken.

    Parameters
    ----------
    path : Path
        What is read; its companions are looked for beside it.
    file : binary file
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.number = 0
        """Number of the line that was taken last, from 1."""
        self.damage = ""
        """Why the file could not be read to its end; empty when it could."""
        self._raw = self._decoded(file)
        self._next: str | None = None

    def _decoded(self, file: BinaryIO) -> Iterator[str]:
        try:
            for line in file:
                yield line.decode("utf-8", errors="replace").rstrip("\r\n")
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            self.damage = f"the compressed file is damaged ({error})"

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        if self._next is not None:
            line, self._next = self._next, None
        else:
            line = next(self._raw)
        self.number += 1
        return line

    def peek(self) -> str | None:
        """The line that comes next, which stays; None at the end."""
        if self._next is None:
            self._next = next(self._raw, None)
        return self._next

    def take(self, n_lines: int) -> list[str]:
        """The next lines; fewer at the end of the file."""
        return list(islice(self, max(n_lines, 0)))


@contextmanager
def opened(path: Path) -> Iterator[Lines]:
    """The lines of a file, which is told by its first bytes to be compressed, not by its name.

    Raises
    ------
    OSError
        It can't be opened.
    """
    with opened_bytes(path) as file:
        yield Lines(path, file)


@contextmanager
def opened_bytes(path: Path) -> Iterator[BinaryIO]:
    """The same as bytes.

    Raises
    ------
    OSError
        It can't be opened.
    """
    with path.open("rb") as raw:
        start = raw.read(6)
        raw.seek(0)
        unpack = next((one for magic, one in _MAGIC.items() if start.startswith(magic)), None)
        if unpack is None:
            yield raw
            return
        with unpack(raw, "rb") as unpacked:
            yield unpacked


def head(path: Path) -> str:
    """The first text of a file, which tells what it is; empty for one that can't be read."""
    try:
        with opened_bytes(path) as file:
            return file.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except (EOFError, OSError, zlib.error, lzma.LZMAError):
        return ""


def plain_name(path: Path) -> str:
    """The name without a suffix of compression: OUTCAR for OUTCAR.gz."""
    return path.stem if path.suffix.lower() in COMPRESSED else path.name
