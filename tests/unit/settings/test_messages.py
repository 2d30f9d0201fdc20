"""What a person reads when a setting is wrong: place, finding, what is allowed, what to do."""

from collections.abc import Callable

import pytest

from aims_pax.settings.reading.absent import FHI_AIMS, NOT_YET, NOT_YET_MACE

Refused = Callable[..., str]

START = """\
INITIAL_DATASET_GENERATION:
  n_points_per_sampling_step_idg: 2
  max_initial_set_size: 10
  {idg}
ACTIVE_LEARNING:
  num_trajectories: 2
  max_train_set_size: 20
  {al}
MD:
  stat_ensemble: nvt
  {md}
{more}
"""


def settings(idg: str = "", al: str = "", md: str = "", more: str = "") -> str:
    return START.format(idg=idg, al=al, md=md, more=more)


def test_misspelt_key_is_said_with_line_and_what_was_meant(refused: Refused) -> None:
    assert refused(settings(al="skip_step_mlf: 10")) == (
        "aims_PAX.yaml, line 8: ACTIVE_LEARNING.skip_step_mlf is not a setting.\n"
        "  Did you mean skip_step_mlff (integer >= 1; MD steps between uncertainty estimates)?"
    )


def test_misspelt_required_key_is_not_also_missing(refused: Refused) -> None:
    message = refused(mace="GENERAL:\n  nme_exp: water\n")
    assert "GENERAL.nme_exp is not a setting" in message
    assert "missing" not in message


def test_wrong_type_is_said_with_what_is_allowed(refused: Refused) -> None:
    assert refused(settings(md="temperature: hot")) == (
        "aims_PAX.yaml, line 11: MD.temperature is 'hot'.\n  Allowed: number > 0 and <= 100000 (temperature, K)"
    )


def test_number_in_quotes_is_said_to_be_one(refused: Refused) -> None:
    message = refused(settings(md="temperature: '500'", idg="converge_initial: 'yes'"))
    assert (
        "MD.temperature is '500'.\n  Allowed: number > 0 and <= 100000 (temperature, K)\n  Remove the quotes" in message
    )
    assert message.count("Remove the quotes: in quotes this is text.") == 2


ALONE = "Write a number alone, in the unit that is expected: 500, if that is the one that you mean."


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("500 K", ALONE),
        ("500K", ALONE),
        ("500,5", "Write 500.5: decimals stand behind a point."),
    ],
)
def test_number_with_a_unit_or_a_comma_is_said_to_be_one(refused: Refused, written: str, advice: str) -> None:
    assert f"MD.temperature is '{written}'" in (message := refused(settings(md=f"temperature: {written}")))
    assert message.endswith(f"\n  {advice}")


@pytest.mark.parametrize(("written", "meant"), [("qe", "espresso"), ("XTB", "tblite"), ("dftb", "dftb+")])
def test_method_that_is_called_otherwise_elsewhere_is_suggested(refused: Refused, written: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in refused(settings(more=f"REFERENCE: {{type: {written}}}"))


def test_many_unknown_keys_are_counted(refused: Refused) -> None:
    message = refused(settings(more="MISC: {" + ", ".join(f"a{number}: 1" for number in range(60)) + "}"))
    assert message.count("is not a setting.") == 50
    assert "MISC has 10 more keys that are no settings.\n  Is it the right file?" in message


def test_number_as_key_is_no_setting(refused: Refused) -> None:
    message = refused(settings(md="5: 3", more="MISC: {5: 3}").replace("  5: 3\n", ""))
    assert "line 11: MISC.5 is not a setting." in message


def test_number_as_name_is_advised_to_be_quoted(refused: Refused) -> None:
    message = refused(mace="GENERAL: {name_exp: 007}\n")
    assert "GENERAL.name_exp is 7." in message
    assert "Put it in quotes if it is meant as text." in message


def test_misspelt_value_is_a_wrong_choice(refused: Refused) -> None:
    message = refused(settings(al="uncertainty_type: max_sd"))
    assert "ACTIVE_LEARNING.uncertainty_type is 'max_sd'." in message
    assert "Allowed: max_atomic_sd | mean_atomic_sd | ensemble_sd" in message


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("md", "timestep: 0"),
        ("md", "timestep: -0.5"),
        ("md", "timestep: 11"),
        ("md", "temperature: 0"),
        ("md", "temperature: inf"),
        ("md", "temperature: 1e300"),
        ("md", "friction: 0"),
        ("md", "seed: -1"),
        ("md", "seed: 1.5"),
        ("md", "timestep: true"),
        ("md", "timestep: '0.5'"),
        ("md", "timestep:"),
        ("idg", "valid_ratio: 0"),
        ("idg", "valid_ratio: 1"),
        ("idg", "max_initial_epochs: 1.5"),
        ("idg", "max_initial_epochs: -inf"),
        ("idg", "ensemble_size: 1"),
        ("idg", "scheduler_initial: 1"),
        ("idg", "foundational_model: chgnet"),
        ("idg", "foundational_model_settings: small"),
        ("al", "c_x: -1"),
        ("al", "skip_step_mlff: 0"),
        ("al", "skip_step_mlff: yes"),
        ("al", f"skip_step_mlff: {'9' * 200}"),
        ("al", "desired_acc: -0.1"),
        ("al", "replay_strategy: half"),
    ],
)
def test_value_out_of_range_is_said_once_with_its_range(refused: Refused, where: str, line: str) -> None:
    message = refused(settings(**{where: line}))
    assert line.split(":")[0] in message
    assert message.count("Allowed: ") == 1
    assert message.count("aims_PAX.yaml, line") == 1


@pytest.mark.parametrize(
    ("words", "key", "message"),
    [
        ({"al": "intermediate_epochs_al: 5"}, "intermediate_epochs_al", "more than epochs_per_worker"),
        ({"al": "train_subset_size: 5"}, "train_subset_size", "is for replay_strategy random_subset"),
        ({"al": "replay_strategy: random_subset"}, "replay_strategy", "needs train_subset_size"),
        (
            {"al": "ensemble_size: 2\n  seeds_tags_dict: {a: 1, b: 2}"},
            "ensemble_size",
            "Set the same ensemble_size in both sections",
        ),
        ({"al": "seeds_tags_dict: {a: 1, b: 2}"}, "seeds_tags_dict", "names 2 members, and ensemble_size is 4"),
        ({"al": "seeds_tags_dict: {a: 1, b: 2, c: 3, d: 3}"}, "seeds_tags_dict", "the same seed"),
        ({"al": "converge_al: no\n  converge_best: yes"}, "converge_best", "converge_al is false"),
        ({"al": "use_teacher_reference: true"}, "use_teacher_reference", "teacher_reference_settings are missing"),
        ({"al": "num_trajectories2: 1", "md": "num_trajectories: 1"}, "MD.num_trajectories", "ACTIVE_LEARNING"),
        (
            {"idg": "initial_sampling: aimd\n  foundational_model: mace-mp"},
            "foundational_model",
            "the reference drives",
        ),
        ({"idg": "foundational_model: mace"}, "foundational_model", "needs a model file"),
        (
            {"idg": "foundational_model: mace-off\n  foundational_model_settings: {mace_model: medium-mpa-0}"},
            "foundational_model_settings",
            "medium-mpa-0 is a model of mace-mp, not of mace-off",
        ),
        (
            {"idg": "foundational_model: tblite\n  foundational_model_settings: {mace_model: small}"},
            "foundational_model_settings",
            "foundational_model is tblite",
        ),
        (
            {"idg": "foundational_model_settings: {arguments: {a: 1}}"},
            "foundational_model_settings",
            "arguments are for a calculator given by its import path",
        ),
        ({"more": "MISC: {energy_key: REF_forces}"}, "MISC", "not three different names"),
        ({"more": "MISC: {energy_key: my energy}"}, "MISC", "can't be a name in extended XYZ files"),
        ({"more": "REFERENCE: {type: teacher}"}, "REFERENCE", "needs the model file model_path"),
        (
            {"more": "REFERENCE: {type: teacher, model_type: mace-off, mace_model: mh-0}"},
            "REFERENCE",
            "not of mace-off",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_said(
    refused: Refused, words: dict[str, str], key: str, message: str
) -> None:
    complaint = refused(settings(**words))
    assert key in complaint
    assert message in complaint


def test_thermostat_of_constant_energy_is_a_contradiction(refused: Refused) -> None:
    message = refused(settings(md="friction: 0.01").replace("nvt", "NVE"))
    assert "line 11: MD: friction belongs to a thermostat, and stat_ensemble nve has none." in message


@pytest.mark.parametrize(("section", "limit"), [("idg", "max_initial_set_size: 10"), ("al", "max_train_set_size: 20")])
def test_stage_without_an_end_is_refused(refused: Refused, section: str, limit: str) -> None:
    message = refused(settings().replace(limit, "valid_skip: 1"))
    assert "nothing says when" in message


def test_teacher_and_reference_can_not_both_label(refused: Refused) -> None:
    teacher = "use_teacher_reference: true\n  teacher_reference_settings: {model_type: mace-mp}"
    message = refused(settings(al=teacher, idg=teacher, more="REFERENCE: {type: tblite}"))
    assert message.count("use_teacher_reference is true, and REFERENCE is another reference") == 2


def test_stages_can_not_have_different_references(refused: Refused) -> None:
    teacher = "use_teacher_reference: true\n  teacher_reference_settings: {model_type: mace-mp}"
    assert "The stages have different references" in refused(settings(al=teacher))


def test_unknown_section_is_said_with_what_was_meant(refused: Refused) -> None:
    message = refused(settings(more="ACTIVE_LERNING: {}\nFOO: {}"))
    assert "line 12: ACTIVE_LERNING is not a section.\n  Did you mean ACTIVE_LEARNING?" in message
    assert "FOO is not a section.\n  Sections are INITIAL_DATASET_GENERATION," in message


def test_missing_section_is_said(refused: Refused) -> None:
    assert "The section MD is missing." in refused(settings().split("MD:")[0])


@pytest.mark.parametrize("value", ["3", "text", "[1, 2]", "true"])
def test_section_that_is_no_mapping_is_said(refused: Refused, value: str) -> None:
    for name in ("MISC", "CLUSTER", "REFERENCE"):
        assert f"{name} is " in refused(settings(more=f"{name}: {value}"))
    assert "TRAINING is " in refused(mace=f"GENERAL: {{name_exp: a}}\nTRAINING: {value}\n")


def test_two_spellings_of_one_setting_are_said_with_both_lines(refused: Refused) -> None:
    message = refused(settings(md="seed: 1\n  MD_seed: 2"))
    assert "MD.MD_seed and MD.seed are the same setting (lines 11 and 12)." in message


def test_problem_of_an_old_spelling_names_that_spelling(refused: Refused) -> None:
    message = refused(settings(al="max_epochs_worker: 0"))
    assert "line 8: ACTIVE_LEARNING.max_epochs_worker is 0." in message


def test_cutoff_that_no_neighbour_list_takes_is_refused(refused: Refused) -> None:
    message = refused(settings(), mace="GENERAL: {name_exp: tiny}\nARCHITECTURE: {r_max: 2.0e-313}\n")
    assert "line 2: ARCHITECTURE.r_max is 2e-313" in message


def test_all_problems_of_all_files_are_said_at_once_in_order(refused: Refused) -> None:
    message = refused(
        settings(idg="valid_ratio: 2", al="foo: 1\n  c_x: a\n  c_x: b", md="timestep: -1"),
        mace="GENERAL: {}\nTRAINING: {lr: 0}\n",
        structure="2\n\nH 0 0 0\nH 0 0 0.1\n",
    )
    wanted = (
        *("c_x is set twice", "valid_ratio", "foo", "c_x is 'a'", "timestep"),
        *("name_exp is missing", "lr", "0.10 Å apart"),
    )
    places = [message.index(word) for word in wanted]
    assert places == sorted(places)


def test_a_barostat_needs_a_cell(refused: Refused) -> None:
    message = refused(settings().replace("nvt", "npt"))
    assert "line 10: MD.stat_ensemble is npt, and water is a molecule: it has no cell that could move." in message


def test_a_barostat_of_a_stage_needs_a_cell_too(refused: Refused) -> None:
    message = refused(settings(al="MD: {stat_ensemble: npt}"))
    assert "ACTIVE_LEARNING.MD.stat_ensemble is npt, and water is a molecule" in message


@pytest.mark.parametrize(
    ("ensemble", "keys", "words"),
    [
        ("nvt", ["tdamp: 20"], "tdamp belongs to npt and the other thermostats, and this is nvt by langevin."),
        ("nvt", ["pressure: 1.0e+9"], "pressure belongs to stat_ensemble: npt, and this is nvt by langevin."),
        ("nvt", ["thermostat: bussi", "friction: 0.01"], "friction belongs to nvt with thermostat: langevin"),
        ("nvt", ["thermostat: bussi", "tchain: 5"], "tchain belongs to chains of thermostats"),
        ("nvt", ["final_temperature: 500"], "final_temperature is given without ramp_steps."),
        ("nvt", ["ramp_steps: 500"], "ramp_steps is given, and neither final_temperature nor final_pressure."),
        ("nve", ["final_temperature: 500", "ramp_steps: 9"], "final_temperature belongs to a thermostat"),
        ("npt", ["thermostat: bussi"], "thermostat is bussi, and npt has the one that belongs to its barostat mtk."),
        ("npt", ["barostat: c-rescale", "pchain: 4"], "pchain belongs to barostat: mtk or isomtk"),
        ("npt", ["compressibility: 0.4"], "compressibility belongs to barostat: c-rescale, iso-c-rescale or berendsen"),
    ],
)
def test_what_would_do_nothing_is_refused(refused: Refused, ensemble: str, keys: list[str], words: str) -> None:
    assert words in refused(settings(md="\n  ".join(keys)).replace("nvt", ensemble, 1))


def test_a_bias_needs_the_whole_committee(refused: Refused) -> None:
    md = "uncertainty_bias: 2.0\n  propagate_with: member"
    words = "uncertainty_bias needs what all members say at every step, and propagate_with is member."
    assert words in refused(settings(md=md))
    in_stage = refused(settings(al="MD: {uncertainty_bias: 2.0}", md="propagate_with: member"))
    assert words in in_stage
    assert "MD.uncertainty_bias is -1" in refused(settings(md="uncertainty_bias: -1"))


def test_other_engines_say_what_there_is_instead(refused: Refused) -> None:
    assert "control.in or species_dir ask for FHI-aims" in refused(settings(al="species_dir: defaults"))
    slurm = refused(settings(more="CLUSTER: {type: slurm, worker_str: x}"))
    assert "CLUSTER.slurm_str is missing." in slurm


def test_keys_of_fhi_aims_do_not_belong_to_another_reference(refused: Refused) -> None:
    message = refused(settings(al="species_dir: defaults", more="REFERENCE: {type: tblite}"))
    assert "ACTIVE_LEARNING.species_dir is read by FHI-aims only, and the reference is tblite" in message


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (section, key)
        for section, keys in NOT_YET.items()
        for key in keys
        if "." not in section and section != "CLUSTER"
    ],
)
def test_absent_setting_is_refused_with_a_reason(refused: Refused, section: str, key: str) -> None:
    words = {"INITIAL_DATASET_GENERATION": "idg", "ACTIVE_LEARNING": "al", "MD": "md"}
    line = f"{key}: 123456"
    text = settings(**{words[section]: line}) if section in words else settings(more=f"{section}: {{{line}}}")
    message = refused(text)
    assert f"{section}.{key} is 123456, which is not in this version." in message
    assert NOT_YET[section][key].reason in message


@pytest.mark.parametrize(("section", "key"), [(name, key) for name, keys in NOT_YET_MACE.items() for key in keys])
def test_absent_setting_of_models_is_refused_with_a_reason(refused: Refused, section: str, key: str) -> None:
    values = {"GENERAL": "{name_exp: a}"}
    values[section] = values.get(section, "{}").replace("}", f"{',' if section in values else ''} {key}: 123456}}")
    message = refused(mace="".join(f"{name}: {value}\n" for name, value in values.items()))
    assert f"{section}.{key} is 123456, which is not in this version." in message


def test_absent_settings_have_reasons_that_say_what_to_do() -> None:
    for table in (NOT_YET, NOT_YET_MACE):
        for keys in table.values():
            for key, absent in keys.items():
                assert absent.reason.endswith("."), key
                assert "Remove it" in absent.reason or "Set it to false" in absent.reason, key
    assert all(not absent.reason for keys in FHI_AIMS.values() for absent in keys.values())
