"""Structures of files, sorted by what a reference needs to know of each: its atoms, and whether it is periodic."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from aims_pax.dataset.given import Given
from aims_pax.errors import Problem
from aims_pax.frame import Frame
from aims_pax.labelling.free_atoms import TRAJECTORY
from aims_pax.settings import Project
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.systems import System

MAX_NAMED: Final = 5
"""Structures that are named one by one where many are meant."""


def by_composition(given: Sequence[Given], data: Path) -> tuple[list[Frame], list[System]]:
    """Frames with the system whose input labels them, and these: one for each composition, and for being periodic.

    A free atom is a state that the reference knows of by itself, and goes with the first of them.
    """
    names: dict[tuple[str, str, bool], str] = {}
    systems: list[System] = []
    for one in given:
        kind = _kind(one)
        if kind in names or one.is_free_atom:
            continue
        is_alone = all(other[0] != kind[0] for other in names)
        names[kind] = kind[0] if is_alone else f"{kind[0]}-{kind[1]}{'-crystal' if kind[2] else ''}"
        frame = replace(one.frame, system=names[kind], trajectory=len(systems), md_step=0, generation=0)
        systems.append(System(names[kind], frame, data))
    first = systems[0].name if systems else data.stem
    frames = [
        replace(
            one.frame,
            system=first if one.is_free_atom else names[_kind(one)],
            trajectory=TRAJECTORY if one.is_free_atom else -1,
            md_step=one.index + 1,
            generation=0,
        )
        for one in given
    ]
    return frames, systems


def _kind(one: Given) -> tuple[str, str, bool]:
    return one.frame.system, _formula(one.frame), bool(one.frame.pbc.any())


def _formula(frame: Frame) -> str:
    from ase.data import chemical_symbols

    numbers = frame.numbers.tolist()
    return "".join(f"{chemical_symbols[z]}{numbers.count(z)}" for z in sorted(set(numbers)))


def charge_problems(given: Sequence[Given], frames: Sequence[Frame], project: Project, data: Path) -> list[Problem]:
    """Structures that speak of another charge than the reference is told: they would be labelled as another ion."""
    by_name = {system.name: told_by(project.reference_for(system)).charge for system in project.systems}
    wrong: dict[tuple[float, float], list[int]] = {}
    for one, frame in zip(given, frames, strict=True):
        told = None if one.is_free_atom else by_name[frame.system]
        if one.charge is not None and told is not None and abs(one.charge - told) > 1e-6:
            wrong.setdefault((one.charge, told), []).append(one.index + 1)
    return [
        Problem(
            where=f"{data}, structure{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:MAX_NAMED]))}"
            + (f" and {len(numbers) - MAX_NAMED} more" if len(numbers) > MAX_NAMED else ""),
            found=f"speaks of a charge of {charge:g}, and the reference is told {told:g}.",
            allowed="structures of one charge, which REFERENCE says",
            advice="Set REFERENCE.charge, or label those of each charge by themselves (--start, --end).",
        )
        for (charge, told), numbers in wrong.items()
    ]
