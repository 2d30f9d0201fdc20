"""Carbon by Quantum ESPRESSO: structures that are made, rounds of exploration, and properties beside the reference.

    python benchmarks/carbon.py --work FOLDER             all of it: an hour on a busy core; stopped, it goes on
    python benchmarks/carbon.py --work FOLDER --show      what is there

Diamond, graphene, layers of it and a chain, in cells of two to eight atoms, are distorted, strained and robbed of atoms
(`collect`); a small committee learns them (`made`), and explores at 300 and 1000 K in two rounds, each of which labels
ten of the frames whose error is expected beyond a tolerance and learns them (`round 1`, `round 2`). What is measured,
by the models of each of these points:

- errors by loop, on structures that nobody has picked or learned: the split's test structures of `collect`, and frames
  of MD by the last models, taken uniformly in time; all together and by phase, with 95 % intervals;
- the equation of state of diamond, energies of stretched graphene and a stretched chain, the binding curve of layers,
  phonons of diamond and a vacancy, beside the reference;
- wall time by activity, as the summary has it.

The method is cheap on purpose: PBE and D3 with Debian's C.pbe-van_bm.UPF at the cutoffs that its head recommends (25
and 100 Ry), smearing of the protocol `fast`, k points 0.6 1/Å apart in all cells, twice as far as the protocol has
them. No number here is one of carbon: it is what a model is compared with that has learned from the same.

It needs pw.x, and the pseudopotentials of Debian's quantum-espresso-data.
"""

import argparse
import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk, graphene
from ase.io import read, write
from heldout import Motion, blocks_of, label_all, lines_of, moved, rows_of, squares
from stretched import Stretched

import aims_pax as ap
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.evaluation.properties.binding import BindingCurve
from aims_pax.evaluation.properties.defects.vacancy import VacancyEnergies
from aims_pax.evaluation.properties.equation_of_state import EquationOfState
from aims_pax.evaluation.properties.phonons import Phonons
from aims_pax.frame import Label, LabelFailure
from aims_pax.learner.exploration import Exploration, Step
from aims_pax.outcome.explored import explorations_of
from aims_pax.stages.memory import Memory

if TYPE_CHECKING:
    from aims_pax.evaluation.properties import Property

UPF: Final = Path("/usr/share/espresso/pseudo")
FILE: Final = "C.pbe-van_bm.UPF"
VACUUM_ANG: Final = 8.0
N_ROUNDS: Final = 2
POINTS: Final = ("made", *(f"round {number}" for number in range(1, N_ROUNDS + 1)))
"""Of the campaign: after what was made, and at the end of each round."""

PHASES: Final = {"diamond": "diamond", "diamond8": "diamond", "graphene": "graphene", "graphene8": "graphene"}
"""Of systems; of others it is the system itself."""

MOTION: Final = Motion(temperatures_k=(300.0, 1000.0), n_frames=2, apart_fs=150.0)
"""Of the structures that errors are measured on."""

SETTINGS: Final[Mapping[str, Any]] = {
    "REFERENCE": {
        "type": "espresso",
        "pseudo_dir": str(UPF),
        "pseudopotentials": {"C": FILE},
        "protocol": "fast",
        "kspacing": 0.6,
        "molecule_box": 10.0,
        "max_force_ev_per_ang": 60.0,
        "walltime_s": 600,
        "dispersion": {"xc": "pbe"},
        "parameters": {"input_data": {"system": {"ecutwfc": 25, "ecutrho": 100}}},
    },
    "SYSTEMS": {
        "diamond": {"geometry": "diamond.extxyz", "num_trajectories": 1},
        "diamond8": {"geometry": "diamond8.extxyz", "num_trajectories": 2},
        "graphene": {"geometry": "graphene.extxyz", "num_trajectories": 1},
        "graphene8": {"geometry": "graphene8.extxyz", "num_trajectories": 2},
        "layers": {"geometry": "layers.extxyz", "num_trajectories": 1},
        "chain": {"geometry": "chain.extxyz", "num_trajectories": 1},
    },
    "STAGES": [
        {
            "collect": {
                "augment": {
                    "inputs": True,
                    "isolated": True,
                    "distort": {"n": 5, "strain": [-0.08, 0.12], "displacement": 0.12, "vacancies": 0},
                    "strain": {"range": [-0.06, 0.08], "n_isotropic": 2, "n_anisotropic": 2},
                    "vacancies": {"n": 1},
                    "vacuum": VACUUM_ANG,
                },
            }
        },
        {"converge": {"name": "made", "max_convergence_epochs": 60, "valid_skip": 5}},
        {
            "explore": {
                "ensemble_size": 3,
                "num_random_structures": 6,
                "temperature": [300, 1000],
                "length": 0.2,
                "sampling_time": 0.05,
                "vacuum": VACUUM_ANG,
                "thr_energy": 0.03,
                "thr_forces": 0.3,
                "thr_stress": 0.02,
                "max_selected_frames": 10,
                "max_loops": N_ROUNDS,
                "max_convergence_epochs": 40,
                "valid_skip": 5,
            }
        },
    ],
    "MD": {"stat_ensemble": "nvt", "temperature": 300, "timestep": 1.0, "friction": 0.02},
    "CLUSTER": {"type": "local", "max_workers": 1},
    "MISC": {"verdict_ps": False, "probe": False},
}
MACE: Final[Mapping[str, Any]] = {
    "GENERAL": {"name_exp": "carbon", "compute_stress": True},
    "ARCHITECTURE": {
        "r_max": 4.5,
        "num_channels": 16,
        "max_L": 0,
        "max_ell": 2,
        "correlation": 3,
        "radial_MLP": [32, 32],
    },
    "TRAINING": {"lr": 0.01, "batch_size": 5, "energy_weight": 1000.0, "stress_weight": 10000.0},
    "MISC": {"device": "cpu"},
}


def structures() -> dict[str, Atoms]:
    """What the campaign begins with, by name."""
    sheet = graphene("C2", a=2.467, vacuum=VACUUM_ANG / 2)
    sheet.pbc = (True, True, False)
    chain = Atoms("C2", [[0, 0, 0], [0, 0, 1.29]], cell=[VACUUM_ANG, VACUUM_ANG, 2.58], pbc=(False, False, True))
    chain.center(axis=(0, 1))
    found = {
        "diamond": bulk("C", "diamond", a=3.572),
        "diamond8": bulk("C", "diamond", a=3.572, cubic=True),
        "graphene": sheet,
        "graphene8": sheet.repeat((2, 2, 1)),
        "layers": layers(),
        "chain": chain,
    }
    rng = np.random.default_rng(5)
    for name in ("diamond8", "graphene8"):  # no saddle points to begin MD at
        found[name].positions += rng.normal(scale=0.01, size=found[name].positions.shape)
    return found


def layers() -> Atoms:
    """Graphite, AB."""
    return Atoms(
        "C4",
        scaled_positions=[[0, 0, 0.25], [1 / 3, 2 / 3, 0.25], [0, 0, 0.75], [2 / 3, 1 / 3, 0.75]],
        cell=[2.467, 2.467, 6.7, 90, 90, 120],
        pbc=True,
    )


def written(folder: Path) -> Path:
    """The project's folder with its files; those that are there are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "aims_PAX.yaml").exists():
        for name, atoms in structures().items():
            write(folder / f"{name}.extxyz", atoms)
        (folder / "mace.yaml").write_text(yaml.safe_dump(dict(MACE), sort_keys=False), encoding="utf-8")
        (folder / "aims_PAX.yaml").write_text(yaml.safe_dump(dict(SETTINGS), sort_keys=False), encoding="utf-8")
    return folder


def wanted() -> Iterator[tuple[str, Atoms, "Property"]]:
    """What is measured of which structure; supercells as small as they can be, for the reference has to pay them."""
    found = structures()
    yield "diamond", found["diamond"], EquationOfState()
    yield "graphene", found["graphene"], Stretched()
    yield "chain", found["chain"], Stretched()
    yield "layers", layers(), BindingCurve(n_distances=12, nearest=0.7, farthest_ang=3.0)
    yield "diamond8", bulk("C", "diamond", a=3.572, cubic=True), VacancyEnergies(distance_ang=3.5)
    yield "diamond8", bulk("C", "diamond", a=3.572, cubic=True), Phonons(length_ang=3.5)


def campaign(folder: Path, out: Path) -> None:
    """The whole campaign; at the beginning of each round it is left for the models of that moment."""
    project = ap.load_project(folder)
    for number, point in enumerate(POINTS[:-1], start=1):
        if (out / point).is_dir() or (folder / "results" / "summary.json").is_file():
            continue
        stop = threading.Event()
        threading.Thread(target=stop_in_round, args=(folder, number, stop), daemon=True).start()
        try:
            ap.run(project, stop=stop)
        except ap.Departed:
            export_models(folder, out / point, number=number)
    if not (folder / "results" / "summary.json").is_file():
        ap.run(project)
    last = exploration_of(folder)
    if last is not None and not (place := out / POINTS[last.present.number]).is_dir():
        shutil.copytree(folder / "results", place)


def points_in(out: Path) -> list[str]:
    """Those that there are: rounds may end before there were as many as there may be."""
    return [point for point in POINTS if (out / point).is_dir()]


def models_of(out: Path, point: str) -> list[Path]:
    """Files of all members."""
    return sorted((out / point / "committee").glob("*.model"))


def stop_in_round(folder: Path, number: int, stop: threading.Event, *, every_s: float = 2.0) -> None:
    """Have a run leave in good order as soon as a round has begun, whose models are those of the round before."""
    while not stop.wait(every_s):
        state = exploration_of(folder)
        if state is not None and state.present.number >= number:
            stop.set()


def exploration_of(folder: Path) -> Exploration | None:
    """How far it has come; None before it has begun."""
    try:
        with RunStore.open_readonly(folder) as store:
            return explorations_of(store, Memory(store, RunFolder(folder, folder))).get("explore")
    except ap.UserError:
        return None  # no run yet


def export_models(folder: Path, out: Path, *, number: int) -> None:
    """Models of an interrupted run before a round has learned, whole or not at all."""
    state = exploration_of(folder)
    if state is None or state.present.number != number or state.step not in (Step.MOVE, Step.JUDGE, Step.LABEL):
        raise SystemExit(
            f"the run was left elsewhere than at the beginning of round {number}; the same command goes on"
        )
    aside = out.with_suffix(".part")
    shutil.rmtree(aside, ignore_errors=True)
    ap.open_run(folder).export(aside, models=True)
    aside.rename(out)


def properties(folder: Path, out: Path) -> None:
    """All that is wanted, by the models of each point; what the reference has computed is kept in the project."""
    models = [out / point for point in points_in(out)]
    for structure, atoms, wish in wanted():
        place = out / "properties" / f"{wish.NAME}-{structure}"
        if not (place / "properties.txt").is_file():
            found = ap.validate({structure: atoms}, models, against="reference", properties=[wish], project=folder)
            found.write(place)


def labelled_frames(out: Path) -> Path:
    """Frames of MD by the last models, whatever their deviation, and their labels."""
    frames, file = out / "frames.extxyz", out / "md.extxyz"
    if not frames.is_file():
        found = structures()
        starts = {name: found[name] for name in ("diamond8", "graphene8", "layers", "chain")}
        aside = frames.with_suffix(".part.extxyz")
        driver = ap.calculator(models_of(out, points_in(out)[-1]))
        write(aside, list(moved(starts, driver, MOTION, seed=7)))
        aside.rename(frames)
    for words in label_all(read(frames, ":"), file, labelled):
        print(f"no label: {words}")
    return file


def labelled(atoms: Atoms) -> Label | LabelFailure:
    """What the reference says of a structure."""
    found = ap.label(atoms, SETTINGS["REFERENCE"])
    assert not isinstance(found, list), "one structure has one label"
    return found


def errors(folder: Path, out: Path) -> None:
    """Errors of the models of each point on the same structures, which nobody has picked or learned."""
    if (out / "errors.json").is_file():
        return
    test = out / "test.extxyz"
    write(test, [one for one in read(folder / "results" / "test.extxyz", ":") if one.info["stage"] == "collect"])
    found = []
    for name, file in (("test", test), ("MD", labelled_frames(out))):
        measured = {point: ap.evaluate(models_of(out, point), file) for point in points_in(out)}
        by_point = {point: squares(one) for point, one in measured.items()}
        frames = measured["made"].frames
        phases = [PHASES.get(frame.system, frame.system) for frame in frames]
        for phase in ("", *dict.fromkeys(phases)):
            blocks = [block for block in blocks_of(frames) if not phase or phases[block[0]] == phase]
            found.append({"set": name, "phase": phase, "rows": rows_of(by_point, blocks)})
    with replacing(out / "errors.json") as kept:
        json.dump(found, kept, indent=2)


def told(folder: Path, out: Path) -> str:
    """Errors by loop, rounds, properties, and where the time went."""
    lines = []
    if (file := out / "errors.json").is_file():
        lines.append(f"== RMSE by loop (95 %): {', '.join(points_in(out))}; the last over the first")
        for one in json.loads(file.read_text(encoding="utf-8")):
            lines += lines_of(f"{one['set']} {one['phase']}".rstrip(), one["rows"])
    if (file := folder / "results" / "explore.json").is_file():
        lines += ["", "== rounds", *rounds_told(json.loads(file.read_text(encoding="utf-8"))["rounds"])]
    for file in sorted((out / "properties").glob("*/properties.txt")):
        lines += ["", f"== {file.parent.name}", file.read_text(encoding="utf-8").rstrip()]
    if (file := folder / "results" / "summary.json").is_file():
        summary = json.loads(file.read_text(encoding="utf-8"))
        lines += ["", "== wall seconds, and those of the labels"]
        lines += [*_seconds(summary["wall_s"]), *_seconds(summary["busy_s"])]
        lines += ["== by stage", *_seconds(summary["wall_s_by_stage"]), "== labels", str(summary["labels"])]
    return "\n".join(lines)


def rounds_told(rounds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What each round has found, and what labels said of the errors that were expected."""
    for one in rounds[1:]:
        yield (
            f"round {one['number']}: {one['n_trajectories']} trajectories, {one['n_ended_early']} ended early; "
            f"{one['n_frames']} frames, {one['n_above']} beyond a tolerance; {one['n_labelled']} labelled, "
            f"{one['n_failed']} failed; {one['n_epochs']} epochs on {one['n_train']} structures"
        )
        for said in one["beyond"]:
            truth = next((each for each in one["truths"] if each["quantity"] == said["quantity"]), None)
            came = "no label of it"
            if truth is not None:
                came = f"error {truth['mean_error']:.4f}, expected {truth['mean_expected']:.4f}; truly beyond "
                came += f"{truth['n_beyond']} of {truth['n_labelled']}"
            slope = "none" if said["slope"] is None else f"{said['slope']:.3f} of {said['n_fitted']} structures"
            yield (
                f"  {said['quantity']:7s} {said['n_above']:3d} above {said['threshold']:.4f} {said['unit']} (tolerance "
                f"{said['tolerance']:g}, slope {slope}); {came}"
            )


def _seconds(spent: Mapping[str, float]) -> list[str]:
    return [f"{name:>22} {seconds:7.0f}" for name, seconds in spent.items()]


def main() -> None:
    """All of it, as far as it is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the project, and of what is measured")
    parser.add_argument("--show", action="store_true", help="nothing is computed")
    asked = parser.parse_args()
    folder, out = asked.work / "project", asked.work / "found"
    if not asked.show:
        campaign(written(folder), out)
        errors(folder, out)
        properties(folder, out)
    print(told(folder, out))


if __name__ == "__main__":
    main()
