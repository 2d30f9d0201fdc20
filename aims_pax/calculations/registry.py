"""All kinds of outputs that are read: a program more is a line more."""

from pathlib import Path
from typing import Final

from aims_pax.calculations import abinit, espresso, nwchem, siesta
from aims_pax.calculations.aims import output as aims
from aims_pax.calculations.castep import output as castep
from aims_pax.calculations.cp2k import output as cp2k
from aims_pax.calculations.cp2k.beside import companions as beside_cp2k
from aims_pax.calculations.gpaw import output as gpaw
from aims_pax.calculations.lines import head, plain_name
from aims_pax.calculations.orca import engrad
from aims_pax.calculations.orca import output as orca
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.vasp import kinds as vasp

READERS: Final[tuple[Reader, ...]] = (
    *vasp.KINDS,
    *espresso.READERS,
    *abinit.READERS,
    *siesta.READERS,
    *nwchem.READERS,
    Reader("FHI-aims", "aims.out", ("aims.out*", "*.out"), aims.recognises, aims.steps),
    Reader(
        "CP2K",
        "standard output of CP2K",
        ("*.out", "*.log"),
        cp2k.recognises,
        cp2k.steps,
        companions=beside_cp2k,
    ),
    Reader("ORCA", "output of ORCA", ("*.out",), orca.recognises, orca.steps, prefers=1),
    Reader("ORCA", ".engrad", ("*.engrad",), engrad.recognises, engrad.steps),
    Reader("GPAW", "text of GPAW", ("*.txt",), gpaw.recognises, gpaw.steps),
    Reader("CASTEP", ".castep", ("*.castep",), castep.recognises, castep.steps),
)


def reader_of(path: Path) -> Reader | None:
    """What reads a file; None when it is no output that is known."""
    text, name = head(path), plain_name(path)
    return next((reader for reader in READERS if text and reader.recognises(text, name)), None)
