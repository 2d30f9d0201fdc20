"""The files that hold the settings of a project: their names, and what stands in them."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.reading.document import Document, read_document

SETTINGS_FILES: Final = ("aims_PAX.yaml", "aimsPAX.yaml")
MACE_FILES: Final = ("mace.yaml", "model.yaml")


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files that hold the settings of a project, where they are not those that its folder has by name.

    Parameters
    ----------
    settings : Path or None
        In the place of aims_PAX.yaml.
    mace : Path or None
        In the place of mace.yaml.
    parsl_config : str or None
        Name or file of a Parsl configuration, whose workers compute labels whatever CLUSTER says.
    """

    settings: Path | None = None
    mace: Path | None = None
    parsl_config: str | None = None


BY_NAME: Final = NamedFiles()


def require_project_folder(folder: Path, files: NamedFiles) -> None:
    """Refuse what is no folder, or has nothing of a project, in one sentence."""
    where, advice = str(folder), f"aims-pax init {shlex.quote(str(folder))} makes a new project."
    if folder.is_file():
        advice = f"Name the folder that holds it: {shlex.quote(str(folder.parent))}."
        raise SettingsError(Problem(where, "This is a file.", "the folder of a project", advice))
    if not folder.is_dir():
        raise SettingsError(Problem(where, "There is no such folder.", "", advice))
    by_name = files.settings is None and files.mace is None
    if by_name and not any((folder / name).exists() for name in (*SETTINGS_FILES, *MACE_FILES)):
        found = f"This folder holds no project: there is neither {SETTINGS_FILES[0]} nor {MACE_FILES[0]}."
        raise SettingsError(Problem(where, found, "", f"Name a project's folder; or {advice}"))


def document_of(
    folder: Path, names: tuple[str, ...], problems: list[Problem], *, named: Path | None
) -> Document | None:
    """The file that was named, or the one of these names; None after noting what is wrong with it."""
    present = [folder / name for name in names if (folder / name).exists()]
    if named is not None:
        present = [named.expanduser().absolute()]
    if len(present) != 1:
        found = f"There is no {names[0]} in this folder." if not present else f"There are both {' and '.join(names)}."
        advice = "Copy one from an example, or let aims-pax init write one." if not present else "Remove one of them."
        problems.append(Problem(str(folder), found, "", advice))
        return None
    try:
        document = read_document(present[0])
    except SettingsError as error:
        problems += error.problems
        return None
    problems += document.problems
    return document
