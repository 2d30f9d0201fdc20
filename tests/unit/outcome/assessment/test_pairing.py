"""Predictions of files beside labels of files: which structure is which, and what is refused."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import StructureError
from aims_pax.frame import FloatArray
from aims_pax.outcome.assessment.findings import Assessment, compare_files

CASES = os.environ.get("AIMS_PAX_CASES")

CELL = 4.0


def structure(
    place: int, energy: float, *, index: int | None = None, symbols: str = "Na Cl", shift: float = 0.0
) -> str:
    """Two ions whose places tell the structure; `energy` is also the first force."""
    words = symbols.split()
    told = "" if index is None else f" original_dataset_index={index}"
    rows = [f"{word} {0.1 * place + 2 * n + shift:.6f} 0 0 {energy:.6f} 0 0" for n, word in enumerate(words)]
    lattice = f'Lattice="{CELL} 0 0 0 {CELL} 0 0 0 {CELL}" pbc="T T T"'
    comment = f"{lattice} Properties=species:S:1:pos:R:3:forces:R:3 energy={energy}{told}"
    return "\n".join([str(len(words)), comment, *rows]) + "\n"


def written(path: Path, structures: Sequence[str]) -> Path:
    path.write_text("".join(structures), encoding="utf-8")
    return path


def compared(folder: Path, labels: Sequence[str], *predicted: Sequence[str]) -> Assessment:
    data = written(folder / "dft.xyz", labels)
    files = [written(folder / f"model_{number}.xyz", one) for number, one in enumerate(predicted)]
    return compare_files([data], files)


def test_structures_are_matched_in_order(tmp_path: Path) -> None:
    found = compared(tmp_path, [structure(n, n) for n in range(3)], [structure(n, n + 0.2) for n in range(3)])
    assert found.row("energy").measure.mae == pytest.approx(0.2)
    assert found.row("energy").measure.n_values == 3
    assert "predictions: energy, forces of model_0.xyz" in found.text()
    assert found.remarks == ()


def test_structures_with_an_index_are_matched_by_it_and_those_without_prediction_left_out(tmp_path: Path) -> None:
    labels = [structure(n, n, index=10 + n) for n in range(4)]
    found = compared(tmp_path, labels, [structure(n, n + 0.2, index=10 + n) for n in (3, 0, 1)])
    assert found.row("energy").measure.mae == pytest.approx(0.2)
    assert found.row("energy").measure.n_values == 3
    assert ["1 of 4 structures are not predicted by all files, and are left out." in str(one) for one in found.remarks]


def test_files_stand_side_by_side_with_the_structures_that_all_of_them_have(tmp_path: Path) -> None:
    labels = [structure(n, n, index=n) for n in range(4)]
    first, second = ([structure(n, n + off, index=n) for n in own] for own, off in (((0, 1, 2), 0.1), ((2, 1, 3), 0.3)))
    found = compared(tmp_path, labels, first, second)
    assert found.row("energy", method="model_0.xyz").measure.mae == pytest.approx(0.1)
    assert found.row("energy", method="model_1.xyz").measure.mae == pytest.approx(0.3)
    assert found.row("energy").measure.n_values == 2


def test_atoms_that_were_wrapped_into_the_cell_are_where_they_were(tmp_path: Path) -> None:
    found = compared(tmp_path, [structure(1, 1.0)], [structure(1, 1.5, shift=CELL)])
    assert found.row("energy").measure.mae == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("predicted", "said"),
    [
        ([structure(0, 0.0), structure(2, 1.0)], "structure 2: has atoms elsewhere .* structure 2 of the labels"),
        ([structure(0, 0.0), structure(1, 1.0, symbols="Cl Na")], "structure 2: has the atoms in another order than"),
        ([structure(0, 0.0, symbols="Na Br"), structure(1, 1.0)], "structure 1: has other elements than"),
        ([structure(0, 0.0, symbols="Na"), structure(1, 1.0)], "structure 1: has 1 atoms, and 2 are"),
        ([structure(0, 0.0)], "holds 1 structures, and the labels are of 2"),
        ([structure(n, 0.0) for n in range(3)], "structure 3: There are 2 labels, and this file goes on"),
    ],
)
def test_what_does_not_belong_together_is_refused(predicted: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(StructureError, match=said):
        compared(tmp_path, [structure(0, 0.0), structure(1, 1.0)], predicted)


@pytest.mark.parametrize(
    ("indices", "said"),
    [((0, 7), "No label has original_dataset_index=7"), ((0, 0), "original_dataset_index=0 stands in this file twice")],
)
def test_an_index_that_leads_nowhere_is_refused(indices: tuple[int, int], said: str, tmp_path: Path) -> None:
    labels = [structure(n, n, index=n) for n in range(2)]
    with pytest.raises(StructureError, match=said):
        compared(tmp_path, labels, [structure(0, 0.0, index=index) for index in indices])


def test_labels_given_as_predictions_are_doubted(tmp_path: Path) -> None:
    same = [structure(n, n) for n in range(3)]
    (remark,) = compared(tmp_path, same, same).remarks
    assert "All predicted energies are the labels themselves" in str(remark)


def test_stress_of_the_other_sign_is_doubted(tmp_path: Path) -> None:
    def with_stress(values: FloatArray) -> list[str]:
        texts = []
        for place, value in enumerate(values):
            matrix = " ".join(f"{one:.5f}" for one in np.diag([value, 2 * value, 0.0]).ravel())
            texts.append(structure(place, 0.1 * place + value).replace(" energy", f' stress="{matrix}" energy'))
        return texts

    values = np.array([0.1, -0.2, 0.3])
    (remark,) = compared(tmp_path, with_stress(values), with_stress(-1.1 * values)).remarks
    assert "Stress has the other sign than that of the labels." in str(remark)


def test_free_atoms_are_left_out(tmp_path: Path) -> None:
    alone = '1\nProperties=species:S:1:pos:R:3 energy={} pbc="F F F"\nNa 0 0 0\n'
    found = compared(tmp_path, [alone.format(-1.0), structure(0, 0.0)], [alone.format(-9.0), structure(0, 0.5)])
    assert found.row("energy").measure.mae == pytest.approx(0.5)
    assert "1 of 2 structures are free atoms" in str(found.remarks[0])


def test_one_file_holds_labels_and_predictions_of_mace(tmp_path: Path) -> None:
    text = "".join(structure(n, n) for n in range(3)).replace("energy=", "MACE_energy=-5.0 REF_energy=")
    path = written(tmp_path / "both.xyz", [text])
    found = compare_files([path], [path])
    assert found.row("energy").measure.largest == pytest.approx(7.0)
    assert "labels: REF_energy of both.xyz" in found.text()
    with pytest.raises(KeyError, match="force_component"):
        found.row("force_component")


@pytest.mark.skipif(CASES is None, reason="AIMS_PAX_CASES names no folder of reference cases")
def test_published_numbers_of_atompronet_are_found_to_their_last_digit() -> None:
    """R², MAE and RMSE of energies are of total energies there, percentiles of energies per atom."""
    assert CASES is not None
    folder = Path(CASES) / "atompronet" / "parity"
    found = compare_files([folder / "DFT_data.extxyz"], [folder / "MLIP_validation.xyz"])

    def rounded(quantity: str) -> tuple[float | None, float, float]:
        one = found.row(quantity).measure
        return None if one.r2 is None else round(one.r2, 6), round(one.mae, 6), round(one.rmse, 6)

    def marks(quantity: str) -> list[float]:
        return [round(value, 6) for value in found.row(quantity).measure.below.values()]

    assert found.row("energy").measure.n_values == 8
    assert rounded("energy") == (0.993357, 1.466507, 1.784468)
    assert marks("energy_per_atom") == [0.025796, 0.029788, 0.032355, 0.032520]
    assert rounded("force_component") == (0.984584, 0.056745, 0.088287)
    assert rounded("force_rms") == (0.988622, 0.030180, 0.050159)
    assert marks("force_rms") == [0.011419, 0.059245, 0.088190, 0.107728]
