"""Finished calculations made into a dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aims_pax.errors import Problem, UserError
from aims_pax.gathering.division import Shares
from aims_pax.gathering.gather import Request
from aims_pax.gathering.gather import gather as gather_set
from aims_pax.gathering.gathered import Gathered, Picture
from aims_pax.gathering.judgement import Limits
from aims_pax.gathering.wanted import Wanted
from aims_pax.gathering.writing.formats import chosen
from aims_pax.gathering.writing.output import names_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Words:
    """What is asked for, as a person writes it.

    Parameters
    ----------
    out, form : str or None
    steps : str
    split : str or None
    seed : int
    max_force : float or None, eV/Å
    mixed, dry_run : bool
    """

    out: str | None = None
    form: str | None = None
    steps: str = "all"
    split: str | None = None
    seed: int = 0
    max_force: float | None = None
    mixed: bool = False
    dry_run: bool = False


def gather(
    folders: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    form: str | None = None,
    steps: str = "all",
    split: Sequence[float] | str | None = None,
    seed: int = 0,
    max_force: float | None = None,
    mixed: bool = False,
    dry_run: bool = False,
) -> Gathered:
    """Make one dataset of finished outputs of electronic-structure programs.

    Parameters
    ----------
    folders : folder, file, or several
        Folders are walked through; outputs are known by what they hold.
    out : path or None
        What is written: `.extxyz` or `.h5`, or a folder; `gathered.extxyz` when not given.
    form : str or None
        `extxyz`, `hdf5`, `npz` or `deepmd`; as the ending of `out` says when not given.
    steps : str
        `all`, `last`, or `every 10`.
    split : three numbers, or None
        Fractions or counts for training, validation and test; structures that come from one another stay together.
    seed : int
        Of the split.
    max_force : float or None, eV/Å
        Steps with a larger force on an atom are left out.
    mixed : bool
        Whether structures of different methods may be in one set.
    dry_run : bool
        Judge only; nothing is written.

    Returns
    -------
    Gathered
        Printed it is its tables, and all that is to be said of them.

    Raises
    ------
    UserError
        Nothing can be read or written, or the structures were computed by different methods.
    """
    several = [folders] if isinstance(folders, str | Path) else list(folders)
    shares = split if isinstance(split, str) or split is None else ",".join(str(one) for one in split)
    words = Words(None if out is None else str(out), form, steps, shares, seed, max_force, mixed, dry_run)
    gathered = carry_out(request_of([Path(one) for one in several], words), show=lambda words: None)
    if not dry_run:
        gathered.require_set()
    return gathered


def request_of(paths: Sequence[Path], words: Words) -> Request:
    """What is asked for.

    Raises
    ------
    UserError
        With everything that can't be.
    """
    problems: list[Problem] = []

    def read(reading: Callable[[], T]) -> T | None:
        try:
            return reading()
        except UserError as error:
            problems.extend(error.problems)
            return None

    target = read(lambda: chosen(words.form, None if words.out is None else Path(words.out).expanduser()))
    wanted = read(lambda: Wanted.read(words.steps))
    split = words.split
    shares = None if split is None else read(lambda: Shares.read(split))
    if words.max_force is not None and not words.max_force > 0:
        problems.append(Problem("--max-force", f"{words.max_force:g} eV/Å leaves nothing.", "more than 0"))
    if not paths:
        problems.append(Problem("FOLDER", "Nothing was named.", "folders with finished calculations, or their files"))
    if target is not None and not words.dry_run:
        problems += _problems_of(target[1], names_of(target[1], target[0], is_divided=split is not None))
    if problems or target is None or wanted is None:
        raise UserError(problems)
    known = [path.expanduser() for path in paths]
    limits = Limits(words.max_force)
    return Request(known, target[1], target[0], wanted, shares, words.seed, limits, words.mixed, words.dry_run)


def _problems_of(out: Path, names: Sequence[str]) -> list[Problem]:
    home = out.absolute().parent
    if not home.is_dir():
        found = "There is no folder to write it into."
        return [Problem(f"--out {out}", found, "a folder that exists", "Make it first.")]
    present = [name for name in names if (home / name).exists()]
    if not present:
        return []
    found = f"{', '.join(present)} {'exists' if len(present) == 1 else 'exist'}, and nothing is overwritten."
    return [Problem(f"--out {out}", found, "a new name", "Name another, or remove what is there.")]


def carry_out(request: Request, *, show: Callable[[str], None]) -> Gathered:
    """Gather, and draw the figure beside the set."""
    return gather_set(request, show=show, draw=_draw)


def _draw(path: Path, picture: Picture) -> None:
    from aims_pax.report.gathered.overview import draw_overview

    draw_overview(
        path,
        energies=picture.energies_ev_per_atom,
        forces=picture.max_forces_ev_per_ang,
        left_out=picture.left_out,
    )
