"""Workflow files: the paper's is accepted as it is, and of others everything that is wrong is told with its line."""

from pathlib import Path
from textwrap import indent

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.constraints import FixAtoms
from ase.io import write

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.workflow.geometry import GeometrySettings
from aims_pax.settings.workflow.phases import Workflow
from aims_pax.settings.workflow.reading import read_workflow
from aims_pax.settings.workflow.run import LoadSettings, PressureRampSettings, RampSettings

PAPER = """\
# retyped from Fig. 2 of the paper (diamond, anneal, quench)
Phase0:
  Geometry:
    Species: {C : 12.011}
    Bulk:
      Structure_1:
        Path: 'Diamond_4x4x4.xyz'
  Run:
    Type: 'Relax'
    Sampling: 0
Phase1:
  Run:
    Timestep: 1.0
    Steps: 100000
    Type: 'NVT'
    Temperature: {Tstart : 1, Tstop : 9000}
    Sampling: 50
Phase2:
  Run:
    Timestep: 1.0
    Steps: 100000
    Type: 'NVT'
    Temperature: {Tstart : 9000, Tstop : 300}
    Sampling: 50
"""

START = "Phase0:\n  Geometry: {Bulk: {Diamond: {Path: diamond.xyz}}}\n  Run: {Type: Relax}\n"


def geometry(body: str) -> str:
    """A workflow of one phase, whose geometry begins in line 3."""
    return f"Phase0:\n  Geometry:\n{indent(body.strip(), '    ')}\n  Run: {{Type: Relax}}\n"


def mixture(body: str, water: str = "Concentration: 2", oxygen: str = "Concentration: 1") -> str:
    """The same of two compounds, which are lines 4 and 5; the rest begins in line 6."""
    compounds = f"Water: {{Path: h2o.xyz, {water}}}\n  O2: {{Path: o2.xyz, {oxygen}}}"
    return geometry(f"Molecules:\n  {compounds}\n{body}")


def later(body: str) -> str:
    """A workflow of two phases, of which the geometry of the second begins in line 6."""
    return f"{START}Phase1:\n  Geometry:\n{indent(body.strip(), '    ')}\n  Run: {{Type: Relax}}\n"


def run(body: str) -> str:
    """A workflow of two phases, of which the run of the second begins in line 6."""
    return f"{START}Phase1:\n  Run:\n{indent(body.strip(), '    ')}\n"


def saved(path: Path, atoms: Atoms) -> None:
    write(path, atoms)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    saved(tmp_path / "diamond.xyz", bulk("C", cubic=True))
    saved(tmp_path / "Diamond_4x4x4.xyz", bulk("C") * (4, 4, 4))
    saved(tmp_path / "h2o.xyz", molecule("H2O"))
    saved(tmp_path / "o2.xyz", molecule("O2"))
    saved(tmp_path / "far.xyz", Atoms("C2", [[0, 0, 0], [0, 0, 0.1]]))
    held = bulk("C", cubic=True)
    held.set_constraint(FixAtoms([0]))
    saved(tmp_path / "held.xyz", held)
    (tmp_path / "crystals").mkdir()
    return tmp_path


def read(folder: Path, text: str, systems: tuple[str, ...] = ("carbon",), name: str = "flow.yaml") -> Workflow:
    (folder / name).write_text(text, encoding="utf-8")
    return read_workflow(folder / name, systems=systems)


def problems(folder: Path, text: str, systems: tuple[str, ...] = ("carbon",)) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError, match=r".") as refused:
        read(folder, text, systems)
    return refused.value.problems


# -- right files ----------------------------------------------------------------------------------------------


def test_the_paper_is_accepted_as_it_is(folder: Path) -> None:
    flow = read(folder, PAPER)
    assert [phase.name for phase in flow.phases] == ["Phase0", "Phase1", "Phase2"]
    relaxed, annealed, quenched = (phase.settings.run for phase in flow.phases)
    assert (relaxed.type, relaxed.sampling, relaxed.steps) == ("relax", 0, None)
    assert (annealed.type, annealed.timestep, annealed.steps, annealed.sampling) == ("nvt", 1.0, 100_000, 50)
    assert annealed.temperature == RampSettings(start=1, stop=9000)
    assert quenched.temperature == RampSettings(start=9000, stop=300)
    assert [phase.settings.geometry is None for phase in flow.phases] == [False, True, True]
    assert (flow.name, flow.system, flow.elements, flow.sampling) == ("flow", "carbon", (6,), 100)
    (frame,) = flow.structures.values()
    assert (frame.n_atoms, frame.system) == (128, "carbon")


EVERYTHING = """\
System: carbon
Phase0:
  Geometry:
    Species: {C: 12.01, H: 1.008, O: 16, Si: 28.09}
    Molecules:
      Water: {Path: h2o.xyz, Concentration: 2}
      Oxygen: {Path: o2.xyz, Concentration: 1}
    Density: 1.0
    Number: 20
    MaxAtoms: 100
    Tolerance: 1.8
    Shuffle: true
  Run: {Type: Relax, Fmax: 0.1, RelaxCell: false, Steps: 200, Sampling: 2}
Phase1:
  Run: {Type: NPT, Timestep: 0.5, Steps: 500, Temperature: 300, Pressure: {Pstart: 0, Pstop: 2}, Driver: Pretrained}
Phase2:
  Geometry:
    Surface: {A: {Path: diamond.xyz, Repeat: [2, 2, 1]}, B: {Path: diamond.xyz}}
    Collage:
      From: Phase1
      Part: Slab
      Axis: Z
      Thickness: 4
      Center: [0.5, 0.5, 0.5]
      With: [Surface, previous]
      Gap: 2.2
      Strain: 0.1
      Vacuum: 10
  Run:
    Type: NVE
    Steps: 500
    Temperature: {Tstart: 300, Tstop: 300}
    Sampling: 5
    Threshold: 1.0
    Load: {Axis: z, Pressure: 1, Top: 3}
    Pull: [{Axis: x, Velocity: 0.1, Above: {z: 9}}, {Force: 1, Molecule: Water}]
    Hold: {Bottom: 2, Elements: C}
"""


def test_both_spellings_are_equal(folder: Path) -> None:
    written = read(folder, EVERYTHING)
    lower = EVERYTHING
    for long, own in (
        ("MaxAtoms", "max_atoms"),
        ("RelaxCell", "relax_cell"),
        ("Fmax", "max_force"),
        ("From", "source"),
    ):
        lower = lower.replace(f"{long}:", f"{own}:")
    lower = lower.replace("Number:", "n_molecules:").replace("With:", "partner:").replace("Strain:", "max_strain:")
    keys = ("Tstart", "Tstop", "Pstart", "Pstop")
    for key in keys:
        lower = lower.replace(f"{key}:", f"{key[1:]}:")
    names = ("Water", "Oxygen", "H", "C", "O", "Si", "A", "B")
    lower = "\n".join(
        " ".join(
            word if word.strip("{:") in names or not word.endswith(":") else word.lower() for word in line.split(" ")
        )
        for line in lower.split("\n")
    )
    assert "phase0:" in lower
    assert [phase.settings for phase in read(folder, lower).phases] == [phase.settings for phase in written.phases]
    assert written.elements == (1, 6, 8)


def test_values_are_read_as_they_are_meant(folder: Path) -> None:
    _, second, third = read(folder, EVERYTHING).phases
    assert second.settings.run.pressure == PressureRampSettings(start=0, stop=2)
    assert second.settings.run.driver == "pretrained"
    collage = third.settings.geometry.collage if third.settings.geometry is not None else None
    assert collage is not None
    assert (collage.source, collage.part, collage.axis, collage.partner) == (
        "Phase1",
        "slab",
        "z",
        ("Surface", "Phase1"),
    )
    assert third.settings.run.load == (LoadSettings(axis="z", pressure=1, top=3),)
    assert [one.molecule for one in third.settings.run.pull] == [None, "Water"]


def test_phases_come_in_the_order_of_their_numbers(folder: Path) -> None:
    first, second, third = PAPER.partition("Phase1:")[0], *PAPER[PAPER.index("Phase1:") :].split("Phase2:")
    flow = read(folder, f"Phase2:{third}{second}{first}")
    assert [phase.settings.run.temperature for phase in flow.phases] == [
        None,
        RampSettings(start=1, stop=9000),
        RampSettings(start=9000, stop=300),
    ]


def test_a_system_is_named_by_the_file_or_is_the_only_one(folder: Path) -> None:
    assert read(folder, PAPER, ("flow", "other")).system == "flow"
    assert read(folder, PAPER, ("other",)).system == "other"
    assert read(folder, f"system: other\n{PAPER}", ("flow", "other")).system == "other"


COUNTS = ("Count: 2", "Count: 3")


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Box: [8, 8, 8]", COUNTS),
        ("Density: 0.9", COUNTS),
        ("Number: 12\nDensity: 0.9", ()),
        ("Number: 12\nBox: [8, 8, 8]", ()),
        ("Density: 0.9\nBox: [8, 8, 8]", ()),
        ("Density: 0.9\nMaxAtoms: 60", ()),
    ],
)
def test_what_fixes_a_mixture_is_enough(folder: Path, text: str, counts: tuple[str, ...]) -> None:
    (phase,) = read(folder, mixture(text, *counts)).phases
    assert isinstance(phase.settings.geometry, GeometrySettings)
    assert [*phase.settings.geometry.molecules] == ["Water", "O2"]


def test_absolute_paths_and_folders_above_are_right_where_they_exist(folder: Path) -> None:
    (folder / "flows").mkdir()
    text = START.replace("diamond.xyz", "../diamond.xyz") + f"# {folder}\n"
    assert read_written(folder / "flows" / "a.yaml", text).elements == (6,)
    assert read_written(folder / "b.yaml", START.replace("diamond.xyz", str(folder / "diamond.xyz"))).elements == (6,)


def read_written(path: Path, text: str) -> Workflow:
    path.write_text(text, encoding="utf-8")
    return read_workflow(path, systems=["carbon"])


def test_files_are_read_once_and_their_last_structure_counts(folder: Path) -> None:
    write(folder / "diamond.xyz", [bulk("C"), bulk("Si", cubic=True)])
    flow = read(folder, START + START.replace("Phase0", "Phase1"))
    (frame,) = flow.structures.values()
    assert (frame.n_atoms, flow.elements) == (8, (14,))
    assert flow.phases[0].settings.geometry is not None
    assert flow.phases[0].settings.geometry.bulk["Diamond"].path in flow.structures


# -- broken files ---------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[str, int | None, str, str]] = {
    # phases
    "no phase": ("", None, "There is no phase.", "Begin with Phase0"),
    "system only": ("System: carbon\n", None, "There is no phase.", "Begin with Phase0"),
    "gap": (START + "Phase2:\n  Run: {Type: Relax}\n", 4, "Phase1 is missing", "Call it Phase1"),
    "from 1": (START.replace("Phase0", "Phase1"), 1, "Phase0 is missing", "Call it Phase0"),
    "twice": (START + START.replace("Diamond", "D"), 4, "Phase0 is set twice: in line 1 and in line 4", "Keep one"),
    "twice, spelled": (START + START.replace("Phase", "phase"), 4, "are the same phase", "Keep one"),
    "misspelt phase": (START + "Phse1:\n  Run: {Type: Relax}\n", 4, "Phse1 is neither a phase", "Did you mean Phase"),
    "run outside": (START + "Run: {Type: Relax}\n", 4, "Run is neither a phase", "Indent Run below its phase"),
    "phase is text": (START + "Phase1: Relax\n", 4, "Phase1 is 'Relax'", "Indent the settings"),
    "no run": (START + "Phase1: {Geometry: {Bulk: {A: {Path: diamond.xyz}}}}\n", 4, "Phase1.Run is missing", "mapping"),
    "unknown system": ("System: carbn\n" + START, 1, "'carbn', which is no system", "Did you mean carbon?"),
    "two systems": ("System: carbon\nsystem: carbon\n" + START, 2, "are the same setting", "Keep one"),
    "no geometry": ("Phase0:\n  Run: {Type: Relax}\n", 1, "no Geometry, and there is no phase before", "Bulk"),
    "empty geometry": (
        START + "Phase1:\n  Geometry:\n  Run: {Type: Relax}\n",
        5,
        "Phase1.Geometry is empty",
        "leave it",
    ),
    "project": (
        "MD: {stat_ensemble: nvt}\nMISC: {}\n",
        None,
        "holds settings of a project",
        "aims-pax init --workflow",
    ),
    "no yaml": (START + "Phase1:\n\tRun: 5\n", 5, "not valid YAML", "Indent with spaces"),
    # keys
    "misspelt": (run("Typo: NVT\nSteps: 5"), 6, "Phase1.Run.Typo is not a setting", "Did you mean Type (relax | nvt"),
    "both spellings": (run("Type: Relax\nSteps: 5\nsteps: 6"), 8, "Phase1.Run.steps and Phase1.Run.Steps", "Keep one"),
    "wrong home": (geometry("Bulk: {A: {Path: diamond.xyz}}\nSampling: 5"), 4, "not a setting", "It belongs to Run"),
    "in quotes": (run("Type: NVT\nSteps: '5'"), 7, "Phase1.Run.Steps is '5'", "Remove the quotes"),
    "unknown type": (run("Type: NPH\nSteps: 5"), 6, "is 'nph'", "relax | nvt | npt | nve"),
    "hot": (run("Type: NVT\nSteps: 5\nTemperature: hot"), 8, "is 'hot'", "{Tstart: number, Tstop: number}"),
    "half a ramp": (run("Type: NVT\nSteps: 5\nTemperature: {Tstart: 1}"), 8, "Temperature.Tstop is missing", "K"),
    "unnamed": (geometry("Bulk:\n  Path: diamond.xyz"), 4, "Bulk.Path is 'diamond.xyz'", "Bulk: {Structure_1: {Path"),
    "unkeyed": (geometry("Bulk:\n  A: diamond.xyz"), 4, "Bulk.A is 'diamond.xyz'", "Write A: {Path: diamond.xyz}"),
    "repeat": (
        geometry("Bulk:\n  A:\n    Path: diamond.xyz\n    Repeat: [2, 2]"),
        6,
        "has 2 numbers",
        "three integers",
    ),
    # files
    "other machine": (
        PAPER.replace("Diamond_4x4x4", "/path/to/SiO2"),
        7,
        "there is no such file",
        "path of another machine",
    ),
    "beside": (PAPER.replace("Dia", "/home/x/Dia"), 7, "/home/x/Diamond_4x4x4.xyz", "write Path: Diamond_4x4x4.xyz"),
    "misspelt file": (PAPER.replace("Diamond_4", "Diamond-4"), 7, "no such file", "Did you mean Diamond_4x4x4.xyz?"),
    "missing file": (PAPER.replace("Diamond_4x4x4", "q"), 7, "no such file", "begin at the folder of this file"),
    "folder": (geometry("Bulk:\n  A: {Path: crystals}"), 4, "names the folder", "Name each file"),
    "overlap": (geometry("Bulk:\n  A:\n    Path: far.xyz"), 5, "0.10 Å apart", "Check the unit"),
    "no structure": (
        geometry("Bulk:\n  A:\n    Path: flow.yaml"),
        5,
        "No structure can be read here",
        "Check the file",
    ),
    "held": (geometry("Bulk:\n  A: {Path: held.xyz}"), 4, "which holds atoms", "Run.Hold"),
    "no cell": (
        geometry("Bulk:\n  A:\n    Path: h2o.xyz\n    Repeat: [2, 1, 1]"),
        6,
        "a cell that h2o.xyz lacks",
        "lattice",
    ),
    "large": (
        geometry("MaxAtoms: 20\nBulk:\n  A: {Path: diamond.xyz, Repeat: [2, 2, 1]}"),
        5,
        "A has 32 atoms, and MaxAtoms is 20",
        "Raise MaxAtoms",
    ),
    # species
    "lacks": (geometry("Bulk: {A: {Path: diamond.xyz}}\nSpecies: {Si: 28.085}"), 4, "Species lacks C", "Add C: 12.011"),
    "mass": (
        geometry("Bulk: {A: {Path: diamond.xyz}}\nSpecies:\n  C: 13.003"),
        5,
        "the mass of C is 13.003",
        "standard",
    ),
    "symbol": (geometry("Bulk: {A: {Path: diamond.xyz}}\nSpecies: {C: 12, D: 2}"), 4, "'D' is not the symbol", "as Si"),
    # mixtures
    "no amount": (mixture("Density: 1", "Count:"), 4, "neither Concentration nor Count", "how many there are"),
    "both amounts": (mixture("Density: 1\nNumber: 4", "Count: 2, Concentration: 1"), 4, "it has both", "Keep one"),
    "mixed": (mixture("Density: 1", "Count: 2"), 5, "Water has a Count, and O2 has a Concentration", "the same of all"),
    "no space": (mixture("", *COUNTS), 3, "neither Density nor Box", "Count with Box or with Density"),
    "two spaces": (mixture("Density: 1\nBox: [9, 9, 9]", *COUNTS), 7, "both Density and Box", "What fixes a mixture"),
    "counts and number": (
        mixture("Density: 1\nNumber: 9", *COUNTS),
        7,
        "Number is about Concentration",
        "Remove Number",
    ),
    "counts shuffled": (mixture("Density: 1\nShuffle: true", *COUNTS), 7, "Shuffle is about", "Remove Shuffle"),
    "number alone": (mixture("Number: 9"), 3, "only Number is given", "two of Number, Density and Box"),
    "density alone": (mixture("Density: 1"), 3, "only Density is given", "Density and MaxAtoms"),
    "nothing": (mixture("Tolerance: 2"), 3, "nothing says how many", "What fixes a mixture"),
    "overdetermined": (mixture("Density: 1\nBox: [9, 9, 9]\nNumber: 9"), 7, "two of them say the third", "Remove one"),
    "too many": (mixture("Density: 1\nNumber: 200"), 7, "400 atoms or more, and MaxAtoms is 200, its default", "Raise"),
    "kg/m3": (mixture("Number: 9\nDensity: 997"), 7, "Density is 997", "g/cm³"),
    "no molecules": (
        geometry("Bulk: {A: {Path: diamond.xyz}}\nBox: [9, 9, 9]"),
        4,
        "Box is about molecules",
        "Remove Box",
    ),
    "tolerance": (geometry("Bulk: {A: {Path: diamond.xyz}}\nTolerance: 1"), 4, "Tolerance is about", "give Molecules"),
    "two pools": (
        geometry("Bulk: {A: {Path: diamond.xyz}}\nSurface: {A: {Path: diamond.xyz}}"),
        4,
        "Bulk and Surface are given",
        "a Collage stitches them",
    ),
    "nothing in it": (geometry("Species: {C: 12.011}"), 2, "it has no structure", "Give Bulk, Surface, Molecules"),
    # collages
    "first collage": (geometry("Collage: {From: Phase0}"), 3, "there is no phase before this one", "Begin with Bulk"),
    "itself": (later("Collage: {From: Phase1}"), 6, "does not come before this phase", "Phase0 | previous"),
    "no phase so called": (later("Collage:\n  From: Phaze0"), 7, "Phaze0, which is no phase", "Did you mean Phase0?"),
    "unknown partner": (
        later("Collage:\n  From: Phase0\n  With: Surfaces"),
        8,
        "Surfaces, which is no",
        "Did you mean Surf",
    ),
    "later partner": (later("Collage:\n  From: Phase0\n  With: [Phase3]"), 8, "does not come before", "Phase0 | Bulk"),
    "no such pool": (later("Collage:\n  From: Phase0\n  With: [Molecules]"), 8, "has no Molecules", "Give Molecules"),
    "unused pool": (
        later("Bulk: {A: {Path: diamond.xyz}}\nCollage: {From: Phase0}"),
        6,
        "Bulk is given, and Collage is not made with it",
        "Add Bulk to Collage.With",
    ),
    "thick": (later("Collage:\n  From: Phase0\n  Part: slab"), 8, "Thickness is missing", "Give its thickness, Å"),
    "boxed": (later("Collage:\n  From: Phase0\n  Part: box"), 8, "Size is missing", "Give its size, Å"),
    "round": (later("Collage:\n  From: Phase0\n  Part: sphere"), 8, "Radius is missing", "Give its radius, Å"),
    "radius": (later("Collage:\n  From: Phase0\n  Radius: 3"), 8, "Radius is that of a sphere", "set Part: sphere"),
    "center": (later("Collage:\n  From: Phase0\n  Center: [0, 0, 0]"), 8, "nothing is: Part is whole", "Remove Center"),
    "strain": (later("Collage:\n  From: Phase0\n  Strain: 0.1"), 8, "Strain is about a second part", "by With"),
    "vacuum": (
        later("Collage:\n  From: Phase0\n  Vacuum: 9"),
        8,
        "Vacuum is about a slab or a stack",
        "Set Part: slab",
    ),
    # runs
    "endless": (run("Type: NVT"), 6, "Type is NVT, and Steps is missing", "how many MD steps"),
    "windows": (run("Type: NVT\nSteps: 5\nSampling: 6"), 8, "Sampling is 6, and there are 5 Steps", "Lower Sampling"),
    "sampled relax": (run("Type: Relax\nSampling: 6"), 7, "a relaxation without Steps", "Give Steps"),
    "warm relax": (run("Type: Relax\nTemperature: 6"), 7, "Temperature belongs to MD", "Remove Temperature"),
    "fmax": (run("Type: NVT\nSteps: 5\nFmax: 0.1"), 8, "Fmax belongs to a relaxation", "set Type: Relax"),
    "pressure": (run("Type: NVT\nSteps: 5\nPressure: 1"), 8, "Pressure belongs to NPT", "set Type: NPT"),
    "nve ramp": (run("Type: NVE\nSteps: 5\nTemperature: {Tstart: 1, Tstop: 2}"), 8, "no thermostat", "Set Type: NVT"),
    "npt hold": (run("Type: NPT\nSteps: 5\nHold: {Atoms: 0}"), 8, "Hold holds atoms, and Type is NPT", "Set Type: NVT"),
    "npt pull": (run("Type: NPT\nSteps: 5\nPull:\n  Atoms: 0\n  Velocity: 1"), 10, "Type is NPT", "pull by Force"),
    "npt molecule": (
        geometry("Bulk: {A: {Path: h2o.xyz}}") + "Phase1:\n  Run:\n    Type: NPT\n    Steps: 5\n",
        7,
        "h2o.xyz has no cell that could move",
        "lattice vectors and pbc",
    ),
    "threshold": (run("Type: NVT\nSteps: 5\nThreshold: 1"), 8, "Threshold is about frames", "Set Sampling"),
    "pulled relax": (run("Type: Relax\nPull: {Atoms: 0, Force: 1}"), 7, "Pull leads atoms in time", "press by Load"),
    "no load": (run("Type: NVT\nSteps: 5\nLoad: {Atoms: 0}"), 8, "neither Pressure nor Force", "a Pressure, GPa"),
    "two loads": (run("Type: Relax\nLoad:\n- {Atoms: 0, Pressure: 1, Force: [0, 0, 1]}"), 8, "it has both", "Keep one"),
    "no pull": (run("Type: NVT\nSteps: 5\nPull: {Atoms: 0}"), 8, "neither Velocity nor Force", "a Velocity, Å/ps"),
    "two pulls": (run("Type: NVT\nSteps: 5\nPull: {Atoms: 0, Force: 1, Velocity: 1}"), 8, "it has both", "Keep one"),
    "still": (run("Type: NVT\nSteps: 5\nPull: {Atoms: 0, Velocity: 0}"), 8, "Velocity is zero", "Hold keeps"),
    "axis": (
        run("Type: Relax\nLoad:\n  Atoms: 0\n  Axis: x\n  Force: [1, 0, 0]"),
        9,
        "direction of its own",
        "Remove Axis",
    ),
    "nobody": (run("Type: Relax\nHold:\n  - {}"), 8, "it names no atoms", "Say which by Atoms"),
    "no such atom": (run("Type: Relax\nHold:\n  Atoms: 0-8"), 8, "names atom 8, and a structure", "0 to 7"),
    "no such element": (run("Type: Relax\nHold:\n  Elements: Si"), 8, "names Si, of which", "Name elements"),
    "no such part": (run("Type: Relax\nHold:\n  Molecule: Water"), 8, "Water, and nothing in this phase", "a compound"),
    "two layers": (run("Type: Relax\nHold: {Top: 2, Bottom: 2}"), 7, "Top and Bottom are given", "an entry for each"),
}
"""Text; the line where the one problem stands, None for the file; a part of what is found; a part of what to do."""


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_told_with_its_line_and_what_to_do(folder: Path, name: str) -> None:
    text, line, found, fix = BROKEN[name]
    (problem,) = problems(folder, text)
    where = "flow.yaml" if line is None else f"flow.yaml, line {line}"
    assert problem.where.removesuffix(", column 1") == where
    assert found in problem.found
    assert fix in f"{problem.allowed} {problem.advice}"
    assert problem.advice or problem.allowed


def test_all_problems_of_a_file_are_told_at_once_in_its_order(folder: Path) -> None:
    text = """\
System: copper
Phase0:
  Geometry:
    Species: {C: 13}
    Bulk: {A: {Path: nowhere.xyz}, B: {Path: diamond.xyz, Repaet: [1, 1, 1]}}
  Run: {Type: Relax, Temprature: 3}
Phase1:
  Geometry:
    Collage: {From: Phase4}
  Run: {Type: NVT, Sampling: 3, Steps: 2}
Phase3:
  Run: {Type: NPT}
"""
    told = problems(folder, text)
    assert [int(problem.where.rpartition(" ")[2]) for problem in told] == [1, 4, 5, 5, 6, 6, 9, 10, 11, 12]


def test_a_system_that_nothing_says_is_asked_for(folder: Path) -> None:
    (problem,) = problems(folder, PAPER, ("carbon", "silicon"))
    assert "none is called flow" in problem.found
    assert problem.allowed == "carbon | silicon"


def test_files_that_are_no_workflow_are_refused_at_once(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml: The file can't be read: No such file"):
        read_workflow(folder / "nothing.yaml", systems=["carbon"])
    (folder / "large.yaml").write_text("# \n" * 2**19)
    with pytest.raises(SettingsError, match="too much for settings"):
        read_workflow(folder / "large.yaml", systems=["carbon"])
    with pytest.raises(SettingsError, match="No section found"):
        read(folder, "- Phase0\n")


def test_a_flood_of_unknown_keys_is_counted(folder: Path) -> None:
    keys = ", ".join(f"qq{number}: 1" for number in range(70))
    told = problems(folder, START.replace("{Type: Relax}", f"{{Type: Relax, {keys}}}"))
    assert len(told) <= 72
    assert all("not a setting" in problem.found or "no settings" in problem.found for problem in told)


def test_groups_of_what_a_collage_brings_are_known_by_their_names(folder: Path) -> None:
    text = mixture("Density: 1\nMaxAtoms: 30") + (
        "Phase1:\n  Run: {Type: Relax, Hold: {Molecule: O2}}\n"
        "Phase2:\n  Geometry: {Bulk: {A: {Path: diamond.xyz}}, Collage: {From: previous, With: Bulk}}\n"
        "  Run: {Type: Relax, Hold: [{Molecule: Water}, {Molecule: Bulk}, {Molecule: Phase1}, {Elements: [C, H]}]}\n"
    )
    assert read(folder, text).elements == (1, 6, 8)
    (problem,) = problems(folder, text.replace("Molecule: Bulk", "Molecule: Surface"))
    assert problem.allowed == "A | Bulk | Water | O2 | Molecules | Phase1"


def test_a_crystal_is_known_by_its_name_where_it_is_always_the_one_that_is_drawn(folder: Path) -> None:
    """Of several in a pool any may be there, so that a group has to name the pool."""
    alone = run("Type: Relax\nHold: [{Molecule: Diamond}, {Molecule: Bulk}]")
    assert [one.molecule for one in read(folder, alone).phases[1].settings.run.hold] == ["Diamond", "Bulk"]
    several = alone.replace("{Diamond:", "{Other: {Path: diamond.xyz}, Diamond:")
    (problem,) = problems(folder, several)
    assert "names Diamond" in problem.found
    assert problem.allowed == "Bulk"
