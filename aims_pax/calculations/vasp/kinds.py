"""Which files of VASP are read, and which of a folder.

vasprun.xml is read before the OUTCAR of the same run: it has eight decimals of positions and forces where OUTCAR has
five and six, every step whatever NWRITE is, every count of atoms, and settings such as METAGGA that the OUTCAR of
VASP 5 does not tell. Two kinds come after OUTCAR: of a nudged elastic band, whose forces may hold those of the
springs, and of a machine-learned force field, whose steps only OUTCAR marks.
"""

import re
from dataclasses import replace
from typing import Final

from aims_pax.calculations.inputs import of_vasp
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.vasp import outcar, vasprun
from aims_pax.calculations.vasp.poscar import companions
from aims_pax.calculations.vasp.setting import PROGRAM

_VERSION: Final = re.compile(r"^\s*vasp\.\d")
_MARKS: Final = ("FREE ENERGIE OF THE ION-ELECTRON SYSTEM", "TOTAL-FORCE (eV/Angst)", " Startparameter for this run:")
_IMAGES: Final = re.compile(r'name="IMAGES"[^>]*>\s*[1-9]')
_LEARNING: Final = re.compile(r'name="ML_(?:FF_)?LMLFF"[^>]*>\s*\.?T', re.IGNORECASE)


def is_outcar(text: str, name: str) -> bool:
    """Whether the head of a file is that of an OUTCAR; what VASP writes to the screen may begin alike."""
    return (_VERSION.match(text) is not None and "executed on" in text) or any(mark in text for mark in _MARKS)


def is_vasprun(text: str, name: str) -> bool:
    """Whether the head of a file is that of a vasprun.xml."""
    return "<modeling>" in text and "vasp" in text.lower()


def is_doubtful_vasprun(text: str, name: str) -> bool:
    """Whether it is one whose forces or steps OUTCAR tells better."""
    return is_vasprun(text, name) and any(mark.search(text) is not None for mark in (_IMAGES, _LEARNING))


_VASPRUN: Final = Reader(
    program=PROGRAM,
    kind="vasprun.xml",
    names=("vasprun.xml", "vasprun*"),
    recognises=is_vasprun,
    steps=vasprun.steps,
    k_points=of_vasp,
    prefers=2,
)
_DOUBTFUL: Final = replace(
    _VASPRUN,
    kind="vasprun.xml of a band or of a machine-learned force field",
    recognises=is_doubtful_vasprun,
    prefers=0,
)

KINDS: Final = (
    _DOUBTFUL,
    _VASPRUN,
    Reader(
        program=PROGRAM,
        kind="OUTCAR",
        names=("OUTCAR", "OUTCAR*"),
        recognises=is_outcar,
        steps=outcar.steps,
        prefers=1,
        companions=companions,
        k_points=of_vasp,
    ),
)
