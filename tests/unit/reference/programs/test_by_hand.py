"""Input that a person starts is that of the reference, file by file."""

import re
import subprocess
from pathlib import Path

import pytest
from ase.units import Hartree, Rydberg

from aims_pax.frame import Label
from aims_pax.reference.programs.by_hand import BY_HAND
from aims_pax.reference.programs.engine_table import ENGINES
from aims_pax.reference.programs.engines import EngineReference
from aims_pax.settings.methods.engines import EngineSettings, GpawSettings

from .... import programs
from ..test_programs import SILICON, WATER, settings_of, stand_in

KINDS = ("abinit", "castep", "dftb+", "espresso", "nwchem", "orca", "siesta", "vasp")
"""All but CP2K and GPAW, which read no file of ASE's."""

OUTPUTS = {"failure.txt", "structure.extxyz"}


def written(settings: EngineSettings, folder: Path, *, kind: str = "") -> str:
    folder.mkdir()
    frame = WATER if kind in ("nwchem", "orca", "cp2k") else SILICON
    return EngineReference(settings).write_input(frame, folder=folder, want_stress=True).line


def files(folder: Path, *, without: set[str]) -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8").replace(str(folder.resolve()), ".")
        for path in folder.iterdir()
        if path.is_file() and path.name not in without
    }


def test_every_program_is_in_the_table() -> None:
    assert BY_HAND.keys() == ENGINES.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_input_is_what_the_reference_writes(kind: str, tmp_path: Path) -> None:
    (tmp_path / "Si.psml").write_text("of silicon", encoding="utf-8")
    command = stand_in(tmp_path)
    settings = settings_of(kind, tmp_path, command=command)
    line = written(settings, tmp_path / "deck", kind=kind)
    frame = WATER if kind in ("nwchem", "orca") else SILICON
    EngineReference(settings).label(frame, folder=tmp_path / "label", want_stress=True)
    outputs = OUTPUTS | set(outputs_of(line)) | {"stderr.txt"}
    expected = files(tmp_path / "label", without=outputs)
    found = files(tmp_path / "deck", without=set())
    assert expected
    assert {name: said(text) for name, text in found.items()} == {name: said(text) for name, text in expected.items()}
    assert line.startswith(command)


def said(text: str) -> str:
    """Without comments, in which CASTEP's input tells the time and how the program is started."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_started_and_no_program_is_needed(kind: str, tmp_path: Path) -> None:
    (tmp_path / "Si.psml").touch()
    settings = settings_of(kind, tmp_path, command=f"srun {tmp_path / 'there_is_none'}")
    assert written(settings, tmp_path / "deck", kind=kind).startswith(f"srun {tmp_path / 'there_is_none'}")


def test_input_of_cp2k_is_that_of_its_shell_with_forces_printed(tmp_path: Path) -> None:
    settings = settings_of("cp2k", tmp_path, command=f"{tmp_path / 'none'} -s")
    assert (
        written(settings, tmp_path / "deck", kind="cp2k")
        == f"{tmp_path / 'none'} -i cp2k.inp -o cp2k.out 2> stderr.txt"
    )
    text = (tmp_path / "deck" / "cp2k.inp").read_text(encoding="utf-8")
    assert "&FORCES ON" in text
    assert text.count("&COORD") == 1


def test_input_of_gpaw_is_a_script_of_its_arguments(tmp_path: Path) -> None:
    settings = GpawSettings(launch="mpiexec -n 2", kspacing=0.51, parameters={"mode": {"name": "pw", "ecut": 250}})
    assert written(settings, tmp_path / "deck") == "mpiexec -n 2 python run.py"
    script = (tmp_path / "deck" / "run.py").read_text(encoding="utf-8")
    compile(script, "run.py", "exec")
    assert "'kpts': {'gamma': True, 'size': (4, 4, 4)}" in script
    assert "for quantity in ['energy', 'forces', 'stress']" in script


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("cp2k", "nwchem")]


@pytest.mark.parametrize("kind", ["espresso", "abinit", *SLOW])
def test_input_that_is_started_by_hand_gives_the_energy_of_the_reference(kind: str, tmp_path: Path) -> None:
    settings = getattr(programs, kind)()
    if (why := programs.missing(settings)) is not None:
        pytest.skip(why)
    reference, frame = EngineReference(settings), WATER if kind in ("nwchem", "cp2k") else SILICON
    label = reference.label(frame, folder=tmp_path / "label", want_stress=True)
    assert isinstance(label, Label), label
    (tmp_path / "deck").mkdir()
    line = reference.write_input(frame, folder=tmp_path / "deck", want_stress=True).line
    subprocess.run(["bash", "-c", line], cwd=tmp_path / "deck", check=True)
    pattern, unit = ENERGIES[kind]
    output = (tmp_path / "deck" / outputs_of(line)[0]).read_text(encoding="utf-8")
    energies = re.findall(pattern, output)
    assert float(energies[-1]) * unit == pytest.approx(label.energy, rel=1e-7)  # readers' units differ by 8e-8


ENERGIES = {
    "espresso": (r"!    total energy +=\s+(\S+) Ry", Rydberg),
    "cp2k": (r"ENERGY\| Total FORCE_EVAL .*\s(-\S+)", Hartree),
    "nwchem": (r"Total DFT energy =\s+(\S+)", Hartree),
    "abinit": (r"etotal\d*\s+(\S+)", Hartree),
}
"""Where each program prints its energy, and the unit, eV."""


def outputs_of(line: str) -> list[str]:
    return re.findall(r"(?:>|-o)\s*(\S+)", line)
