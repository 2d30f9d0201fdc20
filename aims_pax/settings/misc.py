"""MISC: files and the names of properties in them."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from aims_pax.settings.kinds import Duration, PathOrIndexed, Positive, ProjectPath, Text
from aims_pax.settings.section import Contradiction, Section


class MiscSettings(Section):
    """Where things are, and how they are called in extended XYZ files."""

    output_dir: ProjectPath = Field(
        Path("."), description="Folder of the run: run.db, checkpoints and results. Made when missing."
    )
    log_dir: ProjectPath = Field(Path("logs"), description="Folder of the logs. Made when missing.")
    path_to_geometry: PathOrIndexed | None = Field(
        None,
        description="Starting structures: a file that ASE reads, a folder of such files, or one for each trajectory. "
        "geometry.in or the folder geometry when not given.",
    )
    walltime: Duration | None = Field(
        None,
        description="Time after which the campaign has left in good order, from its start. It begins no label that "
        "would take longer, leaves a minute before (a tenth of a shorter time), and the same command goes on. Within a "
        "Slurm job the job's own end counts, too.",
    )
    no_progress_s: Positive = Field(
        3600.0,
        description="Time without a label after which a campaign that waits says what it waits for, s. It ends when "
        "its workers are gone for good.",
    )
    probe: bool = Field(
        True,
        description="Whether a new run first labels each structure and a copy rattled by 0.05 Å. It stops if the "
        "reference, or what drives the initial MD, is not sane there: a label fails, the energy falls by much, forces "
        "contradict it. Both labels train every member.",
    )
    energy_key: Text = Field("REF_energy", description="Name of the energy (eV) in extended XYZ files.")
    forces_key: Text = Field("REF_forces", description="Name of the forces (eV/Å) in extended XYZ files.")
    stress_key: Text = Field("REF_stress", description="Name of the stress (eV/Å³) in extended XYZ files.")

    def contradictions(self) -> Iterator[Contradiction]:
        keys = (self.energy_key, self.forces_key, self.stress_key)
        for name, key in zip(("energy_key", "forces_key", "stress_key"), keys, strict=True):
            if not key.replace("_", "").isalnum() or not key.isascii():
                found = f"{name} is {key!r}, which can't be a name in extended XYZ files."
                yield Contradiction(name, found, "Use letters, digits and underscores.")
        if len(set(keys)) < len(keys):
            found = "energy_key, forces_key and stress_key are not three different names."
            yield Contradiction("energy_key", found, "Give each its own name.")
