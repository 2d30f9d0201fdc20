"""How trajectories were understood to move."""

from collections.abc import Iterator
from typing import Final

from aims_pax.checking.spans import steps_in_words, time_span
from aims_pax.frame import Frame
from aims_pax.settings import MDSettings, Project
from aims_pax.settings.md import INERTIAL, SegmentPlan
from aims_pax.settings.motion.groups import named_atoms

MAX_KINDS: Final = 3
"""Ways to move that are shown; trajectories by the hundred may each have one."""


def motions(project: Project) -> Iterator[tuple[str, str]]:
    """How trajectories move, each way once: name and value of each quantity."""
    md = project.settings.md
    if project.settings.systems:
        moved = [(project.md_of(system), system) for system in project.systems]
    elif isinstance(md, MDSettings):
        moved = [(md, system) for system in project.systems[:1]]
    else:
        moved = [(one, project.system_for(index)) for index, one in md.items()]
    kinds: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one, system in moved:
        kinds.setdefault(tuple(motion(one, system.frame)), []).append(system.name)
    for said, names in list(kinds.items())[:MAX_KINDS]:
        (name, value), *more = said
        yield name, value if len(kinds) == 1 else f"{value} ({_whose(names, project)})"
        yield from more
    if len(kinds) > MAX_KINDS:
        yield "", f"and {len(kinds) - MAX_KINDS} more ways"


def _whose(names: list[str], project: Project) -> str:
    if not project.settings.systems:
        return "1 trajectory" if len(names) == 1 else f"{len(names)} trajectories"
    more = f" and {len(names) - MAX_KINDS} more" if len(names) > MAX_KINDS else ""
    return ", ".join(names[:MAX_KINDS]) + more


def motion(md: MDSettings, start: Frame) -> Iterator[tuple[str, str]]:
    """How one trajectory moves that starts so."""
    if not md.program:
        yield "MD", _segment(md) + _pushed(md)
        yield from _acts(md, start)
        return
    after = "the last one lasts" if md.program[-1].steps is None else "then again"
    yield "MD", f"program of {len(md.program)} entries, {after}; steps of {md.timestep:g} fs{_pushed(md)}"
    before: tuple[tuple[str, str], ...] = tuple(_acts(md, start))
    yield from before
    for index, plan in enumerate(md.entries):
        yield f"  entry {index}", _entry(plan)
        if (acts := tuple(_acts(plan.md, start))) != before:
            yield from ((f"  {name}", value) for name, value in acts or [("  besides", "nothing acts")])


def _pushed(md: MDSettings) -> str:
    if not md.uncertainty_bias:
        return ""
    return f", in active learning on E - {md.uncertainty_bias:g} × deviation of the members' energies"


def _entry(plan: SegmentPlan) -> str:
    steps = "for good" if plan.n_steps is None else steps_in_words(plan.n_steps, plan.md.timestep)
    if plan.relaxation is None:
        return _segment(plan.md, lasting=steps)
    cell = f" and of the cell, at {plan.md.pressure / 1e9:.4g} GPa" if plan.relaxation.relax_cell else ""
    goal = f"until forces are below {plan.relaxation.max_force:g} eV/Å"
    return f"relaxation of atoms{cell}, {goal}, {plan.n_steps} steps at most"


def _segment(md: MDSettings, *, lasting: str = "") -> str:
    text = f"{md.stat_ensemble.upper()} at {_ramp(md.temperature, md.final_temperature, 'K')}"
    if md.stat_ensemble == "npt":
        text = f"{text} and {_ramp(md.pressure / 1e9, _in_gpa(md.final_pressure), 'GPa')}"
    if lasting:
        return ", ".join([f"{text}, {lasting}", *_thermostat(md)])
    parts = [f"{text}, steps of {md.timestep:g} fs", *_thermostat(md)]
    if md.ramp_steps is not None:
        parts.insert(1, f"reached in {steps_in_words(md.ramp_steps, md.timestep)}")
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
                yield f"its chain of {chain}"
            else:
                yield f"its thermostat of {md.tdamp:g} fs"
                yield f"compressibility {md.compressibility:g} /GPa"
            if md.pressure_directions:
                yield f"along {' and '.join(md.pressure_directions)}"


def _acts(md: MDSettings, start: Frame) -> Iterator[tuple[str, str]]:
    """What acts on atoms besides the forces between them, where that can be had of the structure."""
    for group in md.hold:
        if group.problem(start) is None:
            along = "" if len(group.directions) == 3 else f" along {' and '.join(group.directions)}"
            led = f"led at {_vector(group.velocity)} Å/ps" if any(group.velocity) else "held"
            yield "  held", f"{named_atoms(start, group.of(start))} of {start.system}: {led}{along}"
    for load in md.load:
        if load.problem(start) is None:
            yield "  load", f"{_vector(load.force)} eV/Å on {named_atoms(start, load.of(start))} of {start.system}"
    for one in md.restraints:
        variable = one.variable
        if variable.problem(start) is None:
            per = {"Å": "Å²", "degrees": "rad²"}.get(variable.unit, "")
            stiffness = f"{one.stiffness:g} eV{'/' if per else ''}{per}"
            now = f"at the start {variable.value_of(start):.4g}"
            at = f"{one.center:g} {variable.unit}".strip()
            yield "  restraint", f"{variable.said_of(start)} at {at}, {stiffness} ({now})"
    hills = md.metadynamics
    if hills is not None and all(variable.problem(start) is None for variable in hills.variables):
        fillings, wide = list[str](), list[str]()
        for variable, width in zip(hills.variables, hills.widths, strict=True):
            now = f"{variable.value_of(start):.4g} {variable.unit}".strip()
            fillings.append(f"{variable.said_of(start)} (at the start {now})")
            wide.append(f"{width:g} {variable.unit}".strip())
        lower = "" if hills.bias_factor is None else f", bias factor {hills.bias_factor:g}"
        size = f"hills {' and '.join(wide)} wide and {hills.height:g} eV high"
        every = steps_in_words(hills.every, md.timestep)
        yield "  metadynamics", f"along {' and '.join(fillings)}: {size}, every {every}{lower}"


def _vector(parts: tuple[float, float, float]) -> str:
    return "({:g}, {:g}, {:g})".format(*parts)


def _ramp(first: float, last: float | None, unit: str) -> str:
    return f"{first:.4g} {unit}" if last is None else f"{first:.4g} to {last:.4g} {unit}"


def _in_gpa(pressure_pa: float | None) -> float | None:
    return None if pressure_pa is None else pressure_pa / 1e9
