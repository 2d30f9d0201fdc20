"""How check says that trajectories move."""

from typing import Any

from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.checking.movement import motion
from aims_pax.settings.md import MDSettings

ETHANOL = frame_of(molecule("CH3CH2OH"), system="ethanol")


def said(**written: Any) -> list[tuple[str, str]]:
    return list(motion(MDSettings.model_validate({"stat_ensemble": "nvt", **written}), ETHANOL))


def test_every_entry_of_a_program_is_said_with_what_is_its_own() -> None:
    found = said(
        hold={"atoms": "3-8"},
        program=[
            {"stat_ensemble": "relax", "steps": 90, "max_force": 0.1},
            {"steps": 400, "final_temperature": 600, "hold": []},
            {"temperature": 600, "thermostat": "bussi", "load": {"atoms": 1, "force": [0, 0.5, 0]}},
        ],
    )
    assert found == [
        ("MD", "program of 3 entries, the last one lasts; steps of 0.5 fs"),
        ("  held", "H3 to H8 of ethanol: held"),
        ("  entry 0", "relaxation of atoms, until forces are below 0.1 eV/Å, 90 steps at most"),
        ("  entry 1", "NVT at 300 to 600 K, 400 steps (200 fs), friction 0.001 /fs (1 ps)"),
        ("    besides", "nothing acts"),
        ("  entry 2", "NVT at 600 K, for good, Bussi's thermostat of 50 fs"),
        ("    held", "H3 to H8 of ethanol: held"),
        ("    load", "(0, 0.5, 0) eV/Å on C1 of ethanol"),
    ]


def test_variables_are_said_with_the_symbols_of_their_atoms_and_what_they_are_at_the_start() -> None:
    """An atom that is counted wrongly is seen by it."""
    found = dict(
        said(
            hold={"atoms": 0, "velocity": [0, 0, 2], "directions": "z"},
            restraints={"variable": {"dihedral": [0, 1, 2, 3]}, "center": 60, "stiffness": 0.5},
            metadynamics={
                "variables": [
                    {"distance": [0, 2]},
                    {"coordination": {"atoms": 2, "partners": "3-8", "reach": 1.3}},
                ],
                "widths": [0.1, 0.2],
                "height": 0.02,
                "bias_factor": None,
            },
        )
    )
    assert found["  held"] == "C0 of ethanol: led at (0, 0, 2) Å/ps along z"
    assert found["  restraint"] == "dihedral C0-C1-O2-H3 at 60 degrees, 0.5 eV/rad² (at the start 180)"
    assert found["  metadynamics"] == (
        "along distance C0-O2 (at the start 2.365 Å) and coordination of 1 by 6 atoms (at the start 0.995): "
        "hills 0.1 Å and 0.2 wide and 0.02 eV high, every 500 steps (250 fs)"
    )
