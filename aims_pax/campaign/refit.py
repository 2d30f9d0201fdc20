"""The last training made once more with the validation structures among the training structures.

A tenth of the labels steers the training and never trains. Where labels are dear, they can: the epochs and learning
rates that were found with them aside are repeated with them inside. Nothing measures these models any more; the errors
that the run states are those of the models before. Test structures still judge how far their errors can be told.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from aims_pax.committee import EpochPlan, Handling, devices_of, load_committee
from aims_pax.frame import Split
from aims_pax.learner.training.annealing import AnnealingRules
from aims_pax.outcome.calibrated.of_run import calibrate_run
from aims_pax.outcome.evaluate import evaluate_models
from aims_pax.outcome.predictions import SavedPredictions
from aims_pax.outcome.product import note_models, write_committee, write_product
from aims_pax.outcome.results import Summary
from aims_pax.protocols import Committee
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings.finetuning import let_remember
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.bench import Bench
from aims_pax.stages.converge import checkpoint_before_convergence
from aims_pax.stages.convergence import ConvergenceState, annealing_rules, stored_convergence
from aims_pax.stages.states import convergence_key

diary = logging.getLogger("aims_pax.convergence")

UNMEASURED = EpochPlan(valid_skip=10**9, validates_last=False)


def refit(run: Bench, summary: Summary, plan: StagePlan) -> Summary:
    """Replace the models of the results by such that have learned the validation structures, too.

    An interruption costs the epochs of this training: it begins anew, and comes to the same weights.

    Raises
    ------
    Departed
        The campaign was asked to leave.
    """
    state = stored_convergence(run.memory, convergence_key(plan.name))
    before = checkpoint_before_convergence(run)
    if state is None or before is None or not run.store.counts().n_valid:
        return summary
    committee = _committee(run, before)
    diary.info("training once more on all %d labels, validation structures included", committee.n_train(0))
    with run.stopwatch.during(Activity.CONVERGING):
        rules = annealing_rules(plan.read_as(ConvergeSettings), run.project.mace.training, is_end=True)
        _repeat(run, committee, state, rules)
    committee.centre_energies()
    return _replaced(run, committee, state, summary)


def _committee(run: Bench, before: Path) -> Committee:
    """The committee as learning left it, with all labels for training."""
    misc = run.project.mace.misc
    committee = load_committee(
        before, device=devices_of(misc.device), handling=Handling(compiled=misc.compile, cueq=misc.cueq)
    )
    committee.add(list(run.store.labelled()))
    committee.share_points(validation_trains=True)
    let_remember(committee, run.project.folder)
    return committee


def _repeat(run: Bench, committee: Committee, state: ConvergenceState, rules: AnnealingRules) -> None:
    """The epochs and learning rates of the convergence that was measured."""
    pairs = list(zip(state.members, state.annealings, strict=True))
    for member in state.members:
        committee.reset_optimizer(member)
    with run.departure.cooperating():
        for epoch in range(max(annealing.n_epochs for annealing in state.annealings)):
            going = [(member, annealing) for member, annealing in pairs if epoch < annealing.n_epochs]
            for member, annealing in going:
                then = annealing.at(epoch)
                if then.is_in_stage_two(rules):
                    committee.begin_stage_two(member)
                committee.set_learning_rate(member, factor=then.rate_factor(rules))
            committee.train(1, members=[member for member, _ in going], plan=UNMEASURED)
            if run.departure.reason is not None:
                run.departure.leave()


def _replaced(run: Bench, committee: Committee, state: ConvergenceState, summary: Summary) -> Summary:
    """The results with these models in the place of those that were measured."""
    name, member = run.project.mace.general.name_exp, str(summary.content["product"]["member"])
    paths = write_committee(committee, summary.folder, name, trained_to_the_end=state.members)
    note_models(run.store, committee, paths)
    best = committee.names.index(member)
    write_product(paths, summary.folder, name, best=best)
    product = {
        **summary.content["product"],
        "training_structures": committee.n_train(best),
        "learned_validation_structures": True,
    }
    ended = [committee.names[one] for one in state.members]
    calibration = calibrate_run(run.store, paths, ended, _said_of_test(run, paths, committee, best))
    refitted = Summary(summary.folder, {**summary.content, "product": product, "calibration": calibration})
    refitted.write()
    return refitted


def _said_of_test(run: Bench, paths: Sequence[Path], committee: Committee, best: int) -> SavedPredictions | None:
    """What these models say of the structures for testing, which alone they have not learned; None without such."""
    ids = [point.label_id for point in run.store.labelled() if point.split is Split.TEST]
    if not ids:
        return None
    data, keys = paths[0].parent.parent / f"{Split.TEST}.extxyz", extxyz_keys(run.project.settings.misc)
    found = evaluate_models(paths, data, device=str(committee.device), keys=keys, names=committee.names)
    return SavedPredictions(tuple(committee.names), best, dict(zip(ids, found.predictions, strict=True)))
