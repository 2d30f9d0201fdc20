"""What `ap.fetch` gives and refuses."""

import pytest

import aims_pax as ap
from aims_pax.testing.databases.server import Databases


def test_structures_of_a_database_are_atoms_that_tell_their_origin() -> None:
    with Databases() as databases:
        fetched = ap.fetch(databases.optimade, elements=["Al", "O"], max_atoms=10)
    (atoms,) = fetched.atoms()
    assert str(atoms.symbols) == "Al4O6"
    assert atoms.pbc.all()
    assert atoms.info["database_id"] == "mp-1143"
    assert atoms.calc is None


def test_mistakes_are_told_by_the_names_of_arguments() -> None:
    with pytest.raises(ap.UserError, match="fetch, formula: nacl is no formula") as caught:
        ap.fetch("mp", formula="nacl", limit=0)
    assert "fetch, limit: 0 is asked for" in str(caught.value)
    with pytest.raises(ap.UserError, match=r"fetch, database: example\.org is no address"):
        ap.fetch("example.org", formula="NaCl")
    with pytest.raises(ap.UserError, match="fetch: It is not said what is wanted"):
        ap.fetch("mp")
