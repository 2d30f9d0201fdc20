"""The page by its content, and the files beside it."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aims_pax.cli.program import program
from aims_pax.dataset.store import RunStore
from aims_pax.face.run import open_run
from aims_pax.page.document import file_address, page_of
from aims_pax.page.figure import Figure
from aims_pax.page.material import read_material
from aims_pax.page.opening import opening_of
from aims_pax.page.writing import names_of

from .runs import HOSTILE, write_run
from .test_charts import DRAWN

DATA = Path(__file__).parents[2] / "data"


class Parsed(HTMLParser):
    """What a browser would find: articles by name, links, scripts, words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: dict[str, str] = {}
        self.links: list[str] = []
        self.n_svg: dict[str, int] = {}
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.data: list[str] = []
        self._at, self._in_script = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"] or ""] if "id" in found else []
        if tag in ("article", "section", "header"):
            self._at = found.get("id") or found.get("class") or tag
        if tag == "svg":
            self.n_svg[self._at] = self.n_svg.get(self._at, 0) + 1
        if tag == "a":
            self.links.append(found.get("href") or "")
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.data.append(data)
        else:
            self.words[self._at] = self.words.get(self._at, "") + data


def page_alone(folder: Path) -> Parsed:
    """The page of a run without the files of its figures, which take half of the time."""
    materials = [read_material(open_run(folder).folder, name=folder.name)]
    return Parsed(page_of(materials, address=file_address("files")).html)


def report(*words: str | Path) -> str:
    result = CliRunner().invoke(program, ["report", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "my run", system=HOSTILE)
    report(folder)
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> Parsed:
    return Parsed((run / "report.html").read_text(encoding="utf-8"))


def test_first_screen_has_the_verdict_its_reasons_and_three_numbers(page: Parsed) -> None:
    first = page.words["runs openings"]
    for words in ("do not use", "1 of 4 runs broke <here>", "40 meV/Å", "MAE on 4 test structures", "no, 3 of 4 runs"):
        assert words in first
    assert "24 labels" in first
    assert "12 ps were watched" in first


def test_every_figure_is_there_with_its_sentence_and_its_files(run: Path, page: Parsed) -> None:
    figures = open_run(run).figures()
    assert tuple(figures) == DRAWN
    for name, figure in figures.items():
        assert figure.good in page.words[name]
        assert figure.title in page.words[name]
        assert page.n_svg[name] == len(figure.panels)
        for suffix in (".csv", ".png"):
            assert f"report_files/my%20run/{name}{suffix}" in page.links
            assert (run / "report_files" / "my run" / f"{name}{suffix}").stat().st_size > 10


def test_values_of_the_tables_are_those_of_the_store(run: Path) -> None:
    with (run / "report_files" / "my run" / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with RunStore.open_readonly(run) as store:
        scores = store.scores()
    assert [float(row["score"]) for row in rows] == scores["score"].tolist()
    assert [row["picked"] for row in rows] == [str(one) for one in scores["picked"].tolist()]


def test_names_are_words_whatever_they_hold(page: Parsed, run: Path) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert page.tags.count("script") == 2  # the viewer's data, and the page's own
    assert any(one["title"].startswith(HOSTILE) for one in json.loads(page.data[1]))
    assert "MD: {temperature: 300} # <&>" in page.words["facts"]


def test_the_page_needs_no_network_and_names_nothing_twice(run: Path, page: Parsed) -> None:
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert not [link for link in page.links if "//" in link]
    assert {"link", "img", "iframe"} & set(page.tags) <= {"link"}
    assert len(page.ids) == len(set(page.ids))
    assert len(html) < 5_000_000


def test_structures_with_the_largest_errors_are_handed_to_the_viewer(page: Parsed) -> None:
    structures = json.loads(page.data[1])
    assert len(structures) == 4
    assert len(structures[0]["positions"]) == 3
    assert sorted(structures[0]["bonds"]) == [[0, 1], [0, 2]]
    assert len(structures[0]["cell"]) == 12
    assert "meV/Å" in structures[0]["words"]


def test_an_unfinished_run_has_its_figures_and_no_verdict(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", finished=False)
    page = page_alone(folder)
    assert "no verdict yet" in page.words["runs openings"]
    assert "it learns actively" in page.words["runs openings"]
    assert "of the committee on the newest 6 labels from the MD" in page.words["runs openings"]
    assert "the committee, before it learned from each of 24 labels" in page.words["parity"]


def test_the_error_is_that_of_the_held_out_set_where_there_is_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    mae = {"value": 0.0214, "low": 0.0179, "high": 0.0246}
    errors = {"tiny.model": {"n_structures": 240, "n_blocks": 6, "force_mae_ev_per_ang": mae}}
    (folder / "verify").mkdir()
    (folder / "verify" / "verify.json").write_text(json.dumps({"heldout": {"errors": errors}}))
    error, _, _ = opening_of(read_material(folder, name="run")).numbers
    assert (error.value, error.words) == ("21.4 meV/Å", "MAE on 240 held-out structures; 95 %: 17.9 to 24.6")


def test_old_runs_say_what_they_did_not_keep() -> None:
    page = page_alone(DATA / "finished_run")
    assert "not in runs of earlier versions" in page.words["parity"]
    assert "1249 meV/Å" in page.words["runs openings"]
    assert page.n_svg["scores"] == 2


def test_several_runs_stand_side_by_side_and_are_never_mixed(run: Path) -> None:
    materials = [read_material(folder, name=folder.name) for folder in (run, DATA / "interrupted_run")]
    found = page_of(materials, address=file_address("both_files"))
    page = Parsed(found.html)
    assert page.n_svg["learning_by_labels"] == 2
    assert "interrupted_run" in page.words["learning_by_labels"]
    assert "interrupted_run" in page.words["parity"]  # where it says why there is none
    assert {"both_files/my%20run/scores.csv", "both_files/interrupted_run/scores.csv"} <= set(page.links)
    tables = {material.name: figure.table for material, figure in found.figures if figure.name == "composition"}
    assert {name: set(table["system"].tolist()) for name, table in tables.items()} == {
        "my run": {HOSTILE},
        "interrupted_run": {"copper"},
    }


def test_runs_of_one_name_are_told_apart() -> None:
    assert names_of([Path("/a/run"), Path("/b/run"), Path("/c/ice")]) == ["run", "run 2", "ice"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "there is no such folder"),
        (["run", "nowhere"], "there is no such folder"),
        (["run", "--out", "page.pdf"], "no name of a page"),
        (["run", "--out", "."], "no name of a page"),
    ],
)
def test_wrong_folders_and_names_are_told_and_nothing_is_written(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run")
    before = files_in(tmp_path)
    result = CliRunner().invoke(program, ["report", *words])
    assert result.exit_code == 2
    assert said in result.output
    assert files_in(tmp_path) == before


def files_in(folder: Path) -> list[Path]:
    """All but what SQLite has beside a file that is looked at."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("run.db-"))


def test_a_notebook_gets_figures_as_objects(run: Path) -> None:
    figures = open_run(run).figures()
    assert isinstance(figures["parity"], Figure)
    assert figures["parity"]._repr_png_().startswith(b"\x89PNG")
