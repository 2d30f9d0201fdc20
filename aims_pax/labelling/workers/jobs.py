"""Batch jobs of one calculation each, for whoever submits by hand: asked of the queue as the workers of CLUSTER are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from parsl.executors.base import ParslExecutor
from parsl.providers import GridEngineProvider, LocalProvider, LSFProvider, PBSProProvider, SlurmProvider
from parsl.utils import wtime_to_minutes

from aims_pax.errors import Problem, SettingsError
from aims_pax.labelling.workers.cluster import cluster_config
from aims_pax.labelling.workers.configuration import KEY
from aims_pax.settings.cluster import LocalCluster, ParslCluster, SlurmCluster


@dataclass(frozen=True, slots=True)
class JobHead:
    """What stands in a job script before the command.

    Parameters
    ----------
    lines : tuple of str
        For the batch system; {name} in them is the job's. Empty where there is none.
    setup : str
        Shell lines that run first.
    submit : str
        What submits the script: ``sbatch job.sh``.
    n_labels : int
        Labels that share what these lines ask for, where workers ask for it; a job of one has it all to itself.
    """

    lines: tuple[str, ...] = ()
    setup: str = ""
    submit: str = "bash {script}"
    n_labels: int = 1


def job_heads(cluster: LocalCluster | ParslCluster | SlurmCluster, *, n_cores: int) -> dict[str, JobHead]:
    """The head of a job by the label of its executor, in the order of the configuration.

    Raises
    ------
    SettingsError
        A configuration can't be read, or asks for its jobs in a way that is not known here.
    """
    config = cluster_config(cluster, n_cores=n_cores)
    return {executor.label: _head(executor) for executor in config.executors}


def _head(executor: ParslExecutor) -> JobHead:
    provider = getattr(executor, "provider", None)
    make = next((make for kind, make in _HEADS.items() if isinstance(provider, kind)), None)
    if make is None:
        found = f"The executor {executor.label} asks for its jobs by {type(provider).__name__}."
        allowed = ", ".join(kind.__name__ for kind in _HEADS)
        raise SettingsError(Problem(KEY, found, allowed, "Give a job script of your own by --job-script."))
    return make(provider, _n_labels(executor))


def _n_labels(executor: Any) -> int:
    """Labels that a node of a block computes at a time, as far as it is counted."""
    counted = getattr(executor, "max_workers_per_node", None)
    return int(counted) if isinstance(counted, int | float) and 1 <= counted < 1e6 else 1


def _local(provider: Any, _n_labels: int) -> JobHead:
    return JobHead(setup=provider.worker_init.strip())


def _slurm(provider: Any, n_labels: int) -> JobHead:
    """Lines of the user's own come last, and win, as they do for the workers."""
    lines = ["#SBATCH --job-name={name}", "#SBATCH --output=job.out", f"#SBATCH --nodes={provider.nodes_per_block}"]
    lines.append(f"#SBATCH --time={wtime_to_minutes(provider.walltime)}")
    if provider.mem_per_node is not None:
        lines.append(f"#SBATCH --mem={provider.mem_per_node}g")
    if provider.cores_per_node is not None:
        lines.append(f"#SBATCH --cpus-per-task={max(1, provider.cores_per_node // n_labels)}")
        n_labels = 1
    lines += _lines(provider.scheduler_options)
    return JobHead(tuple(lines), provider.worker_init.strip(), "sbatch {script}", n_labels)


def _pbs(provider: Any, n_labels: int) -> JobHead:
    select = f"select={provider.nodes_per_block}:ncpus={provider.cpus_per_node}"
    options = provider.select_options
    select += f":{options.lstrip(':')}" if options else ""
    lines = ["#PBS -N {name}", "#PBS -j oe", "#PBS -o job.out"]
    lines += [f"#PBS -l walltime={provider.walltime}", f"#PBS -l {select}"]
    lines += [f"#PBS -q {provider.queue}"] if provider.queue else []
    lines += [f"#PBS -A {provider.account}"] if provider.account else []
    lines += _lines(provider.scheduler_options)
    setup = f'cd "$PBS_O_WORKDIR" || exit 1\n{provider.worker_init.strip()}'
    return JobHead(tuple(lines), setup, "qsub {script}", n_labels)


def _lsf(provider: Any, n_labels: int) -> JobHead:
    lines = ["#BSUB -J {name}", "#BSUB -o job.out", f"#BSUB -W {wtime_to_minutes(provider.walltime)}"]
    lines += _lines(provider.scheduler_options)
    return JobHead(tuple(lines), provider.worker_init.strip(), "bsub < {script}", n_labels)


def _grid_engine(provider: Any, n_labels: int) -> JobHead:
    lines = ["#$ -N {name}", "#$ -cwd", "#$ -j y", "#$ -o job.out", f"#$ -l h_rt={provider.walltime}"]
    lines += [f"#$ -q {provider.queue}"] if provider.queue else []
    lines += _lines(provider.scheduler_options)
    return JobHead(tuple(lines), provider.worker_init.strip(), "qsub {script}", n_labels)


def _lines(options: str) -> list[str]:
    return [line.rstrip() for line in options.splitlines() if line.strip()]


_HEADS: Final[Mapping[type, Callable[[Any, int], JobHead]]] = {
    LocalProvider: _local,
    SlurmProvider: _slurm,
    PBSProProvider: _pbs,
    LSFProvider: _lsf,
    GridEngineProvider: _grid_engine,
}
"""By Parsl's class for a batch system. Slurm's was run; the others are as Parsl's own scripts have it."""
