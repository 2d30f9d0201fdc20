"""The example that comes with the package, as a project of the user's own."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, SettingsError

FILES: Final[Mapping[str, str]] = {
    "aims_PAX.yaml": "the campaign: what labels, how the MD moves, when it ends",
    "mace.yaml": "the models: small ones, for two cores",
    "ethanol.xyz": "the structure that everything starts from",
    "conformers.xyz": "its three shapes, to measure the models on afterwards",
}
"""Every file of the example, and what it is."""

STARTS: Final = "conformers.xyz"
"""Where structures to measure the models on begin."""


def example_folder() -> Path:
    """Where the example is: a part of an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "examples" / "quickstart"
    return inside if inside.is_dir() else package.parent / "examples" / "quickstart"


def write_example(folder: Path) -> tuple[Path, ...]:
    """Copy the example into a folder, which is made when missing; a copy that is there already is left as it is.

    Returns
    -------
    tuple of Path
        The files that were written; none where all were there.

    Raises
    ------
    SettingsError
        A file of the same name is there, and is another one; or nothing can be written there.
    """
    if folder.is_file():
        raise SettingsError(Problem(str(folder), "This is a file.", "a folder, which is made when missing"))
    texts = {folder / name: (example_folder() / name).read_bytes() for name in FILES}
    others = [path for path, text in texts.items() if path.exists() and (path.is_dir() or path.read_bytes() != text)]
    if others:
        advice = "Choose another folder; a project of your own is started by aims-pax run."
        found = "There is another file of this name already."
        raise SettingsError([Problem(str(path), found, "", advice) for path in others])
    missing = tuple(path for path in texts if not path.exists())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            shutil.copyfile(example_folder() / path.name, path)
    except OSError as error:
        found = f"The example can't be written here: {error.strerror}."
        raise SettingsError(Problem(str(folder), found, "", "Choose another folder.")) from None
    return missing
