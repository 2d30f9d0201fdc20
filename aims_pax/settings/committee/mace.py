"""mace.yaml: the models, and how they are trained."""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Field

from aims_pax.settings.committee.families import FamilySettings
from aims_pax.settings.committee.finetuning import FineTuningSettings
from aims_pax.settings.committee.losses import LOSSES, stage_two_of
from aims_pax.settings.methods.models import Devices, Dtype
from aims_pax.settings.reading.kinds import (
    AnyCase,
    Count,
    CountOrZero,
    Fraction,
    Kind,
    Listed,
    NotNegative,
    Positive,
    ProjectPath,
    Seed,
    Text,
    Whole,
    misfit,
)
from aims_pax.settings.section import Contradiction, Section

InteractionBlock = Literal[
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticAttResidualInteractionBlock",
    "RealAgnosticInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
    "RealAgnosticResidualNonLinearInteractionBlock",
]


def _irreps(value: str) -> str:
    if not re.fullmatch(r"\d{1,6}x\d{1,2}[eo](\s*\+\s*\d{1,6}x\d{1,2}[eo])*", value):
        raise misfit(f"is {value!r}, which is not a sum of irreps")
    return value


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _file_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", value):
        raise misfit(f"is {value!r}, which can't be part of a file name")
    return value


Irreps = Annotated[str, AfterValidator(_irreps), Kind("irreps such as 16x0e")]
Widths = Annotated[tuple[Count, ...], Listed, Kind("list of integers >= 1, such as [64, 64, 64]")]
FileName = Annotated[str, AfterValidator(_file_name), Kind("text of letters, digits and _ . + -")]
LossName = Annotated[
    Literal[
        "weighted",
        "ef",
        "forces_only",
        "weighted_stress",
        "stress",
        "virials",
        "huber",
        "universal",
        "l1l2energyforces",
        "intermol",
    ],
    AnyCase,
]
"""The keys of :data:`LOSSES`."""
TypeWeights = Annotated[dict[Text, NotNegative], Kind("{name: weight}, such as {Default: 1, surface: 2}")]
Embedded = Annotated[
    tuple[Literal["total_charge", "total_spin"], ...], Listed, Kind("list of total_charge and total_spin")
]
Order = Annotated[int, Ge(0), Le(12), Whole]
AtomicNumber = Annotated[int, Ge(1), Le(118)]
AtomicEnergies = Annotated[dict[AtomicNumber, float], Kind("{atomic number: energy}, such as {1: -13.6}")]


class GeneralSettings(Section):
    """Name, seed and precision."""

    name_exp: FileName = Field(description="Name of the models; their files are {name_exp}_{seed}.model.")
    seed: Seed = Field(42, description="Seed of the models' weights and of everything random outside MD.")
    default_dtype: Dtype = Field("float32", description="Floating-point precision of models and training.")
    model_dir: ProjectPath = Field(
        Path("model"),
        description="Folder of trained models (*.model) that active learning goes on from. They are read where it "
        "begins with initial_train_dataset: one for each member, or one for all. In the project's folder, wherever "
        "mace.yaml lies, as all paths in it. What a run makes is in results/.",
    )
    compute_stress: bool = Field(False, description="Whether stress is labelled, trained and reported.")


class ArchitectureSettings(FamilySettings):
    """The MACE network, or the family in its place."""

    r_max: Annotated[float, Ge(0.5), Le(50)] = Field(5.0, description="Cutoff of the message passing, Å.")
    num_channels: Count = Field(128, description="Channels of the messages.")
    max_L: Order = Field(  # noqa: N815  the name in the files
        1, description="Largest angular momentum of the messages."
    )
    max_ell: Annotated[int, Ge(1), Le(12), Whole] = Field(
        3, description="Largest angular momentum of the spherical harmonics. At least max_L."
    )
    correlation: Annotated[int, Ge(1), Le(8), Whole] = Field(3, description="Body order of a message, minus one.")
    num_interactions: Count = Field(2, description="Layers of message passing.")
    num_radial_basis: Count = Field(8, description="Radial basis functions.")
    num_cutoff_basis: Count = Field(5, description="Order of the polynomial that brings the radial basis to zero.")
    radial_MLP: Widths = Field(  # noqa: N815  the name in the files
        (64, 64, 64), description="Widths of the radial network's layers."
    )
    radial_type: Literal["bessel", "gaussian"] = Field("bessel", description="Kind of radial basis.")
    MLP_irreps: Irreps = Field("16x0e", description="Width of the last readout.")
    gate: Literal["silu", "tanh", "abs", "None"] = Field("silu", description="Nonlinearity of the last readout.")
    interaction: InteractionBlock = Field(
        "RealAgnosticResidualInteractionBlock", description="Interaction block of the layers after the first."
    )
    interaction_first: InteractionBlock = Field(
        "RealAgnosticResidualInteractionBlock", description="Interaction block of the first layer."
    )
    scaling: Literal["rms_forces_scaling", "std_scaling", "no_scaling"] = Field(
        "rms_forces_scaling", description="How the interaction energy is scaled, from the first training set."
    )
    compute_avg_num_neighbors: bool = Field(
        True, description="Whether messages are divided by the mean number of neighbours. false: by one."
    )
    embed: Embedded = Field(
        (),
        description="What models take of a structure besides its atoms: total_charge, total_spin (2S + 1), or both. "
        "One committee then learns systems of several charges or spins. Values that no label has are not learned.",
    )
    atomic_energies: AtomicEnergies | None = Field(
        None, description="Energies of isolated atoms, eV. From the reference, or by least squares, when not given."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if self.max_L > self.max_ell:
            found = f"max_L ({self.max_L}) is larger than max_ell ({self.max_ell}): no message could hold it."
            yield Contradiction("max_L", found, "Lower max_L, or raise max_ell.")
        if len(set(self.embed)) < len(self.embed):
            yield Contradiction("embed", "embed names the same thing twice.", "Name it once.")


class TrainingSettings(FineTuningSettings):
    """Optimizer, loss, learning rate and averaging."""

    ALIASES: ClassVar = {
        "stage_two": "swa",
        "start_stage_two": "start_swa",
        "stage_two_lr": "swa_lr",
        "stage_two_energy_weight": "swa_energy_weight",
        "stage_two_forces_weight": "swa_forces_weight",
        "stage_two_stress_weight": "swa_stress_weight",
        "stage_two_virials_weight": "swa_virials_weight",
    }

    optimizer: Annotated[Literal["adam", "adamw"], AnyCase] = Field("adam", description="Optimizer.")
    lr: Positive = Field(0.01, description="Learning rate.")
    weight_decay: NotNegative = Field(5e-7, description="Weight decay.")
    amsgrad: bool = Field(True, description="Whether the optimizer is its AMSGrad variant.")
    clip_grad: Positive | None = Field(10.0, description="Largest norm of the gradient. null: not clipped.")
    batch_size: Count = Field(5, description="Structures per training step.")
    valid_batch_size: Count = Field(5, description="Structures per validation step.")
    loss: LossName = Field(
        "weighted",
        description="What training minimises, as aims-PAX and MACE call it. weighted: squared errors of energy per "
        "atom, forces and, with compute_stress, stress; ef: the same of energies and forces, each with weight 1; "
        "forces_only: of forces alone; stress and weighted_stress: as weighted, and they insist on compute_stress; "
        "virials: these per atom in the place of stress; huber: errors that count squared up to huber_delta, and "
        "linearly beyond; universal: the same, with large forces counting less; l1l2energyforces: errors of energies, "
        "and lengths of those of forces, not squared; intermol: as weighted, and the force on each molecule of "
        "MISC.mol_idxs by ACTIVE_LEARNING.intermol_forces_weight.",
    )
    energy_weight: NotNegative = Field(1.0, description="Weight of the energy per atom in the loss.")
    forces_weight: NotNegative = Field(1000.0, description="Weight of the forces in the loss.")
    stress_weight: NotNegative = Field(1.0, description="Weight of the stress in the loss, with compute_stress.")
    virials_weight: NotNegative = Field(1.0, description="Weight of the virials per atom, for the loss virials.")
    huber_delta: Positive = Field(
        0.01, description="Error from which on huber and universal count linearly, in eV, Å and atoms as the error is."
    )
    config_type_weights: TypeWeights | None = Field(
        None,
        description="Weights of structures in the loss, by the config_type of a dataset's structures, the name of a "
        "system or of a stage. The first of these that is named counts. Default: structures without a config_type, "
        "of which none is. All weigh 1 when not given.",
    )
    scheduler: Literal["ReduceLROnPlateau", "ExponentialLR"] = Field(
        "ReduceLROnPlateau", description="How the learning rate falls in initial dataset generation."
    )
    lr_factor: Fraction = Field(0.8, description="Factor of ReduceLROnPlateau on the learning rate.")
    scheduler_patience: CountOrZero = Field(
        5, description="Validations without improvement after which ReduceLROnPlateau lowers the learning rate."
    )
    lr_scheduler_gamma: Annotated[float, Gt(0), Le(1)] = Field(
        0.9993, description="Factor of ExponentialLR on the learning rate, each epoch."
    )
    ema: bool = Field(True, description="Whether the exponential moving average of the weights is used.")
    ema_decay: Fraction = Field(0.99, description="Decay of the exponential moving average, each step.")
    swa: bool = Field(
        False,
        description="Whether the final convergence ends in MACE's stage two. In the place of a rate that falls from "
        "lr it has other weights in the loss, those of swa_energy_weight and so on, and a rate that falls from swa_lr.",
    )
    start_swa: Count | None = Field(
        None,
        description="Epochs of the final convergence after which stage two begins at the latest. It has the rest of "
        "max_convergence_epochs. Three quarters of these when not given.",
    )
    swa_lr: Positive = Field(0.001, description="Learning rate at the beginning of stage two.")
    swa_energy_weight: NotNegative = Field(1000.0, description="Weight of the energy per atom in stage two.")
    swa_forces_weight: NotNegative = Field(100.0, description="Weight of the forces in stage two.")
    swa_stress_weight: NotNegative = Field(10.0, description="Weight of the stress in stage two, with compute_stress.")
    swa_virials_weight: NotNegative = Field(
        10.0, description="Weight of the virials per atom in stage two, for the loss virials."
    )
    update_avg_num_neighbors: bool = Field(
        True, description="Whether the mean number of neighbours follows the growing training set."
    )

    def stage_two(self) -> "TrainingSettings":
        """What stage two is trained by: the same with its own weights in the loss."""
        weights = ("energy_weight", "forces_weight", "stress_weight", "virials_weight")
        return self.model_copy(update={key: getattr(self, f"swa_{key}") for key in weights})

    def stage_two_start(self, max_epochs: int) -> int:
        """Epochs of the final convergence after which stage two begins at the latest; MACE's three quarters."""
        return max(1, max_epochs // 4 * 3) if self.start_swa is None else self.start_swa

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if any(weight != 1 for weight in (self.config_type_weights or {}).values()):
            if not LOSSES[self.loss].weighs_structures:
                found = f"config_type_weights weigh structures, and MACE's loss {self.loss} takes no such weights."
                yield Contradiction("config_type_weights", found, "Remove them, or choose another loss.")
            if not any({"Default": 1.0, **(self.config_type_weights or {})}.values()):
                found = "config_type_weights are all zero."
                yield Contradiction("config_type_weights", found, "Name what is to be learned, or remove them.")
        if self.swa and self.loss == "forces_only":
            found = "swa is true, and the loss forces_only has no other weights that stage two could have."
            yield Contradiction("swa", found, "Set it to false, or choose another loss.")
        elif self.swa and not any(getattr(self, f"swa_{key}") for key in stage_two_of(self.loss).weights):
            found = "all weights of stage two are zero: there is nothing to learn."
            yield Contradiction("swa_energy_weight", found, "Remove them to use the defaults.")
        weights = LOSSES[self.loss].weights
        if weights and not any(getattr(self, key) for key in weights):
            verb, there = ("is", "it") if len(weights) == 1 else ("are all", "them")
            found = f"{_listed(weights)} {verb} zero: there is nothing to learn."
            yield Contradiction(weights[0], found, f"Remove {there} to use the defaults.")
        if self.loss == "ef":
            for key in ("energy_weight", "forces_weight"):
                # The default may stand there: settings are kept with all of theirs.
                if getattr(self, key) not in (1, type(self).model_fields[key].default):
                    found = f"{key} is {getattr(self, key):g}, and the loss ef has weights of 1."
                    yield Contradiction(key, found, f"Remove {key}, or set loss: weighted.")


class CueqUse(StrEnum):
    """Which passes of the models are made by cuEquivariance."""

    NOTHING = "nothing"
    """All are as MACE builds them."""
    PREDICTIONS = "predictions"
    """Those of MD, uncertainty and validation."""
    TRAINING = "training"
    """Those whose loss is minimised."""
    EVERYTHING = "everything"
    """All."""

    @property
    def predicts(self) -> bool:
        """Whether predictions are."""
        return self in (CueqUse.PREDICTIONS, CueqUse.EVERYTHING)

    @property
    def trains(self) -> bool:
        """Whether training is."""
        return self in (CueqUse.TRAINING, CueqUse.EVERYTHING)


class DeviceSettings(Section):
    """Where models run and how, and how much is logged."""

    device: Devices = Field(
        "auto",
        description="Where models are trained and evaluated. cuda: all GPUs that are visible. auto: the same, or the "
        "CPU where there is none. The members are spread over several GPUs.",
    )
    compile: bool = Field(
        False,
        description="Whether PyTorch's compiler makes the models faster: two to three times if they are small and on a "
        "CPU. It takes some minutes at the first start on a machine, and needs a C++ compiler.",
    )
    enable_cueq: bool = Field(
        False,
        description="Whether MD and all other predictions are made by cuEquivariance, NVIDIA's kernels for GPUs. It "
        "needs cuequivariance-torch, and a correlation of 2 or 3.",
    )
    enable_cueq_train: bool = Field(False, description="Whether training is, too; with or without enable_cueq.")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        "INFO", description="Least severe messages in the log file. DEBUG: every uncertainty estimate."
    )

    @property
    def cueq(self) -> CueqUse:
        """What cuEquivariance is used for."""
        if self.enable_cueq_train:
            return CueqUse.EVERYTHING if self.enable_cueq else CueqUse.TRAINING
        return CueqUse.PREDICTIONS if self.enable_cueq else CueqUse.NOTHING

    def contradictions(self) -> Iterator[Contradiction]:
        if self.compile and self.cueq is not CueqUse.NOTHING:
            key = "enable_cueq" if self.enable_cueq else "enable_cueq_train"
            found = f"compile and {key} are both true, and PyTorch's compiler does not follow cuEquivariance's kernels."
            yield Contradiction(key, found, "Set one of them to false.")


class MaceSettings(Section):
    """All of mace.yaml."""

    SECTIONS: ClassVar = {
        "GENERAL": "general",
        "ARCHITECTURE": "architecture",
        "TRAINING": "training",
        "MISC": "misc",
    }

    general: GeneralSettings = Field(description="GENERAL.")
    architecture: ArchitectureSettings = Field(default_factory=ArchitectureSettings, description="ARCHITECTURE.")
    training: TrainingSettings = Field(default_factory=TrainingSettings, description="TRAINING.")
    misc: DeviceSettings = Field(default_factory=DeviceSettings, description="MISC.")


MACE_SECTIONS: Final[dict[str, type[Section]]] = {
    "GENERAL": GeneralSettings,
    "ARCHITECTURE": ArchitectureSettings,
    "TRAINING": TrainingSettings,
    "MISC": DeviceSettings,
}
