"""The six questions of ``aims-pax init --interactive``. Nothing is written before all of them are answered."""

import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import typer

from aims_pax.errors import Problem, UserError

if TYPE_CHECKING:
    from aims_pax.settings.words.answers import Answers, Conditions
    from aims_pax.settings.words.starting import Starting, Wanted

Answer = TypeVar("Answer")

WIDTH: Final = 80
LIKELY: Final = ("*.xyz", "*.extxyz", "*.cif", "POSCAR", "CONTCAR", "geometry.in", "*.vasp")
"""Files in the present folder that may be meant."""

EXAMPLE: Final = "ethanol"
"""The answer for those who have no structure at hand."""

MOST_NAMED: Final = 3


def asked(folder: Path, wanted: "Wanted", reference: str) -> "tuple[Wanted, str, Answers]":
    """What the person at the terminal, or the lines of standard input, answer.

    Parameters
    ----------
    folder : Path
        Of the new project.
    wanted, reference
        What the command line says already: they are the answers that Enter takes over.

    Raises
    ------
    UserError
        There are files of a project already, or the input ends before all is answered.
    """
    from aims_pax.settings.words import answers as read
    from aims_pax.settings.words.reference_text import labels_crystals
    from aims_pax.settings.words.template import (
        refuse_overwriting,
        usual_n_structures,
        usual_place,
        usual_temperature_k,
    )

    refuse_overwriting(folder)
    _complete_files()
    typer.echo("Six questions. Enter takes what stands in brackets; Ctrl-C leaves, and nothing is written.")
    wanted, starting = _structures(folder, wanted)
    kind = _reference(starting, reference)
    can_move_cells = all(frame.pbc.all() for frame in starting.frames) and labels_crystals(kind)
    conditions = _conditions(starting, can_move_cells=can_move_cells)
    n_structures = _ask(
        "4. From how many structures shall each model learn? Some 20 % more labels test them.",
        str(usual_n_structures(starting)),
        read.read_number_of_structures,
    )
    usual = usual_place(kind)
    place = _ask(
        "5. Where are labels computed? here: one after the other; a number: so many workers on this machine; "
        "slurm, pbs, sge or lsf: in batch jobs, with the partition or queue behind it.",
        str(usual.n_workers) if usual.n_workers else "here",
        read.read_place,
    )
    device = _ask("6. Where do the models run? auto takes a GPU where there is one.", "auto", read.read_device)
    _warn_of_device(device)
    typer.echo()
    if conditions.temperature_k == usual_temperature_k(starting) and conditions.pressure_pa is None:
        return wanted, kind, read.Answers(None, n_structures, place, device)
    return wanted, kind, read.Answers(conditions, n_structures, place, device)


def _structures(folder: Path, wanted: "Wanted") -> "tuple[Wanted, Starting]":
    from aims_pax.settings.words.starting import starting_structures
    from aims_pax.settings.words.structure import account

    def understood(text: str) -> "tuple[Wanted, Starting]":
        files, periodic = [], wanted.periodic
        for word in shlex.split(text):
            if word in ("--periodic", "--molecule"):
                periodic = word == "--periodic"
            elif word != EXAMPLE or Path(word).exists():
                files.append(Path(word).expanduser())
        said = replace(wanted, files=tuple(files), periodic=periodic)
        return said, starting_structures(folder, said, with_stress=True)

    question = f"1. Which structures to start from? Files of any format that ASE reads; {EXAMPLE}: an example."
    said, starting = _ask(question, _likely(wanted.files), understood)
    for line in account(starting.systems, n_named=MOST_NAMED):
        typer.echo(f"   {line}")
    return said, starting


def _reference(starting: "Starting", usual: str) -> str:
    from aims_pax.cli.working import working
    from aims_pax.reference.catalogue import catalogue
    from aims_pax.settings.words.reference_text import TEXTS, known_reference
    from aims_pax.settings.words.template import refuse_crystals

    def understood(text: str) -> str:
        kind = known_reference(text.strip())
        refuse_crystals(kind, starting)
        return kind

    with working("looking for programs and packages"):
        found = {one.type: one for one in catalogue() if one.type in TEXTS}
    here = ", ".join(kind for kind, one in found.items() if one.is_here)
    question = f"2. Which method labels them? Here are {here}; aims-pax references lists all."
    kind = _ask(question, usual, understood)
    if not found[kind].is_here:
        _say(f"{kind} is not found here, which matters only if labels are computed here: {found[kind].install}.")
    return kind


def _conditions(starting: "Starting", *, can_move_cells: bool) -> "Conditions":
    from aims_pax.settings.words.answers import read_conditions
    from aims_pax.settings.words.template import usual_temperature_k

    moving = " A pressure behind it (300 K, 1 bar) lets the cell move." if can_move_cells else ""
    return _ask(
        f"3. At which temperature will the models be used?{moving}",
        f"{usual_temperature_k(starting):g} K",
        lambda text: read_conditions(text, can_move_cells=can_move_cells),
    )


def _ask(question: str, usual: str, understood: Callable[[str], Answer]) -> Answer:
    """Ask until the answer can be understood.

    Raises
    ------
    UserError
        The input has ended.
    """
    typer.echo()
    for line in textwrap.wrap(question, WIDTH, subsequent_indent="   "):
        typer.echo(line)
    while True:
        text = _line(f"   [{usual}] ") or usual
        try:
            return understood(text)
        except ValueError as error:  # quotation marks that are not closed
            _say(f"{text!r} can't be read: {error}.")
        except UserError as error:
            for problem in error.problems:
                of_file = problem if not problem.where.startswith("--") else replace(problem, where="")
                for line in str(of_file).splitlines():
                    _say(line.strip())


def _line(prompt: str) -> str:
    """One line of the input.

    Raises
    ------
    UserError
        The input has ended.
    """
    try:
        text = input(prompt).strip()
    except EOFError:
        typer.echo()
        found, advice = (
            "It ended before all six questions were answered.",
            "An empty line takes what stands in brackets.",
        )
        raise UserError(Problem("Standard input", found, "", advice)) from None
    if not sys.stdin.isatty():
        typer.echo(text)  # a terminal shows what is typed; a file or a pipe does not
    return text


def _complete_files() -> None:
    """Tab completes the names of files, where Python was built with readline."""
    with suppress(ImportError):
        import readline

        readline.parse_and_bind("tab: complete")


def _say(text: str) -> None:
    for line in textwrap.wrap(text, WIDTH, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False):
        typer.echo(line)


def _warn_of_device(device: str) -> None:
    from aims_pax.committee.hardware import runs_on_cpu

    if "cuda" in device and runs_on_cpu("auto"):
        _say("No GPU is seen on this machine: start the run where there is one.")


def _likely(given: Sequence[Path]) -> str:
    """What the command line names; else the one structure file of the present folder; else the example."""
    if given:
        return shlex.join(map(str, given))
    found = sorted({path.name for pattern in LIKELY for path in Path().glob(pattern) if path.is_file()})
    return shlex.quote(found[0]) if len(found) == 1 else EXAMPLE
