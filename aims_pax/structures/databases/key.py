"""The user's own key to a database that asks for one."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, UserError

VARIABLES: Final = ("MP_API_KEY", "PMG_MAPI_KEY")
"""Where a key is looked for in the environment: by the names of the Materials Project's client, and of pymatgen."""

N_LETTERS: Final = 32
"""Of a key to the interface of today; its forerunner, which is closed, had shorter ones."""

_WHERE_FROM: Final = "https://next-gen.materialsproject.org/api shows yours after a login; it is free."
_HIDDEN: Final = "(the key)"
_NAMES_A_KEY: Final = re.compile(r"[A-Za-z0-9]{16,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key, which shows itself nowhere but where it is sent.

    Parameters
    ----------
    text : str
        The key itself, in no representation of this value.
    origin : str
        Where it was found, as messages tell it: ``MP_API_KEY``.
    """

    text: str = field(repr=False)
    origin: str

    def hidden(self, words: str) -> str:
        """The same words without the key, which a server may have repeated in them."""
        return words.replace(self.text, _HIDDEN)


def default_file() -> Path:
    """Where a key is looked for when no file is named."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    return (Path(configured) if configured else Path.home() / ".config") / "aims_pax" / "mp_api_key"


def found_key(file: Path | None, *, named_by: str) -> Key:
    """The key of a file that is named, else of the environment, else of the file that is looked for by default.

    Parameters
    ----------
    file : Path or None
    named_by : str
        What messages call the option or argument that names the file.

    Raises
    ------
    UserError
        There is none, others can read its file, or it can't be one.
    """
    if file is not None:
        return _of_file(file.expanduser(), f"{named_by} {file}", named_by=named_by)
    for name in VARIABLES:
        if text := os.environ.get(name, "").strip():
            return _sound(text, name)
    if (path := default_file()).is_file():
        return _of_file(path, str(path), named_by=named_by)
    found = "The Materials Project asks for a key of your own, and none was found."
    allowed = f"{VARIABLES[0]} in the environment, a file named by {named_by}, or {path}, for you alone (chmod 600)"
    raise UserError(Problem("key", found, allowed, _WHERE_FROM))


def _of_file(path: Path, where: str, *, named_by: str) -> Key:
    if not path.is_file() and _NAMES_A_KEY.fullmatch(str(path)):
        found = "This is not the name of a file, and looks like a key."
        advice = (
            "A key in a command line is seen by everyone on this machine, and kept by your shell: have a new one made."
        )
        raise UserError(Problem(named_by, found, "a file that holds the key", advice))
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise UserError(Problem(where, "There is no such file.", "a file that holds the key")) from None
    except (OSError, UnicodeDecodeError) as error:
        found = f"The file can't be read ({error.strerror if isinstance(error, OSError) else 'it is no text'})."
        raise UserError(Problem(where, found, "a file that holds the key")) from None
    if mode & 0o077:
        found, advice = "Others can read the key in this file.", f"Run: chmod 600 {path}"
        raise UserError(Problem(where, found, "a file that is yours alone", advice))
    return _sound(text, where)


def _sound(text: str, origin: str) -> Key:
    """The key, if it can be one; what is wrong is told without telling the key."""
    allowed = f"{N_LETTERS} letters and digits, and nothing else"
    if not re.fullmatch(r"[A-Za-z0-9]*", text):
        found = "There are more than letters and digits where a key should stand."
        raise UserError(Problem(origin, found, allowed, _WHERE_FROM))
    if len(text) != N_LETTERS:
        found = f"The key that stands there has {len(text)} letters."
        raise UserError(Problem(origin, found, allowed, _WHERE_FROM))
    return Key(text, origin)
