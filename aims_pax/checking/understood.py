"""What a project was understood to be: every structure, and every quantity of the run with its unit."""

import re
from collections.abc import Iterator, Sequence
from math import isinf
from typing import Final

import numpy as np

from aims_pax.frame import BoolArray, Frame, IntArray, Stage
from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, MDSettings, Project
from aims_pax.settings.md import INERTIAL
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.stage import ACTIVE
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.systems import System
from aims_pax.stages.driver import driver_words, embedded_settings
from aims_pax.structures.composition import formula

MAX_SYSTEMS: Final = 12
"""Structures that are shown one by one."""

MAX_RUNS: Final = 4
"""Runs of fixed atoms that are named, of each set of directions."""

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
        yield "MD", "; ".join(_motions(project))
    for plan in project.plans(stages):
        match plan.settings:
            case InitialDatasetSettings():
                yield from _initial(project)
            case ActiveLearningSettings():
                yield from _active(project, plan)
            case SelectSettings():
                yield from _selection(plan.name, plan.settings)
            case ConvergeSettings() if not plan.is_implied:
                yield from _converge(project, plan)
    yield from _models(project)


def _initial(project: Project) -> Iterator[tuple[str, str]]:
    settings, step_fs = project.initial, _step_fs(project)
    every = _steps(settings.skip_step_initial, step_fs)
    whose = "its own" if settings.distinct_model_sets else "shared"
    yield (
        "initial stage",
        f"{driver_words(project)} drives; a structure every {every}; each member's are {whose}",
    )
    if settings.equilibration_steps:
        n_computed = settings.equilibration_steps * len(project.systems)
        cost = f": {n_computed} calculations of the reference" if settings.driver == "reference" else ""
        yield "  before", f"{_steps(settings.equilibration_steps, step_fs)} that are not labelled{cost}"
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
    best = project.settings.is_end(plan) and settings.converge_best
    whom = "the best member" if best else "all members"
    yield "converge", f"{plan.name}: {whom}, up to {_counted(settings.max_convergence_epochs, 'epoch')}"


def _active(project: Project, plan: StagePlan) -> Iterator[tuple[str, str]]:
    settings = plan.read_as(ActiveLearningSettings)
    step_fs = project.md_for(0, settings).timestep if settings.MD else _step_fs(project)
    every = _steps(settings.skip_step_mlff, step_fs)
    name = "active learning" if plan.name == ACTIVE else plan.name
    yield name, f"{settings.num_trajectories} trajectories, checked every {every}"
    if settings.MD:
        yield "  MD", _motion(project.md_for(0, settings))
    yield (
        "  labels",
        (
            f"where {settings.uncertainty_type} is above {1 + settings.c_x:g} times its mean (c_x {settings.c_x:g}); "
            f"at the latest after {_steps(settings.uncert_not_crossed_limit, step_fs)}"
        ),
    )
    goals = []
    if not isinf(settings.max_train_set_size):
        goals.append(f"{settings.max_train_set_size:.0f} training structures")
    if not isinf(settings.max_MD_steps):
        goals.append(_steps(settings.max_MD_steps, step_fs))
    if not isinf(settings.max_epochs):
        goals.append(f"{settings.max_epochs:.0f} epochs")
    if settings.desired_acc:
        goals.append(f"force MAE {settings.desired_acc:g} eV/Å")
    yield "  until", " or ".join(goals)


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
    training, architecture = project.mace.training, project.mace.architecture
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


def _motions(project: Project) -> list[str]:
    """How trajectories move, each way once."""
    md = project.settings.md
    said = [_motion(one) for one in ([md] if isinstance(md, MDSettings) else md.values())]
    kinds = list(dict.fromkeys(said))
    if len(kinds) == 1:
        return kinds
    more = [f"and {len(kinds) - 3} more ways"] if len(kinds) > 3 else []
    return [f"{kind} ({said.count(kind)} trajectories)" for kind in kinds[:3]] + more


def _motion(md: MDSettings) -> str:
    text = f"{md.stat_ensemble.upper()} at {_ramp(md.temperature, md.final_temperature, 'K')}"
    if md.stat_ensemble == "npt":
        text = f"{text} and {_ramp(md.pressure / 1e9, _in_gpa(md.final_pressure), 'GPa')}"
    parts = [f"{text}, steps of {md.timestep:g} fs", *_thermostat(md)]
    if md.ramp_steps is not None:
        parts.insert(1, f"reached in {_steps(md.ramp_steps, md.timestep)}")
    return ", ".join(parts)


def _thermostat(md: MDSettings) -> Iterator[str]:
    """What holds temperature and pressure, with its time."""
    chain = f"{md.tchain} links of {md.tdamp:g} fs"
    match md.stat_ensemble, md.thermostat:
        case "nvt", "langevin":
            yield f"friction {md.friction:g} /fs ({time_span(1 / md.friction)})"
        case "nvt", "nose-hoover":
            yield f"Nosé-Hoover chain of {chain}"
        case "nvt", "bussi":
            yield f"Bussi's thermostat of {md.tdamp:g} fs"
        case "npt", _:
            yield f"barostat {md.barostat} of {md.pdamp:g} fs"
            if md.barostat in INERTIAL:
                yield f"chain of {chain}"
            else:
                yield f"thermostat of {md.tdamp:g} fs"
                yield f"compressibility {md.compressibility:g} /GPa"
            if md.pressure_directions:
                yield f"along {' and '.join(md.pressure_directions)}"


def _ramp(first: float, last: float | None, unit: str) -> str:
    return f"{first:.4g} {unit}" if last is None else f"{first:.4g} to {last:.4g} {unit}"


def _in_gpa(pressure_pa: float | None) -> float | None:
    return None if pressure_pa is None else pressure_pa / 1e9


def _step_fs(project: Project) -> float | None:
    """The time step, where all trajectories have the same."""
    md = project.settings.md
    steps = {one.timestep for one in ([md] if isinstance(md, MDSettings) else md.values())}
    return steps.pop() if len(steps) == 1 else None


def _steps(n_steps: float, step_fs: float | None) -> str:
    grouped = f"{n_steps:,.0f}".replace(",", " ")
    return f"{grouped} steps" if step_fs is None else f"{grouped} steps ({time_span(n_steps * step_fs)})"


def time_span(time_fs: float) -> str:
    """A time of MD in fs, ps or ns."""
    for unit, length_fs in (("ns", 1e6), ("ps", 1e3)):
        if time_fs >= length_fs:
            return f"{time_fs / length_fs:.4g} {unit}"
    return f"{time_fs:.4g} fs"


def embedded_method(project: Project) -> str | None:
    """The method of the embedded driver; None where something else drives, or nothing does."""
    initial = project.settings.initial
    return None if initial is None or initial.driver != "tblite" else embedded_settings(project).method


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
    """``12 of 40 atoms are held, as geometry.in says (Si 1-12; along y: O 13)``; atoms are counted from 1."""
    held = np.flatnonzero(fixed.any(axis=1))
    groups = []
    for row in sorted(np.unique(fixed[held], axis=0).tolist(), reverse=True):
        axes = " and ".join(axis for axis, is_held in zip("xyz", row, strict=True) if is_held)
        along = "" if all(row) else f"along {axes}: "
        groups.append(f"{along}{_runs(system.frame.numbers, np.flatnonzero((fixed == row).all(axis=1)))}")
    source = "its constraints say" if system.file is None else f"{system.file.name} says"
    verb = "is" if len(held) == 1 else "are"
    return f"{len(held)} of {len(fixed)} atoms {verb} held, as {source} ({'; '.join(groups)})"


def _runs(numbers: IntArray, atoms: IntArray) -> str:
    """Atoms with their elements, those in a row at once: ``Si 1-12, O 14``."""
    from ase.data import chemical_symbols

    breaks = np.flatnonzero((np.diff(atoms) > 1) | (np.diff(numbers[atoms]) != 0)) + 1
    runs = [(int(run[0]), int(run[-1])) for run in np.split(atoms, breaks)]
    said = [
        f"{chemical_symbols[numbers[first]]} {first + 1}{'' if first == last else f'-{last + 1}'}"
        for first, last in runs[:MAX_RUNS]
    ]
    more = sum(last - first + 1 for first, last in runs[MAX_RUNS:])
    return ", ".join(said) + (f" and {more} more" if more else "")


def _state(project: Project, system: System) -> str:
    """Charge, spin and number of electrons, as far as the reference is told."""
    reference, n_protons = project.reference_for(system), int(system.frame.numbers.sum())
    charge = getattr(reference, "charge", None)
    if charge is not None:
        spin = _multiplet(getattr(reference, "multiplicity", 1))
        return f"charge {f'{charge:+d}' if charge else 0}, {spin}, {n_protons - charge} e-"
    if isinstance(reference, FhiAimsInput):
        told = _last_value(reference.control_text, "charge")
        spin = _last_value(reference.control_text, "spin") or "none"
        return f"charge {told or '0'}, spin {spin}, {n_protons - float(told or 0):g} e-"
    return f"{n_protons} e- if neutral"


def _last_value(control: str, keyword: str) -> str | None:
    found: Sequence[str] = re.findall(rf"^[ \t]*{keyword}[ \t]+(\S+)", control, re.MULTILINE)
    return found[-1] if found else None


def _multiplet(multiplicity: int) -> str:
    return MULTIPLETS[multiplicity - 1] if multiplicity <= len(MULTIPLETS) else f"multiplicity {multiplicity}"
