"""A folder for each structure of a deck."""

import re
from collections.abc import Sequence
from typing import Final

from aims_pax.dataset.given import Given

NAME: Final = "name"
"""What the comment line of a structure calls its name, as `aims-pax collect` writes it."""

_STRANGE: Final = re.compile(r"[^\w.+-]+", re.ASCII)


def folders_of(given: Sequence[Given]) -> list[str]:
    """A folder for each structure, all different, with / between its parts.

    A structure's own name is its folder; its system comes before, where there are several, and takes the place of a
    name where there is none, with a number where it stands for several.
    """
    systems = [_safe(one.frame.system) for one in given]
    n_systems, width = len(set(systems)), len(str(len(given)))
    found: list[str] = []
    taken: set[str] = set()
    for number, (one, system) in enumerate(zip(given, systems, strict=True), start=1):
        name = name_of(one)
        parts = [_safe(part) for part in name.split("/") if part.strip(". ")]
        if not parts:
            source, place = one.facts.get("source", ""), one.facts.get("number", "")
            own = f"{_safe(source)}_{place.zfill(width)}" if source and place.isdecimal() else f"{number:0{width}d}"
            parts = [system] if len(given) == n_systems else [system, own]
        elif n_systems > 1:
            parts = [system, *parts]
        folder = wanted = "/".join(parts)
        n_alike = 1
        while folder.lower() in taken:  # of some disks, which know one case alone
            n_alike += 1
            folder = f"{wanted}_{n_alike}"
        taken.add(folder.lower())
        found.append(folder)
    return found


def name_of(one: Given) -> str:
    """What a structure is called; empty where nothing is said."""
    return one.facts.get(NAME, "").strip()


def _safe(part: str) -> str:
    """A part of a path that every shell and file system takes."""
    return _STRANGE.sub("_", part.strip()).strip(".") or "_"
