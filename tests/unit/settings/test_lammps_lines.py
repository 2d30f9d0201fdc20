"""Lines of LAMMPS as users write them."""

from pathlib import Path

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings.motion.lammps_lines import DEFAULTS, NAMES, WHY_NOT, LammpsLines, default_lines

GOOD = """\
# heat slowly
fix move all nvt temp ${temperature} &
    ${temperature} $(100*dt)   # ps

variable stretch equal 0.1*step
fix pull Cu colvars ${inputs}/pull.colvars
"""


def test_comments_vanish_and_continued_lines_are_one_with_the_number_of_the_first() -> None:
    lines = LammpsLines.of(GOOD)
    assert [number for number, _ in lines.commands] == [2, 5, 6]
    assert lines.commands[0][1].split()[-2:] == ["${temperature}", "$(100*dt)"]


def test_every_line_that_may_not_stand_there_is_named_with_its_reason() -> None:
    """All at once, each with its number."""
    text = "units real\nfix 1 all nve\nrun 100\nshell rm x\nfix 2 all gcmc 1\nfix pax_x all nve\nnonsense 1\n"
    with pytest.raises(SettingsError, match=r"in\.lmp, line 1: units may not stand here") as caught:
        LammpsLines.of(text, source="in.lmp")
    where = [problem.where for problem in caught.value.problems]
    assert where == [f"in.lmp, line {number}" for number in (1, 3, 4, 5, 6, 7)]
    found = [problem.found for problem in caught.value.problems]
    assert "how far a trajectory goes is said by the program" in found[1]
    assert "gcmc changes which atoms there are" in found[3]
    assert "begins with pax_" in found[4]
    assert found[5] == "nonsense may not stand here."


@pytest.mark.parametrize("command", sorted(WHY_NOT))
def test_a_command_that_is_the_programs_is_refused_with_a_reason(command: str) -> None:
    with pytest.raises(SettingsError, match=rf"line 2: {command} may not stand here: \w"):
        LammpsLines.of(f"fix 1 all nve\n{command} a b c\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fix 1 all nvt temp ${temperatur} 300 0.1", r"nothing is known of \$\{temperatur\}"),
        ("variable seed equal 1\nfix 1 all nve", "seed is filled in by the program"),
        ("variable x python f\nfix 1 all nve", "a variable of style python"),
        ("thermo 10\n", "nothing moves the atoms"),
        ("minimize 0 0.1 10 10\nfix 1 all nve\n", "minimize is not the last line"),
        ("", "nothing moves the atoms"),
    ],
)
def test_what_would_go_wrong_later_is_said_at_once(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        LammpsLines.of(text)


def test_a_variable_of_the_users_own_may_be_used() -> None:
    lines = LammpsLines.of("variable t equal 300\nfix 1 all nvt temp ${t} ${t} 0.1")
    assert len(lines.commands) == 2


@pytest.mark.parametrize(
    ("text", "wants_stress"),
    [
        ("fix 1 all nvt temp 300 300 0.1", False),
        ("fix 1 all npt temp 300 300 0.1 iso 0 0 1", True),
        ("fix 1 all nve\nfix 2 all press/berendsen iso 0 0 1", True),
        ("fix 1 all nve\nthermo_style custom step press", True),
        ("fix 1 all box/relax iso 0\nminimize 0 0.1 10 10", True),
    ],
)
def test_stress_is_computed_where_a_pressure_is_asked_for(text: str, wants_stress: bool) -> None:
    """It costs a model a quarter more."""
    assert LammpsLines.of(text).wants_stress == wants_stress


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_default_lines_are_lines_that_may_be_written(name: str) -> None:
    lines = default_lines(name)
    assert lines.minimizes == (name == "relaxation")
    assert lines.wants_stress == (name == "npt")
    assert lines.is_stochastic == (name == "langevin") == (not lines.keeps_momentum)


def test_lines_know_the_folder_of_their_file(tmp_path: Path) -> None:
    """For files that they name by ${inputs}."""
    file = tmp_path / "in.lmp"
    file.write_text("fix 1 all colvars ${inputs}/a\n", encoding="utf-8")
    assert LammpsLines.read(file).folder == str(tmp_path)
    assert "inputs" in NAMES
    with pytest.raises(SettingsError, match=r"none\.lmp: can't be read"):
        LammpsLines.read(tmp_path / "none.lmp")
