"""One session of a campaign with all that belongs around it: the last look, the diary, the live view, the walltime."""

import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, TextIO, cast

from aims_pax.departure import Departed, Departure, Reason, leaving_time
from aims_pax.errors import AimsPaxError, UserError
from aims_pax.face.signals import GuestWatch, SignalWatch
from aims_pax.face.slurm_job import END, end_of_job
from aims_pax.report.logs import close_logs, log_failure, open_logs

if TYPE_CHECKING:
    from aims_pax.campaign import Summary
    from aims_pax.face.run import Run
    from aims_pax.frame import Stage
    from aims_pax.settings import Project

diary = logging.getLogger("aims_pax.run")

HEED_S: Final = 0.5
"""How often the thread that waits for a request to stop looks whether the run is over."""

FOREVER_S: Final = 300 * 86400.0
"""Slurm gives jobs without a limit an end that is a year away."""


def run_session(
    project: "Project", stages: "tuple[Stage, ...]", watch: SignalWatch, *, started_at: float, command: str = ""
) -> "Summary":
    """Run stages of a project, or what is left of them; nothing is created before everything cheap was checked.

    The diary stays open: whoever calls this writes into it how the run ended, and closes it.

    Parameters
    ----------
    project : Project
    stages : tuple of Stage
    watch : SignalWatch
        Entered; its departure is the campaign's.
    started_at : float
        Since when MISC.walltime counts, Unix time, s.
    command : str
        As it was typed; empty where Python calls.

    Raises
    ------
    UserError
        With everything that the look before the start has found.
    Departed
        It has left as it was asked to.
    """
    from rich.console import Console

    from aims_pax.campaign import run_campaign
    from aims_pax.checking.check import check_project
    from aims_pax.forecast.curves.underway import Underway
    from aims_pax.report.live import LiveView
    from aims_pax.report.outlet import Outlet

    report = check_project(project, stages)
    if report.problems:
        raise UserError(report.problems)
    # A notebook calls its output a terminal, and keeps every state of a panel that is drawn anew.
    is_taken = sys.stdout is not sys.__stdout__
    console = Console(
        file=cast(TextIO, Outlet(sys.stdout)), force_terminal=False if is_taken else None, force_jupyter=False
    )
    open_logs(project.log_folder, console, level=project.mace.misc.log_level)
    for fact in report.facts:
        diary.info("%s", fact)
    for doubt in report.doubts:
        diary.warning("%s", " ".join(str(doubt).split()))
    mind_walltime(watch.departure, project.settings.misc.walltime, started_at=started_at)
    with LiveView(console, title=project.folder.name) as view:
        watch.restore_terminal = view.close
        return run_campaign(
            project,
            stages=stages,
            observer=view,
            departure=watch.departure,
            outlook=Underway(project, stages),
            command=command,
        )


def run(project: "Project", *, stop: Event | None = None) -> "Run":
    """Run a project, or what is left of it, as ``aims-pax run`` does; the same call goes on with an interrupted run.

    All mistakes are found first. The diary goes to the log folder and to standard output; MISC.walltime, the end of a
    batch job and signals are kept to. Ctrl-C leaves in good order, a second one at once; neither ends a notebook.

    Parameters
    ----------
    project : Project
    stop : threading.Event or None
        Once it is set, the campaign leaves in good order, as for Ctrl-C; for runs in other threads than the main one.

    Returns
    -------
    Run
        What it left, to be looked at.

    Raises
    ------
    UserError
        With everything that is wrong; nothing was started.
    Departed
        It has left as it was asked to, which is a KeyboardInterrupt; what was committed is kept.
    CampaignStopped
        Nothing sensible is left to do before the goal was reached.
    """
    from aims_pax.face.run import Run

    started_at = time.time()
    print(f"run folder: {project.run_folder}")
    with GuestWatch(Departure()) as watch, heeding(stop, watch.departure):
        try:
            with watch.departure.cooperating():
                import aims_pax.campaign.run  # noqa: F401 - an import of PyTorch that is cut short can't be repeated
            summary = run_session(project, project.stages, watch, started_at=started_at)
        except BaseException as ended:
            _note_ending(ended)
            raise
        finally:
            close_logs()
    for line in ("", *summary.lines()):
        print(line)
    return Run(project.run_folder, project)


@contextmanager
def heeding(stop: Event | None, departure: Departure) -> Iterator[None]:
    """Within, ask for departure once an event is set."""
    if stop is None:
        yield
        return
    is_over = Event()

    def watch() -> None:
        while not is_over.is_set():
            if stop.wait(HEED_S):
                departure.ask(Reason.STOPPED)
                return

    thread = Thread(target=watch, name="aims-pax-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _note_ending(ended: BaseException) -> None:
    """Write into the diary why a session has ended before its end."""
    if isinstance(ended, Departed):
        log_failure(str(ended.reason), level=logging.INFO)
    elif isinstance(ended, AimsPaxError):
        log_failure(str(ended))
    else:
        log_failure("".join(traceback.format_exception(ended)))


def mind_walltime(departure: Departure, walltime_s: float | None, *, started_at: float) -> None:
    """Have the campaign leave before its walltime or its batch job is over, and say when that is.

    Parameters
    ----------
    departure : Departure
    walltime_s : float or None
        MISC.walltime.
    started_at : float
        Unix time, s.
    """
    job_ends_at = _job_end(end_of_job(), now=started_at)
    ends_at = leaving_time(started_at=started_at, walltime_s=walltime_s, job_ends_at=job_ends_at)
    if ends_at is not None:
        departure.limit(ends_at)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ends_at))
        diary.info("this session leaves at %s, to keep its walltime; the same command goes on after that", when)


def _job_end(found: str, *, now: float) -> float | None:
    """When Slurm ends the job that this process runs in, Unix time; None when there is no job, or no end that holds."""
    if not found:
        return None
    if found.isdecimal() and now < int(found) < now + FOREVER_S:
        return float(found)
    if not (found.isdecimal() and int(found) >= now + FOREVER_S):
        diary.warning("%s is %r, which is no time to come, and is not used; MISC.walltime sets a limit", END, found)
    return None
