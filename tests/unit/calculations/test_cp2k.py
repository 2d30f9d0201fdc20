"""Outputs of CP2K: published ones, and own ones of version 2023.1 (tests/data/outputs/cp2k)."""

import gzip
import itertools
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.cp2k import output
from aims_pax.calculations.cp2k.beside import companions
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.reader import Reader
from aims_pax.calculations.step import Convergence, Ended
from aims_pax.units import BOHR_ANG, GIGAPASCAL_EV_PER_ANG3, HARTREE_EV
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_losses_told, require_survival

READER: Final = Reader("CP2K", "standard output", (), output.recognises, output.steps)
DATA: Final = Path(__file__).parents[2] / "data" / "outputs" / "cp2k"


def _text(name: str) -> str:
    return gzip.decompress((DATA / f"{name}.out.gz").read_bytes()).decode()


def _alone(folder: Path, name: str, *beside: str) -> Path:
    """An output in a folder of its own with some of the files beside it."""
    for one in (f"{name}.out.gz", *beside):
        shutil.copy(DATA / one, folder)
    return folder / f"{name}.out.gz"


@pytest.mark.parametrize("expected", published.parameters("cp2k"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


def test_a_single_point_is_read_with_its_settings() -> None:
    (step,), closing = published.read(DATA / "sp.out.gz")
    assert step.energy == pytest.approx(-17.108970363637745 * HARTREE_EV, rel=1e-12)
    assert step.forces is not None
    np.testing.assert_allclose(step.forces[1], np.array([0.08060129, 0.07800293, 0.00000011]) * HARTREE_EV / BOHR_ANG)
    assert step.stress is not None
    np.testing.assert_allclose(
        step.stress[:3] / -GIGAPASCAL_EV_PER_ANG3, [7.06344119309, 0.124258541435, -6.06527465478]
    )
    assert step.numbers is not None
    assert step.numbers.tolist() == [8, 1, 1]
    assert (step.charge, step.spin, step.pbc) == (0, 1, (True, True, True))
    assert step.method.aspects[Aspect.FUNCTIONAL] == "PBE"
    assert step.method.aspects[Aspect.DISPERSION].startswith("DFT-D3 (Version 3.1), BJ Damping")
    assert step.method.aspects[Aspect.POTENTIALS] == "H SZV-MOLOPT-SR-GTH GTH-PBE-q1; O SZV-MOLOPT-SR-GTH GTH-PBE-q6"
    assert step.method.mesh == (1, 1, 1)
    assert closing.ended is Ended.IN_ORDER
    assert closing.remarks == (output.ROUNDED,)


def test_the_version_of_a_development_branch_is_its_number() -> None:
    text = _text("sp").replace("CP2K version 2023.1", "CP2K version 2023.1 (Development Version)", 1)
    assert read_text(READER.steps, text)[0][0].method.version == "2023.1"


def test_forces_of_an_atom_that_is_held_are_not_taken_for_its_own() -> None:
    text = _text("sp")
    start = text.index("ATOMIC FORCES in")
    row = text[start:].splitlines()[4]
    kept = row[: -len("     0.08060129     0.07800293     0.00000011")] + "     0.00000000" * 3
    (step,), _ = read_text(READER.steps, text.replace(row, kept))
    assert "forces of zero" in step.flaws[0]


def test_geometries_of_a_trajectory_go_with_their_energies() -> None:
    """Along a path of constant energy the work of the forces is the change of the energy."""
    steps, _ = published.read(DATA / "md.out.gz")
    assert all(published.is_usable(step) for step in steps)
    for one, other in itertools.pairwise(steps):
        assert one.positions is not None
        assert other.positions is not None
        assert one.forces is not None
        assert other.forces is not None
        assert one.energy is not None
        assert other.energy is not None
        work = float(((one.forces + other.forces) / 2 * (other.positions - one.positions)).sum())
        # Sparse grids: forces of this box do not sum to zero, and the egg-box shows in the energy.
        assert other.energy - one.energy + work == pytest.approx(0.0, abs=0.1 * abs(other.energy - one.energy))


def test_energies_match_frames_where_counts_disagree(tmp_path: Path) -> None:
    path = _alone(tmp_path, "md", "md-1.cell")
    blocks = (DATA / "md-pos-1.xyz").read_text().splitlines(keepends=True)
    (tmp_path / "md-pos-1.xyz").write_text("".join(blocks[10:]))  # without the first two frames
    steps, _ = published.read(path)
    assert [step.positions is None for step in steps] == [True, True, False, False, False]
    whole, _ = published.read(DATA / "md.out.gz")
    for step, known in zip(steps[2:], whole[2:], strict=True):
        np.testing.assert_array_equal(step.positions, known.positions)


def test_forces_of_another_energy_are_not_taken(tmp_path: Path) -> None:
    path = _alone(tmp_path, "md", "md-pos-1.xyz", "md-1.cell")
    text = gzip.decompress(path.read_bytes()).decode()
    lines = [line for line in text.splitlines(keepends=True) if "ATOMIC FORCES" not in line]
    (tmp_path / "md.out.gz").write_bytes(gzip.compress("".join(lines).encode()))
    assert all(step.forces is None for step in published.read(path)[0])
    shutil.copy(DATA / "md-frc-1.xyz", tmp_path)
    steps, _ = published.read(path)
    whole, _ = published.read(DATA / "md.out.gz")
    for step, known in zip(steps, whole, strict=True):
        assert step.forces is not None
        np.testing.assert_allclose(step.forces, known.forces, atol=1e-6)


def test_a_cell_that_shears_is_read_from_the_file_beside(tmp_path: Path) -> None:
    steps, _ = published.read(DATA / "npt.out.gz")
    assert steps[3].cell is not None
    np.testing.assert_allclose(steps[3].cell[0], [5.1147106451, -0.0430155122, -0.0712371789])
    alone, _ = published.read(_alone(tmp_path, "npt", "npt-pos-1.xyz"))
    assert [published.is_usable(step) for step in alone] == [False] * 4  # the first has no cell at this print level
    assert "its cell is not told" in alone[3].flaws[0]


def test_a_cell_of_one_shape_has_the_lengths_that_are_printed(tmp_path: Path) -> None:
    path = _alone(tmp_path, "npt", "npt-pos-1.xyz")
    cell = "".join(
        f" CELL| Vector {axis} [angstrom]:{row}   |{axis}| = 5.0\n"
        for axis, row in zip(
            "abc", ("  5.000  0.000  0.000", "  0.000  5.100  0.000", "  0.000  0.000  5.200"), strict=True
        )
    )
    text = gzip.decompress(path.read_bytes()).decode().replace(" NPT_F\n", " NPT_I\n")
    (tmp_path / "npt.out.gz").write_bytes(
        gzip.compress(text.replace(" MD_PAR| Molecular", cell + " MD_PAR| Molecular").encode())
    )
    steps, _ = published.read(path)
    assert steps[3].cell is not None
    np.testing.assert_allclose(np.diag(steps[3].cell), [5.11538758, 5.24595447, 5.13020706], rtol=1e-8)


def test_an_optimisation_of_the_cell_tells_its_end_and_what_did_not_converge() -> None:
    steps, closing = published.read(DATA / "cellopt.out.gz")
    assert closing.relaxed is False
    assert [step.convergence for step in steps] == [Convergence.NOT_REACHED] + [Convergence.REACHED] * 4
    assert [published.is_usable(step) for step in steps] == [False, True, True, True, True]
    assert steps[4].cell is not None
    np.testing.assert_allclose(steps[4].cell[2], [0.0000004897, -0.0000007750, 4.1010182859])


def test_positions_beside_that_are_others_than_those_printed_are_told(tmp_path: Path) -> None:
    path = _alone(tmp_path, "sp")
    rows = "  O 0.1 0.0 0.0\n  H 0.757 0.586 0.0\n  H -0.757 0.586 0.0\n"
    (tmp_path / "sp-pos-1.xyz").write_text(
        f"       3\n i =        0, time =        0.000, E =       -17.1089703636\n{rows}"
    )
    (step,), _ = published.read(path)
    assert step.flaws == ("its positions in the file beside are others than those in the output",)


def test_a_kind_is_no_element() -> None:
    (step,), _ = read_text(
        READER.steps, _text("sp").replace("1 O     8", "1 Al    8").replace("Atomic kind: O ", "Atomic kind: Al")
    )
    assert step.numbers is not None
    assert step.numbers.tolist() == [8, 1, 1]
    assert "; O SZV" in step.method.aspects[Aspect.POTENTIALS]


NEW: Final = """\
 ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]             -17.108970363637745

 FORCES| Atomic forces [hartree/bohr]
 FORCES|   Atom     x               y               z               |f|
 FORCES|      1 -5.00000000E-07 -1.25578540E-01  5.80000000E-07   1.25578540E-01
 FORCES|      2  8.06012900E-02  7.80029300E-02  1.10000000E-07   1.12164330E-01
 FORCES|      3 -8.06008700E-02  7.80031200E-02 -5.30000000E-07   1.12164160E-01
 FORCES| Sum    -8.00000000E-08  3.04275100E-02  1.50000000E-07
 FORCES| Total atomic force                                           3.04275100E-02

 STRESS| Analytical stress tensor [bar]
 STRESS|                        x                   y                   z
 STRESS|      x        7.06344119309E+04   2.51740502423E-02   1.18447205965E-01
 STRESS|      y        2.51740502423E-02   1.24258541435E+03  -1.65065843973E-01
 STRESS|      z        1.18447205965E-01  -1.65065843973E-01  -6.06527465478E+04
"""
OLD: Final = """\
 STRESS TENSOR [GPa]

            X               Y               Z
  X       7.06344119      0.00000252      0.00001184
  Y       0.00000252      0.12425854     -0.00001651
  Z       0.00001184     -0.00001651     -6.06527465

  1/3 Trace(stress tensor):   3.74141693E-01
"""


def test_tables_of_all_versions_say_the_same() -> None:
    """Of 2025 (energies and forces with units of their own) and up to 7.1 (stress without a mark)."""
    text = _text("sp")
    (known,), _ = read_text(READER.steps, text)
    head, _, rest = text.partition(" ENERGY| Total")
    new = head + NEW + rest[rest.index("STRESS| Eigenvectors") :]
    old = text[: text.index(" STRESS| Analytical")] + OLD + rest[rest.index(" STRESS| Eigenvectors") :]
    for other in (new, old):
        (step,), _ = read_text(READER.steps, other)
        assert step.forces is not None
        assert known.forces is not None
        assert step.stress is not None
        assert known.stress is not None
        np.testing.assert_allclose(step.forces, known.forces, atol=1e-7)
        np.testing.assert_allclose(step.stress, known.stress, atol=1e-9)
        assert step.energy == pytest.approx(known.energy, abs=1e-9)


def test_a_run_that_was_stopped_within_a_cycle_is_told() -> None:
    (step,), _ = read_text(
        READER.steps, _text("sp").replace("*** SCF run converged", "*** SCF run terminated by external request")
    )
    assert step.convergence is Convergence.NOT_REACHED


def test_runs_appended_to_one_file_are_told() -> None:
    text = _text("sp")
    steps, closing = read_text(READER.steps, text + text)
    assert len(steps) == 2
    assert all(published.is_usable(step) for step in steps)
    assert "2 runs stand in this file." in closing.remarks


def test_files_beside_are_found_by_the_name_of_the_project(tmp_path: Path) -> None:
    for name in (
        "a.H2O-pos-1.xyz",
        "H2O-frc-1.xyz.gz",
        "H2O-1.cell",
        "XH2O-pos-1.xyz",
        "H2O-pos-1.xyz.bak-1",
        "H2O-1.ener",
    ):
        (tmp_path / name).write_text("")
    found = [one.name for one in companions(tmp_path / "log.out", "H2O")]
    assert found == ["H2O-1.cell", "H2O-frc-1.xyz.gz", "a.H2O-pos-1.xyz"]


def test_damage_is_survived_and_never_gives_other_numbers() -> None:
    text = _text("sp")
    core = text[text.index("  **** **** ******") :]
    require_survival(READER.steps, core, every_bytes=1500, n_each=40)
    start = core.index(" MODULE QUICKSTEP: ATOMIC")
    head, tail = core[:start], core[start : core.index("DBCSR STATISTICS")]
    short = "\n".join(line for line in (head + tail).splitlines() if "|" in line or "Atom" in line or line in tail)
    require_losses_told(READER.steps, short[short.index(" CELL| Volume") :])
