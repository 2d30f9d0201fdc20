"""What ORCA prints, and its files of gradients."""

from typing import Final

from aims_pax.calculations.orca import engrad, output
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader("ORCA", "output of ORCA", ("*.out",), output.recognises, output.steps, prefers=1),
    Reader("ORCA", ".engrad", ("*.engrad",), engrad.recognises, engrad.steps),
)
