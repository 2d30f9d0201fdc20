"""Decks: for each structure a folder with what the reference would run for it, and a job script."""

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from aims_pax.atoms import atoms_of
from aims_pax.dataset.extxyz import structure_block_of
from aims_pax.dataset.given import Given
from aims_pax.errors import Problem, UserError
from aims_pax.face.compositions import MAX_NAMED
from aims_pax.face.decks.folders import folders_of, name_of
from aims_pax.face.decks.scripts import SCRIPT, Job, JobScripts, read_template
from aims_pax.face.decks.structures import Wanted, wanted_structures
from aims_pax.frame import Frame
from aims_pax.labelling.free_atoms import is_free_atom
from aims_pax.reference.calculation import ENGINE_ERRORS
from aims_pax.reference.decks import TYPES, deck_problems, write_atom_deck, write_deck
from aims_pax.reference.programs.by_hand import Written
from aims_pax.settings.cluster import unfilled

LIST: Final = "deck.csv"
STRUCTURES: Final = "deck.extxyz"

COLUMNS: Final = ("folder", "name", "system", "structure", "formula", "n_atoms", "k_points", "command")


@dataclass(frozen=True, slots=True)
class DeckWishes:
    """What is to be written.

    Parameters
    ----------
    structures : tuple of Path
        Files, folders of files, or one project.
    out : Path
        The folder; it must be new, or empty.
    settings : Path or None
        None: those of the project.
    job_script : Path or None
        A template; None: by CLUSTER.
    want_stress : bool
    parsl_config : str or None
    """

    structures: tuple[Path, ...]
    out: Path
    settings: Path | None = None
    job_script: Path | None = None
    want_stress: bool = False
    parsl_config: str | None = None


@dataclass(frozen=True, slots=True)
class Deck:
    """What was written.

    Parameters
    ----------
    out : Path
    n_written : int
    how : str
        What a person types in each folder.
    remarks : tuple of Problem
    """

    out: Path
    n_written: int
    how: str
    remarks: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """What a person reads."""
        folders = f"{self.n_written} folder{'s' * (self.n_written > 1)}"
        said = [f"wrote {self.out} ({folders}, listed in {LIST}; {STRUCTURES} holds the structures)"]
        said.append(f"To submit one: go into its folder, and type: {self.how}")
        return [*said, *(f"\n{remark}" for remark in self.remarks)]


def write_decks(wishes: DeckWishes, *, show: Callable[[str], None] = lambda _words: None) -> Deck:
    """Write a folder for each structure, a list of them, and the structures themselves.

    Raises
    ------
    UserError
        With everything that is wrong; nothing is left of what was begun.
    """
    problems = list(_out_problems(wishes.out))
    template: str | None = None
    wanted: Wanted | None = None
    scripts: JobScripts | None = None
    try:
        template = None if wishes.job_script is None else read_template(wishes.job_script)
    except UserError as error:
        problems += error.problems
    try:
        wanted = wanted_structures(
            wishes.structures, wishes.settings, want_stress=wishes.want_stress, parsl_config=wishes.parsl_config
        )
        problems += _setting_problems(wanted)
        scripts = JobScripts(wanted.project, template)
        problems += scripts.problems()
    except UserError as error:
        problems += error.problems
    if problems or wanted is None or scripts is None:
        raise UserError(problems)
    had_folder = wishes.out.is_dir()
    try:
        return _Writing(wanted, scripts, wishes.out, show).done()
    except BaseException:  # Ctrl-C, for one: half a deck looks like a whole one
        _remove(wishes.out, keep=had_folder)
        raise


def _out_problems(out: Path) -> Iterator[Problem]:
    where = f"--out {out}"
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        advice = "Remove it, or name another folder."
        yield Problem(where, "This is there already, and is not overwritten.", "a new folder", advice)
    elif not out.absolute().parent.is_dir():
        yield Problem(where, "There is no folder to make it in.", "a folder in one that exists", "Make it first.")


def _setting_problems(wanted: Wanted) -> Iterator[Problem]:
    """What shows without writing anything: of each system once, those that are alike together."""
    project = wanted.project
    systems: dict[tuple[str, str], list[str]] = {}
    for system in project.systems:
        settings, frame = project.reference_for(system), system.frame
        numbers = sorted({int(number) for number in frame.numbers})
        for words in deck_problems(settings, numbers, periodic=bool(frame.pbc.any())):
            systems.setdefault((settings.type, words), []).append(system.name)
        plan = project.plan_of(system)
        open_one = project.inputs.get(system.name, project.settings.reference if plan is None else plan.reference)
        for name in unfilled(open_one, project.resources_of(system)):
            words = f"the command holds {{{name}}}, and nothing says how many are needed; write CLUSTER.systems"
            systems.setdefault((settings.type, words), []).append(system.name)
    for (kind, words), names in systems.items():
        found, _, advice = words.partition("; ")
        allowed = "" if kind in TYPES else f"REFERENCE.type: {', '.join(TYPES)}"
        advice = advice or ("" if kind in TYPES else "let it be computed, where CLUSTER says: aims-pax relabel")
        where = f"{project.settings_file}: REFERENCE ({kind}) for {_named(names)}"
        yield Problem(
            where, f"{found[:1].upper()}{found[1:]}.", allowed, f"{advice[:1].upper()}{advice[1:]}." if advice else ""
        )


class _Writing:
    """Folders that are being written."""

    def __init__(self, wanted: Wanted, scripts: JobScripts, out: Path, show: Callable[[str], None]) -> None:
        self._wanted, self._scripts, self._out, self._show = wanted, scripts, out, show
        self._systems = {system.name: system for system in wanted.project.systems}
        self._failed: dict[str, list[str]] = {}
        self._untold: list[str] = []

    def done(self) -> Deck:
        """All of them, their list and their structures.

        Raises
        ------
        UserError
            The input of some can't be written, with all reasons.
        """
        try:
            self._out.mkdir(exist_ok=True)
            rows = list(self._rows())
        except OSError as error:
            found = f"can't be written ({error.strerror or error})."
            raise UserError(Problem(f"--out {self._out}", found, "a place that you may write to")) from error
        if self._failed:
            raise UserError([self._failure(words, names) for words, names in self._failed.items()])
        if not rows:
            raise UserError(Problem("structures", "There is nothing but free atoms.", "", self._advice_on_atoms()))
        with (self._out / LIST).open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(rows)
        return Deck(self._out, len(rows), self._scripts.how, tuple(self._remarks()))

    def _rows(self) -> Iterator[tuple[object, ...]]:
        given, frames = self._wanted.given, self._wanted.frames
        with (self._out / STRUCTURES).open("w", encoding="utf-8", newline="\n") as structures:
            for number, (folder, one, frame) in enumerate(zip(folders_of(given), given, frames, strict=True), start=1):
                written = self._written(folder, one, frame)
                if written is None:
                    continue
                name, formula = name_of(one), _formula(frame)
                facts = {"folder": folder, "system": one.frame.system} | ({"name": name} if name else {})
                structures.write(structure_block_of(one.frame, facts))
                mesh = "" if written.k_points is None else " ".join(map(str, written.k_points))
                yield folder, name, one.frame.system, number, formula, frame.n_atoms, mesh, written.line
                if number % 100 == 0:
                    self._show(f"folders: {number} of {len(given)}")

    def _written(self, folder: str, one: Given, frame: Frame) -> Written | None:
        """The folder of one structure; None where it has none, which is noted."""
        system = self._systems[frame.system]
        settings, place = self._wanted.project.reference_for(system), self._out / folder
        place.mkdir(parents=True, exist_ok=True)
        try:
            if is_free_atom(frame):
                written = write_atom_deck(settings, int(frame.numbers[0]), place)
            else:
                written = write_deck(settings, frame, place, want_stress=self._wanted.want_stress)
        except ENGINE_ERRORS as error:
            for words in self._causes(settings, frame, error):
                self._failed.setdefault(words, []).append(folder)
            return None
        if written is None:
            place.rmdir()
            self._untold.append(folder)
            return None
        script = place / SCRIPT
        script.write_text(self._scripts.text(Job(written.line, folder, one.frame.n_atoms, system)), encoding="utf-8")
        script.chmod(0o755)
        return written

    def _causes(self, settings: Any, frame: Frame, error: BaseException) -> list[str]:
        """Why input can't be written: of each element by itself, for whoever writes it stops at the first."""
        found: list[str] = []
        elements = sorted({int(number) for number in frame.numbers})
        for number in elements if len(elements) > 1 and not is_free_atom(frame) else ():
            alone = replace(frame, numbers=np.array([number]), positions=frame.positions[:1], charge=None, spin=None)
            with TemporaryDirectory() as folder:
                try:
                    write_deck(settings, alone, Path(folder), want_stress=self._wanted.want_stress)
                except ENGINE_ERRORS as own:
                    found.append(_words(own))
        return list(dict.fromkeys(found)) or [_words(error)]

    def _failure(self, words: str, folders: list[str]) -> Problem:
        kinds = {self._wanted.project.reference_for(system).type for system in self._systems.values()}
        where = f"{self._wanted.project.settings_file}: REFERENCE ({', '.join(sorted(kinds))}) for {_named(folders)}"
        advice = "Correct REFERENCE (its pseudo_dir and parameters), or leave these structures out."
        return Problem(where, f"The input can't be written: {words}.", "", advice)

    def _remarks(self) -> Iterator[Problem]:
        """What is not in the deck, or not as it seems."""
        if self._untold:
            found = (
                f"{len(self._untold)} free atoms are left out, whose spin the input can't tell: {_few(self._untold)}."
            )
            yield Problem("structures", found, "", self._advice_on_atoms())
        references = [self._wanted.project.reference_for(system) for system in self._systems.values()]
        if any(reference.dispersion is not None for reference in references):
            found = "REFERENCE.dispersion is added to labels by aims-pax itself, and stands in no input."
            advice = "Add it to the results, or have the program compute it (parameters, control.in)."
            yield Problem("REFERENCE.dispersion", found, "", advice)
        yield from self._scripts.remarks()

    @staticmethod
    def _advice_on_atoms() -> str:
        return "Write their input yourself: one atom in a box, at the Γ point, in the spin of its ground state."


def _words(error: BaseException) -> str:
    """What was raised, in one line without its last full stop."""
    return " ".join(str(error).split()).rstrip(".!") or type(error).__name__


def _named(names: list[str]) -> str:
    return f"structure{'s' * (len(names) > 1)} {_few(names)}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{', '.join(names[:MAX_NAMED])}{more}"


def _formula(frame: Frame) -> str:
    return str(atoms_of(frame).get_chemical_formula())


def _remove(out: Path, *, keep: bool) -> None:
    """What was written, which was new; the folder itself where it was not there before."""
    for path in list(out.iterdir()) if out.is_dir() else []:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if not keep and out.is_dir():
        out.rmdir()
