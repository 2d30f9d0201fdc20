"""Which settings must be the same throughout a set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.io import read

from aims_pax.errors import UserError
from aims_pax.gathering.gathered import Gathered

from .fake import CELL, SILICON, Settings, atom, molecule, step, write
from .gathering import gathered

PBE = {"functional": "PBE"}


def two(folder: Path, first: Settings, second: Settings, **changes: Any) -> Gathered:
    write(folder / "a" / "FAKEOUT", [step(0.05, seed=1)], settings=first)
    write(folder / "b" / "FAKEOUT", [step(0.05, seed=2) | changes], settings=second)
    return gathered(folder)


def wheres(found: Gathered) -> tuple[list[str], list[str]]:
    """Where settings differ, and what is told besides."""
    return [one.where for one in found.agreement.differences], [one.where for one in found.agreement.remarks]


@pytest.mark.parametrize("aspect", ["functional", "basis", "smearing", "relativity", "accuracy", "spin"])
def test_a_setting_that_differs_is_refused_and_says_who(aspect: str, tmp_path: Path) -> None:
    found = two(tmp_path, Settings(aspects={aspect: "this"}), Settings(aspects={aspect: "that"}))
    assert wheres(found)[0] == [aspect]
    with pytest.raises(UserError, match="this: 1 structure of a/FAKEOUT; that: 1 structure of b/FAKEOUT"):
        found.require_set()


def smeared(*told: str) -> list[Settings]:
    """Settings by the widths that outputs tell, of which those that end in ~ are rounded to two decimals."""
    return [
        Settings(
            aspects=PBE | {"smearing": f"gaussian {one.rstrip('~')} eV"},
            decimals={"smearing": 2} if one.endswith("~") else {},
        )
        for one in told
    ]


@pytest.mark.parametrize("told", [("0.03~", "0.025"), ("0.025", "0.03~"), ("0~", "0.001"), ("0.05~", "0.05")])
def test_what_an_output_rounds_is_what_another_tells_in_full(told: tuple[str, str], tmp_path: Path) -> None:
    found = two(tmp_path, *smeared(*told))
    assert wheres(found) == ([], [])
    out = tmp_path / "set.extxyz"
    assert gathered(tmp_path, out=str(out)).written
    names = {atoms.info["method"] for atoms in read(out, ":")}
    assert len(names) == 1, "it is one method, and has one name"
    assert f"gaussian {next(one for one in told if '~' not in one)} eV" in out.with_suffix(".json").read_text("utf-8")


@pytest.mark.parametrize("told", [("0.03~", "0.04"), ("0.03", "0.025"), ("0.03~", "0.02~"), ("0.03~", "0.036")])
def test_what_rounding_does_not_explain_differs(told: tuple[str, str], tmp_path: Path) -> None:
    assert wheres(two(tmp_path, *smeared(*told)))[0] == ["smearing"]


def test_what_may_be_either_of_two_settings_stays_as_it_is_told(tmp_path: Path) -> None:
    for number, settings in enumerate(smeared("0.025", "0.034", "0.03~")):
        write(tmp_path / f"{number}" / "FAKEOUT", [step(0.05, seed=number)], settings=settings)
    (problem,) = gathered(tmp_path).agreement.differences
    assert all(f"gaussian {width} eV: 1 structure" in problem.found for width in ("0.025", "0.034", "0.03"))


@pytest.mark.parametrize("aspect", ["dispersion", "Hubbard U", "solvation"])
def test_an_addition_that_one_output_tells_and_another_does_not_is_refused(aspect: str, tmp_path: Path) -> None:
    found = two(tmp_path, Settings(aspects=PBE | {aspect: "D3(BJ)"}), Settings(aspects=PBE))
    assert wheres(found)[0] == [aspect]


def test_other_programs_are_refused(tmp_path: Path) -> None:
    assert wheres(two(tmp_path, Settings(), Settings(program="OTHER")))[0] == ["program"]


def test_other_versions_are_told_and_not_refused(tmp_path: Path) -> None:
    assert wheres(two(tmp_path, Settings(), Settings(version="2.0"))) == ([], ["version of FAKE"])


def test_what_is_not_told_is_told_and_not_refused(tmp_path: Path) -> None:
    found = two(tmp_path, Settings(aspects=PBE | {"smearing": "gaussian 0.1 eV"}), Settings(aspects=PBE))
    assert wheres(found) == ([], ["smearing"])


@pytest.mark.parametrize(
    ("first", "second", "differences", "remarks"),
    [
        ("none", None, [], []),
        ("ADDGRID", None, [], ["further accuracy"]),
        ("ADDGRID", "none", ["further accuracy"], []),
        ("none", "none", [], []),
    ],
)
def test_further_accuracy_is_compared_where_outputs_can_tell_it(
    first: str, second: str | None, differences: list[str], remarks: list[str], tmp_path: Path
) -> None:
    one, other = (PBE if said is None else PBE | {"further accuracy": said} for said in (first, second))
    assert wheres(two(tmp_path, Settings(aspects=one), Settings(aspects=other))) == (differences, remarks)


def test_pseudopotentials_are_compared_by_element(tmp_path: Path) -> None:
    first = Settings(aspects=PBE | {"pseudopotentials": "O PAW_PBE O; Si PAW_PBE Si"})
    second = Settings(aspects=PBE | {"pseudopotentials": "H PAW_PBE H; Si PAW_PBE Si"})
    assert wheres(two(tmp_path / "same", first, second)) == ([], [])
    titles = Settings(aspects=PBE | {"pseudopotentials": "PAW_PBE O 08Apr2002; PAW_PBE Si_GW 04May2012"})
    assert wheres(two(tmp_path / "titles", first, titles))[0] == ["pseudopotentials of Si"]
    third = Settings(aspects=PBE | {"pseudopotentials": "Si PAW_PBE Si_GW"})
    assert wheres(two(tmp_path / "other", first, third))[0] == ["pseudopotentials of Si"]


def test_spin_may_differ_between_compositions_and_not_within_one(tmp_path: Path) -> None:
    spins = [Settings(aspects=PBE | {"spin": said}) for said in ("polarised", "not polarised")]
    assert wheres(two(tmp_path / "one", *spins))[0] == ["spin"]
    assert wheres(two(tmp_path / "other", *spins, numbers=[14, 6])) == ([], ["spin"])
    orbit = Settings(aspects=PBE | {"spin": "spin-orbit"})
    assert wheres(two(tmp_path / "orbit", spins[1], orbit, numbers=[14, 6]))[0] == ["spin"]


def test_meshes_of_equal_density_agree_whatever_the_cell(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()], settings=Settings(mesh=(8, 8, 8)))
    doubled = np.vstack([SILICON, np.array(SILICON) + CELL[0]])
    cell = np.array(CELL) * [[2], [1], [1]]
    double = step(places=doubled, cell=cell, symbols=[14] * 4)
    write(tmp_path / "b" / "FAKEOUT", [double], settings=Settings(mesh=(4, 8, 8)))
    write(tmp_path / "c" / "FAKEOUT", [step(cell=1.05 * np.array(CELL))], settings=Settings(mesh=(8, 8, 8)))
    assert wheres(gathered(tmp_path))[0] == []


def test_strained_cells_of_one_mesh_agree(tmp_path: Path) -> None:
    for number, factor in enumerate((0.8, 0.9, 1.0, 1.1, 1.2)):
        strained = step(places=factor * np.array(SILICON), cell=factor * np.array(CELL))
        write(tmp_path / f"{number}" / "FAKEOUT", [strained], settings=Settings(mesh=(11, 11, 11)))
    assert wheres(gathered(tmp_path))[0] == []


def test_meshes_of_other_densities_are_refused(tmp_path: Path) -> None:
    found = two(tmp_path, Settings(mesh=(8, 8, 8)), Settings(mesh=(3, 3, 3)))
    assert wheres(found)[0] == ["k points"]
    assert "b/FAKEOUT" in found.agreement.differences[0].found


def test_a_molecule_in_a_box_may_have_the_gamma_point_alone(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()], settings=Settings(mesh=(8, 8, 8)))
    boxed = molecule(pbc=[True] * 3, cell=np.diag([10.0, 11, 12]).tolist())
    write(tmp_path / "b" / "FAKEOUT", [boxed], settings=Settings(mesh=(1, 1, 1)))
    assert wheres(gathered(tmp_path))[0] == []


def test_a_slab_may_have_one_division_across_the_vacuum(tmp_path: Path) -> None:
    write(tmp_path / "a" / "FAKEOUT", [step()], settings=Settings(mesh=(8, 8, 8)))
    cell = [[3.84, 0, 0], [0, 3.84, 0], [0, 0, 25]]
    slab = step(places=[[0, 0, 10], [1.92, 1.92, 11.4]], cell=cell)
    write(tmp_path / "b" / "FAKEOUT", [slab], settings=Settings(mesh=(7, 7, 1)))
    assert wheres(gathered(tmp_path))[0] == []


def test_a_free_atom_has_its_own_spin_and_smearing(tmp_path: Path) -> None:
    crystal = Settings(aspects=PBE | {"spin": "not polarised", "smearing": "gaussian 0.1 eV"})
    free = Settings(aspects=PBE | {"spin": "polarised", "smearing": "none"}, mesh=(1, 1, 1))
    write(tmp_path / "a" / "FAKEOUT", [step()], settings=crystal)
    write(tmp_path / "b" / "FAKEOUT", [atom(14, -100.0)], settings=free)
    assert wheres(gathered(tmp_path)) == ([], [])


def test_of_many_methods_the_most_used_are_told_and_the_others_counted(tmp_path: Path) -> None:
    for number in range(9):
        settings = Settings(aspects={"functional": f"F{number} " + "x" * 300})
        write(tmp_path / f"{number}" / "FAKEOUT", [step(0.05, seed=number)], settings=settings)
    [difference] = gathered(tmp_path).agreement.differences
    assert "4 more: 4 structures" in difference.found
    assert len(difference.found) < 800


def test_insisting_keeps_both_and_still_tells(tmp_path: Path) -> None:
    two(tmp_path, Settings(aspects=PBE), Settings(aspects={"functional": "LDA"}))
    found = gathered(tmp_path, mixed=True)
    found.require_set()
    assert "mixed: functional: PBE: 1 structure of a/FAKEOUT" in found.text()
