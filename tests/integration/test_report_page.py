"""The page in a browser: it says nothing on the console, its viewer works, nothing is wider than the window."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aims_pax.cli.program import program

from ..unit.page.runs import HOSTILE, write_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

MEASURE = """<script>
requestAnimationFrame(() => {
  const canvas = document.querySelector("canvas"), inked = () => canvas.toDataURL();
  const before = inked();
  canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
  const turned = inked();
  document.querySelectorAll(".chosen button")[1].click();
  document.getElementById("theme").click();
  const facts = {
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    buttons: document.querySelectorAll(".chosen button").length,
    turns: before !== turned,
    words: document.querySelector(".words").textContent.length,
    theme: document.documentElement.dataset.theme,
    small: [...document.querySelectorAll(".panel svg")].filter((one) => one.getBoundingClientRect().width < 200).length,
  };
  document.title = JSON.stringify(facts);
});
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)})")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that also measures itself."""
    folder = write_run(tmp_path_factory.mktemp("browser") / "run", system=HOSTILE)
    result = CliRunner().invoke(program, ["report", str(folder)])
    assert result.exit_code == 0, result.output
    measured = folder / "measured.html"
    html = (folder / "report.html").read_text(encoding="utf-8")
    measured.write_text(html.replace("</body>", MEASURE), encoding="utf-8")
    return measured


@pytest.mark.parametrize("width", [1280, 500])
def test_page_opens_without_a_word_on_the_console(browser: str, page: Path, width: int, tmp_path: Path) -> None:
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path}", f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom"]
    ended = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in ended.stderr
    found = re.search(r"<title>(\{.*?\})</title>", ended.stdout)
    assert found is not None
    facts = json.loads(found[1])
    assert facts.pop("words") > 40
    assert facts == {"wide": 0, "buttons": 4, "turns": True, "theme": "dark", "small": 0}
