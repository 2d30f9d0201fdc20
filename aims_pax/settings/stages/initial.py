"""INITIAL_DATASET_GENERATION: the dataset and committee that active learning starts from."""

from collections.abc import Iterator
from math import isinf
from typing import ClassVar, Literal

from pydantic import Field

from aims_pax.settings.methods.driver import (
    EMBEDDED,
    REFERENCE,
    DriverChoice,
    FoundationalModel,
    FoundationalModelSettings,
    chosen_method,
    driver_contradictions,
)
from aims_pax.settings.reading.kinds import Count, CountOrZero, Limit, Positive
from aims_pax.settings.section import Contradiction
from aims_pax.settings.stage import StageSettings


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
    def driving(self) -> DriverChoice:
        """What drives the MD."""
        key = "foundational_model"
        if self.initial_sampling == "aimd":
            return DriverChoice(REFERENCE, key)
        name, settings = self.foundational_model, self.foundational_model_settings
        if name is None:
            name = EMBEDDED if settings is None else "mace-mp"
        method = None if self.foundational_model is None else chosen_method(name)
        kind = EMBEDDED if method is not None else name
        model = FoundationalModelSettings() if settings is None else settings
        return DriverChoice(
            kind, key, method, model.mace_model, model.default_dtype, model.arguments, correction=model.correction
        )

    @property
    def driver(self) -> str:
        """Kind of what drives the MD, ``reference`` among them."""
        return self.driving.kind

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
        settings, choice = self.foundational_model_settings, self.driving
        if choice.kind == REFERENCE:
            for key in ("foundational_model", "foundational_model_settings"):
                if getattr(self, key) is not None:
                    found = f"{key} is given, and initial_sampling is aimd, where the reference drives the MD."
                    yield Contradiction(key, found, f"Remove {key}, or set initial_sampling: foundational.")
            return
        written, home = self.foundational_model or choice.kind, "foundational_model_settings."
        yield from driver_contradictions(
            choice, settings, named="foundational_model", written=written, file=f"{home}mace_model", home=home
        )
