"""Structures of the Materials Project, of a server that speaks as its does."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from aims_pax.errors import StructureError, UserError
from aims_pax.structures.databases import materials
from aims_pax.structures.databases.entry import Unusable
from aims_pax.structures.databases.materials import number_of, sites_of
from aims_pax.testing.databases.entries import MATERIALS, Material, interleaved
from aims_pax.testing.databases.server import KEY, Databases, Reply, in_letters

from .asking import ask, at_home, names, told

MgO = Material("mp-1265", interleaved(), ("Fm-3m", 225), -5.97)


@pytest.fixture
def mp(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> str:
    return at_home(databases, monkeypatch)


def test_entry_by_name_has_its_structure_and_what_is_said_of_it(mp: str, databases: Databases) -> None:
    fetched = ask(mp, ids="mp-22862")
    (entry,) = fetched.entries
    rocksalt = bulk("NaCl", "rocksalt", a=5.640)
    assert entry.frame.numbers.tolist() == [11, 17]
    np.testing.assert_allclose(entry.frame.cell, rocksalt.cell.array, atol=1e-12)
    assert entry.frame.pbc.all()
    ((distance,),) = [[np.linalg.norm(entry.frame.positions[1] - entry.frame.positions[0])]]
    assert distance == pytest.approx(2.82)
    facts = entry.facts
    assert facts["mp_uncorrected_energy_per_atom"] == -3.39
    assert facts["mp_energy_above_hull"] == 0.0
    assert (facts["mp_space_group"], facts["mp_space_group_number"]) == ("Fm-3m", 225)
    assert (facts["mp_license"], facts["mp_database_version"], facts["mp_energy_task"]) == ("BY-C", "2026.1.1", "mp-2")
    assert (facts["database"], facts["database_id"]) == ("Materials Project", "mp-22862")
    assert (facts["database_url"], facts["database_query"]) == (databases.address, "material_ids=mp-22862")
    assert not {"energy", "REF_energy", "forces", "stress"} & set(facts)


@pytest.mark.parametrize("has_letters", [False, True])
def test_names_of_both_forms_are_one(mp: str, databases: Databases, has_letters: bool) -> None:
    databases.has_letters = has_letters
    fetched = ask(mp, ids=["mp-149", in_letters("mp-22862"), "mp-7"])
    assert names(fetched) == ["mp-149", "mp-22862"]
    assert "It has no mp-7." in told(fetched)
    assert names(ask(mp, formula="Si")) == ["mp-27", "mp-149"]


def test_newest_entries_keep_their_letters() -> None:
    assert number_of("mp-aaaaaaft") == number_of("mp-ft") == number_of("mp-149") == ("mp", 149)
    assert materials.name_of({"material_id": in_letters("mp-3347529")}) == "mp-3347529"
    newest = in_letters("mp-3347530")
    assert materials.name_of({"material_id": newest}) == newest.replace("-aaa", "-")
    assert materials.name_of({"material_id": in_letters("mp-149")}) == "mp-149"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"formula": "ClNa"}, ["mp-22851", "mp-22862"]),
        ({"formula": "Al2O3,Si"}, ["mp-27", "mp-149", "mp-1143"]),
        ({"elements": "Na"}, ["mp-22851", "mp-22862"]),
        ({"elements": "O"}, ["mp-1143", "mp-1265"]),
        ({"elements": "O", "max_atoms": 8}, ["mp-1265"]),
        ({"chemsys": "Al-O"}, ["mp-1143"]),
        ({"chemsys": "Al-O,Al"}, ["mp-134", "mp-1143"]),
        ({"formula": "NaCl", "above_hull_ev": 0.05}, ["mp-22862"]),
        ({"elements": "Si", "limit": 1}, ["mp-149"]),
    ],
)
def test_searches_find_what_was_asked_for_in_the_order_of_names(mp: str, asked: Any, expected: list[str]) -> None:
    assert names(ask(mp, **asked)) == expected


def test_search_takes_the_nearest_to_the_hull_and_tells_how_many_there_are(mp: str, databases: Databases) -> None:
    fetched = ask(mp, formula="NaCl", limit=1)
    assert names(fetched) == ["mp-22862"]
    assert fetched.n_there == 3
    assert "3 entries fit, and 1 were taken, as many as the limit allows." in told(fetched)


def test_hundreds_of_entries_come_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(materials, "PAGE", 40)
    many = [
        Material(f"mp-{n}", bulk("Si", "diamond", a=5.4 + n / 1000), ("Fd-3m", 227), -5.0, n / 1000)
        for n in range(1, 131)
    ]
    with Databases(many) as databases:
        mp = at_home(databases, monkeypatch)
        assert names(ask(mp, formula="Si", limit=1000)) == [f"mp-{n}" for n in range(1, 131)]
        searches = [one.said for one in databases.questions if "formula" in one.said]
        assert [one["_skip"] for one in searches] == ["0", "40", "80", "120"]
        assert [one.said["material_ids"].count(",") + 1 for one in databases.questions[4:]] == [100, 30]
        assert all(KEY not in f"{one.path}{one.said}" for one in databases.questions)


def test_far_too_many_entries_are_refused_before_they_are_listed(
    mp: str, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(materials, "MOST", 2)
    with pytest.raises(UserError, match=r"3 entries fit\.\n  Allowed: up to 2\n  Say more of what is wanted"):
        ask(mp, elements="Na")
    assert len(databases.questions) == 1


def test_withdrawn_entry_is_told(mp: str) -> None:
    with pytest.raises(StructureError, match=r"It has no mp-3536\.\n.*entries can be withdrawn"):
        ask(mp, ids="mp-3536")


def test_disordered_entry_is_left_out_and_told(mp: str) -> None:
    fetched = ask(mp, elements="Na,Cl")
    assert "mp-9999 is disordered: site 1 is shared, or not full: Na (0.5), K (0.5). It was left out." in told(fetched)
    with pytest.raises(StructureError, match="mp-9999 is disordered"):
        ask(mp, ids="mp-9999")


def test_sites_that_interleave_stay_in_their_order(mp: str) -> None:
    (entry,) = ask(mp, formula="MgO").entries
    assert entry.frame.numbers.tolist() == [12, 8] * 4
    np.testing.assert_allclose(entry.frame.positions, interleaved().positions, atol=1e-12)


def test_nothing_found_is_told_with_the_question(mp: str) -> None:
    with pytest.raises(StructureError, match="Nothing that it has fits: formula=UO2 deprecated=false"):
        ask(mp, formula="UO2")


def test_answers_to_another_question_are_found_out(mp: str, databases: Databases) -> None:
    for summary in databases.summaries:
        summary["chemsys"] = "Fe-O"
    with pytest.raises(StructureError, match="is not what was asked for, which the database has not understood"):
        ask(mp, chemsys="Fe-O")


def test_structure_that_is_there_twice_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Databases([*MATERIALS[:1], Material("mp-5", MATERIALS[0].atoms, ("Fm-3m", 225), -3.3, 0.01)]) as databases:
        fetched = ask(at_home(databases, monkeypatch), formula="NaCl")
    assert names(fetched) == ["mp-5"]
    assert "mp-22862 is the same structure as another: mp-5. It was left out." in told(fetched)


def test_several_that_are_left_out_for_one_reason_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {0: {"Na": 0.5, "K": 0.5}}
    others = [
        Material(f"mp-{n}", bulk("NaCl", "rocksalt", a=5 + n / 9), ("P1", 1), -3, shares=shares) for n in range(1, 8)
    ]
    with Databases([MATERIALS[0], *others]) as databases:
        fetched = ask(at_home(databases, monkeypatch), elements="Na")
    words = "mp-1, mp-2, mp-3, mp-4, mp-5 and 2 more were left out, each of which is disordered (mp-1: site 1 is shared"
    assert words in told(fetched)


def test_wrong_key_is_told(mp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMG_MAPI_KEY", KEY)
    monkeypatch.setenv("MP_API_KEY", KEY[::-1])
    words = r"does not accept the key of MP_API_KEY \(HTTP 401\): Invalid authentication credentials"
    with pytest.raises(UserError, match=words) as caught:
        ask(mp, ids="mp-149")
    assert KEY[::-1] not in str(caught.value)


def test_what_it_can_not_be_asked_is_told_without_asking(mp: str, databases: Databases) -> None:
    with pytest.raises(UserError, match="--filter: The Materials Project's own interface takes no filter of OPTIMADE"):
        ask(mp, filter="nsites=2")
    with pytest.raises(UserError, match="--ids: NaCl is not the name of an entry"):
        ask(mp, ids="mp-1,NaCl")
    assert databases.questions == []


def test_address_of_the_environment_is_looked_at(mp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(materials.VARIABLE, "http://example.org")
    with pytest.raises(UserError, match="is not asked by https"):
        ask(mp, ids="mp-149")
    monkeypatch.setenv(materials.VARIABLE, "example.org")
    with pytest.raises(UserError, match=r"AIMS_PAX_MP_URL: example\.org is no address"):
        ask(mp, ids="mp-149")


@pytest.mark.parametrize("content", ["{}", '{"data": null}', '{"data": {"a": 1}}', '{"data": [1]}'])
def test_answers_of_another_form_are_told(mp: str, databases: Databases, content: str) -> None:
    databases.replies.append(Reply(200, content))
    with pytest.raises(UserError, match="Its answer holds no list of entries"):
        ask(mp, ids="mp-149")


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.pop("structure"), "has no structure"),
        (lambda d: d["structure"].update(sites=[]), "has a structure without sites"),
        (lambda d: d["structure"]["sites"][1].update(species=[]), "has no species at site 2"),
        (lambda d: d["structure"]["sites"][1]["species"][0].update(occu=0.9), "is disordered: site 2 .* O \\(0.9\\)"),
        (lambda d: d["structure"]["lattice"].update(matrix=[[1, 2, 3]]), "has no lattice vectors of 3 rows"),
        (lambda d: d["structure"]["lattice"].update(matrix=[["a"] * 3] * 3), "has no lattice vectors of 3 rows"),
        (lambda d: d["structure"]["sites"][1].update(abc=[0, None, 0]), "has no positions of 8 rows"),
        (lambda d: d["structure"]["sites"][1].update(xyz=[0, 0, 3.0]), "positions in fractions and in Å contradict"),
    ],
)
def test_documents_without_a_whole_structure_are_refused(edit: Edit, words: str) -> None:
    document = copy.deepcopy(MgO.summary())
    assert len(sites_of(document).symbols) == 8
    edit(document)
    with pytest.raises(Unusable, match=words):
        sites_of(document)


def test_charge_of_a_structure_is_kept() -> None:
    document = MgO.summary()
    assert sites_of(document).charge is None
    document["structure"]["charge"] = 2.0
    assert sites_of(document).charge == 2


def test_oxidation_states_are_no_other_elements() -> None:
    document = MgO.summary()
    for site in document["structure"]["sites"]:
        site["species"][0]["oxidation_state"] = 2
    assert sites_of(document).symbols == ["Mg", "O"] * 4
