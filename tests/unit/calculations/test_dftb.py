"""Outputs of DFTB+, as tests write them in its format (layouts of DFTB+ 18 to 22, from its public sources): the
program has no package here."""

from pathlib import Path

import numpy as np
import pytest

from aims_pax.calculations.dftb.hsd import hsd_of
from aims_pax.calculations.method import Aspect
from aims_pax.calculations.registry import reader_of
from aims_pax.calculations.step import Closing, Convergence, Ended, Step
from aims_pax.units import BOHR_ANG, HARTREE_EV

from .published import is_usable, read

GEN = "3 C\nO H\n1 1 0.0 0.0 0.0\n2 2 0.96 0.0 0.0\n3 2 -0.24 0.93 0.0\n"
PERIODIC = GEN.replace("3 C", "3 S") + "0 0 0\n5.0 0.0 0.0\n0.0 6.0 0.0\n0.5 0.0 7.0\n"
INPUT = """
Geometry = GenFormat {{
{gen}}}
Driver = {driver}
Hamiltonian = DFTB {{
  SCC = Yes
  ThirdOrderFull = Yes   # DFTB3
  SlaterKosterFiles = Type2FileNames {{
    Prefix = "/somewhere/3ob-3-1/"
    Suffix = ".skf"
  }}
  Dispersion = DftD3 {{ Damping = BeckeJohnson {{}} }}
  Filling = Fermi {{ Temperature [Kelvin] = 300 }}
  Charge = -1.0
  KPointsAndWeights = SupercellFolding {{
    2 0 0
    0 3 0
    0 0 1
    0.5 0.0 0.0
  }}
}}
"""
FORCES = np.array([[0.02, -0.01, 0.005], [-0.03, 0.02, 0.0], [0.01, -0.01, -0.005]])
STRESS = np.array([[1e-4, 2e-5, 3e-5], [2e-5, -2e-4, 4e-5], [3e-5, 4e-5, 5e-5]])
ENERGY = -4.0779379326


def energies(free: float = ENERGY) -> str:
    return (
        f"Fermi level:                        -0.2370222488 H           -6.4497 eV\n"
        f"Total energy:                     {free + 0.001:16.10f} H         -110.9 eV\n"
        f"Extrapolated to 0:                {free + 0.0005:16.10f} H         -110.9 eV\n"
        f"Total Mermin free energy:         {free:16.10f} H         -110.9 eV\n"
        f"Force related energy:             {free:16.10f} H         -110.9 eV\n\n"
    )


def forces(*, numbered: bool = True) -> str:
    rows = (f"{n:5d}" * numbered + "".join(f"{x:20.12f}" for x in row) for n, row in enumerate(FORCES, start=1))
    return "Total Forces\n" + "\n".join(rows) + "\n\n"


def stress() -> str:
    return "Total stress tensor\n" + "\n".join("".join(f"{x:20.12f}" for x in row) for row in STRESS) + "\n\n"


def moved_atoms(positions: np.ndarray) -> str:
    rows = (f"{n:5d}" + "".join(f"{x:16.8f}" for x in row) for n, row in enumerate(positions / BOHR_ANG, start=1))
    return "Coordinates of moved atoms (au):\n" + "\n".join(rows) + "\n\n"


def static(scc: str = "SCC converged") -> str:
    head = " Fermi distribution function\n\nCalculation with static geometry\n\n"
    return head + energies() + scc + "\n\n" + forces() + "Maximal derivative component:        0.188038E-01 au\n\n"


def relaxed(positions: np.ndarray, end: str = "Geometry converged") -> str:
    head = " Fermi distribution function\n\nGeometry optimization step: 4\n\n"
    return head + moved_atoms(positions) + energies() + "SCC converged\n\n" + forces() + stress() + end + "\n\n"


def results(free: float = ENERGY) -> str:
    rows = "\n".join(" ".join(f"{x:.15E}" for x in row) for row in FORCES)
    matrix = "\n".join(" ".join(f"{x:.15E}" for x in row) for row in STRESS)
    return (
        f"mermin_energy       :real:0:\n {free:.15E}\nforcerelated_energy :real:0:\n {free:.15E}\n"
        f"forces              :real:2:3,3\n{rows}\nstress              :real:2:3,3\n{matrix}\n"
    )


def gathered(folder: Path, text: str, name: str = "detailed.out") -> tuple[list[Step], Closing]:
    (folder / name).write_text(text)
    return read(folder / name)


def write_input(folder: Path, gen: str = GEN, driver: str = "{}", name: str = "dftb_in.hsd") -> None:
    (folder / name).write_text(INPUT.format(gen=gen, driver=driver))


def test_a_static_calculation_has_the_geometry_of_its_input(tmp_path: Path) -> None:
    write_input(tmp_path)
    (step,), closing = gathered(tmp_path, static())
    assert is_usable(step)
    assert step.numbers is not None
    assert step.numbers.tolist() == [8, 1, 1]
    assert step.pbc == (False, False, False)
    assert step.energy == pytest.approx(HARTREE_EV * ENERGY, abs=1e-9)
    assert step.energies["Total energy"] == pytest.approx(HARTREE_EV * (ENERGY + 0.001), abs=1e-9)
    np.testing.assert_allclose(step.forces, FORCES * HARTREE_EV / BOHR_ANG, rtol=1e-9)
    np.testing.assert_allclose(step.positions, [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], atol=1e-9)
    assert step.stress is None
    assert step.charge == -1
    assert closing == Closing(Ended.IN_ORDER, None, ("Geometry and settings are those of dftb_in.hsd.",))


def test_settings_are_those_of_the_input(tmp_path: Path) -> None:
    write_input(tmp_path)
    method = gathered(tmp_path, static())[0][0].method
    assert method.mesh == (2, 3, 1)
    assert method.aspects[Aspect.FUNCTIONAL] == "DFTB3"
    assert method.aspects[Aspect.POTENTIALS] == "H 3ob-3-1; O 3ob-3-1"
    assert method.aspects[Aspect.DISPERSION] == "DftD3"
    assert method.aspects[Aspect.SMEARING] == "Fermi 0.02585 eV"


@pytest.mark.parametrize(
    ("line", "convergence"),
    [
        ("SCC converged", Convergence.REACHED),
        ("Non-SCC calculation", Convergence.REACHED),
        ("SCC is NOT converged, maximal SCC iterations exceeded", Convergence.NOT_REACHED),
        ("", Convergence.NOT_STATED),
    ],
)
def test_convergence_is_what_the_file_says(tmp_path: Path, line: str, convergence: Convergence) -> None:
    write_input(tmp_path)
    assert gathered(tmp_path, static(line))[0][0].convergence is convergence


def test_without_an_input_beside_it_the_geometry_is_unknown(tmp_path: Path) -> None:
    (step,), closing = gathered(tmp_path, static())
    assert step.missing == ("elements", "positions", "cell")
    assert "no dftb_pin.hsd or dftb_in.hsd lies beside it" in closing.remarks[0]


def test_an_input_of_other_atoms_is_not_believed(tmp_path: Path) -> None:
    write_input(tmp_path, GEN.replace("3 C", "2 C").rpartition("3 2")[0])
    (step,), _ = gathered(tmp_path, static())
    assert not is_usable(step)
    assert "2 atoms and there are forces of 3" in step.remarks[0]


def test_a_geometry_may_be_included(tmp_path: Path) -> None:
    (tmp_path / "water.gen").write_text(GEN)
    write_input(tmp_path, '  <<< "water.gen"\n')
    assert is_usable(gathered(tmp_path, static())[0][0])
    write_input(tmp_path, "\n  # geometry input file\n  <<< water.gen\n")
    assert is_usable(gathered(tmp_path, static())[0][0])
    write_input(tmp_path, "  <<< other.gen\n")
    (step,), closing = gathered(tmp_path, static())
    assert not is_usable(step)
    assert any("other.gen, which does not lie beside it" in remark for remark in closing.remarks)


EXPLICIT = """
Geometry = {{
  TypeNames = {{ "O" "H" }}
  Periodic = Yes
  LatticeVectors [Angstrom] = {{
    5.0 0.0 0.0
    0.0 6.0 0.0
    0.5 0.0 7.0
  }}
  TypesAndCoordinates {unit} = {{
    1 0.0 0.0 0.0
    2 0.96 0.0 0.0
    2 -0.24 0.93 0.0
  }}
}}
Hamiltonian = xTB {{ Method = "GFN1-xTB" }}
"""


@pytest.mark.parametrize(
    ("unit", "factor"), [("[Angstrom]", 1.0), ("", BOHR_ANG), ("[Bohr]", BOHR_ANG), ("[pm]", None)]
)
def test_explicit_coordinates_are_in_bohr_unless_they_say_otherwise(
    tmp_path: Path, unit: str, factor: float | None
) -> None:
    (tmp_path / "dftb_in.hsd").write_text(EXPLICIT.format(unit=unit))
    (step,), closing = gathered(tmp_path, static())
    if factor is None:
        assert step.missing == ("elements", "positions", "cell")
        assert "in no format that is read" in closing.remarks[1]
        return
    assert is_usable(step)
    np.testing.assert_allclose(step.positions, factor * np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]))
    np.testing.assert_allclose(step.cell, [[5, 0, 0], [0, 6, 0], [0.5, 0, 7]])
    assert step.method.aspects[Aspect.FUNCTIONAL] == "GFN1-xTB"


def test_forces_of_old_versions_have_no_number_of_the_atom(tmp_path: Path) -> None:
    write_input(tmp_path)
    text = static().replace(forces(), forces(numbered=False)).replace("Force related energy", "Some other energy")
    (step,), _ = gathered(tmp_path, text)
    assert is_usable(step)
    assert step.energy == pytest.approx(HARTREE_EV * ENERGY, abs=1e-9)


def test_a_relaxation_has_its_last_step_where_its_atoms_went(tmp_path: Path) -> None:
    write_input(tmp_path, driver="ConjugateGradient { LatticeOpt = No }")
    place = np.array([[0.01, 0.0, 0.0], [0.97, 0.02, 0.0], [-0.25, 0.9, 0.03]])
    (step,), closing = gathered(tmp_path, relaxed(place))
    assert is_usable(step)
    np.testing.assert_allclose(step.positions, place, atol=1e-7)
    assert closing.relaxed is True
    assert closing.ended is Ended.IN_ORDER
    assert "forces of the last step alone" in closing.remarks[-1]
    assert gathered(tmp_path, relaxed(place, "!!! Geometry did NOT converge!"))[1].relaxed is False
    assert gathered(tmp_path, relaxed(place, ""))[1].ended is Ended.CUT


def test_a_cell_that_moved_is_that_of_geo_end_when_its_atoms_are_there(tmp_path: Path) -> None:
    write_input(tmp_path, PERIODIC, driver="LBFGS { LatticeOpt = Yes }")
    place = np.array([[0.01, 0.0, 0.0], [0.97, 0.02, 0.0], [-0.25, 0.9, 0.03]])
    text = relaxed(place)
    assert gathered(tmp_path, text)[0][0].missing == ("elements", "positions", "cell")
    rows = "".join(f"{n} {1 if n == 1 else 2} {x} {y} {z}\n" for n, (x, y, z) in enumerate(place, start=1))
    end = "3 S\nO H\n" + rows + "0 0 0\n5.1 0 0\n0 6.1 0\n0.5 0 7.1\n"
    (tmp_path / "geo_end.gen").write_text(end)
    (step,), _ = gathered(tmp_path, text)
    assert is_usable(step)
    np.testing.assert_allclose(step.cell, [[5.1, 0, 0], [0, 6.1, 0], [0.5, 0, 7.1]])
    voigt = STRESS[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    np.testing.assert_allclose(step.stress, -voigt * HARTREE_EV / BOHR_ANG**3, rtol=1e-9)
    (tmp_path / "geo_end.gen").write_text(end.replace("0.97", "0.98"))
    assert not is_usable(gathered(tmp_path, text)[0][0])


def test_the_stress_of_md_has_a_kinetic_part_and_is_left_out(tmp_path: Path) -> None:
    write_input(tmp_path, PERIODIC, driver="VelocityVerlet { Barostat = None {} }")
    place = np.array([[0.01, 0.0, 0.0], [0.97, 0.02, 0.0], [-0.25, 0.9, 0.03]])
    text = relaxed(place, "Molecular dynamics completed").replace("Geometry optimization step", "MD step")
    (step,), closing = gathered(tmp_path, text)
    assert is_usable(step)
    assert step.stress is None
    assert "kinetic part" in step.remarks[0]
    assert closing.relaxed is None


def test_forces_that_detailed_out_was_not_asked_for_are_of_results_tag(tmp_path: Path) -> None:
    write_input(tmp_path, PERIODIC)
    (tmp_path / "results.tag").write_text(results())
    (step,), _ = gathered(tmp_path, static().replace(forces(), ""))
    assert is_usable(step)
    np.testing.assert_allclose(step.forces, FORCES * HARTREE_EV / BOHR_ANG, rtol=1e-9)
    assert step.stress is not None
    (tmp_path / "results.tag").write_text(results(ENERGY + 0.1))
    assert gathered(tmp_path, static().replace(forces(), ""))[0][0].missing == ("forces",)


def test_results_tag_alone_does_not_say_whether_charges_converged(tmp_path: Path) -> None:
    write_input(tmp_path, PERIODIC)
    (step,), closing = gathered(tmp_path, results(), "results.tag")
    assert is_usable(step)
    assert step.convergence is Convergence.NOT_STATED
    assert step.energy == pytest.approx(HARTREE_EV * ENERGY, abs=1e-9)
    np.testing.assert_allclose(step.forces, FORCES * HARTREE_EV / BOHR_ANG, rtol=1e-9)
    assert closing.ended is Ended.IN_ORDER
    write_input(tmp_path, PERIODIC, driver="VelocityVerlet { Steps = 10 }")
    (step,), closing = gathered(tmp_path, results(), "results.tag")
    assert not is_usable(step)
    assert "Atoms may have moved" in closing.remarks[-1]
    write_input(tmp_path, GEN.replace("3 C", "2 C").rpartition("3 2")[0])
    assert "2 atoms, and there are forces of 3" in gathered(tmp_path, results(), "results.tag")[1].remarks[-1]


def test_of_two_outputs_in_a_folder_detailed_out_is_read(tmp_path: Path) -> None:
    gathered(tmp_path, static())
    gathered(tmp_path, results(), "results.tag")
    detailed, tagged = reader_of(tmp_path / "detailed.out"), reader_of(tmp_path / "results.tag")
    assert detailed is not None
    assert tagged is not None
    assert detailed.prefers > tagged.prefers


@pytest.mark.parametrize("name", ["detailed.out", "results.tag", "dftb_in.hsd"])
def test_files_that_are_cut_or_lack_a_line_give_the_right_step_or_none(tmp_path: Path, name: str) -> None:
    texts = {"detailed.out": static(), "results.tag": results(), "dftb_in.hsd": INPUT.format(gen=PERIODIC, driver="{}")}
    lines = texts[name].splitlines(keepends=True)
    harmed = [texts[name][:end] for end in range(1, len(texts[name]), 13)]
    harmed += ["".join(lines[:number] + lines[number + 1 :]) for number in range(len(lines))]
    write_input(tmp_path, PERIODIC)
    main = "detailed.out" if name == "dftb_in.hsd" else name
    (tmp_path / main).write_text(texts[main])
    for text in harmed:
        (tmp_path / name).write_text(text)
        if reader_of(tmp_path / main) is not None:
            for step in read(tmp_path / main)[0]:
                assert not is_usable(step) or _is_right(step), text


def _is_right(step: Step) -> bool:
    assert step.numbers is not None
    assert step.positions is not None
    return (
        step.numbers.tolist() == [8, 1, 1]
        and np.allclose(step.positions, [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], atol=1e-9)
        and step.energy is not None
        and abs(step.energy - HARTREE_EV * ENERGY) < 0.03
        and step.forces is not None
        and np.allclose(step.forces, FORCES * HARTREE_EV / BOHR_ANG)
    )


def test_an_input_is_read_as_a_tree() -> None:
    tree = hsd_of('A = B { C [eV] = 1.5; D = "x y" # said\n E { 1 2 3\n 4 5 6 } }\nF = Yes\nG =\n  late\n*H = No')
    assert (tree.at("a").value, tree.at("A", "C").value, tree.at("A", "C").unit) == ("B", "1.5", "eV")
    assert tree.at("A", "D").value == "x y"
    assert tree.at("A", "E").rows == ["1 2 3", "4 5 6"]
    assert tree.at("F").is_yes
    assert tree.at("G").value == "late"
    assert not tree.at("H").is_yes
    assert tree.at("nothing", "at", "all").value == ""
