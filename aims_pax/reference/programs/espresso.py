"""What Quantum ESPRESSO is told: pseudopotentials, cutoffs, and what a protocol means."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

from aims_pax.reference.programs.precision import PRECISIONS
from aims_pax.reference.programs.printed import require_labels, rows
from aims_pax.settings.methods.engines import EspressoSettings

Namelists = dict[str, dict[str, Any]]

FORCES: Final = "Forces acting on atoms"
STRESS: Final = "total   stress"
_FORCE_ROW: Final = re.compile(r"\s*atom\s*(\d+) type\s+\d+\s+force =((?:\s+\S+){3})\s*")
_STRESS_ROW: Final = re.compile(r"()((?:\s+\S+){6})\s*")


@dataclass(frozen=True, slots=True)
class Pseudopotential:
    """The file of one element, and cutoffs (Ry) where a library recommends them."""

    file: str
    cutoff_wfc_ry: float | None = None
    cutoff_rho_ry: float | None = None


def pseudopotentials(settings: EspressoSettings) -> Mapping[str, Pseudopotential]:
    """Files by element: those of the settings, else those of the library's table in `pseudo_dir`."""
    own = {element: Pseudopotential(file) for element, file in settings.pseudopotentials.items()}
    return {**_table(settings.pseudo_dir), **own}


@lru_cache(maxsize=8)
def _table(folder: Path) -> Mapping[str, Pseudopotential]:
    """The table of an SSSP library; empty when the folder holds none that can be read."""
    for file in sorted(folder.glob("SSSP*.json")):
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
            return {
                element: Pseudopotential(entry["filename"], float(entry["cutoff_wfc"]), float(entry["cutoff_rho"]))
                for element, entry in entries.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return {}


def _files_of(folder: Path, element: str) -> list[str]:
    """Names of the files in a folder that seem to be pseudopotentials of an element."""
    whose = re.compile(rf"{element}(?:[^a-z].*)?\.upf", re.IGNORECASE)
    try:
        return sorted(path.name for path in folder.iterdir() if whose.fullmatch(path.name))
    except OSError:
        return []


def input_data(settings: EspressoSettings, elements: Sequence[str], *, n_atoms: int) -> Namelists:
    """The namelists of one calculation: what the user wrote, and the protocol where they wrote nothing.

    Parameters
    ----------
    elements : sequence of str
        Symbols of all elements.
    """
    given = namelists(settings.parameters.get("input_data", {}))
    precision, files = PRECISIONS[EspressoSettings][settings.protocol].arguments, pseudopotentials(settings)
    known = [files[element] for element in elements if element in files]
    derived: Namelists = {
        # Wave functions stay in memory; the files of a label are not read again.
        "control": {"calculation": "scf", "outdir": "./", "disk_io": "none"},
        "system": {},
        "electrons": {"conv_thr": precision["electrons"]["conv_thr"] * n_atoms, "mixing_beta": 0.4},
    }
    system = given.get("system", {})
    if "occupations" not in system:
        derived["system"] |= precision["system"]
    if "ecutwfc" not in system and all(pseudo.cutoff_wfc_ry is not None for pseudo in known):
        derived["system"] |= {
            "ecutwfc": max((pseudo.cutoff_wfc_ry or 0.0 for pseudo in known), default=0.0),
            "ecutrho": max((pseudo.cutoff_rho_ry or 0.0 for pseudo in known), default=0.0),
        }
    return {name: {**derived.get(name, {}), **given.get(name, {})} for name in {**derived, **given}}


def namelists(written: Mapping[str, Any]) -> Namelists:
    """Input data by namelist, however it was written: nested, or flat as ASE accepts it, too."""
    from ase.io.espresso_namelist.namelist import Namelist

    sorted_in = Namelist({key: dict(value) if isinstance(value, Mapping) else value for key, value in written.items()})
    sorted_in.to_nested("pw")
    return {name.lower(): {key.lower(): value for key, value in own.items()} for name, own in sorted_in.items() if own}


def require_whole_tables(printed: str, n_atoms: int) -> None:
    """Do nothing when the last forces and stress that pw.x printed are whole. ASE reads them by their place alone.

    Raises
    ------
    EngineFailed
        A row or a number is missing, or stands there twice.
    """
    lines = dropwhile(lambda line: "force =" not in line, printed.rpartition(FORCES)[2].splitlines())
    require_labels(rows(lines, _FORCE_ROW), range(1, n_atoms + 1), what="forces")
    if STRESS in printed:
        table = rows(printed.rpartition(STRESS)[2].splitlines()[1:], _STRESS_ROW)
        require_labels(table, [""] * 3, what="stress tensor")


def espresso_problems(settings: EspressoSettings, elements: Sequence[str]) -> list[str]:
    """Missing files and cutoffs, and keys that ASE would drop without a word."""
    files = pseudopotentials(settings)
    without = [element for element in elements if element not in files]
    data = settings.parameters.get("input_data", {})
    sorted_in = {key for own in namelists(data).values() for key in own}
    found = [
        f"{key} in REFERENCE.parameters.input_data is no keyword of pw.x"
        for key, value in data.items()
        if not isinstance(value, Mapping) and key.lower() not in sorted_in
    ]
    if without:
        names = _files_of(settings.pseudo_dir, without[0])[:3]
        there = f" ({', '.join(names)}, ...)" if names else ""
        found.append(
            f"no pseudopotential is named for {', '.join(without)}; name the files in "
            f"REFERENCE.pseudopotentials{there}, or let REFERENCE.pseudo_dir be an SSSP library with its table "
            "SSSP_*.json"
        )
    for element in elements:
        if element in files and not os.path.isfile(settings.pseudo_dir / files[element].file):
            missing = f"the pseudopotential {settings.pseudo_dir / files[element].file} was not found"
            names = _files_of(settings.pseudo_dir, element)
            found.append(f"{missing}; there are {', '.join(names[:8])}" if names else missing)
    written = namelists(data).get("system", {})
    if not without and "ecutwfc" not in written and any(files[element].cutoff_wfc_ry is None for element in elements):
        found.append(
            "the cutoff is not known: set ecutwfc (Ry) in REFERENCE.parameters.input_data.system; the head of the "
            "pseudopotential's file recommends one"
        )
    return found
