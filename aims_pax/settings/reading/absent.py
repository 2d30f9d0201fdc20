"""Settings of the authors' tool that this version can't honour: said clearly, never ignored.

A key that is written with the value at which it does nothing is accepted, so that projects which spell out their
defaults run unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Absent:
    """A key that is known and not honoured.

    Parameters
    ----------
    neutral : tuple
        Values at which it asks for nothing.
    reason : str
        What the program does instead, and what the user can do; that it is not in this version is said before.
    """

    neutral: tuple[Any, ...] = field(hash=False)  # of lists and mappings, too
    reason: str

    def accepts(self, value: Any) -> bool:
        """Whether the value asks for nothing."""
        return any(_alike(value, item) for item in self.neutral)


def _alike(value: Any, neutral: Any) -> bool:
    return isinstance(value, bool) is isinstance(neutral, bool) and bool(_plain(value) == _plain(neutral))


def _plain(value: Any) -> Any:
    return value.lower().removeprefix("./").rstrip("/") if isinstance(value, str) else value


def _later(what: str, advice: str = "Remove it.", *neutral: Any) -> Absent:
    return Absent((None, *neutral), f"It asks for {what}. {advice}")


def _switches(what: str, *keys: str) -> dict[str, Absent]:
    """Keys that ask for something when they are true."""
    return dict.fromkeys(keys, _later(what, "Set it to false.", False))


def _other_family(family: str, defaults: Mapping[str, Any]) -> dict[str, Absent]:
    """The architecture of another family: its defaults may stand beside MACE's."""
    reason = f"It belongs to {family}; the models here are MACE's. Remove it."
    return {key: Absent((None, default), reason) for key, default in defaults.items()}


_LONG_RANGE: Final = dict.fromkeys(("r_max_lr", "dispersion_lr_damping"), _later("long-range terms of SO3LR"))
_PARSL_INFO: Final = Absent((None, "parsl_info"), "Parsl's logs are in log_dir/parsl. Remove it, or set run_dir.")
_ONE_PROPERTY_SET: Final = "Labels are energies, forces and stress. Remove it."

NOT_YET: Final[Mapping[str, Mapping[str, Absent]]] = {
    "INITIAL_DATASET_GENERATION": {
        "analysis": Absent(
            (None, False, True), "Losses and labels of this stage are always kept in run.db. Remove it."
        ),
    },
    "INITIAL_DATASET_GENERATION.foundational_model_settings": _LONG_RANGE,
    "INITIAL_DATASET_GENERATION.teacher_reference_settings": _LONG_RANGE,
    "ACTIVE_LEARNING.foundational_model_settings": _LONG_RANGE,
    "ACTIVE_LEARNING.teacher_reference_settings": _LONG_RANGE,
    "DATA_FILTERING": {
        "num_chunks": Absent((None, 4), "The committee judges in the campaign's own process. Remove it."),
        "eval_batch_size": Absent((None,), "Batches are as large as memory and cores allow. Remove it."),
        "analysis": Absent((None, False, True), "Errors and thresholds of each chunk are always in run.db. Remove it."),
        "save_xyz": Absent((None, False, True), "The chosen structures are always written as extended XYZ. Remove it."),
        "use_multihead_model": _later("one head for each file", "Set it to false.", False),
        "extra_dataset_path": _later("anchor data from another dataset"),
        "extra_dataset_ratio": _later("anchor data from another dataset", "Remove it.", 0),
    },
    "MISC": {
        "create_restart": Absent((None, True), "Every run can be continued by the same command. Remove it."),
        "dataset_dir": Absent(
            (None, "data"), "Datasets are kept in run.db and exported to results/. Remove it, or set output_dir."
        ),
        "polarizability_key": Absent((None, "REF_polarizability", "polarizability"), _ONE_PROPERTY_SET),
        "hirshfeld_ratios_key": Absent((None, "REF_hirshfeld_ratios", "hirshfeld_ratios"), _ONE_PROPERTY_SET),
        "all_teacher": _later("a run without any input of FHI-aims", "Set it to false; a teacher needs none.", False),
        "dipole_key": Absent((None, "REF_dipole", "dipole"), _ONE_PROPERTY_SET),
        "charges_key": Absent((None, "REF_charges", "charges"), _ONE_PROPERTY_SET),
        "head_key": Absent((None, "head"), "Models have one head. Remove it."),
    },
    "CLUSTER": {"parsl_info_dir": _PARSL_INFO},
    "CLUSTER.parsl_options": {
        "function_dir": Absent((None,), "Workers get functions from the campaign, not from files. Remove it."),
        "parsl_info_dir": _PARSL_INFO,
    },
}
"""Of aims_PAX.yaml: section to key to what is said of it."""

SO3KRATES: Final[Mapping[str, Any]] = {
    "num_features": 128,
    "num_radial_basis_fn": 32,
    "degrees": [1, 2, 3, 4],
    "num_heads": 4,
    "num_layers": 3,
    "final_mlp_layers": 2,
    "energy_regression_dim": 128,
    "message_normalization": "avg_num_neighbors",
    "initialize_ev_to_zeros": True,
    "radial_basis_fn": "bernstein",
    "trainable_rbf": False,
    "energy_learn_atomic_type_shifts": True,
    "energy_learn_atomic_type_scales": True,
    "layer_normalization_1": True,
    "layer_normalization_2": True,
    "residual_mlp_1": True,
    "residual_mlp_2": False,
    "use_charge_embed": True,
    "use_spin_embed": True,
    "interaction_bias": True,
    "qk_non_linearity": "identity",
    "cutoff_fn": "phys",
    "cutoff_p": 5,
    "activation_fn": "silu",
    "energy_activation_fn": "identity",
    "layers_behave_like_identity_fn_at_init": False,
    "output_is_zero_at_init": False,
    "input_convention": "positions",
}
SO3LR: Final[Mapping[str, Any]] = {
    "zbl_repulsion_bool": True,
    "electrostatic_energy_bool": True,
    "electrostatic_energy_scale": 4.0,
    "dispersion_energy_bool": True,
    "dispersion_energy_scale": 1.2,
    "dispersion_energy_cutoff_lr_damping": 2.0,
    "r_max_lr": None,
    "neighborlist_format_lr": "sparse",
    "use_multihead_model": False,
    "num_multihead_heads": None,
}
MACELES: Final[Mapping[str, Any]] = {
    "les_arguments": {"use_atomwise": False, "compute_bec": False},
    "atomic_inter_scale": 1.0,
    "atomic_inter_shift": 0.0,
}
"""Keys of ARCHITECTURE that other families than MACE have, with their defaults."""

NOT_YET_MACE: Final[Mapping[str, Mapping[str, Absent]]] = {
    "GENERAL": {
        "checkpoints_dir": Absent(
            (None, "checkpoints"), "Checkpoints are kept in the run's folder. Remove it, or set MISC.output_dir."
        ),
        "loss_dir": Absent((None, "loss", "losses"), "Losses are kept in run.db and shown in results/. Remove it."),
    },
    "ARCHITECTURE": {
        **_other_family("SO3krates", SO3KRATES),
        **_other_family("SO3LR", SO3LR),
        **_other_family("MACELES", MACELES),
    },
    "TRAINING": {
        "seed": Absent((None, 42), "GENERAL.seed is that of training, too. Remove it."),
        "dipole_weight": _later("dipoles", "Remove it.", 1),
        "hirshfeld_weight": _later("Hirshfeld ratios", "Remove it.", 1),
        "pretrained_weights": _later("models of SO3krates, whose files are without their network", "Remove it."),
        **_switches("SO3LR, which has such a part", "freeze_zbl", "freeze_hirshfeld", "freeze_partial_charges"),
        **_switches("SO3LR, where these are trained; those of MACE never change", "freeze_shifts", "freeze_scales"),
        "convert_to_lora": Absent((None, False), "finetuning_choice: lora converts the model. Remove it."),
        "convert_to_multihead": Absent((None, False), "finetuning_choice: multihead adds the head. Remove it."),
    },
    "MISC": {
        **_switches("dipoles", "compute_dipole"),
        **_switches("checkpoints of every epoch; the newest is always kept", "keep_checkpoints"),
        **_switches("a training to be taken up; every run goes on by the same command", "restart_latest"),
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

_SO3: Final = "Models of SO3krates and SO3LR are not in this version; those of MACE are."

NOT_YET_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "INITIAL_DATASET_GENERATION.foundational_model": {"so3lr": _SO3},
    "INITIAL_DATASET_GENERATION.teacher_reference_settings.model_type": {"so3lr": _SO3, "so3krates": _SO3},
    "ACTIVE_LEARNING.foundational_model_settings.model_type": {"so3lr": _SO3, "so3krates": _SO3},
    "ACTIVE_LEARNING.teacher_reference_settings.model_type": {"so3lr": _SO3, "so3krates": _SO3},
    "REFERENCE.model_type": {"so3lr": _SO3, "so3krates": _SO3},
    "ARCHITECTURE.model_choice": {"so3krates": _SO3, "so3lr": _SO3, "maceles": "MACELES is not in this version."},
    "ARCHITECTURE.radial_type": {
        "chebyshev": "It is not in this version: mace-torch evaluates it at unscaled distances, where it grows "
        "without bound."
    },
    "TRAINING.loss": {
        **dict.fromkeys(
            (
                *("weighted_energy_forces_dipole", "weighted_energy_forces_hirshfeld"),
                *("weighted_energy_forces_dipole_hirshfeld", "weighted_energy_forces_charges"),
                *("weighted_energy_forces_charges_hirshfeld", "dipole", "dipole_polar", "energy_forces_dipole"),
            ),
            "It is not in this version: the models learn energies, forces and stress, and have no dipoles, charges, "
            "polarizabilities or Hirshfeld ratios that could be wrong.",
        ),
    },
}
"""Values that are known and not available, by setting."""
