"""Initial dataset generation: a driver samples, the reference labels, every member learns its own share."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from aims_pax.errors import CampaignStopped, Problem
from aims_pax.learner.state import Phase, StopReason
from aims_pax.learner.transition import begin
from aims_pax.protocols import KnowsLabels
from aims_pax.settings import InitialDatasetSettings, Project
from aims_pax.settings.methods.driver import REFERENCE
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import AIMD, Bench
from aims_pax.stages.driver import driven, driver_forces, driver_problems, driver_words, forget_history
from aims_pax.stages.labelled.limits import kept_out_hint
from aims_pax.stages.states import STOPPED_INITIALLY, recall_state

if TYPE_CHECKING:  # PyTorch and MACE take seconds to import, and what `aims-pax check` asks for needs neither
    from aims_pax.protocols import Driver
    from aims_pax.sampling import BatchedSampler
    from aims_pax.stages.loop.shell import Loop

QUIET_COMMIT_S: Final = 2.0
"""Seconds of equilibration that a kill may cost."""


class InitialDataset:
    """The dataset and the committee that active learning starts from."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(InitialDatasetSettings)

    def problems(self, project: Project) -> Iterator[Problem]:
        """What is wrong with the driver."""
        if (found := driven(project, self.plan)) is not None:
            yield from driver_problems(project, found)

    def facts(self, project: Project) -> Iterator[str]:
        """What drives."""
        yield f"initial dataset: MD driven by {driver_words(project, self._settings.driving)}"

    def run(self, bench: Bench) -> None:
        """Sample, label and train in rounds until the dataset is large or the models are good enough."""
        choice = self._settings.driving
        if choice.kind != REFERENCE:
            self._loop(bench, lambda: driver_forces(bench.project, choice))
            return
        from aims_pax.sampling import ReferenceForces

        with bench.errands(AIMD, called="AIMD step") as steps:
            self._loop(bench, lambda: ReferenceForces(steps), heard_by=steps.listeners)

    def _loop(
        self, bench: Bench, new_driver: "Callable[[], Driver]", *, heard_by: "list[Callable[[], None]] | None" = None
    ) -> None:
        """The same, by a driver that is yet to be loaded.

        Parameters
        ----------
        heard_by : list of callable, or None
            Gets who is to hear of each step of a driver that takes long for it.
        """
        from aims_pax.stages.loop.parts import GoesBackTo, LoopParts
        from aims_pax.stages.loop.shell import Loop

        project, settings = bench.project, self._settings
        with bench.stopwatch.during(Activity.STARTING):
            forces = new_driver()
            sampler = assembly.initial_sampler(project, forces)
            committee = bench.committee()
        parts = LoopParts(
            rules=assembly.initial_rules(project),
            sampler=sampler,
            recorder=assembly.recorder(settings, self.name, bench.folder),
            goes_back_to=GoesBackTo.LAST_CHUNK,
            plan=assembly.initial_plan(settings),
            build_committee=bench.build_committee,
            wants_stress=assembly.wants_stress(project),
            forget_history=forget_history(settings.driving, forces),
            known_label=forces.result_of if isinstance(forces, KnowsLabels) else lambda _frame: None,
            quiet_commit_s=QUIET_COMMIT_S,
            reasons=STOPPED_INITIALLY,
            labels_per_line=settings.progress_dft_update,
            seed=project.mace.general.seed,
        )
        state = recall_state(bench.store, self.name) or begin(
            parts.rules, n_trajectories=len(project.systems), n_owners=assembly.n_owners(settings)
        )
        loop = Loop(bench, self.name, parts, state, committee=committee)
        if heard_by is not None:
            heard_by.append(loop.step_done)
        if loop.run() is StopReason.ALL_FAILED:
            raise CampaignStopped(_why_nothing_is_sampled(loop, sampler) + kept_out_hint(bench.store))


def _why_nothing_is_sampled(loop: "Loop", sampler: "BatchedSampler") -> str:
    """What to say when the driver or the reference has failed again and again."""
    from aims_pax.stages.loop.wrecks import stuck_words

    state, failed = loop.state, loop.state.in_phase(Phase.FAILED)
    if failed:
        stopped = [moved for moved in loop.stuck if moved.trajectory in failed]
        names = [sampler.frame(moved.trajectory).system for moved in stopped]
        return stuck_words(stopped, names, n_times=max(state.trajectories[index].failures for index in failed))
    last = loop.last_failure
    found = "" if last is None else f", the last time {last.reason}: {last.message}"
    return (
        f"the reference failed for {state.n_failed_in_row} structures in a row{found}. The folders of the "
        "calculations (CLUSTER.calc_dir) hold what it said. Mend it, then the same command tries again"
    )
