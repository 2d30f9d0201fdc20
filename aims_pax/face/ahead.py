"""Before a run: the look at everything that can fail cheaply, and what it will take."""

from collections.abc import Sequence
from dataclasses import dataclass

from aims_pax.checking.check import CheckReport, check_project
from aims_pax.checking.understood import understood
from aims_pax.errors import Problem, UserError
from aims_pax.forecast.foretold import Foretold, foretell
from aims_pax.forecast.pace import Wishes
from aims_pax.forecast.standing import read_standing
from aims_pax.forecast.timetable import Outlook
from aims_pax.settings import Project


@dataclass(frozen=True, slots=True)
class Look:
    """What `aims-pax check` says of a project.

    Parameters
    ----------
    understood : tuple of str
        Structures and quantities, as they were read.
    report : CheckReport
        Problems, facts and doubts.
    """

    understood: tuple[str, ...]
    report: CheckReport

    @property
    def is_fine(self) -> bool:
        """Whether the run can start."""
        return not self.report.problems

    def __str__(self) -> str:
        report = self.report
        found = [f"\n{problem}" for problem in report.problems] or ["\nNo problem found."]
        doubts = [f"\nWarning: {doubt}" for doubt in report.doubts]
        return "\n".join([*self.understood, "", *(f"- {fact}" for fact in report.facts), *doubts, *found])


def check(project: Project) -> Look:
    """Look at folders, disk, devices, the reference, the driver, workers and the run that is there.

    Computes and creates nothing, and starts nothing: what it finds is in what it gives back.
    """
    return Look(tuple(understood(project, project.stages)), check_project(project, project.stages))


def plan(
    project: Project,
    *,
    n_workers: int | Sequence[int] = (),
    label_s: float | None = None,
    md_steps_per_s: float | None = None,
    epoch_s: float | None = None,
    driver_step_s: float | None = None,
    pick_rate: float | None = None,
    n_trajectories: int | None = None,
    n_labels: int | None = None,
) -> Foretold:
    """Foretell a run, or what is left of it: time, labels, MD steps and epochs by stage, and how busy workers are.

    What is not said is measured: a label, steps of the driver and of untrained models, some epochs.

    Parameters
    ----------
    project : Project
    n_workers : int or sequence of int
        Workers to look at; 1, 2, 4, ... when not given.
    label_s, epoch_s, driver_step_s : float or None, s
        Durations of a label, of an epoch of all members, of an MD step of the initial stage.
    md_steps_per_s : float or None
        Of all trajectories together.
    pick_rate : float or None
        Fraction of the estimates that ask for a label.
    n_trajectories, n_labels : int or None
        Instead of those that the settings ask for.

    Raises
    ------
    UserError
        An argument can't be, or the reference or the driver can't run here.
    CampaignStopped
        A label failed.
    """
    numbers = [n_workers] if isinstance(n_workers, int) else list(n_workers)
    wishes = Wishes(label_s, md_steps_per_s, epoch_s, pick_rate, n_trajectories, n_labels, driver_step_s)
    given = {name: getattr(wishes, name) for name in Wishes.__dataclass_fields__} | {
        "n_workers": min(numbers, default=None)
    }
    problems = [
        Problem(f"plan, {name}", f"is {value!r}.", "a number above 0")
        for name, value in given.items()
        if value is not None and not value > 0
    ]
    if pick_rate is not None and pick_rate > 1:
        problems.append(Problem("plan, pick_rate", f"is {pick_rate!r}.", "0 < fraction <= 1"))
    if problems:
        raise UserError(problems)
    chosen = numbers[0] if len(numbers) == 1 else None
    return foretell(project, Outlook(project.stages, read_standing(project), chosen, wishes), numbers)
