"""``aims-pax-hybrid-md``: what CASTEP calls before and after each MD step, and is answered by an exit code.

    aims-pax-hybrid-md initialise [MODE] SEED [M]
    aims-pax-hybrid-md pre-step [MODE] SEED M
    aims-pax-hybrid-md post-step [MODE] SEED M

Both generations of the interface are spoken: with MODE that of 2024 (`MLE_CMD`), without it that of 2021 to 2023. Exit
codes are sums of bits. A mistake ends with 64, which holds no bit that either generation knows.
"""

import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from aims_pax.errors import AimsPaxError, Problem, UserError
from aims_pax.hybrid import log, points
from aims_pax.hybrid.state import HybridState, begin, continuing, path_of, read_state, write_state
from aims_pax.hybrid.wishes import Wishes, input_of, read_wishes
from aims_pax.learner.checks import Differences, Step, begun, checked, kind_of, learns

USAGE: Final = "aims-pax-hybrid-md initialise [MODE] SEED [M] | pre-step [MODE] SEED M | post-step [MODE] SEED M"

MISTAKE: Final = 64
"""Exit code of what can't be answered."""

READ_LOG, START_AB_INITIO = 1, 2
"""Bits of initialise."""

READ_MODEL, READ_INTERVAL = 2, 4
"""Bits of post-step beside READ_LOG; the second since 2024."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How a generation of the interface is answered before a step: a sum of bits for each kind of step."""

    codes: dict[Step, int]
    tells_interval: bool


OLD: Final = Generation(
    {Step.INITIAL: 2 + 4 + 16, Step.LAST_INITIAL: 2 + 16, Step.CHECK: 2 + 8, Step.GENERIC: 0}, tells_interval=False
)
"""2021 to 2023: 2 do ab initio, 4 at the next step, too, 8 compute the model anew, 16 use the forces of QM."""

NEW: Final = Generation(
    {Step.INITIAL: 2 + 8, Step.LAST_INITIAL: 2 + 8, Step.CHECK: 2 + 4, Step.GENERIC: 4}, tells_interval=True
)
"""Since 2024: 2 do ab initio, 4 compute the model, too, 8 use the forces of QM."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what is asked, of which run, at which step, in which generation."""

    command: str
    seed: str
    step: int | None
    generation: Generation

    @property
    def folder(self) -> Path:
        return Path(self.seed).parent

    @property
    def name(self) -> str:
        return Path(self.seed).name


class Decider:
    """Answers one call.

    Parameters
    ----------
    call : Call
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._state_path = path_of(call.name, call.folder)
        self._said: list[str] = []

    def initialise(self) -> int:
        """Begin a run, or go on from a checkpoint where its step is given and there is a state."""
        from aims_pax.hybrid.refit import require_ready  # and what reads settings, which takes a second, once

        wishes, reached = self._wishes(), self._call.step
        require_ready(self._call.folder, wishes.refit)
        state = begin(wishes.rules)
        if reached is not None and self._state_path.is_file():
            state = continuing(read_state(self._state_path), wishes.rules, reached=reached)
            self._keep_md()
            self._say(
                log.line(f" continued from iteration {reached}: next check in {state.current_check_interval} steps")
            )
        elif reached is not None:
            self._say(log.line(" WARNING: there is no state to continue from; the settings of the input are taken"))
        self._say(*(log.line(f" {remark}") for remark in wishes.remarks))
        n_initial = state.checks(wishes.rules).n_initial
        model = self._call.folder / wishes.refit.model
        if not n_initial and not model.is_file():
            found = "num_initial_steps is 0, and there is no model to begin with."
            raise UserError(Problem(str(model), found, "", "Set num_initial_steps, 10 for example, or bring a model."))
        write_state(state, self._state_path)
        self._write_interval(state, wishes, step=0)
        self._flush()
        return READ_LOG | (START_AB_INITIO if n_initial else 0)

    def pre_step(self, step: int) -> int:
        """What is to be computed at a step."""
        wishes, state = self._wishes(), read_state(self._state_path)
        if not state.next_is_pre_step:
            raise UserError(Problem(self._call.seed, f"A pre-step of {step} comes where a post-step is due."))
        kind = kind_of(state.checks(wishes.rules), step)
        write_state(
            replace(
                state,
                do_comparison=kind is Step.CHECK,
                do_update_model=kind is Step.LAST_INITIAL,
                next_ab_initio=kind is Step.INITIAL,
                next_is_pre_step=False,
            ),
            self._state_path,
        )
        return self._call.generation.codes[kind]

    def post_step(self, step: int) -> int:
        """What has come of it: a comparison, a new model, another interval."""
        state = read_state(self._state_path)
        if state.next_is_pre_step:
            raise UserError(Problem(self._call.seed, f"A post-step of {step} comes where a pre-step is due."))
        idle = replace(state, do_comparison=False, do_update_model=False, next_is_pre_step=True)
        if not (state.do_comparison or state.do_update_model):
            write_state(idle, self._state_path)
            return 0
        wishes = self._wishes()
        new, has_learned = self._checked(idle, wishes, step) if state.do_comparison else self._first(idle, wishes, step)
        write_state(new, self._state_path)
        self._write_interval(new, wishes, step=step)
        self._flush()
        code = READ_LOG | (READ_MODEL if has_learned else 0)
        return code | (READ_INTERVAL if self._call.generation.tells_interval else 0)

    def _first(self, state: HybridState, wishes: Wishes, step: int) -> tuple[HybridState, bool]:
        """The last initial step: the first model, unless there is one that may not be changed."""
        is_due = wishes.rules.can_update or not (self._call.folder / wishes.refit.model).is_file()
        if is_due:
            self._learn(wishes, step)
        checks = begun(state.checks(wishes.rules), wishes.rules)
        return replace(state, last_check_step=checks.last_check, current_check_interval=checks.interval), is_due

    def _checked(self, state: HybridState, wishes: Wishes, step: int) -> tuple[HybridState, bool]:
        """A check: compared, decided, written, learned, and then the interval."""
        rules = wishes.rules
        found = points.last_differences(points.path_of(self._call.name, self._call.folder))
        broken = rules.tolerances.broken(found)
        is_due = learns(rules, passed=not broken)
        checks = checked(state.checks(rules), rules, step=step, passed=not broken)
        self._say(*log.of_check(step, found, rules, broken, learns=is_due))
        self._say(*log.cumulative(self._note(step, found, not broken, checks.interval)))
        if is_due:
            self._learn(wishes, step)
        self._say(*log.adapted(step, state.current_check_interval, checks.interval))
        return replace(state, last_check_step=step, current_check_interval=checks.interval), is_due

    def _learn(self, wishes: Wishes, step: int) -> None:
        from aims_pax.hybrid.refit import refit  # and PyTorch, which no other call needs

        said = refit(self._call.name, self._call.folder, wishes.refit, step=step)
        self._say(*(log.line(f" {one}") for one in said))

    def _wishes(self) -> Wishes:
        return read_wishes(input_of(self._call.name, self._call.folder))

    def _note(self, step: int, found: Differences, passed: bool, interval: int) -> list[Differences]:
        """Add a check to the table of all of them, which it returns."""
        path, names = (
            self._call.folder / f"{self._call.name}.hybrid-md-checks.csv",
            [one.name for one in fields(Differences)],
        )
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(["step", *names, "passed", "interval"])
            values = ["" if (value := getattr(found, name)) is None else repr(value) for name in names]
            writer.writerow([step, *values, passed, interval])
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [Differences(**{name: float(row[name]) if row[name] else None for name in names}) for row in rows]  # type: ignore[arg-type]

    def _keep_md(self) -> None:
        """The MD of the session before, which CASTEP is about to write anew."""
        md = self._call.folder / f"{self._call.name}.md"
        if md.is_file():
            aside = self._call.folder / f"{self._call.name}.save-at-{time.strftime('%Y%m%d-%H%M%S')}.md"
            aside.write_bytes(md.read_bytes())

    def _write_interval(self, state: HybridState, wishes: Wishes, *, step: int) -> None:
        """Steps to the next call that is more than a step by the model, for who need not call in between."""
        if self._call.generation.tells_interval:
            checks = state.checks(wishes.rules)
            left = 1 if step < checks.n_initial else checks.next_check - step
            (self._call.folder / f"{self._call.name}.ml-energy-num.txt").write_text(f"{left}\n", encoding="utf-8")

    def _say(self, *lines: str) -> None:
        self._said += lines

    def _flush(self) -> None:
        """The log of this call, which CASTEP copies and then expects anew."""
        path = self._call.folder / f"{self._call.name}.hybrid-md-temporary-log"
        path.write_text("".join(f"{line}\n" for line in self._said), encoding="utf-8")


def answered(arguments: Sequence[str]) -> int:
    """The exit code of a call.

    Raises
    ------
    UserError
        It can't be answered.
    """
    call = _call(arguments)
    decider = Decider(call)
    if call.command == "initialise":
        return decider.initialise()
    assert call.step is not None
    return decider.pre_step(call.step) if call.command == "pre-step" else decider.post_step(call.step)


def _call(arguments: Sequence[str]) -> Call:
    command, *rest = arguments or ("",)
    step = int(rest[-1]) if len(rest) > 1 and rest[-1].isdecimal() else None
    names = rest if step is None else rest[:-1]
    is_whole = command in ("initialise", "pre-step", "post-step") and len(names) in (1, 2)
    if not is_whole or (step is None and command != "initialise"):
        raise UserError(Problem(" ".join(arguments) or "aims-pax-hybrid-md", "This is no call.", USAGE))
    return Call(command, names[-1], step, NEW if len(names) == 2 else OLD)


def main() -> None:
    """Answer the call of the command line."""
    if sys.argv[1:] in (["--help"], ["-h"]):
        sys.stdout.write(f"{__doc__}\n")
        raise SystemExit(0)
    try:
        code = answered(sys.argv[1:])
    except AimsPaxError as error:
        sys.stderr.write(f"{error}\n")
        code = MISTAKE
    raise SystemExit(code)


if __name__ == "__main__":
    main()
