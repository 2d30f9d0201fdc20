"""The stand-in of FHI-aims as settings name it, and the files that it reads."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from aims_pax.settings.methods.fhi_aims import FhiAimsInput

COMMAND: Final = shlex.join([sys.executable, str(Path(__file__).with_name("aims_standin.py"))])

SPECIES: Final = Path(__file__).with_name("species")
"""Files of the form that FHI-aims' own have. Their numbers make no basis set."""


def species(symbol: str) -> str:
    """The species block of one element."""
    (file,) = SPECIES.glob(f"*_{symbol}_default")
    return file.read_text(encoding="utf-8")


def write_species(folder: Path) -> Path:
    """A folder of species defaults: a copy of the one beside this file."""
    return Path(shutil.copytree(SPECIES, folder))


def aims_input(control: str = "xc pbe\n", **others: object) -> FhiAimsInput:
    """Settings for the stand-in with species for all structures of the tests."""
    values = {
        "command": COMMAND,
        "control_text": control,
        "species_text": "".join(file.read_text(encoding="utf-8") for file in sorted(SPECIES.iterdir())),
        "xc": "pbe",
        "basis": "tests/light",
    }
    return FhiAimsInput.model_validate({**values, **others})
