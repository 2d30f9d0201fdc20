"""vasprun.xml, as tests write it in VASP's format, and the settings that both of VASP's files tell."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aims_pax.calculations.method import Aspect
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Convergence, Ended
from aims_pax.gathering.methods import Methods, method_id

from .published import is_usable
from .written_vasp import CELL, KILOBAR, KILOBARS, Outcar, Vasprun, is_same, moments, steps_of


def test_vasprun_gives_each_step_to_eight_decimals(tmp_path: Path) -> None:
    told = moments()
    steps, closing = steps_of(tmp_path, Vasprun().text(told), "vasprun.xml")
    assert all(is_same(step, moment, 1e-7) and is_usable(step) for step, moment in zip(steps, told, strict=True))
    assert closing.ended is Ended.IN_ORDER
    xx, yy, zz, xy, yz, zx = KILOBARS
    np.testing.assert_allclose(steps[0].stress, KILOBAR * np.array([xx, yy, zz, yz, zx, xy]), rtol=1e-9)


def test_other_energies_of_vasprun_are_of_its_last_cycle(tmp_path: Path) -> None:
    """VASP 5 writes sigma->0 in the place of the energy without entropy, and the entropy where sigma->0 belongs."""
    told = moments(1)
    step = steps_of(tmp_path, Vasprun().text(told), "vasprun.xml")[0][0]
    assert step.energies["e_wo_entrp"] == pytest.approx(told[0].energy + 0.004, abs=1e-7)


def test_a_dispersion_energy_that_vasprun_does_not_name_is_found_by_the_difference(tmp_path: Path) -> None:
    told = [replace(moments(1)[0], dispersion_ev=-0.3)]
    step = steps_of(tmp_path, Vasprun().text(told), "vasprun.xml")[0][0]
    assert is_same(step, told[0])
    assert step.method.aspects[Aspect.DISPERSION] == "a correction without a name"
    plain = steps_of(tmp_path, Vasprun().text(moments(1)), "vasprun.xml")[0][0]
    assert plain.method.aspects[Aspect.DISPERSION] == "none"


def test_an_energy_with_the_work_of_the_pressure_is_refused(tmp_path: Path) -> None:
    volume = abs(float(np.linalg.det(CELL)))
    told = [replace(moments(1)[0], dispersion_ev=-KILOBAR * 20.0 * volume)]
    step = steps_of(tmp_path, Vasprun(settings={"PSTRESS": "20.0"}).text(told), "vasprun.xml")[0][0]
    assert "enthalpy" in step.flaws[0]
    assert is_usable(steps_of(tmp_path, Vasprun(settings={"PSTRESS": "20.0"}).text(moments(1)), "vasprun.xml")[0][0])


def test_xenon_may_be_written_as_x(tmp_path: Path) -> None:
    kinds = ((1, "X ", "PAW_PBE Xe 07Sep2000"), (2, "r ", "PAW_PBE Zr_sv 04Jan2005"))
    step = steps_of(tmp_path, Vasprun(kinds=kinds).text(moments(1)), "vasprun.xml")[0][0]
    assert step.numbers is not None
    assert step.numbers.tolist() == [54, 40, 40]


def test_forces_that_were_not_computed_stand_there_as_zeros(tmp_path: Path) -> None:
    step = steps_of(tmp_path, Vasprun(is_zero=True).text(moments(1)), "vasprun.xml")[0][0]
    assert step.missing == ("forces",)
    assert step.stress is None
    assert "were not computed" in step.remarks[-1]


def test_components_that_were_held_are_told(tmp_path: Path) -> None:
    rows = ('   <v type="logical" > T  F  T  </v>', '   <v type="logical" > T  T  T  </v>') * 2
    text = Vasprun(selective=rows[:3]).text(moments(1))
    step = steps_of(tmp_path, text, "vasprun.xml")[0][0]
    assert step.fixed is not None
    assert step.fixed.tolist() == [[False, True, False], [False] * 3, [False, True, False]]


def test_a_cut_or_malformed_vasprun_keeps_its_whole_steps(tmp_path: Path) -> None:
    text = Vasprun(settings={"KINTER": "******", "SYSTEM": "a & b < \x07"}).text(moments(3))
    cut = text[: text.rindex('<varray name="stress"')]
    steps, closing = steps_of(tmp_path, cut, "vasprun.xml")
    assert [is_usable(step) for step in steps] == [True, True]
    assert "and another one was begun" in closing.remarks[0]
    assert steps_of(tmp_path, cut[: cut.index("<calculation>")], "vasprun.xml")[0] == []


def test_cycles_are_not_counted_where_responses_share_a_calculation(tmp_path: Path) -> None:
    told = [replace(moments(1)[0], changes=[-1e-3] * 70)]
    plain = steps_of(tmp_path, Vasprun(settings={"NELM": "60"}).text(told), "vasprun.xml")[0][0]
    response = Vasprun(settings={"NELM": "60", "LEPSILON": "T"}).text(told)
    assert plain.convergence is Convergence.NOT_STATED
    assert steps_of(tmp_path, response, "vasprun.xml")[0][0].convergence is Convergence.NOT_STATED


@pytest.mark.parametrize("before", ["\n  <energy>", "\n </calculation>"])
def test_cycles_of_responses_follow_the_geometry_and_are_none_of_the_step(tmp_path: Path, before: str) -> None:
    """VASP 5.2 to 6.6 with LEPSILON or IBRION = 8: their energies are not the step's, nor is there a dispersion."""
    told = moments(1)
    written = Vasprun(settings={"NELM": "10", "LEPSILON": "T"}).text(told)
    energy = '    <i name="e_fr_energy">   -169.20664213 </i>'
    response = "\n".join(["  <scstep>", "   <energy>", energy, "   </energy>", "  </scstep>"] * 20)
    text = written.replace(before, "\n" + response + before)
    step = steps_of(tmp_path, text, "vasprun.xml")[0][0]
    assert is_same(step, told[0])
    assert is_usable(step)
    assert step.convergence is Convergence.REACHED
    assert step.method.aspects[Aspect.DISPERSION] == "none"
    assert step.energies["e_wo_entrp"] == pytest.approx(told[0].energy + 0.004, abs=1e-7)


def test_a_file_that_several_images_wrote_into_gives_no_labels_from_there_on(tmp_path: Path) -> None:
    told = moments(3)
    text = Vasprun().text(told)
    end = text.index(" </calculation>") + len(" </calculation>\n")
    torn = text[:end] + "0.000 </v>\n    </varray>\n  <energy>\n </calculation>\n" + text[end:]
    steps, _ = steps_of(tmp_path, torn, "vasprun.xml")
    assert [is_usable(step) for step in steps] == [True, False, False]
    assert "images of a band" in steps[1].flaws[0]


def test_runs_in_one_file_have_settings_and_atoms_of_their_own(tmp_path: Path) -> None:
    """An archive of vasprun.xml is unpacked to one text."""
    told = moments(2)
    kinds = ((1, "Zr", "PAW_PBE Zr_sv 04Jan2005"), (2, "O ", "PAW_PBE O 08Apr2002"))
    other = Vasprun(kinds=kinds, settings={"ENMAX": "500.0"}).text(told)
    for first in (Vasprun().text(told), Vasprun().text(told).rpartition("  <energy>")[0]):
        steps, closing = steps_of(tmp_path, first + other, "vasprun.xml")
        assert [step.numbers.tolist()[0] for step in steps[-2:] if step.numbers is not None] == [40, 40]
        assert [step.method.aspects[Aspect.BASIS] for step in steps[-3:]] == ["400 eV", "500 eV", "500 eV"]
        assert "several runs" in closing.remarks[0]
        assert closing.ended is Ended.IN_ORDER


def test_an_energy_of_another_calculation_is_found_by_the_cycles(tmp_path: Path) -> None:
    first, second = moments(2)
    text = Vasprun().text([first, replace(second, dispersion_ev=0.2)])
    steps, _ = steps_of(tmp_path, text, "vasprun.xml")
    assert [is_usable(step) for step in steps] == [True, False]
    assert "not that of its last electronic cycle" in steps[1].flaws[0]
    assert steps[0].method == steps[1].method


def test_forces_of_a_band_are_asked_of_outcar(tmp_path: Path) -> None:
    text = Vasprun(given={"IMAGES": "     3"}).text(moments(1))
    step = steps_of(tmp_path, text, "vasprun.xml")[0][0]
    assert "springs" in step.flaws[0]


def test_of_two_files_of_one_run_vasprun_is_read_unless_outcar_knows_better(tmp_path: Path) -> None:
    def preference(text: str, name: str) -> int:
        (tmp_path / name).write_text(text)
        reader = reader_of(tmp_path / name)
        assert reader is not None
        return reader.prefers

    outcar = preference(Outcar().text(moments(1)), "OUTCAR")
    assert preference(Vasprun().text(moments(1)), "vasprun.xml") > outcar
    assert preference(Vasprun(given={"IMAGES": "     3"}).text(moments(1)), "vasprun.xml") < outcar
    assert preference(Vasprun(given={"ML_LMLFF": " T  "}).text(moments(1)), "vasprun.xml") < outcar


def test_both_files_of_one_run_name_its_settings_alike(tmp_path: Path) -> None:
    of_outcar = steps_of(tmp_path, Outcar().text(moments(1)))[0][0].method
    of_vasprun = steps_of(tmp_path, Vasprun().text(moments(1)), "vasprun.xml")[0][0].method
    assert of_outcar == of_vasprun
    assert of_outcar.mesh == (2, 2, 1)
    assert dict(of_outcar.aspects) == {
        Aspect.PROGRAM: "VASP",
        Aspect.FUNCTIONAL: "PBE",
        Aspect.DISPERSION: "none",
        Aspect.BASIS: "400 eV",
        Aspect.POTENTIALS: "PAW_PBE O 08Apr2002; PAW_PBE Ti_sv 26Sep2005",
        Aspect.SMEARING: "Gaussian 0.05 eV",
        Aspect.SPIN: "not polarised",
        Aspect.HUBBARD: "none",
        Aspect.SOLVATION: "none",
        Aspect.ACCURACY: "PREC Accurate, LREAL off, LASPH",
    }


@pytest.mark.parametrize(
    ("settings", "aspect", "text"),
    [
        ({"LHFCALC": "T", "AEXX": "0.2500", "HFSCREEN": "0.2000", "AGGAX": "0.75", "AGGAC": "1", "ALDAC": "1"},
         Aspect.FUNCTIONAL, "PBE, 0.25 exact exchange, screened by 0.2 1/Å"),
        ({"GGA": "PS", "LEXCH": "14"}, Aspect.FUNCTIONAL, "PBEsol"),
        ({"GGA": "NO"}, Aspect.FUNCTIONAL, "PBE"),
        ({"METAGGA": "SCAN"}, Aspect.FUNCTIONAL, "SCAN"),
        ({"ISMEAR": "1", "SIGMA": "0.20"}, Aspect.SMEARING, "Methfessel-Paxton 1 0.2 eV"),
        ({"ISMEAR": "-5"}, Aspect.SMEARING, "tetrahedron"),
        ({"ISPIN": "2"}, Aspect.SPIN, "polarised"),
        ({"LNONCOLLINEAR": "T", "LSORBIT": "T"}, Aspect.RELATIVITY, "spin-orbit coupling"),
        ({"LDAU": "T", "LDAUTYPE": "2", "LDAUL": "2 -1", "LDAUU": "3.2 0.0", "LDAUJ": "0.0 0.0"},
         Aspect.HUBBARD, "LDAUTYPE 2: Ti_sv d U 3.2 J 0 eV"),
        ({"LSOL": "T", "EB_K": "78.4"}, Aspect.SOLVATION, "VASPsol, permittivity 78.4"),
        ({"LUSE_VDW": "T", "ZAB_VDW": "-1.8867"}, Aspect.DISPERSION, "non-local, Zab -1.8867"),
        ({"IVDW": "12"}, Aspect.DISPERSION, "D3(BJ)"),
        ({"ADDGRID": "T"}, Aspect.EXTRAS, "ADDGRID"),
        ({"ADDGRID": "F"}, Aspect.EXTRAS, "none"),
        ({"IDIPOL": "3", "LDIPOL": "T"}, Aspect.ACCURACY, "PREC Accurate, LREAL off, LASPH, LDIPOL, IDIPOL 3"),
    ],
)  # fmt: skip
def test_settings_are_named_alike_in_both_files(
    tmp_path: Path, settings: dict[str, str], aspect: Aspect, text: str
) -> None:
    assert steps_of(tmp_path, Outcar(settings=settings).text(moments(1)))[0][0].method.aspects[aspect] == text
    vasprun = Vasprun(settings=settings).text(moments(1))
    assert steps_of(tmp_path, vasprun, "vasprun.xml")[0][0].method.aspects[aspect] == text


def test_an_outcar_that_repeats_no_input_does_not_say_what_it_can_not_know(tmp_path: Path) -> None:
    assert Aspect.EXTRAS not in steps_of(tmp_path, Outcar().text(moments(1)))[0][0].method.aspects
    vasprun = steps_of(tmp_path, Vasprun().text(moments(1)), "vasprun.xml")[0][0].method
    assert vasprun.aspects.get(Aspect.EXTRAS) in (None, "none")


@pytest.mark.parametrize(
    ("line", "text"),
    [(" IVDW         = 11", "D3(zero)"), (" Edisp (eV)  -28.80731", "a correction without a name")],
)
def test_dispersion_is_told_among_the_steps_of_an_outcar(tmp_path: Path, line: str, text: str) -> None:
    written = Outcar().text(moments(1)).replace("  FORCE on cell", f"{line}\n  FORCE on cell")
    assert steps_of(tmp_path, written)[0][0].method.aspects[Aspect.DISPERSION] == text


@pytest.mark.parametrize(("printed", "given"), [("0.03", "0.02500000"), ("0.00", "0.00258500"), ("0.20", "0.20000000")])
def test_a_width_that_the_outcar_of_version_5_rounds_is_that_of_the_vasprun(
    tmp_path: Path, printed: str, given: str
) -> None:
    rounded = steps_of(tmp_path, Outcar(settings={"SIGMA": printed}).text(moments(1)))[0][0].method
    told = steps_of(tmp_path, Vasprun(settings={"SIGMA": given}).text(moments(1)), "vasprun.xml")[0][0].method
    assert (rounded.decimals, told.decimals) == ({Aspect.SMEARING: 2}, {})
    methods = Methods()
    numbers = [methods.number_of(one) for one in (rounded, told)]
    methods.settle()
    assert {methods.ids[number] for number in numbers} == {method_id(told)}


def test_what_the_user_wrote_is_more_exact_than_what_vasp_repeats(tmp_path: Path) -> None:
    echo = ("   SIGMA = 0.001 ! eV; ISMEAR = 5", "   METAGGA = R2SCAN", "   KSPACING = 0.25")
    method = steps_of(tmp_path, Outcar(version="6.3.0", echo=echo, settings={"SIGMA": "0.00"}).text(moments(1)))[0][
        0
    ].method
    assert method.aspects[Aspect.SMEARING] == "Gaussian 0.001 eV"
    assert not method.decimals
    assert method.aspects[Aspect.FUNCTIONAL] == "R2SCAN"


def test_a_multiplicity_that_the_run_was_held_to_is_told(tmp_path: Path) -> None:
    settings = {"ISPIN": "2", "NUPDOWN": "2.0000", "NELECT": "25.0000"}
    step = steps_of(tmp_path, Outcar(settings=settings).text(moments(1)))[0][0]
    assert (step.spin, step.charge) == (3, -1)
