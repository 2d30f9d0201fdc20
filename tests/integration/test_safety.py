"""What runs, listens and is believed: nothing that a file or a stranger could choose."""

import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from typer.testing import CliRunner

from aims_pax.atoms import frame_of
from aims_pax.cli.program import program
from aims_pax.committee import Committee
from aims_pax.errors import ModelError
from aims_pax.labelling.result import RESULT_FILE, read_finished
from aims_pax.labelling.workers.configuration import local_config
from aims_pax.labelling.workers.parsl import ParslPool
from aims_pax.protocols import LabelJob
from aims_pax.settings.methods.reference import TbliteSettings

from .projects import water_project

LISTENING = "0A"


class Hostile:
    """Leaves a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self._mark,))


def children_of(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family


def listening_addresses(pids: list[int]) -> list[IPv4Address | IPv6Address]:
    """Addresses on which these processes accept connections."""
    addresses: dict[str, IPv4Address | IPv6Address] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            words = bytes.fromhex(local.partition(":")[0])
            packed = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
            if state == LISTENING:
                address = ip_address(packed)
                addresses[inode] = getattr(address, "ipv4_mapped", None) or address
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                sockets.add(os.readlink(descriptor))
            except FileNotFoundError:
                continue
    return [address for inode, address in addresses.items() if f"socket:[{inode}]" in sockets]


def test_a_local_pool_listens_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    pool = ParslPool(TbliteSettings(), local_config(1), want_stress=False, run_dir=tmp_path / "parsl")
    try:
        pool.submit(LabelJob(1, frame_of(molecule("H2O"), system="water"), tmp_path / "label-1"))
        pool.collect(timeout_s=60.0)
        addresses = listening_addresses(children_of(os.getpid()))
    finally:
        pool.close()
    assert addresses, "Parsl speaks to its workers over TCP"
    assert all(address.is_loopback for address in addresses), addresses


@pytest.mark.parametrize("forced", ["0", "1"])
def test_a_checkpoint_runs_no_code(forced: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the variable that MACE sets to make torch load pickles as it did of old."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", forced)
    path, mark = tmp_path / "committee_000001.pt", tmp_path / "hostile code has run"
    torch.save({"version": 2, "settings": Hostile(mark)}, path)
    with pytest.raises(ModelError, match=r"committee_000001\.pt: can't be read as a committee \(UnpicklingError\)"):
        Committee.load(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file is as hostile as it should be"


def test_a_result_runs_no_code(tmp_path: Path) -> None:
    job, mark = LabelJob(1, frame_of(molecule("H2O"), system="water"), tmp_path), tmp_path / "hostile code has run"
    with (tmp_path / RESULT_FILE).open("wb") as file:
        np.savez(file, said=np.array([Hostile(mark)], dtype=object))
    assert read_finished(job) is None
    assert not mark.exists()


def test_a_settings_file_runs_no_code(tmp_path: Path) -> None:
    folder, mark = water_project(tmp_path / "project"), tmp_path / "hostile code has run"
    with (folder / "aims_PAX.yaml").open("a") as file:
        file.write(f"PLOT: !!python/object/apply:os.mknod ['{mark}']\n")
    result = CliRunner().invoke(program, ["check", str(folder)])
    assert result.exit_code == 2
    assert "The YAML tag 'tag:yaml.org,2002:python/object/apply:os.mknod' is not supported" in result.output
    assert not mark.exists()


def test_a_command_is_no_script(tmp_path: Path) -> None:
    mark = tmp_path / "hostile code has run"
    changes = {"REFERENCE": {"type": "fhi-aims", "command": f"aims.x; touch '{mark}'"}}
    result = CliRunner().invoke(program, ["check", str(water_project(tmp_path / "project", changes))])
    assert result.exit_code == 2
    assert "no shell reads it" in result.output
    assert not mark.exists()


def test_a_run_folder_with_a_script_for_its_name_is_refused(tmp_path: Path) -> None:
    folder = water_project(tmp_path / "$(touch hostile)", {"CLUSTER": {"type": "local"}})
    result = CliRunner().invoke(program, ["check", str(folder)])
    assert result.exit_code == 2
    assert "can't start workers from such a path" in result.output


def test_the_check_names_model_files_as_pickles(mace_model: Path, tmp_path: Path) -> None:
    changes = {"REFERENCE": {"type": "teacher", "model_path": str(mace_model)}}
    result = CliRunner().invoke(program, ["check", str(water_project(tmp_path / "project", changes))])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "trust: the model that labels" in said
    assert "is a Python pickle, and loading it runs what is in it" in said
