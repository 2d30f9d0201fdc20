"""Files that are there completely or not at all."""

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """As :func:`replacing_bytes`, for text in UTF-8 with line feeds."""
    with replacing_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
        yield text
        text.flush()
        text.detach()


@contextmanager
def replacing_bytes(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path`, flushed to disk, when the block ends well.

    As :func:`replacing_unflushed` otherwise.
    """
    with replacing_unflushed(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    flush_folder(path.parent)


@contextmanager
def replacing_unflushed(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well; a power cut soon after may leave it empty.

    Its folder must exist. A block that raises leaves `path` as it was; a process that is killed may leave
    ``.{name}.{eight characters}.new`` beside it, which nobody reads. Several processes may replace the same file.

    Raises
    ------
    OSError
        The folder is missing, can't be written to, or is full.
    """
    with _unfinished(path) as unfinished, unfinished.open("xb") as file:
        yield file


@contextmanager
def replacing_by_name(path: Path) -> Iterator[Path]:
    """As :func:`replacing_bytes`, for writers that open files by name: that of the new one, which is not there."""
    with _unfinished(path) as unfinished:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
    flush_folder(path.parent)


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """The name of a new file beside `path`, which takes its place when the block ends well."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # which a failed write or flush does not tell
        raise


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable, as fsync does for the content of a file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
