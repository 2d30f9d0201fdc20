"""Heads of jobs ask for what the workers of CLUSTER ask for."""

import pytest

from aims_pax.errors import SettingsError
from aims_pax.labelling.workers.jobs import JobHead, job_heads
from aims_pax.settings.cluster import LocalCluster, ParslCluster, SlurmCluster


def head(ready: str, **options: object) -> JobHead:
    return next(iter(job_heads(ParslCluster(parsl_config=ready, options=options), n_cores=2).values()))


def test_slurm_asks_for_nodes_time_and_whatever_the_user_says() -> None:
    asked = head(
        "slurm_node_per_label",
        partition="cpu",
        account="me",
        ranks_per_node=16,
        walltime="02:00:00",
        worker_init="load",
    )
    for line in ("--nodes=1", "--time=120", "--partition=cpu", "--account=me", "--ntasks-per-node=16", "--exclusive"):
        assert f"#SBATCH {line}" in asked.lines
    assert asked.setup.splitlines()[-1] == "load"
    assert asked.submit == "sbatch {script}"
    assert asked.n_labels == 1


def test_job_of_one_label_asks_for_its_share_of_the_cores() -> None:
    asked = head("slurm_packed", cores_per_node=128, labels_per_node=16)
    assert "#SBATCH --cpus-per-task=8" in asked.lines
    assert "#SBATCH --exclusive" not in asked.lines
    assert asked.n_labels == 1


def test_lines_of_v02_stand_last_and_labels_that_share_them_are_counted() -> None:
    cluster = SlurmCluster(
        slurm_str="#SBATCH --time=03:00:00\n#SBATCH -p big", worker_str="module load aims", tasks_per_node=4
    )
    (asked,) = job_heads(cluster, n_cores=2).values()
    assert asked.lines.index("#SBATCH --time=03:00:00") > asked.lines.index("#SBATCH --time=10")
    assert "#SBATCH -p big" in asked.lines
    assert "module load aims" in asked.setup
    assert asked.n_labels == 4


@pytest.mark.parametrize(
    ("ready", "options", "lines", "submit"),
    [
        (
            "pbs",
            {"queue": "workq", "cores_per_node": 64, "ranks_per_node": 32, "walltime": "01:00:00"},
            ["#PBS -l walltime=01:00:00", "#PBS -l select=1:ncpus=64:mpiprocs=32:ompthreads=1", "#PBS -q workq"],
            "qsub {script}",
        ),
        (
            "lsf",
            {"queue": "normal", "cores_per_node": 8},
            ["#BSUB -W 720", "#BSUB -q normal", "#BSUB -n 8"],
            "bsub < {script}",
        ),
        ("sge", {"queue": "all.q"}, ["#$ -cwd", "#$ -q all.q", "#$ -l h_rt=12:00:00"], "qsub {script}"),
    ],
)
def test_other_batch_systems(ready: str, options: dict[str, object], lines: list[str], submit: str) -> None:
    asked = head(ready, **options)
    assert [line for line in lines if line not in asked.lines] == []
    assert asked.submit == submit


def test_pbs_begins_in_the_folder_that_it_was_submitted_from() -> None:
    assert head("pbs").setup.startswith('cd "$PBS_O_WORKDIR"')


def test_workers_of_this_machine_need_no_batch_system() -> None:
    (asked,) = job_heads(LocalCluster(), n_cores=2).values()
    assert asked.lines == ()


def test_configuration_that_can_not_be_read_is_told() -> None:
    with pytest.raises(SettingsError, match="does not take these options"):
        head("slurm_packed", nonsense=1)
