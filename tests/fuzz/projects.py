"""Right projects of every kind, as files to be harmed."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..aims.standin import SPECIES

WATER: Final = "3\n\nO 0.000 0.000 0.119\nH 0.000 0.763 -0.477\nH 0.000 -0.763 -0.477\n"

DIAMOND: Final = """\
lattice_vector 3.567 0 0
lattice_vector 0 3.567 0
lattice_vector 0 0 3.567
atom_frac 0.00 0.00 0.00 C
atom_frac 0.00 0.50 0.50 C
atom_frac 0.50 0.00 0.50 C
atom_frac 0.50 0.50 0.00 C
atom_frac 0.25 0.25 0.25 C
atom_frac 0.25 0.75 0.75 C
atom_frac 0.75 0.25 0.75 C
atom_frac 0.75 0.75 0.25 C
"""

_MACE: Final = """\
GENERAL: {name_exp: a, seed: 7, default_dtype: float64, compute_stress: false}
ARCHITECTURE:
  model_choice: mace
  r_max: 4.0
  num_channels: 8
  max_L: 0
  max_ell: 2
  correlation: 2
  num_interactions: 2
  num_radial_basis: 8
  radial_MLP: [16, 16]
  MLP_irreps: 8x0e
  gate: silu
  scaling: rms_forces_scaling
  atomic_energies: {1: -13.6, 6: -1029.0, 8: -2041.0}
TRAINING:
  optimizer: adam
  lr: 1e-2
  weight_decay: 5e-7
  amsgrad: true
  clip_grad: 10
  batch_size: 2
  loss: weighted
  energy_weight: 1
  forces_weight: 100.0
  scheduler: ReduceLROnPlateau
  ema: true
  ema_decay: 0.99
  swa: false
MISC: {device: cpu, log_level: info, enable_cueq: false}
"""

_EMBEDDED: Final = """\
REFERENCE:
  type: tblite
  method: GFN2-xTB
  charge: 0
  multiplicity: 1
  max_force_ev_per_ang: 30
  walltime_s: 60.0
INITIAL_DATASET_GENERATION:
  n_points_per_sampling_step_idg: 2
  max_initial_set_size: 10
  max_initial_epochs: inf
  ensemble_size: 4
  valid_ratio: 0.1
  skip_step_initial: 25
  foundational_model: tblite
  desired_acc: 0.01
  distinct_model_sets: true
ACTIVE_LEARNING:
  num_trajectories: 2
  max_train_set_size: 20
  ensemble_size: 4
  c_x: -0.2
  uncertainty_type: max_atomic_sd
  replay_strategy: random_subset
  train_subset_size: 10
  seeds_tags_dict: {a: 1, b: 2, c: 3, d: 4}
  converge_al: true
  converge_best: yes
MD:
  0: {stat_ensemble: nvt, temperature: 300, timestep: 0.5, thermostat: langevin, friction: 0.001, seed: 1}
  1:
    stat_ensemble: NVT
    temperature: &hot 600.0
    propagate_with: mean
MISC:
  output_dir: run
  log_dir: "logs"
  path_to_geometry: {0: water.xyz, 1: geometry}
  energy_key: REF_energy
  forces_key: REF_forces
CLUSTER:
  type: local
  max_workers: 2
  calc_dir: calcs
  clean_dirs: true
  systems: {water: {ranks: 1, threads: 1}, 1: {nodes: 1}}
"""

_ENGINE: Final = """\
REFERENCE:
  type: espresso
  command: mpiexec -n {ranks} pw.x
  protocol: fast
  pseudo_dir: upf
  pseudopotentials: {C: C.upf}
  magnetic_moments: {C: 0.5}
  kspacing: 0.5
  dispersion: {xc: pbe, damping: bj}
  parameters:
    input_data:
      system: {ecutwfc: 30, occupations: smearing}
      electrons: {conv_thr: 1.0e-8}
INITIAL_DATASET_GENERATION:
  n_points_per_sampling_step_idg: 2
  max_initial_set_size: 10
  initial_sampling: foundational
  foundational_model: ase.calculators.emt:EMT
  foundational_model_settings: {arguments: {}}
ACTIVE_LEARNING: {num_trajectories: 1, max_MD_steps: 1000}
MD: {stat_ensemble: nve, temperature: 300}
CLUSTER:
  type: slurm
  slurm_str: |
    #SBATCH --time=01:00:00
    #SBATCH --nodes=1
  worker_str: |
    module load espresso
  executor: htex
  tasks_per_node: 4
  memory_per_job: 2000
  parsl_options: {nodes_per_block: 1, init_blocks: 1, min_blocks: 0, max_blocks: 4, label: dft}
  systems:
    geometry: {executor: dft, ranks: 4}
"""

_ELDER: Final = """\
INITIAL_DATASET_GENERATION:
  desired_acc: 0.01
  ensemble_size: 2
  foundational_model: tblite
  initial_sampling: foundational
  intermediate_epochs: 5
  max_initial_epochs: 100
  n_points_per_sampling_step_idg: 3
  scheduler_initial: True
  species_dir: ./species
  valid_ratio: 0.2
  analysis: False
ACTIVE_LEARNING:
  desired_acc: 0.01
  ensemble_size: 2
  max_epochs_worker: 4
  max_MD_steps: 5000
  num_trajectories: 2
  skip_step_mlff: 20
  species_dir: ./species
  valid_ratio: 0.2
  use_foundational: False
  extend_existing_final_ds: false
MD: {stat_ensemble: nvt, thermostat: Langevin, temperature: 500, timestep: 0.5, friction: 0.01, MD_seed: 3}
MISC: {create_restart: True, dataset_dir: ./data, log_dir: ./logs, path_to_control: ./control.in,
       path_to_geometry: ./geometry.in, mol_idxs: null}
CLUSTER:
  type: slurm
  project_name: fhi_aims_dft
  parsl_options: {nodes_per_block: 1, init_blocks: 1, min_blocks: 1, max_blocks: 1, label: aims}
  slurm_str: |
    #SBATCH -J test
    #SBATCH -t 24:00:00
  worker_str: |
    source ~/.bashrc
  launch_str: "srun aims.x >> aims.out"
  calc_dir: "./aims_calc"
  clean_dirs: True
"""

_CONTROL: Final = """\
# Übung
xc pbe
relativistic atomic_zora scalar
spin collinear
default_initial_moment 1
k_grid 4 4 4
compute_forces .true.
sc_iter_limit 200
output hirshfeld
"""

PROJECTS: Final[Mapping[str, Mapping[str, str]]] = {
    "embedded": {
        "aims_PAX.yaml": _EMBEDDED,
        "mace.yaml": _MACE,
        "water.xyz": WATER,
        "geometry/dimer.xyz": WATER,
    },
    "engine": {
        "aims_PAX.yaml": _ENGINE,
        "mace.yaml": "GENERAL:\n  name_exp: b\n  compute_stress: true\nTRAINING: {ema: false}\n",
        "geometry.in": DIAMOND,
        "upf/C.upf": "",
    },
    "elder": {
        "aimsPAX.yaml": _ELDER,
        "model.yaml": "GENERAL: {name_exp: c, seed: 1, loss_dir: losses}\nMISC: {compute_stress: false, "
        "error_table: PerAtomMAE}\nTRAINING: {swa: false, virials_weight: 1.0}\n",
        "geometry.in": DIAMOND,
        "control.in": _CONTROL,
    },
}
"""Files of each project, in UTF-8. The species of FHI-aims come from :func:`write`."""

SETTINGS: Final = tuple(
    (kind, name) for kind, files in PROJECTS.items() for name in files if name.endswith(".yaml") or name == "control.in"
)
"""The files that a person writes settings into."""


def write(folder: Path, kind: str) -> None:
    """Write one of the projects into a folder."""
    for name, text in PROJECTS[kind].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if kind == "elder":
        shutil.copytree(SPECIES, folder / "species")
