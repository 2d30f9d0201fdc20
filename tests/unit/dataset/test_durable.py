"""Files that are there completely or not at all."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pytest

from aims_pax.dataset.durable import replacing, replacing_bytes, replacing_unflushed

Opener = Callable[[Path], AbstractContextManager[BinaryIO]]

both = pytest.mark.parametrize("opener", [replacing_bytes, replacing_unflushed])


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 1000 bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@both
def test_the_new_file_appears_when_it_is_complete(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with opener(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@both
@pytest.mark.usefixtures("small_files")
def test_a_full_disk_names_the_file_and_leaves_the_old_one(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write() -> None:
        with opener(path) as file:
            file.write(bytes(100_000))

    with pytest.raises(OSError, match=rf"File too large: '{path}'"):
        write()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@both
def test_several_may_write_the_same_file(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with opener(path) as first, opener(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # which was finished last
    assert list(tmp_path.iterdir()) == [path]


@both
def test_a_missing_folder_is_not_made(opener: Opener, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"), opener(tmp_path / "gone" / "file"):
        pass


@both
def test_the_file_has_the_rights_that_the_user_gives(opener: Opener, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with opener(tmp_path / "file") as file:
            file.write(b"content")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_text_is_written_in_utf8_with_line_feeds(tmp_path: Path) -> None:
    with replacing(tmp_path / "file") as file:
        file.write("0.18 eV/Å\n")
    assert (tmp_path / "file").read_bytes() == "0.18 eV/Å\n".encode()
