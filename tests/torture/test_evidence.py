"""The torture itself: it must notice what it is there to notice."""

import json
import random
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aims_pax.dataset.store import RunStore
from aims_pax.frame import FailureReason, Frame, Label, LabelFailure, Split, Stage

from .evidence import Line, at_rest, computed_again, damage, held_by, judge, missing, read_ledger
from .harm import MANNERS, TARGETS, Harm
from .project import PoolKind, copper, fresh
from .tally import Tally, Undisturbed


def frame(number: int) -> Frame:
    atoms = copper()
    atoms.positions += np.random.default_rng(number).normal(scale=0.05, size=(4, 3))
    return Frame("copper", 0, number, 0, atoms.numbers.astype(np.int64), atoms.positions)


def label(of: Frame) -> Label:
    energy, forces = fresh(of.positions)
    return Label(energy, forces, None, "EMT", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of four labels that is as it should be, its results included."""
    (tmp_path / "results" / "committee").mkdir(parents=True)
    for member in (1, 2):
        (tmp_path / "results" / "committee" / f"torture_{member}.model").touch()
    count(tmp_path, 4)
    with RunStore.open(tmp_path) as store:
        for number, split in enumerate((Split.TRAINING, Split.VALIDATION, Split.TRAINING, Split.TRAINING)):
            store.add_label(store.add_job(frame(number), Stage.ACTIVE), label(frame(number)))
            store.assign(number + 1, split)
    return tmp_path


def count(folder: Path, n_labels: int) -> None:
    labels = {"asked": n_labels, "received": n_labels, "failed": 0}
    (folder / "results" / "summary.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")


def ledger(folder: Path, *lines: tuple[int, float, float]) -> Path:
    """Evidence with calculations: number of the label, when its worker looked, when it was safe."""
    text = "".join(
        json.dumps({"label": f"{label_id:06d}", "is_label": True, "looked": looked, "safe": safe, "pid": 1}) + "\n"
        for label_id, looked, safe in lines
    )
    (folder / "ledger.jsonl").write_text(text + '{"label": "0000', encoding="utf-8")
    return folder


def test_sound_run_is_clean(folder: Path) -> None:
    assert judge(folder, ledger(folder, (1, 0.0, 1.0), (2, 0.5, 1.5))).is_clean


def test_label_without_answer_is_lost(folder: Path) -> None:
    with RunStore.open(folder) as store:
        store.add_job(frame(4), Stage.ACTIVE)
        store.add_failure(store.add_job(frame(5), Stage.ACTIVE), LabelFailure(FailureReason.CRASHED, "no"))
    assert judge(folder, folder).lost == {5, 6}


def test_result_that_nobody_asked_for_is_a_lost_label(folder: Path) -> None:
    assert judge(folder, ledger(folder, (9, 0.0, 1.0))).lost == {9}


def test_finished_calculation_that_was_repeated_is_doubled(folder: Path) -> None:
    assert judge(folder, ledger(folder, (2, 0.0, 1.0), (2, 1.1, 2.0))).doubled == {2}


def test_calculations_that_overlapped_are_not_doubled() -> None:
    assert not computed_again({2: [Line(0.0, 1.0), Line(0.9, 1.2)]})


def test_structure_that_was_labelled_twice_is_doubled(folder: Path) -> None:
    with RunStore.open(folder) as store:
        again = replace(frame(0), md_step=99)
        store.add_label(store.add_job(again, Stage.ACTIVE), label(again))
        store.assign(5, Split.TRAINING)
    assert judge(folder, folder).doubled == {5}


@pytest.mark.parametrize("is_force", [True, False])
def test_label_of_another_structure_is_wrong(folder: Path, is_force: bool) -> None:
    right = label(frame(4))
    other = replace(right, forces=right.forces + 1e-6) if is_force else replace(right, energy=right.energy + 1e-6)
    with RunStore.open(folder) as store:
        store.add_label(store.add_job(frame(4), Stage.ACTIVE), other)
        store.assign(5, Split.VALIDATION)
    assert judge(folder, folder).wrong == {5}


def test_broken_quota_is_noticed(folder: Path) -> None:
    with RunStore.open(folder) as store:
        for number in range(4, 12):
            store.add_label(store.add_job(frame(number), Stage.ACTIVE), label(frame(number)))
            store.assign(number + 1, Split.TRAINING)
    count(folder, 12)
    (problem,) = judge(folder, folder).other
    assert problem == "1 of the first 7 structures of member None are for validation"


def test_missing_results_are_noticed(folder: Path) -> None:
    (folder / "results" / "committee" / "torture_2.model").unlink()
    count(folder, 3)
    models, summary = judge(folder, folder).other
    assert models == "1 models instead of 2"
    assert "4 labels were asked for" in summary


def test_label_that_vanished_or_changed_is_missing(folder: Path) -> None:
    held = dict(held_by(folder))
    assert not missing(held, held)
    assert missing(held, {1: held[1], 2: held[1], 3: (held[3][0], "validation, None"), 4: held[4]}) == {2, 3}


def test_damaged_file_is_noticed_in_the_copy(folder: Path, tmp_path: Path) -> None:
    copy = at_rest(folder, tmp_path / "copy")
    assert damage(copy) == []
    assert held_by(copy) == held_by(folder)
    content = bytearray((copy / "run.db").read_bytes())
    for page in range(4096, len(content), 4096):
        content[page + 3 : page + 5] = b"\xff\xff"  # the number of cells in a page of a table
    (copy / "run.db").write_bytes(content)
    assert damage(copy) != []


def test_ledger_leaves_failures_out(tmp_path: Path) -> None:
    line = {"label": "000003", "is_label": False, "looked": 0.0, "safe": 1.0, "pid": 1}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert read_ledger(tmp_path / "ledger.jsonl") == {}


def test_tally_is_clean_only_when_every_harm_was_survived() -> None:
    tally = Tally(n_kills=2, n_resumed=2)
    assert tally.is_clean
    assert tally.line().startswith("kills 2  resumed 2  lost 0  doubled 0  wrong 0 ")
    assert not replace(tally, n_resumed=1).is_clean
    assert not replace(tally, wrong={("campaign-001", 3)}).is_clean


def test_ruined_models_are_beyond_the_spread_of_undisturbed_ones() -> None:
    undisturbed = Undisturbed({PoolKind.LOCAL: 1.0}, [0.10, 0.12, 0.11, 0.13])
    assert 0.13 < undisturbed.highest_plausible() < 0.30


def test_every_harm_has_its_manner_and_can_be_drawn() -> None:
    assert set(MANNERS) == set(Harm)
    assert set(TARGETS) < set(Harm)
    rng = random.Random(0)
    seen = set(rng.choices(list(MANNERS), [manner.weight for manner in MANNERS.values()], k=2000))
    assert seen == set(Harm)
    assert MANNERS[Harm.TERM].codes == {128 + signal.SIGTERM}
