"""New projects load as they are written, or say precisely what has to be put there."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms, FixCartesian
from ase.io import write

from aims_pax.errors import SettingsError, StructureError
from aims_pax.reference.by_system import in_charge
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project, TbliteSettings, load_project
from aims_pax.settings.methods.fhi_aims import FhiAimsInput
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS
from aims_pax.settings.words.reference_text import TEXTS, labels_crystals
from aims_pax.settings.words.starting import Wanted
from aims_pax.settings.words.template import NewProject
from aims_pax.settings.words.template import write_project as written_project

from ....aims.standin import write_species

HYDROGEN = "2\n\nH 0 0 0\nH 0 0 0.74\n"


def write_project(folder: Path, *given: Path, reference: str = "tblite", **said: bool | float) -> NewProject:
    wanted = Wanted(given, periodic=said.get("periodic"), strain_percent=said.get("strain"))  # type: ignore[arg-type]
    return written_project(folder, reference=reference, wanted=wanted)


def saved(path: Path, atoms: Atoms) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, atoms)
    return path


def magnesia() -> Atoms:
    return bulk("MgO", "rocksalt", a=4.21, cubic=True)


# -- every reference ------------------------------------------------------------------------------------------

REFUSED_AT_FIRST = {
    "fhi-aims": {"REFERENCE.species_dir"},
    "asi": {"REFERENCE.library", "REFERENCE.species_dir"},
}
"""Settings whose files must be there before a project can even be loaded; all other templates load as they are."""

MISSING = {
    "fhi-aims": "program",
    "asi": "asi4py|mpi4py|library|program",
    "pyscf": "not installed",
    "gpaw": "GPAW is needed",
    **dict.fromkeys(["castep", "cp2k", "dftb+", "nwchem", "orca"], " is needed: "),
    **dict.fromkeys(["abinit", "espresso", "siesta"], r" is needed: |/pseudo \(REFERENCE.pseudo_dir\)"),
    "vasp": r" is needed: |/path/to/potentials \(REFERENCE.pseudo_dir\)",
}
"""What the reference itself may still find missing on this machine: programs, packages and files, no mistakes."""


def with_files(folder: Path, kind: str) -> Project:
    """The project, after its user has put there what `load_project` asked for."""
    if kind in REFUSED_AT_FIRST:
        with pytest.raises(SettingsError, match=r"REFERENCE\.") as refused:
            load_project(folder)
        said = {match for problem in refused.value.problems for match in re.findall(r"REFERENCE\.\w+", problem.found)}
        assert said == REFUSED_AT_FIRST[kind]
        assert len(refused.value.problems) == len(said)
        write_species(folder / "light")
        (folder / "libaims.so").touch()
        settings = folder / "aims_PAX.yaml"
        text = settings.read_text(encoding="utf-8").replace("/path/to/libaims.so", "libaims.so")
        text = text.replace("/path/to/FHIaims/species_defaults/defaults_2020/light", "light")
        settings.write_text(text, encoding="utf-8")
    return load_project(folder)


@pytest.mark.parametrize("kind", REFERENCE_SETTINGS)
@pytest.mark.parametrize("what", ["molecule", "crystal"])
def test_every_reference_has_a_template_that_lacks_nothing_but_programs_and_files(
    what: str, kind: str, tmp_path: Path
) -> None:
    silicon = bulk("Si", cubic=True)
    source = saved(tmp_path / "si.cif", silicon) if what == "crystal" else saved(tmp_path / "w.xyz", molecule("H2O"))
    folder = tmp_path / "project"
    if what == "crystal" and not labels_crystals(kind):
        with pytest.raises(SettingsError, match=f"{re.escape(kind)} labels molecules only, and si is periodic"):
            write_project(folder, source, reference=kind)
        assert not folder.exists()
        return
    written = write_project(folder, source, reference=kind)
    project = with_files(folder, kind)
    assert project.settings.reference.type == kind
    assert project.mace.general.compute_stress == (what == "crystal")
    assert bool(written.needs) == (kind not in ("tblite", "pyscf"))
    if kind == "teacher":
        return  # it would fetch the published model
    reference = build_reference(project.reference)
    for system in project.systems:
        own = in_charge(reference, system.frame)
        for problem in own.problems(system.frame.numbers.tolist(), periodic=bool(system.frame.pbc.any())):
            assert kind in MISSING, problem
            assert re.search(MISSING[kind], problem), problem


def test_unknown_reference_is_told_with_all_that_there_are(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(
        SettingsError, match=r"'expresso' is not a reference(.|\n)*vasp\n  Did you mean espresso\?"
    ) as e:
        write_project(target, reference="expresso")
    assert all(kind in str(e.value) for kind in REFERENCE_SETTINGS)
    assert set(TEXTS) == set(REFERENCE_SETTINGS)
    assert not target.exists()


def test_reference_may_be_named_in_any_case_and_by_its_alias(tmp_path: Path) -> None:
    assert write_project(tmp_path, reference="AIMS").files[2] == tmp_path / "control.in"


def test_new_project_for_fhi_aims_has_its_input(tmp_path: Path) -> None:
    write_project(tmp_path / "new", saved(tmp_path / "si.xyz", bulk("Si")), reference="fhi-aims")
    assert "\nk_grid             4 4 4\n" in (tmp_path / "new" / "control.in").read_text()
    write_project(tmp_path / "water", saved(tmp_path / "water.xyz", molecule("H2O")), reference="fhi-aims")
    reference = with_files(tmp_path / "water", "fhi-aims").reference
    assert isinstance(reference, FhiAimsInput)
    assert "\nxc                 pbe\n" in reference.control_text
    assert "k_grid" not in reference.control_text


def test_radical_gets_the_multiplicity_that_it_can_have(tmp_path: Path) -> None:
    write_project(tmp_path / "new", saved(tmp_path / "oh.xyz", molecule("OH")))
    assert load_project(tmp_path / "new").settings.reference == TbliteSettings(multiplicity=2)


# -- what is written ------------------------------------------------------------------------------------------


def test_templates_start_thermalised_and_converge_all_models(tmp_path: Path) -> None:
    write_project(tmp_path)
    project = load_project(tmp_path)
    md = project.md_for(0)
    assert project.initial.equilibration_steps * md.timestep == pytest.approx(5 / md.friction)
    assert md.friction == 0.01
    assert project.active.start_from == "initial_dataset"
    assert project.active.converge_best is False


@pytest.mark.parametrize(
    ("stem", "name"),
    [("h2", "h2"), ("300", "model_300"), ("no", "model_no"), ("é", "model"), ("1e5", "model_1e5"), ("4h", "4h")],
)
def test_models_are_named_after_the_structure_by_a_text(stem: str, name: str, tmp_path: Path) -> None:
    write_project(tmp_path / "new", saved(tmp_path / f"{stem}.xyz", molecule("H2O")))
    assert load_project(tmp_path / "new").mace.general.name_exp == name


def test_comments_stand_in_one_column(tmp_path: Path) -> None:
    write_project(tmp_path, saved(tmp_path / "mgo.cif", magnesia()))
    for name in ("aims_PAX.yaml", "mace.yaml"):
        behind = [line for line in (tmp_path / name).read_text().splitlines() if re.match(r" *[\w.-]+:.* # ", line)]
        assert len(behind) > 5
        assert {line.index(" # ") for line in behind} == {40}


@pytest.mark.parametrize(
    ("atoms", "r_max"),
    [(molecule("H2O"), 5.0), (magnesia(), 5.0), (bulk("Cs", "bcc", a=6.05, cubic=True).repeat((2, 2, 1)), 8.0)],
)
def test_cutoff_holds_neighbours_of_every_atom(atoms: Atoms, r_max: float, tmp_path: Path) -> None:
    write_project(tmp_path / "new", saved(tmp_path / "a.extxyz", atoms), strain=0)
    assert load_project(tmp_path / "new").mace.architecture.r_max == r_max


# -- starting structures --------------------------------------------------------------------------------------


def test_placeholder_is_called_so(tmp_path: Path) -> None:
    written = write_project(tmp_path)
    (note,) = written.notes
    assert "No --geometry was given: placeholder_ethanol.xyz is a placeholder" in note
    assert sorted(path.name for path in written.files) == ["aims_PAX.yaml", "mace.yaml", "placeholder_ethanol.xyz"]
    assert "placeholder=T" in (tmp_path / "placeholder_ethanol.xyz").read_text()
    (system,) = load_project(tmp_path).systems
    assert system.name == "placeholder_ethanol"
    assert system.frame.n_atoms == 9


def test_structure_that_is_in_the_folder_is_taken_instead_of_a_placeholder(tmp_path: Path) -> None:
    (tmp_path / "geometry.in").write_text("atom 0 0 0 H\natom 0 0 0.74 H\n")
    assert write_project(tmp_path).notes == ("It starts from geometry.in, which was there already.",)
    assert load_project(tmp_path).systems[0].name == "geometry"
    assert not (tmp_path / "placeholder_ethanol.xyz").exists()


def test_one_file_is_copied_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / 'my "odd": {name} # é.xyz'
    source.write_text(HYDROGEN * 9)
    write_project(tmp_path / "new", source)
    assert (tmp_path / "new" / source.name).read_bytes() == source.read_bytes()
    project = load_project(tmp_path / "new")
    assert len(project.systems) == 9
    assert project.active.num_trajectories == 9
    assert project.mace.general.name_exp == "my_odd_name_"


def test_several_files_and_folders_are_all_copied_in_spite_of_their_names(tmp_path: Path) -> None:
    for name, distance in (("a/h2.xyz", 0.7), ("b/h2.xyz", 0.8), ("c/.hidden.xyz", 0.9), ("d/e.xyz", 1.0)):
        saved(tmp_path / name, Atoms("H2", [[0, 0, 0], [0, 0, distance]]))
    (tmp_path / "c" / ".hidden.xyz").rename(tmp_path / "c" / ".h2.xyz")
    (tmp_path / "two.xyz").write_text(HYDROGEN * 2)
    given = [tmp_path / name for name in ("a/h2.xyz", "b/h2.xyz", "c/.h2.xyz", "d", "two.xyz")]
    write_project(tmp_path / "new", *given)
    project = load_project(tmp_path / "new")
    distances = {system.name: system.frame.positions[1, 2] for system in project.systems}
    assert distances == {"e": 1.0, "h2": 0.7, "h2_2": 0.8, "h2_3": 0.9, "two-4": 0.74, "two-5": 0.74}
    assert project.settings.misc.path_to_geometry == tmp_path / "new" / "geometry"
    assert project.active.num_trajectories == 12
    assert project.mace.general.name_exp == "new"


def test_file_that_lies_in_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "h2.xyz"
    source.write_text(HYDROGEN)
    assert source not in write_project(tmp_path, source).files
    assert load_project(tmp_path).systems[0].name == "h2"


def test_other_files_of_the_folder_of_structures_are_no_starting_structures_by_accident(tmp_path: Path) -> None:
    ours, theirs = (saved(tmp_path / "geometry" / name, molecule("H2O")) for name in ("a.xyz", "b.xyz"))
    more = saved(tmp_path / "c.xyz", molecule("H2O"))
    with pytest.raises(StructureError, match=r"This folder holds b.xyz, which would be a starting structure, too"):
        write_project(tmp_path, ours, more)
    written = write_project(tmp_path, ours, theirs, more)
    assert [path.name for path in written.files] == ["aims_PAX.yaml", "mace.yaml", "c.xyz"]
    assert [system.name for system in load_project(tmp_path).systems] == ["a", "b", "c"]


def test_wrong_files_are_said_all_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.xyz", molecule("H2O"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "not.txt").write_text("nothing")
    with pytest.raises(StructureError, match=r"gone.xyz(.|\n)*there is no such file(.|\n)*not.txt"):
        write_project(tmp_path / "new", tmp_path / "gone.xyz", good, tmp_path / "not.txt")
    with pytest.raises(
        StructureError, match=r"empty: The folder holds no files(.|\n)*good.xyz: This file was given twi"
    ):
        write_project(tmp_path / "new", tmp_path / "empty", good, tmp_path / "new" / ".." / "good.xyz")
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be written here"):
        write_project(tmp_path / "file" / "project")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    source = saved(tmp_path / "elsewhere" / "h2.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]))
    for name in ("model.yaml", "h2.xyz", "control.in"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(SettingsError, match=r"model.yaml: This file exists already(.|\n)*h2.xyz: This file exists"):
        write_project(tmp_path, source)
    (tmp_path / "model.yaml").unlink()
    (tmp_path / "h2.xyz").unlink()
    write_project(tmp_path, source, reference="fhi-aims")
    assert (tmp_path / "control.in").read_text() == "mine"


# -- crystals -------------------------------------------------------------------------------------------------


def test_crystal_gets_stress_strained_cells_and_a_driver_that_is_sane(tmp_path: Path) -> None:
    written = write_project(tmp_path / "new", saved(tmp_path / "mgo.cif", magnesia()))
    project = load_project(tmp_path / "new")
    assert project.mace.general.compute_stress
    assert project.mace.training.stress_weight == 1e5
    assert project.settings.reference == TbliteSettings(method="GFN1-xTB")
    assert project.initial.foundational_model == "GFN1-xTB"
    assert (project.initial.n_points_per_sampling_step_idg, project.active.num_trajectories) == (1, 8)
    assert any("Cells strained by 2 % in length" in note for note in written.notes)
    assert (tmp_path / "new" / "geometry" / "mgo.cif").read_bytes() == (tmp_path / "mgo.cif").read_bytes()
    frames = {system.name: system.frame for system in project.systems}
    assert sorted(frames) == ["mgo", "mgo_compressed", "mgo_sheared", "mgo_stretched"]
    volume = {name: np.linalg.det(frame.cell) / 4.21**3 for name, frame in frames.items()}
    assert volume == pytest.approx(
        # Files hold eight digits; a strain without trace keeps the volume to first order in 2 %.
        {"mgo": 1, "mgo_compressed": 0.98**3, "mgo_stretched": 1.02**3, "mgo_sheared": 1.0},
        abs=1e-3,
    )
    scaled = {name: np.round(frame.positions @ np.linalg.inv(frame.cell), 6) % 1 for name, frame in frames.items()}
    assert all(np.allclose(one, scaled["mgo"]) for one in scaled.values())
    angles = frames["mgo_sheared"].cell
    assert np.allclose(angles, angles.T), "a symmetric strain of a cubic cell rotates nothing"


@pytest.mark.parametrize(("percent", "n_systems"), [(0.0, 1), (1.0, 4)])
def test_strain_is_the_users_choice(percent: float, n_systems: int, tmp_path: Path) -> None:
    write_project(tmp_path / "new", saved(tmp_path / "mgo.cif", magnesia()), strain=percent)
    systems = load_project(tmp_path / "new").systems
    assert len(systems) == n_systems
    assert min(np.linalg.norm(system.frame.cell[0]) for system in systems) == pytest.approx(4.21 * (1 - percent / 100))


def test_cells_of_several_crystals_are_strained_only_when_asked_for(tmp_path: Path) -> None:
    given = [saved(tmp_path / f"{a}.cif", bulk("MgO", "rocksalt", a=a, cubic=True)) for a in (4.1, 4.3)]
    written = write_project(tmp_path / "plain", *given)
    assert any("no strained cells are added; --strain 2 adds them" in note for note in written.notes)
    assert len(load_project(tmp_path / "plain").systems) == 2
    write_project(tmp_path / "strained", *given, strain=2.0)
    assert len(load_project(tmp_path / "strained").systems) == 8
    with pytest.raises(StructureError, match=r"--strain: No structure is periodic in three directions"):
        write_project(tmp_path / "not", saved(tmp_path / "w.xyz", molecule("H2O")), strain=2.0)


def test_fixed_atoms_stay_fixed_in_what_is_made_of_a_file(tmp_path: Path) -> None:
    iron = bulk("Fe", "bcc", a=2.87, cubic=True)
    iron.set_constraint([FixAtoms([0]), FixCartesian([1], (False, True, False))])
    write_project(tmp_path / "new", saved(tmp_path / "fe.traj", iron), strain=2)
    systems = load_project(tmp_path / "new").systems
    assert [system.frame.n_atoms for system in systems] == [8] * 4  # repeated, and strained thrice
    for system in systems:
        assert system.fixed is not None
        assert system.fixed.tolist() == [[True] * 3, [False, True, False]] * 4


def test_small_cell_is_repeated_and_that_is_said(tmp_path: Path) -> None:
    iron = bulk("Fe")
    iron.set_initial_magnetic_moments([2.2])
    written = write_project(tmp_path / "new", saved(tmp_path / "fe.extxyz", iron), strain=0)
    assert any("fe has 1 atoms in its cell, and was repeated 2x2x2 to 8" in note for note in written.notes)
    (system,) = load_project(tmp_path / "new").systems
    assert system.moments == (2.2,) * 8
    expected = iron.repeat(2)
    assert np.allclose(system.frame.cell, expected.cell)
    assert np.allclose(np.sort(system.frame.positions, axis=0), np.sort(expected.positions, axis=0), atol=1e-7)


def test_slab_has_no_stress_and_keeps_its_cell(tmp_path: Path) -> None:
    slab = magnesia().repeat((1, 1, 2))
    slab.center(vacuum=8.0, axis=2)
    slab.pbc = (True, True, False)
    write_project(tmp_path / "new", saved(tmp_path / "slab.extxyz", slab))
    project = load_project(tmp_path / "new")
    assert not project.mace.general.compute_stress
    assert [system.frame.n_atoms for system in project.systems] == [16]
    assert project.initial.foundational_model == "GFN1-xTB"


def test_cell_without_periodicity_is_asked_about(tmp_path: Path) -> None:
    crystal = magnesia()
    crystal.pbc = False
    source = saved(tmp_path / "mgo.extxyz", crystal)
    with pytest.raises(StructureError, match=r"mgo has a cell, and is not periodic(.|\n)*--periodic(.|\n)*--molecule"):
        write_project(tmp_path / "new", source)
    write_project(tmp_path / "crystal", source, periodic=True)
    assert all(system.frame.pbc.all() for system in load_project(tmp_path / "crystal").systems)
    write_project(tmp_path / "cluster", source, periodic=False, reference="pyscf")
    (system,) = load_project(tmp_path / "cluster").systems
    assert not system.frame.pbc.any()
    with pytest.raises(StructureError, match="has no cell, and can't be periodic"):
        write_project(tmp_path / "not", saved(tmp_path / "w.xyz", molecule("H2O")), periodic=True)


def test_writing_that_is_cut_short_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(source: Path, target: Path) -> None:
        raise KeyboardInterrupt("asked to leave")

    given = [saved(tmp_path / name, molecule("H2O")) for name in ("a.xyz", "b.xyz")]
    monkeypatch.setattr("aims_pax.settings.words.template.shutil.copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt, match="asked to leave"):
        write_project(tmp_path / "deep" / "new", *given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.xyz", "b.xyz"]
