"""The text of GPAW (`txt`)."""

from typing import Final

from aims_pax.calculations.gpaw import output
from aims_pax.calculations.reader import Reader

READERS: Final = (Reader("GPAW", "text of GPAW", ("*.txt",), output.recognises, output.steps),)
