"""The smallest committee of MACE that learns copper."""

from collections.abc import Sequence
from functools import cache

from aims_pax.committee import Committee
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.testing.contracts.structures import points

SETTINGS = MaceSettings.model_validate(
    {
        "general": {"name_exp": "springs", "default_dtype": "float64", "compute_stress": True},
        "architecture": {
            "r_max": 4.0,
            "num_channels": 4,
            "max_L": 0,
            "max_ell": 1,
            "correlation": 1,
            "num_interactions": 1,
            "num_radial_basis": 4,
            "radial_MLP": [8],
            "MLP_irreps": "4x0e",
        },
        "training": {"lr": 0.02},
    }
)


def built(labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
    """An untrained committee."""
    return Committee.build(SETTINGS, labelled, seeds=seeds, atomic_energies_ev={29: 0.0})


@cache
def mace_committee() -> Committee:
    """One that has learned a little; for those who only let it predict."""
    committee = built(points(3), seeds=(1, 2))
    committee.train(2)
    return committee


GAP_SETTINGS = MaceSettings.model_validate(
    {
        "general": {"name_exp": "springs", "compute_stress": True},
        "architecture": {
            "model_choice": "gap",
            "gap_input": "gap={distance_2b cutoff=4.0 cutoff_transition_width=1.0 n_sparse=6 covariance_type=ard_se "
            "delta=1.0 theta_uniform=1.0 sparse_method=uniform} default_sigma={0.001 0.01 0.01 0.0}",
        },
    }
)

DEEPMD_INPUT = {
    "model": {
        "type_map": ["Cu"],
        "descriptor": {
            "type": "se_e2_a",
            "sel": [60],
            "rcut": 4.0,
            "rcut_smth": 1.0,
            "neuron": [4, 8],
            "axis_neuron": 2,
        },
        "fitting_net": {"neuron": [8, 8]},
    },
    "learning_rate": {"type": "exp", "start_lr": 0.01, "stop_lr": 1e-4},
    "loss": {"start_pref_e": 1.0, "start_pref_f": 100, "limit_pref_f": 10, "start_pref_v": 0.1, "limit_pref_v": 0.1},
    "training": {"numb_steps": 200, "training_data": {"systems": [], "batch_size": 1}},
}


def deepmd_settings(environment: str, *, epoch_steps: int | None) -> MaceSettings:
    """The smallest model of DeePMD-kit, in the environment of this folder."""
    return MaceSettings.model_validate(
        {
            "general": {"name_exp": "springs", "compute_stress": True},
            "architecture": {
                "model_choice": "deepmd",
                "deepmd_input": DEEPMD_INPUT,
                "deepmd_environment": environment,
                "deepmd_epoch_steps": epoch_steps,
            },
        }
    )
