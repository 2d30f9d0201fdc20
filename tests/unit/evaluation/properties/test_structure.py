"""Structure at a temperature: MD that is replayed to the bit, neighbours that methods share, chance that is told."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes

from aims_pax.evaluation.properties import Measured, Method, Property, Specimen, Unmeasured, measured
from aims_pax.evaluation.properties.dynamics.motion import Motion, moved
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.evaluation.properties.effort import Foretold, efforts_of

from .crystals import copper, specimen

STIFFNESS_EV_PER_ANG2 = 3.0

QUICK = StructureInMotion(time_ps=0.36, timestep_fs=4.0, friction_per_fs=0.05, length_ang=3.0)
MOTION = Motion(300.0, 1.0, 4.0, 0.05, 7, 40.0)


class Tethers(Calculator):  # type: ignore[misc]
    """Each atom on a spring of its own, which is fixed where the atom was first seen: cheap, and known to a formula."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, stiffness_ev_per_ang2: float = STIFFNESS_EV_PER_ANG2) -> None:
        super().__init__()
        self._stiffness, self._home = stiffness_ev_per_ang2, np.zeros((0, 3))

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        if len(self._home) != len(atoms):
            self._home = atoms.positions.copy()
        away = atoms.positions - self._home
        forces = -self._stiffness * away
        self.results = {"energy": 0.5 * self._stiffness * float(np.square(away).sum()), "forces": forces}


def tethered(stiffness_ev_per_ang2: float = STIFFNESS_EV_PER_ANG2) -> Method:
    return Method("tethers", lambda _atoms: Tethers(stiffness_ev_per_ang2))


def found(wanted: Property, atoms: Atoms, method: Method) -> Measured:
    outcome = measured(wanted, specimen(atoms, method))
    assert isinstance(outcome, Measured), outcome
    return outcome


def test_atoms_on_springs_are_as_far_from_home_as_equipartition_says() -> None:
    atoms = copper().repeat(2)
    frames = moved(specimen(atoms, tethered()), atoms, replace(MOTION, time_ps=3.0))
    squares = np.mean([np.square(frame.positions - atoms.positions) for frame in frames])
    assert squares == pytest.approx(units.kB * 300.0 / STIFFNESS_EV_PER_ANG2, rel=0.1)  # 72 frames of 96 numbers
    assert len(frames) == replace(MOTION, time_ps=3.0).n_kept


def test_md_that_is_asked_for_again_goes_through_the_very_same_structures() -> None:
    """A reference's labels are kept by the structures themselves: a bit that differs is a label more."""
    seen: list[list[bytes]] = []

    class Noting(Tethers):
        def calculate(self, atoms: Any = None, *arguments: Any, **named: Any) -> None:
            super().calculate(atoms, *arguments, **named)
            seen[-1].append(atoms.positions.tobytes())

    for _ in range(2):
        seen.append([])
        found(QUICK, copper(), Method("noting", lambda _atoms: Noting()))
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == QUICK.effort(copper()).n_single == 91


def test_of_few_atoms_more_structures_are_kept() -> None:
    """Or a piece would be one structure, whose only angle has no spread."""
    outcome = found(replace(QUICK, time_ps=0.66), molecule("CO2"), tethered(10.0))
    (course,) = outcome.course
    assert len(course) >= 60
    assert {one.key: one.value for one in outcome.quantities}["angle_c_spread_deg"] > 1.0


def test_another_seed_is_another_run() -> None:
    one, other = (found(replace(QUICK, seed=seed), copper(), tethered()) for seed in (1, 2))
    assert one.quantities[0].value != other.quantities[0].value


def test_numbers_are_means_of_pieces_and_each_function_has_its_panel() -> None:
    outcome = found(QUICK, bulk("NaCl", "rocksalt", a=5.64, cubic=True), tethered(8.0))
    numbers = {one.key: one for one in outcome.quantities}
    assert numbers["na-cl_first_peak_ang"].value == pytest.approx(2.82, abs=0.05)
    assert numbers["coordination_na_cl"].value == pytest.approx(6.0)
    assert numbers["angle_na_mean_deg"].value == pytest.approx(108.0, abs=2.0), "12 of 90°, 3 of 180°, blurred"
    assert all(len(one.blocks) == 6 and one.value == pytest.approx(np.mean(one.blocks)) for one in outcome.quantities)
    assert {one.key for one in outcome.panels} >= {"radial_Na-Cl", "coordination_Na_Cl", "angles_Na"}
    assert all(one.lines[0].half_width is not None for one in outcome.panels)
    assert any("neighbours up to: Na-Na" in words for words in outcome.remarks)


def test_all_methods_have_the_neighbours_of_all_together() -> None:
    wide, narrow = (found(QUICK, copper(), tethered(stiffness)) for stiffness in (0.3, 30.0))
    together = QUICK.together([wide, narrow])

    def neighbours(one: Measured) -> str:
        (said,) = [words for words in one.remarks if words.startswith("neighbours")]
        return said

    assert neighbours(together[0]) == neighbours(together[1])
    assert neighbours(wide) != neighbours(narrow), "or nothing was shared"
    panels = [{one.key: one.lines[0].x.tolist() for one in each.panels} for each in together]
    assert panels[0] == panels[1], "the same places, so that curves lie over each other"


def test_rings_that_others_alone_make_are_none_of_a_method() -> None:
    triangle = Atoms("C3", positions=[[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [0.75, 1.3, 0.0]])
    chain = Atoms("C3", positions=[[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [3.0, 0.0, 0.0]])
    each = [found(QUICK, atoms, tethered(60.0)) for atoms in (triangle, chain)]
    values = [{one.key: one.value for one in some.quantities} for some in QUICK.together(each)]
    assert values[0]["rings_of_3_per_atom"] == pytest.approx(1 / 3)
    assert values[1]["rings_of_3_per_atom"] == 0.0


def test_a_molecule_has_no_volume_which_is_said() -> None:
    outcome = found(QUICK, molecule("CO2"), tethered(60.0))
    assert any("it is a molecule, without a volume" in words for words in outcome.remarks)
    assert outcome.panels[0].y_label == "neighbours of an atom (1/Å)"
    assert measured(QUICK, specimen(Atoms("Cu"), tethered())) == Unmeasured(
        "not for this structure", "it is a single atom"
    )  # type: ignore[arg-type]


def test_a_supercell_is_told_and_what_is_too_small_for_its_length_too() -> None:
    whole = found(replace(QUICK, length_ang=7.0), copper(), tethered())
    assert "MD of 32 atoms (2 x 2 x 2 cells) at 300 K" in whole.remarks[0]
    short = found(replace(QUICK, length_ang=9.0, most_atoms=20), copper(), tethered())
    assert any("for want of more than 20 atoms" in words for words in short.remarks)
    assert replace(QUICK, length_ang=9.0, most_atoms=20).effort(copper()).n_atoms <= 20


def test_pieces_that_remember_one_another_are_told() -> None:
    said = {
        time_ps: [
            words for words in found(replace(QUICK, time_ps=time_ps), copper(), tethered()).remarks if "rem" in words
        ]
        for time_ps in (0.2, 0.4)
    }
    assert said[0.2] == ["pieces of 0.023 ps remember one another: intervals are too narrow, and a longer MD is needed"]
    assert said[0.4] == []


def test_steps_are_half_as_long_with_hydrogen_and_the_relaxed_structure_is_not_asked_for() -> None:
    usual = StructureInMotion()
    assert isinstance(usual, Foretold)
    steps = [usual.effort(atoms).n_single for atoms in (copper(), molecule("H2O"))]
    assert steps == [2001, 4001]
    assert [one.at_most for one in efforts_of([usual], [copper()])] == [2001]


def test_md_that_does_not_hold_is_a_reason() -> None:
    class Pushing(Tethers):
        def calculate(self, *arguments: Any, **named: Any) -> None:
            super().calculate(*arguments, **named)
            self.results["forces"] = -2.0 * self.results["forces"]

    outcome = measured(QUICK, specimen(molecule("CO2"), Method("pushing", lambda _atoms: Pushing(5.0))))
    assert isinstance(outcome, Unmeasured)
    assert "its MD heated up to" in outcome.reason or "fell onto each other" in outcome.reason


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"time_ps": 0.3}, "is 0.3 ps, of which the first 0.3 ps are left out"),
        ({"temperature_k": -1.0}, "temperature_k: is -1"),
        ({"timestep_fs": float("nan")}, "timestep_fs: is nan"),
        ({"time_ps": float("inf")}, "time_ps: is inf"),
    ],
)
def test_what_can_not_be_is_a_problem(changed: dict[str, float], told: str) -> None:
    (problem,) = StructureInMotion(**changed).problems()  # type: ignore[arg-type]
    assert told in str(problem)
    assert StructureInMotion().problems() == []


def test_a_specimen_shows_its_steps() -> None:
    shown: list[str] = []
    StructureInMotion.measure(QUICK, Specimen("copper", copper(), tethered(), show=shown.append))
    assert shown[-1] == "MD, step 90 of 90"
