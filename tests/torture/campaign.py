"""A campaign that is harmed and resumed until it is complete."""

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from aims_pax.errors import AimsPaxError

from .disk import SmallDisk
from .evidence import Held, Verdict, at_rest, damage, held_by, judge, missing, pulse
from .harm import MANNERS, SIGNALS, Harm, drawn, strike
from .project import PoolKind, write_project
from .session import LOOK_S, Session, gone_within
from .tally import Tally

TRUE_COMMAND_EVERY: Final = 10

OVER: Final = "results are in "
"""The last line of a campaign that is complete."""

NOT_BEGUN: Final = "nothing was started"
"""What a look before the start says that has found a problem."""

STUCK_S: Final = 150.0
"""A campaign that gets nowhere for so long hangs."""

DRAINED_S: Final = 10.0
"""Workers, manager and interchange end by themselves within this time after their campaign."""


class Broken(Exception):
    """A campaign is not what it should be; the message says how, and its folder is kept."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all campaigns of one torture share; `say` takes lines for a person."""

    rng: random.Random
    tally: Tally
    say: Callable[[str], None]


class Campaign:
    """One campaign that is harmed and resumed until it is complete.

    Parameters
    ----------
    place : Path
        The project is in ``project``, or in ``disk/project`` when the disk is small; evidence is beside it.
    """

    def __init__(
        self,
        place: Path,
        pool: PoolKind,
        *,
        seed: int,
        disk: SmallDisk | None,
        allowed: tuple[Harm, ...],
        shared: Shared,
    ) -> None:
        self.place, self.pool, self.seed, self._disk, self._allowed = place, pool, seed, disk, allowed
        self._rng, self._tally, self._say = shared.rng, shared.tally, shared.say
        self.project = (place if disk is None else disk.folder) / "project"
        self.evidence = place / "evidence"
        self._scratch = place / "at-rest"
        self._held: Held = {}
        self._n_owed = 0
        self._pulse: object = None
        write_project(self.project, pool, seed)

    @property
    def name(self) -> str:
        return self.place.name

    def complete(self) -> float:
        """Run without harm; returns how long it took, s."""
        session = Session(self.project, self.evidence, forked=True)
        try:
            if session.wait(STUCK_S) != 0:
                raise Broken(f"{session.folder}: an undisturbed campaign did not succeed: {session.said()[-2000:]}")
            return session.age_s
        finally:
            session.end()

    def _start(self) -> Session:
        """The next session; every tenth of all is the true command."""
        self._tally.n_sessions += 1
        is_true = self._tally.n_sessions % TRUE_COMMAND_EVERY == 0
        return Session(self.project, self.evidence, forked=not is_true)

    def torment(self, n_kills: int, length_s: float) -> Verdict:
        """Harm and resume it until it is complete, or until all harm is done; then judge it."""
        session = self._start()
        try:
            while True:
                ends_by_itself = self._tally.n_kills >= n_kills
                instant_s = None if ends_by_itself else self._rng.uniform(0.0, length_s)
                self._watch(session, instant_s)
                if session.poll() is not None:
                    self._expect(session, frozenset({0}), "by itself")
                    break
                session = self._harm(session)
            self._drain(session)
            self._resumed(session)
            return judge(self.project, self.evidence)
        except (Broken, AimsPaxError, sqlite3.Error) as failure:
            self._say(f"FAILED {self.name}: {failure}")
            return Verdict(other=[f"{type(failure).__name__}: {failure}"])
        finally:
            session.end()

    def _watch(self, session: Session, until_s: float | None) -> None:
        """Let it run for so long from now, or to its end; note when it got on for the first time."""
        begun = last_news = time.monotonic()
        while session.poll() is None and (until_s is None or time.monotonic() - begun < until_s):
            is_urgent = self._n_owed > 0
            if is_urgent or time.monotonic() - last_news > 1.0:
                if self._got_on():
                    last_news = time.monotonic()
                    self._resumed(session)
                elif time.monotonic() - last_news > STUCK_S:
                    raise Broken(f"nothing has come for {STUCK_S:g} s")
            time.sleep(LOOK_S)

    def _got_on(self) -> bool:
        """Whether something was committed since the last look."""
        before, now = self._pulse, pulse(self.project)
        if now is None or now == before:
            return False
        self._pulse = now
        return True

    def _resumed(self, session: Session) -> None:
        """It got on, or has ended well, after all harm that was done to it so far."""
        if self._n_owed and not session.was_measured and session.poll() is None:
            way = "forked" if session.forked else "aims-pax run"
            self._tally.to_resume_s[way].append(session.age_s)
        session.was_measured = True
        self._tally.n_resumed += self._n_owed
        self._n_owed = 0

    def _harm(self, session: Session) -> Session:
        """Do one harm; returns the session that goes on, this one or the next."""
        harm, target = drawn(self._rng, session, self._allowed)
        manner = MANNERS[harm]
        self._remember(held_by(self.project))
        has_begun, age_s = session.has_begun, session.age_s
        self._tally.n_kills += 1
        self._tally.harms[harm] += 1
        self._n_owed += 1
        self._got_on()
        struck = time.monotonic()
        strike(harm, session, target, disk=self._disk, rng=self._rng)
        codes = manner.codes
        if not has_begun:  # no campaign yet, only a starting interpreter
            codes |= {-one for one in (2, 10, 15)} | {130}
            if harm is Harm.FULL_DISK:
                codes |= {2}  # its check finds no room
        if manner.must_end:
            session.wait(manner.within_s)
            if session.poll() is None:
                raise Broken(f"{harm}, {age_s:.1f} s after the start: still there after {manner.within_s:g} s")
        else:
            self._until_it_shows(session)
        took_s = time.monotonic() - struck
        words = f"{self._tally.n_kills:4d}  {self.name} ({self.pool})  {age_s:5.1f} s  {harm}"
        if session.poll() is None:
            self._say(f"{words}: goes on after {took_s:.1f} s")
            self._look(self.project)
            self._resumed(session)
            return session
        self._say(f"{words}: ended with {session.poll()} after {took_s:.1f} s")
        if harm is Harm.FULL_DISK and NOT_BEGUN in session.said():
            codes |= {2}  # the probe finds no room
        if harm in SIGNALS and OVER in session.said():
            codes |= {-SIGNALS[harm]}  # no campaign any more, only an interpreter that ends
        self._expect(session, codes | {0}, harm)
        return session if session.poll() == 0 else self._again(session, harm)

    def _until_it_shows(self, session: Session) -> None:
        """Wait until the campaign has ended or got on."""
        deadline = time.monotonic() + STUCK_S
        while session.poll() is None and not self._got_on():
            if time.monotonic() > deadline:
                raise Broken(f"it neither ended nor got on within {STUCK_S:g} s")
            time.sleep(LOOK_S)

    def _again(self, session: Session, harm: Harm) -> Session:
        """Look at what an ended session has left, and start the next."""
        left = session.living()
        rest = at_rest(self.project, self._scratch)
        self._look(rest)
        self._pulse = pulse(rest)
        is_read_only = harm is Harm.READ_ONLY
        # Half of the users start again at once, beside the workers of the last session.
        if is_read_only or self._rng.random() < 0.5:
            self._drain(session)
        if is_read_only:
            self._refuse()
        new = self._start()
        if leftover := gone_within(DRAINED_S if left else 0.0, left):
            new.end()
            raise Broken(f"{harm}: {DRAINED_S:g} s later there are {_names(leftover)}")
        return new

    def _refuse(self) -> None:
        """A start on a read-only disk must say so, and do no harm."""
        assert self._disk is not None, "drawn only for campaigns on such a disk"
        with self._disk.read_only():
            session = Session(self.project, self.evidence, forked=True)
            code = session.wait(60.0)
            session.end()
            said = session.said()
            if code != 2 or "Traceback" in said or str(self.project) not in said:
                raise Broken(f"on a read-only disk it ended with {code}, and said: {said[-2000:]}")

    def _drain(self, session: Session) -> None:
        if left := gone_within(DRAINED_S, session.living()):
            raise Broken(f"{DRAINED_S:g} s after its end there are {_names(left)}")

    def _expect(self, session: Session, codes: frozenset[int], after: object) -> None:
        said = session.said()
        if session.poll() not in codes or "Traceback" in said or "did not foresee" in said:
            allowed = ", ".join(map(str, sorted(codes)))
            raise Broken(f"after {after}: exit code {session.poll()} ({allowed} expected), and it said: {said[-3000:]}")

    def _look(self, folder: Path) -> None:
        """Look at a store after harm was done to it."""
        if problems := damage(folder):
            raise Broken(f"SQLite finds: {'; '.join(problems)}")
        self._remember(held_by(folder))

    def _remember(self, held: Held) -> None:
        """Labels that were there once must be there for ever, and stay what they are."""
        if gone := missing(self._held, held):
            self._tally.lost |= {(self.name, label_id) for label_id in gone}
            raise Broken(f"the labels {sorted(gone)} were stored, and are gone or not the same")
        self._held = held

    def forget(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.rmtree(self.place, ignore_errors=True)

    def keep(self, folder: Path) -> None:
        """Put its files where they outlive its disk."""
        target = folder / self.name
        shutil.copytree(self.project, target / "project", dirs_exist_ok=True)
        shutil.copytree(self.evidence, target / "evidence", dirs_exist_ok=True)


def _names(processes: list[psutil.Process]) -> str:
    found = []
    for process in processes:
        try:
            found.append(f"{process.pid} ({' '.join(process.cmdline())[:200]})")
        except psutil.Error:
            found.append(str(process.pid))
    return ", ".join(found)
