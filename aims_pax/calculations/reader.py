"""What reads the outputs of one program, and which there are."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.calculations.inputs import Beside
from aims_pax.calculations.lines import Lines
from aims_pax.calculations.step import Closing, Step

Steps = Generator[Step, None, Closing]
"""Steps in the order of the file, each as soon as it is complete; the value that is returned comes with the end.

A reader never fails by what a file holds: what it can't understand is a flaw of the step, or a remark at the end.
"""

READER_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What a reader with a defect raises all the same (XML that is not well-formed is a SyntaxError): its file is refused,
and no other."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one kind of output.

    Parameters
    ----------
    program : str
        As people write it, and as `Method.program` has it: "VASP".
    kind : str
        What people call the file: "OUTCAR", "standard output of pw.x".
    names : tuple of str
        What such files are usually called, as patterns of names; for the documentation and for who names folders.
    recognises : function of a text and a file name
        Whether the head of a file (its first 64 kB) is of this kind. The text decides; the name only helps.
    steps : function of lines
        The steps of a file.
    prefers : int
        Among the files of one calculation in one folder the one of the highest number is read.
    companions : function of a file, or None
        Files besides, which this one is read together with.
    k_points : function of a file, or None
        K points by the input that lies beside, where the output tells none.
    """

    program: str
    kind: str
    names: tuple[str, ...]
    recognises: Callable[[str, str], bool]
    steps: Callable[[Lines], Steps]
    prefers: int = 0
    companions: Callable[[Path], tuple[Path, ...]] | None = None
    k_points: Beside | None = None
