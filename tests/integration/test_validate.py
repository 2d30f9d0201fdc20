"""Properties against the reference of a project, by its own workers, computed once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from aims_pax import validate
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.errors import UserError
from aims_pax.evaluation.blocks import Likeness
from aims_pax.evaluation.properties import Measured, Unmeasured
from aims_pax.evaluation.properties.dynamics.structure import StructureInMotion
from aims_pax.face.properties import Request
from aims_pax.outcome.properties.findings import PropertyFindings
from aims_pax.outcome.properties.validate import Validation

from .engines import reference_section
from .projects import copper_project


def project(folder: Path) -> Path:
    return copper_project(
        folder, bulk("Cu", cubic=True), {"REFERENCE": dict(reference_section("ase.calculators.emt:EMT"))}
    )


def n_labels(folder: Path) -> int:
    (books,) = (folder / "validate").glob("reference-*")
    with RunStore.open_readonly(books) as store:
        return len(list(store.jobs()))


def asked(folder: Path, *properties: str) -> PropertyFindings:
    return validate(bulk("Cu"), EMT(), project=folder, properties=properties)


def test_the_reference_is_computed_by_the_projects_workers_and_not_again(tmp_path: Path) -> None:
    folder = project(tmp_path / "copper")
    found = asked(folder, "lattice")
    (row,) = found.rows
    assert row.values["EMT"] == pytest.approx(row.reference, abs=1e-6)
    before = n_labels(folder)
    assert before > 0
    assert asked(folder, "lattice").rows[0].reference == row.reference
    assert n_labels(folder) == before, "all of it was found in the books"


def test_md_by_the_reference_that_was_interrupted_goes_on_from_its_labels(tmp_path: Path) -> None:
    wanted = StructureInMotion(time_ps=0.28, timestep_fs=5.0, friction_per_fs=0.2, length_ang=3.0)
    folders = [project(tmp_path / name) for name in ("whole", "interrupted")]
    departure = Departure()

    def show(words: str) -> None:
        if "MD, step 20 of 56" in words:
            departure.ask(Reason.INTERRUPTED)

    def asked_for(folder: Path, departure: Departure, show: Callable[[str], None]) -> PropertyFindings:
        request = Request(bulk("Cu", cubic=True), [EMT()], None, [wanted], folder, "cpu")
        with request.inquiry(departure) as inquiry:
            return Validation(inquiry, departure, show).carry_out()

    assert asked_for(folders[1], departure, show).rows == ()
    assert 20 < n_labels(folders[1]) < 57
    whole, resumed = (asked_for(folder, Departure(), lambda _words: None) for folder in folders)
    assert n_labels(folders[0]) == n_labels(folders[1]) == 57, "none is computed twice"
    # Sums of the same numbers differ by their last digit, by where in memory they stand.
    assert [row.reference for row in resumed.rows] == pytest.approx([row.reference for row in whole.rows], rel=1e-12)
    assert {row.likeness("EMT") for row in resumed.rows} == {Likeness.ALIKE}, "the same method with the same noise"


def test_what_a_reference_does_not_tell_is_a_reason(tmp_path: Path) -> None:
    found = asked(project(tmp_path / "copper"), "cohesive")
    outcomes = {one.method == "EMT": one.outcome for one in found.entries}
    assert isinstance(outcomes[True], Measured)
    unmeasured = outcomes[False]
    assert isinstance(unmeasured, Unmeasured)
    assert "does not tell the energy of the free atom" in unmeasured.reason


def test_references_of_several_systems_are_refused(tmp_path: Path) -> None:
    folder = project(tmp_path / "copper")
    text = (folder / "aims_PAX.yaml").read_text(encoding="utf-8")
    systems = "SYSTEMS:\n  one: {geometry: copper.xyz, REFERENCE: {type: tblite}}\n  two: {geometry: copper.xyz}\n"
    text = text.replace("  path_to_geometry: copper.xyz\n", "")
    (folder / "aims_PAX.yaml").write_text(systems + text, encoding="utf-8")
    with pytest.raises(UserError, match="references of their own"):
        asked(folder, "lattice")
