"""Rounds of MD whose frames are labelled where the committee is likely to be wrong, as a stage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Final

from aims_pax.dataset.extxyz import read_dataset
from aims_pax.errors import CampaignStopped, Problem, StructureError
from aims_pax.frame import Frame, Split
from aims_pax.reference.dispersion import Dispersion
from aims_pax.settings import Project
from aims_pax.settings.reading.document import dotted
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.stages.bench import Bench
from aims_pax.stages.exploring.brought import brought_frames, brought_problems
from aims_pax.stages.exploring.starts import Start, drawn, eligible, trajectories_of
from aims_pax.stages.labelled.collect import frames_and_splits
from aims_pax.times import duration

SLOW_S: Final = 900.0
"""Of a round, from which on dispersion is told to be slow."""

LOWEST_PA: Final = 1e3
"""A pressure below this is more likely one in another unit."""

HIGHEST_PA: Final = 1e12

ACTS: Final = ("program", "hold", "load", "restraints", "metadynamics", "ramp_steps", "uncertainty_bias")
"""Settings of MD that speak of the atoms of starting structures, or of another course than exploration has."""


class Explore:
    """MD, what of it is beyond a tolerance, its labels, and a training, round by round."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(ExploreSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """MD that can't be had from other structures than those of the project, files, and dispersion."""
        settings = self._settings
        if settings.rounds_with_md:
            yield from self._motion_problems(project)
        if settings.dispersion is not None:
            where = f"{project.where(*self.plan.keys, 'dispersion')}: {self.plan.said('dispersion')}"
            for words in Dispersion(settings.dispersion).problems(project.elements):
                found, _, advice = words.partition("; ")
                yield Problem(where, f"{found}.", "", advice)
        if settings.is_set("thr_stress") and not project.mace.general.compute_stress:
            where = project.where(*self.plan.keys, "thr_stress")
            found = f"{self.plan.said('thr_stress')} is given, and compute_stress is false: no stress is judged."
            yield Problem(where, found, "", "Set compute_stress: true of mace.yaml, or remove it.")
        if settings.frames is not None:
            yield from brought_problems(project, settings.frames, project.where(*self.plan.keys, "frames"))
        if settings.start_structures is not None:
            where = project.where(*self.plan.keys, "start_structures")
            yield from brought_problems(project, settings.start_structures, where, noun="structures")

    def _motion_problems(self, project: Project) -> Iterator[Problem]:
        told = set[str]()
        for system in project.systems:
            md = project.md_of(system)
            for key in ACTS:
                if key in told or not (md.is_set(key) and getattr(md, key)):
                    continue
                told.add(key)
                place = project.place_of(system, "MD", key)
                found = f"{self.plan.said()} moves structures that were made or labelled, at its own temperatures and "
                found += f"pressures, and MD.{key} is about trajectories of the starting structures."
                yield Problem(project.where(*place), found, "", f"Remove {key}, or write {self.plan.kind} without MD.")
            if md.is_set("propagate_with") and not project.settings.learning and "propagate_with" not in told:
                told.add("propagate_with")
                place = project.place_of(system, "MD", "propagate_with")
                found = f"{dotted(place)} says how a committee drives in learn; in {self.plan.said()} one member does."
                yield Problem(project.where(*place), found, "", "Remove propagate_with.")
            step_ps = md.timestep / 1000
            if self._settings.sampling_time < step_ps and "timestep" not in told:
                told.add("timestep")
                found = (
                    f"{self.plan.said('sampling_time')} is {self._settings.sampling_time:g} ps, less than an MD step."
                )
                place = (*self.plan.keys, "sampling_time")
                yield Problem(project.where(*place), found, f"{step_ps:g} ps or more", "The unit is ps.")
            if system.fixed is not None and "fixed" not in told:
                told.add("fixed")
                found = f"{system.name} holds atoms, and {self.plan.said()} moves all atoms of structures made from it."
                yield Problem(system.origin, found, "", "Remove the constraints from the file.")

    def remarks(self, project: Project) -> Iterator[Problem]:
        """Pressures in another unit, and cells that move by a stress which no model has learned."""
        moves = any(one.md.moves_cell for one in self.starts_ahead(project)) if self._settings.rounds_with_md else False
        if moves and not project.mace.general.compute_stress:
            found = f"{self.plan.said()} moves cells, and the models learn no stress (compute_stress is false)."
            advice = "Set it to true where the reference gives stress: else cells move by what energies tell of it."
            yield Problem(project.where(*self.plan.keys), found, "", advice)
        yield from self._slow_dispersion(project)
        for pressure in self._settings.pressure:
            if pressure and not LOWEST_PA <= abs(pressure) <= HIGHEST_PA:
                where = project.where(*self.plan.keys, "pressure")
                found, usual = f"{self.plan.said('pressure')} holds {pressure:g} Pa.", f"0, or {LOWEST_PA:g} to 1e12 Pa"
                yield Problem(where, found, usual, "The unit is Pa: 1 bar is 1e5, 1 kbar is 1e8, 1 GPa is 1e9.")

    def _slow_dispersion(self, project: Project) -> Iterator[Problem]:
        """Three-body terms of crystals, which take far longer than the models do."""
        starts = self.starts_ahead(project) if self._settings.rounds_with_md else []
        step_s = dispersion_s(self._settings, starts)
        round_s = sum(one.n_steps(self._settings) for one in starts) * step_s
        if round_s > SLOW_S:
            where = project.where(*self.plan.keys, "dispersion")
            found = f"{self.plan.said('dispersion')} takes some {duration(step_s)} for each step of a trajectory, "
            found += f"{duration(round_s)} of a round, on one core."
            yield Problem(
                where,
                found,
                "",
                "Give it a cutoff (12 Å): triples of atoms take long. d3 without three_body sums none.",
            )

    def facts(self, project: Project) -> Iterator[str]:
        """How much is moved and judged in a round, and when it is over."""
        settings = self._settings
        starts = self.starts_ahead(project)
        if settings.rounds_with_md:
            yield f"{self.name}: {self._md_words(starts)}"
        if settings.frames is not None:
            yield f"{self.name}: the first round judges the frames of {', '.join(one.name for one in settings.frames)}"
        limits = f"{1000 * settings.thr_energy:g} meV/atom, {1000 * settings.thr_forces:g} meV/Å"
        if project.mace.general.compute_stress:
            limits += f", {1000 * settings.thr_stress:g} meV/Å³"
        at_random = f", and {settings.num_random_frames} drawn at random from all" if settings.num_random_frames else ""
        if not settings.train:
            n_labels = f"at most {settings.max_selected_frames}" if settings.label else "none"
            yield (
                f"{self.name}: one round counts frames whose error is expected beyond {limits}; {n_labels} of them "
                f"are labelled{at_random}, and none is learned"
            )
            return
        tested = f"; {settings.num_random_frames} more, drawn at random from all, test" if at_random else ""
        most = "one round, or" if settings.max_loops == 1 else f"at most {settings.max_loops} rounds,"
        yield (
            f"{self.name}: {most} until no frame's error is expected beyond {limits}; "
            f"at most {settings.max_selected_frames} frames of each are labelled and learned. How many that will be "
            f"can't be told before{tested}"
        )

    def _md_words(self, starts: list[Start]) -> str:
        settings = self._settings
        n_steps = sum(one.n_steps(settings) for one in starts)
        n_frames = len(starts) * settings.frames_per_trajectory
        sizes = sorted({one.frame.n_atoms for one in starts})
        atoms = f"{sizes[0]} to {sizes[-1]} atoms" if len(sizes) > 1 else f"{sizes[0]} atoms" if sizes else "no atoms"
        n_npt = sum(one.md.moves_cell for one in starts)
        with_cells = "" if not n_npt else " in npt" if n_npt == len(starts) else f", {n_npt} of them in npt,"
        return (
            f"each round {len(starts)} trajectories{with_cells} of {settings.length:g} ps, structures of {atoms}: "
            f"{_grouped(n_steps)} MD steps together, at most {_grouped(n_frames)} frames"
        )

    def starts_ahead(self, project: Project) -> list[Start]:
        """Trajectories of the first round, as far as the structures are known that they begin at."""
        pool = pool_ahead(project, self.plan) or eligible(system.frame for system in project.systems)
        if not pool:
            return []
        return trajectories_of(project, self._settings, drawn(pool, self._settings, number=1))

    def run(self, bench: Bench) -> None:
        """Go on until nothing is beyond a tolerance, or there have been as many rounds as there may be.

        Raises
        ------
        Departed
            The campaign was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            Too many labels failed in a row, or no trajectory comes to a frame.
        """
        from aims_pax.stages.exploring.rounds import Rounds

        if bench.existing_committee().n_members < 2:
            raise CampaignStopped(f"{self.name} needs two models or more: one alone disagrees with nobody")
        Rounds(bench, self.name, self._settings).run()


def dispersion_s(settings: ExploreSettings, starts: Sequence[Start]) -> float:
    """What dispersion adds to a step of a trajectory, in the mean of these, on one core; an estimate."""
    if settings.dispersion is None or not starts:
        return 0.0
    correction = Dispersion(settings.dispersion)
    return fmean(correction.seconds(one.frame) for one in starts)


def _grouped(number: int) -> str:
    """1234 as 1 234."""
    return f"{number:,}".replace(",", " ")


def pool_ahead(project: Project, plan: StagePlan) -> list[Frame]:
    """Structures at which MD may begin, as far as they are known beforehand: none where a stage before is to move."""
    settings = plan.read_as(ExploreSettings)
    try:
        if settings.start_structures is not None:
            return eligible(brought_frames(project, settings.start_structures))
        for one in project.settings.stages:
            if isinstance(one.settings, CollectSettings):
                made = frames_and_splits(project, one.settings)
                return eligible(frame for _, frame, split in made if split is Split.TRAINING)
        if settings.initial_train_dataset is not None:
            found = read_dataset(settings.initial_train_dataset, extxyz_keys(project.settings.misc))
            return eligible(replace(frame, md_step=0) for frame, _ in found.structures)
    except StructureError:
        pass  # which is told where it is looked at
    return []
