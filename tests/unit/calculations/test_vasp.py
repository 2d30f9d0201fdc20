"""Published outputs of VASP, and OUTCARs that tests write in its format."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aims_pax.calculations.method import Aspect
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Closing, Convergence, Ended
from aims_pax.calculations.vasp.potential import element_of

from .published import check, is_usable, parameters, read
from .written_vasp import CELL, KILOBAR, KILOBARS, Moment, Outcar, Vasprun, is_same, moments, steps_of, stretched


@pytest.mark.parametrize("expected", parameters("vasp"))
def test_published_files_are_read_right(expected: dict[str, Any]) -> None:
    check(expected)


def test_what_vasp_writes_to_the_screen_is_no_outcar(tmp_path: Path) -> None:
    """An image of a band writes it beside its OUTCAR."""
    screen = tmp_path / "stdout"
    screen.write_text(" vasp.5.4.4.18Apr17-6-g9f103f2a35 (build Mar 30 2021) complex\n POSCAR found type information\n")
    assert reader_of(screen) is None


def cases() -> Path:
    folder = os.environ.get("AIMS_PAX_CASES")
    if folder is None:
        pytest.skip("AIMS_PAX_CASES names no folder with published outputs")
    return Path(folder) / "atompronet"


def test_strained_alumina_has_the_free_energy_and_the_virial_of_the_table() -> None:
    folder = cases() / "vasp_strain"
    rows = {row["strain"]: row for row in csv.DictReader((folder / "expected.csv").open())}
    files = sorted(folder.glob("*/*/*/OUTCAR.gz"))
    assert files
    for file in files:
        row = rows[file.parts[-4].rpartition("_")[2]]
        step = read(file)[0][-1]
        assert is_usable(step)
        assert step.numbers is not None
        assert step.cell is not None
        assert step.stress is not None
        assert step.forces is not None
        assert step.numbers.tolist() == [13] * 32 + [8] * 48
        assert step.energy == pytest.approx(float(row["free_energy_TOTEN_eV"]), abs=1e-8)
        told = step.energies["energy  without entropy"]
        assert told == pytest.approx(float(row["energy_without_entropy_eV"]), abs=1e-8)
        volume = abs(float(np.linalg.det(step.cell)))
        assert volume == pytest.approx(float(row["volume_A3"]), rel=1e-6)
        virial = [float(row[f"virial_{name}_eV"]) for name in ("xx", "yy", "zz")]
        np.testing.assert_allclose(-step.stress[:3] * volume, virial, atol=2e-4)
        assert abs(step.forces).max() == pytest.approx(float(row["max_abs_force"]), abs=2e-6)


def test_ten_steps_of_alumina_have_the_energies_that_are_known() -> None:
    steps, closing = read(cases() / "vasp_aimd" / "OUTCAR.gz")
    told = [step.energies["energy  without entropy"] for step in steps]
    assert len(steps) == 10
    assert told[:3] == [-591.23686925, -591.23687462, -591.23690645]
    assert all(is_usable(step) for step in steps)
    assert closing.ended is Ended.IN_ORDER


@pytest.mark.parametrize("version", ["4.6.35", "5.4.4.18Apr17-6-g9f103f2a35", "6.3.0"])
def test_outcar_of_each_version_gives_each_step(tmp_path: Path, version: str) -> None:
    told = moments()
    steps, closing = steps_of(tmp_path, Outcar(version=version).text(told))
    assert len(steps) == len(told)
    assert all(is_same(step, moment) and is_usable(step) for step, moment in zip(steps, told, strict=True))
    assert closing == Closing(Ended.IN_ORDER)
    assert steps[0].method.version == version
    assert steps[0].charge == 0


def test_stress_is_of_the_row_in_kilobar_and_has_the_other_sign(tmp_path: Path) -> None:
    step = steps_of(tmp_path, Outcar().text(moments(1)))[0][0]
    xx, yy, zz, xy, yz, zx = KILOBARS
    np.testing.assert_allclose(step.stress, KILOBAR * np.array([xx, yy, zz, yz, zx, xy]), rtol=1e-9)


@pytest.mark.parametrize("isif", ["0", "1"])
def test_stress_of_which_only_the_trace_was_computed_is_left_out(tmp_path: Path, isif: str) -> None:
    for text, name in (
        (Outcar(settings={"ISIF": isif}).text(moments(1)), "OUTCAR"),
        (Vasprun(settings={"ISIF": isif}).text(moments(1)), "vasprun.xml"),
    ):
        assert steps_of(tmp_path, text, name)[0][0].stress is None


def test_the_energy_of_a_step_has_two_blanks_and_is_no_enthalpy(tmp_path: Path) -> None:
    told = moments(2)
    steps, _ = steps_of(tmp_path, Outcar(settings={"PSTRESS": "1.0"}).text(told))
    assert [step.energy for step in steps] == pytest.approx([moment.energy for moment in told], abs=1e-8)
    assert steps[0].energies["energy(sigma->0)"] == pytest.approx(told[0].energy + 0.002, abs=1e-8)


@pytest.mark.parametrize(
    ("changes", "limit", "convergence"),
    [
        ((-1.0, 1e-7), "60", Convergence.REACHED),
        ((-1.0, 1e-3), "2", Convergence.NOT_REACHED),
        ((-1.0, 1e-7), "2", Convergence.AT_LIMIT),
        ((-1.0, 1.01e-6), "60", Convergence.REACHED),
        ((-1.0,), "0", Convergence.NOT_STATED),
    ],
)
def test_cycles_are_counted_for_the_file_says_that_ediff_was_reached_at_any_end(
    tmp_path: Path, changes: Sequence[float], limit: str, convergence: Convergence
) -> None:
    told = [replace(moments(1)[0], changes=changes)]
    for text, name in (
        (Outcar(settings={"NELM": limit}).text(told), "OUTCAR"),
        (Vasprun(settings={"NELM": limit}).text(told), "vasprun.xml"),
    ):
        assert steps_of(tmp_path, text, name)[0][0].convergence is convergence, name


@pytest.mark.parametrize(
    "verdict", ["aborting loop EDIFF was not reached (unconverged)", "aborting loop because hard stop was set"]
)
def test_what_vasp_6_says_of_an_unconverged_step_is_believed(tmp_path: Path, verdict: str) -> None:
    text = Outcar(version="6.4.2").text(moments(1)).replace("aborting loop because EDIFF is reached", verdict)
    assert steps_of(tmp_path, text)[0][0].convergence is Convergence.NOT_REACHED


def test_steps_without_a_table_lack_forces_and_do_not_shift_those_of_others(tmp_path: Path) -> None:
    told = [replace(moment, table=number in (0, 3)) for number, moment in enumerate(moments(4))]
    steps, _ = steps_of(tmp_path, Outcar(version="6.3.0").text(told))
    assert [is_usable(step) for step in steps] == [True, False, False, True]
    assert steps[1].missing == ("forces", "positions")
    assert is_same(steps[3], told[3])


def test_a_step_without_energy_and_table_leaves_nothing_to_the_next_one(tmp_path: Path) -> None:
    told = [replace(moment, table=number == 1) for number, moment in enumerate(moments(2))]
    lines = Outcar(version="6.3.0").text(told).splitlines()
    first = next(number for number, line in enumerate(lines) if "in kB" in line)
    lines[first] = lines[first].replace("3.25000", "9.99000")
    del lines[next(number for number, line in enumerate(lines) if "free  energy" in line)]
    steps, _ = steps_of(tmp_path, "\n".join(lines))
    assert len(steps) == 1
    assert is_same(steps[0], told[1])
    assert steps[0].stress is not None
    assert steps[0].stress[1] == pytest.approx(3.25 * KILOBAR)


def test_nine_columns_of_a_dispersion_method_keep_the_first_six_also_beside_nan(tmp_path: Path) -> None:
    told = moments(1)
    lines = Outcar().text(told).splitlines()
    start = next(number for number, line in enumerate(lines) if "TOTAL-FORCE" in line)
    lines[start] += ",                 FORCE-w/o vdW (eV/Angst)"
    for number in range(start + 2, start + 5):
        lines[number] += "      0.100000           NaN      0.300000"
    steps, _ = steps_of(tmp_path, "\n".join(lines))
    assert is_same(steps[0], told[0])
    assert is_usable(steps[0])


def test_steps_of_a_machine_learned_force_field_are_no_labels(tmp_path: Path) -> None:
    told = [replace(moment, is_learned=number in (0, 2, 3)) for number, moment in enumerate(moments(4))]
    for text, name in (
        (Outcar(version="6.3.0", settings={"ISIF": "3"}).text(told), "OUTCAR"),
        (Vasprun(version="6.3.0", given={"ML_LMLFF": " T  "}).text(told), "vasprun.xml"),
    ):
        steps, closing = steps_of(tmp_path, text, name)
        assert [is_usable(step) for step in steps] == [False, True, False, False]
        assert is_same(steps[1], told[1])
        assert "machine-learned" in steps[2].flaws[0]
        assert "3 of 4 steps" in closing.remarks[0]


def test_a_learned_table_after_a_step_does_not_overwrite_it(tmp_path: Path) -> None:
    """In VASP the next step's force field comes before the line LOOP+ of the step."""
    told = [moments(2)[0], replace(moments(2)[1], is_learned=True)]
    lines = Outcar(version="6.3.0").text(told).splitlines()
    del lines[next(number for number, line in enumerate(lines) if "LOOP+" in line)]
    steps, _ = steps_of(tmp_path, "\n".join(lines))
    assert [bool(step.flaws) for step in steps] == [False, True]
    assert is_same(steps[0], told[0])


def test_a_file_without_electronic_cycles_may_be_of_a_force_field_and_is_refused(tmp_path: Path) -> None:
    lines = Outcar().text(moments(1)).splitlines()
    text = "\n".join(line for line in lines if "Iteration" not in line and "aborting" not in line)
    step = steps_of(tmp_path, text)[0][0]
    assert not is_usable(step)
    assert "no electronic cycle" in step.flaws[0]


def test_vectors_of_long_cells_touch_and_are_parted(tmp_path: Path) -> None:
    long = [stretched(moment, 30.0) for moment in moments(1)]
    text = Outcar().text(long)
    assert "126.000000000" in text
    assert "-9.000000000132.000000000" in text
    step = steps_of(tmp_path, text)[0][0]
    np.testing.assert_allclose(step.cell, 30 * CELL, atol=1e-8)


def test_the_cell_of_a_step_is_its_own(tmp_path: Path) -> None:
    told = [stretched(moment, 1 + 0.01 * number) for number, moment in enumerate(moments(3))]
    steps, _ = steps_of(tmp_path, Outcar(settings={"ISIF": "3", "IBRION": "2"}).text(told))
    assert all(is_same(step, moment) for step, moment in zip(steps, told, strict=True))


def test_a_moving_cell_that_was_not_printed_is_missing(tmp_path: Path) -> None:
    lines = Outcar(settings={"ISIF": "3", "IBRION": "2"}).text(moments(2)).splitlines()
    del lines[max(number for number, line in enumerate(lines) if "direct lattice vectors" in line)]
    steps, _ = steps_of(tmp_path, "\n".join(lines))
    assert [step.missing for step in steps] == [(), ("cell",)]


def test_species_may_repeat(tmp_path: Path) -> None:
    titles = ("PAW_PBE O 08Apr2002", "PAW_PBE Ti_sv 26Sep2005", "PAW_PBE O 08Apr2002")
    steps, _ = steps_of(tmp_path, Outcar(titles=titles, counts=(1, 1, 1)).text(moments(1)))
    assert steps[0].numbers is not None
    assert steps[0].numbers.tolist() == [8, 22, 8]


def test_species_are_of_the_list_of_potentials_where_no_titles_are_printed(tmp_path: Path) -> None:
    lines = Outcar(version="6.3.0").text(moments(1)).splitlines()
    steps, _ = steps_of(tmp_path, "\n".join(line for line in lines if "TITEL" not in line))
    assert is_same(steps[0], moments(1)[0])


def test_more_species_than_counts_leave_elements_unknown(tmp_path: Path) -> None:
    steps, closing = steps_of(tmp_path, Outcar(counts=(1,)).text(moments(1)))
    assert steps[0].missing == ("elements",)
    assert "no POSCAR or CONTCAR of this run lies beside it" in closing.remarks[0]


POSCAR = "own\n1.0\n4.2 0 0\n-0.3 4.4 0\n0.1 -0.2 5.1\n{symbols}\n{counts}\nCartesian\n{rows}\n"


def poscar(symbols: str, counts: str, moment: Moment) -> str:
    rows = "\n".join(" ".join(f"{x:.8f}" for x in row) for row in moment.positions)
    return POSCAR.format(symbols=symbols, counts=counts, rows=rows)


def test_elements_that_outcar_does_not_tell_are_of_the_poscar_of_the_same_run(tmp_path: Path) -> None:
    told = moments(1)
    (tmp_path / "POSCAR").write_text(poscar("Ti O", "1 2", told[0]))
    steps, closing = steps_of(tmp_path, Outcar(counts=(1,)).text(told))
    assert is_same(steps[0], told[0])
    assert "taken from POSCAR" in closing.remarks[0]


@pytest.mark.parametrize(
    ("symbols", "counts", "which"), [("Ti O", "1 2", 1), ("O Ti", "2 1", 0), ("Ti O", "2 1", 1), ("Ti", "3", 0)]
)
def test_a_poscar_of_another_run_is_not_believed(tmp_path: Path, symbols: str, counts: str, which: int) -> None:
    told = moments(2)
    (tmp_path / "POSCAR").write_text(poscar(symbols, counts, told[which]))
    steps, _ = steps_of(tmp_path, Outcar(counts=(1,)).text(told[:1]))
    assert steps[0].missing == ("elements",)


def test_counts_of_a_thousand_atoms_touch_and_are_parted() -> None:
    from aims_pax.calculations.vasp.head import _counts

    assert _counts("               8  481000   2") == (8, 48, 1000, 2)
    assert _counts("            10002000") == (1000, 2000)
    assert _counts("            ****   3") is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"ICHARG": "11"}, "held fixed"),
        ({"IALGO": "2"}, "no cycle of self-consistency"),
        ({"SCALEE": "0.5000"}, "scaled"),
        ({"ICORELEVEL": "2"}, "out of a core"),
        ({"NELECT": "23.6000"}, "no whole one"),
    ],
)
def test_runs_that_are_of_no_ground_state_are_refused(tmp_path: Path, settings: dict[str, str], why: str) -> None:
    for text, name in (
        (Outcar(settings=settings).text(moments(1)), "OUTCAR"),
        (Vasprun(settings=settings).text(moments(1)), "vasprun.xml"),
    ):
        assert why in steps_of(tmp_path, text, name)[0][0].flaws[0]


def test_a_pseudohydrogen_is_no_element(tmp_path: Path) -> None:
    titles = ("PAW_PBE Ti_sv 26Sep2005", "PAW_PBE H.75 12Oct2001")
    step = steps_of(tmp_path, Outcar(titles=titles).text(moments(1)))[0][0]
    assert step.missing == ("elements",)
    assert "stands for no element" in step.flaws[0]


@pytest.mark.parametrize(
    ("title", "number"),
    [
        ("PAW_PBE Ti_sv 26Sep2005", 22),
        ("PAW Si 02Feb1999", 14),
        ("US Mg", 12),
        ("^PAW_PBE F_h_GW 20May2014", 9),
        ("PAW_PBE Xe 07Sep2000", 54),
        ("PAW_PBE Ru_pv_new 06Feb2003", 44),
        ("PAW_PBE H1.25 07Sep2000", None),
        ("", None),
    ],
)
def test_potentials_name_their_elements(title: str, number: int | None) -> None:
    assert element_of(title) == number


def test_a_cut_file_keeps_its_whole_steps(tmp_path: Path) -> None:
    text = Outcar().text(moments(3))
    cut = text[: text.rindex("TOTAL-FORCE")]
    steps, closing = steps_of(tmp_path, cut)
    assert len(steps) == 2
    assert closing.ended is Ended.CUT
    assert "after 2 whole steps" in closing.remarks[0]


def test_a_file_without_a_step_gives_none(tmp_path: Path) -> None:
    text = Outcar().text(moments(1))
    steps, closing = steps_of(tmp_path, text[: text.index("aborting")])
    assert steps == []
    assert closing.ended is Ended.CUT


def test_two_runs_in_one_file_are_told_and_have_their_own_settings(tmp_path: Path) -> None:
    told = moments(2)
    text = Outcar().text(told[:1]) + Outcar(settings={"ENCUT": "500.0"}).text(told[1:])
    steps, closing = steps_of(tmp_path, text)
    assert [step.method.aspects[Aspect.BASIS] for step in steps] == ["400 eV", "500 eV"]
    assert "several runs" in closing.remarks[0]


def test_entropy_of_more_than_a_thousandth_electronvolt_an_atom_is_told(tmp_path: Path) -> None:
    told = [replace(moments(1)[0], entropy_ev=-0.3)]
    for text, name in ((Outcar().text(told), "OUTCAR"), (Vasprun().text(told), "vasprun.xml")):
        step = steps_of(tmp_path, text, name)[0][0]
        assert is_usable(step)
        assert "100.0 meV an atom" in step.remarks[0]


def test_a_relaxation_that_stopped_is_told_from_one_that_reached_its_criterion(tmp_path: Path) -> None:
    text = Outcar(settings={"IBRION": "2"}).text(moments(2))
    assert steps_of(tmp_path, text)[1].relaxed is False
    reached = text.replace(" General", " reached required accuracy - stopping structural energy minimisation\n General")
    assert steps_of(tmp_path, reached)[1].relaxed is True
    assert steps_of(tmp_path, Outcar().text(moments(2)))[1].relaxed is None
