"""One trajectory that models drive, structure after structure, with the reference beside it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped
from aims_pax.frame import CommitteePrediction, FloatArray, Frame, Label, LabelFailure, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.errands import errands_in
from aims_pax.learner.checks import CheckRules, CheckState, Step, begun, checked, continued, kind_of, learns
from aims_pax.protocols import FramePrediction, Pool
from aims_pax.settings import Project
from aims_pax.settings.stages.fly import FlySettings
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.beginnings.isolated import isolated_atoms
from aims_pax.stages.fly.comparison import Check, compared
from aims_pax.stages.fly.models import FlownModels
from aims_pax.stages.memory import Memory

diary = logging.getLogger("aims_pax.fly")

STAGE: Final = "fly"

INITIAL, CHECK, EARLY = "initial step", "check", "early check"
"""What has asked for a label, in the store."""


@dataclass(frozen=True, slots=True)
class FlightState:
    """Where a trajectory stands; a value that can be journalled.

    Parameters
    ----------
    checks : CheckState
        Counted from the beginning of this session.
    step : int
        Structures that this session has come to.
    n_before : int
        Those of sessions before it.
    owes : bool
        Whether the models are to be trained before the next step.
    n_in_row : int
        Checks in a row for which the reference has failed.
    made : tuple of Check
        All of them.
    """

    checks: CheckState
    step: int = 0
    n_before: int = 0
    owes: bool = False
    n_in_row: int = 0
    made: tuple[Check, ...] = ()

    def resumed(self, rules: CheckRules, *, reached: int | None) -> "FlightState":
        """At the beginning of another session, which counts from 0; see :func:`aims_pax.learner.checks.continued`."""
        if not self.step:
            return self
        checks = continued(self.checks, rules, reached=self.step - 1 if reached is None else reached)
        if rules.adaptive is None:
            checks = replace(checks, interval=rules.check_interval)
        # One number is left out: it may be that of a structure whose label was under way.
        return replace(self, checks=checks, step=0, n_before=self.n_before + self.step + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Felt:
    """What moves the atoms of one structure.

    Parameters
    ----------
    energy : float, eV
    forces : (n_atoms, 3), eV/Å
    stress : (6,), eV/Å³, or None
    is_reference : bool
        Whether the reference has said it, and not the models.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None
    is_reference: bool


class Flight:
    """Says what moves atoms, step by step; asks the reference, compares and learns where the rules want it.

    Each label is committed together with what follows from it, and the weights after each training: a session that
    was killed goes on from there.

    Parameters
    ----------
    project : Project
        The structure, its reference, and how models are made.
    settings : FlySettings
    store : RunStore
        Open.
    folder : RunFolder
    pool : Pool
        Where labels are computed.
    models : FlownModels
    reached : int or None
        Step of the session before that this one goes on from; None: the last one that it has told of.
    """

    def __init__(
        self,
        project: Project,
        settings: FlySettings,
        *,
        store: RunStore,
        folder: RunFolder,
        pool: Pool,
        models: FlownModels,
        reached: int | None = None,
    ) -> None:
        self._project, self._settings = project, settings
        self._rules = settings.rules(with_models=models.are_given)
        self._store, self._folder, self._pool, self._models = store, folder, pool, models
        self._memory, self._departure, self.stopwatch = Memory(store, folder), Departure(), Stopwatch()
        self._memory.recall_time(self.stopwatch)
        keeps = not project.settings.cluster.clean_dirs
        self._desk = LabelDesk(store, pool, folder, STAGE, keeps_folders=keeps, departure=self._departure)
        self._state = self._begun(reached)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All that were made."""
        return self._state.made

    @property
    def n_steps(self) -> int:
        """Structures that all sessions have come to."""
        return self._state.n_before + self._state.step

    def advance(self, frame: Frame) -> Felt:
        """What moves the atoms of the next structure.

        Raises
        ------
        CampaignStopped
            The reference has failed where there is no model yet, or too often in a row.
        """
        if self._state.owes:
            self._learn()
        kind = kind_of(self._state.checks, self._state.step)
        if kind in (Step.INITIAL, Step.LAST_INITIAL):
            return self._by_reference(frame, is_last=kind is Step.LAST_INITIAL)
        with self.stopwatch.during(Activity.SAMPLING):
            said = self._models.predict(frame)
        is_early = kind is Step.GENERIC and self._is_unsure(said)
        if kind is Step.CHECK or is_early:
            said = self._checked(frame, said, is_early=is_early)
        else:
            self._state = replace(self._state, step=self._state.step + 1)
        stress = None if said.stress is None else said.stress.mean(axis=0)
        return Felt(float(said.energies.mean()), said.forces.mean(axis=0), stress, is_reference=False)

    def keep(self) -> None:
        """Commit where it stands, so that another session goes on from the newest step."""
        with self._store.transaction():
            self._keep()

    # -- labels -----------------------------------------------------------------------------------------------

    def _by_reference(self, frame: Frame, *, is_last: bool) -> Felt:
        def after(result: Label | LabelFailure) -> FlightState:
            if isinstance(result, LabelFailure):
                return self._state
            state = replace(self._state, step=self._state.step + 1)
            if not is_last:
                return state
            owes = self._rules.can_update or self._models.committee is None
            return replace(state, checks=begun(state.checks, self._rules), owes=owes)

        label = self._labelled(frame, INITIAL, None, after)
        if isinstance(label, LabelFailure):
            raise CampaignStopped(f"the reference gave no label for an initial step: {_words(label)}")
        if self._state.owes:
            self._learn()
        return Felt(label.energy, label.forces, label.stress, is_reference=True)

    def _checked(self, frame: Frame, said: FramePrediction, *, is_early: bool) -> FramePrediction:
        """Compare, and learn where that is due; what the models say of the structure then."""
        step, number = self._state.step, self.n_steps

        def after(result: Label | LabelFailure) -> FlightState:
            state = replace(self._state, step=step + 1)
            if isinstance(result, LabelFailure):
                return replace(state, checks=replace(state.checks, last_check=step), n_in_row=state.n_in_row + 1)
            found = compared(said, result, frame)
            broken = self._rules.tolerances.broken(found)
            checks = checked(state.checks, self._rules, step=step, passed=not broken)
            owes = learns(self._rules, passed=not broken)
            check = Check(number, found, broken, checks.interval, owes, is_early)
            return replace(state, checks=checks, owes=owes, n_in_row=0, made=(*state.made, check))

        label = self._labelled(frame, EARLY if is_early else CHECK, said, after)
        if isinstance(label, LabelFailure):
            diary.warning("step %d  the check could not be made: %s", number, _words(label))
            if self._state.n_in_row >= self._settings.max_consecutive_failures:
                raise CampaignStopped(
                    f"the reference failed for {self._state.n_in_row} checks in a row: {_words(label)}"
                )
            return said
        diary.info("%s", words_of(self._state.made[-1]))
        if not self._state.owes:
            return said
        self._learn()
        return self._models.predict(frame)

    def _labelled(
        self,
        frame: Frame,
        source: str,
        said: FramePrediction | None,
        after: Callable[[Label | LabelFailure], FlightState],
    ) -> Label | LabelFailure:
        """Have a structure labelled, and commit the answer with what follows from it."""
        own = replace(frame, trajectory=0, md_step=self.n_steps)
        with self._store.transaction():
            label_id = self._desk.request(own, source=source)
            if said is not None:
                self._store.add_prediction(label_id, _prediction(said, self._generation))
            self._keep()
        with self.stopwatch.during(Activity.LABELLING):
            self._desk.send(label_id)
            [done] = self._desk.collect(timeout_s=None)
        with self._store.transaction():
            answer = self._desk.record(done)
            if isinstance(answer.result, Label):
                self._store.assign(label_id, Split.TRAINING)
            self._state = after(answer.result)
            self._keep()
        self._desk.tidy(answer)
        return answer.result

    # -- learning ---------------------------------------------------------------------------------------------

    def _learn(self) -> None:
        """Train on all labels, and commit the weights."""
        labelled = list(self._store.labelled())
        energies = self._free_atoms_ev()
        with self.stopwatch.during(Activity.TRAINING):
            committee = self._models.learn(labelled, atomic_energies_ev=energies)
        with self.stopwatch.during(Activity.RECORDING):
            checkpoint = self._memory.write_committee(committee)
            with self._store.transaction():
                self._memory.keep_committee(checkpoint)
                self._state = replace(self._state, owes=False)
                self._keep()
            self._memory.forget_other_checkpoints()
        diary.info("step %d  the models have learned %d labels", self.n_steps - 1, len(labelled))

    def _free_atoms_ev(self) -> dict[int, float]:
        """Energies of free atoms: those of mace.yaml, else by the reference, as far as it tells them."""
        project, folder = self._project, self._folder
        given = project.mace.architecture.atomic_energies or {}
        labeller = partial(
            errands_in,
            RunFolder(folder.root / "isolated", folder.calculations / "isolated"),
            self._pool,
            self._departure,
            keeps_folders=not project.settings.cluster.clean_dirs,
            no_progress_s=project.settings.misc.no_progress_s,
            called="free-atom calculation",
        )
        return {**isolated_atoms(project, self._store, self._memory, labeller), **given}

    def _is_unsure(self, said: FramePrediction) -> bool:
        limit = self._settings.early_check
        return limit is not None and _prediction(said, 0).max_atomic_deviation > limit

    @property
    def _generation(self) -> int:
        return 0 if self._models.committee is None else self._models.committee.generation

    # -- what is remembered -----------------------------------------------------------------------------------

    def _begun(self, reached: int | None) -> FlightState:
        """Where it stands, with what a killed session has left under way."""
        state = self._memory.recall(STAGE, FlightState) or FlightState(CheckState.begin(self._rules))
        for done in self._desk.resume() + self._desk.collect(timeout_s=None if self._desk.n_in_flight else 0.0):
            with self._store.transaction():  # paid for: it is learned, and nothing else follows from it
                answer = self._desk.record(done)
                if isinstance(answer.result, Label):
                    self._store.assign(answer.label_id, Split.TRAINING)
            self._desk.tidy(answer)
        checkpoint = self._memory.committee_checkpoint()
        if checkpoint is None:
            self._models.begin()
        else:
            self._models.resume(checkpoint, list(self._store.labelled()))
        return state.resumed(self._rules, reached=reached)

    def _keep(self) -> None:
        self._memory.keep(STAGE, self._state)
        self._memory.keep_time(self.stopwatch)


def words_of(check: Check) -> str:
    """``step 38  4.1 meV/atom, 1672 meV/Å at most, 348 RMS  broken: frmse; learns; next in 10 steps``."""
    verdict = "passed" if check.passed else f"broken: {', '.join(check.broken)}"
    learned = "; learns" if check.learned else ""
    called = " (called by the deviation)" if check.is_early else ""
    return f"step {check.step}  check{called}  {check.differences}  {verdict}{learned}; next in {check.interval} steps"


def _words(failure: LabelFailure) -> str:
    kept = "" if failure.folder is None else f" (its files: {failure.folder})"
    return f"{failure.reason}: {failure.message}{kept}"


def _prediction(said: FramePrediction, generation: int) -> CommitteePrediction:
    """For the store: the deviations of a single model are no numbers."""
    if len(said.energies) > 1:
        return CommitteePrediction.of_members(said.energies, said.forces, said.stress, generation=generation)
    stress = None if said.stress is None else said.stress[0]
    unknown = None if stress is None else np.full(6, np.nan)
    forces = said.forces[0]
    return CommitteePrediction(
        generation, float(said.energies[0]), np.nan, forces, np.full_like(forces, np.nan), stress, unknown
    )
