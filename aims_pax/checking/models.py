"""Doubts about models: what they begin as, and how they are run."""

from collections.abc import Iterator
from typing import Final

from aims_pax.checking.asked import Asked
from aims_pax.committee.hardware import runs_on_cpu
from aims_pax.errors import Doubt
from aims_pax.settings.committee.mace import CueqUse
from aims_pax.settings.methods.reference import PyscfSettings
from aims_pax.settings.stages.kinds import COLLECT

HASTY_RATE: Final = 2e-3
"""Learning rate above which a model forgets what it knew sooner than it learns what is new."""

THOMAS_FERMI_EV: Final = 20.9
"""All electrons of a neutral atom have an energy of -20.9 eV Z^(7/3) (Thomas and Fermi; Lieb and Simon 1977)."""

COARSE_EV: Final = 1e-3
"""Rounding of the energy per atom that matters."""

FLOAT32_STEP: Final = 2.0**-24

ECP_FROM: Final = 37
"""The def2 basis sets replace core electrons from rubidium on."""


def hasty_finetuning(asked: Asked) -> Iterator[Doubt]:
    """A learning rate made for random weights. Matrices of low rank begin at zero, and bear it."""
    project = asked.project
    for one in (project, *(project.trained_as(stage) for stage in project.further.models)):
        training = one.mace.training
        if not training.perform_finetuning or training.finetuning_choice == "lora" or training.lr <= HASTY_RATE:
            continue
        written = "" if training.is_set("lr") else ", its default"
        found = f"TRAINING.lr is {training.lr:g}{written}, and members begin as {training.pretrained_model}."
        advice = "Such steps are for random weights: the model forgets what it knew before it has learned."
        yield Doubt(one.where("TRAINING", "lr"), found, "1e-4 to 1e-3", advice)


def models_left_alone(asked: Asked) -> Iterator[Doubt]:
    """Models in GENERAL.model_dir beside a dataset that is made: nothing goes on from them."""
    project, plans = asked.project, asked.project.plans(asked.stages)
    if not plans or plans[0].kind != COLLECT:
        return
    folder = project.folder / project.mace.general.model_dir
    if found := sorted(file.name for file in folder.glob("*.model")):
        words = f"{folder} (GENERAL.model_dir) has {', '.join(found)}, and {plans[0].said()} begins without models."
        advice = (
            "To begin as one of them: perform_finetuning: true, and its file as pretrained_model. Else it may stay."
        )
        yield Doubt(str(project.mace_file), words, "TRAINING.pretrained_model", advice)


def cueq(asked: Asked) -> Iterator[Doubt]:
    """Kernels for GPUs where there is none."""
    project, misc = asked.project, asked.project.mace.misc
    if misc.cueq is not CueqUse.NOTHING and runs_on_cpu(misc.device):
        key = "enable_cueq" if misc.enable_cueq else "enable_cueq_train"
        found = f"MISC.{key} is true, and the models run on a CPU: cuEquivariance's kernels are for GPUs."
        advice = "Set it to false: without them, a pass on a CPU takes half as long."
        yield Doubt(project.where("MISC", key), found, "true with a GPU", advice)


def precision(asked: Asked) -> Iterator[Doubt]:
    """Total energies of all electrons, of which single precision keeps no millielectronvolt."""
    project = asked.project
    if project.mace.general.default_dtype != "float32":
        return
    given = project.mace.architecture.atomic_energies or {}
    largest = max((abs(energy) for energy in given.values()), default=0.0)
    of_all = [one for one in project.settings.references if one.type in ("fhi-aims", "asi", "pyscf")]
    if not given and of_all:
        reference = of_all[0]
        effective = isinstance(reference, PyscfSettings) and reference.basis.lower().startswith("def2")
        counted = [z for z in project.elements if not (effective and z >= ECP_FROM)]
        largest = max((THOMAS_FERMI_EV * z ** (7 / 3) for z in counted), default=0.0)
    step = largest * FLOAT32_STEP
    if step > COARSE_EV:
        yield Doubt(
            project.where("GENERAL", "default_dtype"),
            f"GENERAL.default_dtype is float32, and atoms here have energies of some {largest / 1000:.0f} keV: the "
            f"total energies that programs read from the models are rounded to {1000 * step:.0f} meV per atom.",
            "float32 for atoms of up to 15 keV",
            "Set default_dtype: float64. Forces, and training, are not concerned.",
        )
