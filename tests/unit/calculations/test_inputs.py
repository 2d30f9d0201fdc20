"""K points by the input that lies beside an output: where it is certain whose it is, and else none."""

import gzip
import shutil
from pathlib import Path

import pytest

from aims_pax.calculations.inputs import Beside, KPoints, of_aims, of_castep, of_cp2k, of_pw, of_vasp

from ..gathering.gathering import gathered, said

GRID = "even mesh\n0\nMonkhorst-Pack\n4 4 2\n0 0 0\n"
PW = "&CONTROL\n/\nATOMIC_SPECIES\nSi 28.1 Si.upf\nK_POINTS {automatic}\n! even\n 4 4 2 0 0 0\n"
CP2K = "&FORCE_EVAL\n &DFT\n  &KPOINTS\n   SCHEME MONKHORST-PACK 4 4 2\n  &END KPOINTS\n &END DFT\n&END\n"
NAMES_PW = "     Reading input from scf.in\n"
NAMES_CP2K = " CP2K| Input file name                                     run.inp\n"

TOLD: dict[str, tuple[Beside, str, str, str, str]] = {
    "KPOINTS": (of_vasp, "OUTCAR", "", "KPOINTS", GRID),
    "of a name": (of_vasp, "OUTCAR.relax2", "", "KPOINTS.relax2", GRID),
    "of vasprun.xml": (of_vasp, "vasprun.xml", "", "KPOINTS", GRID),
    "by pw.x": (of_pw, "out.log", NAMES_PW, "scf.in", PW),
    "by its name": (of_pw, "si.out", "", "si.pwi", PW),
    "seed.cell": (of_castep, "si.castep", "", "si.cell", "kpoints_mp_grid : 4 4 2 ! even\n"),
    "control.in": (of_aims, "aims.out", "", "control.in", "  k_grid 4 4 2  # even\n"),
    "by CP2K": (of_cp2k, "md.out", NAMES_CP2K, "run.inp", CP2K),
}
"""By what is read: the function, output with its first text, input with its text; all of them are 4 x 4 x 2."""


def beside(folder: Path, output: tuple[str, str], *inputs: tuple[str, str]) -> Path:
    """An output, with files beside it."""
    for name, text in (output, *inputs):
        (folder / name).write_text(text, encoding="utf-8")
    return folder / output[0]


@pytest.mark.parametrize("case", TOLD)
def test_inputs_tell_their_mesh(case: str, tmp_path: Path) -> None:
    of, output, head, name, text = TOLD[case]
    assert of(beside(tmp_path, (output, head), (name, text))) == KPoints(name, (4, 4, 2))


@pytest.mark.parametrize("case", TOLD)
def test_without_an_input_nothing_is_told(case: str, tmp_path: Path) -> None:
    of, output, head, _, _ = TOLD[case]
    assert of(beside(tmp_path, (output, head))) is None


@pytest.mark.parametrize("case", TOLD)
def test_the_input_of_another_calculation_is_not_taken(case: str, tmp_path: Path) -> None:
    of, output, head, name, text = TOLD[case]
    others = [("b.out", ""), (name, text)] if of is of_aims else [(f"other-{name}", text)]
    assert of(beside(tmp_path, (output, head), *others)) is None


@pytest.mark.parametrize("case", TOLD)
def test_an_input_that_is_spoilt_tells_nothing(case: str, tmp_path: Path) -> None:
    of, output, head, name, text = TOLD[case]
    for spoilt in ("", text[: text.index("4 4 2") + 3], text.replace("4 4 2", "4 x 2"), text.replace("4 4 2", "4 0 2")):
        assert of(beside(tmp_path, (output, head), (name, spoilt))) is None


@pytest.mark.parametrize(
    ("case", "text", "mesh"),
    [
        ("KPOINTS", "Gamma\n1\nreciprocal\n0 0 0 1\n", (1, 1, 1)),
        ("KPOINTS", "lengths\n0\nAuto\n20\n", None),
        ("KPOINTS", "bands\n40\nLine-mode\nreciprocal\n0 0 0\n", None),
        ("KPOINTS", "own lattice\n0\nReciprocal\n0.25 0 0\n0 0.25 0\n0 0 0.25\n", None),
        ("by pw.x", "K_POINTS gamma\n", (1, 1, 1)),
        ("by pw.x", "K_POINTS tpiba\n 2\n 0 0 0 1\n 0 0 0.5 1\n", None),
        ("seed.cell", "phonon_kpoint_mp_grid 4 4 2\n", None),
        ("control.in", "k_grid_density 4\n", None),
        ("by CP2K", "&FORCE_EVAL\n &DFT\n &END\n&END\n", (1, 1, 1)),
        ("by CP2K", f"@SET N 4\n{CP2K}", None),
    ],
)
def test_what_is_no_plain_mesh_is_told_only_where_it_is_certain(
    case: str, text: str, mesh: tuple[int, int, int] | None, tmp_path: Path
) -> None:
    of, output, head, name, _ = TOLD[case]
    assert of(beside(tmp_path, (output, head), (name, text))) == (None if mesh is None else KPoints(name, mesh))


def test_a_distance_in_incar_counts_where_there_are_no_kpoints(tmp_path: Path) -> None:
    output = beside(tmp_path, ("OUTCAR", ""), ("INCAR", "ENCUT = 500 ; KSPACING = 0.3 # dense\n#KSPACING = 0.5\n"))
    assert of_vasp(output) == KPoints("INCAR", k_spacing=0.3)
    (tmp_path / "KPOINTS").write_text(GRID, encoding="utf-8")
    assert of_vasp(output) == KPoints("KPOINTS", (4, 4, 2))


def test_compressed_inputs_are_read(tmp_path: Path) -> None:
    output = beside(tmp_path, ("OUTCAR.gz", ""))
    (tmp_path / "KPOINTS.gz").write_bytes(gzip.compress(GRID.encode()))
    assert of_vasp(output) == KPoints("KPOINTS.gz", (4, 4, 2))


def test_gathering_takes_them_where_an_output_tells_none(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "data/outputs/espresso/si-vcmd.out.gz", tmp_path)
    found = gathered(tmp_path)
    assert [one.where for one in found.agreement.remarks] == ["k points"]
    (tmp_path / "si-vcmd.in").write_text(PW, encoding="utf-8")
    found = gathered(tmp_path)
    assert found.agreement.remarks == ()
    assert "it tells no k points: those of the input beside it are taken" in said(found)
