"""All kinds of outputs that are read: a program more is a line more."""

from pathlib import Path
from typing import Final

from aims_pax.calculations import abinit, aims, castep, cp2k, espresso, gpaw, nwchem, orca, siesta
from aims_pax.calculations.lines import head, plain_name
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.vasp import kinds as vasp

READERS: Final[tuple[Reader, ...]] = (
    *vasp.KINDS,
    *espresso.READERS,
    *abinit.READERS,
    *siesta.READERS,
    *nwchem.READERS,
    *aims.READERS,
    *cp2k.READERS,
    *castep.READERS,
    *orca.READERS,
    *gpaw.READERS,
)


def reader_of(path: Path) -> Reader | None:
    """What reads a file; None when it is no output that is known."""
    text, name = head(path), plain_name(path)
    return next((reader for reader in READERS if text and reader.recognises(text, name)), None)
