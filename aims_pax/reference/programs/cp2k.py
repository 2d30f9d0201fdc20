"""What CP2K is told: arguments of ASE's calculator, and sections of its own input."""

from dataclasses import replace
from typing import Any

from aims_pax.reference.programs.engine_run import EngineRun


def cp2k_arguments(run: EngineRun) -> dict[str, Any]:
    """What ASE's calculator of CP2K is told."""
    arguments = replace(run, kpts=None).arguments(
        charge=run.charge,
        multiplicity=run.multiplicity,
        uks=(run.multiplicity or 1) > 1,
        stress_tensor=run.want_stress,
    )
    if run.kpts is not None and run.kpts != (1, 1, 1):  # CP2K has faster routines for the Γ point alone
        arguments["inp"] = with_k_points(arguments.get("inp", ""), run.kpts)
    return arguments


def with_k_points(inp: str, mesh: tuple[int, int, int]) -> str:
    """CP2K's input with a Monkhorst-Pack mesh in the section that may be there already: it takes none twice."""
    from ase.calculators.cp2k import parse_input

    root = parse_input(inp)
    root.add_keyword("FORCE_EVAL/DFT/KPOINTS", f"SCHEME MONKHORST-PACK {mesh[0]} {mesh[1]} {mesh[2]}")
    return "\n".join(root.write())
