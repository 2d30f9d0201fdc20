"""What a MACE model knows, read from its file without PyTorch, and without running what is in it."""

import ast
import os
import pickle
import zipfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

ITEM_TYPES: Final = {"LongStorage": "<i8", "IntStorage": "<i4"}
"""Storages that atomic numbers may lie in, and how numpy calls their items."""

UNREADABLE: Final = (
    *(zipfile.BadZipFile, pickle.UnpicklingError, ImportError, AttributeError, LookupError, TypeError, ValueError),
    *(ArithmeticError, EOFError, MemoryError, NotImplementedError, OSError, RuntimeError),
)
"""What a damaged or foreign file trips over."""

URL_TABLES: Final = {"mace-mp": "mace_mp_urls", "mace-off": "mace_off_urls"}
"""The dictionary of each family in the source of mace-torch."""


def elements_of(file: Path) -> tuple[int, ...] | None:
    """Atomic numbers that a model was trained on, ascending; None when that does not show without loading it.

    A file of PyTorch is an archive with one pickle, which says how everything is put together, and one raw file for
    each tensor. The pickle is read with every class replaced by an empty one, so that nothing of it is carried out.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                return None
            with archive.open(pickles[0]) as stream:
                reader = _Reader(stream)
                reader.load()
            if reader.place is None:
                return None
            kind, key, start, size = reader.place
            content = archive.read(f"{pickles[0].removesuffix('data.pkl')}data/{key}")
        numbers = np.frombuffer(content, dtype=ITEM_TYPES[kind])[start : start + size]
    except UNREADABLE:  # then PyTorch has to say what is wrong
        return None
    return tuple(sorted({int(number) for number in numbers})) or None


class _Stub:
    """Stands in for every class and function of a pickle."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "_Stub":
        return object.__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, _value: Any) -> None:
        """Lists of a foreign class are filled one by one."""


class _Reader(pickle.Unpickler):
    """Looks for the buffer `atomic_numbers` of the outermost module."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.place: tuple[str, str, int, int] | None = None

    def find_class(self, _module: str, name: str) -> Any:
        if name == "_rebuild_tensor_v2":
            return _tensor
        if name == "OrderedDict":
            return dict
        if name.endswith("Storage"):
            return type(name, (), {})
        reader = self

        class Part(_Stub):
            def __setstate__(self, state: Any) -> None:
                if not name.endswith("MACE"):
                    return
                found = state.get("_buffers", {}).get("atomic_numbers") if isinstance(state, dict) else None
                if isinstance(found, tuple):
                    reader.place = found

        return Part

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, *_ = pid
        return kind.__name__, str(key)


def _tensor(storage: tuple[str, str], start: int, size: tuple[int, ...], *_rest: Any) -> tuple[str, str, int, int]:
    """Where a tensor lies: kind and key of its storage, first item, number of items."""
    return *storage, int(start), int(np.prod(size))


# -- published models ------------------------------------------------------------------------------------------


@cache
def published_urls(family: str) -> dict[str, str]:
    """Where the published models of a family are, by name; from the source of mace-torch, which need not be run."""
    spec = find_spec("mace")
    for folder in [] if spec is None else spec.submodule_search_locations or []:
        source = Path(folder) / "calculators" / "foundations_models.py"
        if not source.is_file():
            continue
        for node in ast.parse(source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == URL_TABLES.get(family) for target in node.targets
            ):
                return dict(ast.literal_eval(node.value))
    return {}


def published_file(family: str, name: str) -> Path | None:
    """The file of a published model in the cache of mace-torch; None when it is still to be downloaded."""
    url = published_urls(family).get(name)
    if url is None:
        return None
    file = url.rsplit("/", 1)[-1]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mace"
    names = (file.partition("?")[0], "".join(c for c in file if c.isalnum() or c == "_"))
    return next((folder / one for one in names if (folder / one).is_file()), None)
