"""Options of gap_fit, as they stand in a file of the user, and what is wrong with them before anything is fitted."""

from pathlib import Path

import pytest
from ase.build import molecule

from aims_pax.errors import SettingsError
from aims_pax.settings import Project
from aims_pax.settings.committee.gap import read_gap_input

PAIRS = "distance_2b cutoff=4.5 covariance_type=ard_se theta_uniform=1.0 delta=1.0 n_sparse=20"
SOAP = "soap cutoff=5 l_max=6 n_max=8 atom_sigma=0.5 zeta=4 covariance_type=dot_product energy_scale=0.2 n_sparse=99"
SIGMA = "default_sigma={0.002 0.1 0.1 0.0}"


def test_comments_line_breaks_and_quotation_marks_change_nothing() -> None:
    written = f"# a GAP\ngap = {{\n  {PAIRS}  # pairs\n  : {SOAP}\n}}\n{SIGMA}\nsparse_jitter=1e-8\n"
    found = read_gap_input(written)
    assert [one.kind for one in found.descriptors] == ["distance_2b", "soap"]
    assert found.cutoff_ang == 5.0
    assert found.sigmas == (0.002, 0.1, 0.1, 0.0)
    assert found.words[-1] == "sparse_jitter={1e-8}"
    assert read_gap_input(found.text) == found
    assert read_gap_input(f"gap='{{{PAIRS} : {SOAP}}}' {SIGMA} sparse_jitter=1e-8") == found


def test_colons_within_braces_part_no_descriptors() -> None:
    by_type = PAIRS.replace("n_sparse=20", "config_type_n_sparse={bulk:20:slab:30}")
    [found] = read_gap_input(f"gap={{{by_type}}} {SIGMA}").descriptors
    assert found.options["config_type_n_sparse"] == "bulk:20:slab:30"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SIGMA, "lacks gap="),
        (f"gap={{{PAIRS}}}", "lacks default_sigma"),
        (f"gap={{{PAIRS} {SIGMA}", "that nothing closes"),
        (f"gap={{{PAIRS}}}}} {SIGMA}", "'}' where an option"),
        (f"gap={{{PAIRS} : }} {SIGMA}", r"descriptor 2 \(empty\)"),
        (f"gap={{{PAIRS.replace('cutoff=4.5', '')}}} {SIGMA}", "lacks cutoff or rcut_hard in descriptor 1"),
        (f"gap={{{PAIRS.replace('4.5', 'far')}}} {SIGMA}", "'far' as the cutoff"),
        (f"gap={{{PAIRS.replace('delta=1.0', '')}}} {SIGMA}", "lacks delta or energy_scale"),
        (f"gap={{{PAIRS}}} default_sigma={{0.002 0.1}}", "not four numbers"),
        (f"gap={{{PAIRS}}} default_sigma={{0.0 0.1 0.1 0.0}}", "energy and force above 0"),
        (f"gap={{{PAIRS}}} {SIGMA} at_file=x.xyz", "sets at_file, and the labels of the run"),
        (f"gap={{{PAIRS}}} {SIGMA} rnd_seed=4", "sets rnd_seed, and the members' seeds"),
        (f"gap={{{PAIRS}}} {SIGMA} e0=0", "sets e0, and the energies of free atoms"),
        (f"gap={{{PAIRS}}} {SIGMA} gp_file=a.xml", "sets gp_file"),
        (f"gap={{{PAIRS}}} {SIGMA} core_param_file=a.xml", "core_param_file, which needs another file"),
        (f"gap={{{PAIRS} sparse_file=a}} {SIGMA}", "sets sparse_file in descriptor 1"),
        (f"gap={{{PAIRS}}} {SIGMA} dryrun=T", "nothing is fitted"),
        (f"gap={{{PAIRS}}} {SIGMA} sparse_jiter=1", "sparse_jiter, which is no option"),
        (f"gap={{{PAIRS}}} {SIGMA} {SIGMA}", "has default_sigma twice"),
    ],
)
def test_what_gap_fit_would_stumble_over_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_gap_input(text)


def project(**mace: dict[str, object]) -> Project:
    return Project.of(
        molecule("H2O"),
        stages=[{"initial": {"n_points_per_sampling_step_idg": 1, "max_initial_set_size": 4}}],
        mace=mace,
    )


def test_options_are_a_file_of_the_project_or_stand_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = f"gap={{{PAIRS}}}\n{SIGMA}\n"
    (tmp_path / "gap.txt").write_text(options, encoding="utf-8")
    by_file = project(ARCHITECTURE={"model_choice": "gap", "gap_input": "gap.txt"})
    inline = project(ARCHITECTURE={"model_choice": "gap", "gap_input": options})
    assert by_file.mace.architecture.is_gap
    assert by_file.mace.architecture == inline.mace.architecture


@pytest.mark.parametrize(
    ("mace", "said"),
    [
        ({"ARCHITECTURE": {"model_choice": "gap"}}, "gap_input does not say what is fitted"),
        ({"ARCHITECTURE": {"model_choice": "gap", "gap_input": "none.txt"}}, "can't be opened"),
        ({"ARCHITECTURE": {"model_choice": "gap", "gap_input": f"{SIGMA}"}}, "lacks gap="),
        ({"ARCHITECTURE": {"gap_input": f"gap={{{PAIRS}}} {SIGMA}"}}, "only GAP has it"),
        ({"ARCHITECTURE": {"model_choice": "gap", "gap_input": f"gap={{{PAIRS}}} {SIGMA}", "r_max": 6.0}}, "only MACE"),
        (
            {
                "ARCHITECTURE": {"model_choice": "gap", "gap_input": f"gap={{{PAIRS}}} {SIGMA}"},
                "TRAINING": {"lr": 0.01},
                "MISC": {"device": "cuda"},
            },
            "(?s)TRAINING.lr is given, and models are of GAP.*MISC.device|MISC.device.*TRAINING.lr is given",
        ),
    ],
)
def test_settings_of_another_family_are_refused(mace: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        project(**mace)
