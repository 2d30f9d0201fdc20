"""What the machine has: cores, memory, disk, compilers, MPI, batch systems."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

from aims_pax.checking.installation.finding import Finding, Standing
from aims_pax.reference.process.leash import leashed

ANSWER_S: Final = 5.0
"""How long a program may take to tell of itself."""

LITTLE_MEMORY_GB: Final = 4.0
"""Below that, PyTorch, four small models and a worker do not fit together."""

LITTLE_DISK_GB: Final = 2.0
"""A campaign of molecules writes some 100 MB; checkpoints of large models, and files of engines, much more."""

LAUNCHERS: Final = ("mpiexec", "mpirun", "srun")

BATCH_SYSTEMS: Final = {
    "Slurm": ("sbatch", ("sinfo", "--noheader", "--format=%R")),
    "PBS or Grid Engine": ("qsub", ("qstat", "-Q")),
    "LSF": ("bsub", ("bqueues",)),
}
"""The command that submits, and one that a working system answers."""


def cores_and_memory() -> Finding:
    """What this process may use."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    free_gb = _available_gb()
    facts = {"cores": n_cores, "memory_gb": round(total_gb, 1), "available_gb": free_gb and round(free_gb, 1)}
    cores = "1 core" if n_cores == 1 else f"{n_cores} cores"
    free = "" if free_gb is None else f", {free_gb:.0f} GB of it free"
    words = f"{cores}, {total_gb:.0f} GB of memory{free}"
    if (total_gb if free_gb is None else free_gb) < LITTLE_MEMORY_GB:
        return Finding(
            "machine", Standing.WRONG, words, "Four small models want 4 GB: end other programs.", facts=facts
        )
    return Finding("machine", Standing.READY, words, facts=facts)


def disk(folder: Path) -> Finding:
    """Room where a campaign would run.

    Parameters
    ----------
    folder : Path
        An existing one.
    """
    free_gb = shutil.disk_usage(folder).free / 1e9
    facts = {"folder": str(folder), "free_gb": round(free_gb, 1)}
    if not os.access(folder, os.W_OK):
        found = f"{folder} can't be written to"
        return Finding("disk", Standing.WRONG, found, "Change to a folder of your own.", True, facts)
    words = f"{free_gb:.0f} GB free in {folder}"
    if free_gb < LITTLE_DISK_GB:
        return Finding("disk", Standing.WRONG, words, "Make room, or change to another disk.", facts=facts)
    return Finding("disk", Standing.READY, words, facts=facts)


def compiler() -> Finding:
    """What `compile: true` needs on a CPU: a C++ compiler and Python's headers."""
    name = os.environ.get("CXX") or "g++"
    program = shutil.which(name)
    header = Path(sysconfig.get_path("include"), "Python.h")
    facts = {"compiler": program, "headers": header.is_file()}
    advice = "For compile: true only. Debian: apt-get install g++ python3-dev"
    if program is None:
        return Finding("C++ compiler", Standing.ABSENT, f"no {name} for compile: true", advice, facts=facts)
    if not header.is_file():
        found = f"{program}, but Python's headers are missing"
        return Finding("C++ compiler", Standing.ABSENT, found, advice, facts=facts)
    told = _first_line([program, "--version"])
    number = re.search(r"\d+(\.\d+)+", told or "")
    words = " ".join(filter(None, (program, number and number[0], "and Python's headers, for compile: true")))
    return Finding("C++ compiler", Standing.READY, words, facts=facts)


def launchers() -> Finding:
    """Programs that start the ranks of MPI engines."""
    found = {name: where for name in LAUNCHERS if (where := shutil.which(name)) is not None}
    facts = {"launchers": found}
    if not found:
        advice = "Only engines of MPI need one: that of the MPI that they were built with (module load)."
        return Finding("MPI", Standing.ABSENT, f"no {', '.join(LAUNCHERS)}", advice, facts=facts)
    first = next(iter(found.values()))
    told = None if Path(first).name == "srun" else _mpi_told(first)
    return Finding("MPI", Standing.READY, f"{', '.join(found)}{f'; {told}' if told else ''}", facts=facts)


def batch_system() -> Finding:
    """Commands of a batch system, and whether it answers."""
    for name, (submit, (query, *options)) in BATCH_SYSTEMS.items():
        if shutil.which(submit) is None:
            continue
        answer = _output([query, *options])
        queues = sorted(set(answer.split())) if answer is not None and name == "Slurm" else []
        facts = {"system": name, "answers": answer is not None, "partitions": queues}
        if answer is None:
            advice = f"Only labels in batch jobs need it. See what `{query}` says."
            return Finding(
                "batch system", Standing.ABSENT, f"{submit} is here, but {name} does not answer", advice, facts=facts
            )
        listed = f", partitions {', '.join(queues[:6])}{', ...' if len(queues) > 6 else ''}" if queues else ""
        return Finding("batch system", Standing.READY, f"{name}{listed}", "", facts=facts)
    found = "no sbatch, qsub or bsub: labels run on this machine"
    return Finding("batch system", Standing.ABSENT, found, facts={"system": None})


def _available_gb() -> float | None:
    """Memory that could be had now, GB; None where the kernel does not say."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024 / 1e9


def _mpi_told(program: str) -> str | None:
    """Name and version of an MPI, as its launcher tells."""
    text = _output([program, "--version"]) or ""
    if "Open MPI" in text or "OpenRTE" in text:
        number = re.search(r"\d+\.\d+\.\d+", text)
        return f"Open MPI {number[0]}" if number else "Open MPI"
    if "HYDRA" in text:
        number = re.search(r"Version: +(\S+)", text)
        return f"MPICH {number[1]}" if number else "MPICH"
    return next((line.strip()[:50] for line in text.splitlines() if line.strip()), None)


def _first_line(command: list[str]) -> str | None:
    return next(iter((_output(command) or "").splitlines()), None)


def _output(command: list[str]) -> str | None:
    """What a program prints; None when it can't be started, fails, or takes too long."""
    try:
        done = subprocess.run(
            leashed(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None
