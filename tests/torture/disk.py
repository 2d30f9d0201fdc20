"""A small disk that can be filled up, and be made read-only under a campaign's feet."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SIZE_MB: Final = 640
"""Campaigns refuse to start with less than 500 MiB. What is not used takes no memory."""

FILLER: Final = "filler"


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        _mount("-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder))

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.folder / FILLER).open("wb") as file:
            size = 0
            for n_bytes in (2**24, 2**20, 2**12):
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), size, n_bytes)
                        size += n_bytes
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self) -> None:
        """Take back what :meth:`fill` did."""
        (self.folder / FILLER).unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written within this context."""
        _mount("-o", "remount,ro", str(self.folder))
        try:
            yield
        finally:
            _mount("-o", "remount,rw", str(self.folder))

    def close(self) -> None:
        """Throw it away, with all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)


def reason_against(folder: Path) -> str | None:
    """Why such a disk can't be had here; None when it can."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    try:
        SmallDisk(folder).close()
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        return f"a small disk could not be mounted: {said}"
    folder.rmdir()
    return None


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
