"""How many visits until a whole melt and quench is stable, with and without a general model that drives the first?

    python benchmarks/melt.py             both ways; stopped, the same command goes on
    python benchmarks/melt.py --ways pretrained --steps 1000
    python benchmarks/melt.py --show      what there is

The chain of Fig. 2 of SCS (J. Chem. Theory Comput. 2025, 21, 7102): diamond is relaxed, heated from 1 to 9000 K and
quenched to 300 K. Here it has 8 atoms, GFN1-xTB at the Gamma point labels, and ramps are shorter. One way begins with
CHGNet, which drives the first visit; the other with a small dataset of MD at 300 K. Models learn on, or from random
weights after each visit (--from-scratch), as in the paper.
"""

import argparse
from pathlib import Path
from typing import Any, Final

from ase.build import bulk
from ase.io import write

import aims_pax as ap
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.settings.project import Project
from aims_pax.stages.playing.record import PHASE_OVER

WAYS: Final = ("pretrained", "dataset")
CHGNET: Final = "chgnet.model.dynamics:CHGNetCalculator"
WORKFLOW: Final = """\
Phase0:
  Geometry:
    Species: {{C : 12.011}}
    Bulk:
      Structure_1:
        Path: 'diamond.xyz'
  Run:
    Type: 'Relax'
    Sampling: 0
Phase1:
  Run:
    Timestep: 1.0
    Steps: {steps}
    Type: 'NVT'
    Temperature: {{Tstart : 1, Tstop : 9000}}
    Sampling: {frames}
Phase2:
  Run:
    Timestep: 1.0
    Steps: {steps}
    Type: 'NVT'
    Temperature: {{Tstart : 9000, Tstop : 300}}
    Sampling: {frames}
"""
MACE: Final[dict[str, dict[str, Any]]] = {
    "GENERAL": {"name_exp": "carbon", "seed": 1},
    "ARCHITECTURE": {"num_channels": 16, "max_L": 0, "r_max": 4.0, "num_interactions": 2},
    "TRAINING": {"batch_size": 10},
    "MISC": {"device": "cpu"},
}


def project_of(folder: Path, way: str, chosen: argparse.Namespace) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    diamond = bulk("C", a=3.567, cubic=True)
    write(folder / "diamond.xyz", diamond)
    file = folder / "carbon.yaml"
    file.write_text(WORKFLOW.format(steps=chosen.steps, frames=chosen.frames), encoding="utf-8")
    play: dict[str, Any] = {
        "workflow": str(file),
        "ensemble_size": 3,
        "max_visits": chosen.visits,
        "holds": "stable",
        "hold_visits": 2,
        "max_convergence_epochs": 100,
        "from_scratch": chosen.from_scratch,
    }
    stages: list[Any] = []
    if way == "pretrained":
        play |= {"pretrained": {"model_type": CHGNET, "arguments": {"use_device": "cpu", "verbose": False}}}
    else:
        stages.append(
            ap.initial(
                foundational_model="GFN1-xTB",
                max_initial_set_size=20,
                n_points_per_sampling_step_idg=2,
                ensemble_size=3,
            )
        )
    stages.append(ap.explore(**play))
    return Project.of(
        {"carbon": diamond},
        stages=stages,
        reference={"type": "tblite", "method": "GFN1-xTB", "max_force_ev_per_ang": 30.0},
        md={"stat_ensemble": "nvt", "friction": 0.02, "timestep": 1.0, "temperature": 300.0},
        mace=MACE,
        misc={"verdict_ps": 0},
        folder=folder / "run",
    )


def table_of(folder: Path) -> list[str]:
    """A line for each visit: how far it came, and the labels that there were at its end."""
    if not (folder / "run" / STORE_NAME).is_file():
        return ["nothing yet"]
    lines = []
    with RunStore.open_readonly(folder / "run") as store:
        entries = [one for one in store.journal() if one.kind == PHASE_OVER]
        jobs = [job for job in store.jobs() if job.stage == "explore"]
        for one in entries:
            told = one.payload
            last = told["first_step"] + told["n_steps"]
            n_labels = sum(job.frame.md_step <= last for job in jobs)
            lines.append(
                f"visit {told['visit']:2d}  {told['phase']}  {told['driver']:10s}  {told['n_steps']:6d} steps  "
                f"{n_labels:4d} labels asked  {told['words'] or 'to its end'}"
            )
        counts = store.counts()
        lines.append(f"{counts.n_received} labels, {counts.n_failed} failed or kept out")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--steps", type=int, default=400, help="MD steps of each ramp")
    parser.add_argument("--frames", type=int, default=10, help="windows of each ramp")
    parser.add_argument("--visits", type=int, default=8, help="at most")
    parser.add_argument("--from-scratch", action="store_true", help="train anew after each visit")
    parser.add_argument("--work", type=Path, default=Path("melt"), help="folder of the runs")
    parser.add_argument("--show", action="store_true", help="run nothing")
    chosen = parser.parse_args()
    for way in chosen.ways:
        folder = (chosen.work / f"{way}{'-anew' if chosen.from_scratch else ''}").absolute()
        if not chosen.show:
            ap.run(project_of(folder, way, chosen))
        print(f"{way}:", *table_of(folder), sep="\n  ")


if __name__ == "__main__":
    main()
