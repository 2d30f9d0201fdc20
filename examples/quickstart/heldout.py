"""Makes heldout.extxyz: 200 GFN2-xTB structures of ethanol that no model has seen.

They come from four MD runs at 500 K, driven by GFN2-xTB itself, with noise of their own: 50 structures of each, 40 fs
apart, after 1 ps; about half a minute.
"""

from pathlib import Path

from tblite.ase import TBLite

from aims_pax.dataset.extxyz import write_extxyz
from aims_pax.frame import Label, LabelledFrame, Split
from aims_pax.reference.registry import build_reference
from aims_pax.sampling import BatchedSampler, CalculatorForces, Ensemble, TrajectoryStart
from aims_pax.settings import load_project

SEED = 20_261_121
N_TRAJECTORIES, N_FRAMES_EACH, SPACING_STEPS, EQUILIBRATION_STEPS = 4, 50, 40, 1000

here = Path(__file__).resolve().parent
project = load_project(here)
reference = build_reference(project.settings.reference)
forces = CalculatorForces(lambda: TBLite(method="GFN2-xTB", verbosity=0))
start = TrajectoryStart(
    project.systems[0].frame, Ensemble.NVT, temperature_k=500.0, timestep_fs=1.0, friction_per_fs=0.01, seed=SEED
)
sampler = BatchedSampler([start] * N_TRAJECTORIES, forces)
everywhere = range(N_TRAJECTORIES)
sampler.advance(everywhere, EQUILIBRATION_STEPS)
heldout = []
for _ in range(N_FRAMES_EACH):
    sampler.advance(everywhere, SPACING_STEPS)
    for trajectory in everywhere:
        frame = sampler.frame(trajectory)
        label = reference.label(frame, folder=here / "heldout_scratch", want_stress=False)
        assert isinstance(label, Label), f"GFN2-xTB gave no label: {label}"
        heldout.append(LabelledFrame(len(heldout) + 1, frame, label, Split.VALIDATION))
write_extxyz(here / "heldout.extxyz", heldout)
print(f"wrote {len(heldout)} structures to {here / 'heldout.extxyz'}")
