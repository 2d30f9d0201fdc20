"""Projects for FHI-aims: in our words and in v0.2's, and what is wrong with them before a core-hour is spent."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aims_pax.reference.programs.fhi_aims import write_input
from aims_pax.settings import FhiAimsSettings, Project
from aims_pax.settings.methods.fhi_aims import FhiAimsInput

from ....aims.standin import species, write_species

IDG = "INITIAL_DATASET_GENERATION:\n  n_points_per_sampling_step_idg: 2\n  max_initial_set_size: 10\n"
AL = "ACTIVE_LEARNING:\n  num_trajectories: 2\n  max_train_set_size: 20\n"
MD = "MD:\n  stat_ensemble: nvt\n"
REFERENCE = "REFERENCE:\n  type: fhi-aims\n  command: mpiexec -n 2 aims.x\n  species_dir: species\n"
WATER = "atom 0 0 0.119 O\natom 0 0.763 -0.477 H\natom 0 -0.763 -0.477 H\n"
DIAMOND = (
    "lattice_vector 3.57 0 0\nlattice_vector 0 3.57 0\nlattice_vector 0 0 3.57\n"
    "atom_frac 0 0 0 C\natom_frac 0.25 0.25 0.25 C\n"
)

Aims = Callable[..., Any]


@pytest.fixture
def aims(folder: Any, monkeypatch: pytest.MonkeyPatch) -> Aims:
    """Write a project for FHI-aims; the folder is given back."""
    monkeypatch.delenv("AIMS_SPECIES_DIR", raising=False)

    def write(
        reference: str = REFERENCE,
        *,
        control: str | None = "xc pbe\n",
        geometry: str = WATER,
        idg: str = "",
        al: str = "",
        more: str = "",
        mace: str = "GENERAL: {name_exp: water}\n",
    ) -> Any:
        if not (folder.path / "species").exists():
            write_species(folder.path / "species")
        folder.write(f"{reference}{IDG}{idg}{AL}{al}{MD}{more}", mace=mace, structure=None)
        folder.file("geometry.in", geometry)
        if control is not None:
            folder.file("control.in", control)
        return folder

    return write


def input_of(project: Project, index: int = 0) -> FhiAimsInput:
    found = project.reference_for(project.systems[index])
    assert isinstance(found, FhiAimsInput)
    return found


# -- what is read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["fhi-aims", "FHI-aims", "aims", "Aims"])
def test_project_for_fhi_aims_loads_in_our_words(aims: Aims, spelling: str) -> None:
    project = aims(REFERENCE.replace("fhi-aims", spelling)).load()
    assert isinstance(project.settings.reference, FhiAimsSettings)
    found = input_of(project)
    assert found.command == "mpiexec -n 2 aims.x"
    assert found.control_text == "xc pbe\n"
    assert found.species_text == "\n".join((species("O"), species("H")))
    assert found.basis.endswith("/species")
    assert pickle.loads(pickle.dumps(project.reference)) == found


@pytest.mark.parametrize(
    "cluster",
    [
        "  type: local\n  max_workers: 2\n  launch_str: srun aims.x >> aims.out\n",
        "  type: slurm\n  launch_str: srun aims.x >> aims.out\n  calc_dir: calcs\n  clean_dirs: true\n"
        "  slurm_str: |\n    #SBATCH --time=01:00:00\n  worker_str: module load aims\n"
        "  parsl_options: {nodes_per_block: 1, label: aims}\n",
    ],
)
def test_v02_project_loads_unchanged(aims: Aims, cluster: str) -> None:
    key = "  species_dir: ./species\n"
    project = aims("", idg=key, al=key, more=f"MISC:\n  path_to_control: ./control.in\nCLUSTER:\n{cluster}").load()
    assert input_of(project).command == "srun aims.x"
    assert input_of(project).xc == "pbe"


def test_each_structure_may_have_its_own_control_in(aims: Aims) -> None:
    folder = aims(more="MISC:\n  path_to_geometry: {0: geometry.in, 1: crystal.in}\n  path_to_control: {0: m, 1: c}\n")
    folder.file("crystal.in", DIAMOND)
    folder.file("m", "xc pbe\n")
    folder.file("c", "xc pbe\nk_grid 4 4 4\n")
    project = folder.load()
    assert input_of(project, 0).control_text == "xc pbe\n"
    assert input_of(project, 1).control_text == "xc pbe\nk_grid 4 4 4\n"
    assert set(project.reference.by_system) == {"geometry", "crystal"}


def test_species_of_control_in_need_no_folder(aims: Aims) -> None:
    own = REFERENCE.replace("  species_dir: species\n", "")
    found = input_of(aims(own, control=f"xc pbe\n{species('O')}{species('H')}").load())
    assert found.species_text == ""
    assert found.basis == "its own species"


def test_species_come_from_the_environment_when_nothing_else_is_said(
    aims: Aims, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = aims(REFERENCE.replace("  species_dir: species\n", ""), control=f"xc pbe\n{species('O')}")
    monkeypatch.setenv("AIMS_SPECIES_DIR", str(tmp_path / "species"))
    assert input_of(folder.load()).species_text == species("H")
    monkeypatch.setenv("AIMS_SPECIES_DIR", str(tmp_path / "nowhere"))
    assert "AIMS_SPECIES_DIR names" in folder.complaint()
    monkeypatch.setenv("AIMS_SPECIES_DIR", "")
    assert "no folder of species defaults" in folder.complaint()


def test_initial_moments_and_charges_of_geometry_in_reach_the_labels(aims: Aims) -> None:
    geometry = WATER.replace("O\n", "O\n  initial_moment 2\n  initial_charge -0.5\n")
    found = input_of(aims(geometry=geometry, control="xc pbe\nspin collinear\n").load())
    assert found.initial_moments == (2.0, 0.0, 0.0)
    assert found.initial_charges == (-0.5, 0.0, 0.0)


def test_a_changed_control_in_changes_the_name_of_the_method(aims: Aims) -> None:
    before = input_of(aims().load()).digest
    assert input_of(aims(control="xc pbe\n# the same\n").load()).digest != before
    assert input_of(aims().load()).digest == before


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "words"),
    [
        ("# empty\n", "control.in: No exchange-correlation functional (xc) is given."),
        ("xc # pbe\n", "control.in, line 1: No exchange-correlation functional"),
        (
            "xc pbe\n\nrelax_geometry bfgs 1e-2\n",
            "control.in, line 3: relax_geometry can't be used for labels: it moves",
        ),
        ("xc pbe\nMD_run 5.0 NVE\n", "line 2: MD_run can't be used"),
        ("xc pbe\nuse_pimd_wrapper localhost 1\n", "line 2: use_pimd_wrapper can't be used"),
        ("xc pbe\ntotal_energy_method rpa\n", "line 2: total_energy_method can't be used for labels: it gives another"),
        ("xc pbe\ncompute_forces .false.\n", "line 2: compute_forces is switched off, and labels need forces."),
        ("xc pbe\nk_grid 4 4 4\n", "line 2: k_grid is for periodic structures, and geometry is a molecule."),
        ("xc pbe\nk_grid 444\n", "line 2: k_grid is 444, and needs a number of points for each lattice vector."),
        ("xc pbe\nk_grid 4 4 0\n", "line 2: k_grid is 4 4 0, and needs a number of points"),
        (f"xc pbe\nk_grid 4 4 {'9' * 500}\n", "line 2: k_grid is 4 4 999"),
        ("xc pbe\ncompute_analytical_stress .true.\n", "line 2: compute_analytical_stress is for periodic structures"),
        ("xc pbe\nspin collinear\n", "line 2: The calculation is spin-polarised, and the structure geometry has no"),
        (f"xc pbe\n{species('H') * 2}", "The species H is defined twice."),
        (f"xc pbe\n{species('H')}species H again\n", "The species H is defined twice."),
        (
            "xc pbe\n! a comment of Fortran\n",
            "control.in, line 2: '!' is no keyword of FHI-aims.\n  Comments begin with #.",
        ),
        ("\ufeffxc pbe\n", "without a byte-order mark"),
        ("xc pbe\nk_points_external\n", "line 2: k_points_external can't be used for labels: it reads a file"),
    ],
)
def test_control_in_that_gives_no_labels_is_refused_by_line(aims: Aims, control: str, words: str) -> None:
    assert words in aims(control=control).complaint()


@pytest.mark.parametrize(
    "control",
    [
        "xc pbe\nrelax_geometry none\nrelax_unit_cell none\ndry_run .false.\n",
        "xc pbe\nspin collinear\ndefault_initial_moment 0.5\n",
        "# positions in Å\r\nxc pbe\r\n",
        "xc pbe\nspin none\noutput hirshfeld\noutput dipole\nmany_body_dispersion\n",
    ],
)
def test_keywords_that_are_off_or_harmless_are_left_alone(aims: Aims, control: str) -> None:
    assert input_of(aims(control=control).load()).control_text == control.encode().decode("latin-1")


def test_crystals_need_a_k_grid_and_three_directions(aims: Aims) -> None:
    assert "The structure geometry is periodic, and there is no k_grid." in aims(geometry=DIAMOND).complaint()
    slab = aims(control="xc pbe\nk_grid 2 2 1\n", more="MISC: {path_to_geometry: slab.xyz}\n")
    slab.file("slab.xyz", '1\nLattice="3.57 0 0 0 3.57 0 0 0 9" pbc="T T F"\nC 0 0 0\n')
    assert "periodic in some directions only" in slab.complaint()
    off = "xc pbe\nk_grid 2 2 2\ncompute_analytical_stress .false.\n"
    assert input_of(aims(geometry=DIAMOND, control=off).load())
    stress = "GENERAL: {name_exp: c, compute_stress: true}\n"
    both_off = f"{off}compute_numerical_stress .false.\n"
    assert "switched off, and labels need stress" in aims(geometry=DIAMOND, control=both_off, mace=stress).complaint()
    assert "switched off, and labels need stress" in aims(geometry=DIAMOND, control=off, mace=stress).complaint()


def test_moments_for_some_atoms_and_a_default_for_others_are_refused(aims: Aims) -> None:
    folder = aims(
        geometry=WATER.replace("O\n", "O\n  initial_moment 2\n"),
        control="xc pbe\nspin collinear\ndefault_initial_moment 1\n",
    )
    assert "default_initial_moment is for atoms without a moment" in folder.complaint()


def test_lines_of_geometry_in_that_labels_would_lack_are_refused(aims: Aims) -> None:
    message = aims(geometry=f"homogeneous_field 0 0 0.1\n{WATER}empty 0 0 3 H\n").complaint()
    assert "geometry.in, line 1: homogeneous_field can't be kept" in message
    assert "geometry.in, line 5: empty can't be kept" in message
    message = aims(geometry=WATER.replace("atom", "atom_frac")).complaint()
    assert "geometry.in, line 1: atom_frac needs lattice vectors, and there are none." in message


def test_atoms_held_in_geometry_in_are_held_by_md_and_computed_as_all_others(aims: Aims, tmp_path: Path) -> None:
    project = aims(geometry=f"{WATER}constrain_relaxation .true.\n").load()
    (system,) = project.systems
    assert system.fixed is not None
    assert system.fixed.tolist() == [[False] * 3, [False] * 3, [True] * 3]
    (tmp_path / "label").mkdir()
    write_input(input_of(project), system.frame, tmp_path / "label", want_stress=False)
    assert "constrain_relaxation" not in (tmp_path / "label" / "geometry.in").read_text()


@pytest.mark.parametrize("geometry", [DIAMOND.replace("atom_frac 0 0 0", "atom 0 0 0"), f"{WATER}velocity 0 0 0\n"])
def test_whatever_ase_trips_over_in_geometry_in_is_said_without_a_traceback(aims: Aims, geometry: str) -> None:
    assert "geometry.in: No structure can be read here" in aims(geometry=geometry).complaint()


def test_missing_files_are_named(aims: Aims) -> None:
    message = aims(control=None).complaint()
    assert "control.in: This control.in can't be read (No such file or directory)." in message
    assert "REFERENCE.species_dir names" in aims(REFERENCE.replace(": species", ": nowhere")).complaint()
    folder = aims()
    (folder.path / "species" / "08_O_default").unlink()
    assert "The species defaults of O can't be read" in folder.complaint()
    (folder.path / "species" / "08_O_default").write_text(species("N"))
    assert "does not define the species O" in folder.complaint()
    message = aims(REFERENCE.replace("  species_dir: species\n", "")).complaint()
    assert "control.in: There is no species block for O, H, and no folder of species defaults." in message


def test_one_setting_in_two_places_must_say_the_same(aims: Aims) -> None:
    folder = aims(idg="  species_dir: species\n", al="  species_dir: species\n")
    assert input_of(folder.load())
    message = aims(al="  species_dir: geometry\n").complaint()
    assert "ACTIVE_LEARNING.species_dir and REFERENCE.species_dir say different things of FHI-aims." in message
    message = aims("", idg="  species_dir: a\n", al="  species_dir: b\n").complaint()
    assert "ACTIVE_LEARNING.species_dir and INITIAL_DATASET_GENERATION.species_dir say different" in message
    message = aims(more="CLUSTER: {type: local, launch_str: srun aims.x}\n").complaint()
    assert "CLUSTER.launch_str and REFERENCE.command say different" in message


def test_two_spellings_of_the_same_agree(aims: Aims) -> None:
    cluster = "CLUSTER: {type: local, launch_str: mpiexec -n 2 aims.x >> aims.out}\n"
    reference = f"{REFERENCE}  control: control.in\n"
    folder = aims(
        reference, idg="  species_dir: ./species/\n", more=f"MISC: {{path_to_control: ./control.in}}\n{cluster}"
    )
    assert input_of(folder.load()).command == "mpiexec -n 2 aims.x"


def test_only_commands_are_filled_with_resources(aims: Aims) -> None:
    cluster = "CLUSTER: {type: local, max_workers: 1, systems: {geometry: {ranks: 3}}}\n"
    folder = aims(REFERENCE.replace("-n 2", "-n {ranks}"), control="xc pbe\n# {ranks}\n", more=cluster)
    found = input_of(folder.load())
    assert found.command == "mpiexec -n 3 aims.x"
    assert found.control_text == "xc pbe\n# {ranks}\n"


def test_problems_name_the_key_that_was_written(aims: Aims) -> None:
    message = aims("", more="CLUSTER:\n  type: local\n  launch_str: module load aims; srun aims.x\n").complaint()
    assert "CLUSTER.launch_str holds ';'" in message
    message = aims("", al="  species_dir: nowhere\n", more="CLUSTER: {type: local, launch_str: aims.x}\n").complaint()
    assert "ACTIVE_LEARNING.species_dir names" in message


def test_control_in_alone_does_not_say_how_fhi_aims_is_started(aims: Aims) -> None:
    message = aims("").complaint()
    assert "control.in or species_dir ask for FHI-aims, and nothing says how it is started." in message
    assert "with type: fhi-aims and command: aims.x" in message
    message = aims(REFERENCE.replace("command:", "comand:")).complaint()
    assert "Did you mean command" in message
    assert "control.in or species_dir ask for FHI-aims" not in message
    assert "REFERENCE.command is missing." in aims("REFERENCE: {type: fhi-aims}\n").complaint()


def test_control_files_must_be_as_many_as_structures(aims: Aims) -> None:
    folder = aims(more="MISC:\n  path_to_control: {0: control.in, 3: control.in}\n")
    assert "It has the indices 0, 3." in folder.complaint()


def test_a_missing_control_in_says_nothing_wrong_of_other_structures(aims: Aims) -> None:
    folder = aims(more="MISC:\n  path_to_geometry: {0: geometry.in, 1: crystal.in}\n  path_to_control: {0: m, 1: c}\n")
    folder.file("crystal.in", DIAMOND)
    folder.file("c", "xc pbe\nk_grid 4 4 4\n")
    (folder.path / "m").mkdir()
    message = folder.complaint()
    assert "m: This control.in can't be read (Is a directory)." in message
    assert "is a molecule" not in message


def test_all_problems_of_fhi_aims_are_said_at_once(aims: Aims) -> None:
    message = aims(control="relax_geometry bfgs\nspin collinear\n", geometry=f"{WATER}atom 0 0 9 U\n").complaint()
    for words in ("xc", "relax_geometry", "spin-polarised", "species defaults of U"):
        assert words in message
