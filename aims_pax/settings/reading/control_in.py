"""control.in of FHI-aims as its user wrote it: what stands there, and what of it can't be used for labels.

The text itself is never rewritten: FHI-aims has hundreds of keywords, some of which may be repeated.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.systems import System

ENCODING: Final = "latin-1"
"""Gives every byte back as it was, so that a comment in any encoding survives."""

K_GRIDS: Final = ("k_grid", "k_grid_density")

_NEVER: Final = ("none", ".false.")
_MOVES: Final = "it moves atoms, and a label belongs to the structure that was asked for"
_READS: Final = "it reads a file, which the folder of a label lacks"
FORBIDDEN: Final = {
    "relax_geometry": _MOVES,
    "relax_unit_cell": _MOVES,
    "MD_run": _MOVES,
    "MD_schedule": _MOVES,
    "use_pimd_wrapper": _MOVES,
    "total_energy_method": "it gives another energy, and the forces don't belong to it",
    "dry_run": "nothing is computed with it",
    "k_points_external": _READS,
    "restart_read_only": _READS,
}
"""Keywords that a label can't have, unless their value switches them off; and why."""

CARRIED: Final = ("atom", "atom_frac", "lattice_vector", "initial_moment", "initial_charge")
"""Lines of geometry.in that labels have, too, atom by atom."""

WITHOUT_EFFECT: Final = (
    *("constrain_relaxation", "velocity", "trust_radius"),
    *("hessian_block", "hessian_block_lv", "hessian_block_lv_atom"),
)
"""Lines of geometry.in that don't change energy and forces."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """One line of an input file of FHI-aims without its comment."""

    line: int
    name: str
    values: tuple[str, ...]

    @property
    def is_off(self) -> bool:
        """Whether the value says that nothing is asked for."""
        return bool(self.values) and self.values[0].lower() in _NEVER


def keywords(text: str) -> tuple[Keyword, ...]:
    """The lines of control.in, geometry.in or a species file that aren't empty or comments."""
    found = []
    for number, line in enumerate(text.split("\n"), start=1):  # splitlines would split letters such as Å, as latin-1
        words = line.partition("#")[0].split()
        if words:
            found.append(Keyword(number, words[0], tuple(words[1:])))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ControlIn:
    """The content of a control.in.

    Parameters
    ----------
    name : str
        As messages name the file.
    text : str
        In the encoding that keeps every byte.
    keywords : tuple of Keyword
        Of all lines, those of the species blocks included.
    """

    name: str
    text: str
    keywords: tuple[Keyword, ...]

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the species blocks."""
        return tuple(one.values[0] for one in self.keywords if one.name == "species" and one.values)

    @property
    def xc(self) -> str:
        """The exchange-correlation functional with its parameters, as written."""
        keyword = self.last("xc")
        return "" if keyword is None else " ".join(keyword.values)

    def last(self, *names: str) -> Keyword | None:
        """The last line with one of these keywords."""
        return next((one for one in reversed(self.keywords) if one.name in names), None)

    def problem(self, keyword: Keyword | None, found: str, allowed: str = "", advice: str = "") -> Problem:
        """A problem at a line of this file, or with the whole of it."""
        where = self.name if keyword is None else f"{self.name}, line {keyword.line}"
        return Problem(where, found, allowed, advice)


def read_control(path: Path, name: str) -> ControlIn:
    """The control.in at a path.

    Raises
    ------
    SettingsError
        The file can't be read.
    """
    try:
        text = path.read_bytes().decode(ENCODING)
    except OSError as error:
        found = f"This control.in can't be read ({error.strerror})."
        advice = "Put the control.in of FHI-aims into the project, or name it by REFERENCE.control."
        raise SettingsError(Problem(name, found, "", advice)) from None
    return ControlIn(name, text, keywords(text))


def control_problems(control: ControlIn, *, want_stress: bool) -> Iterator[Problem]:
    """What can't be used for labels of any structure."""
    if not control.xc:
        advice = "Add a line such as: xc pbe"
        yield control.problem(control.last("xc"), "No exchange-correlation functional (xc) is given.", "", advice)
    for keyword in control.keywords:
        if not re.match(r"[A-Za-z\d.+-]", keyword.name):
            advice = "Comments begin with #. The file must be plain text without a byte-order mark."
            yield control.problem(keyword, f"{keyword.name[:20]!r} is no keyword of FHI-aims.", "", advice)
        reason = FORBIDDEN.get(keyword.name)
        if reason is not None and not keyword.is_off:
            found = f"{keyword.name} can't be used for labels: {reason}."
            yield control.problem(keyword, found, "", "Remove the line.")
    numerical = control.last("compute_numerical_stress")
    by_analysis = want_stress and (numerical is None or numerical.is_off)
    for name, what, wanted in (
        ("compute_forces", "forces", True),
        ("compute_analytical_stress", "stress", by_analysis),
    ):
        switch = control.last(name)
        if wanted and switch is not None and switch.is_off:
            found = f"{name} is switched off, and labels need {what}."
            yield control.problem(switch, found, "", "Remove the line; it is added where it is needed.")
    grid = control.last("k_grid")
    if grid is not None and not re.fullmatch(r"([1-9]\d{0,2} ){3}", "".join(f"{one} " for one in grid.values[:3])):
        said = " ".join(grid.values)[:40] or "empty"
        found = f"k_grid is {said}, and needs a number of points for each lattice vector."
        yield control.problem(grid, found, "three whole numbers from 1 to 999", "Write such as: k_grid 4 4 4")
    defined: set[str] = set()
    for keyword in control.keywords:
        if keyword.name == "species" and keyword.values:
            if keyword.values[0] in defined:
                yield control.problem(keyword, f"The species {keyword.values[0]} is defined twice.", "", "Keep one.")
            defined.add(keyword.values[0])


def structure_problems(control: ControlIn, system: System) -> Iterator[Problem]:
    """What of a control.in doesn't fit one starting structure, and what of the structure FHI-aims can't be given."""
    yield from _periodicity_problems(control, system)
    yield from _spin_problems(control, system)
    if system.file is not None:
        yield from _geometry_problems(system.file)


def _periodicity_problems(control: ControlIn, system: System) -> Iterator[Problem]:
    pbc, k_grid = system.frame.pbc, control.last(*K_GRIDS)
    if pbc.any() and not pbc.all():
        found = f"The structure {system.name} is periodic in some directions only, which FHI-aims can't be told."
        advice = "Give it three lattice vectors, with vacuum along the direction that is not periodic."
        yield Problem(str(system.file or system.name), found, "", advice)
    if pbc.any() and k_grid is None:
        found = f"The structure {system.name} is periodic, and there is no k_grid."
        yield control.problem(None, found, " | ".join(K_GRIDS), "Add a line such as: k_grid 4 4 4")
    if pbc.any():
        return
    own = "control: {0: ..., 1: ...}, or SYSTEMS.<name>.REFERENCE.control"
    advice = f"Remove the line, or give this structure a control.in of its own: {own}."
    periodic_only = (k_grid, *(control.last(f"compute_{kind}_stress") for kind in ("analytical", "numerical")))
    for keyword in periodic_only:
        if keyword is not None and not keyword.is_off:
            found = f"{keyword.name} is for periodic structures, and {system.name} is a molecule."
            yield control.problem(keyword, found, "", advice)


def _spin_problems(control: ControlIn, system: System) -> Iterator[Problem]:
    spin, default = control.last("spin"), control.last("default_initial_moment")
    moments = system.moments
    if spin is None or spin.values[:1] == ("none",):
        return
    if moments is None and default is None:
        found = f"The calculation is spin-polarised, and the structure {system.name} has no initial moments."
        advice = (
            "FHI-aims then stops, or starts every atom from Hund's rules, depending on its version. Add initial_moment "
            "lines to geometry.in, or a line such as: default_initial_moment 1"
        )
        yield control.problem(spin, found, "", advice)
    if moments is not None and default is not None and 0.0 in moments:
        found = f"default_initial_moment is for atoms without a moment, and {system.name} gives moments to some atoms."
        yield control.problem(default, found, "", "Write the moment of every atom into geometry.in, or of none.")


def _geometry_problems(file: Path) -> Iterator[Problem]:
    """Lines of geometry.in that change the physics, and that labels would silently lack."""
    if not file.name.endswith((".in", ".in.next_step")):
        return
    lines = keywords(file.read_bytes().removeprefix(BOM_UTF8).decode(ENCODING))
    if not any(one.name in ("atom", "atom_frac") for one in lines):
        return  # another program's input file
    for keyword in lines:
        if keyword.name not in (*CARRIED, *WITHOUT_EFFECT) and not keyword.name.startswith("symmetry_"):
            found = f"{keyword.name} can't be kept: the geometry.in of every label is written anew."
            yield Problem(f"{file.name}, line {keyword.line}", found, " | ".join(CARRIED), "Remove the line.")


def species_block(symbol: str, number: int, folder: Path) -> str:
    """The species defaults of one element, from a folder of FHI-aims' species_defaults.

    Raises
    ------
    SettingsError
        There is no such file, or it defines another species.
    """
    file = folder / f"{number:02d}_{symbol}_default"
    advice = "Name a folder such as .../species_defaults/defaults_2020/light, or put the species into control.in."
    try:
        text = file.read_bytes().decode(ENCODING)
    except OSError as error:
        found = f"The species defaults of {symbol} can't be read ({error.strerror})."
        raise SettingsError(Problem(str(file), found, "", advice)) from None
    if not any(one.name == "species" and one.values[:1] == (symbol,) for one in keywords(text)):
        raise SettingsError(Problem(str(file), f"This file does not define the species {symbol}.", "", advice))
    return text


def missing_species(control: ControlIn, symbols: Sequence[str]) -> tuple[str, ...]:
    """Elements that control.in has no species block of, in their first order."""
    return tuple(dict.fromkeys(symbol for symbol in symbols if symbol not in control.species))
