"""Standard output of pw.x."""

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from aims_pax.calculations.espresso import output, schema
from aims_pax.calculations.espresso.header import RYDBERG_EV
from aims_pax.calculations.espresso.mesh import mesh_of
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from tests.unit.calculations import published
from tests.unit.calculations.damage import read_text, require_survival
from tests.unit.calculations.work import work_ev

HERE: Final = Path(__file__).parents[2] / "data" / "outputs" / "espresso"
RUNS: Final = ("si-vcrelax", "si-md", "si-vcmd", "si-unconverged", "si-hybrid", "h2-relax")


def text_of(name: str) -> str:
    return gzip.decompress((HERE / f"{name}.out.gz").read_bytes()).decode()


def read(name: str, change: Callable[[str], str] = str) -> tuple[list[Step], Closing]:
    return read_text(output.steps, change(text_of(name)))


@pytest.mark.parametrize("expected", published.parameters("qe"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)


@pytest.mark.parametrize(("name", "tolerance_ev"), [("si-md", 2e-4), ("si-vcmd", 2e-5), ("h2-relax", 2e-3)])
def test_energies_along_a_path_are_the_work_of_forces_and_stress(name: str, tolerance_ev: float) -> None:
    steps, _ = read(name)
    assert len(steps) >= 4
    for before, after in pairwise(steps):
        assert before.energy is not None
        assert after.energy is not None
        assert after.energy - before.energy == pytest.approx(work_ev(before, after), abs=tolerance_ev)


def test_the_geometry_after_the_last_forces_is_no_step() -> None:
    steps, closing = read("si-vcrelax")
    assert len(steps) == text_of("si-vcrelax").count("ATOMIC_POSITIONS") == 6
    assert closing.relaxed is False
    assert "Its relaxation has not converged." in closing.remarks


def test_an_scf_that_pw_x_calls_converged_at_its_last_cycle_is_not() -> None:
    steps, closing = read("si-unconverged")
    assert "convergence has been achieved" in text_of("si-unconverged")
    assert [step.convergence for step in steps] == [Convergence.NOT_REACHED]
    assert closing.ended is Ended.IN_ORDER


def test_cycles_of_exchange_are_one_step_with_the_last_energy() -> None:
    steps, _ = read("si-hybrid")
    assert len(steps) == 1
    assert steps[0].energy == pytest.approx(-13.72255871 * RYDBERG_EV, abs=1e-8)
    assert steps[0].convergence is Convergence.REACHED
    assert steps[0].method.aspects[Aspect.FUNCTIONAL] == "PBE0"
    other, _ = read(
        "si-hybrid", lambda text: text.replace("EXX-fraction              =        0.25", "EXX-fraction   = 0.40")
    )
    assert other[0].method.aspects[Aspect.FUNCTIONAL] == "PBE0, 0.4 exact exchange"


def test_exchange_that_was_stopped_has_not_converged() -> None:
    def stopped(text: str) -> str:
        return text.replace(
            "EXX self-consistency reached", "EXX convergence NOT achieved after   3 iterations: stopping"
        )

    steps, _ = read("si-hybrid", stopped)
    assert [step.convergence for step in steps] == [Convergence.NOT_REACHED]


def test_labels_of_one_element_are_told_apart_by_pw_x_and_not_by_us() -> None:
    steps, _ = read("si-md")
    assert steps[0].numbers is not None
    assert steps[0].numbers.tolist() == [14, 14]
    assert steps[0].method.aspects[Aspect.POTENTIALS].startswith("Si Si.pz-vbc.UPF")


def test_a_molecule_alone_in_its_box_is_not_periodic_unless_the_border_cuts_it() -> None:
    steps, _ = read("h2-relax")
    assert {step.pbc for step in steps} == {(False, False, False)}
    assert {step.spin for step in steps} == {1}
    assert {step.charge for step in steps} == {0}
    cut, _ = read("h2-relax", lambda text: text.replace("tau(   1) = (   0.4199391", "tau(   1) = (   1.4199391"))
    assert cut[0].pbc == (True, True, True)
    assert any("border" in remark for remark in cut[0].remarks)


def test_only_whole_forces_of_all_atoms_count_not_their_contributions() -> None:
    steps, _ = read("h2-relax")
    assert "The non-local contrib.  to forces" in text_of("h2-relax")
    assert all(step.forces is not None and step.forces.shape == (2, 3) for step in steps)
    assert steps[0].fixed is not None
    assert steps[0].fixed.tolist() == [[True] * 3, [False] * 3]


def test_settings_are_told_in_one_spelling() -> None:
    method = read("si-vcrelax")[0][0].method
    assert method.version == "6.7MaX"
    assert method.mesh is None, "symmetry turns a shifted mesh of this lattice out of itself"
    assert dict(method.aspects) == {
        Aspect.FUNCTIONAL: "LDA-PZ",
        Aspect.BASIS: "plane waves orbitals 163.268 eV, density 653.073 eV",
        Aspect.POTENTIALS: "Si Si.pz-vbc.UPF",
        Aspect.SUMS: "Si md5 a974d1b8",
        Aspect.SMEARING: "none",
        Aspect.SPIN: "not polarised",
    }


CUBIC: Final = np.eye(3)
FACE_CENTRED: Final = np.array([[-0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [-0.5, 0.5, 0.0]])


@pytest.mark.parametrize(
    ("points", "axes", "expected"),
    [
        ([[0.0, 0.0, 0.0, 2.0]], CUBIC, (1, 1, 1)),
        ([[0, 0, 0, 0.25], [0, 0, -0.5, 0.75], [0, -0.5, -0.5, 0.75], [-0.5, -0.5, -0.5, 0.25]], CUBIC, (2, 2, 2)),
        ([[0.25, 0.25, 0.25, 2.0]], CUBIC, (2, 2, 2)),
        ([[0, 0, 0, 0.25], [0.5, -0.5, -0.5, 1.0], [0, 0, -1.0, 0.75]], FACE_CENTRED, (2, 2, 2)),
        ([[0.1, 0.0, 0.0, 1.0], [0.2, 0.0, 0.0, 1.0], [0.3, 0.0, 0.0, 1.0]], CUBIC, None),
        ([[0.0, 0.0, 0.0, 0.3], [0.5, 0.0, 0.0, 1.7]], CUBIC, None),
    ],
)
def test_meshes_are_told_where_points_can_be_of_no_other(
    points: list[list[float]], axes: Any, expected: tuple[int, int, int] | None
) -> None:
    assert mesh_of(points, axes) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("number of k points=    10  gaussian broad. (Ry)=  0.0500     ngauss =   0", "gaussian 0.680285 eV"),
        ("number of k points=    10  gaussian broad. (Ry)=  0.0100     ngauss =  -1", "marzari-vanderbilt 0.136057 eV"),
        (
            "number of k points=    10  Marzari-Vanderbilt smearing, width (Ry)=  0.0100",
            "marzari-vanderbilt 0.136057 eV",
        ),
        ("number of k points=    10 (tetrahedron method)", "tetrahedra"),
        ("number of k points=    10", "none"),
    ],
)
def test_smearing_is_the_same_in_all_versions(printed: str, expected: str) -> None:
    steps, _ = read("si-md", lambda text: text.replace("number of k points=     1", printed))
    assert steps[0].method.aspects[Aspect.SMEARING] == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Exchange-correlation      =  SLA  PW   PBE  PBE (1434)", "PBE"),
        ("Exchange-correlation      = PBE ( 1  4  3  4 0 0)", "PBE"),
        ("Exchange-correlation= SLA  PW   PBX  PBC\n                           (   1   4   3   4   0   0   0)", "PBE"),
        ("Exchange-correlation= SCAN\n                           ( 263 267   0   0   0   0   0)", "SCAN (263 267)"),
    ],
)
def test_functional_is_the_same_in_all_versions(printed: str, expected: str) -> None:
    def changed(text: str) -> str:
        start = text.index("Exchange-correlation=")
        return text[:start] + printed + text[text.index("\n", text.index("(   1   1", start)) :]

    assert read("si-md", changed)[0][0].method.aspects[Aspect.FUNCTIONAL] == expected


def test_messages_about_an_input_without_units_are_no_geometry() -> None:
    message = "     Message from routine read_cards :\n     ATOMIC_POSITIONS: units set to alat\n"
    steps, _ = read("si-md", lambda text: text.replace("     Current dimensions", message + "     Current dimensions"))
    for step, other in zip(steps, read("si-md")[0], strict=True):
        assert published.is_usable(step)
        np.testing.assert_array_equal(step.positions, other.positions)  # type: ignore[arg-type]


def test_a_share_of_no_exact_exchange_is_none() -> None:
    steps, _ = read(
        "si-md", lambda text: text.replace("     celldm(1)", "     EXX-fraction   =  0.00\n     celldm(1)", 1)
    )
    assert steps[0].method == read("si-md")[0][0].method


def test_an_intersite_hubbard_term_is_told() -> None:
    mark = "     Reading Hubbard V parameters from the input...\n"
    steps, _ = read("si-md", lambda text: text.replace("     Current dimensions", mark + "     Current dimensions"))
    assert steps[0].method.aspects[Aspect.HUBBARD] == "intersite V of the input, values not told"


def test_version_4_ends_with_its_times() -> None:
    text = text_of("si-md").replace("JOB DONE", "")
    assert "PWSCF        :" in text
    assert read_text(output.steps, text)[1].ended is Ended.IN_ORDER
    assert read_text(output.steps, text[: text.index("PWSCF        :")])[1].ended is Ended.CUT


def test_other_programs_of_the_suite_are_not_pw_x() -> None:
    told = "     bravais-lattice index     =            2\n"
    assert output.recognises(told, "")
    for name in ("turboEELS v.6.3", "PHONON v.7.2", "CP v.6.1"):
        assert not output.recognises(f"     Program {name} starts on  6Sep2018\n{told}", "")


def test_headings_of_version_4_are_read_alike() -> None:
    def old(text: str) -> str:
        for new, before in (
            ("Program PWSCF v.6.7MaX starts", "Program PWSCF     v.4.3.2      starts"),
            ("cart. coord. in units of alat", "cart. coord. in units of a_0"),
            ("positions (alat units)", "positions (a_0 units)"),
            ("read from file:\n     /usr/share/espresso/pseudo/", "read from file "),
            ("Forces acting on atoms (cartesian axes, Ry/au):", "Forces acting on atoms (Ry/au):"),
            ("stress  (Ry/bohr**3)  ", "stress  (ryd/bohr**3) "),
            ("CELL_PARAMETERS (alat= 10.00000000)", "CELL_PARAMETERS (alat)"),
            ("scf convergence threshold =", "convergence threshold     ="),
        ):
            assert new in text, new
            text = text.replace(new, before)
        return text

    steps, _ = read("si-vcmd", old)
    for step, other in zip(steps, read("si-vcmd")[0], strict=True):
        assert step.method.version == "4.3.2"
        assert step.method.aspects == other.method.aspects
        for one, two in ((step.positions, other.positions), (step.cell, other.cell), (step.stress, other.stress)):
            assert one is not None
            np.testing.assert_array_equal(one, two)


def test_virtual_atoms_are_refused() -> None:
    steps, _ = read("si-md", lambda text: text.replace("Si( 1.00)", "Si( 0.50)Ge( 0.50)"))
    assert all("virtual atoms" in " ".join(step.flaws) for step in steps)


def test_a_charged_cell_tells_its_charge() -> None:
    steps, _ = read(
        "si-md", lambda text: text.replace("electrons       =         8.00", "electrons       =         7.00")
    )
    assert {step.charge for step in steps} == {1}


def test_two_runs_in_one_file_are_read_with_their_own_settings_and_the_cut_one_is_told() -> None:
    text = text_of("si-md")
    cut = text[: text.rindex("Forces acting")]
    steps, closing = read_text(output.steps, cut + text_of("si-hybrid"))
    assert [step.missing for step in steps] == [()] * 4 + [("forces",), ()]
    assert steps[-1].method.aspects[Aspect.FUNCTIONAL].startswith("PBE0")
    assert closing.ended is Ended.IN_ORDER
    assert "Run 1 of those in this file was cut." in closing.remarks


def test_a_step_whose_cell_was_lost_has_no_cell() -> None:
    def without(text: str) -> str:
        start = text.index("CELL_PARAMETERS")
        return text[:start] + text[text.index("ATOMIC_POSITIONS", start) :]

    steps, _ = read("si-vcmd", without)
    assert [step.missing for step in steps] == [(), ("cell",), (), ()]


def test_energies_of_each_cycle_without_a_word_of_convergence_are_refused() -> None:
    def each(text: str) -> str:
        text = text.replace("     total energy              =", "!    total energy              =")
        return text.replace("convergence has been achieved", "(lost)")

    steps, _ = read("si-md", each)
    assert all(step.flaws for step in steps)


@pytest.mark.parametrize("name", RUNS)
def test_damaged_outputs_give_steps_of_the_whole_one_or_none(name: str) -> None:
    require_survival(output.steps, text_of(name))


def xml_of(name: str) -> str:
    return gzip.decompress((HERE / f"{name}.xml.gz").read_bytes()).decode()


@pytest.mark.parametrize("name", ["si-vcrelax", "si-md"])
def test_steps_of_the_xml_file_are_those_of_the_standard_output(name: str) -> None:
    steps, closing = read_text(schema.steps, xml_of(name))
    printed, _ = read(name)
    assert len(steps) == len(printed)
    for step, other in zip(steps, printed, strict=True):
        assert step.energy == pytest.approx(other.energy, abs=2e-7)
        for one, two in ((step.positions, other.positions), (step.cell, other.cell), (step.forces, other.forces)):
            assert one is not None
            np.testing.assert_allclose(one, two, atol=2e-6)
    assert closing.ended is Ended.IN_ORDER


@pytest.mark.parametrize("name", ["si-vcrelax", "si-md", "si-d3", "fe-u"])
def test_settings_of_the_xml_file_have_the_words_of_the_standard_output(name: str) -> None:
    method, printed = read_text(schema.steps, xml_of(name))[0][0].method, read(name)[0][0].method
    told = {aspect: text for aspect, text in printed.aspects.items() if aspect is not Aspect.SUMS}
    assert dict(method.aspects) == told
    assert method.mesh == printed.mesh or printed.mesh is None


def test_words_of_settings_are_what_was_asked_for() -> None:
    silicon, iron = (read(name)[0][0].method.aspects for name in ("si-d3", "fe-u"))
    assert (silicon[Aspect.DISPERSION], silicon[Aspect.SMEARING]) == ("D3", "tetrahedra, linear")
    assert iron[Aspect.HUBBARD] == "Fe U 2.5 alpha 0.1 eV, ortho-atomic"
    assert iron[Aspect.SMEARING] == "gaussian 0.200004 eV", "of the four decimals that are printed"


def test_corrections_that_are_not_dudarev_s_stay_as_they_stand_in_the_xml_file() -> None:
    full = xml_of("fe-u").replace("<lda_plus_u_kind>0<", "<lda_plus_u_kind>1<")
    assert read_text(schema.steps, full)[0][0].method.aspects[Aspect.HUBBARD].startswith("1 2.5")


def test_final_results_of_a_moving_run_are_left_out_of_its_xml_file_for_they_are_of_two_geometries() -> None:
    steps, closing = read_text(schema.steps, xml_of("si-vcrelax"))
    assert len(steps) == 6
    assert closing.relaxed is False
    assert any("another geometry" in remark for remark in closing.remarks)


def test_a_single_point_of_the_xml_file_has_its_stress_and_mesh() -> None:
    steps, _ = read_text(schema.steps, xml_of("si-scf"))
    assert len(steps) == 1
    assert steps[0].stress is not None
    assert steps[0].stress[0] == pytest.approx(-0.02172027, abs=1e-7)
    assert steps[0].method.mesh == (2, 2, 2)
    assert steps[0].method.aspects[Aspect.FUNCTIONAL] == "LDA-PZ"


@pytest.mark.parametrize("name", ["si-vcrelax", "si-scf"])
def test_damaged_xml_files_give_steps_of_the_whole_one_or_none(name: str) -> None:
    require_survival(schema.steps, xml_of(name), n_each=20)
