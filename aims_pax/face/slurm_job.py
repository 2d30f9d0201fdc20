"""The Slurm job that a command runs in."""

import os
import subprocess
from typing import Final

END: Final = "SLURM_JOB_END_TIME"
"""The variable by which newer Slurms tell a job its end, Unix time."""

ANSWER_S: Final = 15.0
"""How long Slurm's controller may take to answer; a campaign can do without."""


def end_of_job() -> str:
    """When Slurm will end the job that this process runs in, as it says it: Unix time; empty when it says nothing.

    Slurms that leave the variable out (22.05 is one) are asked by squeue.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    if END in os.environ or not job.isdecimal():
        return os.environ.get(END, "")
    command = ["squeue", "--noheader", "--format=%e", f"--jobs={job}"]
    try:
        answer = subprocess.run(
            command,
            env=os.environ | {"SLURM_TIME_FORMAT": "%s"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    said = answer.stdout.strip()
    return said if said.isdecimal() else ""  # words, for a job without a limit
