"""What the diary says of the rounds of an exploration."""

import logging
from collections.abc import Iterable
from typing import Final

from aims_pax.learner.exploration import Beyond, Missed, Round, SetErrors, Truth
from aims_pax.selection.calibration import Quantity

diary = logging.getLogger("aims_pax.explore")

SHOWN: Final = {Quantity.ENERGY: "meV/atom", Quantity.FORCES: "meV/Å", Quantity.STRESS: "meV/Å³"}
"""Units in which numbers are told: thousandths of their own."""


def tell_judgement(name: str, judgement: Round) -> None:
    """What was found among the frames of a round, and what it was judged by."""
    opened = f", {judgement.n_opened} of them opened to vacuum" if judgement.n_opened else ""
    diary.info(
        "%s, round %d: %d frames%s; calibrated on %s",
        *(name, judgement.number, judgement.n_frames, opened, judgement.calibrated_on),
    )
    for one in judgement.beyond:
        diary.info("  %s", beyond_words(one))
        if one.slope is None:
            diary.warning(
                "no structure tells how the deviation of the %s goes with its error: it is taken for the error, which "
                "is often larger",
                one.quantity,
            )
    n_picked = judgement.n_selected - judgement.n_random
    diary.info(
        "%s, round %d: %d frames beyond a tolerance, %s labelled%s",
        *(name, judgement.number, judgement.n_above),
        f"{n_picked} are to be" if n_picked else "none is",
        f", and {judgement.n_random} drawn at random from all" if judgement.n_random else "",
    )


def tell_round(name: str, done: Round) -> None:
    """Errors at the end of a round, and whether those that were expected were right."""
    for truth in done.truths:
        diary.info("  %s", truth_words(truth))
    for missed in done.missed:
        diary.info("  %s", missed_words(missed))
    for words in error_words(done.errors):
        diary.info("%s, round %d: %s", name, done.number, words)


def beyond_words(one: Beyond) -> str:
    """``forces: 12 frames above 43 meV/Å (tolerance 100, slope 0.43 of 34), the largest 210``"""
    unit = SHOWN[Quantity(one.quantity)]
    slope = "no slope" if one.slope is None else f"slope {one.slope:.3g} of {one.n_fitted} structures"
    largest = "" if one.largest is None else f", the largest {1000 * one.largest:.3g}"
    limit = f"{1000 * one.threshold:.3g} {unit} (tolerance {1000 * one.tolerance:.3g}, {slope})"
    return f"{one.quantity}: {one.n_above} frames above {limit}{largest}"


def truth_words(truth: Truth) -> str:
    """``forces of the labelled frames: error 902 meV/Å, expected 936; 7 of 7 truly beyond the tolerance``"""
    error = f"error {1000 * truth.mean_error:.3g} {SHOWN[Quantity(truth.quantity)]}"
    return (
        f"{truth.quantity} of the labelled frames: {error}, expected {1000 * truth.mean_expected:.3g}; "
        f"{truth.n_beyond} of {truth.n_labelled} truly beyond the tolerance"
    )


def missed_words(one: Missed) -> str:
    """``forces of 8 random frames: 3 truly beyond the tolerance, 2 of them found; 1 false alarm``"""
    n_false = one.n_above - one.n_right
    false = f"{n_false or 'no'} false alarm{'s' * (n_false > 1)}"
    found = f", {one.n_right} of them found" if one.n_beyond else ""
    return (
        f"{one.quantity} of {one.n_labelled} random frames: {one.n_beyond} truly beyond the tolerance{found}; {false}"
    )


def error_words(errors: Iterable[SetErrors]) -> list[str]:
    """Errors of the members' mean, a sentence for each set."""
    found = []
    for one in errors:
        if one.member or one.is_first:
            continue
        numbers = {
            Quantity.ENERGY: one.energy_ev_per_atom,
            Quantity.FORCES: one.forces_ev_per_ang,
            Quantity.STRESS: one.stress_ev_per_ang3,
        }
        said = [f"{1000 * value:.3g} {SHOWN[key]}" for key, value in numbers.items() if value is not None]
        found.append(f"RMSE of the mean on {one.n_structures} {one.split} structures {', '.join(said)}")
    return found
