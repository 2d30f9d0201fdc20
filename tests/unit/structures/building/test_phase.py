"""Structures that phases begin with, by their geometry, with Packmol itself."""

from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_masses

from aims_pax.structures.building import phase
from aims_pax.structures.building.failure import NotBuilt
from aims_pax.structures.building.mixture import AMU_PER_ANG3_G_PER_CM3
from aims_pax.structures.building.phase import Built
from aims_pax.structures.spacing import has_overlaps, nearest

from .ingredients import FILES, build, geometry, read, whole

FIVE = {
    "Water": ("h2o.xyz", 10.0),
    "Methanol": ("methanol.xyz", 4.0),
    "Ethanol": ("ethanol.xyz", 3.0),
    "Methane": ("methane.xyz", 2.0),
    "Argon": ("argon.xyz", 1.0),
}
"""Compounds, their files, and their concentrations, which are 20 in all."""


def five() -> dict[str, dict[str, object]]:
    return {name: {"path": file, "concentration": concentration} for name, (file, concentration) in FIVE.items()}


def silica(folder: Path) -> Built:
    said = geometry(folder, molecules={"SiO2": {"path": "sio2.xyz", "count": 24}}, density=2.2, tolerance=1.6)
    return build(said)


def density_of(made: Built) -> float:
    mass = float(atomic_masses[made.frame.numbers].sum())
    return mass * AMU_PER_ANG3_G_PER_CM3 / float(np.linalg.det(made.frame.cell))


def test_five_compounds_come_in_their_proportions_at_each_visit(tmp_path: Path) -> None:
    said = geometry(tmp_path, molecules=five(), density=0.85, max_atoms=200)
    rng = np.random.default_rng(3)
    sizes = {name: FILES[file]().n_atoms for name, (file, _) in FIVE.items()}
    seen = set()
    for _ in range(20):
        made = phase.built(said, earlier={}, read=read, rng=rng, system="mixture")
        counts = {name: len(made.parts[name]) / sizes[name] for name in FIVE}
        total = sum(counts.values())
        for name, (_, concentration) in FIVE.items():
            assert abs(counts[name] - total * concentration / 20) < 1.0
        assert made.frame.n_atoms <= 200
        assert made.frame.pbc.all()
        assert density_of(made) == pytest.approx(0.85, abs=1e-9), "the box is made for it"
        assert not has_overlaps(made.frame, 0.5)
        seen.add(made.frame.positions.tobytes())
    assert len(seen) == 20, "places are drawn anew at each visit"


def test_shuffled_concentrations_differ_and_keep_each_compound(tmp_path: Path) -> None:
    said = geometry(tmp_path, molecules=five(), density=0.7, max_atoms=120, shuffle=True)
    visits = [build(said, seed=seed).parts for seed in range(4)]
    assert all(set(FIVE) <= set(parts) for parts in visits)
    assert len({tuple(len(parts[name]) for name in FIVE) for parts in visits}) == 4


def test_words_tell_numbers_box_and_density(tmp_path: Path) -> None:
    molecules = {"Water": {"path": "h2o.xyz", "count": 12}, "Ethanol": {"path": "ethanol.xyz", "count": 5}}
    made = build(geometry(tmp_path, molecules=molecules, density=0.95))
    assert made.words == "12 Water, 5 Ethanol in 9.2 x 9.2 x 9.2 Å at 0.95 g/cm³"
    assert made.parts["Water"] == tuple(range(36))
    assert made.parts["Ethanol"] == tuple(range(36, 81))
    assert made.parts["Molecules"] == tuple(range(81))
    assert made.frame.system == "somewhere"


def test_the_same_numbers_build_the_same_to_the_bit(tmp_path: Path) -> None:
    said = geometry(
        tmp_path,
        molecules=five(),
        surface={"Structure_1": {"path": "copper.xyz"}, "Structure_2": {"path": "silver.xyz"}},
        density=0.8,
        max_atoms=200,
        shuffle=True,
        collage={
            "source": "Phase0",
            "part": "slab",
            "thickness": 6.0,
            "partner": ["Molecules", "Surface"],
            "max_strain": 0.2,
        },
    )
    before = {"Phase0": silica(tmp_path)}
    first, again, other = (build(said, seed=seed, **before) for seed in (5, 5, 6))
    assert first.frame.positions.tobytes() == again.frame.positions.tobytes()
    assert first.frame.cell.tobytes() == again.frame.cell.tobytes()
    assert (first.words, first.parts) == (again.words, again.parts)
    assert first.frame.n_atoms != other.frame.n_atoms or not np.allclose(first.frame.positions, other.frame.positions)


def test_one_of_a_pool_is_drawn(tmp_path: Path) -> None:
    pool = {"Structure_1": {"path": "copper.xyz", "repeat": [2, 2, 1]}, "Structure_2": {"path": "silver.xyz"}}
    said = geometry(tmp_path, bulk=pool)
    drawn = [build(said, seed=seed) for seed in range(12)]
    assert {made.words for made in drawn} == {"Structure_1 (16 atoms)", "Structure_2 (4 atoms)"}
    assert {frozenset(made.parts) for made in drawn} == {
        frozenset({"Structure_1", "Bulk"}),
        frozenset({"Structure_2", "Bulk"}),
    }


def test_silica_with_water_and_a_slab_of_it_under_diamond(tmp_path: Path) -> None:
    """The chain of the SCS paper's Fig. 7, without its MD."""
    first = silica(tmp_path)
    assert first.words == "24 SiO2 in 10.3 x 10.3 x 10.3 Å at 2.20 g/cm³"
    glued = build(
        geometry(
            tmp_path,
            molecules={"Water": {"path": "h2o.xyz", "count": 16}},
            density=1.0,
            collage={"source": "Phase0", "partner": "Molecules"},
        ),
        Phase0=first,
    )
    assert glued.frame.pbc.all()
    assert {name: len(atoms) for name, atoms in glued.parts.items()} == {
        "SiO2": 72,
        "Phase0": 72,
        "Water": 48,
        "Molecules": 48,
    }
    # Height of the water at its density, 10.286 Å wide, two gaps, and the silica from its lowest to its highest atom.
    extent = float(np.ptp(glued.frame.positions[:72, 2]))
    assert glued.frame.cell[2, 2] == pytest.approx(extent + 4.0 + 16 * 18.015 * 1.66054 / 10.2864**2, abs=1e-2)

    said = geometry(
        tmp_path,
        surface={"Diamond": {"path": "diamond.xyz"}},
        max_atoms=250,
        collage={
            "source": "previous",
            "part": "slab",
            "thickness": 7,
            "partner": ["Surface"],
            "gap": 2.5,
            "vacuum": 10,
        },
    )
    made = build(said, Phase0=first, Phase1=glued)
    slab, tip = made.parts["Phase1"], made.parts["Diamond"]
    assert len(tip) == 144
    assert sorted([*slab, *tip]) == list(range(made.frame.n_atoms))
    assert made.words == f"slab of Phase1 ({len(slab)} atoms, {extent_of(made, slab):.1f} Å); on it " + (
        "Diamond (144 atoms, 6.3 Å, strained by 3.9 %)"
    )
    heights = made.frame.positions[:, 2]
    assert heights[list(tip)].min() - heights[list(slab)].max() == pytest.approx(2.5)
    assert made.frame.cell[2, 2] == pytest.approx(np.ptp(heights) + 10.0)
    assert made.frame.cell[:2, :2] == pytest.approx(first.frame.cell[:2, :2]), "the first part is not strained"
    assert made.frame.pbc.tolist() == [True, True, False]
    assert not has_overlaps(made.frame, 0.5)
    # Bonds of diamond, 1.545 Å, strained by up to 3.9 % in the plane.
    assert nearest(made.frame)[list(tip)] == pytest.approx(1.545, rel=0.039)


def extent_of(made: Built, atoms: tuple[int, ...]) -> float:
    return float(np.ptp(made.frame.positions[list(atoms), 2]))


def test_a_sphere_of_a_phase_is_put_onto_a_surface_with_its_images_apart(tmp_path: Path) -> None:
    said = geometry(
        tmp_path,
        surface={"Face": {"path": "copper.xyz"}},
        collage={"source": "Phase0", "part": "sphere", "radius": 3.5, "partner": ["Surface"], "gap": 3},
    )
    made = build(said, Phase0=silica(tmp_path))
    assert made.words.startswith("Face (")
    assert "on it sphere of Phase0 (" in made.words
    sphere = made.parts["Phase0"]
    heights = made.frame.positions[:, 2]
    assert heights[list(sphere)].min() - heights[list(made.parts["Face"])].max() == pytest.approx(3.0)


def test_what_a_phase_brings_by_a_name_has_it_for_itself(tmp_path: Path) -> None:
    earlier = whole(FILES["copper.xyz"](), Face=(0, 1), Old=(2,))
    said = geometry(
        tmp_path, surface={"Face": {"path": "copper.xyz"}}, collage={"source": "Phase0", "partner": "Surface"}
    )
    made = build(said, Phase0=earlier)
    assert made.parts["Face"] == made.parts["Surface"] == (4, 5, 6, 7)
    assert made.parts["Old"] == (2,)
    assert made.parts["Phase0"] == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"bulk": {"One": {"path": "copper.xyz", "repeat": [4, 4, 4]}}}, r"256 atoms\) has more than the 200"),
        ({"surface": {"One": {"path": "diamond.xyz", "repeat": [1, 1, 2]}}}, r"One is not periodic along .* c"),
        ({"collage": {"source": "Phase7"}}, r"Phase7, which has not run before\. Write one of Phase0"),
        ({"collage": {"source": "Phase0", "partner": "Phase3"}}, r"Phase3, which has not run before"),
    ],
)
def test_what_can_not_be_built_is_told(tmp_path: Path, said: dict[str, object], match: str) -> None:
    with pytest.raises(NotBuilt, match=match):
        build(geometry(tmp_path, **said), Phase0=whole(FILES["copper.xyz"]()))


def test_a_collage_in_the_first_phase_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotBuilt, match=r"no phase has run before\. Write it into a later phase"):
        build(geometry(tmp_path, collage={"source": "previous"}))
