"""ARCHITECTURE of mace.yaml: of which family models are, and what those have that are not of MACE."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.committee.deepmd import DeepmdText, read_deepmd_input
from aims_pax.settings.committee.gap import GapOptions
from aims_pax.settings.reading.kinds import AnyCase, ProjectPath, Whole
from aims_pax.settings.section import Contradiction, Section

NAMES: Final[Mapping[str, str]] = {"mace": "MACE", "gap": "GAP", "deepmd": "DeePMD"}
"""What families are called; the keys of those besides MACE begin with theirs and _."""

OF_ALL: Final = ("model_choice", "atomic_energies")


class FamilySettings(Section):
    """The family of the models."""

    model_choice: Annotated[Literal["mace", "gap", "deepmd"], AnyCase] = Field(
        "mace",
        description="Family of the models. gap: Gaussian approximation potentials, fitted by gap_fit of quippy-ase "
        "(pip install 'aims-pax[gap]'), which is for academic non-commercial use only; deepmd: DeePMD-kit 3 with "
        "PyTorch, in an environment of its own. Both have atomic_energies, their own keys (gap_ or deepmd_), no other "
        "settings here, and none of TRAINING.",
    )
    gap_input: GapOptions | None = Field(
        None,
        description="For gap: a file with options of gap_fit, gap={...} and default_sigma={...}, or these options. "
        "Labels, seeds, energies of free atoms and names of files are said by the run.",
    )
    gap_left_out: Annotated[float, Ge(0), Le(0.5)] = Field(
        0.1,
        description="For gap: part of the training structures that a member does not learn, others for each member. "
        "Of structures that all members share; without it they differ by their sparse points alone.",
    )
    deepmd_input: DeepmdText | None = Field(
        None,
        description="For deepmd: the input.json of DeePMD-kit, or its content. Data, seeds, energies of free atoms and "
        "names of files are said by the run.",
    )
    deepmd_environment: ProjectPath | None = Field(
        None,
        description="For deepmd: folder of the environment (venv or conda) that DeePMD-kit is installed in; or its dp.",
    )
    deepmd_epoch_steps: Annotated[int, Ge(10), Le(10**9), Whole] | None = Field(
        200,
        description="For deepmd: training steps of an epoch. Weights and optimizer go on, at start_lr, which "
        "convergence lets fall. null: each training that has new points begins with random weights, and makes the "
        "numb_steps of deepmd_input as its learning_rate says.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Settings that only models of another family have; those with their default value may stand there."""
        yield from self._lacking()
        own = f"{self.model_choice}_"
        for key, info in type(self).model_fields.items():
            other = next((name for name in NAMES if key.startswith(f"{name}_")), "mace")
            is_own = key.startswith(own) if not self.is_mace else other == "mace"
            if key in OF_ALL or is_own or getattr(self, key) == info.default:
                continue
            found = f"{key} is given, and models are of {NAMES[self.model_choice]}: only {NAMES[other]} has it."
            yield Contradiction(key, found, f"Remove {key}, or set model_choice: {other}.")

    def _lacking(self) -> Iterator[Contradiction]:
        if self.is_gap and self.gap_input is None:
            found = "model_choice is gap, and gap_input does not say what is fitted."
            yield Contradiction("model_choice", found, "Give gap_input: a file with options of gap_fit.")
        if not self.is_deepmd:
            return
        if self.deepmd_environment is None:
            found = "model_choice is deepmd, and deepmd_environment does not say where DeePMD-kit is installed."
            yield Contradiction("model_choice", found, "Give deepmd_environment: the folder of its environment.")
        if self.deepmd_input is None:
            found = "model_choice is deepmd, and deepmd_input does not say what is trained."
            yield Contradiction("model_choice", found, "Give deepmd_input: an input.json of DeePMD-kit.")
        elif self.deepmd_epoch_steps is not None and read_deepmd_input(self.deepmd_input).counts_neighbours:
            found = "deepmd_input has a descriptor whose sel gives no numbers, and weights are to go on in it."
            advice = "Give numbers (dp --pt neighbor-stat counts them), or set deepmd_epoch_steps: null."
            yield Contradiction("deepmd_input", found, advice)

    @property
    def is_mace(self) -> bool:
        """Whether models are of MACE."""
        return self.model_choice == "mace"

    @property
    def is_gap(self) -> bool:
        """Whether models are GAPs."""
        return self.model_choice == "gap"

    @property
    def is_deepmd(self) -> bool:
        """Whether models are of DeePMD-kit."""
        return self.model_choice == "deepmd"

    @property
    def is_fitted_anew(self) -> bool:
        """Whether no weights go on: what has new points is trained from the beginning."""
        return self.is_gap or (self.is_deepmd and self.deepmd_epoch_steps is None)
