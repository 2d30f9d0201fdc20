"""All kinds of outputs that are read: a program more is a line more."""

from pathlib import Path
from typing import Final

from aims_pax.calculations import abinit, aims, castep, cp2k, dftb, espresso, gpaw, nwchem, orca, siesta, vasp
from aims_pax.calculations.lines import head, plain_name
from aims_pax.calculations.reader import Reader

READERS: Final[tuple[Reader, ...]] = (
    *vasp.READERS,
    *espresso.READERS,
    *aims.READERS,
    *cp2k.READERS,
    *castep.READERS,
    *abinit.READERS,
    *siesta.READERS,
    *gpaw.READERS,
    *dftb.READERS,
    *orca.READERS,
    *nwchem.READERS,
)


def reader_of(path: Path) -> Reader | None:
    """What reads a file; None when it is no output that is known."""
    text, name = head(path), plain_name(path)
    return next((reader for reader in READERS if text and reader.recognises(text, name)), None)
