"""What a gathered set can be written as."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from aims_pax.dataset.hdf5.opening import SUFFIXES
from aims_pax.dataset.stock import XYZ_SUFFIXES
from aims_pax.errors import Problem, UserError
from aims_pax.frame import Split


class Format(StrEnum):
    """One of them."""

    EXTXYZ = "extxyz"
    """Extended XYZ with the keys that MACE and this program read."""
    HDF5 = "hdf5"
    """HDF5 as MACE trains on it."""
    NPZ = "npz"
    """A folder of arrays for each composition, in the layout of AtomProNet."""
    DEEPMD = "deepmd"
    """Folders of DeePMD-kit."""

    @property
    def is_folder(self) -> bool:
        """Whether what is written is a folder."""
        return self in (Format.NPZ, Format.DEEPMD)

    @property
    def usual_name(self) -> str:
        """What it is called when nobody says."""
        return {"extxyz": "gathered.extxyz", "hdf5": "gathered.h5"}.get(self, f"gathered_{self}")


SET_NAMES: Final = {Split.TRAINING: "train", Split.VALIDATION: "valid", Split.TEST: "test"}
"""What sets are called in names of files."""


def chosen(name: str | None, out: Path | None) -> tuple[Format, Path]:
    """The format, and where it goes.

    Parameters
    ----------
    name : str or None
        Of the format; None: as the ending of `out` says.
    out : Path or None
        None: a usual name in this folder.

    Raises
    ------
    UserError
        There is no such format, the ending tells none, or both tell different ones.
    """
    allowed = " | ".join(Format)
    if name is not None and name.lower() not in list(Format):
        raise UserError(Problem("--format", f"{name} is no format.", allowed))
    if name is not None:
        known = Format(name.lower())
        if out is not None and _told_by(out) not in (None, known):
            found = f"This ending is that of {_told_by(out)}, and --format is {known}."
            raise UserError(
                Problem(f"--out {out}", found, "one of both", f"Leave out --format {known}, or the ending.")
            )
        return known, out if out is not None else Path(known.usual_name)
    if out is None:
        return Format.EXTXYZ, Path(Format.EXTXYZ.usual_name)
    if (told := _told_by(out)) is not None:
        return told, out
    found = "This name tells no format."
    endings = f"an ending of {', '.join((*XYZ_SUFFIXES, *SUFFIXES))}, or --format {allowed}"
    raise UserError(Problem(f"--out {out}", found, endings, "npz and deepmd are folders, which --format asks for."))


def _told_by(out: Path) -> Format | None:
    suffix = out.suffix.lower()
    if suffix in XYZ_SUFFIXES:
        return Format.EXTXYZ
    return Format.HDF5 if suffix in SUFFIXES else None


def name_of_set(out: Path, split: Split | None, form: Format) -> str:
    """What one of several sets is called: gathered_train.extxyz; within a folder train alone."""
    if split is None:
        return out.name
    return SET_NAMES[split] if form.is_folder else f"{out.stem}_{SET_NAMES[split]}{out.suffix}"
