"""Main output of ABINIT."""

from typing import Final

from aims_pax.calculations.abinit import output
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader(
        program="ABINIT",
        kind="main output (.abo, .out)",
        names=("*.abo", "*.out"),
        recognises=output.recognises,
        steps=output.steps,
        prefers=2,
    ),
)
