"""REFERENCE: the method that labels structures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from annotated_types import Ge, Le
from pydantic import Field

from aims_pax.settings.methods.asi import AsiSettings
from aims_pax.settings.methods.engines import ENGINE_SETTINGS, EngineSettings
from aims_pax.settings.methods.fhi_aims import FhiAimsSettings
from aims_pax.settings.methods.keywords import CHARGE, CHARGE_OTHERWISE, flat
from aims_pax.settings.methods.limits import LabelLimits
from aims_pax.settings.methods.models import MACE_OFF_NAMES, Device, Dtype, ModelNameOrFile, is_file
from aims_pax.settings.reading.kinds import (
    Arguments,
    Count,
    ExistingFile,
    ImportPath,
    NotNegative,
    Positive,
    Text,
    Whole,
)
from aims_pax.settings.section import Contradiction

Charge = Annotated[int, Ge(-1000), Le(1000), Whole]
XtbMethod = Literal["GFN2-xTB", "GFN1-xTB"]


class TbliteSettings(LabelLimits):
    """Semi-empirical tight binding by tblite; milliseconds for a molecule."""

    type: Literal["tblite"] = Field("tblite", description="Extended tight binding, the embedded reference.")
    method: XtbMethod = Field("GFN2-xTB", description="Parametrisation.")
    charge: Charge = Field(0, description="Total charge, elementary charges.")
    multiplicity: Count = Field(1, description="Spin multiplicity 2S + 1. 1: no unpaired electrons.")
    accuracy: Positive = Field(1.0, description="Numerical accuracy of tblite; smaller is tighter.")
    max_iterations: Count = Field(250, description="Most self-consistency cycles before a label counts as failed.")
    electronic_temperature_k: NotNegative = Field(300.0, description="Temperature of the electrons, K.")


class PyscfSettings(LabelLimits):
    """Molecular DFT or Hartree-Fock by PySCF; needs the extra aims-pax[pyscf]."""

    STRESS: ClassVar = False

    type: Literal["pyscf"] = Field("pyscf", description="Molecular density-functional theory.")
    xc: Text = Field("PBE", description="Exchange-correlation functional as PySCF names it. HF: Hartree-Fock.")
    basis: Text = Field("def2-svp", description="Gaussian basis set as PySCF names it.")
    charge: Charge = Field(0, description="Total charge, elementary charges.")
    multiplicity: Count = Field(1, description="Spin multiplicity 2S + 1. 1: closed shell.")
    grid_level: Annotated[int, Ge(0), Le(9), Whole] = Field(3, description="Density of the integration grid.")
    density_fit: bool = Field(True, description="Whether Coulomb integrals are density-fitted, several times faster.")
    conv_tol: Positive = Field(1e-8, description="Energy change at which the SCF is converged, Hartree.")
    max_cycle: Count = Field(50, description="Most SCF cycles before a label counts as failed.")


class TeacherSettings(LabelLimits):
    """A trained MACE model that stands in for an ab initio method."""

    type: Literal["teacher"] = Field("teacher", description="A trained model as the reference.")
    model_type: Literal["mace", "mace-mp", "mace-off"] = Field(
        "mace", description="Family of the model. mace: a file of your own (model_path); the others by mace_model."
    )
    model_path: ExistingFile | None = Field(None, description="Model file, for model_type mace.")
    mace_model: ModelNameOrFile | None = Field(
        None, description="Published model or model file, for model_type mace-mp and mace-off. small when not given."
    )
    device: Device = Field("auto", description="Where the model is evaluated. auto: a GPU when there is one.")
    default_dtype: Dtype = Field("float64", description="Floating-point precision.")
    charge: Charge | None = Field(
        None,
        description="Total charge, elementary charges, for a model that takes it (total_charge). Such a model "
        "takes 0 when not given.",
    )
    multiplicity: Count | None = Field(
        None,
        description="Spin multiplicity 2S + 1, for a model that takes it (total_spin). Such a model takes 1 when "
        "not given.",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        if self.model_type == "mace":
            if self.model_path is None:
                advice = "Set model_path, or model_type to mace-mp or mace-off for a published model."
                yield Contradiction("model_path", "model_type mace needs the model file model_path.", advice)
            if self.mace_model is not None:
                found = "mace_model is for model_type mace-mp and mace-off, and model_type is mace."
                yield Contradiction("mace_model", found, "Remove it, or set model_type.")
            return
        if self.model_path is not None:
            found = f"model_path is for model_type mace, and model_type is {self.model_type}."
            yield Contradiction("model_path", found, "Name the model or its file by mace_model instead.")
        yield from off_name_contradictions(self.model_type, self.mace_model)

    @property
    def model(self) -> str:
        """The model's file, or the name of a published model of the family `model_type`."""
        return str(self.model_path) if self.model_path is not None else self.mace_model or "small"


class AseCalculatorSettings(LabelLimits):
    """Any ASE calculator of this Python environment."""

    type: Literal["ase-calculator", "teacher"] = Field(
        "ase-calculator", description="An ASE calculator. teacher means the same, with the key calculator."
    )
    calculator: ImportPath = Field(
        description="Import path of the calculator, package.module:Callable. It is called with the arguments and must "
        "return an ASE calculator."
    )
    arguments: Arguments = Field(default_factory=dict, description="Keyword arguments of the calculator.")
    charge: Charge | None = Field(
        None,
        description="Total charge for a calculator that reads it from the atoms: info['charge'], as those of universal "
        "models do. Any other takes it among its arguments.",
    )
    multiplicity: Count | None = Field(
        None, description="Spin multiplicity 2S + 1 for a calculator that reads it from the atoms: info['spin']."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        written = [name for name, _ in flat(self.arguments) if name in (*CHARGE, *CHARGE_OTHERWISE)]
        if self.charge is not None and written:
            found = f"charge is {self.charge}, and arguments have {written[0]}: both say the same thing."
            yield Contradiction("charge", found, "Keep the one that the calculator reads.")


ReferenceSettings = (
    TbliteSettings
    | PyscfSettings
    | TeacherSettings
    | AseCalculatorSettings
    | FhiAimsSettings
    | AsiSettings
    | EngineSettings
)

REFERENCE_SETTINGS: Final[dict[str, type[ReferenceSettings]]] = {
    "tblite": TbliteSettings,
    "pyscf": PyscfSettings,
    "teacher": TeacherSettings,
    "ase-calculator": AseCalculatorSettings,
    "fhi-aims": FhiAimsSettings,
    "asi": AsiSettings,
    **ENGINE_SETTINGS,
}
"""The sections that REFERENCE.type chooses from; a teacher with the key `calculator` is an ASE calculator."""

REFERENCE_ALIASES: Final[Mapping[str, str]] = {"aims": "fhi-aims"}
"""Other spellings of REFERENCE.type that are accepted."""

COMMON_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("qe", "pw", "pw.x", "pwscf", "quantum espresso", "quantum-espresso", "quantumespresso"), "espresso"
    ),
    **dict.fromkeys(("xtb", "gfn", "gfn-xtb", "gfn1", "gfn1-xtb", "gfn2", "gfn2-xtb"), "tblite"),
    **dict.fromkeys(("dftb", "dftbplus"), "dftb+"),
    **dict.fromkeys(("fhi aims", "fhi_aims", "fhiaims"), "fhi-aims"),
    **dict.fromkeys(("mace", "mace-mp", "mace-off"), "teacher"),
    **dict.fromkeys(("ase", "emt"), "ase-calculator"),
}
"""What a method is called elsewhere: it is suggested, and not accepted."""


@dataclass(frozen=True, slots=True)
class ReferencesBySystem:
    """A reference whose settings differ from system to system: other input, other resources.

    Parameters
    ----------
    by_system : mapping of str to ReferenceSettings
        By name of the system; in the order of the systems.
    """

    by_system: Mapping[str, ReferenceSettings]


def off_name_contradictions(family: str, model: str | None) -> Iterator[Contradiction]:
    """MACE-OFF has fewer published models than MACE-MP."""
    if family == "mace-off" and model is not None and not is_file(model) and model not in MACE_OFF_NAMES:
        found = f"{model} is a model of mace-mp, not of mace-off."
        yield Contradiction("mace_model", found, f"Use one of {', '.join(MACE_OFF_NAMES)}, or a file.")
