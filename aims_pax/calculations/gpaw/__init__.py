"""The text of GPAW (`txt`), which is another one since version 26."""

from typing import Final

from aims_pax.calculations.gpaw import output, tables
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader("GPAW", "text of GPAW", ("*.txt",), output.recognises, output.steps),
    Reader("GPAW", "text of GPAW 26", ("*.txt",), tables.recognises, tables.steps),
)
