"""Files and folders that appear together, when all of them are whole."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aims_pax.dataset.durable import flush_folder


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A new hidden folder whose content moves into `folder` when the block ends well, and is removed when it does not.

    What has one of its names there is replaced by files, and not by folders. A process that is killed leaves the hidden
    folder, which nobody reads.

    Raises
    ------
    OSError
        The folder is missing, can't be written to, or is full.
    """
    stage = folder / f".gather.{secrets.token_hex(4)}.new"
    stage.mkdir()
    try:
        yield stage
        for path in sorted(stage.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    flush_folder(folder)
