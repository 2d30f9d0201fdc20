"""Programs, groups of atoms, restraints and metadynamics, as they are written."""

from typing import Any

import numpy as np
import pytest
from ase.build import fcc111

from aims_pax.frame import Frame
from aims_pax.settings.md import MDSettings
from aims_pax.settings.motion.groups import GroupSettings
from aims_pax.settings.section import CONTRADICTION


def md(**written: Any) -> MDSettings:
    return MDSettings.model_validate({"stat_ensemble": "nvt", **written})


def at_odds(**written: Any) -> list[tuple[str, str]]:
    """Keys and words of what is refused."""
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match=r"\.") as caught:
        md(**written)
    return [
        (found.key, f"{found.found} {found.advice}")
        for details in caught.value.errors()
        if details["type"] == CONTRADICTION
        for found in details["ctx"][CONTRADICTION]
    ]


def slab() -> Frame:
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    return Frame("slab", 0, 0, 0, atoms.numbers.astype(np.int64), atoms.positions, atoms.cell.array, atoms.pbc)


def test_without_a_program_there_is_one_segment_or_a_ramp_and_what_is_held() -> None:
    (only,) = md(temperature=400).segments
    assert (only.md.temperature, only.n_steps, only.keys) == (400, None, ())
    ramp, held = md(temperature=400, final_temperature=600, ramp_steps=50).segments
    assert (ramp.n_steps, ramp.md.final_temperature) == (50, 600)
    assert (held.n_steps, held.md.temperature, held.md.ramp_steps) == (None, 600, None)


def test_an_entry_of_a_program_takes_from_md_what_it_leaves_out() -> None:
    anneal = md(
        temperature=300,
        friction=0.02,
        program=[
            {"stat_ensemble": "relax", "steps": 200, "max_force": 0.1},
            {"steps": 500, "final_temperature": 900},
            {"temperature": 900, "stat_ensemble": "npt", "barostat": "isomtk"},
        ],
    )
    relaxation, ramp, last = anneal.segments
    assert relaxation.relaxation is not None
    assert (relaxation.n_steps, relaxation.relaxation.max_force, relaxation.moves_cell) == (200, 0.1, False)
    assert (ramp.md.temperature, ramp.md.final_temperature, ramp.md.friction) == (300, 900, 0.02)
    assert (ramp.n_steps, ramp.md.ramp_steps, ramp.keys) == (500, 500, ("program", 1))
    assert (last.md.stat_ensemble, last.md.barostat, last.n_steps) == ("npt", "isomtk", None)
    assert anneal.moves_cell
    assert anneal.held == last.md.held
    assert not anneal.held.program


def test_a_program_that_repeats_holds_what_its_last_md_comes_to() -> None:
    cycle = md(program=[{"steps": 5, "final_temperature": 900}, {"stat_ensemble": "relax", "steps": 9}])
    assert (cycle.held.temperature, cycle.held.ramp_steps) == (900, None)


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ({"program": [{"temperature": 400}, {"steps": 5}]}, "program.0", "has no steps"),
        ({"program": [{"steps": 5, "stat_ensemble": "relax"}]}, "program", "holds no MD"),
        ({"program": [{"steps": 5}], "ramp_steps": 9}, "ramp_steps", "there is a program"),
        ({"program": [{"steps": 5}], "final_temperature": 9}, "final_temperature", "entry of the program"),
        ({"program": [{"steps": 5, "tdamp": 30.0}]}, "program.0.tdamp", "belongs to npt and the other thermostats"),
        ({"program": [{"steps": 5, "stat_ensemble": "nve", "friction": 0.1}]}, "program.0.friction", "has none"),
        ({"program": [{"steps": 5}], "pdamp": 30.0}, "pdamp", "nowhere in the program"),
        ({"hold": {"atoms": 0}, "stat_ensemble": "npt"}, "hold", "the cell would move them"),
        ({"hold": {"atoms": 0}, "program": [{"steps": 5, "stat_ensemble": "npt"}]}, "program.0", "would move them"),
    ],
)
def test_what_a_program_cannot_mean_is_pointed_at(written: dict[str, Any], key: str, words: str) -> None:
    ((found, said),) = at_odds(**written)
    assert found == key
    assert words in said


def test_what_one_entry_uses_is_no_mistake_of_the_others() -> None:
    mixed = md(tdamp=30.0, pdamp=300.0, thermostat="bussi", program=[{"steps": 5}, {"stat_ensemble": "npt"}])
    assert [one.md.stat_ensemble for one in mixed.segments] == ["nvt", "npt"]
    free = md(hold={"atoms": 0}, program=[{"steps": 5}, {"stat_ensemble": "npt", "hold": []}])
    assert [len(one.md.hold) for one in free.segments] == [1, 0]


def test_hills_can_be_left_out_of_an_entry() -> None:
    hills = {"variables": {"distance": [0, 1]}, "widths": 0.1, "height": 0.02}
    found = md(metadynamics=hills, program=[{"steps": 5, "metadynamics": False}, {"steps": 6}, {}])
    assert [one.md.metadynamics is None for one in found.segments] == [True, False, False]


@pytest.mark.parametrize(
    ("written", "atoms"),
    [
        ({"atoms": 3}, [3]),
        ({"atoms": [7, "0-2"]}, [0, 1, 2, 7]),
        ({"atoms": "0-2, 7"}, [0, 1, 2, 7]),
        ({"below": {"z": 7.0}}, [0, 1, 2, 3]),
        ({"above": {"z": 7.0}, "below": {"z": 9.0}}, [4, 5, 6, 7]),
        ({"elements": "Cu", "above": {"z": 9.0}}, [8, 9, 10, 11]),
        ({"atoms": "0-5", "above": {"z": 7.0}}, [4, 5]),
    ],
)
def test_a_group_is_named_by_number_element_or_place(written: dict[str, Any], atoms: list[int]) -> None:
    group = GroupSettings.model_validate(written)
    assert list(group.of(slab())) == atoms
    assert group.problem(slab()) is None


def test_a_group_that_a_structure_does_not_have_is_told() -> None:
    assert GroupSettings(elements=("H",)).problem(slab()) == "holds no atom of slab"
    words = "names atom 12, and slab has atoms 0 to 11"
    assert GroupSettings.model_validate({"atoms": "10-12"}).problem(slab()) == words


@pytest.mark.parametrize("atoms", ["", "3-1", "a", [True], 2.5, [], "1,1", {"z": 3}, -1])
def test_atoms_that_are_none_are_refused(atoms: object) -> None:
    with pytest.raises(ValueError, match=r"atoms"):
        GroupSettings.model_validate({"atoms": atoms})
