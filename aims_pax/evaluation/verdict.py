"""Whether models are to be believed: rules over what was measured, each threshold with its reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Any, Final

import numpy as np

from aims_pax.evaluation.intervals import mean_interval, rate_interval, wilson
from aims_pax.evaluation.stability import RunRecord, Trouble, thermal_mean, watched_ps
from aims_pax.units import BOLTZMANN_EV_PER_K

ERROR_DOUBTFUL: Final = 0.10
"""Force RMSE over the RMS force. Published force fields have 2 to 6 % at the temperatures they are made for; from 10 %
on, single bonds are soft by as much, and rare structures are worse than the mean."""

ERROR_UNUSABLE: Final = 0.30
"""The forces are wrong by a third of their size: what moves is another molecule."""

FEW_MEASURED: Final = 5
"""With fewer structures than this the error is an anecdote: its own uncertainty is half of it or more."""

TOO_FEW_LABELS: Final = 15
TOO_FEW_ATOMS: Final = 500
"""Fewer training structures, with fewer atoms in all, than this tell a committee too little of any molecule, whatever
the error on the one or two validation structures that belong to them."""

FEW_LABELS: Final = 30
FEW_ATOMS: Final = 1000
"""So few can do for a rigid molecule; it is to be seen first."""

STILL_FALLING: Final = 0.10
"""Fall of the validation loss within the last ten epochs at the full learning rate, where the cap ended that: it would
go on for long."""

DEVIATION_HIGH: Final = 1.5
"""Median deviation of any run over the last threshold, which was about the mean deviation of active learning. Converged
models disagree less than learning ones; more than that, and the MD is where active learning never was."""

DEVIATION_PEAK: Final = 6.0
"""A single structure with so much more than the threshold is outside of what was learned."""

DEVIATION_OF_FORCE: Final = 0.25
"""Median deviation of any run over the RMS force where there is no threshold."""

TEMPERATURE_OFF: Final = 0.10
TEMPERATURE_WRONG: Final = 0.30
"""Deviation of the mean temperature, relative. A time step of 1 fs for O-H costs 3 % by itself (BAOAB); a thermostat
that holds less than 10 % works against something."""

DRIFT_OF_THERMAL: Final = 0.10
"""Share of 3/2 kT per atom that energy may drift within a picosecond at constant energy: with a friction of 1/ps, the
weakest in use, the thermostat then holds the temperature within 5 %."""

SHORT_PS: Final = 0.95
"""A run that was watched for less than 1 ps (and a twentieth, for time steps that do not divide it) has hardly left its
start: the slow motions of a molecule take that long."""


class Word(StrEnum):
    """The verdict."""

    BELIEVE = "believe"
    """Nothing that was looked at speaks against using the models at these conditions."""
    DOUBT = "doubt"
    """Something was not right; it is said what. Look at it before a result depends on it."""
    DO_NOT_USE = "do not use"
    """The molecular dynamics broke, or the models have learned too little."""


GRAVE: Final = (Trouble.TORN, Trouble.APART, Trouble.WRECKED, Trouble.HOT)
"""After which nobody should use a model. A proton that moves, a crystal that melts, may be right."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was found, and what it speaks for."""

    word: Word
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Errors on structures that were not trained on.

    Parameters
    ----------
    n_structures : int
    what : str
        ``validation structures``, ``held-out structures``
    force_mae_ev_per_ang, force_rmse_ev_per_ang : float
        Of what drives the MD.
    rms_force_ev_per_ang : float
        Root mean square of the labels' force components.
    """

    n_structures: int
    what: str
    force_mae_ev_per_ang: float
    force_rmse_ev_per_ang: float
    rms_force_ev_per_ang: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the models have learned from, and how far.

    Parameters
    ----------
    n_train : int
        Structures that trained the model that drives the MD.
    n_atoms : int
        Atoms of all of them.
    is_converged : bool
        Whether there was a final convergence.
    fall_at_cap : float or None
        Relative fall of the validation loss in the last ten epochs at the full rate, where convergence was cut off;
        None else.
    threshold_ev_per_ang : float or None
        The last one of active learning.
    """

    n_train: int
    n_atoms: int
    is_converged: bool = True
    fall_at_cap: float | None = None
    threshold_ev_per_ang: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that a verdict is made from; None for what is not known, as of models from elsewhere.

    Parameters
    ----------
    records : tuple of RunRecord
        Molecular dynamics, all at one temperature or each at its own.
    measured : Measured or None
    learned : Learned or None
    """

    records: tuple[RunRecord, ...]
    measured: Measured | None = None
    learned: Learned | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One word, and why.

    Parameters
    ----------
    word : Word
    reasons : tuple of Reason
        Gravest first; those that speak for the models last.
    records : tuple of RunRecord
        The runs that it rests on.
    """

    word: Word
    reasons: tuple[Reason, ...]
    records: tuple[RunRecord, ...]

    def lines(self) -> list[str]:
        """The word, and below it the reasons, gravest first."""
        return [f"verdict: {self.word}", *(f"  {_mark(reason)} {reason.text}" for reason in self.reasons)]

    def as_json(self) -> dict[str, Any]:
        """Plain values, units in the keys: ``verdict`` of summary.json."""
        failed = [record for record in self.records if record.failure is not None]
        return {
            "word": str(self.word),
            "reasons": [{"speaks_for": str(reason.word), "text": reason.text} for reason in self.reasons],
            "runs": len(self.records),
            "stable": len(self.records) - len(failed),
            "watched_ps": round(watched_ps(self.records), 4),
            "time_to_failure_ps": [round(record.length_ps, 4) for record in failed],
            "failures": [run_json(record) for record in failed],
        }


def run_json(record: RunRecord) -> dict[str, Any]:
    """One run as plain values, without its traces."""
    conditions, failure = record.conditions, record.failure
    deviations = record.traces.deviation_ev_per_ang
    return {
        "system": conditions.system,
        "temperature_k": conditions.temperature_k,
        "ensemble": conditions.ensemble,
        "begun_from": record.begun_from,
        "length_ps": round(record.length_ps, 4),
        "failure": None if failure is None else {"kind": str(failure.trouble), "text": failure.words},
        "mean_temperature_k": _rounded(thermal_mean(record), 1),
        "drift_mev_per_atom_ps": _rounded(record.drift_mev_per_atom_ps, 4),
        "largest_deviation_ev_per_ang": round(float(deviations.max()), 4) if len(deviations) else None,
    }


def judge(evidence: Evidence) -> Verdict:
    """The verdict on what was measured.

    Every rule gives its reasons by itself; the gravest of them decides.
    """
    found = [
        *_of_failures(evidence.records),
        *_of_length(evidence.records),
        *_of_labels(evidence.learned),
        *_of_error(evidence.measured),
        *_of_convergence(evidence.learned),
        *_of_deviation(evidence),
        *_of_temperature(evidence.records),
        *_of_drift(evidence.records),
    ]
    ranks = [Word.DO_NOT_USE, Word.DOUBT, Word.BELIEVE]
    reasons = tuple(sorted(found, key=lambda reason: ranks.index(reason.word)))
    return Verdict(reasons[0].word if reasons else Word.DOUBT, reasons, evidence.records)


def _of_failures(records: Sequence[RunRecord]) -> Iterator[Reason]:
    if not records:
        yield Reason(Word.DOUBT, "no molecular dynamics was watched")
        return
    where = f"at {_temperatures(records)}"
    failed = sorted((one for one in records if one.failure is not None), key=lambda one: one.length_ps)
    total_ps = watched_ps(records)
    if not failed:
        longest = max(record.length_ps for record in records)
        _, most = rate_interval(0, total_ps)
        runs = f"all {len(records)} runs" if len(records) > 1 else "the one run"
        sure = f"with 95 % confidence less than one failure in {_ps(1 / most)}"
        yield Reason(Word.BELIEVE, f"{runs} of {_ps(longest)} {where} held ({sure})")
        return
    grave = [one for one in failed if one.failure is not None and one.failure.trouble in GRAVE]
    others = [one for one in failed if one not in grave]
    if grave:
        yield Reason(Word.DO_NOT_USE, f"{_share(grave, records)} {where} broke; {_first(grave)}")
    if others:
        meant = "right only if that is what it does at this temperature"
        yield Reason(Word.DOUBT, f"{_share(others, records)} {where} changed; {_first(others)}: {meant}")


def _of_length(records: Sequence[RunRecord]) -> Iterator[Reason]:
    short = [one.length_ps for one in records if one.failure is None and one.length_ps < SHORT_PS]
    if short:
        yield Reason(Word.DOUBT, f"{len(short)} runs were watched for {_ps(min(short))} only; 1 ps is the least")


def _of_labels(learned: Learned | None) -> Iterator[Reason]:
    if learned is None:
        return
    if not learned.n_train:
        yield Reason(Word.DOUBT, "it was brought along and not trained here: what it has learned from is not known")
        return
    said = f"{learned.n_train} structures ({learned.n_atoms} atoms in all) trained it"
    if learned.n_train < TOO_FEW_LABELS and learned.n_atoms < TOO_FEW_ATOMS:
        yield Reason(Word.DO_NOT_USE, f"only {said}: too few for any molecule")
    elif learned.n_train < FEW_LABELS and learned.n_atoms < FEW_ATOMS:
        yield Reason(Word.DOUBT, f"only {said}")


def _milli(value: float) -> str:
    """A thousand times a number, to three digits, and never as a power of ten."""
    return f"{1000 * value:.0f}" if value >= 0.1 else f"{1000 * value:.3g}"


def _of_error(measured: Measured | None) -> Iterator[Reason]:
    if measured is None:
        yield Reason(Word.DOUBT, "its error was not measured on any structure")
        return
    share = measured.force_rmse_ev_per_ang / measured.rms_force_ev_per_ang if measured.rms_force_ev_per_ang else np.inf
    word = Word.BELIEVE if share <= ERROR_DOUBTFUL else Word.DOUBT if share <= ERROR_UNUSABLE else Word.DO_NOT_USE
    milli = f"RMSE {_milli(measured.force_rmse_ev_per_ang)} of {_milli(measured.rms_force_ev_per_ang)} meV/Å"
    on = f"{measured.n_structures} {measured.what if measured.n_structures != 1 else measured.what.removesuffix('s')}"
    yield Reason(word, f"forces are off by {100 * share:.2g} % of their size ({milli}, {on})")
    if measured.n_structures < FEW_MEASURED:
        yield Reason(Word.DOUBT, f"{on}: too few to know the error")


def _of_convergence(learned: Learned | None) -> Iterator[Reason]:
    if learned is None:
        return
    if learned.fall_at_cap is not None and learned.fall_at_cap > STILL_FALLING:
        fall = f"{100 * learned.fall_at_cap:.0f} % in the last ten epochs"
        yield Reason(Word.DOUBT, f"training was cut off (max_convergence_epochs) while its loss still fell by {fall}")
    elif learned.fall_at_cap is None and not learned.is_converged and learned.n_train:
        yield Reason(Word.DOUBT, "the models are as the last stage left them: they were not converged")


def _of_deviation(evidence: Evidence) -> Iterator[Reason]:
    seen = [record.traces.deviation_ev_per_ang for record in evidence.records]
    seen = [deviations for deviations in seen if len(deviations)]
    if not seen:
        return
    median, peak = float(np.median(np.concatenate(seen))), max(float(deviations.max()) for deviations in seen)
    worst = max(float(np.median(deviations)) for deviations in seen)
    learned, measured = evidence.learned, evidence.measured
    threshold = None if learned is None else learned.threshold_ev_per_ang
    if threshold is not None:
        seen_words = f"{median:.3f} eV/Å ({worst:.3f} in one run, at most {peak:.3f})"
        said = f"the members' deviation was {seen_words}, the last threshold {threshold:.3f}"
        is_high = worst > DEVIATION_HIGH * threshold or peak > DEVIATION_PEAK * threshold
    elif measured is not None:
        rms = measured.rms_force_ev_per_ang
        said = f"the members' deviation was {median:.3f} eV/Å ({worst:.3f} in one run), the forces themselves {rms:.3f}"
        is_high = worst > DEVIATION_OF_FORCE * rms
    else:
        return
    yield Reason(Word.DOUBT if is_high else Word.BELIEVE, said)


def _of_temperature(records: Sequence[RunRecord]) -> Iterator[Reason]:
    means = [(mean, one.conditions.temperature_k) for one in records if (mean := thermal_mean(one)) is not None]
    if not means:
        return
    ratios = np.array([mean / wanted for mean, wanted in means])
    error = float(ratios.std(ddof=1)) / sqrt(len(ratios)) if len(ratios) > 1 else 0.1
    off = float(ratios.mean()) - 1
    is_sure = abs(off) > 3 * error
    word = Word.BELIEVE
    if is_sure and abs(off) > TEMPERATURE_OFF:
        word = Word.DO_NOT_USE if abs(off) > TEMPERATURE_WRONG else Word.DOUBT
    said = f"the temperature was {100 * abs(off):.1f} % too {'high' if off > 0 else 'low'}"
    yield Reason(word, f"{said} (± {100 * error:.1f} %)")


def _of_drift(records: Sequence[RunRecord]) -> Iterator[Reason]:
    known = [one for one in records if one.drift_mev_per_atom_ps is not None]
    drifts = np.array([one.drift_mev_per_atom_ps for one in known], dtype=np.float64)
    if len(drifts) < 2:
        return
    mean, low, high = mean_interval(drifts)
    kelvin = float(np.mean([one.conditions.temperature_k for one in known]))
    allowed = DRIFT_OF_THERMAL * 1.5 * BOLTZMANN_EV_PER_K * kelvin * 1000
    said = f"without thermostat the energy drifts by {mean:+.2f} meV per atom and ps (95 %: {low:+.2f} to {high:+.2f})"
    is_off = abs(mean) > allowed and (low > 0 or high < 0)
    yield Reason(Word.DOUBT if is_off else Word.BELIEVE, said)


def _mark(reason: Reason) -> str:
    return {Word.BELIEVE: "+", Word.DOUBT: "?", Word.DO_NOT_USE: "!"}[reason.word]


def _temperatures(records: Sequence[RunRecord]) -> str:
    values = sorted({record.conditions.temperature_k for record in records})
    return " and ".join(f"{value:g}" for value in values) + " K"


def _ps(time_ps: float) -> str:
    return f"{time_ps:.3g} ps" if time_ps < 1000 else f"{time_ps / 1000:.3g} ns"


def _share(some: Sequence[RunRecord], records: Sequence[RunRecord]) -> str:
    low, high = wilson(len(some), len(records))
    return f"{len(some)} of {len(records)} runs (95 %: {100 * low:.0f} to {100 * high:.0f} % of them)"


def _first(failed: Sequence[RunRecord]) -> str:
    """What became of the run that failed first."""
    failure = failed[0].failure
    assert failure is not None, "only those that failed are here"
    return f"{failed[0].conditions.system} after {_ps(failure.time_ps)}: {failure.words}"


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
