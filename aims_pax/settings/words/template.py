"""New projects, with every common setting explained."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from aims_pax.errors import Problem, SettingsError
from aims_pax.frame import Frame
from aims_pax.settings.reading.files import MACE_FILES, SETTINGS_FILES
from aims_pax.settings.words.answers import BATCH_CONFIGS, NOTHING_SAID, PACKED, Answers, Conditions, Place
from aims_pax.settings.words.layout import aligned
from aims_pax.settings.words.reference_text import EMBEDDED, TEXTS, known_reference, labels_crystals
from aims_pax.settings.words.starting import NewFile, Starting, Wanted, starting_structures
from aims_pax.settings.words.structure import account, doubts_of_driver
from aims_pax.settings.words.workflow import WORKFLOW_FILE, stage_words, workflow_of

FRICTION_PER_FS: Final = 0.01
EQUILIBRATION_FS: Final = 5 / FRICTION_PER_FS
"""Five friction times: of the heat that a relaxed structure lacks, 1 % is still missing."""

HEAVIEST_FOR_XTB: Final = 86
FARTHEST_NEIGHBOUR_ANG: Final = 7.0
"""Cesium's neighbours are 5.2 Å apart; farther ones belong to another molecule."""

_AIMS_PAX: Final = """\
# How the force field is made. All settings: docs/settings.md of aims_pax; check them with: aims-pax check

REFERENCE:                               # the method that labels structures
{reference}

INITIAL_DATASET_GENERATION:              # a first dataset, sampled by a general-purpose method
  # What drives the MD of this stage: GFN2-xTB | GFN1-xTB (crystals) | mace-mp | mace-off | mace |
  # package.module:Calculator of ASE. initial_sampling: aimd instead lets the reference itself drive.
  foundational_model: {driver}
  # foundational_model_settings: {{mace_model: small}}    # a published model, or the path of a model file
  equilibration_steps: {equilibration}  # MD steps before the first label: {equilibration_fs} fs, five friction times
  skip_step_initial: 25                  # MD steps between labels
  n_points_per_sampling_step_idg: {n_points}  # labels per round, for each model and each starting structure
  max_initial_set_size: 15               # stop when each model has so many training structures
  ensemble_size: 4                       # models in the committee; their disagreement is the uncertainty
  intermediate_epochs_idg: 5             # epochs trained per round
  valid_ratio: 0.1                       # fraction of the labels used for validation, not for training

ACTIVE_LEARNING:                         # the committee drives, and asks for labels where it is unsure
  # use_foundational: true               # another model drives, of foundational_model_settings: {{model_type: ...}}
  num_trajectories: {n_trajectories}  # MD that runs side by side{each}
  start_from: initial_dataset            # thermalised structures of the stage before; structures: as they were given
  max_train_set_size: {max_train}  # stop when each model has so many training structures
  # desired_acc: 0.02                    # ... or at this force MAE on the validation set, eV/Å
  # max_MD_steps: 100000                 # ... or after so many steps of each trajectory
  ensemble_size: 4                       # as above
  skip_step_mlff: 25                     # MD steps between uncertainty estimates
  c_x: 0.0                               # threshold = (1 + c_x) times the mean uncertainty; below 0 labels more
  epochs_per_worker: 2                   # epochs trained for each new label
  valid_ratio: 0.1                       # fraction of the labels used for validation
  random_label_share: 0.1                # of the labels, taken at random to measure errors: they validate and test
  converge_best: false                   # at the end all models are trained to convergence; true: the best alone
  max_convergence_epochs: 200            # at most, half of them at a falling learning rate; they decide the error

MD:                                      # one mapping for all trajectories, or 0: {{...}}, 1: {{...}}, ...
{ensemble}
  temperature: {temperature}  # K
  timestep: {timestep}  # fs; 0.5 with hydrogen, 1 to 2 without
{acts}
  seed: 42                               # each trajectory draws its own noise from it

{cluster}"""

_NVT: Final = (
    "  stat_ensemble: nvt                     # nvt | nve | npt, with a barostat",
    f"  friction: {FRICTION_PER_FS}  # 1/fs; 0.01 thermalises in half a picosecond, 0.001 disturbs the motion less",
)
_NPT: Final = (
    "  stat_ensemble: npt                     # nvt | nve | npt, with a barostat; here the cell moves",
    "  pressure: {pressure}  # Pa: 1e5 is 1 bar, 1e9 is 1 GPa",
)

_CLUSTER: Final = """\
CLUSTER:                                 # where labels are computed
  type: local                            # workers on this machine; remove the section to label in one process
  max_workers: {n_workers}
"""

_BATCH: Final = """\
CLUSTER:                                 # where labels are computed: in batch jobs, which come and go with the labels
  parsl_config: {config}  # or a copy of parsl_configs/{config}.py, to change it freely
  options: {{{queue}max_blocks: 4, walltime: "12:00:00"}}  # also account, cores, worker_init: docs/cluster.md
"""

_NO_CLUSTER: Final = """\
# CLUSTER:                               # {why}: they are computed in one process
#   type: local                          # or on workers of this machine
#   max_workers: 4
"""

_MISC: Final = """
MISC:
  path_to_geometry: {name}
"""

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
  seed: 42                               # of the first model's weights; the others have 43, 44, ...
  default_dtype: float32                 # float32 | float64
  compute_stress: {stress}  # whether stress is labelled and learned: for crystals whose cell matters

ARCHITECTURE:
  r_max: {r_max}  # cutoff, Å; two layers see twice as far
  num_channels: 32                       # features of each atom: larger is finer and slower
  max_L: 0                               # angular momentum of the messages: 0 | 1 | 2, ever finer and slower
  max_ell: 2                             # angular momentum of the directions to the neighbours
  correlation: 2                         # neighbours that one message relates to each other
  num_interactions: 2                    # layers

TRAINING:
  lr: 0.01                               # learning rate
  batch_size: 5                          # structures of one optimizer step
  energy_weight: 1                       # weights of the loss, for eV/atom,
  forces_weight: 1000                    # for eV/Å,
{stress_weight}
MISC:
  device: {device}  # auto | cpu | cuda | [cuda:0, cuda:2]
"""

_STRESS_WEIGHT: Final = """\
  stress_weight: 1.0e+5                  # and for eV/Å³: 1 GPa is 0.006 eV/Å³, which counts for nothing with weight 1
"""


@dataclass(frozen=True, slots=True)
class NewProject:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
    structures : tuple of str
        What was read: name, formula, atoms, and whether it is a crystal.
    notes : tuple of str
        What a person should know of the structures.
    needs : tuple of str
        What has to be brought or corrected before a run.
    """

    files: tuple[Path, ...]
    structures: tuple[str, ...]
    notes: tuple[str, ...]
    needs: tuple[str, ...]


def write_project(
    folder: Path, *, reference: str = "tblite", wanted: Wanted | None = None, answers: Answers = NOTHING_SAID
) -> NewProject:
    """Write a project that can be run as it is, or that needs no more than is said.

    Parameters
    ----------
    folder : Path
        Made when missing.
    reference : str
        Any REFERENCE.type.
    wanted : Wanted or None
        Files with starting structures, which are copied into the project unless they are there already; None: those
        that are there, or a placeholder.
    answers : Answers
        Conditions, goal and places, where they are not the usual ones.

    Raises
    ------
    SettingsError
        The reference is unknown or can't label the structures, a file of the project exists already, or the folder
        can't be written to.
    StructureError
        The structures can't be had as they are wanted.
    """
    kind = known_reference(reference)
    if folder.is_file():
        raise SettingsError(Problem(str(folder), "This is a file.", "a folder, which is made when missing"))
    starting = starting_structures(folder, wanted or Wanted(), with_stress=labels_crystals(kind))
    refuse_crystals(kind, starting)
    text = TEXTS[kind]
    texts = {
        SETTINGS_FILES[0]: _settings_text(kind, starting, answers),
        MACE_FILES[0]: _mace_text(kind, starting, answers.device),
        **{file: _control_text(starting) for file in text.files if not (folder / file).exists()},
    }
    if answers.workflow:
        texts[WORKFLOW_FILE] = workflow_of(folder, starting)
    further = [name for name in texts if name == WORKFLOW_FILE]
    refuse_overwriting(folder, [*further, *(one.name for one in starting.files)])
    try:
        _write(folder, texts, starting.files)
    except OSError as error:
        raise SettingsError(Problem(str(folder), f"The project can't be written here: {error.strerror}.")) from None
    files = tuple(folder / name for name in (*texts, *(one.name for one in starting.files)))
    batch = answers.place.batch if answers.place is not None else ""
    of_place = (f"CLUSTER.options: what your {batch} wants, such as account and worker_init",) if batch else ()
    named = (stage_words(starting),) if answers.workflow else ()
    told = tuple(account(starting.systems))
    return NewProject(
        files, told, (*starting.notes, *named, *doubts_of_driver(starting.systems)), (*text.needs, *of_place)
    )


def _write(folder: Path, texts: dict[str, str], structures: Sequence[NewFile]) -> None:
    """Write all files, or leave none of them behind."""
    places = [folder / name for name in (*texts, *(one.name for one in structures))]
    new_folders = [path for path in (*folder.parents, folder, *{place.parent for place in places}) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        for one in structures:
            (folder / one.name).parent.mkdir(exist_ok=True)
            if one.source is None:
                (folder / one.name).write_text(one.text, encoding="utf-8")
            else:
                shutil.copyfile(one.source, folder / one.name)
    except (OSError, KeyboardInterrupt):
        for path in places:
            path.unlink(missing_ok=True)
        for path in sorted(new_folders, key=lambda path: -len(path.parts)):
            if path.is_dir():
                path.rmdir()
        raise


def refuse_crystals(kind: str, starting: Starting) -> None:
    """Programs for molecules can't label what is periodic.

    Raises
    ------
    SettingsError
    """
    periodic = [system.name for system in starting.systems if system.frame.pbc.any()]
    if periodic and not labels_crystals(kind):
        able = " | ".join(other for other in TEXTS if labels_crystals(other))
        are = "is" if len(periodic) == 1 else "are"
        found = f"{kind} labels molecules only, and {', '.join(periodic[:5])} {are} periodic."
        advice = (
            "Choose one of them; for a cluster cut from a crystal, remove the cell from the file, or say --molecule."
        )
        raise SettingsError(Problem("--reference", found, able, advice))


# -- texts ----------------------------------------------------------------------------------------------------


def usual_temperature_k(starting: Starting) -> float:
    """Where molecules show enough of themselves, and crystals do not fall apart, K."""
    return 300.0 if any(frame.pbc.any() for frame in starting.frames) else 500.0


def usual_n_structures(starting: Starting) -> int:
    """Training structures for as many starting structures."""
    return max(100, 10 * len(starting.systems))


def usual_place(kind: str) -> Place:
    """In one process what takes milliseconds, on workers what takes longer."""
    return Place() if TEXTS[kind].is_fast else Place(n_workers=2)


def _settings_text(kind: str, starting: Starting, answers: Answers) -> str:
    frames, n_systems = starting.frames, len(starting.systems)
    numbers = {int(number) for frame in frames for number in frame.numbers}
    periodic = any(frame.pbc.any() for frame in frames)
    timestep = 0.5 if 1 in numbers else 1.0
    n_trajectories = ceil(8 / n_systems) * n_systems
    conditions = answers.conditions or Conditions(usual_temperature_k(starting))
    ensemble, acts = _NVT if conditions.pressure_pa is None else _NPT
    each = f": {n_trajectories // n_systems} from each of {n_systems} starting structures" if n_systems > 1 else ""
    settings = _AIMS_PAX.format(
        reference=_with_multiplicity(TEXTS[kind].section(periodic=periodic), frames),
        driver=_driver(numbers, periodic=periodic),
        equilibration=round(EQUILIBRATION_FS / timestep),
        equilibration_fs=f"{EQUILIBRATION_FS:g}",
        n_points=max(1, 5 // n_systems),
        n_trajectories=n_trajectories,
        each=each,
        max_train=answers.n_structures or usual_n_structures(starting),
        ensemble=ensemble,
        temperature=f"{conditions.temperature_k:g}",
        timestep=timestep,
        acts=acts.format(pressure=conditions.pressure_pa),
        cluster=_cluster_text(kind, answers.place or usual_place(kind)),
    )
    misc = _MISC.format(name=json.dumps(starting.place, ensure_ascii=False)) if starting.place else ""
    return aligned(settings) + misc


def _cluster_text(kind: str, place: Place) -> str:
    if not place.batch and not place.n_workers:
        return _NO_CLUSTER.format(
            why="labels of this reference are fast" if TEXTS[kind].is_fast else "labels, one after the other"
        )
    if not place.batch:
        return _CLUSTER.format(n_workers=place.n_workers)
    config = PACKED if place.batch == "slurm" and kind in EMBEDDED else BATCH_CONFIGS[place.batch]
    name = "partition" if place.batch == "slurm" else "queue"
    return _BATCH.format(config=config, queue=f"{name}: {json.dumps(place.queue)}, " if place.queue else "")


def _with_multiplicity(section: str, frames: Sequence[Frame]) -> str:
    """The section for neutral structures with as few unpaired electrons as they can have."""
    odd = all(int(frame.numbers.sum()) % 2 for frame in frames)
    return section.replace("multiplicity: 1 ", "multiplicity: 2 ") if odd else section


def _driver(numbers: set[int], *, periodic: bool) -> str:
    """A driver that is sane for the structures, with its reason."""
    if max(numbers) > HEAVIEST_FOR_XTB:
        return f"mace-mp  # tight binding knows the elements up to Z = {HEAVIEST_FOR_XTB}"
    if periodic:
        return "GFN1-xTB  # for salts and diamond; not for silicon"
    return "GFN2-xTB  # fast, and sane for molecules"


def _mace_text(kind: str, starting: Starting, device: str) -> str:
    with_stress = labels_crystals(kind) and any(frame.pbc.all() for frame in starting.frames)
    text = _MACE.format(
        name=_model_name(starting.name),
        stress="true" if with_stress else "false",
        r_max=_cutoff_ang(starting.frames),
        stress_weight=_STRESS_WEIGHT if with_stress else "",
        device=device,
    )
    return aligned(text)


def _control_text(starting: Starting) -> str:
    periodic = any(frame.pbc.any() for frame in starting.frames)
    return _CONTROL.format(k_grid="k_grid             4 4 4\n" if periodic else "")


def _cutoff_ang(frames: Sequence[Frame]) -> float:
    """5 Å, or 1.5 times the distance of neighbours where these are far apart, to the next half Å."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    farthest = 0.0
    for frame in frames:
        nearest = np.full(frame.n_atoms, np.inf)
        atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
        first, distances = neighbor_list("id", atoms, FARTHEST_NEIGHBOUR_ANG)
        np.minimum.at(nearest, first, distances)
        farthest = max([farthest, *nearest[np.isfinite(nearest)].tolist()])
    return max(5.0, ceil(2 * 1.5 * farthest) / 2)


def refuse_overwriting(folder: Path, structures: Sequence[str] = ()) -> None:
    """A new project overwrites nothing.

    Raises
    ------
    SettingsError
        Settings, or one of these structure files, are there.
    """
    names = (*SETTINGS_FILES, *MACE_FILES, *structures)
    present = [folder / name for name in names if (folder / name).exists()]
    if present:
        advice = "Choose another folder, or remove the file."
        raise SettingsError([Problem(str(path), "This file exists already.", "", advice) for path in present])


def _model_name(stem: str) -> str:
    """A structure's name as the name of models, which becomes part of file names."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", stem).lstrip("_.+-")[:100]
    return name if name and _is_text(name) else f"model_{name}".rstrip("_")


def _is_text(name: str) -> bool:
    """Whether YAML reads it as text; of 1e5 it is PyYAML alone that does."""
    return isinstance(yaml.safe_load(name), str) and re.fullmatch(r"[\d_.]+([eE][+-]?\d+)?", name) is None
