"""SEED.castep: what CASTEP prints."""

from typing import Final

from aims_pax.calculations.castep import output
from aims_pax.calculations.inputs import of_castep
from aims_pax.calculations.reader import Reader

READERS: Final = (Reader("CASTEP", ".castep", ("*.castep",), output.recognises, output.steps, k_points=of_castep),)
