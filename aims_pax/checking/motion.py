"""Slips in how trajectories move, with the reason for every bound."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import sqrt
from typing import Any, Final

from aims_pax.checking.asked import Asked, learning
from aims_pax.checking.spans import time_span
from aims_pax.errors import Doubt
from aims_pax.frame import Frame
from aims_pax.settings import ActiveLearningSettings, MDSettings
from aims_pax.settings.reading.document import KeyPath, dotted

LONGEST_STEP_FS: Final = 1.0
"""For hydrogen: an O-H bond vibrates once in 9 fs, and a tenth of a period is the longest step that follows it.
Vibrations slow down by the square root of the mass."""

SHORTEST_STEP_FS: Final = 0.02
"""Four hundred steps in the fastest vibration gain nothing. 0.0005, a step in ps, is usually behind it."""

COLDEST_K, HOTTEST_K = 1.0, 5000.0
"""Below, nothing moves; above, no molecule holds together, and most solids have boiled."""

WEAKEST_PER_FS, STRONGEST_PER_FS = 1e-5, 0.2
"""A friction time of 100 ps is longer than the runs; one of 5 fs is shorter than a vibration, and atoms only diffuse.
Numbers above 1 are usually per ps."""


LOWEST_PA, HIGHEST_PA = 1e3, 1e12
"""Below, a number is in GPa or bar; above, a thousand GPa, matter is no longer that of a laboratory."""

LEAST_STRESS_SHARE: Final = 1.0
"""Of the weight of forces. Forces that are known to 10 meV/Å count as much as a stress to 1.6 GPa then."""

SQUARED: Final = ("weighted", "weighted_stress", "stress")
"""Losses of the squared stress, of which that is said."""

FEWEST_STEPS: Final = 10
"""In which a thermostat or barostat may relax: ten steps are a vibration, and its own motion needs as many to be
followed. Numbers below are usually in ps."""


def time_step(asked: Asked) -> Iterator[Doubt]:
    """Too long for the lightest element, or a thousand times too short."""
    from ase.data import atomic_masses, chemical_symbols

    for keys, md, frames in _motions(asked, "timestep"):
        lightest = min((int(z) for frame in frames for z in frame.numbers), key=lambda z: float(atomic_masses[z]))
        longest = LONGEST_STEP_FS * sqrt(float(atomic_masses[lightest]) / float(atomic_masses[1]))
        where, found = asked.project.where(*keys), f"{_named(keys)} is {md.timestep:g} fs."
        usual = f"{longest / 10:.2g} to {longest:.2g} fs for {chemical_symbols[lightest]}, the lightest element here"
        if md.timestep > longest * 1.001:
            advice = "MD would not follow its vibrations: energy drifts, and bonds break that should not."
            yield Doubt(where, found, usual, advice)
        elif md.timestep < SHORTEST_STEP_FS:
            yield Doubt(where, found, usual, "The unit is fs. Was ps meant? 0.0005 ps are 0.5 fs.")


def temperature(asked: Asked) -> Iterator[Doubt]:
    """Outside what structures of atoms bear."""
    for key in ("temperature", "final_temperature"):
        for keys, md, _ in _motions(asked, key):
            value: float | None = getattr(md, key)
            if value is not None and not COLDEST_K <= value <= HOTTEST_K:
                where, found = asked.project.where(*keys), f"{_named(keys)} is {value:g} K."
                yield Doubt(where, found, f"{COLDEST_K:g} to {HOTTEST_K:g} K", "The unit is kelvin.")


def friction(asked: Asked) -> Iterator[Doubt]:
    """No thermostat within the run, or nothing but one."""
    for keys, md, _ in _motions(asked, "friction"):
        is_langevin = (md.stat_ensemble, md.thermostat) == ("nvt", "langevin")
        if is_langevin and not WEAKEST_PER_FS <= md.friction <= STRONGEST_PER_FS:
            found = f"{_named(keys)} is {md.friction:g} /fs, a time of {time_span(1 / md.friction)}."
            yield Doubt(
                asked.project.where(*keys), found, "0.0001 to 0.05 /fs", "The unit is 1/fs: 1 /ps is 0.001 /fs."
            )


def thermostat(asked: Asked) -> Iterator[Doubt]:
    """One that is written down for npt, which has another."""
    motions = [(keys, md) for keys, md, _ in _motions(asked, "thermostat") if keys[-1] == "thermostat"]
    used = {keys for keys, md in motions if md.stat_ensemble == "nvt"}  # systems may share it with others in npt
    for keys, md in motions:
        if md.stat_ensemble == "npt" and md.is_set("thermostat") and keys not in used:
            found = f"{_named(keys)} is {md.thermostat}, and npt has the thermostat of its barostat {md.barostat}."
            yield Doubt(asked.project.where(*keys), found, "", "It is not used: remove it. tdamp is that one's time.")


def pressure(asked: Asked) -> Iterator[Doubt]:
    """In another unit, or beyond any press."""
    for key in ("pressure", "final_pressure"):
        for keys, md, _ in _motions(asked, key):
            value: float | None = getattr(md, key)
            if md.stat_ensemble == "npt" and value and not LOWEST_PA <= abs(value) <= HIGHEST_PA:
                found, usual = f"{_named(keys)} is {value:g} Pa.", f"0, or {LOWEST_PA:g} to {HIGHEST_PA:g} Pa"
                advice = "The unit is Pa: 1 bar is 1e5, 1 GPa is 1e9."
                yield Doubt(asked.project.where(*keys), found, usual, advice)


def relaxation(asked: Asked) -> Iterator[Doubt]:
    """Thermostats and barostats as fast as the steps."""
    for key, acts in (("tdamp", _relaxes), ("pdamp", lambda md: md.stat_ensemble == "npt")):
        for keys, md, _ in _motions(asked, key):
            time_fs: float = getattr(md, key)
            if acts(md) and time_fs < FEWEST_STEPS * md.timestep:
                found = f"{_named(keys)} is {time_fs:g} fs, {time_fs / md.timestep:.2g} time steps."
                usual = f"{FEWEST_STEPS * md.timestep:g} fs or more: {FEWEST_STEPS} steps"
                advice = (
                    "What relaxes within a few steps disturbs each vibration, and may not be stable. The unit is fs."
                )
                yield Doubt(asked.project.where(*keys), found, usual, advice)


def _relaxes(md: MDSettings) -> bool:
    """Whether a thermostat relaxes the kinetic energy within `tdamp`."""
    return md.stat_ensemble == "npt" or (md.stat_ensemble == "nvt" and md.thermostat != "langevin")


def stress_that_is_not_learned(asked: Asked) -> Iterator[Doubt]:
    """Cells that move by what energies alone tell of stress."""
    mace = asked.project.mace
    by_committee = [plan for plan in learning(asked) if plan.read_as(ActiveLearningSettings).driving is None]
    if mace.general.compute_stress or not by_committee:
        return
    for keys, md, _ in _motions(asked, "stat_ensemble"):
        if md.stat_ensemble == "npt":
            found = f"{_named(keys)} is npt, and the models learn no stress (compute_stress of mace.yaml is false)."
            advice = "Set it to true where the reference gives stress: else cells move by what energies tell of it."
            yield Doubt(asked.project.where(*keys), found, "", advice)


def stress_that_counts_for_nothing(asked: Asked) -> Iterator[Doubt]:
    """A weight of the stress with which no equation of state is learned, in models that learn to move cells by it."""
    project, training = asked.project, asked.project.mace.training
    if not (project.mace.general.compute_stress and training.loss in SQUARED):
        return
    if not any(md.moves_cell for _, md, _ in motions_of(asked)):
        return
    for prefix in ("", "swa_") if training.swa else ("",):
        stress: float = getattr(training, f"{prefix}stress_weight")
        forces: float = getattr(training, f"{prefix}forces_weight")
        if stress >= LEAST_STRESS_SHARE * forces:
            continue
        found = f"TRAINING.{prefix}stress_weight is {stress:g}, and {prefix}forces_weight {forces:g}."
        usual = f"{10 * forces:g} to {1000 * forces:g}; {prefix}energy_weight 10 to 1000"
        advice = (
            "1 GPa is 0.006 eV/Å³, whose square counts for nothing: rock salt learned so was 1.5 to 7 % too short. "
            "init writes 1e5."
        )
        yield Doubt(project.where("TRAINING", f"{prefix}stress_weight"), found, usual, advice)


def _named(keys: KeyPath) -> str:
    """A key without the trajectory: many may share one slip."""
    return dotted(tuple(key for key in keys if isinstance(key, str)))


def _motions(asked: Asked, key: str) -> Iterator[tuple[KeyPath, MDSettings, list[Frame]]]:
    """Where a setting of each MD is written, what that says, and the structures that it moves.

    Of a program each entry that is MD, with what it leaves out as MD says.
    """
    for place, md, frames in motions_of(asked):
        for plan in md.entries:
            if plan.relaxation is None:
                keys = (*place("program"), plan.keys[1], key) if key in plan.own else place(key)
                yield keys, plan.md, frames


def motions_of(asked: Asked) -> Iterator[tuple[Callable[[str], KeyPath], MDSettings, list[Frame]]]:
    """Where the settings of each MD are written, what it says, and the structures that it moves."""
    project, md = asked.project, asked.project.settings.md
    if not project.settings.samples:
        return
    for plan in learning(asked):
        if (settings := plan.read_as(ActiveLearningSettings)).MD:
            frames = [system.frame for system in project.systems]
            yield partial(_within, (*plan.keys, "MD"), settings.MD), project.md_for(0, settings), frames
    if isinstance(md, MDSettings):
        yield (lambda key: ("MD", key)), md, [system.frame for system in project.systems]
        return
    if project.settings.systems:
        for system in project.systems:
            yield partial(project.place_of, system, "MD"), project.md_of(system), [system.frame]
        return
    for number, own in md.items():
        yield partial(_below, ("MD", number)), own, [project.system_for(number).frame]


def _below(place: KeyPath, key: str) -> KeyPath:
    return (*place, key)


def _within(place: KeyPath, written: Mapping[str, Any], key: str) -> KeyPath:
    """Of a stage: a setting that its own MD has, or that MD as a whole."""
    return (*place, key) if key in written else place
