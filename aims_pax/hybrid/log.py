"""The lines that CASTEP copies into its own output, and that its users search for."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import sqrt
from typing import Final

from aims_pax.learner.checks import CheckRules, Differences

HYBRID, CUMULATIVE, ADAPT = "<-- Hybrid-MD", "<-- Hybrid-MD-Cumul", "<-- Hybrid-MD-Adapt"
"""What lines end in."""

WIDTH: Final = 78

NAMES: Final = {
    "ediff": "|Ediff|  eV/at",
    "fmax": "max |Fdiff|  eV/Ang",
    "frmse": "force RMSE  eV/Ang",
    "vmax": "max |Vdiff|  eV/at",
}


def line(text: str, ending: str = HYBRID) -> str:
    return f"{text:<{WIDTH}}{ending}"


def of_check(step: int, found: Differences, rules: CheckRules, broken: Sequence[str], *, learns: bool) -> Iterator[str]:
    """The table of a check, and what is done about it."""
    yield line(f" MD iteration {step}: check")
    yield line(f" {'parameter':<20} {'value':>14} {'tolerance':>12}  ok?")
    for one in fields(Differences):
        value, limit = getattr(found, one.name), getattr(rules.tolerances, one.name)
        said = "-" if value is None else f"{value:.8f}"
        if limit is None or value is None:
            yield line(f" {NAMES[one.name]:<20} {said:>14} {'Off':>12}")
        else:
            yield line(f" {NAMES[one.name]:<20} {said:>14} {limit:>12.8f}  {'No' if one.name in broken else 'Yes'}")
    yield line(" Refitting!" if learns else " No Refit")


def cumulative(checks: Sequence[Differences]) -> Iterator[str]:
    """Root mean squares over all checks; the initial steps, at which there was no model, are not among them."""
    n = len(checks)
    energy = sqrt(sum(one.ediff**2 for one in checks) / n)
    forces = sqrt(sum(one.frmse**2 for one in checks) / n)
    yield line(f" over {n} checks: energy RMSE {energy:.8f} eV/at, force RMSE {forces:.8f} eV/Ang", CUMULATIVE)


def adapted(step: int, before: int, after: int) -> Iterator[str]:
    """What became of the interval, where it may change."""
    if after != before:
        word = "INCREASE" if after > before else "DECREASE"
        yield line(f" {word} interval to {after} at iter {step}", ADAPT)
