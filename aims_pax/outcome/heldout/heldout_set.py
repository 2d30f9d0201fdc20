"""An independent held-out set: structures of MD that no model was trained on, labelled by the reference.

It has a folder and a store of its own, so that it can be interrupted like a run: what was sampled and labelled is kept.
"""

import json
import logging
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from aims_pax.committee import load_models
from aims_pax.dataset.extxyz import write_extxyz
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped, Problem, UserError
from aims_pax.frame import Frame, Label, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.outcome.conditions import heldout_starts, motions_of, noted_motion
from aims_pax.outcome.drivers import driver_forces, driver_name, is_reference, reference_forces, workers
from aims_pax.outcome.heldout.heldout_plan import OVERSAMPLED, Cost, HeldoutPlan, Select
from aims_pax.protocols import Driver, ForgetsHistory, LabelDone, Predictor
from aims_pax.sampling import BatchedSampler, TrajectoryStart
from aims_pax.selection import farthest_points
from aims_pax.settings import Project
from aims_pax.settings.stage import INITIAL
from aims_pax.stages import assembly
from aims_pax.stages.beginnings.imported import extxyz_keys
from aims_pax.trajectory import pack_arrays, unpack_arrays

diary = logging.getLogger("aims_pax.heldout")

MAX_DRIVER_FAILURES: Final = 10
"""Times in a row that the MD may become unphysical before nothing sensible is left to do."""

_OTHERWISE: Final = {"starts": "from other structures", "cells": "from other structures", "motions": "by another MD"}
"""What is said of a set that differs in something long."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldoutParts:
    """What a held-out set is made with.

    Parameters
    ----------
    project : Project
    folder : Path
        Of the set.
    starts : tuple of Frame
        Where the runs begin, in turn.
    models : tuple of Path
        The product first: it may drive, and its descriptors tell structures apart.
    ensemble : Predictor
        The same, loaded.
    show : callable
        Told now and then where it stands, in words.
    """

    project: Project
    folder: Path
    starts: tuple[Frame, ...]
    models: tuple[Path, ...]
    ensemble: Predictor
    departure: Departure = field(default_factory=Departure)
    show: Callable[[str], None] = lambda _words: None


class HeldoutSet:
    """A held-out set that is being made, or is complete.

    Raises
    ------
    UserError
        The folder holds a set that was begun otherwise, or the driver that was asked for can't be had.
    """

    def __init__(self, plan: HeldoutPlan, parts: HeldoutParts) -> None:
        self._plan, self._parts = plan, parts
        self._starts = heldout_starts(plan, parts.project, parts.starts)
        self._store = RunStore.open(parts.folder)
        try:
            self._claim()
            self._driver = driver_name(plan.by, parts.project)
            by_reference = is_reference(plan.by, parts.project)
            self._model = None if by_reference else driver_forces(plan.by, parts.project, parts.ensemble)
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        """Give the folder free."""
        self._store.close()

    @property
    def project(self) -> Project:
        """Whose reference labels it."""
        return self._parts.project

    @property
    def path(self) -> Path:
        """Where the set is written."""
        return self._parts.folder / "heldout.extxyz"

    def cost(self) -> Cost:
        """What is left to be done; makes two steps of MD to see how long they take, and computes no label."""
        n_rounds_left = self._plan.n_rounds - self._n_rounds()
        n_steps = sum(
            n_rounds_left * self._steps_per_round(start) + (0 if self._n_rounds() else self._equilibration_steps(start))
            for start in self._starts
        )
        counts = self._store.counts()
        n_labels = max(0, self._plan.n_each * self._plan.n_runs - counts.n_received - counts.n_failed)
        step_s = 0.0
        if n_steps and self._model is not None:
            sampler = self._sampler(self._model)
            sampler.advance(range(self._plan.n_runs), 1)
            began = time.perf_counter()
            sampler.advance(range(self._plan.n_runs), 2)
            step_s = (time.perf_counter() - began) / (2 * self._plan.n_runs)
            if isinstance(self._model, ForgetsHistory):
                self._model.forget()  # a set that is made without asking has no such past
        label_s = _seconds_per_label(self._parts.project, self._store)
        if self._model is None:
            step_s = label_s or 0.0
        return Cost(n_labels, label_s, n_steps, step_s, self._model is None)

    def make(self) -> Path:
        """Sample and label what is missing, and write the set.

        Raises
        ------
        Departed
            It was asked to leave; what is there is kept, and the same call goes on.
        CampaignStopped
            The MD or the labels failed too often.
        """
        with self._parts.departure.cooperating():
            self._sample()
            self._choose()
            self._label()
        points = sorted(self._store.labelled(), key=lambda point: (point.frame.trajectory, point.frame.md_step))
        if not points:
            raise CampaignStopped("the reference gave no label of any held-out structure; the log says why")
        write_extxyz(self.path, points, extxyz_keys(self._parts.project.settings.misc))
        return self.path

    # -- sampling ---------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        """Move the runs to their end, by the reference on the workers or by a model here."""
        if self._n_rounds() == self._plan.n_rounds:
            return
        if self._model is not None:
            self._move(self._model)
            return
        with reference_forces(
            self._parts.project,
            RunFolder(self._parts.folder / f"aimd-{self._id()}", self._calculations() / "aimd"),
            moves_cells=any(segment.dynamics.wants_stress for start in self._starts for segment in start.program),
            departure=self._parts.departure,
            show=self._parts.show,
        ) as driver:
            self._move(driver)

    def _move(self, driver: Driver) -> None:
        """A round at a time; each is stored with the state that it leads to."""
        plan, sampler, done = self._plan, self._sampler(driver), self._n_rounds()
        stored = self._store.load_state("sampler.heldout")
        if stored is not None:
            sampler.load(stored)
        everywhere = list(range(plan.n_runs))
        while done < plan.n_rounds:
            for n_steps, alike in self._steps_ahead(is_first=done == 0).items():
                self._advance(sampler, alike, n_steps)
            frames = [sampler.frame(run) for run in everywhere]
            done += 1
            arrays = {f"positions_{run}": frame.positions for run, frame in enumerate(frames)}
            arrays |= {f"cell_{run}": frame.cell for run, frame in enumerate(frames)}
            arrays["md_steps"] = np.array([frame.md_step for frame in frames])
            with self._store.unflushed_transaction():
                self._store.save_state(f"heldout.round.{done:06d}", pack_arrays(arrays))
                self._store.save_state("heldout.rounds", str(done).encode())
                self._store.save_state("sampler.heldout", sampler.save())

    def _steps_ahead(self, *, is_first: bool) -> dict[int, list[int]]:
        """Steps of a round, and the runs that make so many: those of other time steps make others."""
        found: dict[int, list[int]] = {}
        for run, start in enumerate(self._starts):
            n_steps = self._steps_per_round(start) + (self._equilibration_steps(start) if is_first else 0)
            found.setdefault(n_steps, []).append(run)
        return found

    def _advance(self, sampler: BatchedSampler, runs: list[int], n_steps: int) -> None:
        """Some steps of some runs; what becomes unphysical goes back to where it last was sound."""
        plan, left = self._plan, n_steps
        while left:
            chunk = min(left, 200)
            checkpoints = {run: sampler.checkpoint(run) for run in runs}
            pending, n_failed = runs, 0
            while pending:
                advanced = sampler.advance(pending, chunk)
                pending = [one.trajectory for one in advanced if one.problem is not None]
                n_failed = n_failed + 1 if pending else 0
                if n_failed > MAX_DRIVER_FAILURES:
                    problem = next(one.problem for one in advanced if one.problem is not None)
                    raise CampaignStopped(
                        f"the MD by {self._driver} became unphysical {n_failed} times in a row ({problem}); let "
                        "another method drive it (--by), or lower its temperature"
                    )
                for run in pending:
                    diary.warning("run %d became unphysical and goes back a little", run)
                    sampler.rewind(run, checkpoints[run])
            left -= chunk
            if self._parts.departure.reason is not None:
                self._parts.departure.leave()
            time_ps = sampler.frame(runs[0]).md_step * self._starts[runs[0]].program[0].timestep_fs / 1000
            self._parts.show(f"MD by {self._driver}: {time_ps:.2f} of {plan.length_ps:.2f} ps, {plan.n_runs} runs")

    def _choose(self) -> None:
        """Choose the structures that are labelled, once."""
        if self._store.load_state("heldout.chosen") is not None:
            return
        candidates = self._candidates()
        n_wanted = self._plan.n_each * self._plan.n_runs
        chosen = list(range(len(candidates)))
        if self._plan.select == Select.FPS:
            self._parts.show(f"choosing {n_wanted} of {len(candidates)} structures that lie far apart")
            first = load_models(self._parts.models[:1], device=self._parts.ensemble.device)
            chosen = sorted(farthest_points(first.descriptors(candidates), n_wanted))
        self._store.save_state("heldout.chosen", json.dumps(chosen).encode())

    def _unasked(self) -> list[Frame]:
        """The chosen structures of which no label was asked for yet."""
        stored = self._store.load_state("heldout.chosen")
        assert stored is not None, "they were chosen before"
        candidates = self._candidates()
        return [candidates[index] for index in json.loads(stored)[self._store.counts().n_requested :]]

    def _candidates(self) -> list[Frame]:
        found = []
        for number in range(1, self._n_rounds() + 1):
            stored = self._store.load_state(f"heldout.round.{number:06d}")
            assert stored is not None, "rounds are stored together with their number"
            names = ("md_steps", *(f"positions_{run}" for run in range(self._plan.n_runs)))
            cells = tuple(f"cell_{run}" for run in range(self._plan.n_runs))  # not in what version 0.3 wrote
            arrays = unpack_arrays(stored, names, further=cells)
            for run in range(self._plan.n_runs):
                md_step = int(arrays["md_steps"][run])
                start = self._starts[run].frame
                cell = arrays.get(f"cell_{run}", start.cell)
                found.append(replace(start, md_step=md_step, positions=arrays[f"positions_{run}"], cell=cell))
        return found

    # -- labels -----------------------------------------------------------------------------------------------

    def _label(self) -> None:
        """Have the reference label everything that was chosen and has no answer."""
        project, unasked = self._parts.project, self._unasked()
        if not unasked and not self._store.counts().n_in_flight:
            return
        departure, show = self._parts.departure, self._parts.show
        with workers(project, want_stress=assembly.wants_stress(project), departure=departure, show=show) as pool:
            desk = LabelDesk(
                self._store,
                pool,
                RunFolder(self._parts.folder, self._calculations()),
                INITIAL,
                keeps_folders=not project.settings.cluster.clean_dirs,
                departure=departure,
                no_progress_s=project.settings.misc.no_progress_s,
            )
            self._keep(desk, desk.resume())
            for frame in unasked:
                with self._store.unflushed_transaction():
                    label_id = desk.request(frame)
                desk.send(label_id)
                self._keep(desk, desk.collect(timeout_s=0.0))
                self._leave_if_asked(desk)
            while desk.n_in_flight:
                self._keep(desk, desk.collect(timeout_s=None))
                self._leave_if_asked(desk)

    def _calculations(self) -> Path:
        return self._parts.project.label_folder / f"heldout-{self._id()}"

    def _id(self) -> str | None:
        return self._store.get_meta("heldout_id")

    def _leave_if_asked(self, desk: LabelDesk) -> None:
        if self._parts.departure.reason is not None or desk.only_held:
            self._parts.departure.leave()

    def _keep(self, desk: LabelDesk, answers: Sequence[LabelDone]) -> None:
        for done in answers:
            with self._store.transaction():
                answer = desk.record(done)
                if isinstance(answer.result, Label):
                    self._store.assign(answer.label_id, Split.VALIDATION)
                else:
                    diary.warning("held-out label %d failed: %s", answer.label_id, answer.result.message)
            desk.tidy(answer)
            counts = self._store.counts()
            failed = f", {counts.n_failed} failed" if counts.n_failed else ""
            self._parts.show(f"labels: {counts.n_received} of {counts.n_requested}{failed}")

    # -- what it is made of -----------------------------------------------------------------------------------

    def _claim(self) -> None:
        """Note how the set is made; one that goes on must be made in the same way.

        What earlier versions did not note can't be compared.
        """
        plan, starts = asdict(self._plan), self._parts.starts
        made = json.loads(
            json.dumps(
                {
                    **plan,
                    "starts": [frame.positions.tolist() for frame in starts],
                    "cells": [frame.cell.tolist() for frame in starts],
                    "motions": [noted_motion(md) for md in motions_of(self._parts.project, starts)],
                }
            )
        )
        before = json.loads(self._store.get_meta("heldout_plan") or "{}")
        others = [key for key in made if key in before and before[key] != made[key]]
        if others:
            said = [f"{key} {value}" for key, value in before.items() if key in plan]
            said += dict.fromkeys(_OTHERWISE[key] for key in others if key not in plan)
            raise UserError(
                Problem(
                    where=str(self._parts.folder),
                    found=f"holds a held-out set that was begun otherwise ({', '.join(said)}).",
                    allowed="the same options and MD, which go on with it or use it as it is",
                    advice="Name another folder by --out, or remove this one: "
                    f"rm -r {shlex.quote(str(self._parts.folder))}",
                )
            )
        self._store.set_meta("heldout_plan", json.dumps(made))
        if self._store.get_meta("heldout_id") is None:
            self._store.set_meta("heldout_id", f"{time.time_ns():x}")

    def _n_rounds(self) -> int:
        stored = self._store.load_state("heldout.rounds")
        return 0 if stored is None else int(stored)

    def _steps_per_round(self, start: TrajectoryStart) -> int:
        share = OVERSAMPLED if self._plan.select == Select.FPS else 1
        return max(1, round(1000 * self._plan.spacing_ps / share / start.program[0].timestep_fs))

    def _equilibration_steps(self, start: TrajectoryStart) -> int:
        return round(1000 * self._plan.equilibration_ps / start.program[0].timestep_fs)

    def _sampler(self, driver: Driver) -> BatchedSampler:
        return BatchedSampler(self._starts, driver, device=self._parts.ensemble.device)


def _seconds_per_label(project: Project, store: RunStore) -> float | None:
    """Mean duration of the labels of this set, or of the run; None when there are none."""
    seconds = [point.label.wall_s for point in store.labelled()]
    if not seconds:
        if not (project.run_folder / STORE_NAME).is_file():
            return None
        with RunStore.open_readonly(project.run_folder) as run:
            seconds = [point.label.wall_s for point in run.labelled()]
    return float(np.mean(seconds)) if seconds else None
