"""Outputs of Quantum ESPRESSO: the standard output of pw.x, and its XML file."""

from typing import Final

from aims_pax.calculations.espresso import output, schema
from aims_pax.calculations.inputs import of_pw
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader(
        program="Quantum ESPRESSO",
        kind="standard output of pw.x",
        names=("*.out", "*.pwo", "*.log"),
        recognises=output.recognises,
        steps=output.steps,
        prefers=2,
        k_points=of_pw,
    ),
    Reader(
        program="Quantum ESPRESSO",
        kind="XML of pw.x",
        names=("data-file-schema.xml", "*.xml"),
        recognises=schema.recognises,
        steps=schema.steps,
        prefers=1,
    ),
)
