"""Outputs of Quantum ESPRESSO: the standard output of pw.x, and its XML file."""

from typing import Final

from aims_pax.calculations.espresso import output
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader(
        program="Quantum ESPRESSO",
        kind="standard output of pw.x",
        names=("*.out", "*.pwo", "*.log"),
        recognises=output.recognises,
        steps=output.steps,
        prefers=2,
    ),
)
