"""Active learning: the committee or another model drives, and the committee asks for labels where it is unsure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aims_pax.errors import CampaignStopped, Problem
from aims_pax.learner.state import Rules, State, StopReason
from aims_pax.learner.transition import begin
from aims_pax.settings import ActiveLearningSettings, Project
from aims_pax.settings.stage import ACTIVE
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.beginnings.starts import starting_frames
from aims_pax.stages.bench import Bench
from aims_pax.stages.driver import driven, driver_problems, driver_words, forget_history, learning_driver
from aims_pax.stages.labelled.limits import kept_out_hint
from aims_pax.stages.states import recall_state

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.protocols import Committee
    from aims_pax.stages.loop.trainer import Stagnations


class ActiveLearning:
    """Trajectories that the committee judges until its goal is reached; it drives them where no other model does."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(ActiveLearningSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """What is wrong with a driver that is not the committee."""
        if (found := driven(project, self.plan)) is not None:
            yield from driver_problems(project, found)

    def facts(self, project: Project) -> Iterator[str]:
        """What drives, if not the committee."""
        if self._settings.driving is not None:
            name = "active learning" if self.name == ACTIVE else self.name
            yield f"{name}: MD driven by {driver_words(project, self._settings.driving)}; the committee judges"

    def run(self, bench: Bench) -> None:
        """Learn until a goal is reached, and release the workers: nodes should not idle while models converge."""
        from aims_pax.selection import score_of
        from aims_pax.stages.epochs import epochs_trained
        from aims_pax.stages.loop.parts import GoesBackTo, LoopParts
        from aims_pax.stages.loop.selecting import molecules
        from aims_pax.stages.loop.shell import Loop

        project, settings = bench.project, self._settings
        rules = assembly.active_rules(project, self.plan)
        with bench.stopwatch.during(Activity.STARTING):
            committee = bench.existing_committee()
            frames = starting_frames(project, settings, bench.store)
            driver = learning_driver(project, settings)
            sampler = assembly.active_sampler(project, self.plan, committee, driver=driver, frames=frames)
        state, stagnations = self._begun(bench, committee, rules)
        parts = LoopParts(
            rules=rules,
            sampler=sampler,
            recorder=assembly.recorder(settings, self.name, bench.folder),
            goes_back_to=GoesBackTo.LAST_LABEL if settings.update_md_checkpoints else GoesBackTo.START,
            plan=assembly.active_plan(settings),
            build_committee=bench.build_committee,
            wants_stress=assembly.wants_stress(project),
            score=score_of(settings.uncertainty_type, relative_eps_ev_per_ang=settings.relative_force_eps),
            score_kind=settings.uncertainty_type,
            molecules=molecules(project, settings),
            molecules_weight=settings.intermol_forces_weight,
            skip_alike=settings.skip_alike,
            withdraws=settings.withdraw_sure,
            forget_history=forget_history(settings.driving, driver),
            n_epochs_before=epochs_trained(bench, besides=self.name),
        )
        reason = Loop(bench, self.name, parts, state, committee=committee, stagnations=stagnations).run()
        bench.close()
        hint = kept_out_hint(bench.store)
        if reason is StopReason.WRECKS:
            raise CampaignStopped(
                "most structures that are picked fall apart, and training on what there is has not mended it: labels "
                "would be wasted. The initial dataset is too small for this MD. Begin another run with a larger "
                "INITIAL_DATASET_GENERATION.max_initial_set_size, relaxed starting structures, or a lower MD.timestep "
                f"or MD.temperature; the same command trains and tries again{hint}"
            )
        if reason is StopReason.ALL_FAILED:
            raise CampaignStopped(self._why_all_failed(project) + hint)

    def _why_all_failed(self, project: Project) -> str:
        """What to say when no trajectory is left."""
        choice = self._settings.driving
        to_mend, larger = "the reference", "a larger initial dataset"
        if choice is not None:
            to_mend, larger = f"the reference or {driver_words(project, choice)}", "another model to drive it"
        return (
            "every trajectory has failed too often in a row; the log says how each of them failed. If it was "
            f"{to_mend}, mend it, then the same command tries again. If it was the MD, start anew with a lower "
            f"MD.timestep or MD.temperature, or {larger}"
        )

    def _begun(self, bench: Bench, committee: "Committee", rules: Rules) -> "tuple[State, Stagnations]":
        """Where it stands; a new one begins at the full learning rate, since it has no schedule."""
        from aims_pax.stages.loop.trainer import MIN_RESET_PATIENCE, Stagnations

        settings = self._settings
        state, stagnations = recall_state(bench.store, self.name), bench.memory.recall("stagnations", Stagnations)
        if state is not None and stagnations is not None:
            return state, stagnations
        for member in range(committee.n_members):
            committee.reset_optimizer(member)
        bench.keep_committee(committee)
        n_initial_train = min(committee.n_train(member) for member in range(committee.n_members))
        patience = max(settings.epochs_per_worker, MIN_RESET_PATIENCE)
        return (
            begin(rules, n_trajectories=settings.num_trajectories, n_initial_train=n_initial_train),
            Stagnations.begin(committee.n_members, patience=patience, margin=settings.margin),
        )
