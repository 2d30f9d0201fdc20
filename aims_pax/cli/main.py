"""Entry points of the installed programs; Ctrl-C while they import all else shows no traceback."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aims_pax.departure import Reason


def run_program() -> None:
    """Entry point of ``aims-pax``."""
    with _left_without_delay():
        from aims_pax.cli.program import program

        program()


def run_idg() -> None:
    """Entry point of ``aims-pax-idg``, the same as ``aims-pax idg``."""
    with _left_without_delay():
        from aims_pax.cli.program import idg_program

        idg_program()


def run_al() -> None:
    """Entry point of ``aims-pax-al``, the same as ``aims-pax al``."""
    with _left_without_delay():
        from aims_pax.cli.program import al_program

        al_program()


@contextmanager
def _left_without_delay() -> Iterator[None]:
    """End a process that was asked to leave as soon as all is closed.

    Python would wait for the threads of libraries that may hang, longer than a batch system waits for this process.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as ended:
        code = ended.code if isinstance(ended, SystemExit) else Reason.INTERRUPTED.exit_code
        if code in {reason.exit_code for reason in Reason}:
            with suppress(OSError):  # nobody reads it any more
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(int(code))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is done; Python tidies up, and would show a traceback
        raise
