"""What drives MD where no committee does: tight binding, a general-purpose model, any calculator, the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from aims_pax.settings.methods.dispersion import Damping, DispersionCutoff, DispersionSettings
from aims_pax.settings.methods.models import PUBLISHED, Dtype, ModelNameOrFile, is_file
from aims_pax.settings.methods.reference import XtbMethod, off_name_contradictions
from aims_pax.settings.reading.kinds import IMPORT_PATH, Arguments, ExistingFile, Kind, Text, misfit
from aims_pax.settings.section import Contradiction, Section

MACE_FAMILIES: Final = ("mace-mp", "mace-off", "mace")
EMBEDDED: Final = "tblite"
REFERENCE: Final = "reference"
SMALL: Final = "small"
"""The published model that is meant where none is named."""

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


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """What drives the MD of a stage where no committee does.

    Parameters
    ----------
    kind : str
        ``reference``, ``tblite``, a MACE family, or an import path of an ASE calculator.
    key : str
        The setting of the stage that names it, for messages.
    method : XtbMethod or None
        Of ``tblite``; None: the reference's where that is tblite, too, and GFN2-xTB for all others.
    model : str
        Of a MACE family: its published name, or a file.
    dtype : "float32", "float64" or None
        Precision of such a model; None: that of its file.
    arguments : mapping of str to Any
        Of the calculator.
    correction : DispersionSettings or None
        The dispersion that is laid over it.
    """

    kind: str
    key: str
    method: XtbMethod | None = None
    model: str = SMALL
    dtype: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    correction: DispersionSettings | None = None

    @property
    def is_mace(self) -> bool:
        """Whether it is a model of a MACE family."""
        return self.kind in MACE_FAMILIES


def chosen_method(name: str) -> XtbMethod | None:
    """Which tight binding a model's name asks for; None where it asks for none."""
    return EMBEDDED_METHODS.get(name.lower(), "GFN2-xTB" if name == EMBEDDED else None)


class DrivingSettings(Section):
    """What stages say alike of the model that drives MD."""

    mace_model: ModelNameOrFile = Field(
        SMALL, description=f"Model of the families mace-mp, mace-off and mace. {PUBLISHED}"
    )
    default_dtype: Dtype | None = Field(
        None, description="Floating-point precision of a MACE model. That of its file when not given."
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


class FoundationalModelSettings(DrivingSettings):
    """Which model of the family drives the MD."""


class LearningDriverSettings(DrivingSettings):
    """Which model drives the MD, while the committee judges."""

    model_type: FoundationalModel = Field(
        "mace-mp",
        description="Model or method that drives the MD. mace-mp and mace-off: a published model, by mace_model; mace: "
        "a file, by model_path; else as foundational_model of INITIAL_DATASET_GENERATION.",
    )
    model_path: ExistingFile | None = Field(None, description="Model file, for model_type mace.")

    @property
    def choice(self) -> DriverChoice:
        """What drives."""
        method = chosen_method(self.model_type)
        return DriverChoice(
            self.model_type if method is None else EMBEDDED,
            "foundational_model_settings.model_type",
            method,
            self.mace_model if self.model_path is None else str(self.model_path),
            self.default_dtype,
            self.arguments,
            correction=self.correction,
        )

    def contradictions(self) -> Iterator[Contradiction]:
        if self.model_path is not None and self.model_type != "mace":
            found = f"model_path is for model_type mace, and model_type is {self.model_type}."
            yield Contradiction("model_path", found, "Set model_type: mace, or remove it.")
        elif self.model_path is not None and self.mace_model != SMALL:  # v0.2 may spell its default out
            yield Contradiction("mace_model", "mace_model and model_path name two models.", "Remove one of them.")
        yield from driver_contradictions(
            self.choice, self, named="model_type", written=self.model_type, file="model_path"
        )


def driver_contradictions(
    choice: DriverChoice, settings: DrivingSettings | None, *, named: str, written: str, file: str, home: str = ""
) -> Iterator[Contradiction]:
    """What can't be true together of a driver that is not the reference.

    Parameters
    ----------
    settings : DrivingSettings or None
        None where they were left out.
    named, written : str
        The setting that says which family or calculator it is, and what it says.
    file : str
        The setting that names a model file.
    home : str
        What keys of `settings` begin with where `named` stands; empty where they stand beside it.
    """
    kind, is_it = choice.kind, f"{named} is {written}"
    if kind == "mace" and not is_file(choice.model):
        yield Contradiction(named, f"{named} mace needs a model file.", f"Set {file} to the path of a model file.")
    for contradiction in off_name_contradictions(kind, choice.model):
        yield Contradiction(f"{home}mace_model", contradiction.found, contradiction.advice)
    if settings is None:
        return
    for key, words in (("mace_model", "names a MACE model"), ("default_dtype", "is that of a MACE model")):
        if not choice.is_mace and settings.is_set(key) and getattr(settings, key) is not None:
            yield Contradiction(f"{home}{key}", f"{key} {words}, and {is_it}.", "Remove one of them.")
    if kind == EMBEDDED and settings.dispersion:
        found = f"{choice.method} has its own dispersion, and {is_it}."
        yield Contradiction(f"{home}dispersion", found, "Set it to false.")
    if (choice.is_mace or kind == EMBEDDED) and settings.arguments:
        found = f"arguments are for a calculator given by its import path, and {is_it}."
        yield Contradiction(f"{home}arguments", found, "Remove them.")
