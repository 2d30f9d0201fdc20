"""Commands of engines as people write them."""

import shlex

import pytest
from pydantic import TypeAdapter, ValidationError

from aims_pax.settings.reading.command import Command, filled

COMMANDS = TypeAdapter(Command)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("aims.x", "aims.x"),
        ("  srun aims.x >> aims.out", "srun aims.x"),
        ("srun aims.x > aims.out 2> aims.err", "srun aims.x"),
        ("srun aims.x > aims.out 2>&1", "srun aims.x"),
        ("mpiexec -n {ranks} pw.x", "mpiexec -n {ranks} pw.x"),
        ("pw2>out", "pw2"),
        ("bash -c 'ulimit -s unlimited; exec aims.x'", "bash -c 'ulimit -s unlimited; exec aims.x'"),
    ],
)
def test_a_command_keeps_its_words_and_loses_its_redirections(written: str, kept: str) -> None:
    assert COMMANDS.validate_python(written) == kept


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("", "names no program"),
        ("> aims.out", "names no program"),
        ("''", "names no program"),
        ("srun 'aims.x", "can't be split into words"),
        ("aims.x | tee aims.out", "holds '|'"),
        ("module load aims; srun aims.x", "holds ';'"),
        ("$HOME/bin/aims.x", "holds '\\$'"),
        ("~/bin/aims.x", "holds '~'"),
        ("aims.x < control.in", "holds '<'"),
        ("a\nb", "holds 'a line break'"),
        ("OMP_NUM_THREADS=1 srun aims.x > aims.out", "write: env OMP_NUM_THREADS=1 srun aims.x \\["),
        ("bin/aims.x", "holds 'bin/aims.x', and every label is computed in a folder of its own"),
        ("srun ./aims.x", "holds './aims.x', and every label is computed in a folder of its own"),
        ("srun -n {ranks aims.x", "holds {ranks aims.x, which is none of {nodes}"),
        ("srun -n {tasks} aims.x", "{tasks}, which is none of {nodes}, {ranks}, {threads}"),
    ],
)
def test_what_only_a_shell_could_read_is_refused(written: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        COMMANDS.validate_python(written)


def test_placeholders_are_filled_by_position_of_their_name() -> None:
    command = filled("srun -N {nodes} -n {ranks} -c {threads} aims.x", nodes=2, ranks=64, threads=4)
    assert shlex.split(command) == ["srun", "-N", "2", "-n", "64", "-c", "4", "aims.x"]


def test_a_command_without_placeholders_stays_as_it_is() -> None:
    assert filled("aims.x", nodes=2, ranks=64, threads=4) == "aims.x"
