"""Which dihedrals are looked at, and what is said of a comparison."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from matplotlib.image import imread

from aims_pax.atoms import frame_of
from aims_pax.errors import UserError
from aims_pax.evaluation.bonds import BondGraph, graphs_of
from aims_pax.evaluation.turning import map_of, turning
from aims_pax.frame import FloatArray
from aims_pax.outcome.dihedrals.angles import MOST, Dihedrals, dihedrals_of
from aims_pax.outcome.dihedrals.findings import Compared, Uncompared


def graphs(**atoms: Atoms) -> dict[str, BondGraph]:
    return graphs_of(frame_of(one, system=name) for name, one in atoms.items())


ETHANOL = graphs(ethanol=molecule("CH3CH2OH"))
TWO = graphs(ethanol=molecule("CH3CH2OH"), peroxide=molecule("H2O2"), water=molecule("H2O"))


def test_what_turns_is_found_in_every_system_that_has_it() -> None:
    found = dihedrals_of(TWO, "auto")
    assert set(found) == {"ethanol", "peroxide"}
    assert found["ethanol"].names == ("C0-C1-O2-H3",)
    assert found["ethanol"].maps == ((0,),)


def test_angles_are_those_of_ase() -> None:
    rng, atoms = np.random.default_rng(1), molecule("CH3CH2OH")
    own = dihedrals_of(ETHANOL, "0-1-2-3,6-0-1-2")["ethanol"]
    assert own.maps == ((0, 1),)
    for _ in range(20):
        shaken = atoms.copy()
        shaken.positions += rng.normal(scale=0.2, size=shaken.positions.shape)
        expected = [shaken.get_dihedral(*quad) for quad in own.quads]
        apart = np.degrees(own(frame_of(shaken, system="ethanol"))) - expected
        np.testing.assert_allclose((apart + 180) % 360 - 180, 0.0, atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("0-1-2", r"'0-1-2' is no dihedral\.\s+Allowed: auto, or four atoms each, counted from 0"),
        ("", r"'' is no dihedral"),
        ("1-2-3-9", r"1-2-3-9 names atom 9, and ethanol has atoms 0 to 8"),
        ("0-1-2-0", r"0-1-2-0 names atom 0 twice"),
        ("methanol:0-1-2-3", r"methanol:0-1-2-3 names the system methanol; there are ethanol"),
        ("0-1-2-3,0-1-2-3", r"names 2 dihedrals of ethanol, one of them twice"),
        ("0-1-2-3,a-b-c-d", r"'a-b-c-d' is no dihedral"),
    ],
)
def test_what_is_no_dihedral_is_told(asked: str, words: str) -> None:
    with pytest.raises(UserError, match=f"--dihedrals: {words}"):
        dihedrals_of(ETHANOL, asked)


def test_all_mistakes_are_told_at_once_and_systems_are_to_be_named_where_there_are_several() -> None:
    with pytest.raises(UserError, match=r"0-1-2-3 does not say of which system") as told:
        dihedrals_of(TWO, "0-1-2-3,peroxide:0-1-2-7")
    assert "peroxide:0-1-2-7 names atom 7, and peroxide has atoms 0 to 3" in str(told.value)
    found = dihedrals_of(TWO, "peroxide:2-0-1-3, ethanol:0-1-2-3")
    assert {name: one.quads for name, one in found.items()} == {
        "peroxide": ((2, 0, 1, 3),),
        "ethanol": ((0, 1, 2, 3),),
    }


def test_atoms_in_line_make_no_dihedral_and_nothing_that_turns_is_told() -> None:
    with pytest.raises(UserError, match=r"has no meaning: its atoms \d, \d, \d are in line"):
        dihedrals_of(graphs(acetylene=molecule("C2H2")), "3-0-1-2")
    with pytest.raises(UserError, match=r"Nothing in water turns about a single bond"):
        dihedrals_of(graphs(water=molecule("H2O")), "auto")
    too_many = (
        ",".join(f"{k}-1-2-3" for k in (0, 4, 5, 6, 7, 8)) + "," + ",".join(f"3-2-1-{k}" for k in (0, 4, 5, 6, 7, 8))
    )
    assert len(dihedrals_of(ETHANOL, too_many)["ethanol"].quads) == MOST
    with pytest.raises(UserError, match=f"names {MOST + 1} dihedrals of ethanol"):
        dihedrals_of(ETHANOL, too_many + ",6-0-1-2")


def sampled(seed: int, *, n_runs: int, stays: float) -> list[FloatArray]:
    """Two dihedrals, of which the first one has two wells."""
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(n_runs):
        leaves = rng.random(400) > stays
        well = (rng.integers(2) + np.cumsum(leaves)) % 2
        centers = np.radians(np.array([[-75.0, 150.0], [65.0, 30.0]]))[well]
        runs.append(centers + rng.normal(scale=0.2, size=(400, 2)))
    return runs


def compared(*, n_runs: int = 6, stays: float = 0.9, n_failed: int = 0) -> Compared:
    mine, theirs = (sampled(seed, n_runs=n_runs, stays=stays) for seed in (1, 2))
    dihedrals = Dihedrals(((0, 1, 2, 3), (1, 2, 3, 4)), ("C0-C1-C2-C3", "C1-C2-C3-O4"), n_left_out=3)
    return Compared(
        system="pep/tide",
        temperature_k=300.0,
        models=("ours.model", "theirs.model"),
        dihedrals=dihedrals,
        n_runs=(n_runs, n_runs),
        n_failed=(n_failed, 0),
        sampled_ps=(24.0, 24.0),
        turnings=tuple(turning(mine, theirs, dihedral=number) for number in (0, 1)),
        maps=tuple(map_of(mine, theirs, dihedrals=places) for places in dihedrals.maps),
        angles=(np.concatenate(mine), np.concatenate(theirs)),
    )


def test_a_comparison_says_likeness_populations_and_what_it_did_not_look_at(tmp_path: Path) -> None:
    one = compared(n_failed=1)
    text = "\n".join(one.lines())
    assert (
        "dihedrals of pep/tide at 300 K by ours.model and by theirs.model (24 ps in 6 runs and 24 ps in 6 runs)" in text
    )
    assert "C0-C1-C2-C3: alike; Jensen-Shannon divergence" in text
    assert "conformers of C0-C1-C2-C3 and C1-C2-C3-O4, populations by ours.model | by theirs.model" in text
    assert "3 further bonds turn and were not looked at" in text
    assert "1 and 0 runs broke" in text
    assert "too short" not in text
    record = json.loads(json.dumps(one.as_json()))
    assert [cluster["center_degrees"] for cluster in record["conformers"][0]["clusters"]]
    shares = [cluster["populations"][0] for cluster in record["conformers"][0]["clusters"]]
    assert sum(share["value"] for share in shares) == pytest.approx(record["conformers"][0]["assigned"][0], abs=1e-3)
    assert all(share["low"] <= share["value"] <= share["high"] for share in shares)
    assert record["dihedrals"][0]["atoms"] == [0, 1, 2, 3]
    assert sum(record["dihedrals"][0]["shares"][0]) == pytest.approx(1.0, abs=1e-3)
    written = one.write(tmp_path)
    assert [path.name for path in written] == ["dihedrals_pep_tide_300K.png", "conformers_pep_tide_300K.png"]
    for path in written:
        pixels = imread(path)
        assert pixels.shape[0] > 300
        assert pixels[..., :3].std() > 0.02


def test_runs_that_are_too_short_or_too_few_are_told() -> None:
    short = "\n".join(compared(stays=1.0).lines())
    assert "C0-C1-C2-C3: can't be told" in short
    assert "too short: 0 and 0 passages from one to another (10 are the least)" in short
    few = compared(n_runs=3)
    assert "fewer than 4 runs of each" in "\n".join(few.lines())
    assert few.as_json()["too_few_runs"]


def test_runs_that_all_broke_at_once_leave_words(tmp_path: Path) -> None:
    none = Uncompared("water", 900.0, "ours.model")
    assert "all runs by ours.model ended before anything could be compared" in "\n".join(none.lines())
    assert none.as_json() == {"system": "water", "temperature_k": 900.0, "ended_at_once": "ours.model"}
    assert none.write(tmp_path) == []
