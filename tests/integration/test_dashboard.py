"""The dashboard as it is used: its command, a server on a free port, a store that changes, a browser that looks on."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

pytest.importorskip("uvicorn", reason="the extra `dashboard` is not installed")

from starlette.responses import HTMLResponse, PlainTextResponse

from aims_pax.dataset.records import EpochRow
from aims_pax.dataset.store import RunStore
from aims_pax.face.dashboard import gallery
from aims_pax.face.dashboard.gallery import Subject
from aims_pax.face.dashboard.guard import Guard
from aims_pax.face.dashboard.server import address_of, application, bound, serve
from aims_pax.protocols import MemberErrors

from ..unit.page.runs import write_run
from .test_report_page import BROWSERS


def learn(run: Path, epoch: int) -> None:
    """One epoch more."""
    with RunStore.open(run) as store:
        store.add_epochs([EpochRow(epoch, epoch, 0, 0.1, MemberErrors(0.1, 0.001, 0.01, None), epoch, 2)])


def get(address: str, *, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(address, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def wait_for_another(address: str, *, than: int) -> None:
    """Until the page has another version."""
    deadline = time.monotonic() + 120
    while json.loads(get(f"{address}news")[1])["version"] == than:
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("dashboard") / "run", finished=False)


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    """Of a dashboard that was started by its command; at the end it is left by Ctrl-C."""
    command = [sys.executable, "-m", "aims_pax", "dashboard", str(run), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            told = process.stdout.readline().strip()
            yield told
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        assert process.returncode == 0
        assert process.stdout.read().split() == ["Ctrl-C", "ends", "it.", "ended"]
        assert process.stderr.read() == "", "no traceback, and no line that holds the token"


def test_it_is_here_alone_and_asks_for_its_token(address: str) -> None:
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{32})/", address)
    assert found is not None
    root = f"http://127.0.0.1:{found[1]}"
    assert get(f"{root}/")[0] == 403
    assert get(f"{root}/news")[0] == 403
    assert get(f"{root}/{'x' * 32}/news")[0] == 403
    assert get(address, host="evil.example")[0] == 421
    assert get(f"{address}none")[0] == 404


def test_it_takes_over_what_has_changed(address: str, run: Path) -> None:
    status, page = get(address)
    assert status == 200
    assert "Where the error goes" in page
    first = json.loads(get(f"{address}news")[1])
    learn(run, 60)
    wait_for_another(address, than=first["version"])
    newer = get(address)[1]
    assert newer != page
    assert get(f"{address}files/run/learning_by_labels.csv")[1].splitlines()[-1].split(",")[-2] == "60"


def test_wrong_words_are_told(run: Path, address: str) -> None:
    def said(*words: str) -> str:
        command = [sys.executable, "-m", "aims_pax", "dashboard", "--no-browser", *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr
        return ended.stderr

    port = address.split(":")[2].split("/")[0]
    assert "--port 0 finds one" in said(str(run), "--port", port)
    assert "is no address of this machine" in said(str(run), "--host", "192.0.2.1")
    assert "there is no such folder" in said(str(run / "nowhere"))


def test_another_interface_is_told_with_a_warning(run: Path) -> None:
    command = [sys.executable, "-m", "aims_pax", "dashboard", str(run), "--no-browser", "--host", "0.0.0.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, warned = process.communicate(timeout=20)
    assert "Everybody who reaches this machine" in warned


# -- in a browser ---------------------------------------------------------------------------------------------


HARNESS = """<!DOCTYPE html><body><iframe src="PAGE" width="1200" height="800"></iframe><script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", async () => {
  const page = frame.contentDocument, view = frame.contentWindow, at = (name) => page.querySelector(name);
  const top = () => Math.round(at("#worst").getBoundingClientRect().top);
  at("details").open = true;
  page.querySelectorAll(".chosen button")[2].click();
  at("canvas").dispatchEvent(new view.KeyboardEvent("keydown", { key: "ArrowLeft" }));
  at("canvas").focus();
  at("#worst").scrollIntoView();
  const before = { turned: JSON.stringify(at(".viewer").view()), top: top(), old: at("#learning_by_labels") };
  await fetch("/change");
  for (let n = 0; n < 80 && before.old.isConnected; n++) {  // by both clocks: the browser's own runs ahead
    await new Promise((done) => setTimeout(done, 1000));
    await fetch("/pause");
  }
  document.title = JSON.stringify({
    replaced: !before.old.isConnected,
    version: Number(page.body.dataset.version) > 0,
    open: at("details").open,
    turned: JSON.stringify(at(".viewer").view()) === before.turned,
    stays: top() === before.top,
    buttons: page.querySelectorAll(".chosen button").length,
    focused: page.activeElement === at("canvas"),
    told: at("#news").textContent.length > 10,
  });
});
</script></body>"""


class Staged:
    """The dashboard, and beside it a page that holds it in a frame, acts in it as a reader, and changes the run."""

    def __init__(self, guard: Guard, change: Callable[[], None]) -> None:
        self._guard, self._change = guard, change

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_framed(message: Any) -> None:
            kept = [pair for pair in message.get("headers", []) if pair[0] not in BARRED]
            kept = [(name, value.replace(b"; frame-ancestors 'none'", b"")) for name, value in kept]
            await send({**message, **({"headers": kept} if "headers" in message else {})})

        if scope["path"] == "/stage":
            await HTMLResponse(HARNESS.replace("PAGE", f"/{self._guard.token}/"))(scope, receive, send)
        elif scope["path"] == "/pause":
            await asyncio.sleep(0.2)
            await PlainTextResponse("done")(scope, receive, send)
        elif scope["path"] == "/change":
            await asyncio.to_thread(self._change)
            await PlainTextResponse("done")(scope, receive, send)
        else:
            await self._guard(scope, receive, send_framed)


BARRED = (b"x-frame-options",)


def test_a_reader_stays_where_he_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"no browser is installed ({', '.join(BROWSERS)})")
    monkeypatch.setattr(gallery, "LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr(gallery, "MOST_SHARE", 1.0)
    run = write_run(tmp_path / "run")
    guard = application([Subject("run", run)], host="127.0.0.1")
    with bound("127.0.0.1", 0) as listening:
        page = address_of("127.0.0.1", listening, guard.token)

        def change() -> None:
            """Answered when another page is there: to the browser, whose time is not ours, all waiting is nothing."""
            learn(run, 70)
            wait_for_another(page, than=1)

        staged = Staged(guard, change)
        threading.Thread(target=serve, args=(staged, listening), daemon=True).start()
        address = address_of("127.0.0.1", listening, "stage").rstrip("/")
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
        command += [f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1280,900"]
        command += ["--virtual-time-budget=120000", "--dump-dom", address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "CONSOLE" not in ended.stderr
    found = re.search(r"<title>(\{.*?\})</title>", ended.stdout)
    assert found is not None
    facts = json.loads(found[1])
    assert facts.pop("buttons") == 4
    assert set(facts.values()) == {True}, facts
