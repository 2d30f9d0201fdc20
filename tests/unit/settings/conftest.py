"""Small projects on disk, to be loaded or to be refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aims_pax.errors import UserError
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project

WATER = """\
3

O 0.000 0.000 0.119
H 0.000 0.763 -0.477
H 0.000 -0.763 -0.477
"""

IDG = """\
INITIAL_DATASET_GENERATION:
  n_points_per_sampling_step_idg: 2
  max_initial_set_size: 10
"""

AL = """\
ACTIVE_LEARNING:
  num_trajectories: 2
  max_train_set_size: 20
"""

MD = """\
MD:
  stat_ensemble: NVT
"""

MACE = "GENERAL:\n  name_exp: water\n"

BOTH = (Stage.INITIAL, Stage.ACTIVE)


class ProjectFolder:
    """A folder that tests write settings into, and load."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, settings: str = IDG + AL + MD, mace: str = MACE, structure: str | None = WATER) -> "ProjectFolder":
        self.file("aims_PAX.yaml", settings)
        self.file("mace.yaml", mace)
        if structure is not None:
            self.file("geometry/water.xyz", structure)
        return self

    def file(self, name: str, text: str | bytes = "") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, *stages: Stage) -> Project:
        return load_project(self.path, stages=stages or BOTH)

    def complaint(self, *stages: Stage) -> str:
        """Everything that is said when this project is loaded, which must fail and leave the folder as it was."""
        before = sorted(self.path.rglob("*"))
        with pytest.raises(UserError, match=r".") as caught:
            self.load(*stages)
        assert sorted(self.path.rglob("*")) == before
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path)


@pytest.fixture
def refused(folder: ProjectFolder) -> Callable[..., str]:
    """What is said of settings that are refused."""

    def complaint(settings: str = IDG + AL + MD, mace: str = MACE, structure: str | None = WATER) -> str:
        return folder.write(settings, mace, structure).complaint()

    return complaint
