"""Where a run stands, read from its store alone: also of a run that nobody works on, from any machine that sees it."""

import json
import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isinf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.campaign.ending import BEGUN, ENDED, Begun, Ended, Ending
from aims_pax.campaign.progress import FINISHED, progress_of
from aims_pax.dataset.lock import owner_of
from aims_pax.dataset.records import Counts
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import STORE_NAME, RunStore
from aims_pax.errors import Problem, UserError
from aims_pax.protocols import ErrorAhead, StageSeen, StageState, Status
from aims_pax.report.glance import PHASES
from aims_pax.settings.reading.files import MACE_FILES, SETTINGS_FILES
from aims_pax.settings.stages.uncertainty import kind_named
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import N_ERRORS, kept_status
from aims_pax.times import about

if TYPE_CHECKING:
    from rich.console import RenderableType

KILLED: Final = "it was killed, or its machine has failed"
"""What is said of a session that has noted no end."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands at one moment.

    Parameters
    ----------
    progress : str or None
        Which part comes next, or is under way; None for a run that has not begun.
    owner : str
        The host and process that work on it; empty when nobody does.
    counts : Counts
        Labels and structures.
    generation : int
        Of the committee, by its newest epoch; 0 before any.
    force_mae_ev_per_ang : float or None
        Mean over the members, at each one's newest validation; None before any.
    folder : Path
        Of the run.
    seen : Status or None
        What it has last told of itself; of a run by an older program what its store tells. None before it has begun.
    verdict : str
        On the models of a finished run, with the first of its reasons; empty where there is none.
    begun, ended : Begun, Ended or None
        By what the newest session was begun, and how it has ended before its end; None where that was not noted.
    """

    progress: str | None
    owner: str
    counts: Counts
    generation: int
    force_mae_ev_per_ang: float | None
    folder: Path
    seen: Status | None = None
    verdict: str = ""
    begun: Begun | None = None
    ended: Ended | None = None

    @property
    def is_finished(self) -> bool:
        """Whether its results are written."""
        return self.progress == FINISHED

    @property
    def state(self) -> str:
        """``not begun``, ``running``, ``finished``; else one of :class:`~aims_pax.campaign.ending.Ending`."""
        if self.is_finished:
            return "finished"
        if self.owner:
            return "running"
        if self.progress is None:
            return "not begun"
        return str(Ending.STOPPED if self.ended is None else self.ended.ending)

    def command(self, *, here: str | Path | None = None) -> str:
        """By which it goes on; empty of one that is finished.

        Parameters
        ----------
        here : str, Path or None
            The folder in which it will be typed; the present one when None.
        """
        if self.is_finished:
            return ""
        here = Path.cwd() if here is None else Path(here)
        is_done = self.ended is not None and self.ended.ending is Ending.DONE
        if self.begun is not None and not self.begun.command:
            return "" if is_done else "the same call from Python: ap.run(project)"
        if self.begun is None or is_done:
            folder = str(self.folder) if os.path.relpath(self.folder, here).startswith("..") else ""
            return shlex.join(["aims-pax", "al" if is_done else "run", folder or os.path.relpath(self.folder, here)])
        moves = "" if Path(self.begun.folder) == here else f"cd {shlex.quote(self.begun.folder)} && "
        return moves + self.begun.command

    def now(self, *, at: float) -> str:
        """What is going on, or how it has ended, in words."""
        if self.is_finished:
            return f"finished; its results are in {self.folder / 'results'}"
        if self.progress is None and self.seen is None:
            return "nothing has been done yet"
        if self.owner:
            return ""
        if self.ended is not None:
            return f"nobody works on it: {self.ended.words}, {about(at - self.ended.at)} ago"
        return "nobody works on it" + ("" if self.begun is None else f": {KILLED}")

    def notes(self) -> list[tuple[str, str]]:
        """Who works on it, or what goes on with it."""
        if self.owner:
            return [("running on", self.owner)]
        if self.verdict:
            return [("verdict", self.verdict)]
        return [("goes on by", command)] if (command := self.command()) else []

    def __str__(self) -> str:
        from io import StringIO

        from rich.console import Console

        from aims_pax.report.glance import WIDTH

        text = StringIO()
        Console(file=text, width=WIDTH, color_system=None, force_jupyter=False).print(self.panel(at=time.time()))
        return text.getvalue().rstrip("\n")

    def panel(self, *, at: float) -> "RenderableType":
        """What ``aims-pax status`` shows at a moment, Unix time, s."""
        from aims_pax.report.glance import glance, words_panel

        title = self.folder.name
        if self.seen is None:
            return words_panel(title, self.now(at=at), self.notes())
        return glance(self.seen, title=title, at=at, now=self.now(at=at), notes=self.notes())

    def line(self, *, at: float) -> str:
        """The same as one line of plain text."""
        from aims_pax.report.glance import status_line

        ended = self.now(at=at)
        if self.seen is None or ended:
            return " | ".join([ended, *(f"{name} {words}" for name, words in self.notes())])
        return status_line(self.seen)

    def work(self) -> tuple[object, ...]:
        """What is different when something has been done since another status was read."""
        from aims_pax.report.live import work_of

        return (self.state, self.counts, self.generation, None if self.seen is None else work_of(self.seen))

    def record(self) -> dict[str, Any]:
        """The same as plain data, with units in the keys (docs/status.md); what is not known is None."""
        seen, counts = self.seen, self.counts
        return {
            "run_folder": str(self.folder),
            "state": self.state,
            "owner": self.owner or None,
            "verdict": self.verdict or None,
            "command": self.command() or None,
            "ended": None if self.ended is None else {"words": self.ended.words, "at_unix_s": self.ended.at},
            "told_at_unix_s": None if seen is None or not seen.at else seen.at,
            "stage": None if seen is None else seen.present,
            "doing": None if seen is None else seen.activity,
            "is_waiting_for_labels": seen is not None and seen.is_waiting,
            "waits_for": None if seen is None else seen.waits_for or None,
            "stages": [] if seen is None else [_stage_record(one) for one in seen.stages],
            "labels": {
                "requested": counts.n_requested,
                "in_flight": counts.n_in_flight,
                "done": counts.n_received,
                "failed": counts.n_failed,
                "kept_out": counts.n_kept_out,
                "withdrawn": counts.n_withdrawn,
            },
            "dataset": {
                "training": counts.n_train,
                "validation": counts.n_valid,
                "test": counts.n_test,
                "training_of_a_member": None if seen is None else seen.n_train,
                "training_goal": None if seen is None else seen.train_goal,
            },
            "workers": {
                "n": None if seen is None else seen.n_workers,
                "busy_in_last_hour": None if seen is None else seen.busy_workers,
            },
            "trajectories": [PHASES.get(letter, letter) for letter in (seen.phases if seen is not None else "")],
            "md_steps": None if seen is None else seen.md_steps,
            "epochs": None if seen is None else seen.epochs,
            "generation": self.generation,
            "force_mae_ev_per_ang": self.force_mae_ev_per_ang,
            "force_maes_ev_per_ang": [] if seen is None else list(seen.force_maes),
            "error_ahead": None if seen is None or seen.error_ahead is None else _ahead_record(seen.error_ahead),
            "uncertainty": None if seen is None or seen.last_score is None else _uncertainty_record(seen),
        }


def read_status(folder: Path, *, wanted_ev_per_ang: float | None = None) -> RunStatus:
    """Where the run in a run folder stands; the store is only read, and its lock is left alone.

    Parameters
    ----------
    folder : Path
    wanted_ev_per_ang : float or None, eV/Å
        Force MAE of which it is foretold with how many structures it is reached; None: the one in the settings.

    Raises
    ------
    UserError
        There is no run.
    StoreError
        Its store is damaged.
    """
    with RunStore.open_briefly(folder) as store:
        memory = Memory(store, RunFolder(folder, folder))
        counts, progress, errors = store.counts(), progress_of(memory), store.error_course(N_ERRORS)
        seen = kept_status(memory)
        if seen is None and progress is not None:
            from aims_pax.campaign.untold import status_told_by  # takes longer to import than all else

            seen = status_told_by(store, memory, progress)
        if seen is not None:
            seen = _up_to_date(seen, counts, progress)
            if wanted_ev_per_ang is not None:
                from aims_pax.forecast.curves.error import error_ahead, learning_curve

                curve = learning_curve(store, seen.present)
                ahead = error_ahead(curve, goal=seen.train_goal, wanted=wanted_ev_per_ang)
                seen = replace(seen, error_ahead=ahead or ErrorAhead(seen.train_goal, wanted=wanted_ev_per_ang))
        return RunStatus(
            progress=progress,
            owner=owner_of(folder),
            counts=counts,
            generation=store.newest_generation(),
            force_mae_ev_per_ang=errors[-1] if errors else None,
            folder=folder,
            seen=seen,
            verdict=_verdict_on(folder) if progress == FINISHED else "",
            begun=memory.recall(BEGUN, Begun),
            ended=memory.recall(ENDED, Ended),
        )


def run_home(folder: Path, of_project: Callable[[Path], Path]) -> Path:
    """The run folder that a person means by a folder: itself, or that of the project in it.

    Parameters
    ----------
    folder : Path
    of_project : callable
        The run folder of a project, whose settings it reads.

    Raises
    ------
    UserError
        There is neither a run nor a project.
    """
    home = folder.expanduser().absolute()
    if (home / STORE_NAME).is_file():
        return home
    if any((home / name).is_file() for name in (*SETTINGS_FILES, *MACE_FILES)):
        run_folder = of_project(home)
        if (run_folder / STORE_NAME).is_file():
            return run_folder
        found, advice = f"holds no run ({STORE_NAME} is missing)", f"aims-pax run {shlex.quote(str(folder))} begins it."
        raise UserError(Problem(str(run_folder), found, "", advice))
    found = "there is no such folder"
    if home.exists():
        found = f"holds no run ({STORE_NAME} is missing), and no project"
    allowed = f"the folder of a project ({SETTINGS_FILES[0]}), or one that holds {STORE_NAME}"
    raise UserError(Problem(str(folder), found, allowed, "Name the folder of a project that has been run."))


def _verdict_on(folder: Path) -> str:
    """The verdict in the results of a run; empty where they are gone or hold none."""
    try:
        content = json.loads((RunFolder(folder, folder).results / "summary.json").read_text(encoding="utf-8"))
        verdict = content.get("verdict")
        return "" if verdict is None else f"{verdict['word']}: {verdict['reasons'][0]['text']}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _up_to_date(seen: Status, counts: Counts, progress: str | None) -> Status:
    """What a run has told of itself, with what its store knows by now."""
    seen = replace(seen, n_labels_kept_out=counts.n_kept_out)
    if seen.phases:  # of a loop, whose labels are those of the run
        seen = replace(
            seen,
            n_labels_requested=counts.n_requested,
            n_labels_received=counts.n_received,
            n_labels_failed=counts.n_failed,
        )
    if progress == FINISHED:
        return replace(
            seen, error_ahead=None, stages=tuple(replace(one, state=StageState.OVER, left_s=()) for one in seen.stages)
        )
    return seen


def _stage_record(one: StageSeen) -> dict[str, Any]:
    return {"name": one.name, "state": str(one.state), "spent_s": one.spent_s, "left_s": _bounds(one.left_s)}


def _ahead_record(ahead: ErrorAhead) -> dict[str, Any]:
    return {
        "training_goal": ahead.goal,
        "force_mae_ev_per_ang": _bounds(ahead.force_maes),
        "wanted_ev_per_ang": ahead.wanted,
        "training_structures_to_wanted": _bounds(ahead.n_wanted),
    }


def _bounds(found: tuple[float, ...]) -> dict[str, float | None] | None:
    if not found:
        return None
    values = (None if isinf(value) else value for value in found)
    return dict(zip(("low", "likely", "high"), values, strict=True))


def _uncertainty_record(seen: Status) -> dict[str, Any]:
    return {
        "kind": seen.score_kind or None,
        "unit": kind_named(seen.score_kind).unit,
        "threshold": None if isinf(seen.threshold) else seen.threshold,
        "newest": seen.last_score,
        "scores": list(seen.scores),
    }
