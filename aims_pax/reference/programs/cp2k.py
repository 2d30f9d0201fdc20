"""What CP2K is told: arguments of ASE's calculator, and sections of its own input."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from aims_pax.reference.programs.engine_run import EngineRun
from aims_pax.reference.programs.precision import precision_of
from aims_pax.settings.methods.engines import Cp2kSettings

if TYPE_CHECKING:
    from ase.calculators.cp2k import InputSection

Grid = tuple[int, int, int]

SCF: Final = "FORCE_EVAL/DFT/SCF"
K_POINTS: Final = "FORCE_EVAL/DFT/KPOINTS"

LEAST_STATES: Final = 20
"""Unoccupied states in aiida-common-workflows' small cells. ABINIT has two an atom (fband), as larger ones here."""

UNDIVIDED: Final = (f"{SCF}/SMEAR", f"{SCF}/MIXING")
"""Sections of which the user's is taken as it is: a width of one kind of smearing is none of another."""


def cp2k_arguments(run: EngineRun) -> dict[str, Any]:
    """What ASE's calculator of CP2K is told."""
    arguments = replace(run, kpts=None).arguments(
        charge=run.charge,
        multiplicity=run.multiplicity,
        uks=(run.multiplicity or 1) > 1,
        stress_tensor=run.want_stress,
    )
    if run.precision is not None:
        wanted = [run.precision.arguments["inp"], *([run.precision.of_crystals["inp"]] if run.is_periodic else [])]
        for sections in wanted:
            arguments["inp"] = with_lines(arguments.get("inp", ""), sections, n_states=2 * len(run.atoms))
    if run.kpts is not None and run.kpts != (1, 1, 1):  # CP2K has faster routines for the Γ point alone
        scheme = about_no_point if run.centred is None else about_gamma
        arguments["inp"] = with_k_points(arguments.get("inp", ""), scheme(run.kpts))
    return arguments


def about_no_point(mesh: Grid) -> str:
    """Monkhorst and Pack's own grid, of which even numbers leave the Γ point out."""
    return f"SCHEME MONKHORST-PACK {mesh[0]} {mesh[1]} {mesh[2]}"


def about_gamma(mesh: Grid) -> str:
    """The same moved onto the Γ point, by half a step along even numbers."""
    steps = " ".join(f"{0.0 if n % 2 else 0.5 / n:.12g}" for n in mesh)
    return f"SCHEME MACDONALD {mesh[0]} {mesh[1]} {mesh[2]} {steps}"


def with_k_points(inp: str, scheme: str) -> str:
    """CP2K's input with k points in the section that may be there already: it takes none twice."""
    from ase.calculators.cp2k import parse_input

    root = parse_input(inp)
    root.add_keyword(K_POINTS, scheme)
    return "\n".join(root.write())


def with_lines(inp: str, sections: Mapping[str, Sequence[str]], *, n_states: int = 0) -> str:
    """CP2K's input with further keywords by section, where it does not say them itself.

    Parameters
    ----------
    n_states : int
        Least number of unoccupied states that smearing may fill.
    """
    from ase.calculators.cp2k import parse_input

    root = parse_input(inp)
    for path, lines in sections.items():
        section = _section(root, path)
        if section is not None and path in UNDIVIDED:
            continue
        said = set() if section is None else {line.split()[0].upper() for line in section.keywords}
        for line in lines:
            if line.split()[0] not in said:
                root.add_keyword(path, line.format(states=max(LEAST_STATES, n_states)))
    return "\n".join(root.write())


def cp2k_problems(settings: Cp2kSettings, *, periodic: bool) -> list[str]:
    """Why a protocol can't be what it says; none without one."""
    from ase.calculators.cp2k import parse_input

    if precision_of(settings) is None or not periodic:
        return []
    try:
        transformed = _section(parse_input(str(settings.parameters.get("inp", ""))), f"{SCF}/OT")
    except IndexError:
        return ["REFERENCE.parameters.inp has more &END than sections; correct it"]
    if transformed is None or (transformed.params or "").upper() in ("OFF", "F", "FALSE", ".FALSE."):
        return []
    return [
        f"REFERENCE.protocol is {settings.protocol}, which smears the states of crystals and may ask for k points, and "
        "REFERENCE.parameters.inp has &OT, which knows neither; leave out one of them"
    ]


def _section(root: "InputSection", path: str) -> "InputSection | None":
    """A section of CP2K's input; None where there is none."""
    found = root
    for name in path.split("/"):
        inner = [one for one in found.subsections if one.name == name]
        if not inner:
            return None
        found = inner[0]
    return found
