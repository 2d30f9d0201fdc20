"""Parsl's interchange as a child that can't outlive the campaign.

Started on its own, the interchange stays when the campaign is killed, holds its standard output, and keeps workers
waiting; and a Ctrl-C in the terminal reaches it before the campaign, whose cleanup then hangs. So it gets a session
of its own, and the kernel kills it when the thread that started it ends.

Run as ``python -m aims_pax.labelling.workers.interchange PARENT_PID``; Parsl sends the configuration on standard input.
"""

import logging
import os
import runpy
import signal
import sys

from aims_pax.reference.process.leash import ask_for_signal


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent ends, and leave at once when it has ended already."""
    ask_for_signal(signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the campaign ended before its interchange had started")


if __name__ == "__main__":
    os.setsid()
    die_with_parent(int(sys.argv[1]))
    logging.raiseExceptions = False  # a full disk would show a traceback in the campaign's terminal for every line
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")
