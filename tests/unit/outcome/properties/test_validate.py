"""`ap.validate` and `aims-pax validate`: what is asked for, what comes back, what is refused before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import write
from ase.optimize import BFGS
from tblite.ase import TBLite
from typer.testing import CliRunner, Result

from aims_pax import validate
from aims_pax.cli.program import program
from aims_pax.departure import Departure, Reason
from aims_pax.errors import UserError
from aims_pax.evaluation.properties import Measured, Specimen, Unmeasured, phonons
from aims_pax.evaluation.properties.defects.vacancy import VacancyEnergies
from aims_pax.evaluation.properties.surface import SurfaceEnergies
from aims_pax.outcome.properties.asked import distinct, properties_named, surfaces_named
from aims_pax.outcome.properties.methods import by_calculator, named_method
from aims_pax.outcome.properties.reference import called_briefly
from aims_pax.outcome.properties.validate import Inquiry, Validation

EMT_PATH = "ase.calculators.emt:EMT"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copper and water, where a command is given."""
    write(tmp_path / "copper.cif", bulk("Cu"))
    write(tmp_path / "water.xyz", molecule("H2O"))
    (tmp_path / "broken.cif").write_text("no crystal\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words: str) -> Result:
    return CliRunner().invoke(program, ["validate", *words])


def test_one_calculator_agrees_with_itself() -> None:
    found = validate({"copper": bulk("Cu")}, EMT(), against=EMT(), properties=["lattice"])
    (sentence,) = found.sentences()
    assert sentence == "lattice constants: EMT agrees with EMT (reference) to 0.1 % in one number."


def test_calculators_names_and_files_stand_side_by_side(mace_model: Path) -> None:
    models = [mace_model, "GFN2-xTB"]
    found = validate(molecule("H2O"), models, against="GFN1-xTB", properties=["cohesive", "eos"])
    outcomes = {(one.method, one.property_name): one.outcome for one in found.entries}
    tight = outcomes["GFN2-xTB", "cohesive"]
    assert isinstance(tight, Measured)
    assert tight.quantities[0].value == pytest.approx(atomization_by_hand(), abs=1e-3)
    assert isinstance(outcomes["GFN1-xTB", "eos"], Unmeasured)
    assert {one.method for one in found.entries} == {mace_model.name, "GFN2-xTB", "GFN1-xTB"}


def atomization_by_hand() -> float:
    """Of water by GFN2-xTB, a doublet of hydrogen and a triplet of oxygen; eV by atom."""
    parts = [(Atoms("H"), 2), (Atoms("H"), 2), (Atoms("O"), 3)]
    free = sum(method_energy(TBLite(method="GFN2-xTB", multiplicity=n, verbosity=0), atoms) for atoms, n in parts)
    water = molecule("H2O")
    water.calc = TBLite(method="GFN2-xTB", verbosity=0)
    BFGS(water, logfile=None).run(fmax=1e-3)
    return float(free - water.get_potential_energy()) / 3


def test_a_model_tells_the_free_atoms_that_it_was_given(mace_model: Path) -> None:
    method = named_method(str(mace_model), key="--models", device="cpu")
    assert method.given_atoms_ev == {1: -13.6, 6: -1029.0, 8: -2041.0}


def test_a_folder_of_models_is_a_committee_that_speaks_by_its_mean(mace_model: Path, tmp_path: Path) -> None:
    place = tmp_path / "run" / "results" / "committee"
    place.mkdir(parents=True)
    for number in (1, 2):
        (place / f"water_{number}.model").write_bytes(mace_model.read_bytes())
    method = named_method(str(tmp_path / "run"), key="--models", device="cpu")
    assert method.name == "run"
    assert method.calculator(molecule("H2O")).models.n_members == 2


def test_a_model_that_does_not_know_an_element_is_refused_at_once(mace_model: Path) -> None:
    with pytest.raises(UserError, match="does not know Cu"):
        validate(bulk("Cu"), mace_model)


def test_defects_are_relaxed_and_judged_by_model_and_reference_each() -> None:
    vacancy = VacancyEnergies(distance_ang=5.0)
    pairs = LennardJones(epsilon=0.4, sigma=2.4, rc=6.0, smooth=True)
    found = validate({"copper": bulk("Cu", cubic=True)}, pairs, against=EMT(), properties=[vacancy])
    rows = {row.key: row for row in found.rows}
    own, crossed = rows["vacancy_cu_ev"], rows["at_reference_vacancy_cu_ev"]
    assert crossed.reference == own.reference
    reference, model = found.entries
    assert isinstance(reference.outcome, Measured)
    judge = Specimen("copper", bulk("Cu", cubic=True), by_calculator(pairs), show=print)
    (by_hand,) = vacancy.judged(reference.outcome.geometries, judge)
    assert crossed.values[model.method] == pytest.approx(by_hand.value)
    assert abs(by_hand.value - own.values[model.method]) > 0.01, "eV: geometries that differ"
    assert rows["by_reference_vacancy_cu_ev"].values[model.method] != pytest.approx(by_hand.value, abs=0.01)


def test_a_property_with_settings_of_its_own_is_taken_as_it_is() -> None:
    found = validate(bulk("Cu"), EMT(), properties=[SurfaceEnergies(indices=((1, 1, 1),), thickness_ang=6.0)])
    assert {row.key for row in found.rows} == {"surface_111_j_per_m2", "unrelaxed_surface_111_j_per_m2"}


@pytest.mark.parametrize(
    ("structures", "models", "properties", "told"),
    [
        ({"x": 3}, EMT(), ["lattice"], "an int"),
        (3, EMT(), ["lattice"], "is 3"),
        ([], EMT(), ["lattice"], "There are none"),
        (Atoms(), EMT(), ["lattice"], "no atoms"),
        (bulk("Cu"), 3, ["lattice"], "is of the type int"),
        (bulk("Cu"), [], ["lattice"], "No model was named"),
        (bulk("Cu"), EMT(), [], "No property was named"),
        (bulk("Cu"), EMT(), "elastc", "Did you mean elastic"),
    ],
)
def test_what_a_notebook_may_mistake_is_told(structures: Any, models: Any, properties: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        validate(structures, models, properties=properties)


def test_atoms_without_names_are_called_by_their_formulas_and_stay_as_they_are() -> None:
    silver = bulk("Ag")
    silver.calc = EMT()
    found = validate([bulk("Cu"), silver, bulk("Cu", "bcc", a=2.87)], EMT(), properties=["cohesive"])
    assert [one.structure for one in found.entries] == ["Cu_1", "Ag", "Cu_2"]
    assert silver.calc is not None


def test_the_command_prints_a_table_and_writes_it(folder: Path) -> None:
    result = command(
        *("copper.cif", "--models", EMT_PATH, "--against", EMT_PATH, "--properties", "lattice", "cohesive")
    )
    assert result.exit_code == 0, result.output
    assert "agrees with EMT (reference)" in result.output
    record = json.loads((folder / "validation" / "properties.json").read_text(encoding="utf-8"))
    assert [one["property"] for one in record["results"]] == ["lattice", "lattice", "cohesive", "cohesive"]
    assert record["complete"]


def test_all_means_what_makes_sense(folder: Path) -> None:
    result = command("water.xyz", "--models", EMT_PATH, "--properties", "all", "--out", "water")
    assert result.exit_code == 0, result.output
    assert "lattice constants\n  water: not for this structure: nothing of it is periodic" in result.output
    assert (folder / "water" / "cohesive.csv").is_file()
    assert not (folder / "water" / "elastic.csv").exists()


def test_what_is_not_installed_is_told_also_where_all_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phonons, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="phonopy is not installed"):
        validate(bulk("Cu"), EMT(), properties=["all"])


def test_all_mistakes_are_told_together_and_nothing_is_written(folder: Path) -> None:
    result = command(
        *("missing.cif", "broken.cif", "--models", "no.model", "--against", "reference"),
        *("--properties", "elastc", "--miller", "1x0"),
    )
    assert result.exit_code == 2
    for words in (
        "missing.cif: There is no such file",
        "broken.cif: No structure can be read here",
        "no.model",
        "--against: is reference, and no project says which that is",
        "elastc is no property",
        "Did you mean elastic?",
        "'1x0' are no Miller indices",
    ):
        assert words in result.output
    assert not (folder / "validation").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "No structure was named"),
        (("copper.cif",), "No model was named"),
        (("copper.cif", "elastc", "--models", EMT_PATH), "Did you mean the property elastic?"),
        (("copper.cif", "--models", EMT_PATH, EMT_PATH), "more than once"),
        (("copper.cif", "--models", "os:getcwd"), "makes a str"),
        (("copper.cif", "--models", "json:loads"), "can't be made"),
        (("copper.cif", "--models", "."), "holds no .model files"),
        (("copper.cif", "--models", EMT_PATH, "--out", "water.xyz"), "This is a file"),
        (("water.xyz", "--models", EMT_PATH, "--properties", "elastic"), "There is nothing to measure"),
        (("copper.cif", "--models", EMT_PATH, "--miller", "111"), "surface is not among --properties"),
        (("copper.cif", "--models", EMT_PATH, "--time", "3"), "--time: is given, and structure is not among"),
        (("copper.cif", "structure", "--models", EMT_PATH, "--timestep", "0"), "timestep_fs: is 0"),
        (("copper.cif", "--models", EMT_PATH, "--speed", "9", "--temperature", "3"), "With --speed no properties"),
        (("copper.cif", "--models", EMT_PATH, "--project", ".", "--against", EMT_PATH), "--against reference, or none"),
    ],
)
def test_a_mistake_is_told_in_the_users_words(folder: Path, words: tuple[str, ...], told: str) -> None:
    result = command(*words)
    assert result.exit_code == 2, result.output
    assert told in result.output


def test_left_early_it_tells_what_was_found_until_then() -> None:
    departure, shown = Departure(), list[str]()

    def show(words: str) -> None:
        shown.append(words)
        if "cohesive" in words:
            departure.ask(Reason.INTERRUPTED)

    inquiry = Inquiry({"copper": bulk("Cu")}, properties_named(["lattice", "cohesive"]), (by_calculator(EMT()),))
    found = Validation(inquiry, departure, show).carry_out()
    assert [one.property_name for one in found.entries] == ["lattice"]
    assert "left before its end" in found.text()
    assert shown[0] == "copper, lattice constants by EMT"


def test_tight_binding_takes_charge_and_spin_that_a_structure_tells() -> None:
    method = named_method("GFN2-xTB", key="--models", device="cpu")
    neutral, charged = molecule("OH"), molecule("OH")
    charged.info["charge"] = -1
    energies = [method_energy(method.calculator(atoms), atoms) for atoms in (neutral, charged)]
    assert energies[1] < energies[0] - 1.0, "an electron is bound by more than an eV"


def method_energy(calculator: object, atoms: Atoms) -> float:
    atoms.calc = calculator
    return float(atoms.get_potential_energy())


def test_names_that_are_alike_are_numbered() -> None:
    assert distinct(["a", "b", "a"]) == ["a_1", "b", "a_2"]


def test_miller_indices_may_be_negative() -> None:
    assert surfaces_named("100, 1-10") == ((1, 0, 0), (1, -1, 0))


def test_a_program_s_settings_are_a_note_and_no_title_of_a_column() -> None:
    name, remarks = called_briefly("Quantum ESPRESSO by ASE 3.29.0: protocol='fast', kspacing=0.6 + D3(BJ)-pbe")
    assert name == "Quantum ESPRESSO by ASE 3.29.0"
    assert remarks == ("Quantum ESPRESSO by ASE 3.29.0 has protocol='fast', kspacing=0.6 + D3(BJ)-pbe",)
    assert called_briefly("PySCF 2.14.0 PBE/def2-svp, grid level 3") == ("PySCF 2.14.0 PBE/def2-svp, grid level 3", ())
