"""Standard output of SIESTA."""

from typing import Final

from aims_pax.calculations.reader import Reader
from aims_pax.calculations.siesta import output

READERS: Final = (
    Reader(
        program="SIESTA",
        kind="standard output",
        names=("*.out", "out", "output"),
        recognises=output.recognises,
        steps=output.steps,
        prefers=2,
    ),
)
