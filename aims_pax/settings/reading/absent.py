"""Settings of the authors' tool that this version can't honour: said clearly, never ignored.

A key that is written with the value at which it does nothing is accepted, so that projects which spell out their
defaults run unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Absent:
    """A key that is known and not honoured.

    Parameters
    ----------
    neutral : tuple
        Values at which it asks for nothing.
    reason : str
        What the program does instead, and what the user can do.
    """

    neutral: tuple[Any, ...]
    reason: str

    def accepts(self, value: Any) -> bool:
        """Whether the value asks for nothing."""
        return any(type(value) is type(item) and _plain(value) == _plain(item) for item in self.neutral)


def _plain(value: Any) -> Any:
    return value.lower().removeprefix("./").rstrip("/") if isinstance(value, str) else value


def _later(what: str, advice: str = "Remove it.", *neutral: Any) -> Absent:
    return Absent((None, *neutral), f"{what} is not in this version. {advice}")


def _npt(what: str, *neutral: Any) -> Absent:
    return Absent((None, *neutral), f"{what} belongs to NPT, which is not in this version. Remove it.")


_ANALYSIS: Final = (
    "Nothing is judged before there are models. ACTIVE_LEARNING.analysis labels structures for statistics."
)
_FINE_TUNING: Final = "Fine-tuning of foundation models"
_ONE_PROPERTY_SET: Final = "Labels are energies, forces and stress in this version. Remove it."

NOT_YET: Final[Mapping[str, Mapping[str, Absent]]] = {
    "INITIAL_DATASET_GENERATION": {
        "analysis": Absent((None, False), f"{_ANALYSIS} Remove it."),
    },
    "ACTIVE_LEARNING": {
        "use_foundational": _later(
            "Driving active learning by a foundation model",
            "The committee drives it; a foundation model drives initial dataset generation. Set it to false.",
            False,
        ),
        "foundational_model_settings": _later("Driving active learning by a foundation model"),
        "extend_existing_final_ds": _later(
            "Extending a finished dataset",
            "Set it to false; to start from one, give initial_train_dataset and initial_valid_dataset.",
            False,
        ),
        "intermol_crossed_limit": _later("A threshold for forces between molecules", "Remove it.", 10),
        "intermol_forces_weight": _later("A weight for forces between molecules", "Remove it.", 100, 100.0),
    },
    "MD": {
        "barostat": _npt("A barostat", "mtk"),
        "pressure": _npt("An external pressure (Pa)", 101325, 101325.0),
        "tdamp": _npt("The damping time of the thermostat's chain", 50, 50.0),
        "pdamp": _npt("The damping time of the barostat", 500, 500.0),
        "tchain": _npt("The length of the thermostat's chain", 3),
        "pchain": _npt("The length of the barostat's chain", 3),
        "tloop": _npt("The number of substeps of the thermostat's chain", 1),
        "ploop": _npt("The number of substeps of the barostat's chain", 1),
    },
    "MISC": {
        "create_restart": Absent((None, True), "Every run can be continued by the same command. Remove it."),
        "dataset_dir": Absent(
            (None, "data"), "Datasets are kept in run.db and exported to results/. Remove it, or set output_dir."
        ),
        "mol_idxs": _later("Telling molecules apart"),
        "dipole_key": Absent((None, "REF_dipole", "dipole"), _ONE_PROPERTY_SET),
        "charges_key": Absent((None, "REF_charges", "charges"), _ONE_PROPERTY_SET),
        "head_key": Absent((None, "head"), "Models have one head in this version. Remove it."),
        "total_charge_key": Absent((None, "total_charge", "REF_total_charge"), _ONE_PROPERTY_SET),
        "total_spin_key": Absent((None, "total_spin", "REF_total_spin"), _ONE_PROPERTY_SET),
    },
    "CLUSTER.parsl_options": {
        "function_dir": Absent((None,), "Workers get functions from the campaign, not from files. Remove it."),
        "parsl_info_dir": Absent((None,), "Parsl's logs are in log_dir/parsl. Remove it, or set run_dir."),
    },
}
"""Of aims_PAX.yaml: section to key to what is said of it."""

NOT_YET_MACE: Final[Mapping[str, Mapping[str, Absent]]] = {
    "GENERAL": {
        "checkpoints_dir": Absent(
            (None, "checkpoints"), "Checkpoints are kept in the run's folder. Remove it, or set MISC.output_dir."
        ),
        "model_dir": Absent((None, "model", "models"), "Models are exported to results/. Remove it."),
        "loss_dir": Absent((None, "loss", "losses"), "Losses are kept in run.db and shown in results/. Remove it."),
    },
    "TRAINING": {
        "virials_weight": Absent((None, 1, 1.0), "Stress is learned by stress_weight. Remove it."),
        "swa": _later("Stochastic weight averaging", "Set it to false; ema averages the weights.", False),
        "perform_finetuning": _later(_FINE_TUNING, "Set it to false.", False),
        "pretrained_model": _later(_FINE_TUNING),
        "freeze": _later(_FINE_TUNING, "Remove it.", False, 0),
        "freeze_par": _later(_FINE_TUNING, "Remove it.", False, 0),
        "lora": _later(_FINE_TUNING, "Set it to false.", False),
        "use_lora": _later(_FINE_TUNING, "Set it to false.", False),
        "lora_rank": _later(_FINE_TUNING),
        "lora_alpha": _later(_FINE_TUNING),
    },
    "MISC": {
        "enable_cueq": _later("The cuEquivariance backend", "Set it to false.", False),
        "error_table": Absent(
            (None, "PerAtomMAE"), "MAE and RMSE of energy per atom, forces and stress are always reported. Remove it."
        ),
    },
}
"""The same of mace.yaml."""

FHI_AIMS: Final[Mapping[str, Mapping[str, Absent]]] = {
    "INITIAL_DATASET_GENERATION": {"species_dir": Absent((None,), "")},
    "ACTIVE_LEARNING": {"species_dir": Absent((None,), "")},
    "MISC": {"path_to_control": Absent((None, "control.in"), "")},
    "CLUSTER": {"launch_str": Absent((None,), "")},
}
"""Keys that only FHI-aims reads. A teacher stands in for FHI-aims, whose settings may stay in the file."""

NOT_YET_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "MD.stat_ensemble": {"npt": "NPT is not in this version."},
    "ARCHITECTURE.model_choice": {"so3lr": "Only MACE models are in this version."},
    "ARCHITECTURE.radial_type": {
        "chebyshev": "mace-torch evaluates it at unscaled distances, where it grows without bound."
    },
    "TRAINING.loss": dict.fromkeys(
        ("ef", "forces_only", "virials", "stress", "huber", "universal", "l1l2energyforces"),
        "Other losses than weighted are not in this version; it includes stress when compute_stress is true.",
    ),
}
"""Values that are known and not available, by setting."""
