"""Which files of DFTB+ are read: detailed.out says whether charges converged, results.tag does not."""

from typing import Final

from aims_pax.calculations.dftb import detailed, tagged
from aims_pax.calculations.dftb.setup import PROGRAM, companions
from aims_pax.calculations.reader import Reader

_ENERGIES: Final = ("Total Mermin free energy:", "Total energy:")
_MARKS: Final = ("SCC converged", "SCC is NOT converged", "Non-SCC calculation", "distribution function")


def is_detailed(text: str, name: str) -> bool:
    """Whether a file is a detailed.out."""
    is_named = name.startswith("detailed") and ("Total Forces" in text or "distribution function" in text)
    return is_named or (any(mark in text for mark in _MARKS) and any(mark in text for mark in _ENERGIES))


def is_tagged(text: str, name: str) -> bool:
    """Whether a file is a results.tag."""
    first = text.lstrip().partition("\n")[0]
    return tagged.HEADER.match(first) is not None and any(energy in text for energy in tagged.ENERGIES)


KINDS: Final = (
    Reader(
        program=PROGRAM,
        kind="detailed.out",
        names=("detailed.out", "detailed*.out"),
        recognises=is_detailed,
        steps=detailed.steps,
        prefers=1,
        companions=companions,
    ),
    Reader(
        program=PROGRAM,
        kind="results.tag",
        names=("results.tag",),
        recognises=is_tagged,
        steps=tagged.steps,
        prefers=0,
        companions=companions,
    ),
)
