"""``aims-pax relabel`` and ``aims-pax recalc``: what is computed, written, kept and refused."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import molecule
from ase.io import read, write
from typer.testing import CliRunner, Result

from aims_pax.cli.program import program
from aims_pax.dataset.extxyz import read_dataset
from aims_pax.departure import Departed, Departure, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.face import relabelling
from aims_pax.face.relabelling import RelabelWishes, relabel_structures
from aims_pax.settings.labelling import LabellingFiles

from .engines import SPRINGS, WATCHED, Watched, emt
from .projects import copper, in_child

SETTINGS: dict[str, Any] = {"REFERENCE": {"type": "ase-calculator", "calculator": WATCHED, "max_force_ev_per_ang": 100}}


@pytest.fixture
def engine() -> Any:
    Watched.forget()
    yield Watched
    Watched.forget()


def tetrahedra(n: int) -> list[Atoms]:
    """Structures of four atoms of copper, with labels of nothing."""
    rng = np.random.default_rng(3)
    found = []
    for index in range(n):
        atoms = copper()
        atoms.positions += 0.05 * rng.normal(size=(4, 3))
        atoms.info |= {"REF_energy": -float(index), "origin": f"run {index}", "config_type": "md"}
        atoms.arrays["REF_forces"] = np.full((4, 3), 0.25)
        found.append(atoms)
    return found


@pytest.fixture
def folder(tmp_path: Path, engine: type[Watched]) -> Path:
    write(tmp_path / "data.extxyz", tetrahedra(5))
    (tmp_path / "aims_PAX.yaml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    return tmp_path


def wishes_in(folder: Path, **further: Any) -> RelabelWishes:
    files = LabellingFiles(folder / "aims_PAX.yaml")
    return RelabelWishes(folder / "data.extxyz", files, folder / "out.extxyz", **further)


def relabelled(wishes: RelabelWishes, *, departure: Departure | None = None, act: Any = None) -> Any:
    show = act or (lambda _words: None)
    return relabel_structures(wishes, departure=departure or Departure(), show=show)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(program, [str(word) for word in words], env={"COLUMNS": "300"})


def test_file_has_both_labels_in_the_order_of_the_input(folder: Path) -> None:
    done = invoke("relabel", folder / "data.extxyz", "--settings", folder / "aims_PAX.yaml", "--out", folder / "o.xyz")
    assert done.exit_code == 0, done.output
    assert re.search(
        r"\(5 structures by .*Watched.*; new labels as REF_\.\.\., those before as old_\.\.\.\)", done.output
    )
    for index, (one, given) in enumerate(zip(read(folder / "o.xyz", ":"), tetrahedra(5), strict=True)):
        energy, forces = emt(given.positions, "Cu4")
        np.testing.assert_allclose(one.positions, given.positions, atol=1e-7)
        assert one.info["REF_energy"] == pytest.approx(energy, abs=1e-6)
        np.testing.assert_allclose(one.arrays["REF_forces"], forces, atol=1e-5)
        assert (one.info["old_energy"], one.info["origin"], one.info["config_type"]) == (-index, f"run {index}", "md")
        np.testing.assert_array_equal(one.arrays["old_forces"], 0.25)
    assert [label.energy for _, label in read_dataset(folder / "o.xyz").structures]
    assert not (folder / "o.xyz.labels").exists(), "the books go with the last label"


def test_part_of_a_file_is_labelled(folder: Path) -> None:
    relabelled(wishes_in(folder, start=1, end=3))
    assert [one.info["origin"] for one in read(folder / "out.extxyz", ":")] == ["run 1", "run 2"]


def test_structure_that_fails_is_named_and_left_out(folder: Path, engine: type[Watched]) -> None:
    engine.manners = {2: "unconverged"}
    done = relabelled(wishes_in(folder))
    assert [one.info["origin"] for one in read(folder / "out.extxyz", ":")] == ["run 0", "run 2", "run 3", "run 4"]
    assert "  structure 2: not converged" in "\n".join(done.lines())


def test_reference_that_always_fails_stops_it_and_is_tried_again(
    folder: Path, engine: type[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relabelling, "MAX_IN_ROW", 3)
    engine.always = "unconverged"
    with pytest.raises(CampaignStopped, match="3 structures in a row could not be labelled"):
        relabelled(wishes_in(folder))
    engine.always = "compute"
    assert relabelled(wishes_in(folder)).failures == {}


@pytest.mark.parametrize("n_labels", [1, 3])
def test_a_kill_loses_no_label(n_labels: int, folder: Path, engine: type[Watched]) -> None:
    engine.log = folder / "computed"

    def kill(words: str) -> None:
        if words == f"labels: {n_labels} of 5":
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(lambda: relabelled(wishes_in(folder), act=kill)) == -signal.SIGKILL
    assert not (folder / "out.extxyz").exists()
    assert relabelled(wishes_in(folder)).n_written == 5
    assert len(engine.log.read_text(encoding="utf-8").split()) == 5, "none is computed twice"


def test_it_leaves_when_it_is_asked_to_and_goes_on(folder: Path, engine: type[Watched]) -> None:
    departure = Departure()
    with pytest.raises(Departed, match="Ctrl-C"):
        relabelled(wishes_in(folder), departure=departure, act=lambda _: departure.ask(Reason.INTERRUPTED))
    assert relabelled(wishes_in(folder)).n_written == 5
    assert len(engine.computed) == 5


def test_labels_of_another_reference_are_not_gone_on_from(folder: Path, engine: type[Watched]) -> None:
    departure = Departure()
    with pytest.raises(Departed, match="Ctrl-C"):
        relabelled(wishes_in(folder), departure=departure, act=lambda _: departure.ask(Reason.INTERRUPTED))
    other = {"REFERENCE": {**SETTINGS["REFERENCE"], "calculator": SPRINGS}}
    (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    with pytest.raises(Exception, match=r"were begun otherwise \(another reference\)"):
        relabelled(wishes_in(folder))


def test_recalc_takes_the_options_of_the_authors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "aims_PAX.yaml").rename(folder / "aimsPAX.yaml")
    words = "recalc --data data.extxyz --properties energy forces --start_idx 1 --end_idx 4 --save_interval 2"
    done = invoke(*words.split())
    assert done.exit_code == 0, done.output
    assert len(read(folder / "recalculated_data_parsl.xyz", ":")) == 3


def test_free_atoms_and_structures_without_labels_are_labelled_too(tmp_path: Path) -> None:
    (tmp_path / "aims_PAX.yaml").write_text("REFERENCE: {type: tblite}\n", encoding="utf-8")
    write(tmp_path / "data.extxyz", [molecule("H2O"), Atoms("O"), molecule("CH4"), Atoms("H")])
    assert relabelled(wishes_in(tmp_path)).n_written == 4
    dataset = read_dataset(tmp_path / "out.extxyz")
    assert (len(dataset.structures), sorted(dataset.free_atoms_ev)) == (2, [1, 8])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relabel", "none.xyz"], "DATA none.xyz: There is no such file."),
        (["relabel", "data.extxyz", "--settings", "no.yaml"], "--settings no.yaml: There is no such file."),
        (["relabel", "data.extxyz", "--out", "data.extxyz"], "This is there already."),
        (["relabel", "data.extxyz", "--start", "7"], "From 7 to the end there is no structure."),
        (["relabel", "ion.xyz"], "ion.xyz, structure 1: speaks of a charge of 1, and the reference is told 0."),
        (["relabel", "broken.xyz"], "broken.xyz"),
        (["relabel", "data.extxyz", "--settings", "wrong.yaml"], "REFERENCE.type is 'vsap'"),
        (["recalc", "--data", "data.extxyz", "--settings", "ion.yaml", "--properties", "dipole"], "dipole can't be"),
        (["recalc", "--data", "data.extxyz", "--settings", "ion.yaml", "--control", "ion.yaml"], "are for FHI-aims"),
    ],
)
def test_wrong_input_is_told_before_anything_is_computed(
    words: list[str], said: str, folder: Path, engine: type[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    ion = molecule("OH")
    ion.info["charge"] = 1
    write(folder / "ion.xyz", ion, format="extxyz")
    (folder / "broken.xyz").write_text("3\nnothing\n", encoding="utf-8")
    (folder / "wrong.yaml").write_text("REFERENCE: {type: vsap}\n", encoding="utf-8")
    (folder / "ion.yaml").write_text("REFERENCE: {type: tblite, multiplicity: 2}\n", encoding="utf-8")
    done = invoke(*words, *(["--settings", "ion.yaml"] if "ion.xyz" in words else []))
    assert done.exit_code == 2
    assert re.search(re.escape(said), done.output), done.output
    assert engine.computed == []
