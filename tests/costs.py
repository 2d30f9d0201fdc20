"""What tests cost, by folder and file: it must be known before a file is imported, for the import is what costs.

A test is `light` unless something here, or a marker of its own, says otherwise. Nobody has to be believed:
`pytest --light` collects light tests alone, and fails those that import what is :data:`HEAVY`; an entry here that names
nothing fails every run.

When one fails: import PyTorch later, where it is needed, or give the test or its file the marker `torch`.
"""

from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

HERE: Final = Path(__file__).parent

HEAVY: Final = ("torch", "mace", "e3nn")
"""Packages that no light test may import: seconds of each process, and hundreds of MB."""

COSTLY: Final = ("torch", "process", "slow", "gpu", "licence", "slurm")
"""Markers of what a test costs; `light` is a test that has none of them."""

COSTS: Final[Mapping[str, str]] = {
    "contract/test_augmentation.py": "torch",
    "contract/test_bias.py": "torch",
    "contract/test_committee.py": "torch",
    "contract/test_driver.py": "torch",
    "contract/test_integrator.py": "torch",
    "contract/test_pool.py": "process",
    "contract/test_property.py": "torch",
    "contract/test_reference.py": "process",
    "contract/test_sampler.py": "torch",
    "contract/test_sampler_lammps.py": "process",
    "contract/test_source.py": "torch",
    "contract/test_stage.py": "torch",
    "contract/test_validator.py": "torch",
    "docs/test_extending.py": "torch",
    "docs/test_using.py": "torch",
    "fuzz/test_neighbours.py": "torch",
    "integration": "process",
    "unit/benchmarks/test_labels_needed.py": "torch",
    "unit/campaign/test_diary.py": "torch",
    "unit/campaign/test_inputs.py": "torch",
    "unit/campaign/test_snapshot.py": "torch",
    "unit/cli/commands/beginning/test_explore.py": "torch",
    "unit/cli/commands/campaign/test_plan.py": "torch",
    "unit/committee": "torch",
    "unit/evaluation/test_bonds.py": "torch",
    "unit/evaluation/test_rotors.py": "torch",
    "unit/evaluation/test_stability.py": "torch",
    "unit/evaluation/test_verdict.py": "torch",
    "unit/forecast/test_pace.py": "torch",
    "unit/forecast/test_speed.py": "torch",
    "unit/forecast/test_timetable.py": "torch",
    "unit/forecast/test_underway.py": "torch",
    "unit/labelling/test_claims.py": "torch",
    "unit/labelling/test_desk.py": "torch",
    "unit/outcome": "torch",
    "unit/reference/embedded/test_asi.py": "process",
    "unit/reference/embedded/test_model_file.py": "torch",
    "unit/reference/process/test_supervised.py": "process",
    "unit/reference/test_foreign.py": "torch",
    "unit/reference/test_grimme_2006.py": "torch",
    "unit/sampling": "torch",
    "unit/sampling/lammps": "process",
    "unit/settings/methods/test_engines.py": "torch",
    "unit/settings/test_variables.py": "torch",
    "unit/stages/exploring/test_starts.py": "torch",
    "unit/stages/fly/test_refitting.py": "torch",
    "unit/stages/loop/test_judging.py": "torch",
    "unit/stages/loop/test_recording.py": "torch",
    "unit/stages/loop/test_wrecks.py": "torch",
    "unit/stages/test_convergence.py": "torch",
    "unit/stages/test_driver.py": "torch",
    "unit/stages/test_imported.py": "torch",
    "unit/stages/test_isolated.py": "torch",
    "unit/stages/test_starts.py": "torch",
    "unit/structures/building/test_packing.py": "process",
    "unit/structures/building/test_phase.py": "process",
    "unit/test_batch.py": "torch",
    "unit/test_trajectory.py": "torch",
}
"""Marker of all tests below a folder or in a file, relative to this one. Single tests have markers of their own."""

DEAR: Final[Mapping[str, tuple[str, ...]]] = {
    "integration/test_campaign_fly_mace.py": (
        "test_a_flight_killed_in_a_training_comes_to_the_same_weights",
        "test_a_function_of_the_users_own_trains_and_is_called_again_where_it_had_failed",
        "test_water_is_flown_near_tight_binding",
    ),
    "integration/test_campaign_gap.py": (
        "test_gaps_learn_methanol_from_tight_binding_and_a_killed_run_comes_to_the_same_fits",
    ),
    "integration/test_campaign_mace.py": (
        "test_interrupted_run_gives_models_that_work_and_says_what_they_are",
        "test_run_killed_in_active_learning_has_the_weights_of_one_that_was_not",
        "test_run_killed_in_stage_two_has_the_weights_of_one_that_was_not",
        "test_validation_structures_can_train_the_models_that_are_handed_over",
    ),
    "integration/test_campaign_play.py": ("test_a_campaign_that_is_killed_again_and_again_comes_to_the_same_bits",),
    "integration/test_campaign_programs.py": (
        "test_command_killed_with_labels_on_its_workers_goes_on_by_the_same_command",
        "test_project_of_v02_runs_unchanged",
    ),
    "integration/test_chgnet.py": (
        "test_chgnet_drives_a_whole_campaign",
        "test_its_stress_moves_cells",
    ),
    "integration/test_dashboard.py": (
        "test_a_reader_stays_where_he_is",
        "test_it_takes_over_what_has_changed",
    ),
    "integration/test_departure.py": (
        "test_aimd_that_waits_for_a_step_of_an_hour_leaves_at_once_and_loses_none",
        "test_campaign_leaves_before_its_batch_job_ends_when_that_is_before_its_own_walltime",
        "test_campaign_leaves_in_every_part_of_its_work_and_goes_on",
        "test_campaign_that_waits_for_a_label_of_an_hour_leaves_at_once",
        "test_campaign_whose_workers_are_in_the_queue_leaves_and_cancels_them",
        "test_chain_of_sessions_in_which_nothing_gets_done_ends",
        "test_label_of_an_hour_in_the_campaign_itself_is_interrupted_within_half_a_minute",
        "test_no_label_is_begun_that_can_not_finish_before_the_walltime",
        "test_second_ctrl_c_leaves_at_once_and_workers_end_by_themselves",
    ),
    "integration/test_dihedrals.py": (
        "test_dihedrals_of_the_product_are_compared_with_those_of_tight_binding",
        "test_every_step_by_the_reference_is_a_calculation_which_is_said_first_and_leaves_no_books",
        "test_steps_by_the_reference_that_were_computed_before_it_was_left_are_found_again",
    ),
    "integration/test_doctor.py": (
        "test_a_broken_pytorch_is_told_by_its_last_words",
        "test_everything_that_a_campaign_needs_is_tried_here",
        "test_without_pytorch_it_says_how_to_get_it_and_gives_1",
    ),
    "integration/test_explore_mace.py": ("test_a_killed_exploration_comes_to_the_same_weights",),
    "integration/test_faults.py": (
        "test_campaign_reaches_its_size_though_labels_fail_and_workers_die",
        "test_campaign_stops_at_a_spoilt_scratch_disk_and_goes_on_when_it_is_mended",
        "test_label_survives_the_loss_of_what_computes_it",
    ),
    "integration/test_fhi_aims.py": (
        "test_aimd_moves_and_labels_each_system_by_its_own_control_in",
        "test_run_does_not_go_on_with_another_control_in",
        "test_unconverged_labels_are_failures_and_the_campaign_says_so",
        "test_v02_project_runs_unchanged",
    ),
    "integration/test_foundation_mace.py": (
        "test_a_run_that_a_mace_model_drives_goes_on_to_the_same_bits",
        "test_members_that_begin_as_a_model_learn_what_is_made_and_explore",
        "test_the_model_moves_all_in_one_pass_and_the_committee_judges_all_in_one",
    ),
    "integration/test_hybrid.py": ("test_a_function_of_the_users_own_trains",),
    "integration/test_judging.py": (
        "test_campaign_that_is_interrupted_again_and_again_judges_by_the_same_labels",
        "test_share_that_is_switched_on_in_a_run_that_goes_on_is_taken_from_there",
    ),
    "integration/test_labels_needed.py": ("test_cells_that_are_finished_are_not_made_again",),
    "integration/test_mace_dynamics.py": (
        "test_energy_of_crystals_and_molecules_is_conserved",
        "test_resumed_equals_uninterrupted_under_a_committee",
        "test_trajectories_are_independent_under_a_committee",
    ),
    "integration/test_notebook.py": ("test_page_runs_from_top_to_bottom",),
    "integration/test_old_files.py": (
        "test_a_label_that_an_old_program_had_computed_is_not_computed_again",
        "test_an_old_finished_run_goes_on_when_its_goal_is_raised",
        "test_an_old_run_is_continued_to_its_end",
    ),
    "integration/test_parsl_pool.py": (
        "test_a_label_that_kills_every_worker_fails_as_worker_lost",
        "test_a_result_that_the_killed_campaign_never_heard_of_is_found",
        "test_ctrl_c_in_the_terminal_lets_the_campaign_close_its_pool",
        "test_ctrl_c_while_jobs_are_pending_leaves_at_once_and_cancels_them",
    ),
    "integration/test_pool_dead.py": ("test_waiting_campaign_says_for_what_and_ends_with_3_when_its_pool_is_dead",),
    "integration/test_power_cut.py": ("test_a_label_whose_request_is_forgotten_is_taken_when_it_is_asked_for_again",),
    "integration/test_pretrain.py": ("test_models_of_mace_killed_twice_are_those_of_a_run_that_was_not",),
    "integration/test_pretrained.py": (
        "test_all_members_go_on_from_one_model_and_are_trained_first",
        "test_final_datasets_of_v02_are_extended_and_then_the_run_itself",
        "test_members_go_on_from_their_models",
        "test_the_first_committee_is_trained_alone_and_active_learning_goes_on",
    ),
    "integration/test_probe.py": (
        "test_a_queue_that_refuses_is_told_in_its_own_words",
        "test_every_system_is_labelled_where_it_belongs",
        "test_workers_that_never_start_are_told_in_their_own_words",
        "test_workers_without_the_package_are_told",
    ),
    "integration/test_real_dft.py": ("test_pool_labels_crystals_and_molecules_by_real_dft_side_by_side",),
    "integration/test_relabel_methods.py": (
        "test_models_learn_the_labels_of_the_other_method",
        "test_workers_of_the_first_reference_make_room_for_those_of_the_other",
    ),
    "integration/test_report_page.py": ("test_page_opens_without_a_word_on_the_console",),
    "integration/test_safety.py": ("test_a_local_pool_listens_on_the_loopback_interface_alone",),
    "integration/test_systems.py": ("test_a_campaign_that_left_again_and_again_has_the_same_labels",),
    "integration/test_verdict.py": (
        "test_a_finished_run_tells_its_verdict_in_the_summary_and_in_the_closing_lines",
        "test_a_verdict_can_be_switched_off",
    ),
    "integration/test_verify.py": (
        "test_stability_is_counted_at_each_temperature_and_drawn",
        "test_structures_of_a_held_out_set_in_npt_have_the_cells_of_their_moments",
    ),
    "unit/committee/mace/test_compiled.py": (
        "test_a_committee_compiled_from_its_checkpoint_on_learns_and_says_the_same",
        "test_what_keeps_pytorch_from_compiling_is_told",
    ),
    "unit/committee/test_checkpoint.py": ("test_exported_files_need_mace_alone",),
    "unit/committee/test_finetuning.py": (
        "test_a_second_head_remembers",
        "test_members_begin_as_the_foundation_model_and_learn",
        "test_networks_of_published_models",
    ),
    "unit/committee/test_molecules.py": (
        "test_a_committee_that_goes_on_weighs_them_still",
        "test_nothing_changes_until_molecules_are_weighed",
    ),
    "unit/committee/test_placement.py": ("test_checkpoints_go_on_with_another_number_of_devices",),
    "unit/committee/test_pretrained.py": (
        "test_members_of_other_atomic_energies_have_errors_of_their_own",
        "test_such_a_committee_is_saved_with_all_its_constants",
    ),
    "unit/reference/embedded/test_asi.py": (
        "test_a_hanging_label_is_ended_with_all_its_ranks_and_the_next_one_works",
        "test_a_real_engine_behind_the_interface_gives_its_own_numbers",
    ),
    "unit/reference/process/test_supervised.py": (
        "test_a_hanging_label_is_ended_and_the_next_one_works",
        "test_an_answer_to_an_interrupted_question_is_not_taken_for_the_next_one",
    ),
    "unit/report/test_logs.py": ("test_every_line_appears_once_although_a_model_was_loaded_before",),
    "unit/sampling/test_bias.py": ("test_hills_fill_a_known_well",),
    "unit/sampling/test_langevin.py": (
        "test_harmonic_oscillators_have_the_temperature_and_the_width_of_their_thermostat",
    ),
    "unit/stages/fly/test_refitting.py": ("test_it_is_given_labels_and_goes_on_from_the_models_that_there_are",),
}
"""Tests of half a dozen seconds or more on an idle machine, by file: for `make dear` and CI, not for `make test`."""


def cost_of(path: Path) -> str | None:
    """The marker of a folder or file; None for what is light."""
    inside = path.relative_to(HERE) if path.is_relative_to(HERE) else Path()
    for home in (inside, *inside.parents):
        if home.as_posix() in COSTS:
            return COSTS[home.as_posix()]
    return None


def is_dear(path: Path, name: str) -> bool:
    """Whether a test function is in :data:`DEAR`."""
    return path.is_relative_to(HERE) and name in DEAR.get(path.relative_to(HERE).as_posix(), ())


def astray() -> list[str]:
    """Entries that name nothing, or no cost."""
    wrong = [name for name, cost in COSTS.items() if not (HERE / name).exists() or cost not in COSTLY]
    for file, names in DEAR.items():
        text = (HERE / file).read_text(encoding="utf-8") if (HERE / file).is_file() else ""
        wrong += [f"{file}::{name}" for name in names if f"def {name}(" not in text]
    return wrong


class Refusal(MetaPathFinder):
    """Lets nothing heavy be imported: the test that does it fails, with the way by which it came there.

    Whether it is installed may be asked, and is answered.
    """

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in HEAVY else None
        if spec is not None:
            spec.loader = _Refused()
        return spec


class _Refused(Loader):
    def exec_module(self, module: ModuleType) -> None:
        # No ImportError: those are caught by code that can do without.
        pytest.fail(f"a light test imports {module.__name__}; see tests/costs.py")
