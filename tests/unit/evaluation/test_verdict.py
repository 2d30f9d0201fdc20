"""The rules of the verdict, each on its own, on values made up for it."""

from dataclasses import replace

import numpy as np
import pytest

from aims_pax.evaluation.stability import Conditions, Failure, RunRecord, Traces, Trouble
from aims_pax.evaluation.verdict import Evidence, Learned, Measured, Word, judge

GOOD = Measured(30, "validation structures", 0.025, 0.036, 0.74)
TRAINED = Learned(n_train=101, n_atoms=909, threshold_ev_per_ang=0.1)


def record(
    *, temperature: float = 500.0, deviation: float = 0.04, failure: Failure | None = None, drift: float | None = 0.1
) -> RunRecord:
    conditions = Conditions("ethanol", "nvt", 500.0, 1.0, 100.0, 9)
    n = 200
    traces = Traces(
        np.arange(n) * 0.01, np.full(n, temperature), np.full(n, 1.1), np.arange(40) * 0.05, np.full(40, deviation)
    )
    length_ps = 2.0 if failure is None else failure.time_ps
    return RunRecord(conditions, "start", length_ps, failure, traces, drift)


def evidence(*records: RunRecord, measured: Measured | None = GOOD, learned: Learned | None = TRAINED) -> Evidence:
    # Eight runs as alike as real ones are: a mean temperature that differs by a per cent or two.
    runs = records or tuple(record(temperature=500.0 + d) for d in (-9, 7, 3, -4, 10, -6, 2, -3))
    return Evidence(runs, measured, learned)


def test_what_holds_and_is_accurate_is_believed_with_the_reasons() -> None:
    verdict = judge(evidence())
    assert verdict.word is Word.BELIEVE
    text = "\n".join(verdict.lines())
    assert "all 8 runs of 2 ps at 500 K held (with 95 % confidence less than one failure in 5.34 ps)" in text
    assert "forces are off by 4.9 % of their size (RMSE 36 of 740 meV/Å, 30 validation structures)" in text


def test_one_structure_and_large_forces_are_written_as_people_do() -> None:
    few = replace(GOOD, n_structures=1, force_rmse_ev_per_ang=0.081, rms_force_ev_per_ang=1.0712)
    text = "\n".join(judge(evidence(measured=few)).lines())
    assert "(RMSE 81 of 1071 meV/Å, 1 validation structure)" in text
    assert "1 validation structure: too few" in text


@pytest.mark.parametrize("trouble", [Trouble.TORN, Trouble.APART, Trouble.WRECKED, Trouble.HOT])
def test_one_broken_run_is_enough_for_do_not_use_and_is_said_first(trouble: Trouble) -> None:
    broken = record(failure=Failure(trouble, 0.48, "the bond O 3 - H 4 tore: 1.95 Å, where 0.97 Å is usual"))
    verdict = judge(evidence(*[record()] * 7, broken))
    assert verdict.word is Word.DO_NOT_USE
    assert verdict.reasons[0].text == (
        "1 of 8 runs (95 %: 2 to 47 % of them) at 500 K broke; "
        "ethanol after 0.48 ps: the bond O 3 - H 4 tore: 1.95 Å, where 0.97 Å is usual"
    )
    assert verdict.as_json()["stable"] == 7
    assert verdict.as_json()["time_to_failure_ps"] == [0.48]


@pytest.mark.parametrize("trouble", [Trouble.PROTON, Trouble.MELTED])
def test_what_may_be_chemistry_is_doubted(trouble: Trouble) -> None:
    verdict = judge(evidence(*[record()] * 7, record(failure=Failure(trouble, 0.48, "the proton went"))))
    assert verdict.word is Word.DOUBT
    assert "right only if" in verdict.reasons[0].text


@pytest.mark.parametrize(
    ("change", "word", "said"),
    [
        ({"force_rmse_ev_per_ang": 0.10}, Word.DOUBT, "14 % of their size"),
        ({"force_rmse_ev_per_ang": 0.30}, Word.DO_NOT_USE, "41 % of their size"),
        ({"rms_force_ev_per_ang": 0.0}, Word.DO_NOT_USE, "inf % of their size"),
        ({"n_structures": 3}, Word.DOUBT, "too few to know the error"),
    ],
)
def test_errors_are_measured_by_the_forces_themselves(change: dict[str, float], word: Word, said: str) -> None:
    verdict = judge(evidence(measured=replace(GOOD, **change)))
    assert verdict.word is word
    assert said in verdict.reasons[0].text


def test_models_without_a_measured_error_are_not_believed() -> None:
    verdict = judge(evidence(measured=None))
    assert verdict.word is Word.DOUBT
    assert "not measured" in verdict.reasons[0].text


@pytest.mark.parametrize(
    ("learned", "word", "said"),
    [
        (Learned(10, 90), Word.DO_NOT_USE, "only 10 structures (90 atoms in all)"),
        (Learned(25, 225), Word.DOUBT, "only 25 structures"),
        (Learned(10, 640), Word.DOUBT, "only 10 structures"),
        (Learned(101, 909, fall_at_cap=0.3), Word.DOUBT, "still fell by 30 % in the last ten epochs"),
        (Learned(101, 909, is_converged=False), Word.DOUBT, "not converged"),
        (Learned(101, 909, fall_at_cap=0.01), Word.BELIEVE, "held"),
        (Learned(12, 1200), Word.BELIEVE, "held"),
        (Learned(0, 0, is_converged=False), Word.DOUBT, "what it has learned from is not known"),
        (None, Word.BELIEVE, "held"),
    ],
)
def test_what_the_models_learned_from_counts(learned: Learned | None, word: Word, said: str) -> None:
    verdict = judge(evidence(learned=learned))
    assert verdict.word is word
    assert said in verdict.reasons[0].text


@pytest.mark.parametrize(
    ("deviation", "threshold", "word"),
    [(0.04, 0.1, Word.BELIEVE), (0.16, 0.1, Word.DOUBT), (0.16, None, Word.BELIEVE), (0.2, None, Word.DOUBT)],
)
def test_the_deviation_is_compared_with_what_active_learning_saw(
    deviation: float, threshold: float | None, word: Word
) -> None:
    records = [record(deviation=deviation)] * 8
    verdict = judge(evidence(*records, learned=replace(TRAINED, threshold_ev_per_ang=threshold)))
    assert verdict.word is word


def test_one_run_in_which_the_members_disagree_is_not_outvoted() -> None:
    verdict = judge(evidence(*[record()] * 7, record(deviation=0.2)))
    assert verdict.word is Word.DOUBT
    assert "deviation was 0.040 eV/Å (0.200 in one run" in verdict.reasons[0].text


@pytest.mark.parametrize(("kelvin", "word"), [(480.0, Word.BELIEVE), (430.0, Word.DOUBT), (800.0, Word.DO_NOT_USE)])
def test_a_wrong_temperature_is_told(kelvin: float, word: Word) -> None:
    records = [record(temperature=kelvin + d) for d in (-9, 7, 3, -4, 10, -6, 2, -3)]
    assert judge(evidence(*records)).word is word


def test_a_temperature_that_is_not_known_well_is_not_held_against_the_models() -> None:
    records = [record(temperature=kelvin) for kelvin in (350.0, 520.0, 400.0, 480.0)]
    assert judge(evidence(*records)).word is Word.BELIEVE


def test_a_drift_that_is_sure_and_large_is_told() -> None:
    assert judge(evidence(*[record(drift=d) for d in (8.0, 9.0, 8.5, 9.5)])).word is Word.DOUBT
    assert judge(evidence(*[record(drift=d) for d in (-30.0, 40.0, 8.5, 9.5)])).word is Word.BELIEVE


def test_no_dynamics_and_short_dynamics_are_doubted() -> None:
    assert judge(Evidence((), GOOD, TRAINED)).word is Word.DOUBT
    short = [replace(record(), length_ps=0.5)] * 8
    verdict = judge(evidence(*short))
    assert verdict.word is Word.DOUBT
    assert "1 ps is the least" in verdict.reasons[0].text
