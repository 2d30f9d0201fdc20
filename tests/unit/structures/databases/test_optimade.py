"""Structures of databases that speak OPTIMADE, of one on this machine."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule

from aims_pax.errors import StructureError, UserError
from aims_pax.structures.databases.entry import Unusable
from aims_pax.structures.databases.optimade import filters, optimade_service, sites_of
from aims_pax.structures.databases.query import Asked, Query
from aims_pax.structures.databases.service import Refusal
from aims_pax.testing.databases.entries import MATERIALS, Material, interleaved
from aims_pax.testing.databases.server import Databases, Reply

from .asking import ask, names, spelled, told


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"elements": "O,Al"}, 'elements HAS ALL "O","Al"'),
        ({"formula": "NaCl"}, 'chemical_formula_reduced="ClNa"'),
        ({"formula": "O6Al4,Si2"}, 'chemical_formula_reduced="Al2O3" OR chemical_formula_reduced="Si"'),
        ({"chemsys": "O-Al"}, 'elements HAS ALL "Al","O" AND nelements=2'),
        (
            {"chemsys": "Al-O,Al", "max_atoms": 9},
            '((elements HAS ALL "Al","O" AND nelements=2) OR (elements HAS ALL "Al" AND nelements=1)) AND (nsites<=9)',
        ),
        ({"filter": "nsites=2 OR nsites=3", "elements": "Al"}, '(nsites=2 OR nsites=3) AND (elements HAS ALL "Al")'),
        ({"ids": ["a", 'b"\\c']}, 'id="a" OR id="b\\"\\\\c"'),
        ({"ids": "a,b", "max_atoms": 4}, '(id="a" OR id="b") AND (nsites<=4)'),
    ],
)
def test_conditions_become_one_filter(asked: Asked, words: str) -> None:
    assert list(filters(Query.of(asked, spelled=spelled))) == [words]


def test_many_names_become_several_filters() -> None:
    several = list(filters(Query.of({"ids": [f"x{n}" for n in range(65)]}, spelled=spelled)))
    assert [one.count("id=") for one in several] == [30, 30, 5]


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://example.org", "https://example.org/v1"),
        ("https://example.org/optimade/", "https://example.org/optimade/v1"),
        ("https://example.org/optimade/v1", "https://example.org/optimade/v1"),
        ("https://example.org/v1.2/structures/", "https://example.org/v1.2"),
        ("https://example.org/pbe-v1", "https://example.org/pbe-v1/v1"),
    ],
)
def test_addresses_of_providers_may_be_written_in_several_ways(address: str, base: str) -> None:
    assert optimade_service(address).base == base


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"formula": "NaCl"}, ["mp-22851", "mp-22862"]),
        ({"elements": "O"}, ["mp-1143", "mp-1265"]),
        ({"chemsys": "Al-O,Al,Si"}, ["mp-27", "mp-134", "mp-149", "mp-1143"]),
        ({"elements": "O", "max_atoms": 8}, ["mp-1265"]),
        ({"filter": "nsites=2 AND NOT (nelements=1 OR nelements>2)"}, ["mp-22851", "mp-22862"]),
        ({"ids": "mp-1143,mp-149"}, ["mp-149", "mp-1143"]),
    ],
)
def test_searches_find_what_was_asked_for(databases: Databases, asked: Any, expected: list[str]) -> None:
    assert names(ask(databases.optimade, **asked)) == expected


def test_entry_has_its_structure_and_its_origin_and_no_key_was_sent(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_API_KEY", "ourkeyourkeyourkeyourkeyourkey12")
    (entry,) = ask(databases.optimade, formula="MgO").entries
    assert entry.frame.numbers.tolist() == [12, 8] * 4
    np.testing.assert_array_equal(entry.frame.positions, interleaved().positions)
    np.testing.assert_array_equal(entry.frame.cell, interleaved().cell.array)
    facts = entry.facts
    assert (facts["database"], facts["database_id"]) == ("Local", "mp-1265")
    assert facts["database_query"] == 'chemical_formula_reduced="MgO"'
    assert facts["optimade_immutable_id"] == "http://localhost/structures/mp-1265@1"
    assert all("X-Api-Key" not in one.headers for one in databases.questions)


def test_pages_are_followed_and_a_refused_size_is_no_obstacle(databases: Databases) -> None:
    fetched = ask(databases.optimade, filter="nsites>0")
    assert len(fetched.entries) == len(MATERIALS) - 1
    sizes = [(one.said.get("page_limit"), one.said.get("page_offset")) for one in databases.questions]
    assert sizes == [("100", None), (None, None), (None, "3"), (None, "6")]
    assert "mp-9999 is disordered" in told(fetched)


def test_no_more_pages_are_asked_for_than_are_wanted(databases: Databases) -> None:
    fetched = ask(databases.optimade, filter="nsites>0", limit=2)
    assert len(fetched.entries) == 2
    assert len(databases.questions) == 1
    assert "9 entries fit, and 2 were taken" in told(fetched)


def page(*materials: Material, **besides: Any) -> Reply:
    return Reply(200, json.dumps({"data": [one.resource() for one in materials], **besides}))


def test_next_pages_may_be_texts_relative_or_as_they_were_before_they_were_encoded(databases: Databases) -> None:
    first, second, third = MATERIALS[:3]
    here = f"{databases.optimade}/v1/structures"
    databases.replies += [
        page(first, links={"next": f'{here}?filter=elements HAS "Na"&page_number=2'}),
        page(second, links={"next": "/optimade/v1/structures?page_number=3"}),
        page(third, links={"next": None}),
    ]
    assert len(ask(databases.optimade, filter='elements HAS "Na"').entries) == 3
    assert databases.questions[1].said == {"filter": 'elements HAS "Na"', "page_number": "2"}
    assert databases.questions[2].path == "/optimade/v1/structures"


def test_pages_that_lead_in_a_circle_or_nowhere_end(databases: Databases) -> None:
    here = f"{databases.optimade}/v1/structures?page_number=2"
    databases.replies += [page(MATERIALS[0], links={"next": here}), page(MATERIALS[1], links={"next": here})]
    assert len(ask(databases.optimade, filter="nsites=2").entries) == 2
    databases.replies += [page(MATERIALS[0], links={"next": here}), page(links={"next": f"{here}0"})]
    assert len(ask(databases.optimade, filter="nsites=2").entries) == 1


def test_entry_of_two_pages_is_taken_once(databases: Databases) -> None:
    databases.replies += [page(MATERIALS[0], links={"next": {"href": f"{databases.optimade}/v1/structures?page=2"}})]
    databases.replies += [page(*MATERIALS[:2])]
    fetched = ask(databases.optimade, filter="nsites=2")
    assert names(fetched) == ["mp-22851", "mp-22862"]
    assert told(fetched) == ""


def test_servers_behind_a_proxy_are_asked_by_https_for_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    from aims_pax.structures.databases import optimade

    service = optimade_service("https://example.org/optimade")
    link = "http://example.org/optimade/v1/structures?page_offset=3"
    assert optimade._next(service, {"links": {"next": link}}) == link.replace("http:", "https:")


def test_wrong_filter_is_told_in_the_words_of_the_server(databases: Databases) -> None:
    with pytest.raises(Refusal, match=r"\(HTTP 400\): Unable to parse filter: = is no value"):
        ask(databases.optimade, filter="nsites == 2 ==")
    with pytest.raises(Refusal, match=r"\(HTTP 400\): Unable to parse filter"):
        ask(databases.optimade, filter="colour=2")


def test_index_of_databases_is_told_apart(databases: Databases) -> None:
    with pytest.raises(Refusal, match=r"(?s)HTTP 404.*an index of databases has no structures itself"):
        ask(f"{databases.address}/index", filter="nsites=2")


def test_questions_that_it_can_not_be_asked_are_told(databases: Databases) -> None:
    with pytest.raises(UserError, match="--above_hull_ev: The distance from the hull is no property of OPTIMADE"):
        ask(databases.optimade, formula="Si", above_hull_ev=0.1)
    with pytest.raises(UserError, match=r"--database: mp-149 is no address of the web\.\n  Allowed: mp, or https://"):
        ask("mp-149", formula="Si")
    assert databases.questions == []


@pytest.mark.parametrize("content", ["{}", '{"data": {}}', '{"data": ["x"], "meta": {}}'])
def test_answers_of_another_form_are_told(databases: Databases, content: str) -> None:
    databases.replies.append(Reply(200, content))
    with pytest.raises(UserError, match="Is this the address of a database that speaks OPTIMADE"):
        ask(databases.optimade, formula="Si")


def test_answers_to_another_question_are_found_out(databases: Databases) -> None:
    databases.replies.append(page(*MATERIALS[:4]))
    fetched = ask(databases.optimade, formula="Si")
    assert names(fetched) == ["mp-27", "mp-149"]
    assert "mp-22851, mp-22862 were left out, each of which is not what was asked for" in told(fetched)


def test_molecules_and_slabs_keep_their_directions() -> None:
    water = sites_of(Material("w", molecule("H2O"), ("", 1), -5.0).resource())
    assert not water.cell.any()
    assert not water.pbc.any()
    slab = fcc111("Al", (1, 1, 3))
    assert not slab.cell.array[2].any()
    sites = sites_of(Material("s", slab, ("", 1), -3.0).resource())
    np.testing.assert_array_equal(sites.cell, slab.cell.array)
    assert sites.pbc.tolist() == [True, True, False]


def test_atoms_on_one_another_are_left_out_and_told() -> None:
    crowded = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.2]], cell=[4, 4, 4], pbc=True)
    with Databases([MATERIALS[2], Material("x-1", crowded, ("", 1), 0.0)]) as databases:
        fetched = ask(databases.optimade, formula="Si")
    assert names(fetched) == ["mp-149"]
    assert "x-1 can't be used: Atoms 1 (Si) and 2 (Si) are 0.20 Å apart. It was left out." in told(fetched)


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda a: a.update(structure_features=["disorder"]), "is disordered"),
        (lambda a: a.update(structure_features=["implicit_atoms"]), "has atoms of which it tells no position"),
        (lambda a: a.update(structure_features=["unknown_positions"]), "has sites of which it tells no position"),
        (lambda a: a.update(assemblies=[{"sites_in_groups": [[0], [1]]}]), "that are there together or not at all"),
        (lambda a: a["species"][0].update(concentration=[0.5]), r"sites of Mg are shared, or not full: Mg \(0\.5\)"),
        (
            lambda a: a["species"][0].update(chemical_symbols=["Mg", "vacancy"], concentration=[0.9, 0.1]),
            r"Mg \(0\.9\), vacancy \(0\.1\)",
        ),
        (lambda a: a["species"][0].update(chemical_symbols=["vacancy"]), r"vacancy \(1\.0\)"),
        (
            lambda a: a["species"][0].update(chemical_symbols=["X"]),
            "sites of Mg, of which it does not know the element",
        ),
        (lambda a: a["species"][0].update(attached=["H"], nattached=[1]), "has atoms attached to sites"),
        (lambda a: a["species"][0].update(chemical_symbols=[]), "does not say what Mg consists of"),
        (lambda a: a["species"].pop(0), "has sites of Mg, which is not among its species"),
        (lambda a: a.update(species="MgO"), "has no table of species"),
        (lambda a: a.update(species_at_sites=None), "has no species at its sites"),
        (lambda a: a["cartesian_site_positions"].pop(), "has no positions of 8 rows with 3 numbers"),
        (lambda a: a["cartesian_site_positions"][2].__setitem__(1, None), "has no positions of 8 rows"),
        (lambda a: a.update(lattice_vectors=None), "is periodic along a direction of which it has no lattice vector"),
        (lambda a: a["lattice_vectors"].__setitem__(0, [None] * 3), "of which it has no lattice vector"),
        (lambda a: a.update(dimension_types=None), "does not say along which directions it is periodic"),
    ],
)
def test_entries_without_whole_atoms_at_known_places_are_refused(edit: Edit, words: str) -> None:
    resource = copy.deepcopy(Material("mp-1265", interleaved(), ("Fm-3m", 225), -5.97).resource())
    assert sites_of(resource).symbols == ["Mg", "O"] * 4
    edit(resource["attributes"])
    with pytest.raises(Unusable, match=words):
        sites_of(resource)


def test_species_by_their_own_names_are_elements_where_there_is_no_table() -> None:
    resource = Material("x", bulk("Si"), ("", 1), 0.0).resource()
    resource["attributes"]["species"] = None
    assert sites_of(resource).symbols == ["Si", "Si"]
    resource["attributes"]["species_at_sites"] = ["Si1", "Si1"]
    with Databases([MATERIALS[0]]) as databases:
        databases.replies.append(Reply(200, json.dumps({"data": [resource]})))
        with pytest.raises(StructureError, match="x holds Si1, which is no element"):
            ask(databases.optimade, filter="nsites=2")


def test_species_may_have_names_of_their_own() -> None:
    resource = Material("x", bulk("Si"), ("", 1), 0.0).resource()
    resource["attributes"]["species"][0]["name"] = "Si1"
    resource["attributes"]["species_at_sites"] = ["Si1", "Si1"]
    assert sites_of(resource).symbols == ["Si", "Si"]
