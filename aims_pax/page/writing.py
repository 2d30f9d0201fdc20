"""A page and the files of its figures, written to disk."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.dataset.durable import replacing
from aims_pax.errors import Problem, UserError
from aims_pax.page.document import file_address, page_of
from aims_pax.page.material import Material, read_material

PAGE: Final = "report.html"
"""A page's name where no other is given."""

SUFFIXES: Final = (".html", ".htm")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the page, and the folder with pictures and data of its figures."""

    page: Path
    folder: Path
    n_figures: int


def names_of(folders: Sequence[Path]) -> list[str]:
    """What each run is called: its folder's name, with a number where several have the same."""
    names: list[str] = []
    for folder in folders:
        name, n = folder.resolve().name or "run", 2
        while name in names:
            name, n = f"{folder.resolve().name} {n}", n + 1
        names.append(name)
    return names


def read_materials(run_folders: Sequence[Path], *, names: Sequence[str]) -> list[Material]:
    """What is read of some runs, each by itself."""
    return [read_material(folder, name=name) for folder, name in zip(run_folders, names, strict=True)]


def write_page(
    materials: Sequence[Material], out: Path, *, show: Callable[[str], None] = lambda _words: None
) -> Written:
    """Write the page of some runs to a file, and figures and data into the folder ``{stem}_files`` beside it.

    Parameters
    ----------
    materials : sequence of Material
    out : Path
        Its folder is made when missing. What an earlier page of this name has left beside it is replaced.
    show : callable
        Told what is being done.

    Raises
    ------
    UserError
        This is no name of a page, or the file can't be written.
    """
    require_page(out)
    folder = out.with_name(f"{out.stem}_files")
    show("drawing")
    page = page_of(materials, address=file_address(folder.name))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for material in materials:
            shutil.rmtree(folder / material.name, ignore_errors=True)
        for n, (material, figure) in enumerate(page.figures, start=1):
            show(f"writing figure {n} of {len(page.figures)}")
            for suffix in (".csv", ".png"):
                figure.save(folder / material.name / f"{figure.name}{suffix}")
        with replacing(out) as file:
            file.write(page.html)
    except OSError as error:
        found = f"can't be written ({error.strerror})"
        raise UserError(Problem(str(out), found, "a file in a folder that you may write to")) from error
    return Written(out, folder, len(page.figures))


def require_page(out: Path) -> None:
    """See that a page can have this name.

    Raises
    ------
    UserError
        It can't.
    """
    if out.is_dir() or out.suffix not in SUFFIXES:
        raise UserError(Problem(str(out), "This is no name of a page.", f"a file that ends with {SUFFIXES[0]}"))
