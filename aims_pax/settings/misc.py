"""MISC: files and the names of properties in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator

from aims_pax.settings.reading.kinds import (
    Count,
    Duration,
    Kind,
    PathOrIndexed,
    Positive,
    ProjectPath,
    Schema,
    Text,
    misfit,
    shown,
)
from aims_pax.settings.section import Contradiction, Section
from aims_pax.settings.stages.molecules import Molecules


def _length(value: object) -> float | str:
    if value == "auto" and isinstance(value, str):
        return value
    if value is False:
        return 0.0
    if isinstance(value, int | float) and value is not True and 0 <= value <= MAX_VERDICT_PS:
        return float(value)
    raise misfit(f"is {shown(value)}")


MAX_VERDICT_PS: Final = 1e6
VerdictLength = Annotated[
    float | Literal["auto"],
    PlainValidator(_length),
    Kind("auto, a time in ps, or false"),
    Schema({"anyOf": [{"type": "number", "minimum": 0}, {"const": "auto"}, {"const": False}]}),
]


VERDICT_LEAST_PS: Final = 1.0
VERDICT_MOST_PS: Final = 50.0
"""Bounds of a trial's length where verdict_ps is auto."""

VERDICT_SHARE: Final = 0.1
"""Share of the run's time that it may take then, beyond its least length."""

VERDICT_LIMIT_SHARE: Final = 0.5
VERDICT_LIMIT_S: Final = 60.0
"""It ends in any case at this share of the run's time, or after a minute: an hour's run should not be tried for a day
where its models are slow. A trial that is shorter than the least for this gives no better word than doubt."""


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
    mol_idxs: Molecules | None = Field(
        None,
        description="Molecules whose whole forces active learning judges, too: [0-2, 3-5, [6, 8]]. Atoms are counted "
        "from 0. Each has a threshold of its own, besides that of the structure. Where systems differ, {system: list} "
        "by name or index, in which others may be left out. A path: an .npz as v0.2 reads it.",
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
        "reference, or a model that drives MD, is not sane there: a label fails, the energy falls by much, forces "
        "contradict it. Both labels train every member.",
    )
    verdict_ps: VerdictLength = Field(
        "auto",
        description="Length of the MD by which a finished run tries its models, ps. auto: what fits into a tenth of "
        "the run's time, from 1 to 50 ps; 0 or false: no MD and no verdict.",
    )
    verdict_runs: Count = Field(
        8, description="MD runs of that trial, side by side. At least one for each system and MD of the run."
    )
    energy_key: Text = Field("REF_energy", description="Name of the energy (eV) in extended XYZ files.")
    forces_key: Text = Field("REF_forces", description="Name of the forces (eV/Å) in extended XYZ files.")
    stress_key: Text = Field("REF_stress", description="Name of the stress (eV/Å³) in extended XYZ files.")
    total_charge_key: Text | None = Field(
        None,
        description="Name of the total charge (e) in extended XYZ files: charge when not given. MACE's is "
        "total_charge. It is read by the usual names, too.",
    )
    total_spin_key: Text | None = Field(
        None,
        description="Name of the spin multiplicity 2S + 1 in extended XYZ files: multiplicity when not given. "
        "MACE's is total_spin. It is read by the usual names, too.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        keys = (self.energy_key, self.forces_key, self.stress_key)
        names = ("energy_key", "forces_key", "stress_key", "total_charge_key", "total_spin_key")
        for name, key in zip(names, (*keys, self.total_charge_key, self.total_spin_key), strict=True):
            if key is not None and not (key.replace("_", "").isalnum() and key.isascii()):
                found = f"{name} is {key!r}, which can't be a name in extended XYZ files."
                yield Contradiction(name, found, "Use letters, digits and underscores.")
        if len(set(keys)) < len(keys):
            found = "energy_key, forces_key and stress_key are not three different names."
            yield Contradiction("energy_key", found, "Give each its own name.")
        if self.total_charge_key is not None and self.total_charge_key in (*keys, self.total_spin_key):
            found = f"total_charge_key is {self.total_charge_key!r}, which is the name of something else, too."
            yield Contradiction("total_charge_key", found, "Give each its own name.")
