"""aims.out: what FHI-aims prints."""

from typing import Final

from aims_pax.calculations.aims import output
from aims_pax.calculations.inputs import of_aims
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader("FHI-aims", "aims.out", ("aims.out*", "*.out"), output.recognises, output.steps, k_points=of_aims),
)
