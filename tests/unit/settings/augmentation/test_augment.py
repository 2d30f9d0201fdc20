"""What `augment` may say, and what is said of what it may not."""

from pathlib import Path

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings.augmentation import PUBLISHED, AugmentSettings
from aims_pax.settings.augmentation.augment import SOURCE_KEYS
from aims_pax.settings.augmentation.reading import augment_argument, augment_file, augment_text


def read(text: str) -> AugmentSettings:
    return augment_text(text, name="augment.yaml")


def test_defaults_are_those_of_the_paper() -> None:
    settings = augment_argument(None)
    assert settings.named == ("inputs", "isolated", "distort", "clusters", "slabs", "substitute")
    assert settings.supercell is not None
    assert (settings.supercell.shortest_image, settings.supercell.max_atoms) == (18.0, 450)
    assert settings.distort is not None
    distort = settings.distort
    assert (distort.n, distort.displacement, distort.strain) == (50, 0.3, (-0.2, 0.6))
    assert (distort.vacancies, distort.n_vacancies) == (0.3, 2)
    assert settings.clusters is not None
    assert (settings.clusters.n, settings.clusters.max_atoms, settings.clusters.spacing) == (20, 10, 1.5)
    assert settings.slabs is not None
    assert settings.slabs.miller == ((1, 1, 1), (1, 1, 0), (1, 0, 0))
    assert (settings.slabs.min_thickness, settings.slabs.max_atoms) == (10.0, 450)
    assert settings.substitute is not None
    assert (settings.substitute.structures, settings.substitute.atoms) == (0.2, 0.2)
    assert settings.vacuum == 15.0
    assert PUBLISHED.keys() - {"supercell"} <= set(SOURCE_KEYS)


def test_a_source_is_named_in_one_word_by_one_number_or_by_its_settings() -> None:
    settings = read("{distort: 20, strain: [-0.05, 0.1], slabs: [110, [1, 1, -1]], inputs: true, dimers: {}}")
    assert settings.distort is not None
    assert settings.distort.n == 20
    assert settings.strain is not None
    assert settings.strain.range == (-0.05, 0.1)
    assert settings.slabs is not None
    assert settings.slabs.miller == ((1, 1, 0), (1, 1, -1))
    assert settings.named == ("inputs", "distort", "strain", "slabs", "dimers")
    assert read("{slabs: [1-10]}") == read("{slabs: {miller: 1-10}}") == read("{slabs: [[1, -1, 0]]}")
    assert read("{slabs: -110}") == read("{slabs: [[-1, 1, 0]]}")
    assert read("{slabs: 111}") == read("{slabs: [111]}") == read("{slabs: [1, 1, 1]}")
    assert read("{distort: false, inputs: true}").named == ("inputs",)
    assert read("true") == augment_argument(None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{distrot: 20}", "Did you mean distort"),
        ("{distort: {num: 20}}", "augment.distort.num is not a setting"),
        ("{distort: many}", "augment.distort is 'many'."),
        ("{distort: 0}", "augment.distort.n is 0."),
        ("{distort: 2.5}", "augment.distort.n is 2.5."),
        ("{distort: {displacement: 1.5}}", "augment.distort.displacement is 1.5."),
        ("{strain: [0.1, -0.1]}", "augment.strain.range goes from 0.1 down to -0.1."),
        ("{strain: [-1, 0]}", "augment.strain.range begins at -1, which leaves no length."),
        ("{strain: [0.1]}", "augment.strain.range is a list."),
        ("{strain: {n_isotropic: 0, n_anisotropic: 0}}", "so that nothing would be strained"),
        ("{slabs: [0, 0, 0]}", "augment.slabs.miller holds 0 0 0, which is no face."),
        ("{slabs: [[1, 1], 100]}", "which are not three whole numbers"),
        ("{slabs: [100, [1, 0, 0]]}", "names a face twice"),
        ("{slabs: [1-10, [1, -1, 0]]}", "names a face twice"),
        ("{slabs: [one]}", "augment.slabs.miller holds 'one', which are not three whole numbers"),
        ("{alloys: true}", "augment.alloys.species is missing."),
        ("{alloys: {species: [Si, Xx]}}", "augment.alloys.species is 'Xx', which is not an element."),
        ("{alloys: {species: [Si, Ge], fixed: [Ge]}}", "Ge stands in species and in fixed."),
        ("{alloys: {species: [Si, Ge], fractions: {Si: 1}}}", "fractions are of Si, and species are Si, Ge."),
        ("{alloys: {species: [Si], fractions: {Si: 0}}}", "gives nothing to any element"),
        ("{alloys: {species: [Si], fractions: {Si: -1}}}", "gives Si -1, which is no part of a whole"),
        ("{dimers: {pairs: [Na-Cl, Cl-Na]}}", "names a pair twice"),
        ("{dimers: {pairs: [Na]}}", "holds 'Na', which is not a pair of elements"),
        ("{dimers: {range: [0, 1]}}", "begins at 0, which leaves no distance"),
        ("{supercell: true}", "No source of structures is named but supercell"),
        ("{}", "No source of structures is named."),
        ("[distort]", "augment is a list."),
        ("{inputs: true, vacuum: -1}", "augment.vacuum is -1."),
    ],
)
def test_mistakes_are_told(text: str, found: str) -> None:
    with pytest.raises(SettingsError, match=r"augment\.yaml") as caught:
        read(text)
    assert found in str(caught.value)


def test_mistakes_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "augment.yaml"
    file.write_text("augment:\n  distort:\n    n: 20\n    strian: [0, 0]\n  clusters: {spacing: 0}\nMD: {}\n")
    with pytest.raises(SettingsError, match="strian") as caught:
        augment_file(file)
    assert [problem.where for problem in caught.value.problems] == [
        "augment.yaml, line 4",
        "augment.yaml, line 5",
        "augment.yaml, line 6",
    ]
    file.write_text("distort: 20\n")
    with pytest.raises(SettingsError, match="There is no augment"):
        augment_file(file)


def test_values_of_python_are_taken_as_yaml_would_have_them() -> None:
    settings = augment_argument({"strain": (-0.1, 0.2), "slabs": [(1, 1, 1)], "alloys": {"species": ("Si", "Ge")}})
    assert settings.named == ("strain", "slabs", "alloys")
    with pytest.raises(SettingsError, match=r"collect, augment: augment\.distort\.n is"):
        augment_argument({"distort": {"n": "ten"}})
