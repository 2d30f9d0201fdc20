"""Lines of LAMMPS input that move atoms, as a user writes them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from aims_pax.errors import Problem, SettingsError


def _words(text: str) -> list[str]:
    return text.split()


NAMES: Final[Mapping[str, str]] = {
    "temperature": "temperature, K",
    "pressure": "pressure, bar",
    "timestep": "time step, ps",
    "seed": "a number from 1 for generators of noise: another one for each trajectory, and for each beginning of it",
    "trajectory": "number of the trajectory, from 0",
    "begin": "how often the trajectory has begun before: at first 0, then one more with each rewind and interruption",
    "inputs": "folder of the file with these lines",
}
"""What stands in lines as ${name}, and is filled in."""

ALLOWED: Final = frozenset(
    _words(
        "compute compute_modify comm_modify dump dump_modify fix fix_modify group min_modify min_style minimize "
        "neigh_modify region thermo thermo_modify thermo_style unfix uncompute undump variable"
    )
)
"""Commands that may stand in lines: those that say how atoms move, and what of it is written."""

_PROGRAM: Final = "the structure, its cell and its units are given to LAMMPS by the program"
_FORCES: Final = "energy, forces and stress come from what drives the trajectories"
_LENGTH: Final = "how far a trajectory goes is said by the program"
_LINES: Final = "lines are read one after another; none of them leads elsewhere"

WHY_NOT: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        _words(
            "units atom_style atom_modify boundary box change_box create_atoms create_box clear delete_atoms dimension "
            "displace_atoms labelmap lattice mass molecule newton package processors read_data read_dump read_restart "
            "replicate reset_atoms set suffix"
        ),
        _PROGRAM,
    ),
    **dict.fromkeys(
        _words(
            "angle_coeff angle_style bond_coeff bond_style dihedral_coeff dihedral_style improper_coeff improper_style "
            "kspace_style kspace_modify pair_coeff pair_modify pair_style special_bonds"
        ),
        _FORCES,
    ),
    **dict.fromkeys(
        _words(
            "hyper neb neb/spin prd rerun reset_timestep run run_style tad temper temper/grem temper/npt timestep timer"
        ),
        _LENGTH,
    ),
    **dict.fromkeys(_words("if include jump label next partition plugin print python quit shell"), _LINES),
    "velocity": "momenta are drawn by the program, at its temperature, so that an interrupted trajectory keeps its own",
    **dict.fromkeys(("restart", "write_restart", "write_data"), "what an interrupted run needs is kept by the program"),
    **dict.fromkeys(("log", "echo"), "LAMMPS's words are kept in log.lammps of the trajectory"),
}
"""Commands that users are used to, and why they can't stand here."""

FIXES_WITHOUT: Final = re.compile(
    r"(adapt/fep|amoeba|atom/swap|bond/|charge/regulation|deposit|evaporate|external|gcmc|imd|ipi|lambdah|mdi|mol/swap|"
    r"neb|pimd|plugin|pour|python|sgcmc|tfmc|widom)"
)
"""Styles of fixes that change which atoms there are, or speak with other programs."""

OWN: Final = "pax_"
"""Begins the names of what the program defines itself."""

_NEEDS_PRESSURE: Final = re.compile(r"press|stress|virial|box/relax|msst|\bn(p[th]|phug)\b|\bp[xyz]{2}\b|/np[th]")
_NEEDS_TILT: Final = re.compile(r"\b(tri|xy|xz|yz)\b")
_PUSHES: Final = re.compile(r"langevin|brownian|\b(bd|gld|move|setforce|freeze|viscous|wall)\b")
_UNCOUNTED: Final = re.compile(r"langevin|brownian|\b(bd|gld|gle|viscous|move)\b")
_DEFINES: Final = frozenset({"fix", "compute", "dump", "variable", "group", "region"})


@dataclass(frozen=True, slots=True)
class LammpsLines:
    """Lines of input between the structure and the run, which are all the program's.

    Parameters
    ----------
    commands : tuple of (int, str)
        Each command with the number of its line.
    source : str
        File that they stand in, or what else they are called in messages.
    folder : str
        Of that file, for ${inputs}.
    """

    commands: tuple[tuple[int, str], ...]
    source: str = "LAMMPS's lines"
    folder: str = "."

    @classmethod
    def of(cls, text: str, *, source: str = "LAMMPS's lines", folder: Path | str = ".") -> Self:
        """The lines of a text.

        Raises
        ------
        SettingsError
            A command that may not stand there, or a name that nobody fills in; all of them are named.
        """
        lines = cls(tuple(_commands(text)), source, str(Path(folder).absolute()))
        problems = [problem for number, command in lines.commands if (problem := lines._problem(number, command))]
        if lines._minimizes_early:
            problems.append(Problem(source, "minimize is not the last line.", advice="Write it at the end."))
        if not any(command.split()[0] in ("fix", "minimize") for _, command in lines.commands):
            problems.append(Problem(source, "nothing moves the atoms.", "a fix such as nvt, nve or npt, or minimize"))
        if problems:
            raise SettingsError(problems)
        return lines

    @classmethod
    def read(cls, path: Path) -> Self:
        """The lines of a file.

        Raises
        ------
        SettingsError
            It can't be read, or holds what may not stand there.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(Problem(str(path), f"can't be read: {error}")) from error
        return cls.of(text, source=str(path), folder=path.parent)

    @property
    def minimizes(self) -> bool:
        """Whether they go downhill, instead of moving in time."""
        return any(command.split()[0] == "minimize" for _, command in self.commands)

    @property
    def wants_stress(self) -> bool:
        """Whether something in them asks for a pressure."""
        return any(_NEEDS_PRESSURE.search(command) for _, command in self.commands)

    @property
    def tilts(self) -> bool:
        """Whether angles of a rectangular cell may change."""
        return any(_NEEDS_TILT.search(command) for _, command in self.commands)

    @property
    def is_stochastic(self) -> bool:
        """Whether they take another way with each beginning, because they use ${seed}."""
        return any("${seed}" in command for _, command in self.commands)

    @property
    def keeps_momentum(self) -> bool:
        """Whether nothing in them is known to change the momentum of the whole."""
        return not any(_PUSHES.search(style) for style in self._fixes)

    @property
    def conserves(self) -> bool:
        """Whether LAMMPS counts the heat that thermostats take: it does not by itself for Langevin's."""
        return not self.minimizes and not any(_UNCOUNTED.search(style) for style in self._fixes)

    @property
    def _minimizes_early(self) -> bool:
        return any(command.split()[0] == "minimize" for _, command in self.commands[:-1])

    def _problem(self, number: int, command: str) -> Problem | None:
        words = command.split()
        where = f"{self.source}, line {number}"
        if words[0] not in ALLOWED:
            reason = WHY_NOT.get(words[0])
            found = f"{words[0]} may not stand here" + (f": {reason}." if reason else ".")
            return Problem(where, found, ", ".join(sorted(ALLOWED)), "Leave the line out.")
        if words[0] in _DEFINES and len(words) > 1 and words[1].startswith(OWN):
            return Problem(where, f"{words[1]} begins with {OWN}, as names of the program do.", advice="Rename it.")
        if words[0] == "variable" and len(words) > 1 and words[1] in NAMES:
            return Problem(where, f"{words[1]} is filled in by the program.", advice="Choose another name.")
        if words[0] == "fix" and len(words) > 3 and FIXES_WITHOUT.match(words[3]):
            found = f"fix {words[3]} changes which atoms there are, or speaks with others."
            return Problem(where, found, advice="Leave the line out.")
        if words[0] == "variable" and words[2:3] and words[2] in ("python", "world", "universe", "uloop"):
            return Problem(where, f"a variable of style {words[2]} needs what is not there.", advice="Use equal.")
        named = set(re.findall(r"\$\{(\w+)\}", command)) - NAMES.keys() - self._own_variables
        if named:
            found = f"nothing is known of ${{{min(named)}}}."
            return Problem(where, found, ", ".join(f"${{{name}}}" for name in NAMES), "Define it by `variable`.")
        return None

    @property
    def _fixes(self) -> list[str]:
        """Styles of the fixes."""
        found = [command.split() for _, command in self.commands]
        return [words[3] for words in found if words[0] == "fix" and len(words) > 3]

    @property
    def _own_variables(self) -> set[str]:
        found = [command.split() for _, command in self.commands]
        return {words[1] for words in found if words[0] == "variable" and len(words) > 1}


def _commands(text: str) -> list[tuple[int, str]]:
    """Commands with the numbers of their first lines: without comments, continued lines as one."""
    found, begun, first = list[tuple[int, str]](), "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = re.sub(r"(^|\s)#.*", "", line).strip()
        first = first if begun else number
        if stripped.endswith("&"):
            begun += stripped[:-1] + " "
            continue
        if command := (begun + stripped).strip():
            found.append((first, command))
        begun = ""
    return [*found, (first, begun.strip())] if begun.strip() else found


DEFAULTS: Final[Mapping[str, str]] = {
    "nve": "fix move all nve\n",
    "langevin": "fix move all nve\nfix heat all langevin ${temperature} ${temperature} 0.1 ${seed}\n",
    "nvt": "fix move all nvt temp ${temperature} ${temperature} 0.1\n",
    "npt": "fix move all npt temp ${temperature} ${temperature} 0.1 aniso ${pressure} ${pressure} 1.0\n",
    "relaxation": "min_style fire\nminimize 0.0 0.01 100000 100000\n",
}
"""Lines for who writes none. Times are in ps, the force in eV/Å."""


def default_lines(name: str) -> LammpsLines:
    """Lines of :data:`DEFAULTS`."""
    return LammpsLines.of(DEFAULTS[name], source=f"the lines for {name}")
