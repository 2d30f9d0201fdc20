"""Every setting of aims-PAX v0.2: its default is accepted, and what this version lacks is refused by its name."""

from typing import Any

import pytest
import yaml

from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, MDSettings, MiscSettings
from aims_pax.settings.committee.mace import MACE_SECTIONS
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE
from aims_pax.settings.section import Section
from aims_pax.settings.stages.select import SelectSettings

from .conftest import ProjectFolder

DEFAULTS: dict[str, str] = {
    "INITIAL_DATASET_GENERATION": """
        species_dir: null
        n_points_per_sampling_step_idg: 10
        initial_sampling: foundational
        foundational_model: mace-mp
        foundational_model_settings: {mace_model: small, dispersion: false, dispersion_xc: pbe, dispersion_cutoff: 12,
          damping: bj, r_max_lr: null, dispersion_lr_damping: null}
        skip_step_initial: 25
        ensemble_size: 4
        distinct_model_sets: true
        desired_acc: 0.0
        desired_acc_scale_idg: 10
        valid_ratio: 0.1
        valid_skip: 1
        intermediate_epochs_idg: 5
        scheduler_initial: true
        max_initial_epochs: .inf
        max_initial_set_size: 10
        analysis: false
        progress_dft_update: 10
        converge_initial: false
        convergence_patience: 50
        margin: 0.002
        max_convergence_epochs: 500
        use_teacher_reference: false
        teacher_reference_settings: null
        save_trajectories: false
        save_trajectories_interval: 5
    """,
    "ACTIVE_LEARNING": """
        num_trajectories: 4
        species_dir: null
        desired_acc: 0.1
        max_MD_steps: .inf
        max_train_set_size: .inf
        c_x: 0.0
        skip_step_mlff: 25
        uncertainty_type: max_atomic_sd
        uncert_not_crossed_limit: 50000
        freeze_threshold_dataset: .inf
        ensemble_size: 4
        valid_ratio: 0.1
        valid_skip: 1
        epochs_per_worker: 2
        intermediate_epochs_al: 1
        margin: 0.002
        replay_strategy: full_dataset
        train_subset_size: null
        valid_subset_size: null
        update_md_checkpoints: true
        seeds_tags_dict: null
        converge_al: true
        converge_best: true
        convergence_patience: 50
        max_convergence_epochs: 500
        analysis: false
        analysis_skip: 50
        use_foundational: false
        foundational_model_settings: {model_type: mace-mp, mace_model: small, model_path: null, r_max_lr: null,
                                      dispersion_lr_damping: null}
        initial_train_dataset: null
        initial_valid_dataset: null
        extend_existing_final_ds: false
        intermol_crossed_limit: 10
        intermol_forces_weight: 100
        use_teacher_reference: false
        teacher_reference_settings: null
        save_trajectories: true
        save_trajectories_interval: 5
    """,
    "MD": """
        stat_ensemble: NVT
        temperature: 300
        timestep: 0.5
        thermostat: Langevin
        friction: 0.001
        seed: 42
        barostat: MTK
        pressure: 101325
        tdamp: 50
        pdamp: 500
        tchain: 3
        pchain: 3
        tloop: 1
        ploop: 1
    """,
    "MISC": """
        create_restart: true
        output_dir: .
        dataset_dir: ./data
        log_dir: ./logs
        path_to_control: null
        path_to_geometry: geometry
        mol_idxs: null
        energy_key: REF_energy
        forces_key: REF_forces
        stress_key: REF_stress
        dipole_key: REF_dipole
        charges_key: REF_charges
        polarizability_key: REF_polarizability
        hirshfeld_ratios_key: REF_hirshfeld_ratios
        head_key: head
        total_charge_key: total_charge
        total_spin_key: total_spin
        all_teacher: false
    """,
    "CLUSTER": """
        type: local
        executor: local
        max_workers: 4
        launch_str: null
        calc_dir: ./aims_ase_calcs
        clean_dirs: true
        parsl_info_dir: ./parsl_info
    """,
}
"""aims_PAX.yaml; required settings, and goals without which nothing ends, have an example's value."""

SLURM = """
    type: slurm
    executor: workqueue
    slurm_str: '#SBATCH --time=1:00:00'
    worker_str: module load nothing
    launch_str: null
    calc_dir: ./aims_ase_calcs
    clean_dirs: true
    parsl_options: {nodes_per_block: 1, init_blocks: 1, min_blocks: 1, max_blocks: 1, label: a, run_dir: ./parsl,
      function_dir: null, parsl_info_dir: ./parsl_info}
    parsl_info_dir: ./parsl_info
    tasks_per_node: 1
    cores_per_job: null
    memory_per_job: null
    disk_per_job: 1000
"""

MODEL: dict[str, str] = {
    "GENERAL": """
        name_exp: exp
        model_choice: MACE
        seed: 42
        default_dtype: float32
        checkpoints_dir: ./checkpoints
        model_dir: ./model
        loss_dir: ./losses
        compute_stress: false
    """,
    "ARCHITECTURE": """
        model: MACE
        model_choice: mace
        r_max: 5
        num_channels: 128
        max_L: 1
        max_ell: 3
        correlation: 3
        num_interactions: 2
        num_radial_basis: 8
        num_cutoff_basis: 5
        radial_MLP: [64, 64, 64]
        radial_type: bessel
        MLP_irreps: 16x0e
        gate: silu
        interaction: RealAgnosticResidualInteractionBlock
        interaction_first: RealAgnosticResidualInteractionBlock
        scaling: rms_forces_scaling
        compute_avg_num_neighbors: true
        atomic_energies: null
        num_features: 128
        num_radial_basis_fn: 32
        degrees: [1, 2, 3, 4]
        num_heads: 4
        num_layers: 3
        final_mlp_layers: 2
        energy_regression_dim: 128
        message_normalization: avg_num_neighbors
        initialize_ev_to_zeros: true
        radial_basis_fn: bernstein
        trainable_rbf: false
        energy_learn_atomic_type_shifts: true
        energy_learn_atomic_type_scales: true
        layer_normalization_1: true
        layer_normalization_2: true
        residual_mlp_1: true
        residual_mlp_2: false
        use_charge_embed: true
        use_spin_embed: true
        interaction_bias: true
        qk_non_linearity: identity
        cutoff_fn: phys
        cutoff_p: 5
        activation_fn: silu
        energy_activation_fn: identity
        layers_behave_like_identity_fn_at_init: false
        output_is_zero_at_init: false
        input_convention: positions
        zbl_repulsion_bool: true
        electrostatic_energy_bool: true
        electrostatic_energy_scale: 4
        dispersion_energy_bool: true
        dispersion_energy_scale: 1.2
        dispersion_energy_cutoff_lr_damping: 2
        r_max_lr: null
        neighborlist_format_lr: sparse
        use_multihead_model: false
        num_multihead_heads: null
        les_arguments: {use_atomwise: false, compute_bec: false}
        atomic_inter_scale: 1.0
        atomic_inter_shift: 0.0
    """,
    "TRAINING": """
        seed: 42
        optimizer: adam
        lr: 0.01
        weight_decay: 5.0e-7
        amsgrad: true
        clip_grad: 10
        batch_size: 5
        valid_batch_size: 5
        loss: weighted
        config_type_weights: {Default: 1.0}
        energy_weight: 1
        forces_weight: 1000
        stress_weight: 1
        virials_weight: 1
        dipole_weight: 1
        hirshfeld_weight: 1
        scheduler: ReduceLROnPlateau
        lr_factor: 0.8
        lr_scheduler_gamma: 0.9993
        scheduler_patience: 5
        ema: true
        ema_decay: 0.99
        swa: false
        start_swa: null
        update_avg_num_neighbors: true
        perform_finetuning: false
        pretrained_model: null
        pretrained_weights: null
        finetuning_choice: naive
        freeze_embedding: false
        freeze_zbl: false
        freeze_hirshfeld: false
        freeze_partial_charges: false
        freeze_shifts: false
        freeze_scales: false
        convert_to_lora: false
        lora_rank: 8
        lora_alpha: 16
        lora_freeze_A: false
        convert_to_multihead: false
    """,
    "MISC": """
        device: cpu
        error_table: PerAtomMAE
        log_level: INFO
        compute_stress: false
        keep_checkpoints: false
        restart_latest: false
        compute_dipole: false
        enable_cueq: false
        enable_cueq_train: false
    """,
}
"""model.yaml."""

POOL: dict[str, str] = {
    "DATA_FILTERING": """
        hdf5_paths: [pool.xyz]
        num_chunks: 4
        eval_stride: 1000
        eval_batch_size: null
        error_type: forces
        desired_acc: 0.0
        max_train_set_size: inf
        c_x: 0.0
        epochs_per_batch: 50
        valid_ratio: 0.1
        valid_skip: 1
        replay_strategy: full_dataset
        train_subset_size: null
        valid_subset_size: null
        freeze_threshold_dataset: inf
        convergence_patience: 50
        max_convergence_epochs: 500
        converge_best: true
        analysis: false
        margin: 0.002
        save_xyz: false
        shuffle_dataset: true
        use_multihead_model: false
        extra_dataset_path: null
        extra_dataset_ratio: 0
    """,
    "MISC": "output_dir: ./filter_output",
}
"""aimsPAX.yaml of the branch that chooses data; there are no other sections, but CLUSTER for a batch system."""

LACKING_POOL = """
    {num_chunks: 8, eval_batch_size: 16, use_multihead_model: true, extra_dataset_path: a.h5, extra_dataset_ratio: 0.2}
"""

LACKING: dict[str, str] = {
    "INITIAL_DATASET_GENERATION": "foundational_model: so3lr",
    "MISC": """
        create_restart: false
        dataset_dir: elsewhere
        dipole_key: mu
        charges_key: q
        polarizability_key: alpha
        hirshfeld_ratios_key: ratios
        head_key: heads
        all_teacher: true
    """,
    "CLUSTER": "parsl_info_dir: elsewhere",
}
"""What v0.2 can be asked for, and this version can't."""

LACKING_MODEL: dict[str, str] = {
    "GENERAL": """
        checkpoints_dir: elsewhere
        loss_dir: elsewhere
    """,
    "ARCHITECTURE": """
        radial_type: chebyshev
        num_features: 64
        degrees: [1, 2]
        trainable_rbf: true
        zbl_repulsion_bool: false
        r_max_lr: 10
        les_arguments: {use_atomwise: true}
    """,
    "TRAINING": """
        seed: 7
        loss: weighted_energy_forces_dipole
        dipole_weight: 2
        hirshfeld_weight: 2
        pretrained_weights: some.pt
        freeze_zbl: true
        freeze_hirshfeld: true
        freeze_partial_charges: true
        freeze_shifts: true
        freeze_scales: true
        convert_to_lora: true
        convert_to_multihead: true
    """,
    "MISC": """
        error_table: TotalRMSE
        keep_checkpoints: true
        restart_latest: true
        compute_dipole: true
    """,
}

Table = dict[str, dict[str, Any]]


def read(tables: dict[str, str]) -> Table:
    return {section: yaml.safe_load(text) for section, text in tables.items()}


def written(folder: ProjectFolder, settings: Table, mace: Table) -> ProjectFolder:
    return folder.write(yaml.safe_dump(settings), yaml.safe_dump(mace))


def merged(table: Table, *changes: Table) -> Table:
    result = {section: dict(keys) for section, keys in table.items()}
    for change in changes:
        for section, keys in change.items():
            result[section] = {**result.get(section, {}), **keys}
    return result


def test_every_documented_default_is_accepted(folder: ProjectFolder) -> None:
    project = written(folder, read(DEFAULTS), read(MODEL)).load()
    assert project.settings.cluster.type == "local"
    assert project.mace.architecture.model_choice == "mace"


def test_every_documented_default_of_a_batch_system_is_accepted(folder: ProjectFolder) -> None:
    settings = {**read(DEFAULTS), "CLUSTER": yaml.safe_load(SLURM)}
    assert written(folder, settings, read(MODEL)).load().settings.cluster.type == "slurm"


def test_a_pool_needs_neither_md_nor_structures_nor_a_reference(folder: ProjectFolder) -> None:
    folder.file("pool.xyz", "1\n\nH 0 0 0\n")
    written(folder, read(POOL), read(MODEL)).file("geometry/water.xyz").unlink()
    project = folder.load()
    assert [(plan.kind, plan.name) for plan in project.settings.stages] == [
        ("select", "select"),
        ("converge", "select convergence"),
    ]
    assert project.systems == ()
    assert not project.settings.samples
    alone = merged(read(POOL), {"DATA_FILTERING": {"converge_best": False}})
    assert [plan.kind for plan in written(folder, alone, read(MODEL)).load().settings.stages] == ["select"]


@pytest.mark.parametrize("key", yaml.safe_load(LACKING_POOL))
def test_what_is_lacking_of_pools_is_said_to_be(folder: ProjectFolder, key: str) -> None:
    folder.file("pool.xyz", "1\n\nH 0 0 0\n")
    change = {"DATA_FILTERING": {key: yaml.safe_load(LACKING_POOL)[key]}}
    message = written(folder, merged(read(POOL), change), read(MODEL)).complaint()
    assert f"DATA_FILTERING.{key} is " in message
    assert "not in this version" in message


def test_a_pool_beside_other_stages_is_written_as_a_list(folder: ProjectFolder) -> None:
    folder.file("pool.xyz", "1\n\nH 0 0 0\n")
    message = written(folder, {**read(POOL), **read(DEFAULTS)}, read(MODEL)).complaint()
    assert "DATA_FILTERING stands beside INITIAL_DATASET_GENERATION and ACTIVE_LEARNING." in message
    assert "STAGES, with select in the place of DATA_FILTERING" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hdf5_paths": []}, "is an empty list"),
        ({"hdf5_paths": ["missing.h5"]}, "can't be opened"),
        ({"hdf5_paths": ["pool.xyz", "./pool.xyz"]}, "names a file twice"),
        ({"first_set_size": 20, "max_train_set_size": 10}, "first_set_size (20) is more than max_train_set_size (10)"),
        ({"replay_strategy": "random_subset"}, "needs train_subset_size"),
        ({"train_subset_size": 5}, "replay_strategy is full_dataset"),
        ({"error_type": "stress"}, "forces | energy | both"),
    ],
)
def test_what_can_not_be_selected_is_said(folder: ProjectFolder, change: dict[str, Any], words: str) -> None:
    folder.file("pool.xyz", "1\n\nH 0 0 0\n")
    assert words in written(folder, merged(read(POOL), {"DATA_FILTERING": change}), read(MODEL)).complaint()


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, keys in read(LACKING).items() for key in keys]
)
def test_what_is_lacking_is_said_to_be(folder: ProjectFolder, section: str, key: str) -> None:
    change = {section: {key: read(LACKING)[section][key]}}
    message = written(folder, merged(read(DEFAULTS), change), read(MODEL)).complaint()
    assert f"{section}.{key} is " in message
    assert "not in this version" in message
    assert "is not a setting" not in message


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, keys in read(LACKING_MODEL).items() for key in keys]
)
def test_what_is_lacking_of_models_is_said_to_be(folder: ProjectFolder, section: str, key: str) -> None:
    change = {section: {key: read(LACKING_MODEL)[section][key]}}
    message = written(folder, read(DEFAULTS), merged(read(MODEL), change)).complaint()
    assert f"{section}.{key} is " in message
    assert "not in this version" in message
    assert "is not a setting" not in message


@pytest.mark.parametrize("family", ["so3krates", "SO3LR", "maceles"])
@pytest.mark.parametrize(("section", "key"), [("GENERAL", "model_choice"), ("ARCHITECTURE", "model_choice")])
def test_other_families_are_not_in_this_version(folder: ProjectFolder, section: str, key: str, family: str) -> None:
    mace = {"GENERAL": {"name_exp": "exp"}}
    message = written(folder, read(DEFAULTS), merged(mace, {section: {key: family}})).complaint()
    assert f"{section}.{key} is '{family.lower()}'." in message
    assert "not in this version" in message


@pytest.mark.parametrize("family", ["so3krates", "so3lr"])
def test_teachers_of_other_families_are_not_in_this_version(folder: ProjectFolder, family: str) -> None:
    teacher = {"model_type": family, "model_path": "aims_PAX.yaml", "r_max_lr": 10, "dispersion_lr_damping": 2}
    stage = {"use_teacher_reference": True, "teacher_reference_settings": teacher}
    both = {"INITIAL_DATASET_GENERATION": stage, "ACTIVE_LEARNING": stage}
    message = written(folder, merged(read(DEFAULTS), both), read(MODEL)).complaint()
    assert message.count("SO3krates and SO3LR are not in this version") == 2
    assert message.count("which is not in this version") == 4


@pytest.mark.parametrize("family", ["so3krates", "so3lr"])
def test_drivers_of_other_families_are_not_in_this_version(folder: ProjectFolder, family: str) -> None:
    model = {"model_type": family, "model_path": "aims_PAX.yaml", "r_max_lr": 10, "dispersion_lr_damping": 2}
    stage = {"use_foundational": True, "foundational_model_settings": model}
    message = written(folder, merged(read(DEFAULTS), {"ACTIVE_LEARNING": stage}), read(MODEL)).complaint()
    assert f"ACTIVE_LEARNING.foundational_model_settings.model_type is '{family}'" in message
    assert message.count("SO3krates and SO3LR are not in this version") == 1
    assert message.count("which is not in this version") == 2


def test_families_that_contradict_each_other_are_said(folder: ProjectFolder) -> None:
    change = {"GENERAL": {"model_choice": "so3lr"}}
    message = written(folder, read(DEFAULTS), merged(read(MODEL), change)).complaint()
    assert "GENERAL.model_choice and ARCHITECTURE.model_choice contradict each other." in message


@pytest.mark.parametrize("key", ["freeze", "freeze_par", "lora", "use_lora"])
def test_keys_that_v02_does_not_have_are_no_settings(folder: ProjectFolder, key: str) -> None:
    change = {"TRAINING": {key: False}}
    message = written(folder, read(DEFAULTS), merged(read(MODEL), change)).complaint()
    assert f"TRAINING.{key} is not a setting." in message


def test_no_refused_key_is_undocumented() -> None:
    documented = {section: set(keys) for section, keys in {**read(POOL), **read(DEFAULTS)}.items()}
    for section, keys in NOT_YET.items():
        if "." not in section:
            assert set(keys) <= documented[section]
    for section, keys in NOT_YET_MACE.items():
        assert set(keys) <= set(read(MODEL)[section])


HONOURED: dict[str, type[Section]] = {
    "INITIAL_DATASET_GENERATION": InitialDatasetSettings,
    "ACTIVE_LEARNING": ActiveLearningSettings,
    "DATA_FILTERING": SelectSettings,
    "MD": MDSettings,
    "MISC": MiscSettings,
}


@pytest.mark.parametrize("section", HONOURED)
def test_no_key_is_both_honoured_and_refused(section: str) -> None:
    model = HONOURED[section]
    honoured = {*model.model_fields, *model.ALIASES}
    assert not honoured & {*NOT_YET.get(section, {}), *FHI_AIMS.get(section, {})}
    assert set(model.ALIASES.values()) <= set(model.model_fields)
    assert not set(MACE_SECTIONS["TRAINING"].model_fields) & set(NOT_YET_MACE["TRAINING"])
