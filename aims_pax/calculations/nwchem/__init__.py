"""Standard output of NWChem."""

from typing import Final

from aims_pax.calculations.nwchem import output
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader(
        program="NWChem",
        kind="standard output",
        names=("*.out", "*.nwo", "*.log"),
        recognises=output.recognises,
        steps=output.steps,
        prefers=2,
    ),
)
