"""What a project was understood to be: every structure, and every quantity of the run with its unit."""

import re
from collections.abc import Iterator, Sequence
from math import isinf
from typing import Final

import numpy as np

from aims_pax.checking.movement import motion, motions
from aims_pax.checking.spans import steps_in_words
from aims_pax.evaluation.properties import USUAL
from aims_pax.frame import BoolArray, Frame, Stage
from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, MDSettings, Project
from aims_pax.settings.committee.deepmd import read_deepmd_input
from aims_pax.settings.committee.losses import LOSSES, LossKind, stage_two_of
from aims_pax.settings.committee.mace import TrainingSettings
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.engines import EngineSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.motion.groups import named_atoms
from aims_pax.settings.stage import ACTIVE
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.systems import System
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.run import run_in_words
from aims_pax.stages.beginnings.finetuning import as_its_model
from aims_pax.stages.driver import driver_words
from aims_pax.stages.fly.rules import begins_with_reference
from aims_pax.structures.composition import formula

MAX_SYSTEMS: Final = 12
"""Structures that are shown one by one."""

MULTIPLETS: Final = ("singlet", "doublet", "triplet", "quartet", "quintet", "sextet", "septet")

ANGLE_DEG: Final = 0.01
"""How far from 90° an angle may be that is not shown."""


NAME_WIDTH: Final = 19
"""Column in which values begin."""


def understood(project: Project, stages: tuple[Stage, ...]) -> Iterator[str]:
    """Structures and quantities, a line each."""
    if project.systems:
        yield "Structures"
        yield from (f"  {line}" for line in structures(project))
    yield "Run"
    yield from (f"  {name:<{NAME_WIDTH - 2}}{value}" for name, value in quantities(project, stages))


def structures(project: Project) -> Iterator[str]:
    """One line for each: name, formula, atoms, cell, charge, spin, electrons; and one for its fixed atoms."""
    shown = project.systems[:MAX_SYSTEMS]
    rows = [
        (
            f"{one.name} ({_counted(one.frame.n_atoms, 'atom')})",
            formula(one.frame),
            _cell(one.frame),
            _state(project, one),
        )
        for one in shown
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for system, (name, what, cell, state) in zip(shown, rows, strict=True):
        yield f"{name:<{widths[0]}}  {what:<{widths[1]}}  {cell:<{widths[2]}}  {state}"
        if system.fixed is not None:
            yield f"  {_fixed(system, system.fixed)}"
    if len(project.systems) > MAX_SYSTEMS:
        yield f"and {len(project.systems) - MAX_SYSTEMS} more"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def quantities(project: Project, stages: tuple[Stage, ...]) -> Iterator[tuple[str, str]]:
    """Name and value of everything that a run does, with units."""
    if project.settings.samples:
        yield from motions(project)
    for plan in project.plans(stages):
        match plan.settings:
            case InitialDatasetSettings():
                yield from _initial(project)
            case ActiveLearningSettings():
                yield from _active(project, plan)
            case CollectSettings():
                yield from _collecting(plan.name, plan.settings)
            case ExploreSettings():
                yield from _exploring(project, plan.name, plan.settings)
            case PlaySettings():
                yield from _playing(project, plan, plan.settings)
            case FlyStageSettings():
                yield from _flying(project, plan, plan.settings)
            case SelectSettings():
                yield from _selection(plan.name, plan.settings)
            case ConvergeSettings() if not plan.is_implied:
                yield from _converge(project, plan)
            case ValidateSettings():
                yield from _validating(plan.name, plan.settings)
    yield from _models(project)


def _collecting(name: str, settings: CollectSettings) -> Iterator[tuple[str, str]]:
    if settings.augment is not None:
        sources = ", ".join(settings.augment.named)
        yield name, f"structures made from the starting structures: {sources}; seed {settings.seed}"
    if settings.structures is not None:
        files = ", ".join(path.name for path in settings.structures)
        yield name if settings.augment is None else "  and", f"structures of {files}, as they are"
    yield (
        "  of these",
        f"{settings.valid_ratio:g} validate, {settings.test_ratio:g} test; inputs, free atoms and dimers train",
    )


def _exploring(project: Project, name: str, settings: ExploreSettings) -> Iterator[tuple[str, str]]:
    if settings.rounds_with_md:
        at = ", ".join(f"{one:g}" for one in settings.temperature)
        under = ", ".join(f"{one / 1e9:g}" for one in settings.pressure)
        conditions = f"at {at} K" if at else "at the temperature of MD"
        conditions += f" and {under} GPa along periodic directions" if under else ""
        files = ", ".join(path.name for path in settings.start_structures or ())
        starts = (
            f"up to {settings.num_random_structures} {f'structures of {files}' if files else 'training structures'}"
        )
        yield name, f"MD from {starts}, {conditions}; {settings.length:g} ps each, one member drives"
        after = f" after {settings.thermalization_time:g} ps" if settings.thermalization_time else ""
        yield "  frames", f"every {settings.sampling_time:g} ps{after}, judged by all members"
    if settings.frames is not None:
        yield "  brought along", ", ".join(one.name for one in settings.frames)
    stress = f", {settings.thr_stress:g} eV/Å³" if project.mace.general.compute_stress else ""
    tolerances = f"{settings.thr_energy:g} eV/atom, {settings.thr_forces:g} eV/Å{stress}"
    yield "  tolerances", f"{tolerances}; deviations are calibrated on known errors in each round"
    if settings.label:
        share = f"{settings.valid_ratio:g} validate, {settings.test_ratio:g} test"
        learned = f"of these {share}" if settings.train else "none is learned"
        yield "  labels", f"at most {settings.max_selected_frames} a round, drawn from what is beyond; {learned}"
        if settings.num_random_frames:
            yield "  at random", f"{settings.num_random_frames} a round, drawn from all frames, which test"
    if settings.train:
        yield "  until", f"no frame is beyond a tolerance, or {_counted(settings.max_loops, 'round')}"


def _playing(project: Project, plan: StagePlan, settings: PlaySettings) -> Iterator[tuple[str, str]]:
    workflows = project.further.workflows[plan.name]
    many = "1 trajectory" if settings.replicas == 1 else f"{settings.replicas} trajectories each"
    yield plan.name, f"{_counted(len(workflows), 'workflow')}, {many}, at most {_counted(settings.max_visits, 'visit')}"
    for workflow in workflows:
        words = [f"{phase.name} {run_in_words(phase.settings.run)}" for phase in workflow.phases]
        yield f"  {workflow.name}", "; ".join(words)
    kind = kind_named(settings.uncertainty_type)
    yield "  labels", f"best frame of each window, {kind.what} from {kind.shown(settings.least_score)}{kind.ending} on"
    learn = "from random weights after each visit" if settings.from_scratch else "on from each label"
    yield "  models", f"learn {learn}"
    held = "all phases come to their ends" + (", no frame above its threshold" if settings.holds == "sure" else "")
    yield "  until", f"in {_counted(settings.hold_visits, 'visit')} in a row {held}"


def _flying(project: Project, plan: StagePlan, settings: FlyStageSettings) -> Iterator[tuple[str, str]]:
    n_steps = steps_in_words(settings.max_MD_steps, _step_fs(project))
    many = "1 trajectory" if settings.num_trajectories == 1 else f"{settings.num_trajectories} trajectories"
    yield plan.name, f"{many} of {n_steps}; the mean of the models drives"
    if begins_with_reference(project, plan):
        n_initial = settings.rules(with_models=False).num_initial_steps
        yield "  begins", f"{_counted(n_initial, 'step')} of each structure by the reference, then the first models"
    adaptive = settings.adaptive_method_parameters
    grows = "" if adaptive is None else f"; then by {adaptive.factor:g}, {adaptive.n_min} to {adaptive.n_max}"
    yield "  checks", f"every {_counted(settings.check_interval, 'step')}{grows}"
    if settings.early_check is not None:
        yield "  early", f"where the models deviate by more than {settings.early_check:g} eV/Å"
    units = {"ediff": "eV/atom", "fmax": "eV/Å", "frmse": "eV/Å", "vmax": "eV/atom"}
    said = settings.tolerances.model_dump(exclude_none=True)
    back = "; the trajectory goes back to its last passed check" if settings.go_back else ""
    broken = "they learn" if settings.can_update else "nothing is learned"
    limits = ", ".join(f"{key} {value:g} {units[key]}" for key, value in said.items())
    yield "  tolerances", f"{limits}; where one is broken, {broken}{back}"


def _validating(name: str, settings: ValidateSettings) -> Iterator[tuple[str, str]]:
    files = [path.name for path in settings.structures or ()]
    of = ", ".join(files[:MAX_SYSTEMS]) if files else "the starting structures"
    what = ", ".join(settings.named) or ", ".join(USUAL)
    yield name, f"{what}; of {of}, by the final model and by the reference"


def _initial(project: Project) -> Iterator[tuple[str, str]]:
    settings, step_fs = project.initial, _step_fs(project)
    every = steps_in_words(settings.skip_step_initial, step_fs)
    whose = "its own" if settings.distinct_model_sets else "shared"
    yield (
        "initial stage",
        f"{driver_words(project, settings.driving)} drives; a structure every {every}; each member's are {whose}",
    )
    if settings.equilibration_steps:
        n_computed = settings.equilibration_steps * len(project.systems)
        cost = f": {n_computed} calculations of the reference" if settings.driver == "reference" else ""
        yield "  before", f"{steps_in_words(settings.equilibration_steps, step_fs)} that are not labelled{cost}"
    goals = []
    if not isinf(settings.max_initial_set_size):
        goals.append(f"{settings.max_initial_set_size:.0f} training structures of each member")
    if not isinf(settings.max_initial_epochs):
        goals.append(f"{settings.max_initial_epochs:.0f} epochs")
    if settings.desired_force_mae_ev_per_ang:
        goals.append(f"force MAE {settings.desired_force_mae_ev_per_ang:g} eV/Å")
    yield "  until", " or ".join(goals)


def _converge(project: Project, plan: StagePlan) -> Iterator[tuple[str, str]]:
    settings = plan.read_as(ConvergeSettings)
    best = project.settings.is_end(plan) and settings.converge_best and not settings.from_scratch
    whom = "the best member" if best else "all members"
    yield "converge", f"{plan.name}: {whom}, up to {_counted(settings.max_convergence_epochs, 'epoch')}"


def _active(project: Project, plan: StagePlan) -> Iterator[tuple[str, str]]:
    settings = plan.read_as(ActiveLearningSettings)
    step_fs = project.md_for(0, settings).timestep if settings.MD else _step_fs(project)
    every = steps_in_words(settings.skip_step_mlff, step_fs)
    name = "active learning" if plan.name == ACTIVE else plan.name
    yield name, f"{settings.num_trajectories} trajectories, checked every {every}"
    if settings.driving is not None:
        yield "  drives", f"{driver_words(project, settings.driving)}; the committee judges and learns"
    if settings.MD:
        for name, value in motion(project.md_for(0, settings), project.system_for(0).frame):
            yield f"  {name.strip()}", value
    yield (
        "  labels",
        (
            f"where {_measure(settings)} is above {1 + settings.c_x:g} times its mean (c_x {settings.c_x:g}); "
            f"at the latest after {steps_in_words(settings.uncert_not_crossed_limit, step_fs)}"
        ),
    )
    if told_apart := [(one.name, len(groups)) for one in project.systems if (groups := project.molecules_of(one))]:
        whose = ", ".join(f"{n} of {name}" for name, n in told_apart[:MAX_SYSTEMS])
        yield "  molecules", f"{whose}: each also by the force on it as a whole, with a threshold of its own"
    if settings.skip_alike:
        yield "  passes over", f"what is within {settings.skip_alike:g} of a structure that is labelled or learned"
    if settings.withdraw_sure:
        yield "  withdraws", "requests that no worker has begun, where the models have become sure"
    goals = []
    if not isinf(settings.max_train_set_size):
        goals.append(f"{settings.max_train_set_size:.0f} training structures")
    if not isinf(settings.max_MD_steps):
        goals.append(steps_in_words(settings.max_MD_steps, step_fs))
    if not isinf(settings.max_epochs):
        goals.append(f"{settings.max_epochs:.0f} epochs")
    if settings.desired_acc:
        goals.append(f"force MAE {settings.desired_acc:g} eV/Å")
    yield "  until", " or ".join(goals)


def _measure(settings: ActiveLearningSettings) -> str:
    """``max_atomic_sd (eV/Å)``."""
    name = settings.uncertainty_type
    unit = kind_named(name).unit or f"σ / (|F| + {settings.relative_force_eps:g} eV/Å)"
    return f"{name} ({unit})"


def _selection(name: str, settings: SelectSettings) -> Iterator[tuple[str, str]]:
    files = ", ".join(path.name for path in settings.pool)
    yield (
        name,
        f"structures of {files}, judged {settings.eval_stride} at a time by their error of {settings.error_type}",
    )
    yield "  joins", f"what is above {1 + settings.c_x:g} times the mean validation error (c_x {settings.c_x:g})"
    goals = ["a whole pass picks nothing"]
    if not isinf(settings.max_train_set_size):
        goals.append(f"{settings.max_train_set_size:.0f} training structures")
    if settings.desired_acc:
        goals.append(f"a validation error of {settings.desired_acc:g}")
    yield "  until", " or ".join(goals)


def _models(project: Project) -> Iterator[tuple[str, str]]:
    if project.mace.architecture.is_gap:
        yield "models", f"GAP, {project.mace.architecture.gap_input}"
        return
    if project.mace.architecture.is_deepmd:
        asked = read_deepmd_input(project.mace.architecture.deepmd_input or "")
        yield "models", f"DeePMD, {asked.descriptor}, cutoff {asked.cutoff_ang:g} Å, of {', '.join(asked.type_map)}"
        return
    training, architecture = project.mace.training, as_its_model(project).mace.architecture
    reach = architecture.r_max * architecture.num_interactions
    yield (
        "models",
        (
            f"cutoff {architecture.r_max:g} Å, {architecture.num_interactions} layers (they see {reach:g} Å), "
            f"{architecture.num_channels} channels"
        ),
    )
    epochs = project.settings.active
    each = "" if epochs is None else f", {_counted(epochs.epochs_per_worker, 'epoch')} for each label"
    yield "training", f"learning rate {training.lr:g}, {training.batch_size} structures a step{each}"
    learns_stress = project.mace.general.compute_stress
    if training.is_set("loss") or training.swa:
        yield "  loss", _loss(training, LOSSES[training.loss], learns_stress=learns_stress)
    end = next((plan for plan in project.settings.stages if project.settings.is_end(plan)), None)
    if training.swa and end is not None:
        n_epochs = end.read_as(ConvergeSettings).max_convergence_epochs
        start = training.stage_two_start(n_epochs)
        loss = _loss(training.stage_two(), stage_two_of(training.loss), learns_stress=learns_stress)
        when = f"in the final convergence, after {_counted(start, 'epoch')} at the latest, for {n_epochs - start}"
        yield "  stage two", f"{when}; {loss}; learning rate {training.swa_lr:g}"


def _loss(training: TrainingSettings, kind: LossKind, *, learns_stress: bool) -> str:
    """``huber, energy 1, forces 1000``."""
    keys = [key for key in kind.weights if learns_stress or key in ("energy_weight", "forces_weight")]
    return ", ".join([training.loss, *(f"{key.removesuffix('_weight')} {getattr(training, key):g}" for key in keys)])


def _step_fs(project: Project) -> float | None:
    """The time step, where all trajectories have the same."""
    md = project.settings.md
    steps = {one.timestep for one in ([md] if isinstance(md, MDSettings) else md.values())}
    return steps.pop() if len(steps) == 1 else None


def _cell(frame: Frame) -> str:
    """``molecule``, or lengths, angles where they are not right, and the periodic directions."""
    if not frame.pbc.any():
        return "no pbc" if not frame.cell.any() else "no pbc, cell not used"
    lengths = np.linalg.norm(frame.cell, axis=1)
    sides = " x ".join(f"{length:.4g}" for length in lengths)
    angles = _angles(frame)
    skew = "" if np.abs(angles - 90).max() < ANGLE_DEG else f", {' '.join(f'{angle:.4g}' for angle in angles)}°"
    axes = "".join(axis for axis, repeats in zip("abc", frame.pbc, strict=True) if repeats)
    return f"{sides} Å{skew}, pbc {axes}"


def _angles(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Between the lattice vectors, degrees; 90 where one is missing."""
    found = []
    for a, b in ((1, 2), (0, 2), (0, 1)):
        lengths = np.linalg.norm(frame.cell[a]) * np.linalg.norm(frame.cell[b])
        cosine = 0.0 if lengths == 0 else float(frame.cell[a] @ frame.cell[b]) / lengths
        found.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return np.array(found, dtype=np.float64)


def _fixed(system: System, fixed: BoolArray) -> str:
    """``12 of 40 atoms are held, as geometry.in says (Si0 to Si11; along y: O12)``."""
    held = np.flatnonzero(fixed.any(axis=1))
    groups = []
    for row in sorted(np.unique(fixed[held], axis=0).tolist(), reverse=True):
        axes = " and ".join(axis for axis, is_held in zip("xyz", row, strict=True) if is_held)
        along = "" if all(row) else f"along {axes}: "
        alike = tuple(np.flatnonzero((fixed == row).all(axis=1)).tolist())
        groups.append(f"{along}{named_atoms(system.frame, alike)}")
    source = "its constraints say" if system.file is None else f"{system.file.name} says"
    verb = "is" if len(held) == 1 else "are"
    return f"{len(held)} of {len(fixed)} atoms {verb} held, as {source} ({'; '.join(groups)})"


def _state(project: Project, system: System) -> str:
    """Charge, spin and number of electrons, as far as the reference is told."""
    reference, n_protons = project.reference_for(system), int(system.frame.numbers.sum())
    told = told_by(reference)
    is_seen = isinstance(reference, EngineSettings) or getattr(reference, "charge", None) is not None
    if is_seen and told.charge is not None:
        charge = f"{told.charge:+g}" if told.charge else "0"
        finds_spin = told.multiplicity is None or getattr(reference, "multiplicity", None) is None
        spin = "spin as it is found" if told.multiplicity is None else _multiplet(int(told.multiplicity))
        spin = "electrons paired" if finds_spin and told.multiplicity == 1 else spin
        return f"charge {charge}, {spin}, {n_protons - told.charge:g} e-"
    if isinstance(reference, FhiAimsInput):
        written = _last_value(reference.control_text, "charge") or "0"
        spin = _last_value(reference.control_text, "spin") or "none"
        return f"charge {written}, spin {spin}, {n_protons - float(written):g} e-"
    return f"{n_protons} e- if neutral"


def _last_value(control: str, keyword: str) -> str | None:
    found: Sequence[str] = re.findall(rf"^[ \t]*{keyword}[ \t]+(\S+)", control, re.MULTILINE)
    return found[-1] if found else None


def _multiplet(multiplicity: int) -> str:
    return MULTIPLETS[multiplicity - 1] if multiplicity <= len(MULTIPLETS) else f"multiplicity {multiplicity}"
