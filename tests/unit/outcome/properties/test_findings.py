"""What is told of numbers by several methods: tables, sentences, files, figures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from aims_pax.evaluation.blocks import Likeness
from aims_pax.evaluation.properties import Lack, Line, Measured, Panel, Quantity, Unmeasured
from aims_pax.evaluation.properties.comparison import Entry, percent
from aims_pax.outcome.properties.findings import PropertyFindings

COPPER, SALT = {"Cu": 4}, {"Na": 1, "Cl": 1}


def number(value: float, *, least: float = 0.1, is_of_phase: bool = False) -> Quantity:
    key = "energy_mev_per_atom" if is_of_phase else "bulk_modulus_gpa"
    return Quantity(key, key.partition("_")[0], "GPa", value, least=least, is_of_phase=is_of_phase)


def entry(
    method: str, outcome: Measured | Unmeasured | float, *, structure: str = "fcc", name: str = "eos", **changed: object
) -> Entry:
    found = Measured((number(outcome),)) if isinstance(outcome, float) else outcome
    crossed = (changed.get("judged", ()), changed.get("at_reference", ()))
    return Entry(name, structure, changed.get("formula", COPPER), method, found, *crossed)  # type: ignore[arg-type]


def findings(*entries: Entry, reference: str | None = "truth") -> PropertyFindings:
    models = tuple(dict.fromkeys(one.method for one in entries if one.method != reference))
    return PropertyFindings(models, reference, entries, titles={"eos": "equation of state", "phonons": "phonons"})


def test_a_table_has_models_beside_the_reference_and_deviations_in_percent() -> None:
    text = findings(entry("truth", 100.0), entry("one", 105.0), entry("other", 80.0)).text()
    assert "105 (+5.0 %)" in text
    assert "80 (-20.0 %)" in text
    assert "one deviates from truth by +5.0 % in bulk of fcc." in text


def test_a_deviation_from_next_to_nothing_is_not_told_in_percent() -> None:
    (row,) = findings(entry("truth", 0.05), entry("one", 5.0)).rows
    assert row.deviation_percent("one") is None


def by_chance(method: str, *blocks: float) -> Entry:
    quantity = Quantity("peak_ang", "first peak", "Å", float(np.mean(blocks)), blocks=blocks)
    x, y = np.array([1.0, 2.0]), np.array([0.5, 1.0])
    panel = Panel("radial", "Cu-Cu", "distance (Å)", "g(r)", (Line(x, y, half_width=0.1 * y),))
    return entry(method, Measured((quantity,), (panel,) * 6))


def test_numbers_that_are_means_have_intervals_and_are_told_to_differ_by_them(tmp_path: Path) -> None:
    """Pieces at the same times are pairs: each is 0.1 Å longer, whatever they have in common."""
    entries = by_chance("truth", 2.0, 2.4, 2.8), by_chance("one", 2.1, 2.5001, 2.9), by_chance("other", 2.5, 2.3, 2.4)
    found = findings(*entries)
    text = found.text()
    assert "2.5 ± 0.99 (+4.2 %, different)" in text
    assert "2.4 ± 0.25 (0.0 %)" in text
    assert (
        "one differs from truth in 1 of 1 numbers by more than their intervals, most by +4.2 % in first peak of fcc."
        in text
    )
    assert "other and truth are alike in the only number, within 95 % intervals." in text
    near = findings(by_chance("truth", 2.0, 2.4, 2.8), by_chance("one", 2.001, 2.4011, 2.801))
    assert near.rows[0].likeness("one") is Likeness.ALIKE, "a thousandth, and sure"
    (row,) = found.compared()["comparison"]
    assert row["chance"]["likeness"] == {"one": "different", "other": "alike"}
    assert row["chance"]["half_widths"]["other"] == pytest.approx(0.2484, abs=1e-4)
    found.write(tmp_path)
    with (tmp_path / "eos.csv").open(encoding="utf-8") as file:
        (written,) = csv.DictReader(file)
    assert float(written["truth: half_width_95"]) == pytest.approx(0.9937, abs=1e-4)
    assert (written["one: likeness"], written["other: likeness"]) == ("different", "alike")
    image = imread(tmp_path / "eos.png")
    assert image.shape[1] < 3 * image.shape[0], "six panels, in two lines"


def test_without_a_reference_there_are_numbers_and_no_sentences() -> None:
    found = findings(entry("one", 105.0), reference=None)
    assert found.sentences() == []
    assert "105" in found.text()


def test_what_is_missing_is_said_with_its_reason_once() -> None:
    lack = Unmeasured(Lack.UNFIT, "it is a molecule")
    text = findings(entry("truth", lack), entry("one", lack), entry("truth", 1.0, structure="bcc")).text()
    assert text.count("fcc: not for this structure: it is a molecule") == 1


def test_a_reason_of_one_method_names_it() -> None:
    text = findings(entry("truth", 1.0), entry("one", Unmeasured(Lack.FAILED, "the cell exploded"))).text()
    assert "fcc, one: failed: the cell exploded" in text


def test_energies_of_phases_are_told_against_the_first_one_of_their_composition() -> None:
    def phase(method: str, structure: str, value: float, formula: dict[str, int]) -> Entry:
        outcome = Measured((number(value, is_of_phase=True),))
        return entry(method, outcome, structure=structure, formula=formula)

    found = findings(
        phase("truth", "fcc", -1000.0, {"Cu": 4}),
        phase("truth", "hcp", -990.0, {"Cu": 2}),
        phase("truth", "salt", -500.0, SALT),
        phase("one", "fcc", 7.0, {"Cu": 4}),
        phase("one", "hcp", 12.0, {"Cu": 2}),
        phase("one", "salt", 3.0, SALT),
    )
    (row,) = found.rows
    assert (row.structure, row.key) == ("hcp", "above_fcc_energy_mev_per_atom")
    assert (row.values["one"], row.reference) == (5.0, 10.0)


def test_what_the_reference_says_of_a_models_geometry_stands_beside_its_own() -> None:
    found = findings(entry("truth", 10.0), entry("one", 12.0, judged=(number(11.0),)))
    row = found.rows[1]
    assert row.key == "by_reference_bulk_modulus_gpa"
    assert (row.values["one"], row.reference) == (11.0, 10.0)
    assert found.sentences() == ["equation of state: one deviates from truth by +20.0 % in bulk of fcc."]


def bands(method: str, shift: float) -> Entry:
    x = np.array([0.0, 1.0, np.nan, 1.0, 2.0])
    y = np.stack([x + shift, 2 * x + shift], axis=1)
    panel = Panel(
        "bands", "bands", "q", "f (THz)", (Line(x, y),), ticks=((0.0, "Γ"), (2.0, "X")), difference_unit="THz"
    )
    return entry(method, Measured((), (panel,)), name="phonons")


def test_what_models_say_of_geometries_of_the_reference_is_told_apart_and_is_no_deviation_of_theirs() -> None:
    found = findings(entry("truth", 10.0), entry("one", 10.0, at_reference=(number(14.0),)))
    _, row = found.rows
    assert (row.key, row.values, row.reference) == ("at_reference_bulk_modulus_gpa", {"one": 14.0}, 10.0)
    assert "bulk, at the reference's geometry" in found.text()
    assert "agrees with truth" in found.sentences()[0]


def test_curves_at_the_same_places_differ_by_a_number() -> None:
    (row,) = findings(bands("truth", 0.0), bands("one", 0.5)).rows
    assert row.values["one"] == pytest.approx(0.5)
    assert row.deviation_percent("one") is None


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(Exception, match="no finite number came out for bulk"):
        Measured((number(float("nan")),))


def test_files_hold_all_that_is_told(tmp_path: Path) -> None:
    found = findings(
        entry("truth", 100.0), entry("one", 105.0), bands("truth", 0.0), bands("one", 0.5), entry("other", 1.0)
    )
    written = found.write(tmp_path / "new")
    assert {path.name for path in written} == {
        *("properties.json", "properties.txt", "eos.csv", "eos.png", "phonons.csv", "phonons.png")
    }
    record = json.loads((tmp_path / "new" / "properties.json").read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["results"][2]["curves"][0]["lines"][0]["x"][2] is None, "where one line of the path ends"
    with (tmp_path / "new" / "eos.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["one"], row["truth"], row["one: deviation_percent"]) == ("105.0", "100.0", "5.0")
    assert not any("half_width" in column for column in row), "nothing of it is chance"
    for name in ("eos.png", "phonons.png"):
        assert imread(tmp_path / "new" / name).std() > 0.01, "it is not empty"


def test_a_figure_without_a_reference_shows_the_numbers_themselves(tmp_path: Path) -> None:
    findings(entry("one", 105.0), reference=None).write(tmp_path)
    assert (tmp_path / "eos.png").is_file()


@pytest.mark.parametrize(("value", "text"), [(-0.01, "0.0 %"), (0.0, "0.0 %"), (3.0, "+3.0 %"), (-3.0, "-3.0 %")])
def test_a_deviation_of_nothing_has_no_sign(value: float, text: str) -> None:
    assert percent(value) == text


def test_one_table_holds_stiffness_along_axes_as_far_as_it_differs_and_no_details(tmp_path: Path) -> None:
    along = {"fcc": (11,), "hcp": (11, 33)}

    def constants(structure: str) -> Entry:
        tensor = [Quantity(f"c{i}_gpa", f"C{i}", "GPa", 100.0 + i) for i in (*along[structure], 12)]
        detail = Quantity("asymmetry_gpa", "", "GPa", 0.1, is_detail=True)
        return entry("one", Measured((*tensor, detail)), structure=structure, name="elastic")

    lattice = Measured((Quantity("a_ang", "a", "Å", 3.6),))
    entries = [constants("fcc"), constants("hcp")]
    entries += [entry("one", lattice, structure=name, name="lattice") for name in along]
    titles = dict.fromkeys(("lattice", "elastic", "cohesive", "vacancy"), "")
    found = PropertyFindings(("one",), None, tuple(entries), titles=titles)
    assert tmp_path / "table.csv" in found.write(tmp_path)
    rows = [row[:2] for row in csv.reader((tmp_path / "table.csv").open())][1:]
    assert rows == [[name, key] for name in along for key in ("a_ang", *(f"c{i}_gpa" for i in along[name]))]
    assert findings(entry("one", 1.0)).table() == []
