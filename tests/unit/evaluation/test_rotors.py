"""Bonds that molecules turn about, as a chemist would name them."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read

from aims_pax.atoms import frame_of
from aims_pax.evaluation.bonds import BondGraph
from aims_pax.evaluation.rotors import maps_of, rotatable

PEPTIDE = Path(__file__).parents[3] / "benchmarks" / "structures" / "ala3.xyz"


def graph(atoms: Atoms) -> BondGraph:
    return BondGraph.of(frame_of(atoms, system="one"))


def turning_about(atoms: Atoms) -> list[str]:
    symbols = atoms.get_chemical_symbols()
    return ["-".join(symbols[atom] for atom in quad) for quad in rotatable(graph(atoms))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CH3CH2OH", ["C-C-O-H"]),  # not about C-C: a methyl turns into itself
        ("C2H6", []),
        ("H2O2", ["H-O-O-H"]),
        ("trans-butane", ["C-C-C-C"]),
        ("butadiene", ["C-C-C-C"]),  # about the middle one alone
        ("C6H6", []),
        ("HCOOH", ["H-O-C-O"]),
        ("C2H6CHOH", ["H-O-C-C"]),
        ("CH3CONH2", []),  # an amide, whose NH2 stays in its plane
        ("H2O", []),
        ("C2H2", []),
        ("CH3CN", []),
    ],
)
def test_bonds_that_turn(name: str, expected: list[str]) -> None:
    assert turning_about(molecule(name)) == expected


def test_those_of_a_peptide_are_the_phi_and_psi_of_each_residue_and_lie_on_one_map() -> None:
    atoms = read(PEPTIDE)
    assert isinstance(atoms, Atoms)
    quads = rotatable(graph(atoms))
    symbols = atoms.get_chemical_symbols()
    named = sorted("-".join(symbols[atom] for atom in quad) for quad in quads)
    assert named == ["C-N-C-C"] * 3 + ["N-C-C-N"] * 3
    maps = maps_of(quads)
    assert len(maps) == 3
    assert sorted(place for pair in maps for place in pair) == list(range(6))
    for first, second in maps:
        (shared,) = set(quads[first][1:3]) & set(quads[second][1:3])
        assert symbols[shared] == "C"
        assert {symbols[quads[place][0]] for place in (first, second)} == {"C", "N"}


def test_a_molecule_across_the_edge_of_its_cell_turns_as_one_that_is_whole() -> None:
    whole = molecule("CH3CH2OH", vacuum=4.0)
    whole.pbc = True
    torn = whole.copy()
    torn.positions += 0.5 * np.diag(whole.cell.array)
    torn.wrap()
    assert np.abs(torn.positions - whole.positions).max() > 3
    assert rotatable(graph(torn)) == rotatable(graph(whole)) != ()


def test_nothing_turns_in_networks_and_among_ions() -> None:
    for crystal in (bulk("C", "diamond", a=3.57, cubic=True), bulk("NaCl", "rocksalt", a=5.64), bulk("Cu", a=3.6)):
        assert rotatable(graph(crystal)) == ()


def test_two_dihedrals_make_a_map_wherever_they_are_and_more_of_them_where_their_bonds_meet() -> None:
    assert maps_of([(0, 1, 2, 3)]) == ()
    assert maps_of([(0, 1, 2, 3), (6, 7, 8, 9)]) == ((0, 1),)
    assert maps_of([(0, 1, 2, 3), (1, 2, 3, 4), (6, 7, 8, 9)]) == ((0, 1),)
