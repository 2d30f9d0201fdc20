"""How a model that drives MD is checked against the reference on the way, by the names of CASTEP's hybrid-md."""

from collections.abc import Iterator
from typing import Annotated, Final

from annotated_types import Ge, Gt
from pydantic import Field

from aims_pax.learner.checks import Adaptive, CheckRules, Tolerances
from aims_pax.settings.reading.kinds import Count, Positive
from aims_pax.settings.section import Contradiction, Section

USUAL_INITIAL: Final = 10
"""Steps by the reference, where there are no models and nobody says how many."""


class ToleranceSettings(Section):
    """How far the model may be from the reference at a check; those that are not given are not looked at."""

    ediff: Positive | None = Field(None, description="Error of the energy, eV/atom.")
    fmax: Positive | None = Field(None, description="Largest error of any force component, eV/Å.")
    frmse: Positive | None = Field(None, description="Root mean square error of the force components, eV/Å.")
    vmax: Positive | None = Field(
        None, description="Largest error of any component of the virial, eV/atom. For models that learn stress."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if all(limit is None for limit in (self.ediff, self.fmax, self.frmse, self.vmax)):
            found = "no tolerance is set, so that every check would pass."
            yield Contradiction("", found, "Set ediff (eV/atom), fmax or frmse (eV/Å), or several of them.")


class AdaptiveSettings(Section):
    """Intervals that grow by a factor where a check passes, and shrink by it where one fails."""

    n_min: Count = Field(description="Steps of the shortest interval after a failed check.")
    n_max: Annotated[Count, Ge(2)] = Field(description="Steps of the longest interval after a passed check.")
    factor: Annotated[float, Gt(1)] = Field(description="By which the interval grows and shrinks.")

    def contradictions(self) -> Iterator[Contradiction]:
        if self.n_max <= self.n_min:
            found = f"n_max ({self.n_max}) is not above n_min ({self.n_min})."
            yield Contradiction("n_max", found, "Raise n_max, or lower n_min.")


class RefitSettings(Section):
    """How the models learn."""

    first_epochs: Count = Field(200, description="Epochs of the first training, and of each one from scratch.")
    epochs: Count = Field(40, description="Epochs of each later training, in the second half at a falling rate.")
    from_scratch: bool = Field(
        False, description="Whether each training begins with random weights. false: it goes on from the weights there."
    )
    at_each_check: bool = Field(
        False, description="Whether models learn at each check. false: where a tolerance is broken."
    )
    function_name: str | None = Field(
        None,
        description="Import path of a function that trains in the place of this program: package.module:name. It is "
        "called with a file of all labels (extended XYZ; REF_energy, REF_forces), a list of the model files that there "
        "are, and a folder to write in, and returns a MACE model file, or a list of as many as ensemble_size.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        idle = ("first_epochs", "epochs", "from_scratch")
        for key in (key for key in idle if self.function_name is not None and self.is_set(key)):
            found = f"{key} is given, and function_name trains."
            yield Contradiction(key, found, f"Remove {key}: the function says how.")


class FlySettings(Section):
    """When the model is checked, and what follows."""

    tolerances: ToleranceSettings = Field(description="How far the model may be from the reference.")
    check_interval: Count = Field(10, description="Steps from one check to the next; adaptive intervals begin with it.")
    num_initial_steps: Annotated[int, Ge(0)] | None = Field(
        None,
        description="Steps by the reference, from which the first model is made. When not given, 10 where there are no "
        "models yet, else 0.",
    )
    adaptive_method_parameters: AdaptiveSettings | None = Field(
        None, description="How intervals grow and shrink. They are fixed when not given."
    )
    can_update: bool = Field(True, description="Whether models learn. false: errors are measured only.")
    refit: RefitSettings = Field(RefitSettings(), description="How they learn.")
    ensemble_size: Count = Field(1, description="Models. Their mean drives.")
    early_check: Positive | None = Field(
        None,
        description="Deviation of the models at which a check is made at once, eV/Å. Of the atom whose force is least "
        "sure (aims-PAX, Eq. 1); for two models and more; no check is called when not given.",
    )
    max_consecutive_failures: Count = Field(
        3, description="Checks in a row for which the reference fails, after which the MD is stopped."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if self.early_check is not None and self.ensemble_size < 2:
            found = "early_check is given, and a single model has no deviation."
            yield Contradiction("early_check", found, "Set ensemble_size: 2 or more, or remove early_check.")
        if self.refit.at_each_check and not self.can_update:
            found = "refit.at_each_check is true, and can_update is false."
            yield Contradiction("can_update", found, "Remove one of them.")

    def rules(self, *, with_models: bool) -> CheckRules:
        """The same as the learner has it.

        Parameters
        ----------
        with_models : bool
            Whether there are models to begin with.
        """
        adaptive, limits, n_initial = self.adaptive_method_parameters, self.tolerances, self.num_initial_steps
        return CheckRules(
            Tolerances(limits.ediff, limits.fmax, limits.frmse, limits.vmax),
            check_interval=self.check_interval,
            num_initial_steps=(0 if with_models else USUAL_INITIAL) if n_initial is None else n_initial,
            adaptive=None if adaptive is None else Adaptive(adaptive.n_min, adaptive.n_max, adaptive.factor),
            can_update=self.can_update,
            always_updates=self.refit.at_each_check,
        )
