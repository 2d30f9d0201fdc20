"""What the pages say of this repository is so; and each kind of claim is seen to fail when it is not."""

import re

import pytest

from aims_pax.settings.reading.absent import NOT_YET, NOT_YET_MACE

from .claims import KINDS, Page, anchors, faults, our_options, pages

PAGES = pages()

HOLDS = """\
# A page

## What holds (and `why`)

[Above](#a-page), [here](#what-holds-and-why), [there](docs/concepts.md#the-loop-in-eight-stops),
[a folder](docs/decisions), [elsewhere](https://example.org/missing.md#nowhere).

`docs/settings.md`, `parsl_configs/`, `tests/integration/test_*.py`, `results/metrics.txt`, `my_cluster.py`.

`aims-pax run my_project`, `aims-pax --version`, `aims-pax init FOLDER --reference espresso`, `--heldout`,
`make slurm`, `make`.

`MISC.walltime`, `CLUSTER.parsl_options.label`, `REFERENCE.type: espresso`,
`CLUSTER: {type: local, max_workers: 4}`, README.md.

```bash
make lint types
make torture KILLS=20
cd examples/quickstart && ../../.venv/bin/aims-pax verify . --length 0 --yes   # a comment: aims-pax sing
nohup aims-pax run . & tail -f logs/aims_pax.log
python benchmarks/md.py --quick --json md.json
.venv/bin/python -m pytest -m slow tests/unit/settings
python -m aims_pax.settings.words.page
```

```yaml
MD:
  0: {temperature: 300}
REFERENCE: {type: espresso, parameters: {input_data: {ecutwfc: 25}}}
```

```
aims_PAX.yaml, line 14: ACTIVE_LEARNING.skip_step_mlf is not a setting.
```
"""

HARMED = {
    "a link to a file": ("(docs/decisions)", "(docs/decision)"),
    "a link to a heading of another page": ("#the-loop-in-eight-stops", "#the-loop-in-nine-stops"),
    "a link to a heading of this page": ("(#a-page)", "(#the-page)"),
    "a path": ("`docs/settings.md`", "`docs/setting.md`"),
    "a folder": ("`parsl_configs/`", "`parsl_configs/slurm/`"),
    "a pattern of paths": ("tests/integration/test_*.py", "tests/integration/check_*.py"),
    "the name of a file": ("`my_cluster.py`", "`their_cluster.py`"),
    "a path in a command": ("tests/unit/settings", "tests/unit/learner"),
    "a command": ("aims-pax run my_project", "aims-pax start my_project"),
    "a command behind another": ("../../.venv/bin/aims-pax verify", "../../.venv/bin/aims-pax test"),
    "an option of the program": ("aims-pax --version", "aims-pax --verbose"),
    "an option of a command": ("--length 0", "--lenght 0"),
    "an option of another command": ("init FOLDER --reference espresso", "init FOLDER --heldout 240"),
    "an option by itself": ("`--heldout`", "`--held-out`"),
    "an option of a script": ("md.py --quick", "md.py --fast"),
    "a script": ("benchmarks/md.py", "benchmarks/dm.py"),
    "a marker": ("-m slow", "-m sluggish"),
    "a setting": ("MISC.walltime", "MISC.wall_time"),
    "a setting of a section within": ("parsl_options.label", "parsl_option.label"),
    "a section": ("REFERENCE.type", "REFERENZ.type"),
    "a setting in braces": ("max_workers: 4", "max_worker: 4"),
    "a setting in a block": ("temperature: 300", "temprature: 300"),
    "a target": ("`make slurm`", "`make slumber`"),
    "one of several targets": ("make lint types", "make lint typos"),
    "a variable of the Makefile": ("KILLS=20", "DEATHS=20"),
    "a module": ("aims_pax.settings.words.page", "aims_pax.settings.words.pages"),
}

ABSENT = """\
<!-- absent -->
| keys | instead |
|---|---|
| ARCHITECTURE: `model_choice: so3lr`, `dipole_key` | mace |
| `error_table` | |
<!-- end -->
"""


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_claim_of_a_page_holds(page: Page) -> None:
    assert [str(fault) for fault in faults(page)] == []


def test_pages_are_those_that_people_read() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/concepts.md", "examples/crystal/README.md"} <= names


def test_what_holds_is_no_fault() -> None:
    assert [str(fault) for fault in faults(Page("page.md", HOLDS))] == []


@pytest.mark.parametrize("kind", HARMED)
def test_harm_is_found(kind: str) -> None:
    right, wrong = HARMED[kind]
    assert HOLDS.count(right) == 1
    found = faults(Page("page.md", HOLDS.replace(right, wrong)))
    assert len({fault.reason for fault in found}) == 1, found


def test_what_is_said_to_be_absent_is_absent() -> None:
    assert faults(Page("page.md", ABSENT)) == []
    harms = {"`error_table`": "`ema`", "model_choice: so3lr": "model_choice: mace", "`dipole_key`": "`dipole_keys`"}
    for right, wrong in harms.items():
        assert len(faults(Page("page.md", ABSENT.replace(right, wrong)))) == 1, wrong


def test_all_that_is_absent_is_said_to_be() -> None:
    (page,) = (page for page in PAGES if page.name == "docs/concepts.md")
    table = page.text.partition("<!-- absent -->")[2].partition("<!-- end -->")[0]
    keys = {key for tables in (NOT_YET, NOT_YET_MACE) for section in tables.values() for key in section}
    assert {key for key in keys if not re.search(rf"`{key}[`:]", table)} == set()


def test_layers_and_packages_are_those_that_there_are() -> None:
    (page,) = (page for page in PAGES if page.name == "docs/concepts.md")
    assert "\n    reference\n" in page.text
    harms = {
        "\n    reference\n": "\n",
        "    dataset | settings | calculations\n": "    dataset\n",
        "| `outcome` |": "| `income` |",
    }
    for right, wrong in harms.items():
        assert faults(Page(page.name, page.text.replace(right, wrong))), wrong


def test_kinds_have_something_to_look_at() -> None:
    """A pattern that no longer meets anything would pass every page."""
    text = "\n".join(page.text for page in PAGES)
    assert len(KINDS) == 8
    assert text.count("<!-- absent -->") == 1
    assert text.count("<!-- layers -->") == 1
    assert len(our_options()) > 12
    assert len(our_options()["verify"]) > 12


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## `compile: true`", "compile-true"),
        ("### What happens when ...", "what-happens-when-"),
        ("## [A link](x.md) and, all that", "a-link-and-all-that"),
        ("## The keys of v0.2", "the-keys-of-v02"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert anchors(heading) == {anchor}


def test_headings_of_the_same_words_are_numbered() -> None:
    assert anchors("# Same\n\n## Same\n") == {"same", "same-1"}
