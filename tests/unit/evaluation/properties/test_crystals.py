"""Numbers of crystals against the same ones found otherwise: by few lines of one's own, by relations, by books."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule, mx2
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar

from aims_pax.atoms import frame_of
from aims_pax.evaluation.properties import Measured, Method, measured
from aims_pax.evaluation.properties.cohesive import CohesiveEnergy
from aims_pax.evaluation.properties.defects.defect import pair_names
from aims_pax.evaluation.properties.defects.divacancy import DivacancyEnergies
from aims_pax.evaluation.properties.defects.interstitial import InterstitialEnergies, holes_of
from aims_pax.evaluation.properties.defects.rotation import BondRotationEnergies
from aims_pax.evaluation.properties.defects.substitution import SubstitutionEnergies
from aims_pax.evaluation.properties.defects.vacancy import VacancyEnergies
from aims_pax.evaluation.properties.elastic import ElasticConstants
from aims_pax.evaluation.properties.equation_of_state import EquationOfState
from aims_pax.evaluation.properties.lattice import LatticeConstants
from aims_pax.evaluation.properties.surface import SurfaceEnergies
from aims_pax.evaluation.structure.rings import rings_in
from aims_pax.units import GIGAPASCAL_EV_PER_ANG3

from .crystals import copper, effective_medium, lennard_jones, numbers, specimen

pytest.importorskip("spglib")


def energy_of_copper(a_ang: float) -> float:
    """Of an atom of the crystal, eV."""
    atoms = bulk("Cu", a=a_ang)
    atoms.calc = EMT()
    return float(atoms.get_potential_energy())


@pytest.fixture(scope="module")
def a_ang() -> float:
    """Lattice constant of copper, by a search along a line."""
    return float(minimize_scalar(energy_of_copper, bounds=(3.4, 3.8), method="bounded", options={"xatol": 1e-7}).x)


def test_the_lattice_constant_is_where_the_energy_is_lowest(a_ang: float) -> None:
    found = numbers(LatticeConstants(), copper(), effective_medium())
    assert found == {"a_ang": pytest.approx(a_ang, abs=1e-3)}  # as relaxations are converged
    assert a_ang == pytest.approx(3.59, abs=0.005), "the effective medium theory of copper, by ASE's own pages"


def test_a_primitive_cell_and_a_supercell_have_the_constants_of_the_conventional_one() -> None:
    each = [numbers(LatticeConstants(), atoms, effective_medium()) for atoms in (bulk("Cu"), copper() * (2, 1, 1))]
    assert each[0] == pytest.approx(each[1], abs=1e-3)


def test_lengths_that_symmetry_leaves_free_are_told_and_no_others() -> None:
    assert set(numbers(LatticeConstants(), bulk("Cu", "hcp", a=2.55, c=4.16), effective_medium())) == {"a_ang", "c_ang"}


def test_a_structure_that_finds_more_symmetry_is_told_by_the_cell_that_it_was_given_in() -> None:
    """A method that does not find it speaks of the same cell."""
    rattled = copper() * (2, 1, 1)
    rattled.rattle(0.05, seed=3)
    outcome = measured(LatticeConstants(), specimen(rattled, effective_medium()))
    assert isinstance(outcome, Measured)
    assert sorted(one.value for one in outcome.quantities if one.unit == "Å") == pytest.approx([3.59, 7.18], abs=0.01)
    assert outcome.remarks == ("its symmetry changed from P1 to Fm-3m while it was relaxed",)


def test_the_bulk_modulus_is_the_curvature_of_the_energy(a_ang: float) -> None:
    found = numbers(EquationOfState(), bulk("Cu"), effective_medium())
    volume, step = a_ang**3 / 4, 0.05
    energies = [energy_of_copper((4 * (volume + shift)) ** (1 / 3)) for shift in (-step, 0.0, step)]
    curvature = (energies[0] - 2 * energies[1] + energies[2]) / step**2
    assert found["volume_ang3_per_atom"] == pytest.approx(volume, rel=1e-3)
    assert found["bulk_modulus_gpa"] == pytest.approx(volume * curvature / GIGAPASCAL_EV_PER_ANG3, rel=0.01)
    assert found["bulk_modulus_gpa"] == pytest.approx(134, abs=2), "by ASE's own pages"


def test_pairs_of_a_crystal_without_pressure_obey_cauchy() -> None:
    """Central forces, every atom a centre of symmetry: C12 = C44 (Born & Huang, 1954)."""
    found = numbers(ElasticConstants(), bulk("Ar", cubic=True, a=5.3), lennard_jones())
    assert found["c12_gpa"] == pytest.approx(found["c44_gpa"], rel=5e-3)
    assert found["bulk_modulus_hill_gpa"] == pytest.approx((found["c11_gpa"] + 2 * found["c12_gpa"]) / 3, rel=1e-6)
    eos = numbers(EquationOfState(), bulk("Ar", cubic=True, a=5.3), lennard_jones())
    assert found["bulk_modulus_hill_gpa"] == pytest.approx(eos["bulk_modulus_gpa"], rel=0.01)


def test_elastic_constants_are_those_of_the_standard_setting_however_a_crystal_lies() -> None:
    lying = bulk("Cu")
    lying.rotate(33, (1, 2, 3), rotate_cell=True)
    upright = numbers(ElasticConstants(), copper(), effective_medium())
    found = numbers(ElasticConstants(), lying, effective_medium())
    assert max(found.pop("asymmetry_gpa"), upright.pop("asymmetry_gpa")) < 0.1, "as relaxations are converged"
    assert found == pytest.approx(upright, rel=2e-3)
    assert [upright[f"{name}_gpa"] for name in ("c11", "c12", "c44")] == pytest.approx([173, 116, 90], abs=1.5)


def test_a_hexagonal_crystal_has_five_constants_and_is_isotropic_in_its_plane() -> None:
    outcome = measured(ElasticConstants(), specimen(bulk("Cu", "hcp", a=2.55, c=4.16), effective_medium()))
    assert isinstance(outcome, Measured)
    told = {one.key for one in outcome.quantities if one.key[0] == "c"}
    assert told == {"c11_gpa", "c12_gpa", "c13_gpa", "c33_gpa", "c44_gpa"}
    assert outcome.remarks == ("hexagonal, with C11 = C22, C13 = C23, C44 = C55, (C11 - C12) / 2 = C66",)
    (asymmetry,) = (one.value for one in outcome.quantities if one.key == "asymmetry_gpa")
    assert asymmetry < 0.2, "GPa: as relaxations are converged"


def test_a_phase_that_is_no_minimum_stays_itself_and_is_called_unstable() -> None:
    outcome = measured(ElasticConstants(), specimen(bulk("Cu", "bcc", a=2.87), effective_medium()))
    assert isinstance(outcome, Measured)
    found = {one.key: one.value for one in outcome.quantities}
    assert found["c11_gpa"] < found["c12_gpa"], "it gives way to the strain that leads to fcc"
    assert "youngs_modulus_gpa" not in found
    assert "not stable" in outcome.remarks[0]


def test_the_cohesive_energy_is_that_of_free_atoms(a_ang: float) -> None:
    alone = Atoms("Cu", calculator=EMT())
    expected = alone.get_potential_energy() - energy_of_copper(a_ang)
    found = numbers(CohesiveEnergy(), copper(), effective_medium())
    assert found["cohesive_energy_ev_per_atom"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("off_ev", "is_told"), [(0.01, False), (1.5, True)])
def test_free_atoms_that_a_model_was_given_are_its_zero_and_others_of_its_own_are_told(
    a_ang: float, off_ev: float, is_told: bool
) -> None:
    calculator = EMT()
    given_ev = Atoms("Cu", calculator=EMT()).get_potential_energy() + off_ev
    outcome = measured(
        CohesiveEnergy(), specimen(copper(), Method("model", lambda _: calculator, given_atoms_ev={29: given_ev}))
    )
    assert isinstance(outcome, Measured)
    assert outcome.quantities[0].value == pytest.approx(given_ev - energy_of_copper(a_ang), abs=1e-4)
    assert bool(outcome.remarks) == is_told


def test_a_vacancy_costs_what_it_costs_by_hand(a_ang: float) -> None:
    perfect = bulk("Cu", cubic=True, a=a_ang) * (3, 3, 3)
    perfect.calc = EMT()
    energy = perfect.get_potential_energy()
    defect = perfect.copy()
    del defect[0]
    defect.calc = EMT()
    at_once = defect.get_potential_energy() - energy * 107 / 108
    BFGS(defect, logfile=None).run(fmax=1e-3)
    found = numbers(VacancyEnergies(), copper(), effective_medium())
    assert found["unrelaxed_vacancy_cu_ev"] == pytest.approx(at_once, abs=2e-3)
    assert found["vacancy_cu_ev"] == pytest.approx(defect.get_potential_energy() - energy * 107 / 108, abs=2e-3)


def test_each_kind_of_site_of_a_compound_has_its_vacancy() -> None:
    crystal = bulk("CuAu", "cesiumchloride", a=3.05)
    outcome = measured(VacancyEnergies(), specimen(crystal, effective_medium()))
    assert isinstance(outcome, Measured)
    assert {"vacancy_cu_ev", "vacancy_au_ev"} <= {one.key for one in outcome.quantities}
    assert "free atoms" in outcome.remarks[0]


def test_a_divacancy_costs_what_it_costs_by_hand(a_ang: float) -> None:
    perfect = bulk("Cu", cubic=True, a=a_ang) * (3, 3, 3)
    perfect.calc = EMT()
    energy = perfect.get_potential_energy()
    defect = perfect.copy()
    del defect[[0, 1]]  # neighbours within the cell
    defect.calc = EMT()
    at_once = defect.get_potential_energy() - energy * 106 / 108
    found = numbers(DivacancyEnergies(), copper(), effective_medium())
    assert found["unrelaxed_divacancy_cu_ev"] == pytest.approx(at_once, abs=2e-3)
    vacancy = numbers(VacancyEnergies(), copper(), effective_medium())["vacancy_cu_ev"]
    assert vacancy < found["divacancy_cu_ev"] < 2 * vacancy, "they bind"


def test_each_kind_of_neighbours_is_a_pair() -> None:
    assert list(pair_names(bulk("CuAu", "cesiumchloride", a=3.05))) == ["Au Cu"]
    assert list(pair_names(bulk("Cu", "hcp", a=2.55, c=4.16))) == ["Cu"], "also where a cell has one kind of site"
    first, second = pair_names(bulk("Cu", a=3.6))["Cu"]
    assert first != second


def test_a_turned_bond_makes_two_pentagons_and_two_heptagons() -> None:
    sheet = graphene(vacuum=6.0)
    perfect = sheet.repeat((5, 5, 1))
    turned = BondRotationEnergies().made("turned bond C", sheet, perfect)
    assert len(turned) == len(perfect)
    moved = np.flatnonzero(np.abs(turned.positions - perfect.positions).max(axis=1) > 1e-6)
    assert len(moved) == 2
    assert turned.get_distance(*moved, mic=True) == pytest.approx(perfect.get_distance(*moved, mic=True))
    assert np.ptp(turned.positions[:, 2]) == pytest.approx(0.0, abs=1e-9)
    frame = frame_of(turned, system="sheet", trajectory=0, md_step=0)
    counts = 50 * rings_in(frame, {(6, 6): 1.75})  # bonds beside it are stretched until it is relaxed
    assert counts[:8].round(6).tolist() == [0, 0, 0, 0, 0, 2, 21, 2]


def test_only_flat_sheets_of_hexagons_have_a_bond_to_turn() -> None:
    wanted = BondRotationEnergies()
    assert wanted.unfit(graphene(vacuum=6.0)) is None
    for other in (copper(), bulk("C", "diamond", a=3.57), molecule("C6H6"), mx2("MoS2", vacuum=6.0)):
        assert wanted.unfit(other) == "it is no flat sheet in which each atom has three neighbours"


def test_holes_of_fcc_are_octahedra_and_tetrahedra() -> None:
    for crystal in (bulk("Cu", a=3.6), bulk("Cu", cubic=True, a=3.6)):
        (_, octahedron), (_, tetrahedron) = holes_of(crystal)
        assert (octahedron, tetrahedron) == (pytest.approx(1.8), pytest.approx(3.6 * np.sqrt(3) / 4))


def test_holes_of_rock_salt_have_four_of_each_ion() -> None:
    ((place, radius_ang),) = holes_of(bulk("NaCl", "rocksalt", cubic=True, a=5.64))
    assert radius_ang == pytest.approx(5.64 * np.sqrt(3) / 4)
    np.testing.assert_allclose(np.abs(place % 0.5 - 0.25), 0.0, atol=1e-6)


def test_an_interstitial_costs_what_it_costs_by_hand(a_ang: float) -> None:
    perfect = bulk("Cu", cubic=True, a=a_ang) * (2, 2, 2)
    perfect.calc = EMT()
    energy = perfect.get_potential_energy()
    defect = perfect.copy() + Atoms("Cu", positions=[[a_ang / 2, 0.0, 0.0]])
    defect.calc = EMT()
    at_once = defect.get_potential_energy() - energy * 33 / 32
    found = numbers(InterstitialEnergies(distance_ang=7.0), copper(), effective_medium())
    assert found["unrelaxed_interstitial_cu_1_ev"] == pytest.approx(at_once, abs=5e-3)
    assert found["interstitial_cu_1_ev"] < at_once
    assert set(found) >= {"interstitial_cu_2_ev"}, "the tetrahedron"


def test_a_foreign_atom_costs_what_it_costs_by_hand(a_ang: float) -> None:
    perfect = bulk("Cu", cubic=True, a=a_ang) * (2, 2, 2)
    perfect.calc = EMT()
    energy = perfect.get_potential_energy()
    defect = perfect.copy()
    defect.symbols[0] = "Ag"
    defect.calc = EMT()
    free = Atoms("Ag", calculator=EMT()).get_potential_energy()
    at_once = defect.get_potential_energy() - energy * 31 / 32 - free
    found = numbers(SubstitutionEnergies(distance_ang=7.0, elements=("Ag",)), copper(), effective_medium())
    assert set(found) == {"ag_on_cu_ev", "unrelaxed_ag_on_cu_ev"}
    assert found["unrelaxed_ag_on_cu_ev"] == pytest.approx(at_once, abs=2e-3)


def test_a_compound_has_antisites_and_an_exchange_that_needs_no_free_atoms() -> None:
    crystal = bulk("CuAu", "cesiumchloride", a=3.05)
    found = numbers(SubstitutionEnergies(distance_ang=5.0), crystal, effective_medium())
    assert {key for key in found if not key.startswith("unrelaxed")} == {
        "au_on_cu_ev",
        "cu_on_au_ev",
        "exchange_au_cu_ev",
    }
    assert 0.0 < found["exchange_au_cu_ev"] < found["unrelaxed_exchange_au_cu_ev"]
    assert SubstitutionEnergies().unfit(copper()) == "it is of one element, and no other was named to be put there"


def test_a_surface_costs_what_a_slab_of_ase_costs(a_ang: float) -> None:
    slab = fcc111("Cu", (1, 1, 8), a=a_ang, vacuum=8.0)
    slab.calc = EMT()
    area = float(np.linalg.norm(np.cross(slab.cell[0], slab.cell[1])))
    at_once = (slab.get_potential_energy() - 8 * energy_of_copper(a_ang)) / (2 * area) * 16.02176634
    found = numbers(SurfaceEnergies(indices=((1, 1, 1),)), bulk("Cu"), effective_medium())
    assert found["unrelaxed_surface_111_j_per_m2"] == pytest.approx(at_once, rel=2e-3)
    assert 0.97 * at_once < found["surface_111_j_per_m2"] <= at_once


def test_no_surface_is_cut_through_a_plane_of_atoms() -> None:
    """Rounding would leave some of them on the other side; a relaxation makes good little of that."""
    found = numbers(SurfaceEnergies(), bulk("Ag", "hcp", a=2.9, c=4.7), effective_medium())
    for indices in ("100", "110", "111"):
        assert found[f"unrelaxed_surface_{indices}_j_per_m2"] < 1.2 * found[f"surface_{indices}_j_per_m2"]
