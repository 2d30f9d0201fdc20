"""Trajectories that share their models, and are checked against the reference on the way, as a stage."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aims_pax.errors import CampaignStopped, Problem, UserError
from aims_pax.learner.state import Rules, State, StopReason
from aims_pax.learner.transition import begin
from aims_pax.settings import Project
from aims_pax.settings.reading.document import dotted
from aims_pax.settings.stage import INITIAL
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import AIMD, Bench
from aims_pax.stages.fly.refitting import Refitting, own_function
from aims_pax.stages.fly.rules import begins_with_reference, first_rules, fly_rules
from aims_pax.stages.labelled.limits import kept_out_hint
from aims_pax.stages.states import STOPPED_INITIALLY, recall_state

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.committee import CommitteeForces, EpochPlan
    from aims_pax.frame import LabelledFrame
    from aims_pax.protocols import Committee
    from aims_pax.sampling import BatchedSampler, TrajectoryCheckpoint
    from aims_pax.stages.loop.shell import Loop
    from aims_pax.stages.loop.trainer import CommitteeTrainer, Stagnations

QUIET_COMMIT_S: Final = 2.0
"""Seconds of steps by the reference that a kill may cost beside the one that is under way."""

SCORE: Final = "max_atomic_sd"
"""What `early_check` looks at."""


class Fly:
    """MD by models, their checks, and what they learn from those."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(FlyStageSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """First steps without models, virials that nobody learns, and a function that can't be imported."""
        settings, begins = self._settings, begins_with_reference(project, self.plan)
        if begins and settings.num_initial_steps == 0:
            yield self._problem(
                project, "num_initial_steps", "is 0, and there are no models to begin with.", "Raise it."
            )
        if not begins and settings.num_initial_steps:
            found = "is given, and there are models to begin with."
            yield self._problem(project, "num_initial_steps", found, "Remove it.")
        molecules = [system.name for system in project.systems if not system.frame.pbc.all()]
        if settings.tolerances.vmax is not None and molecules:
            found = f"is given, and {', '.join(molecules[:4])} has no volume, of whose virial nothing is known."
            yield self._problem(project, "tolerances.vmax", found, "Remove it.")
        elif settings.tolerances.vmax is not None and not project.mace.general.compute_stress:
            found = "is given, and compute_stress is false: the models learn no stress."
            advice = "Set compute_stress: true of mace.yaml, or remove it."
            yield self._problem(project, "tolerances.vmax", found, advice)
        for system in project.systems if not project.settings.learning else ():
            if project.md_of(system).propagate_with == "member":
                place = project.place_of(system, "MD", "propagate_with")
                found = f"{dotted(place)} is member, and in {self.plan.said()} the mean of the models drives."
                yield Problem(project.where(*place), found, "", "Remove propagate_with.")
                break
        if settings.refit.function_name is not None:
            try:
                own_function(settings.refit.function_name)
            except UserError as error:
                yield from error.problems

    def _problem(self, project: Project, key: str, found: str, advice: str) -> Problem:
        place = project.where(*self.plan.keys, *key.split("."))
        return Problem(place, f"{self.plan.said(key)} {found}", "", advice)

    def facts(self, project: Project) -> Iterator[str]:
        """Labels that come before the first model; how often it is checked, what is understood of a project says."""
        if begins_with_reference(project, self.plan):
            n_initial = self._settings.rules(with_models=False).num_initial_steps
            n_labels = n_initial * len(project.systems)
            yield f"{self.name}: begins with MD by the reference: {n_labels} labels, which the first models learn"

    def run(self, bench: Bench) -> None:
        """Fly until every trajectory has made its steps, and release the workers.

        Raises
        ------
        Departed
            The campaign was asked to leave; the same call goes on.
        CampaignStopped
            The reference fails where there are no models yet, or too often in a row; or a training function does.
        """
        refitting = Refitting(self._settings.refit, bench.folder.root / "refits")
        begins = begins_with_reference(bench.project, self.plan)
        if begins:
            self._first_steps(bench, refitting)
        self._checked_steps(bench, refitting, begins=begins)
        bench.close()

    # -- by the reference -------------------------------------------------------------------------------------

    def _first_steps(self, bench: Bench, refitting: Refitting) -> None:
        """MD by the reference, each step of which is a label; then the first models."""
        state = recall_state(bench.store, INITIAL)
        if state is not None and state.stopping is StopReason.EPOCHS:
            return
        from aims_pax.sampling import ReferenceForces
        from aims_pax.stages.loop.parts import GoesBackTo, LoopParts
        from aims_pax.stages.loop.recording import NoRecorder
        from aims_pax.stages.loop.shell import Loop

        project, rules = bench.project, first_rules(bench.project, self._settings)
        with bench.errands(AIMD, called="AIMD step") as steps:
            forces = ReferenceForces(steps)
            parts = LoopParts(
                rules=rules,
                sampler=assembly.initial_sampler(project, forces),
                recorder=NoRecorder(),
                goes_back_to=GoesBackTo.LAST_CHUNK,
                plan=_no_plan(),
                build_committee=bench.build_committee,
                new_trainer=self._trainers(bench, refitting, driver=None, is_new=True),
                wants_stress=assembly.wants_stress(project),
                known_label=forces.result_of,
                quiet_commit_s=QUIET_COMMIT_S,
                reasons={**STOPPED_INITIALLY, StopReason.EPOCHS: "the first models are made"},
                seed=project.mace.general.seed,
            )
            begun = state or begin(rules, n_trajectories=len(project.systems))
            loop = Loop(bench, INITIAL, parts, begun, committee=bench.committee())
            steps.listeners.append(loop.step_done)
            reason = loop.run()
        bench.forget_committee()
        if reason is StopReason.ALL_FAILED:
            raise CampaignStopped(_why_there_are_no_models(loop) + kept_out_hint(bench.store))

    # -- by the models ----------------------------------------------------------------------------------------

    def _checked_steps(self, bench: Bench, refitting: Refitting, *, begins: bool) -> None:
        from aims_pax.committee import CommitteeForces
        from aims_pax.selection import score_of
        from aims_pax.stages.epochs import epochs_trained
        from aims_pax.stages.loop.parts import GoesBackTo, LoopParts
        from aims_pax.stages.loop.shell import Loop

        project, settings, rules = bench.project, self._settings, fly_rules(bench.project, self.plan)
        with bench.stopwatch.during(Activity.STARTING):
            committee = bench.existing_committee()
            driver, ends = CommitteeForces(committee), self._ends_of_first_steps(bench) if begins else []
            sampler = self._sampler(project, committee, driver, ends)
        parts = LoopParts(
            rules=rules,
            sampler=sampler,
            recorder=assembly.recorder(settings, self.name, bench.folder),
            goes_back_to=GoesBackTo.LAST_LABEL,
            plan=_no_plan(),
            build_committee=bench.build_committee,
            new_trainer=self._trainers(bench, refitting, driver=driver),
            wants_stress=assembly.wants_stress(project),
            score=None if settings.early_check is None else score_of(SCORE),
            score_kind=SCORE,
            n_epochs_before=epochs_trained(bench, besides=self.name),
        )
        state = recall_state(bench.store, self.name) or self._begun(committee, rules)
        reason = Loop(bench, self.name, parts, state, committee=committee).run()
        bench.forget_committee()  # a training from scratch, or a user's own, has made another one
        if reason is StopReason.ALL_FAILED:
            hint = kept_out_hint(bench.store)
            raise CampaignStopped(
                f"every trajectory of {self.name} has failed {settings.max_consecutive_failures} times in a row; the "
                "log says how. If it was the reference, mend it, then the same command tries again. If it was the MD, "
                f"begin anew with a lower MD.timestep, closer tolerances or a shorter check_interval{hint}"
            )

    def _begun(self, committee: "Committee", rules: Rules) -> State:
        n_before = min(committee.n_train(member) for member in range(committee.n_members))
        return begin(rules, n_trajectories=self._settings.num_trajectories, n_initial_train=n_before)

    def _sampler(
        self,
        project: Project,
        committee: "Committee",
        driver: "CommitteeForces",
        ends: "Sequence[TrajectoryCheckpoint]",
    ) -> "BatchedSampler":
        """All trajectories: where the reference has left them, the first of each system with its velocities."""
        from aims_pax.sampling import BatchedSampler

        everyone, noise = range(self._settings.num_trajectories), 1 + assembly.apart(self.name)
        systems = [project.system_for(index) for index in everyone]
        frames = [replace(system.frame, trajectory=index) for index, system in enumerate(systems)]
        homes = [project.systems.index(system) for system in systems]
        if ends:
            frames = [
                replace(frame, positions=ends[home].positions, cell=frame.cell if cell is None else cell)
                for frame, home in zip(frames, homes, strict=True)
                for cell in (ends[home].cell,)
            ]
        starts = [
            assembly.start_of(frame, project.md_for(index, self._settings), system, noise=noise)
            for index, (frame, system) in enumerate(zip(frames, systems, strict=True))
        ]
        sampler = BatchedSampler(starts, driver, device=committee.device)
        for home, end in enumerate(ends):
            sampler.rewind(homes.index(home), end)
        return sampler

    def _ends_of_first_steps(self, bench: Bench) -> "list[TrajectoryCheckpoint]":
        """Where the steps by the reference have come to, by system."""
        from aims_pax.stages.loop.checkpoints import last_checkpoint

        packed = bench.memory.recall_bytes(f"checkpoints.{INITIAL}")
        assert packed is not None, "the steps by the reference have ended with a commit"
        return [last_checkpoint(packed, index) for index in range(len(bench.project.systems))]

    def _trainers(
        self, bench: Bench, refitting: Refitting, *, driver: "CommitteeForces | None", is_new: bool = False
    ) -> "Callable[[Committee, EpochPlan, Stagnations | None], CommitteeTrainer]":
        """What makes the trainer of a loop; a driver follows where other models take the place of those before."""
        from aims_pax.stages.fly.trainer import RefitTrainer

        def build(labelled: "Sequence[LabelledFrame]") -> "Committee":
            energies = bench.free_atoms_ev()
            return assembly.build_committee(bench.project, labelled, isolated_atoms_ev=energies)

        def trainer(committee: "Committee", plan: "EpochPlan", _: "Stagnations | None") -> "CommitteeTrainer":
            return RefitTrainer(
                committee,
                plan,
                refitting=refitting,
                store=bench.store,
                build=build,
                replaced=lambda new: None if driver is None else driver.follow(new),
                is_new=is_new,
            )

        return trainer


def _no_plan() -> "EpochPlan":
    """Refits have plans of their own."""
    from aims_pax.committee import EpochPlan

    return EpochPlan(validates_last=False)


def _why_there_are_no_models(loop: "Loop") -> str:
    """What to say when the reference has failed again and again at the first steps."""
    last = loop.last_failure
    moved = "" if not loop.stuck else f": {loop.stuck[0].problem}"
    found = moved if last is None else f", the last time {last.reason}: {last.message}"
    return (
        f"the steps by the reference have failed{found}. The folders of the calculations (CLUSTER.calc_dir) hold what "
        "it said. Mend it, then the same command tries again"
    )
