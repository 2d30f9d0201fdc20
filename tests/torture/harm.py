"""What can happen to a campaign, and how each of it is done."""

import random
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import psutil

from aims_pax.face.signals import ECHO_S

from .disk import SmallDisk
from .session import Role, Session


class Harm(StrEnum):
    """One kind of harm."""

    KILL_MAIN = "SIGKILL to the campaign"
    KILL_WORKER = "SIGKILL to a worker"
    KILL_MANAGER = "SIGKILL to the workers' manager"
    KILL_INTERCHANGE = "SIGKILL to Parsl's interchange"
    KILL_ALL = "SIGKILL to all processes at once"
    TERM = "SIGTERM"
    WARN = "SIGUSR1"
    INTERRUPT = "Ctrl-C"
    INTERRUPT_TWICE = "Ctrl-C, twice"
    STOP_MAIN = "SIGSTOP to the campaign for a while"
    STOP_WORKER = "SIGSTOP to a worker for a while"
    FULL_DISK = "disk full"
    READ_ONLY = "SIGKILL, then a start on a read-only disk"


@dataclass(frozen=True, slots=True)
class Manner:
    """How often a harm is done, and what may come of it.

    Parameters
    ----------
    weight : float
    codes : frozenset of int
        With which the campaign may end.
    must_end : bool
        Whether it must; else it may as well go on.
    within_s : float
        How long an end may take.
    """

    weight: float
    codes: frozenset[int]
    must_end: bool = True
    within_s: float = 5.0


LEAVING_S: Final = 30.0

MANNERS: Final[Mapping[Harm, Manner]] = {
    Harm.KILL_MAIN: Manner(6, frozenset({-signal.SIGKILL})),
    Harm.KILL_ALL: Manner(2, frozenset({-signal.SIGKILL})),
    Harm.KILL_WORKER: Manner(3, frozenset(), must_end=False),
    Harm.KILL_MANAGER: Manner(1, frozenset(), must_end=False),
    Harm.KILL_INTERCHANGE: Manner(1, frozenset({1, 3}), must_end=False, within_s=60.0),
    Harm.TERM: Manner(2, frozenset({128 + signal.SIGTERM}), within_s=LEAVING_S),
    Harm.WARN: Manner(2, frozenset({75}), within_s=LEAVING_S),
    Harm.INTERRUPT: Manner(2, frozenset({128 + signal.SIGINT}), within_s=LEAVING_S),
    Harm.INTERRUPT_TWICE: Manner(1, frozenset({128 + signal.SIGINT})),
    Harm.STOP_MAIN: Manner(1, frozenset(), must_end=False),
    Harm.STOP_WORKER: Manner(1, frozenset(), must_end=False),
    Harm.FULL_DISK: Manner(2, frozenset({1}), must_end=False),
    Harm.READ_ONLY: Manner(1, frozenset({-signal.SIGKILL})),
}
"""Each harm once in this table; 75 and 3 are the program's own codes (docs/durability.md)."""

TARGETS: Final = {
    Harm.KILL_WORKER: Role.WORKER,
    Harm.STOP_WORKER: Role.WORKER,
    Harm.KILL_MANAGER: Role.MANAGER,
    Harm.KILL_INTERCHANGE: Role.INTERCHANGE,
}
"""Harms that need a process which is not always there."""

SIGNALS: Final = {
    Harm.TERM: signal.SIGTERM,
    Harm.WARN: signal.SIGUSR1,
    Harm.INTERRUPT: signal.SIGINT,
    Harm.INTERRUPT_TWICE: signal.SIGINT,
}

ON_SMALL_DISK: Final = (Harm.FULL_DISK, Harm.READ_ONLY)
FULL_FOR_S: Final = 6.0


def drawn(rng: random.Random, session: Session, allowed: tuple[Harm, ...]) -> tuple[Harm, psutil.Process | None]:
    """A harm by weight among those that can be done now, and its target where that is not the campaign itself."""
    targets = {role: session.of(role) for role in set(TARGETS.values())}
    possible = [harm for harm in allowed if harm not in TARGETS or targets[TARGETS[harm]]]
    (harm,) = rng.choices(possible, [MANNERS[one].weight for one in possible])
    return harm, rng.choice(targets[TARGETS[harm]]) if harm in TARGETS else None


def strike(
    harm: Harm, session: Session, target: psutil.Process | None, *, disk: SmallDisk | None, rng: random.Random
) -> None:
    """Do it; returns when it is over, while what comes of it may still be under way."""
    main = psutil.Process(session.pid) if session.poll() is None else None
    with suppress(psutil.NoSuchProcess):
        match harm:
            case Harm.KILL_MAIN | Harm.READ_ONLY:
                _signal(main, signal.SIGKILL)
            case Harm.KILL_ALL:
                for process in [*session.of(Role.MANAGER), *session.living()]:
                    _signal(process, signal.SIGKILL)
            case Harm.KILL_WORKER | Harm.KILL_MANAGER | Harm.KILL_INTERCHANGE:
                _signal(target, signal.SIGKILL)
            case Harm.STOP_MAIN | Harm.STOP_WORKER:
                _stop_for(main if harm is Harm.STOP_MAIN else target, rng.uniform(1.0, 3.0))
            case Harm.FULL_DISK:
                assert disk is not None, "drawn only for campaigns on such a disk"
                disk.fill()
                session.wait(FULL_FOR_S)
                disk.make_room()
            case _:
                _signal(main, SIGNALS[harm])
                if harm is Harm.INTERRUPT_TWICE:
                    # What comes sooner is taken for an echo of the first one, by which it leaves in good order.
                    session.wait(ECHO_S + rng.uniform(0.2, 0.7))
                    if session.poll() is None:
                        _signal(main, SIGNALS[harm])


def _signal(process: psutil.Process | None, number: signal.Signals) -> None:
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _stop_for(process: psutil.Process | None, seconds: float) -> None:
    if process is not None:
        process.suspend()
        time.sleep(seconds)
        process.resume()
