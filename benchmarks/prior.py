"""What is a prior worth? Errors against number of expensive labels, from random weights and from cheaper knowledge.

    python benchmarks/prior.py             everything: some two hours of a core; stopped, the same command goes on
    python benchmarks/prior.py --show      the table as it is, and the ratios

Methanol at 500 K, labels by PBE/def2-SVP (PySCF), MACE of 16 channels. All ways learn the same labels, drawn at random
from MD by GFN2-xTB, all but `long` by as many optimizer steps, at a rate that falls in the same way, of paired seeds:

- scratch: random weights;
- long: random weights, and ten times as many steps;
- prior: the weights of a model that has learned 2000 labels of methanol by GFN2-xTB, which cost milliseconds each;
- naive, frozen, lora: fine-tuned from a model that has learned labels of five other molecules by GFN2-xTB.

All but those of random weights have their atomic energies re-estimated. Errors are those of forces by PBE on structures
of independent MD. The ratio is that of labels to those of scratch at equal error, see curves.py.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import torch
from ase.build import molecule
from curves import Cell, Record, append, lines_of, read_table, record_of
from ethanol import labels_of, mace_settings
from labels_needed import HELDOUT_SEED, UNVALIDATED, Span, System, sampled

from aims_pax.committee import Committee, Foundation, read_foundation
from aims_pax.dataset.durable import replacing_bytes
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.learner.training.annealing import Annealing, AnnealingRules
from aims_pax.reference.registry import build_reference
from aims_pax.settings import PyscfSettings
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.trajectory import pack_arrays, unpack_arrays

HERE: Final = Path(__file__).parent
BASELINE: Final = "scratch"
TUNED: Final[Mapping[str, Mapping[str, object]]] = {
    "naive": {},
    "frozen": {"freeze_embedding": True, "freeze_interactions": True},
    "lora": {"finetuning_choice": "lora"},
}
WAYS: Final = (BASELINE, "prior", *TUNED, "long")
RATES: Final = {BASELINE: 0.01, "long": 0.01, "prior": 0.005, "naive": 0.005, "frozen": 0.005, "lora": 0.01}
LABELS: Final = (10, 20, 40, 80)
N_STEPS: Final = 1500
N_CHEAP: Final = 2000
OTHERS: Final = ("CH3CH2OH", "CH3CHO", "CH3OCH3", "H2O", "CH4")
RECIPE: Final = f"methanol, 500 K, PBE/def2-svp, 16x0, {N_STEPS} steps, prior of {N_CHEAP}"

METHANOL: Final = System(
    name="methanol",
    atoms=molecule("CH3OH"),
    method="GFN2-xTB",
    temperature_k=500.0,
    timestep_fs=1.0,
    labels=LABELS,
    n_steps=N_STEPS,
    n_initial_epochs=1,
    pool=Span(8, 250, 10, 50),
    heldout=Span(6, 10, 100, 10),
)


# -- labels ---------------------------------------------------------------------------------------------------


def kept(path: Path, frames: Sequence[Frame], compute: Callable[[Frame], Label]) -> list[Label]:
    """Labels in their order, of which `path` keeps those that there are; written after each score."""
    known: list[Label] = []
    if path.is_file():
        stored = unpack_arrays(path.read_bytes(), ("energies", "forces"))
        known = [Label(float(e), f, None, "", 0.0) for e, f in zip(stored["energies"], stored["forces"], strict=True)]
    for index in range(len(known), len(frames)):
        known.append(compute(frames[index]))
        if len(known) % 20 == 0 or len(known) == len(frames):
            energies, forces = np.array([one.energy for one in known]), np.array([one.forces for one in known])
            with replacing_bytes(path) as file:
                file.write(pack_arrays({"energies": energies, "forces": forces}))
    return known[: len(frames)]


def by_pyscf(frame: Frame, xc: str = "pbe") -> Label:
    """The expensive label."""
    reference = build_reference(PyscfSettings(xc=xc))
    with tempfile.TemporaryDirectory(prefix="aims-pax-benchmark-") as folder:
        label = reference.label(frame, folder=Path(folder), want_stress=False)
    if not isinstance(label, Label):
        raise SystemExit(f"PySCF failed: {label.message}")
    return label


def by_gfn2(frame: Frame) -> Label:
    """The cheap one."""
    (label,) = labels_of([frame])
    return label


def points_of(frames: Sequence[Frame], labels: Sequence[Label]) -> list[LabelledFrame]:
    """All for training."""
    pairs = zip(frames, labels, strict=True)
    return [LabelledFrame(index, frame, label, Split.TRAINING) for index, (frame, label) in enumerate(pairs, start=1)]


def drawn(work: Path, seed: int) -> list[LabelledFrame]:
    """The expensive labels of a seed, of which fewer are the first ones."""
    looks = sampled(METHANOL, METHANOL.pool, work / "pool.npz", seed=1)
    frames = [frame for look in looks for frame in look]
    chosen = [frames[index] for index in np.random.default_rng(seed).permutation(len(frames))[: max(LABELS)]]
    return points_of(chosen, kept(work / f"pbe-{seed}.npz", chosen, by_pyscf))


# -- models ---------------------------------------------------------------------------------------------------


def finish(committee: Committee, n_points: int, *, n_steps: int, factor: float) -> None:
    """Train to the end: the second half of the steps at a falling rate."""
    n_epochs = max(2, round(n_steps / ceil(n_points / committee.settings.training.batch_size)))
    rules = AnnealingRules(patience=n_epochs, margin=0.0, max_epochs=n_epochs)
    annealing = Annealing.begin(rules)
    while not annealing.is_over(rules):
        committee.set_learning_rate(0, factor=factor * annealing.rate_factor(rules))
        committee.train(1, plan=UNVALIDATED)
        annealing = annealing.after(None, rules)


def known_beforehand(work: Path, name: str, points: Callable[[], list[LabelledFrame]]) -> Path:
    """A model of cheap labels, trained once."""
    path = work / f"{name}_1.model"
    if not path.is_file():
        cheap = points()
        committee = Committee.build(mace_settings("16x0"), cheap, seeds=[1])
        finish(committee, len(cheap), n_steps=max(12_000, 20 * len(cheap)), factor=1.0)
        committee.centre_energies()
        committee.export(work, name)
        print(f"{path.name}: {len(cheap)} cheap labels", flush=True)
    return path


def of_methanol(work: Path) -> list[LabelledFrame]:
    looks = sampled(METHANOL, METHANOL.pool, work / "pool.npz", seed=1)
    frames = [frame for look in looks for frame in look][:N_CHEAP]
    return points_of(frames, kept(work / "cheap.npz", frames, by_gfn2))


def of_others(work: Path) -> list[LabelledFrame]:
    points: list[LabelledFrame] = []
    for name in OTHERS:
        system = replace(METHANOL, name=name, atoms=molecule(name), pool=Span(4, 40, 20, 25))
        looks = sampled(system, system.pool, work / f"{name}.npz", seed=1)
        frames = [frame for look in looks for frame in look]
        points += points_of(frames, kept(work / f"{name}-cheap.npz", frames, by_gfn2))
    return [replace(point, label_id=index) for index, point in enumerate(points, start=1)]


def begun(cell: Cell, points: Sequence[LabelledFrame], work: Path) -> Committee:
    """A committee of one that has learned nothing expensive yet."""
    settings = mace_settings("16x0")
    if cell.way in (BASELINE, "long"):
        return Committee.build(settings, points, seeds=[cell.seed])
    if cell.way == "prior":
        path = known_beforehand(work, "prior", lambda: of_methanol(work))
        return Committee.from_models(settings, [path], seeds=[cell.seed]).relabelled(points)
    path = known_beforehand(work, "foundation", lambda: of_others(work))
    foundation: Foundation = read_foundation("mace", str(path), {int(z) for z in METHANOL.atoms.numbers})
    training = {"perform_finetuning": True, "pretrained_model": str(path), **TUNED[cell.way]}
    tuned = MaceSettings.model_validate({"general": {"name_exp": "tuned"}, "training": training})
    return Committee.fine_tuned(tuned, foundation, points, seeds=[cell.seed])


def measured(cell: Cell, work: Path) -> Record:
    """Train, and measure on what nobody was trained on."""
    looks = sampled(METHANOL, METHANOL.heldout, work / "heldout.npz", seed=HELDOUT_SEED)
    heldout = [frame for look in looks for frame in look]
    true = [label.forces for label in kept(work / "heldout-pbe.npz", heldout, by_pyscf)]
    points = drawn(work, cell.seed)[: cell.labels]
    committee = begun(cell, points, work)
    lr = committee.settings.training.lr
    n_steps = 10 * N_STEPS if cell.way == "long" else N_STEPS
    finish(committee, len(points), n_steps=n_steps, factor=RATES[cell.way] / lr)
    found = [predicted.forces[0] for predicted in committee.predict(heldout)]
    return record_of(cell, found, true, core_s=0.0, recipe=RECIPE)


def main() -> None:
    """Measure what is missing, and print all that there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--labels", nargs="+", type=int, choices=LABELS, default=list(LABELS))
    parser.add_argument("--table", type=Path, default=HERE / "results" / "prior.jsonl")
    parser.add_argument("--work", type=Path, default=Path("prior"), help="folder of MD, labels and models")
    parser.add_argument("--show", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    for seed, number, way in () if arguments.show else product(arguments.seeds, arguments.labels, arguments.ways):
        cell = Cell("methanol", seed, number, way)
        if cell in {record.cell for record in read_table(arguments.table)}:
            continue
        record = measured(cell, arguments.work)
        append(arguments.table, record)
        print(f"seed {seed}  {number:3d} {way:8s} {record.mae_mev_per_ang:8.1f} meV/Å", flush=True)
    print("\n".join(lines_of("methanol", read_table(arguments.table), baseline=BASELINE)))


if __name__ == "__main__":
    main()
