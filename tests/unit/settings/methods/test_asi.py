"""Projects whose engine is a library."""

import pytest

from aims_pax.settings.methods.asi import AsiInput
from aims_pax.settings.methods.reference import ReferencesBySystem

from ..conftest import AL, IDG, MD, ProjectFolder

ASI = """\
REFERENCE:
  type: asi
  library: libaims.so
  launch: mpiexec -n 2
  environment: {OMP_NUM_THREADS: "1"}
"""

CONTROL = "xc pbe  # a comment\nspecies O\n  nucleus 8\nspecies H\n  nucleus 1\n"


@pytest.fixture
def project(folder: ProjectFolder) -> ProjectFolder:
    folder.file("libaims.so")
    folder.file("control.in", CONTROL)
    return folder


def test_a_library_gets_the_input_of_the_project_and_the_ranks_of_the_cluster(project: ProjectFolder) -> None:
    cluster = "CLUSTER:\n  type: local\n  max_workers: 1\n  systems: {water: {ranks: 4}}\n"
    asi = ASI.replace("-n 2", "-n {ranks}")
    reference = project.write(IDG + AL + MD + asi + cluster).load().reference
    assert not isinstance(reference, ReferencesBySystem)
    assert isinstance(reference, AsiInput)
    assert reference.library == project.path / "libaims.so"
    assert reference.launcher == ("mpiexec", "-n", "4")
    assert reference.own_environment == {"OMP_NUM_THREADS": "1"}
    assert reference.aims is not None
    assert reference.aims.control_text == CONTROL


def test_the_input_is_what_tells_one_run_from_another(project: ProjectFolder) -> None:
    project.write(IDG + AL + MD + ASI)
    before = project.load().reference
    project.file("control.in", CONTROL.replace("pbe", "pw-lda"))
    after = project.load().reference
    assert isinstance(before, AsiInput)
    assert isinstance(after, AsiInput)
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (ASI.replace("libaims.so", "missing.so"), "missing.so, which can't be opened"),
        (ASI.replace("OMP_NUM_THREADS", '"A=B"'), "not the name of an environment variable"),
        (ASI.replace("mpiexec -n 2", "mpiexec | cat"), "holds '|'"),
        (ASI + "  engine: dftb+\n", "dftb_in.hsd"),
        (ASI + "  engine: dftb+\n  species_dir: .\n", "species_dir is for FHI-aims"),
        (ASI + "  control: other.in\n", "other.in"),
        (ASI + "  engine: dftb+\n  control: control.in\n", "does not include geo.gen"),
        (ASI + "  engine: dftb+\n  control: {0: control.in, 4: control.in}\n", "It has the indices 0, 4."),
    ],
)
def test_what_can_not_work_is_refused_by_name(project: ProjectFolder, settings: str, complaint: str) -> None:
    assert complaint in project.write(IDG + AL + MD + settings).complaint()
