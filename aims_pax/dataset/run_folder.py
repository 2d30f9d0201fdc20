"""Where a run keeps its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run, below one folder.

    Parameters
    ----------
    root : Path
        Holds run.db, the run's memory; everything else can be made again from it or is scratch.
    calculations : Path
        Holds one folder for each reference calculation.
    """

    root: Path
    calculations: Path

    @property
    def checkpoints(self) -> Path:
        """Weights, optimizer and EMA of the committee, newest generation."""
        return self.root / "checkpoints"

    @property
    def results(self) -> Path:
        """What the user came for."""
        return self.root / "results"

    @property
    def trajectories(self) -> Path:
        """Frames of the MD, where saving them was asked for."""
        return self.root / "trajectories"

    def label(self, label_id: int) -> Path:
        """Folder of one reference calculation."""
        return self.calculations / f"{label_id:06d}"
