"""What CP2K prints, with the files of a trajectory that it writes beside."""

from typing import Final

from aims_pax.calculations.cp2k import output
from aims_pax.calculations.cp2k.beside import companions
from aims_pax.calculations.inputs import of_cp2k
from aims_pax.calculations.reader import Reader

READERS: Final = (
    Reader(
        "CP2K",
        "standard output of CP2K",
        ("*.out", "*.log"),
        output.recognises,
        output.steps,
        companions=companions,
        k_points=of_cp2k,
    ),
)
