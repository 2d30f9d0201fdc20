"""``SEED.hybrid-md-state.yaml``: what is remembered from one call to the next, by the tool's own keys."""

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

from aims_pax.errors import Problem, UserError
from aims_pax.learner.checks import CheckRules, CheckState, continued


@dataclass(frozen=True, slots=True)
class HybridState:
    """Between two calls.

    Parameters
    ----------
    do_comparison, do_update_model : bool
        What the next post-step is to do.
    next_is_pre_step : bool
        Whether a pre-step is due; else a post-step.
    next_ab_initio : bool
        Whether the step after this one is the reference's, too.
    last_check_step, current_check_interval : int
    continuation : bool
        Whether the run is continued from a checkpoint.
    continuation_initial_steps : int
        Initial steps that such a run has still to make.
    """

    do_comparison: bool = False
    do_update_model: bool = False
    next_is_pre_step: bool = True
    next_ab_initio: bool = False
    last_check_step: int = 0
    current_check_interval: int = 1
    continuation: bool = False
    continuation_initial_steps: int = 0

    def checks(self, rules: CheckRules) -> CheckState:
        """Where checks stand."""
        n_initial = self.continuation_initial_steps if self.continuation else rules.num_initial_steps
        return CheckState(self.current_check_interval, last_check=self.last_check_step, n_initial=n_initial)


def path_of(seed: str, folder: Path) -> Path:
    return folder / f"{seed}.hybrid-md-state.yaml"


def begin(rules: CheckRules) -> HybridState:
    """Of a new run."""
    return HybridState(current_check_interval=rules.check_interval)


def continuing(state: HybridState, rules: CheckRules, *, reached: int) -> HybridState:
    """Of a run that goes on from a checkpoint at a step, whose count begins anew at 0."""
    checks = continued(state.checks(rules), rules, reached=reached)
    return HybridState(
        last_check_step=checks.last_check,
        current_check_interval=checks.interval,
        continuation=True,
        continuation_initial_steps=checks.n_initial,
    )


def read_state(path: Path) -> HybridState:
    """The state of a run that was begun.

    Raises
    ------
    UserError
        There is none, or it is damaged.
    """
    if not path.is_file():
        raise UserError(Problem(str(path), "There is no state: the run was not initialised.", "", "Call initialise."))
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    kinds = {one.name: type(one.default) for one in fields(HybridState)}
    if not isinstance(data, dict) or data.keys() != kinds.keys() or any(type(data[k]) is not kinds[k] for k in kinds):
        raise UserError(Problem(str(path), "The state is damaged.", "", "Remove it, and initialise the run anew."))
    return HybridState(**data)


def write_state(state: HybridState, path: Path) -> None:
    """Replace the state; a call that is killed leaves the old one or the new one."""
    aside = path.with_suffix(".part")
    with aside.open("w", encoding="utf-8") as file:
        yaml.safe_dump(asdict(state), file, sort_keys=False)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
