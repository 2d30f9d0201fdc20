"""What a person answers when asked about a new project: at which conditions, how much, where."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aims_pax.errors import Problem, SettingsError

HOTTEST_K: Final = 10_000.0
HIGHEST_PA: Final = 1e12
FEWEST_STRUCTURES: Final = 20
"""Fifteen belong to the initial dataset; with fewer than this there is no active learning."""

MOST_STRUCTURES: Final = 1_000_000
MOST_WORKERS: Final = 10_000

PRESSURE_UNITS: Final = {"pa": 1.0, "kpa": 1e3, "mpa": 1e6, "gpa": 1e9, "bar": 1e5, "kbar": 1e8, "atm": 101_325.0}
"""What a unit of pressure is in Pa."""

BATCH_CONFIGS: Final = {"slurm": "slurm_node_per_label", "pbs": "pbs", "sge": "sge", "lsf": "lsf"}
"""The ready Parsl configuration of each batch system, for programs that fill a node."""

PACKED: Final = "slurm_packed"
"""That of Slurm for what needs a few cores."""

_NUMBER: Final = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the MD moves.

    Parameters
    ----------
    temperature_k : float
    pressure_pa : float or None
        None: the cell does not move, or there is none.
    """

    temperature_k: float
    pressure_pa: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where labels are computed.

    Parameters
    ----------
    n_workers : int
        On this machine; 0: one label after the other, in the campaign's own process.
    batch : str
        A batch system instead, of :data:`BATCH_CONFIGS`.
    queue : str
        Its partition or queue; empty: the cluster's default.
    """

    n_workers: int = 0
    batch: str = ""
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said; None: what is usual for such structures and such a reference.

    Parameters
    ----------
    conditions : Conditions or None
    n_structures : int or None
        Training structures of each model, at which learning ends.
    place : Place or None
    device : str
        mace.yaml: MISC.device, as YAML.
    workflow : bool
        Whether an exploration workflow is written beside.
    """

    conditions: Conditions | None = None
    n_structures: int | None = None
    place: Place | None = None
    device: str = "auto"
    workflow: bool = False


NOTHING_SAID: Final = Answers()


def read_conditions(text: str, *, can_move_cells: bool) -> Conditions:
    """Conditions from ``500``, ``500 K`` or ``300 K, 1 bar``.

    Parameters
    ----------
    text : str
    can_move_cells : bool
        Whether all structures are crystals, and the reference gives their stress.

    Raises
    ------
    SettingsError
    """
    units = "|".join(PRESSURE_UNITS)
    found = re.fullmatch(rf"({_NUMBER})\s*K?(?:[\s,;]\s*(-?{_NUMBER})\s*({units}))?", text.strip(), re.IGNORECASE)
    allowed = "a temperature in K, such as 500; for crystals with a pressure behind it, such as 300 K, 1 bar"
    if found is None:
        raise _misfit(f"{text!r} is no temperature.", allowed)
    temperature_k = float(found[1])
    if not 0 < temperature_k <= HOTTEST_K:
        raise _misfit(f"{temperature_k:g} K is no temperature for this.", f"above 0, and at most {HOTTEST_K:g} K")
    if found[2] is None:
        return Conditions(temperature_k)
    if not can_move_cells:
        raise _misfit("A pressure is for crystals alone, labelled with their stress.", "a temperature in K")
    pressure_pa = float(found[2]) * PRESSURE_UNITS[found[3].lower()]
    if abs(pressure_pa) > HIGHEST_PA:
        raise _misfit(f"{pressure_pa / 1e9:g} GPa is no pressure for this.", f"up to {HIGHEST_PA / 1e9:g} GPa")
    return Conditions(temperature_k, pressure_pa)


def read_number_of_structures(text: str) -> int:
    """A goal, in training structures.

    Raises
    ------
    SettingsError
    """
    allowed = f"a number from {FEWEST_STRUCTURES} to {MOST_STRUCTURES}; 15 belong to the initial dataset"
    return _whole(text, FEWEST_STRUCTURES, MOST_STRUCTURES, allowed)


def read_place(text: str) -> Place:
    """Where labels are computed, from ``here``, ``4``, ``slurm`` or ``slurm PARTITION``.

    Raises
    ------
    SettingsError
    """
    batches = " | ".join(BATCH_CONFIGS)
    allowed = f"here | a number of workers on this machine | {batches}, with a partition or queue behind it or without"
    first, *rest = text.split() or [""]
    if first.lower() == "here" and not rest:
        return Place()
    if first.lower() in BATCH_CONFIGS and len(rest) <= 1:
        queue = rest[0] if rest else ""
        if queue and not re.fullmatch(r"[\w.@:-]+", queue):
            raise _misfit(f"{queue!r} is no name of a partition or queue.", allowed)
        return Place(batch=first.lower(), queue=queue)
    if rest[:1] in (["worker"], ["workers"]) and len(rest) == 1:
        rest = []
    if rest or not first.isdecimal():
        raise _misfit(f"{text!r} is no place for labels.", allowed)
    return Place(n_workers=_whole(first, 1, MOST_WORKERS, allowed))


def read_device(text: str) -> str:
    """mace.yaml: MISC.device, from ``auto``, ``cpu``, ``cuda`` or ``cuda:0 cuda:1``.

    Raises
    ------
    SettingsError
    """
    words: Sequence[str] = re.split(r"[\s,]+", text.strip().strip("[]").lower())
    if len(words) == 1 and re.fullmatch(r"auto|cpu|cuda(:\d+)?", words[0]):
        return words[0]
    if len(set(words)) == len(words) and all(re.fullmatch(r"cuda:\d+", word) for word in words):
        return f"[{', '.join(words)}]"
    raise _misfit(f"{text!r} is no device.", "auto | cpu | cuda | cuda:0 | cuda:0 cuda:1 ...")


def _whole(text: str, lowest: int, highest: int, allowed: str) -> int:
    word = text.strip().replace("_", "")
    if not word.isdecimal() or not lowest <= int(word) <= highest:
        raise _misfit(f"{text!r} will not do.", allowed)
    return int(word)


def _misfit(found: str, allowed: str) -> SettingsError:
    return SettingsError(Problem("", found, allowed))
