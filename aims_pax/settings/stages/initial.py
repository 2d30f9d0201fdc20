"""INITIAL_DATASET_GENERATION: the dataset and committee that active learning starts from."""

from collections.abc import Iterator, Mapping
from math import isinf
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from aims_pax.settings.methods.dispersion import Damping, DispersionCutoff, DispersionSettings
from aims_pax.settings.methods.models import PUBLISHED, ModelNameOrFile, is_file
from aims_pax.settings.methods.reference import XtbMethod, off_name_contradictions
from aims_pax.settings.reading.kinds import (
    IMPORT_PATH,
    Arguments,
    Count,
    CountOrZero,
    Kind,
    Limit,
    Positive,
    Text,
    misfit,
)
from aims_pax.settings.section import Contradiction, Section
from aims_pax.settings.stage import StageSettings

MACE_FAMILIES: Final = ("mace-mp", "mace-off", "mace")
EMBEDDED: Final = "tblite"
EMBEDDED_METHODS: Final[Mapping[str, XtbMethod]] = {"gfn2-xtb": "GFN2-xTB", "gfn1-xtb": "GFN1-xTB"}
"""What the embedded driver can be told to be, in any case of its letters."""


def _family_or_import_path(value: str) -> str:
    if value.lower() in EMBEDDED_METHODS:
        return EMBEDDED_METHODS[value.lower()]
    if value not in (*MACE_FAMILIES, EMBEDDED) and ":" not in value:
        raise misfit(f"is {value!r}")
    return value


FoundationalModel = Annotated[
    str,
    AfterValidator(_family_or_import_path),
    Kind(f"GFN2-xTB | GFN1-xTB | tblite | mace-mp | mace-off | mace | {IMPORT_PATH}"),
]


class FoundationalModelSettings(Section):
    """Which model of the family drives the MD."""

    mace_model: ModelNameOrFile = Field(
        "small", description=f"Model of the families mace-mp, mace-off and mace. {PUBLISHED}"
    )
    arguments: Arguments = Field(
        default_factory=dict, description="Keyword arguments of a calculator given by its import path."
    )
    dispersion: bool = Field(
        False, description="Whether D3 dispersion is added to the model. Needs the extra aims-pax[dispersion]."
    )
    dispersion_xc: Text = Field("pbe", description="Functional whose damping parameters are taken.")
    dispersion_cutoff: DispersionCutoff = Field(
        12.0, description="Distance up to which pairs are summed, Å. They fade out over the last 1 Å."
    )
    damping: Damping = Field("bj", description="Damping of the dispersion at short distances.")

    @property
    def correction(self) -> DispersionSettings | None:
        """The dispersion as a reference would have it; None when there is none."""
        if not self.dispersion:
            return None
        return DispersionSettings(xc=self.dispersion_xc, damping=self.damping, cutoff=self.dispersion_cutoff)


class InitialDatasetSettings(StageSettings):
    """Sampling by a general-purpose model or method, until the committee is good enough to drive itself."""

    ALIASES: ClassVar = {"intermediate_epochs": "intermediate_epochs_idg"}

    n_points_per_sampling_step_idg: Count = Field(
        description="Structures labelled per round, for each member and each starting structure."
    )
    initial_sampling: Literal["foundational", "aimd"] = Field(
        "foundational", description="What drives the MD. foundational: foundational_model; aimd: the reference itself."
    )
    foundational_model: FoundationalModel | None = Field(
        None,
        description="Model or method that drives the MD. GFN2-xTB and GFN1-xTB are embedded; GFN1-xTB is the one for "
        "crystals, since GFN2-xTB falls apart in ionic ones. tblite is GFN2-xTB. When neither this nor "
        "foundational_model_settings is given, it is the method of a reference of type tblite, and GFN2-xTB for all "
        "others; with foundational_model_settings alone it is mace-mp.",
    )
    foundational_model_settings: FoundationalModelSettings | None = Field(
        None, description="Which model of the family foundational_model."
    )
    skip_step_initial: Count = Field(25, description="MD steps between structures that are labelled.")
    equilibration_steps: CountOrZero = Field(
        0,
        description="MD steps of each starting structure before the first one is labelled. Some five friction times "
        "(5 / MD.friction / MD.timestep) bring a relaxed structure to MD.temperature. An nve has no thermostat: it "
        "shares out the heat of its first velocities, and a relaxed structure ends at half its temperature.",
    )
    distinct_model_sets: bool = Field(
        True, description="Whether each member gets its own structures. false: all members share all structures."
    )
    intermediate_epochs_idg: Count = Field(5, description="Epochs trained per round.")
    scheduler_initial: bool = Field(True, description="Whether the learning rate follows TRAINING.scheduler.")
    desired_acc_scale_idg: Positive = Field(
        10.0, description="Factor on desired_acc. This stage ends at a force MAE of desired_acc times the factor."
    )
    max_initial_epochs: Limit = Field(float("inf"), description="Epochs after which the stage is done.")
    max_initial_set_size: Limit = Field(
        float("inf"), description="Training structures of each member at which the stage is done."
    )
    progress_dft_update: Count = Field(10, description="Labels between two lines of progress in the log.")
    converge_initial: bool = Field(False, description="Whether the members are trained to convergence at the end.")
    save_trajectories: bool = Field(False, description="Whether frames of the MD are saved for inspection.")

    @property
    def driver(self) -> str:
        """What drives the MD: ``reference``, ``tblite``, a MACE family, or an import path of an ASE calculator."""
        if self.initial_sampling == "aimd":
            return "reference"
        if self.foundational_model in EMBEDDED_METHODS.values():
            return EMBEDDED
        if self.foundational_model is not None:
            return self.foundational_model
        return EMBEDDED if self.foundational_model_settings is None else "mace-mp"

    @property
    def embedded_method(self) -> XtbMethod | None:
        """Which method the embedded driver was told to be; None where the reference may say."""
        if self.foundational_model is None:
            return None
        return EMBEDDED_METHODS.get(self.foundational_model.lower(), "GFN2-xTB")

    @property
    def desired_force_mae_ev_per_ang(self) -> float | None:
        """Validation force MAE at which the stage is done, scale included; None when there is no such goal."""
        return self.desired_acc * self.desired_acc_scale_idg or None

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        yield from self._driver_contradictions()
        if self.desired_acc == 0 and isinf(self.max_initial_epochs) and isinf(self.max_initial_set_size):
            found = "nothing says when the initial dataset is large enough."
            yield Contradiction("", found, "Set max_initial_set_size, max_initial_epochs or desired_acc.")

    def _driver_contradictions(self) -> Iterator[Contradiction]:
        model, driver = self.foundational_model_settings, self.driver
        if driver == "reference":
            for key in ("foundational_model", "foundational_model_settings"):
                if getattr(self, key) is not None:
                    found = f"{key} is given, and initial_sampling is aimd, where the reference drives the MD."
                    yield Contradiction(key, found, f"Remove {key}, or set initial_sampling: foundational.")
            return
        name = model.mace_model if model is not None else "small"
        if driver == "mace" and not is_file(name):
            advice = "Set foundational_model_settings.mace_model to the path of a model file."
            yield Contradiction("foundational_model", "foundational_model mace needs a model file.", advice)
        for contradiction in off_name_contradictions(driver, name):
            key = "foundational_model_settings.mace_model"
            yield Contradiction(key, contradiction.found, contradiction.advice)
        if model is None:
            return
        if driver not in MACE_FAMILIES and model.is_set("mace_model"):
            found = f"mace_model names a MACE model, and foundational_model is {self.foundational_model}."
            yield Contradiction("foundational_model_settings.mace_model", found, "Remove one of them.")
        if driver == EMBEDDED and model.dispersion:
            found = (
                f"{self.embedded_method} has its own dispersion, and foundational_model is {self.foundational_model}."
            )
            yield Contradiction("foundational_model_settings.dispersion", found, "Set it to false.")
        if (driver in MACE_FAMILIES or driver == EMBEDDED) and model.arguments:
            named = self.foundational_model or driver
            found = f"arguments are for a calculator given by its import path, and foundational_model is {named}."
            yield Contradiction("foundational_model_settings.arguments", found, "Remove them.")
