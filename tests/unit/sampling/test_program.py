"""What MD asks for, as segments."""

from math import pi, radians
from typing import Any

import numpy as np
import pytest

from aims_pax.frame import Frame
from aims_pax.sampling.bias import Coordination, Dihedral, Load, MeanPosition, Metadynamics, Restraint, Tempering
from aims_pax.sampling.dynamics import Bussi, Fire, Langevin, MartynaTobiasKlein
from aims_pax.sampling.program import program_of
from aims_pax.settings.md import MDSettings
from aims_pax.settings.systems import System
from aims_pax.trajectory import Held
from aims_pax.units import PASCAL_EV_PER_ANG3


def system(fixed: list[tuple[int, ...]] | None = None) -> System:
    """Five carbon atoms in a zigzag; rows of `fixed` are atom and directions."""
    places = np.array([[1.2 * k, 0.5 * (k % 2), 0.1 * k] for k in range(5)])
    frame = Frame("chain", 0, 0, 0, np.full(5, 6), places)
    mask = np.zeros((5, 3), dtype=np.bool_)
    for atom, *along in fixed or ():
        mask[atom, along] = True
    return System("chain", frame, fixed=mask if fixed else None)


def segments(fixed: list[tuple[int, ...]] | None = None, **written: Any) -> Any:
    return program_of(MDSettings.model_validate({"stat_ensemble": "nvt", **written}), system(fixed))


def test_a_program_has_a_segment_for_each_entry() -> None:
    relaxed, heated, cooled, lasting = segments(
        thermostat="bussi",
        program=[
            {"stat_ensemble": "relax", "steps": 70, "max_force": 0.2},
            {"steps": 50, "final_temperature": 900},
            {"steps": 60, "temperature": 900, "final_temperature": 200, "thermostat": "langevin"},
            {"temperature": 200, "stat_ensemble": "npt", "pressure": 1e9},
        ],
    )
    assert relaxed.dynamics == Fire(0.2)
    assert (relaxed.n_steps, heated.n_steps, cooled.n_steps, lasting.n_steps) == (70, 50, 60, None)
    assert heated.dynamics == Bussi(50.0)
    assert isinstance(cooled.dynamics, Langevin)
    assert isinstance(lasting.dynamics, MartynaTobiasKlein)
    assert [one.temperature_k for one in (heated, cooled, lasting)] == [300, 900, 200]
    assert [one.final_temperature_k for one in (heated, cooled, lasting)] == [900, 200, None]
    assert lasting.pressure_ev_per_ang3 == pytest.approx(1e9 * PASCAL_EV_PER_ANG3)


def test_what_a_file_holds_and_what_md_holds_are_held() -> None:
    (only,) = segments(
        fixed=[(0, 0, 1, 2), (1, 0, 1, 2), (3, 2)], hold={"atoms": 4, "directions": "x", "velocity": [2.0, 0.0, 0.0]}
    )
    assert set(only.held) == {
        Held((0, 1)),
        Held((3,), (False, False, True)),
        Held((4,), (True, False, False), (0.002, 0.0, 0.0)),
    }


def test_biases_are_those_that_are_written_in_radians() -> None:
    (only,) = segments(
        load={"atoms": [0, 1], "force": [0.0, 0.0, 1.0]},
        hold={"atoms": 4},
        restraints=[
            {"variable": {"dihedral": [0, 1, 2, 3]}, "center": 270, "stiffness": 2},
            {"variable": {"place": {"above": {"x": 3.0}, "along": "y"}}, "center": 1, "stiffness": 3},
        ],
        metadynamics={
            "variables": [
                {"dihedral": [1, 2, 3, 4]},
                {"coordination": {"atoms": 0, "partners": "2-4", "reach": 2}},
            ],
            "widths": [10, 0.2],
            "height": 0.03,
            "every": 40,
            "bias_factor": 6,
        },
        final_temperature=600,
        ramp_steps=9,
    )[1:]
    load, turned, placed, hills = only.biases
    assert load == Load((0, 1), (0.0, 0.0, 1.0))
    assert turned == Restraint(Dihedral((0, 1, 2, 3)), pytest.approx(-pi / 2), 2)
    assert placed == Restraint(MeanPosition((3, 4), (0.0, 1.0, 0.0)), 1, 3)
    assert hills == Metadynamics(
        (Dihedral((1, 2, 3, 4)), Coordination((0,), (2, 3, 4), 2)),
        (radians(10), 0.2),
        0.03,
        40,
        Tempering(6, 600),
    )


def test_entries_of_different_temperatures_go_on_with_the_same_hills() -> None:
    hills = {"variables": {"dihedral": [0, 1, 2, 3]}, "widths": 10, "height": 0.03}
    hot, cold = segments(metadynamics=hills, program=[{"steps": 5, "temperature": 900}, {"temperature": 400}])
    assert hot.biases == cold.biases
    assert cold.biases[0].tempering == Tempering(10.0, 400)
