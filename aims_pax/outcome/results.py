"""What a run leaves for its user: datasets, models, their errors, figures, and one summary of it all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.dataset.tables.sessions import installed_versions
from aims_pax.errors import StoreError
from aims_pax.frame import Split
from aims_pax.learner.state import State
from aims_pax.outcome.calibrated.of_run import calibrate_run
from aims_pax.outcome.counted import fault_counts, labels_by_reference, labels_spared, last_threshold, learned_first
from aims_pax.outcome.datasets import write_datasets
from aims_pax.outcome.errors.analysis import write_analysis
from aims_pax.outcome.errors.origins import errors_by_origin, errors_by_system, labels_by_system, origin_lines
from aims_pax.outcome.errors.sets import errors_by_set, places_of
from aims_pax.outcome.evaluate import MeasuredModels, evaluate_models
from aims_pax.outcome.explored import lines_of, write_explorations
from aims_pax.outcome.flown import lines_of as flight_lines
from aims_pax.outcome.flown import write_flights
from aims_pax.outcome.played import lines_of as play_lines
from aims_pax.outcome.played import write_plays
from aims_pax.outcome.predictions import SavedPredictions, read_predictions
from aims_pax.outcome.product import COMMITTEE_FOLDER, Product, best_of, note_models, write_committee, write_product
from aims_pax.protocols import Committee, FramePrediction
from aims_pax.report.figures import draw_run
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stage import ACTIVE, INITIAL
from aims_pax.stages.activities import Activity, Part, Stopwatch
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.bench import AIMD, FAILED_ERRANDS
from aims_pax.stages.convergence import ConvergenceState, final_convergence
from aims_pax.stages.memory import Memory
from aims_pax.stages.states import STOPPED_INITIALLY, newest_learning, recall_state

FAULT_WORDS: Final = {
    "asked_again": "times a label was asked for again",
    "attempts_lost_with_workers": "attempts lost with their workers",
    "slow_labels": "labels far slower than their peers",
    "pauses": "pauses, because labels were unphysical in series",
}
"""Counts of summary.json's faults as the closing lines speak of them."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is written to summary.json.

    Parameters
    ----------
    folder : Path
        The results.
    content : mapping
        As in the file.
    """

    folder: Path
    content: Mapping[str, Any]

    def write(self) -> None:
        """Write summary.json."""
        with replacing(self.folder / "summary.json") as file:
            json.dump(self.content, file, indent=2)

    def lines(self) -> list[str]:
        """What a person wants to know when a run ends."""
        labels, wall = self.content["labels"], self.content["wall_s"]
        spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in wall.items() if seconds >= 0.5)
        kept_out = f", {labels['kept_out']} of them kept out for their forces" if labels.get("kept_out") else ""
        return [
            f"labels: {labels['received']} of {labels['asked']} asked for "
            f"({labels['failed']} failed{kept_out}); {labels['training']} train, {labels['validation']} validate"
            + (f", {labels['test']} test" if labels.get("test") else ""),
            *self._prior_lines(),
            *self._reference_lines(),
            *self._spared_lines(),
            f"time: {sum(wall.values()):.0f} s ({spent})",
            *self._fault_lines(),
            *self._product_lines(),
            *self._error_lines(),
            *self._analysis_lines(),
            *self._calibration_lines(),
            *self._property_lines(),
            *lines_of(self.content.get("explorations", [])),
            *flight_lines(self.content.get("flights", [])),
            *play_lines(self.content.get("plays", [])),
            *self._verdict_lines(),
            f"results are in {self.folder}",
        ]

    def _prior_lines(self) -> list[str]:
        """What the models had learned before these labels, if anything."""
        found = self.content.get("learned_first")
        if not found:
            return []
        return [f"before them the models had learned {found['labels']} labels of {found['method']}"]

    def _reference_lines(self) -> list[str]:
        """Whose labels there are besides, where they were computed again."""
        *others, last = self.content.get("labels_by_reference") or [None]
        if not others:
            return []
        said = [f"{one['received']} by {one['stage'] or 'REFERENCE'}" for one in others]
        return [f"these are labels by {last['stage']}; the store keeps {', '.join(said)}"]

    def _spared_lines(self) -> list[str]:
        """Labels that were not needed, if any were spared."""
        spared = self.content.get("labels_spared", {})
        words = {"passed_over": "structures passed over as nearly alike", "withdrawn": "requests withdrawn"}
        said = [f"{n} {words[key]}" for key, n in spared.items() if n]
        return [f"spared: {', '.join(said)}"] if said else []

    def _fault_lines(self) -> list[str]:
        """What went wrong on the way, if anything did. Runs that an older program has finished hold no such counts."""
        faults = self.content.get("faults", {})
        said = [f"{n} × {reason}" for reason, n in faults.get("attempts_failed", {}).items()]
        said += [f"{n} × {reason} in AIMD steps" for reason, n in faults.get("aimd_attempts_failed", {}).items()]
        said += [f"{faults[key]} {words}" for key, words in FAULT_WORDS.items() if faults.get(key)]
        return [f"faults: {', '.join(said)}"] if said else []

    def _product_lines(self) -> list[str]:
        """Which model to take, and how its training ended. Runs that an older program has finished have no such."""
        product = self.content.get("product")
        if product is None:
            return []
        model, n_train = self.folder / product["model"], product["training_structures"]
        if not n_train:
            return [f"product: {model} ({product['member']}), as it was brought along: nothing has trained it here"]
        trained_on = f"trained on {n_train} structures"
        measured = "those below are of the same training without the validation structures"
        return [
            f"product: {model} ({product['member']}), {trained_on}",
            *(f"training: {ending}" for ending in self.content["training_ended"].split("; ")),
            *([f"errors: {measured}"] if product.get("learned_validation_structures") else []),
        ]

    def _error_lines(self) -> list[str]:
        """Errors on test structures where there are any, else on those for validation."""
        errors = self.content.get("errors_on_test_set") or self.content["errors_on_validation_set"]
        if errors is None:
            return ["there are no validation structures: errors were not measured"]
        by_origin = self.content.get("errors_by_origin", [])
        told = ["force MAE of the product by where structures come from (95 %):", *origin_lines(by_origin)]
        return [*str(errors["text"]).splitlines(), *(told if len(by_origin) > 1 else []), *self._system_lines()]

    def _system_lines(self) -> list[str]:
        """What each of several systems has got, and the errors on its structures."""
        labels = self.content.get("labels_by_system", {})
        if len(labels) < 2:
            return []
        counts = {system: ", ".join(f"{n} {use}" for use, n in used.items()) for system, used in labels.items()}
        return [
            f"labels by system: {'; '.join(f'{system} {said}' for system, said in counts.items())}",
            "force MAE of the product by system (95 %):",
            *origin_lines(self.content["errors_by_system"]),
        ]

    def _analysis_lines(self) -> list[str]:
        """What the committee's deviation is worth, where that was looked at."""
        found = self.content.get("analysis")
        if not found or found["pearson"] is None:
            return []
        ratio = found["error_over_score"]
        larger = "" if ratio is None else f"; errors are {ratio:.2g} times the deviation"
        return [
            f"analysis: deviation and true error correlate by {found['pearson']:.2f} "
            f"({found['n_unbiased']} labels not picked for their deviation){larger}"
        ]

    def _calibration_lines(self) -> list[str]:
        """How far errors can be told by disagreement. Runs that an older program has finished do not say."""
        found = self.content.get("calibration") or {}
        return [f"calibration: {found[key]}" for key in ("text", "caution") if found.get(key)]

    def _property_lines(self) -> list[str]:
        """What stages have found that look at properties of materials."""
        found = self.content.get("properties", {})
        return [f"{stage}: {sentence}" for stage, one in found.items() for sentence in one["sentences"]]

    def _verdict_lines(self) -> list[str]:
        """Whether to believe the models. Runs that an older program has finished hold no verdict."""
        verdict = self.content.get("verdict")
        if verdict is None:
            return []
        marks = {"believe": "+", "doubt": "?", "do not use": "!"}
        reasons = [f"  {marks[reason['speaks_for']]} {reason['text']}" for reason in verdict["reasons"]]
        return [f"verdict: {verdict['word']}", *reasons]


def write_results(
    project: Project, store: RunStore, committee: Committee, folder: RunFolder, stopwatch: Stopwatch
) -> Summary:
    """Write results/ from the store and the committee; what stood there before is replaced.

    The errors are measured on the exported files themselves, with the validation structures as they were exported.
    """
    results = folder.results
    results.mkdir(parents=True, exist_ok=True)
    stopwatch.enter(Part.RESULTS)
    with stopwatch.during(Activity.RECORDING):
        write_datasets(store, results, extxyz_keys(project.settings.misc))
        memory = Memory(store, folder)
        convergence = final_convergence(project, memory)
        if convergence is not None:
            committee.share_points()
        committee.centre_energies()
        product, measured = write_models(project, store, committee, convergence, results)
        note_models(store, committee, product.committee)
        content = _content(project, store, committee, convergence, product) | measured
        content["faults"]["aimd_attempts_failed"] = memory.recall_json(FAILED_ERRANDS.format(AIMD)) or {}
        content["analysis"] = write_analysis(store, results)
        content["learned_first"] = learned_first(project, memory)
        content["calibration"] = calibrate_run(
            store, product.committee, content["trained_to_the_end"], read_predictions(results)
        )
        content["explorations"] = write_explorations(store, memory, results)
        content["flights"] = write_flights(project, store, results)
        content["plays"] = plays = write_plays(project, store, memory, results)
        content["stopped_because"] |= {one["stage"]: one["ended"] for one in plays}
    wall = stopwatch.seconds()
    content |= wall_times(stopwatch)
    draw_run(
        results,
        epochs=store.epochs(),
        scores=store.scores(),
        busy_s=wall,
        wall_s=sum(wall.values()),
        product=(product.member, committee.names.index(product.member)),
        kinds=store.score_kinds(),
    )
    summary = Summary(results, content)
    summary.write()
    return summary


def wall_times(stopwatch: Stopwatch) -> dict[str, dict[str, float]]:
    """``wall_s`` and ``wall_s_by_stage`` of summary.json."""
    times = {"wall_s": stopwatch.seconds(), "wall_s_by_stage": stopwatch.seconds_by_part()}
    return {key: {name: round(seconds, 2) for name, seconds in one.items()} for key, one in times.items()}


def write_models(
    project: Project, store: RunStore, committee: Committee, convergence: ConvergenceState | None, results: Path
) -> tuple[Product, dict[str, Any]]:
    """Write the files of all members, measure them, and hand over the best of those that were trained to the end.

    It is chosen on validation structures. Test structures, which nothing was decided on, give the stated errors where
    there are any.

    Returns
    -------
    Product
    dict
        Errors as summary.json has them.
    """
    name, keys = project.mace.general.name_exp, extxyz_keys(project.settings.misc)
    ended = () if convergence is None else convergence.members
    paths = write_committee(committee, results, name, trained_to_the_end=ended)
    candidates, counts = ended or tuple(range(committee.n_members)), store.counts()

    def measured(split: Split) -> MeasuredModels:
        data = results / f"{split}.extxyz"
        return evaluate_models(paths, data, device=str(committee.device), keys=keys, names=committee.names)

    errors: dict[str, Any] = {"errors_on_validation_set": None, "errors_on_test_set": None}
    errors |= {"errors_by_origin": [], "errors_by_system": [], "labels_by_system": labels_by_system(store.labelled())}
    validation = measured(Split.VALIDATION) if counts.n_valid else None
    best = candidates[0]
    if validation is not None:
        best = best_of([one.force_mae_ev_per_ang for one in validation.errors.members], candidates)
    product = write_product(paths, results, name, best=best)
    test = measured(Split.TEST) if counts.n_test else None
    by_set = {Split.TRAINING: measured(Split.TRAINING) if counts.n_train else None, Split.VALIDATION: validation}
    by_set |= {Split.TEST: test}
    errors["errors_by_set"] = errors_by_set({split: one for split, one in by_set.items() if one is not None})
    if (places := places_of(list(store.labelled()), committee)) is not None:
        places.write(results)
    said: dict[int, FramePrediction] = {}
    for split, found in ((Split.VALIDATION, validation), (Split.TEST, test)):
        if found is None:
            continue
        of_product = found.of_product(product.model.name, best)
        of_product.write(results)  # the later one, of test structures, is what a person finds
        errors[f"errors_on_{split}_set"] = of_product.record()
        points = list(store.labelled(split=split))
        said |= dict(zip((point.label_id for point in points), found.predictions, strict=True))
        by_origin = errors_by_origin(points, found.predictions, member=best)
        errors["errors_by_origin"] += [one.record() for one in by_origin]
        by_system = errors_by_system(points, found.predictions, member=best)
        errors["errors_by_system"] += [one.record() for one in by_system]
    SavedPredictions(tuple(committee.names), best, said).write(results)
    return product, errors


def read_summary(results: Path) -> Summary:
    """The summary of a finished run.

    Raises
    ------
    StoreError
        The file is gone or damaged.
    """
    path = results / "summary.json"
    try:
        return Summary(results, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"this run is finished, but its summary {path} can't be read: {error}. aims-pax export --models writes its "
            "results again"
        ) from error


def _content(
    project: Project,
    store: RunStore,
    committee: Committee,
    convergence: ConvergenceState | None,
    product: Product,
) -> dict[str, Any]:
    counts = store.counts()
    loops = {name: recall_state(store, name) for name in _loops(project)}
    learning = newest_learning(project, store)
    learned = [state for name, state in loops.items() if state is not None and name != INITIAL]
    epochs = store.epochs()
    return {
        "name": project.mace.general.name_exp,
        "product": {
            "model": product.model.name,
            "member": product.member,
            "training_structures": committee.n_train(committee.names.index(product.member)),
        },
        "stopped_because": {name: _why_stopped(name, state) for name, state in loops.items()},
        "labels": {
            "asked": counts.n_requested,
            "received": counts.n_received,
            "failed": counts.n_failed,
            "kept_out": counts.n_kept_out,
            "in_flight": counts.n_in_flight,
            "training": counts.n_train,
            "validation": counts.n_valid,
            "test": counts.n_test,
        },
        "labels_by_reference": labels_by_reference(store),
        "labels_spared": labels_spared(learned),
        "faults": fault_counts(store),
        "training_structures_of_each_member": [committee.n_train(member) for member in range(committee.n_members)],
        "md_steps_active": sum(state.md_steps for state in learned),
        "uncertainty_checks": sum(memory.n_scores for state in learned for memory in state.memories),
        **last_threshold(project, learning),
        "epochs": {
            **{name: 0 if state is None else state.n_epochs for name, state in loops.items()},
            "of_each_member": [
                int(epochs["epoch"][epochs["member"] == member].max(initial=0)) for member in range(committee.n_members)
            ],
        },
        "busy_s": {"labels": round(store.label_wall_s(), 2)},
        "models": [f"{COMMITTEE_FOLDER}/{path.name}" for path in product.committee],
        "trained_to_the_end": [committee.names[member] for member in (convergence.members if convergence else ())],
        "training_ended": _training_ended(committee, convergence),
        "seeds": {"members": list(committee.seeds), "md": _md_seeds(project)},
        "versions": installed_versions(),
        "device": ", ".join(map(str, committee.devices)),
    }


def _loops(project: Project) -> list[str]:
    """Names of the stages that sample and learn; those of v0.2 also where they are not there."""
    further = (*project.settings.learning, *project.settings.flying)
    return list(dict.fromkeys((str(INITIAL), str(ACTIVE), *(plan.name for plan in further))))


def _why_stopped(name: str, state: State | None) -> str | None:
    """Why a stage took no more structures; None where it still does, or never did."""
    if state is None or state.stopping is None:
        return None
    return STOPPED_INITIALLY.get(state.stopping) if name == INITIAL else str(state.stopping)


def _training_ended(committee: Committee, convergence: ConvergenceState | None) -> str:
    """How the training of the models that are handed over has ended, in words."""
    if convergence is None:
        return "as the last stage left it: there was no final convergence"
    endings = {committee.names[member]: ending for member, ending in convergence.endings().items()}
    return "; ".join(f"{name} {ending}" for name, ending in endings.items())


def _md_seeds(project: Project) -> list[int]:
    stages = [plan.read_as(ActiveLearningSettings) for plan in project.settings.learning]
    return sorted({project.md_for(index, one).seed for one in stages for index in range(one.num_trajectories)})
