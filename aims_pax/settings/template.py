"""New projects, with every common setting explained."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aims_pax.errors import Problem, SettingsError, StructureError
from aims_pax.settings.project import MACE_FILES, SETTINGS_FILES
from aims_pax.settings.systems import read_systems

_ETHANOL: Final = """\
# Ethanol; positions in Å.
atom   1.168181  -0.400382   0.000000  C
atom   0.000000   0.559462   0.000000  C
atom  -1.190083  -0.227669   0.000000  O
atom  -1.946623   0.381525   0.000000  H
atom   0.042557   1.207508   0.886933  H
atom   0.042557   1.207508  -0.886933  H
atom   2.115891   0.144800   0.000000  H
atom   1.128599  -1.037234   0.885881  H
atom   1.128599  -1.037234  -0.885881  H
"""

_AIMS_PAX: Final = """\
# How the force field is made. All settings: docs/settings.md of aims_pax; check them with: aims-pax check

REFERENCE:                               # the method that labels structures
{reference}

INITIAL_DATASET_GENERATION:              # a first dataset, sampled by a general-purpose method
  n_points_per_sampling_step_idg: 5      # structures per round, for each model and each starting structure
  max_initial_set_size: 15               # stop when each model has so many training structures
  ensemble_size: 4                       # models in the committee; their disagreement is the uncertainty
  skip_step_initial: 25                  # MD steps between structures
  intermediate_epochs_idg: 5             # epochs trained per round
  valid_ratio: 0.1                       # fraction of structures used for validation
  # What drives the MD of this stage. When not given: GFN2-xTB.
  # foundational_model: mace-mp          # mace-mp | mace-off | mace | tblite | package.module:Calculator
  # foundational_model_settings:
  #   mace_model: small                  # a published model, or the path of a model file

ACTIVE_LEARNING:                         # the committee drives, and asks for labels where it is unsure
  num_trajectories: {n_trajectories}
  max_train_set_size: 100                # stop when each model has so many training structures
  # desired_acc: 0.02                    # ... or at this force MAE on the validation set, eV/Å
  # max_MD_steps: 100000                 # ... or after so many steps of each trajectory
  ensemble_size: 4
  skip_step_mlff: 25                     # MD steps between uncertainty checks
  c_x: 0.0                               # threshold = (1 + c_x) times the mean uncertainty; below 0 labels more
  epochs_per_worker: 2                   # epochs trained for each new label
  valid_ratio: 0.1

MD:                                      # one mapping for all trajectories, or 0: {{...}}, 1: {{...}}, ...
  stat_ensemble: nvt                     # nvt | nve
  temperature: 500                       # K
  timestep: 0.5                          # fs
  friction: 0.001                        # 1/fs
  seed: 42                               # each trajectory draws its own noise from it

{cluster}{misc}"""

_CLUSTER: Final = """\
CLUSTER:                                 # where labels are computed
  type: local                            # workers on this machine; remove the section to label in one process
  max_workers: 2
"""

_NO_CLUSTER: Final = """\
# CLUSTER:                               # labels of this reference are fast: they are computed in one process
#   type: local                          # or on workers of this machine
#   max_workers: 4
"""

_MISC: Final = """
MISC:
  path_to_geometry: {name}
"""

_REFERENCES: Final[Mapping[str, str]] = {
    "tblite": """\
  type: tblite                           # extended tight binding; milliseconds for a molecule
  method: GFN2-xTB                       # GFN2-xTB | GFN1-xTB
  charge: 0
  multiplicity: 1                        # 2S + 1""",
    "pyscf": """\
  type: pyscf                            # molecular DFT; install it with: pip install "aims-pax[pyscf]"
  xc: PBE
  basis: def2-svp
  charge: 0
  multiplicity: 1                        # 2S + 1""",
    "teacher": """\
  type: teacher                          # a trained model
  model_type: mace-mp                    # mace-mp | mace-off | mace
  mace_model: small                      # a published model, fetched when first used, or a file; mace: use model_path
  device: auto                           # auto | cpu | cuda
  # Or any ASE calculator, instead of model_type, mace_model and device:
  # calculator: ase.calculators.emt:EMT
  # arguments: {{}}""".replace("{{}}", "{}"),
    "fhi-aims": """\
  type: fhi-aims                         # the method is in control.in
  command: mpiexec -n 4 aims.x           # how FHI-aims is started
  species_dir: /path/to/FHIaims/species_defaults/defaults_2020/light""",
}

_CONTROL: Final = """\
# What FHI-aims computes for each label. All of its keywords may stand here; forces, stress where it is needed, and the
# species of species_dir are added to each label's copy.
xc                 pbe
relativistic       atomic_zora scalar
{k_grid}# vdw_correction_hirshfeld             # dispersion by Tkatchenko and Scheffler
# charge           0
# spin             collinear             # needs initial moments: here, or in geometry.in
# default_initial_moment  1
sc_accuracy_rho    1e-5
sc_iter_limit      200                   # a label that takes more cycles counts as failed
"""

_MACE: Final = """\
# The models, and how they are trained. All settings: docs/settings.md of aims_pax

GENERAL:
  name_exp: {name}  # models are named {{name_exp}}_{{seed}}.model
  seed: 42
  default_dtype: float32                 # float32 | float64
  compute_stress: false                  # true for crystals whose cell matters

ARCHITECTURE:
  r_max: 5.0                             # cutoff, Å
  num_channels: 32
  max_L: 0
  max_ell: 2
  correlation: 2
  num_interactions: 2

TRAINING:
  lr: 0.01
  batch_size: 5
  energy_weight: 1
  forces_weight: 1000

MISC:
  device: auto                           # auto | cpu | cuda | [cuda:0, cuda:2]
"""


def write_project(folder: Path, *, reference: str = "tblite", geometry: Path | None = None) -> list[Path]:
    """Write a project that can be run as it is.

    Parameters
    ----------
    folder : Path
        Made when missing.
    reference : str
        tblite, pyscf, teacher or fhi-aims.
    geometry : Path or None
        A file with starting structures, copied into the project unless it is there already; None: ethanol.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    SettingsError
        The reference is unknown, a file of the project exists already, or the folder can't be written to.
    StructureError
        No structure can be read from `geometry`.
    """
    if reference not in _REFERENCES:
        found = f"{reference!r} is not a reference that a project can be written for."
        raise SettingsError(Problem("--reference", found, " | ".join(_REFERENCES)))
    if folder.is_file():
        raise SettingsError(Problem(str(folder), "This is a file.", "a folder, which is made when missing"))
    if geometry is not None and geometry.is_dir():
        raise StructureError(Problem(str(geometry), "This is a folder.", "one structure file"))
    systems = () if geometry is None else read_systems(folder, geometry)
    structure = "geometry.in" if geometry is None else geometry.name
    in_place = geometry is not None and geometry.resolve() == (folder / structure).resolve()
    control = ("control.in",) if reference == "fhi-aims" else ()
    _refuse_overwriting(folder, (*control, *(() if in_place else (structure,))))
    name = "ethanol" if geometry is None else _model_name(geometry.stem)
    texts = {
        SETTINGS_FILES[0]: _AIMS_PAX.format(
            reference=_REFERENCES[reference],
            cluster=_CLUSTER if reference in ("pyscf", "fhi-aims") else _NO_CLUSTER,
            misc="" if structure == "geometry.in" else _MISC.format(name=json.dumps(structure, ensure_ascii=False)),
            n_trajectories=max(8, len(systems)),
        ),
        MACE_FILES[0]: _MACE.format(name=name),
    }
    periodic = any(system.frame.pbc.any() for system in systems)
    texts |= {file: _CONTROL.format(k_grid="k_grid             4 4 4\n" if periodic else "") for file in control}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        if geometry is None:
            (folder / structure).write_text(_ETHANOL, encoding="utf-8")
        elif not in_place:
            shutil.copyfile(geometry, folder / structure)
    except OSError as error:
        raise SettingsError(Problem(str(folder), f"The project can't be written here: {error.strerror}.")) from None
    return [folder / file for file in (*texts, *(() if in_place else (structure,)))]


def _refuse_overwriting(folder: Path, structures: tuple[str, ...]) -> None:
    names = (*SETTINGS_FILES, *MACE_FILES, *structures)
    present = [folder / name for name in names if (folder / name).exists()]
    if present:
        advice = "Choose another folder, or remove the file."
        raise SettingsError([Problem(str(path), "This file exists already.", "", advice) for path in present])


def _model_name(stem: str) -> str:
    """A structure's name as the name of models, which becomes part of file names."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", stem).lstrip("_.+-")[:100]
    return name or "model"
