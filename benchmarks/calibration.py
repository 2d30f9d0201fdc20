"""Do errors stay within the intervals that a run promises? Ethanol by GFN2-xTB, and a thousand labels that came later.

    python benchmarks/calibration.py            an hour or so on a core of its own; stopped, the same command goes on
    python benchmarks/calibration.py --show     the tables of what is there
    python benchmarks/calibration.py --quick    some minutes, to see that it works

One campaign at 500 K takes half of its labels at random. Its finished models, as handed over with calibration.json,
then move the molecule at 300, 500 and 700 K with noise of their own, and the structures are labelled: nobody has picked
them, and nothing was fitted to them. For each temperature:

- coverage: percent of the errors within intervals for 50, 80 and 90 %, with their 95 % intervals (binomial, by
  structures), of the calibration that the run has left, and of every other estimate fitted to the same structures;
- fitted again to labels of these very temperatures, half of the trajectories for the other half, which is what
  `aims-pax evaluate --calibrate` is for;
- rank correlation of deviation and error of whole structures; true-positive rate and predictive value of deviations
  above multiples of tau, the threshold by the run's slope, for errors in the upper quarter.

And of the run itself, while the models learned: what was said of random structures before they were labelled, by
quarter, told by the structures of the quarters before.
"""

import argparse
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ethanol import ethanol, labels_of

import aims_pax as ap
from aims_pax.committee import CommitteeForces, load_models
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.dataset.store import RunStore
from aims_pax.evaluation.detection import coverage_interval, detect, rank_correlation
from aims_pax.frame import Frame, Label
from aims_pax.outcome.calibrated.fitted import evidence_of, of_members
from aims_pax.outcome.calibrated.kept import FILE, read
from aims_pax.outcome.calibrated.of_run import aside_of
from aims_pax.outcome.errors.analysis import UNBIASED
from aims_pax.outcome.predictions import read_predictions
from aims_pax.protocols import FramePrediction, Predictor
from aims_pax.sampling import BatchedSampler, Langevin, Segment, TrajectoryStart
from aims_pax.selection.calibration import (
    BY,
    FITS,
    LEVELS,
    Evidence,
    Quantity,
    Residuals,
    Rule,
    ThroughZero,
    Trial,
    choose,
    trial_of,
)
from aims_pax.settings import Project
from aims_pax.settings.stage import INITIAL
from aims_pax.trajectory import pack_arrays, unpack_arrays

TEMPERATURES_K: Final = (300.0, 500.0, 700.0)
N_TRAJECTORIES: Final = 8
FIRST_STEPS: Final = 1000
SPACING_STEPS: Final = 50
LATER_SEED: Final = 2**20
QUANTITIES: Final = (Quantity.ENERGY, Quantity.FORCES)
THERE: Final = "fitted there:"
MULTIPLES: Final = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Of tau."""


def project_of(folder: Path, *, is_quick: bool) -> Project:
    """The campaign."""
    return ap.Project.of(
        {"ethanol": ethanol()},
        reference={"type": "tblite", "method": "GFN2-xTB"},
        stages=[
            ap.initial(
                n_points_per_sampling_step_idg=8,
                max_initial_set_size=7,
                distinct_model_sets=False,
                equilibration_steps=500,
                skip_step_initial=40,
                intermediate_epochs_idg=10 if is_quick else 60,
            ),
            ap.learn(
                num_trajectories=8,
                start_from="initial_dataset",
                max_train_set_size=30 if is_quick else 80,
                skip_step_mlff=20,
                epochs_per_worker=2,
                random_label_share=0.5,
                save_trajectories=False,
            ),
            ap.converge(converge_best=False, max_convergence_epochs=10 if is_quick else 120),
        ],
        md={"temperature": 500, "timestep": 1.0, "friction": 0.01, "seed": 1},
        mace={
            "GENERAL": {"name_exp": "ethanol", "seed": 1},
            "ARCHITECTURE": {
                "num_channels": 16,
                "max_L": 0,
                "max_ell": 2,
                "correlation": 2,
                "r_max": 4.5,
                "radial_MLP": [32, 32],
            },
            "TRAINING": {"batch_size": 5, "lr": 0.01},
            "MISC": {"device": "cpu"},
        },
        misc={"verdict_ps": False},
        folder=folder,
    )


# -- labels that came later -----------------------------------------------------------------------------------


def later_frames(project: Project, models: Predictor, temperature_k: float, n: int, path: Path) -> list[Frame]:
    """Structures of MD by the mean of the models; of a trajectory that breaks those from before count."""
    (own,) = project.systems
    n_looks = -(-n // N_TRAJECTORIES)
    if path.is_file():
        stored = unpack_arrays(path.read_bytes(), ("positions", "trajectory", "step"))
    else:
        program = (Segment(Langevin(0.01), 1.0, temperature_k),)
        sampler = BatchedSampler(
            [TrajectoryStart(own.frame, program, LATER_SEED)] * N_TRAJECTORIES, CommitteeForces(models)
        )
        alive, found = list(range(N_TRAJECTORIES)), []
        for look in range(n_looks + 1):
            moved = sampler.advance(alive, SPACING_STEPS if look else FIRST_STEPS)
            alive = [one.trajectory for one in moved if one.problem is None]
            found += [(sampler.frame(one).positions, one, look) for one in alive if look]
        stored = {
            name: np.array([row[place] for row in found])
            for place, name in enumerate(("positions", "trajectory", "step"))
        }
        with replacing_bytes(path) as file:
            file.write(pack_arrays(stored))
    return [
        replace(own.frame, positions=positions, trajectory=int(trajectory), md_step=int(step))
        for positions, trajectory, step in zip(stored["positions"], stored["trajectory"], stored["step"], strict=True)
    ][:n]


def later_labels(frames: Sequence[Frame], path: Path) -> list[Label]:
    """Labels of structures, which `path` keeps."""
    if not path.is_file():
        found = labels_of(frames)
        arrays = {
            "energies": np.array([one.energy for one in found]),
            "forces": np.array([one.forces for one in found]),
        }
        with replacing_bytes(path) as file:
            file.write(pack_arrays(arrays))
    stored = unpack_arrays(path.read_bytes(), ("energies", "forces"))
    return [
        Label(float(e), f, None, "GFN2-xTB", 0.0) for e, f in zip(stored["energies"], stored["forces"], strict=True)
    ]


# -- what is told of them -------------------------------------------------------------------------------------


def told(rule: Rule, residuals: Residuals) -> Trial:
    """How an estimate that was fitted elsewhere does here."""
    score, n_atoms, estimate = residuals.score, residuals.n_atoms, rule.estimate
    half_widths, expected = estimate.half_widths(score, n_atoms), estimate.expected(score, n_atoms)
    return trial_of((estimate.NAME, rule.by), residuals, half_widths, expected)


def row_of(words: str, quantity: Quantity, trial: Trial, **more: Any) -> dict[str, Any]:
    """A line of a table, as plain values."""
    cover = {f"{100 * one:.0f}": coverage_interval(shares) for one, shares in zip(LEVELS, trial.is_within, strict=True)}
    return {
        "of": words,
        "quantity": str(quantity),
        "estimate": trial.name,
        "by": str(trial.by),
        "coverage": cover,
        "loss": trial.loss,
    } | more


def by_structure(residuals: Residuals) -> tuple[Any, Any]:
    """Deviation and error (n_structures,) of whole structures, root mean squares."""
    score, error = (residuals.mean_by_structure(values**2) for values in (residuals.score, residuals.error))
    return np.sqrt(score), np.sqrt(error)


def coverage_rows(
    later: dict[float, Evidence], known: Evidence, rules: Mapping[Quantity, Rule]
) -> Iterator[dict[str, Any]]:
    """The run's calibration first, then every estimate, then the best one fitted to each temperature."""
    for quantity in QUANTITIES:
        fits = [(by, fit(known.residuals(quantity, by=by))) for by in BY[quantity] for fit in FITS.values()]
        every = [Rule(estimate, by) for by, estimate in fits if estimate is not None]
        for temperature, evidence in later.items():
            where, own = f"{temperature:g} K", rules[quantity]
            yield row_of(where, quantity, told(own, evidence.residuals(quantity, by=own.by)), is_product=True)
            for rule in every:
                yield row_of(where, quantity, told(rule, evidence.residuals(quantity, by=rule.by)))
            yield row_of(where, quantity, again(evidence, quantity))


def again(evidence: Evidence, quantity: Quantity) -> Trial:
    """Each half of the trajectories told by what is chosen for the other half."""
    scored = {by: evidence.residuals(quantity, by=by) for by in BY[quantity]}
    residuals = scored[quantity]
    half = (residuals.block // (residuals.block.max() // 2 + 1)).astype(np.bool_)
    bounds, expected, names = np.zeros((len(LEVELS), len(half))), np.zeros(len(half)), set()
    for part in (half, ~half):
        chosen = choose({by: one.part(~part) for by, one in scored.items()})
        assert chosen is not None, "there are enough structures"
        score, n_atoms = scored[chosen.by].score[part], residuals.n_atoms[part]
        bounds[:, part] = chosen.estimate.half_widths(score, n_atoms)
        expected[part] = chosen.estimate.expected(score, n_atoms)
        names.add(f"{chosen.estimate.NAME} on {chosen.by}")
    return trial_of((f"{THERE} {' / '.join(sorted(names))}", quantity), residuals, bounds, expected)


def detection_rows(later: dict[float, Evidence], known: Evidence) -> Iterator[dict[str, Any]]:
    """Ranks, and rates at multiples of tau."""
    for quantity in QUANTITIES:
        line = ThroughZero.fit(known.residuals(quantity))
        assert line is not None, "members differ"
        for temperature, evidence in later.items():
            score, error = by_structure(evidence.residuals(quantity))
            tolerance = float(np.quantile(error, 0.75))
            taus = np.array(MULTIPLES) * line.slope * tolerance
            found = detect(score, error, tolerance=tolerance, thresholds=taus)
            yield {
                "of": f"{temperature:g} K",
                "quantity": str(quantity),
                "rank": rank_correlation(score, error),
                "rms_error": float(np.sqrt(np.mean(error**2))),
                "rms_deviation": float(np.sqrt(np.mean(score**2))),
                "tolerance": tolerance,
                "true_positive_rate": found.true_positive_rate().tolist(),
                "predictive_value": found.predictive_value().tolist(),
            }


def stream_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Random structures of the run, by quarter, told by the quarters before."""
    with RunStore.open_readonly(folder) as store:
        points = [one for one in store.predicted() if one.stage != INITIAL and one.source in UNBIASED]
    quarters = np.array_split(np.arange(len(points)), 4)
    said, labels = [one.prediction for one in points], [one.label for one in points]
    stream = Evidence(said, labels, np.arange(len(points)) // 4)
    for number, quarter in enumerate(quarters, start=1):
        for quantity in QUANTITIES:
            scored = {by: stream.residuals(quantity, by=by) for by in BY[quantity]}
            residuals = scored[quantity]
            here = np.isin(residuals.structure, quarter)
            score, error = by_structure(residuals.part(here))
            line = ThroughZero.fit(residuals.part(here))
            row: dict[str, Any] = {
                "quarter": number,
                "quantity": str(quantity),
                "n": len(quarter),
                "rms_error": float(np.sqrt(np.mean(error**2))),
                "slope": None if line is None else line.slope,
                "rank": rank_correlation(score, error),
            }
            before = residuals.structure < quarter[0]
            chosen = choose({by: one.part(before) for by, one in scored.items()}) if number > 1 else None
            if chosen is not None:
                row |= row_of("", quantity, told(Rule(chosen.estimate, chosen.by), scored[chosen.by].part(here)))
            yield row


def measured(folder: Path, *, n_later: int) -> dict[str, Any]:
    """All of it, for a finished campaign."""
    project = project_of(folder, is_quick=False)
    kept = read(folder / "results" / FILE)
    files = [folder / "results" / "committee" / one["file"] for one in kept.content["models"]]
    models, later = load_models(files, device="cpu"), {}
    for temperature, n in zip(TEMPERATURES_K, (n_later - 2 * (n_later // 3), n_later // 3, n_later // 3), strict=True):
        frames = later_frames(project, models, temperature, n, folder / f"later-{temperature:g}.npz")
        labels = later_labels(frames, folder / f"later-{temperature:g}-labels.npz")
        later[temperature] = evidence_of(frames, labels, models.predict(frames))
        print(f"{len(frames)} labels at {temperature:g} K", flush=True)
    known = evidence_of_run(folder)
    return {
        "run": kept.content["evidence"],
        "chosen": {name: f"{one['estimate']} on {one['by']}" for name, one in kept.content["quantities"].items()},
        "tried": {name: one["tried"] for name, one in kept.content["quantities"].items()},
        "coverage": list(coverage_rows(later, known, kept.calibration.rules)),
        "detection": list(detection_rows(later, known)),
        "stream": list(stream_rows(folder)),
    }


def evidence_of_run(folder: Path) -> Evidence:
    """What the run has fitted its calibration to."""
    saved = read_predictions(folder / "results")
    assert saved is not None, "the run is finished"
    with RunStore.open_readonly(folder) as store:
        aside = aside_of([point for point in store.labelled() if point.label_id in saved.by_label])
    assert aside is not None, "it has left a calibration"
    everyone = range(len(saved.members))
    said: list[FramePrediction] = [of_members(saved.by_label[point.label_id], everyone) for point in aside.points]
    return evidence_of([point.frame for point in aside.points], [point.label for point in aside.points], said)


# -- tables ---------------------------------------------------------------------------------------------------


def show(found: dict[str, Any]) -> None:
    """Print all tables."""
    print(f"\nfitted to {found['run']['structures']} of the run; chosen: {found['chosen']}")
    for quantity in QUANTITIES:
        print(f"\n{quantity}: percent within intervals for 50, 80 and 90 % (95 % binomial interval)\n")
        for row in found["coverage"]:
            if row["quantity"] == quantity:
                name = row["estimate"] if row["estimate"].startswith(THERE) else f"{row['estimate']} on {row['by']}"
                name += ", as the run says" if row.get("is_product") else ""
                print(f"{row['of']:6}  {name:56}  {percent(row['coverage'])}  loss {1000 * row['loss']:.3g}")
    print("\nerrors and deviations of whole structures (meV/atom, meV/Å); multiples of tau", *MULTIPLES, "\n")
    for row in found["detection"]:
        tpr, ppv = (
            " ".join(f"{100 * one[0]:3.0f}" for one in row[key]) for key in ("true_positive_rate", "predictive_value")
        )
        print(
            f"{row['of']:6}  {row['quantity']:7}  error {1000 * row['rms_error']:6.2f}  deviation "
            f"{1000 * row['rms_deviation']:6.2f}  rank {row['rank']:.2f}  tolerance {1000 * row['tolerance']:6.2f}  "
            f"TPR {tpr}  PPV {ppv}"
        )
    print("\nwhile it learned, by quarter, told by the quarters before\n")
    for row in found["stream"]:
        slope = "" if row["slope"] is None else f"slope {row['slope']:.2f}"
        rank = "" if row["rank"] is None else f"rank {row['rank']:.2f}"
        cover = f"{percent(row['coverage'])}  {row['estimate']}" if "coverage" in row else ""
        error = f"error {1000 * row['rms_error']:6.2f}"
        print(f"{row['quarter']}  {row['quantity']:7}  n {row['n']}  {error}  {slope}  {rank}  {cover}")


def percent(coverage: dict[str, Sequence[float]]) -> str:
    """Three shares with their intervals."""
    return "  ".join(f"{100 * v:4.1f} ({100 * low:.0f} to {100 * high:.0f})" for v, low, high in coverage.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("calibration"), help="folder of the campaign and the labels")
    parser.add_argument("--quick", action="store_true", help="a small campaign and few labels")
    parser.add_argument("--show", action="store_true", help="the tables that are there")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder, table = arguments.work.resolve(), arguments.work / "calibration-measured.json"
    if not arguments.show:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "results" / "summary.json").is_file():
            with (folder / "screen.txt").open("a", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):
                ap.run(project_of(folder, is_quick=arguments.quick))
        found = measured(folder, n_later=120 if arguments.quick else 1000)
        table.write_text(json.dumps(found, indent=1), encoding="utf-8")
    elif not table.is_file():
        raise SystemExit(f"{table} is not there yet: leave --show away")
    show(json.loads(table.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
