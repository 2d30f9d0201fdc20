"""Every setting of aims-PAX v0.2 is either honoured or refused by name; none is unknown here."""

import pytest

from aims_pax.settings import ActiveLearningSettings, InitialDatasetSettings, MDSettings, MiscSettings
from aims_pax.settings.mace import MACE_SECTIONS
from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE
from aims_pax.settings.section import Section

BOTH_STAGES = """
    species_dir ensemble_size desired_acc valid_ratio valid_skip analysis margin convergence_patience
    max_convergence_epochs use_teacher_reference teacher_reference_settings save_trajectories
    save_trajectories_interval foundational_model_settings"""

AIMS_PAX: dict[str, tuple[type[Section], str]] = {
    "INITIAL_DATASET_GENERATION": (
        InitialDatasetSettings,
        BOTH_STAGES
        + """
        n_points_per_sampling_step_idg initial_sampling foundational_model skip_step_initial distinct_model_sets
        intermediate_epochs_idg scheduler_initial desired_acc_scale_idg max_initial_epochs max_initial_set_size
        progress_dft_update converge_initial intermediate_epochs""",
    ),
    "ACTIVE_LEARNING": (
        ActiveLearningSettings,
        BOTH_STAGES
        + """
        num_trajectories max_MD_steps max_train_set_size c_x skip_step_mlff uncertainty_type uncert_not_crossed_limit
        freeze_threshold_dataset epochs_per_worker max_epochs_worker intermediate_epochs_al intermediate_epochs
        replay_strategy train_subset_size valid_subset_size update_md_checkpoints seeds_tags_dict converge_al
        converge_best analysis_skip use_foundational initial_train_dataset initial_valid_dataset
        extend_existing_final_ds intermol_crossed_limit intermol_forces_weight""",
    ),
    "MD": (
        MDSettings,
        """stat_ensemble temperature timestep thermostat friction seed MD_seed barostat pressure tdamp pdamp tchain
        pchain tloop ploop""",
    ),
    "MISC": (
        MiscSettings,
        """create_restart output_dir dataset_dir log_dir path_to_control path_to_geometry mol_idxs energy_key
        forces_key stress_key dipole_key charges_key head_key total_charge_key total_spin_key""",
    ),
}

MACE = {
    "GENERAL": "name_exp seed default_dtype checkpoints_dir model_dir loss_dir compute_stress",
    "ARCHITECTURE": """model_choice r_max num_channels max_L max_ell correlation num_interactions num_radial_basis
        num_cutoff_basis radial_MLP radial_type MLP_irreps gate interaction interaction_first scaling
        compute_avg_num_neighbors atomic_energies""",
    "TRAINING": """optimizer lr weight_decay amsgrad clip_grad batch_size valid_batch_size loss energy_weight
        forces_weight stress_weight virials_weight scheduler lr_factor lr_scheduler_gamma scheduler_patience ema
        ema_decay swa update_avg_num_neighbors perform_finetuning pretrained_model freeze""",
    "MISC": "device error_table log_level enable_cueq",
}


@pytest.mark.parametrize("section", AIMS_PAX)
def test_keys_of_aims_pax_yaml_are_known(section: str) -> None:
    model, keys = AIMS_PAX[section]
    known = {*model.model_fields, *model.ALIASES, *NOT_YET[section], *FHI_AIMS.get(section, {})}
    assert set(keys.split()) <= known


@pytest.mark.parametrize("section", MACE)
def test_keys_of_mace_yaml_are_known(section: str) -> None:
    known = {*MACE_SECTIONS[section].model_fields, *NOT_YET_MACE.get(section, {})}
    assert set(MACE[section].split()) <= known


@pytest.mark.parametrize("section", AIMS_PAX)
def test_no_key_is_both_honoured_and_refused(section: str) -> None:
    model, _ = AIMS_PAX[section]
    honoured = {*model.model_fields, *model.ALIASES}
    assert not honoured & {*NOT_YET[section], *FHI_AIMS.get(section, {})}
    assert set(model.ALIASES.values()) <= set(model.model_fields)
