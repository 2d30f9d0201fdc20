"""Programs that a person starts: their input written into a folder, and the line of a shell that starts each there."""

import os
import pprint
import shlex
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from aims_pax.reference.programs.cp2k import cp2k_arguments
from aims_pax.reference.programs.engine_run import EngineRun
from aims_pax.reference.programs.engine_table import ENGINES, STDERR, gpaw_arguments
from aims_pax.settings.methods.engines import (
    AbinitSettings,
    CastepSettings,
    Cp2kSettings,
    DftbSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    NwchemSettings,
    OrcaSettings,
    SiestaSettings,
    VaspSettings,
)

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

CP2K_INPUT: Final = "cp2k.inp"
GPAW_SCRIPT: Final = "run.py"
GPAW_STRUCTURE: Final = "structure.json"

NEWEST_SHELL: Final = 1000.0
"""Version of CP2K's shell that ASE writes for where no shell is running: those from 5.0 on get the same input."""


@dataclass(frozen=True, slots=True)
class Written:
    """The input of one calculation, as it lies in its folder.

    Parameters
    ----------
    line : str
        What starts it there, for a shell.
    k_points : (n, n, n) or None
        The grid that was found for the cell; None where the input says points otherwise, or there is no lattice.
    """

    line: str
    k_points: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """How a program is started by a person.

    Parameters
    ----------
    write : callable
        Writes all input files of a run into its folder, which is there.
    line : str
        What starts it in that folder, with outputs named as the reference names them; {command}: the user's command.
    """

    write: Callable[[EngineRun], None]
    line: str


def write_run(run: EngineRun) -> Written:
    """The input that the reference would write for a run, into the run's folder; starts nothing.

    Raises
    ------
    Exception
        Whatever ASE's calculator raises: of missing pseudopotentials, for one.
    """
    row = BY_HAND[type(run.settings)]
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # ASE's advice to those who call it
        row.write(run)
    _take_links(run.folder)
    command = run.words
    if isinstance(run.settings, Cp2kSettings):
        command = shlex.join(word for word in run.command if word not in ("-s", "--shell"))
    elif isinstance(run.settings, GpawSettings):
        command = shlex.join([*run.settings.launcher, "python"])
    return Written(row.line.format(command=command), run.kpts)


def _take_links(folder: Path) -> None:
    """Copies of the files that were linked: a deck may be carried to another machine.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    for path in folder.iterdir():
        if not path.is_symlink():
            continue
        target = Path(os.path.realpath(path))
        if not target.is_file():
            raise FileNotFoundError(f"there is no {target}")
        path.unlink()
        shutil.copy(target, path)


def _made(run: EngineRun) -> "tuple[BaseCalculator, list[str]]":
    calculator = ENGINES[type(run.settings)].calculator(run)
    run.atoms.calc = calculator
    return calculator, run.wanted


def _by_files(run: EngineRun) -> None:
    """ASE's newer calculators."""
    calculator, wanted = _made(run)
    calculator.write_inputfiles(run.atoms, wanted)


def _by_input(run: EngineRun) -> None:
    """ASE's older ones, which look at their own copy of the atoms, too."""
    from ase.calculators.calculator import Calculator, all_changes

    calculator, wanted = _made(run)
    Calculator.calculate(calculator, run.atoms, wanted, list(all_changes))
    calculator.write_input(calculator.atoms, wanted, list(all_changes))


def _nwchem(run: EngineRun) -> None:
    """ASE writes absolute paths of the folder, which would hold a deck on this machine."""
    _by_input(run)
    for file in run.folder.glob("*.nwi"):
        text = file.read_text(encoding="utf-8").replace(str(run.folder / "nwchem"), "./nwchem")
        file.write_text(text, encoding="utf-8")


def _castep(run: EngineRun) -> None:
    calculator, _ = _made(run)
    calculator.prepare_input_files(run.atoms, force_write=True)


def _cp2k(run: EngineRun) -> None:
    """What ASE hands to CP2K's shell, which is asked for forces; of a file the program must be told to print them."""
    from ase.calculators.calculator import Calculator
    from ase.calculators.cp2k import CP2K, parse_input

    class Unstarted(CP2K):  # type: ignore[misc]
        """The same without its shell."""

        def __init__(self, **arguments: Any) -> None:
            self._debug, self._force_env_id, self.command = False, None, ""
            self._shell: Any = None
            Calculator.__init__(self, label="cp2k", **arguments)
            self._shell = SimpleNamespace(version=NEWEST_SHELL, close=lambda: None)

    calculator = Unstarted(**cp2k_arguments(run))
    calculator.atoms = run.atoms.copy()
    root = parse_input(calculator._generate_input())
    root.add_keyword("FORCE_EVAL/PRINT/FORCES", "_SECTION_PARAMETERS_ ON", unique=False)
    (run.folder / CP2K_INPUT).write_text("\n".join(root.write()) + "\n", encoding="utf-8")


def _gpaw(run: EngineRun) -> None:
    """A script, for GPAW reads no input; atoms stand in a file that keeps all digits."""
    from ase.io.jsonio import write_json

    arguments = {**gpaw_arguments(run), "txt": "gpaw.txt"}
    write_json(run.folder / GPAW_STRUCTURE, run.atoms)
    script = GPAW_TEXT.format(
        structure=GPAW_STRUCTURE, arguments=pprint.pformat(arguments, width=100), wanted=run.wanted
    )
    (run.folder / GPAW_SCRIPT).write_text(script, encoding="utf-8")


GPAW_TEXT: Final = """\
from ase.io.jsonio import read_json
from gpaw import GPAW

atoms = read_json({structure!r})
atoms.calc = GPAW(
    **{arguments}
)
for quantity in {wanted!r}:
    atoms.calc.get_property(quantity, atoms)
"""

BY_HAND: Final[Mapping[type[EngineSettings], ByHand]] = {
    AbinitSettings: ByHand(_by_files, "{command} abinit.in > abinit.log 2> abinit.err"),
    CastepSettings: ByHand(_castep, "{command} castep"),
    Cp2kSettings: ByHand(_cp2k, f"{{command}} -i {CP2K_INPUT} -o cp2k.out 2> {STDERR}"),
    DftbSettings: ByHand(_by_input, f"{{command}} > dftb.out 2> {STDERR}"),
    EspressoSettings: ByHand(_by_files, "{command} -in espresso.pwi > espresso.pwo 2> espresso.err"),
    GpawSettings: ByHand(_gpaw, f"{{command}} {GPAW_SCRIPT}"),
    NwchemSettings: ByHand(_nwchem, f"{{command}} nwchem.nwi > nwchem.nwo 2> {STDERR}"),
    OrcaSettings: ByHand(_by_files, "{command} orca.inp > orca.out 2> orca.err"),
    SiestaSettings: ByHand(_by_input, f"{{command}} < siesta.fdf > siesta.out 2> {STDERR}"),
    VaspSettings: ByHand(_by_input, "{command} > vasp.out"),
}
"""Settings class of every program that ASE drives, and how it is started."""
