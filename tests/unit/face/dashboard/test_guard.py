"""Who is let in: whoever has the token, by a name of this machine."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra `dashboard` is not installed")

from starlette.responses import PlainTextResponse

from aims_pax.face.dashboard.guard import HEADERS, Guard, host_of, is_here, own_names

Answer = tuple[int, dict[str, str], str]


def guarded(*, host: str = "127.0.0.1") -> Guard:
    return Guard(PlainTextResponse("inside"), own_names(host), any_address=not is_here(host))


def ask(guard: Guard, path: str, *hosts: str) -> Answer:
    """What a request gets, with these Host headers."""
    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"host", host.encode()) for host in hosts]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}
    asyncio.run(guard(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
    return said[0]["status"], found, b"".join(one.get("body", b"") for one in said[1:]).decode()


def test_whoever_has_the_token_is_let_in() -> None:
    guard = guarded()
    assert ask(guard, f"/{guard.token}/", "127.0.0.1:8600")[::2] == (200, "inside")


@pytest.mark.parametrize("path", ["", "/", "/news", "/{short}/", "/{token}x/", "//{token}/", "/{TOKEN}/", "/ä/"])
def test_without_the_whole_token_nothing_is_told(path: str) -> None:
    guard = guarded()
    names = {"token": guard.token, "short": guard.token[:-1], "TOKEN": guard.token.swapcase()}
    status, _, body = ask(guard, path.format(**names), "localhost")
    assert status == 403
    assert guard.token not in body
    assert "inside" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9000", "[::1]:8600"])
def test_names_of_this_machine_are_known_behind_any_port(host: str) -> None:
    guard = guarded()
    assert ask(guard, f"/{guard.token}/", host)[0] == 200


@pytest.mark.parametrize(
    "hosts", [(), ("evil.example",), ("127.0.0.1.evil.example",), ("10.0.0.1",), ("localhost", "evil.example")]
)
def test_other_hosts_are_refused_also_with_the_token(hosts: tuple[str, ...]) -> None:
    guard = guarded()
    status, _, body = ask(guard, f"/{guard.token}/", *hosts)
    assert status == 421
    assert "inside" not in body


def test_an_address_that_others_reach_is_called_by_any_address_and_by_no_strange_name() -> None:
    guard = guarded(host="0.0.0.0")
    assert ask(guard, f"/{guard.token}/", "192.0.2.7:8600")[0] == 200
    assert ask(guard, f"/{guard.token}/", "evil.example")[0] == 421


def test_a_ticket_opens_once() -> None:
    guard = guarded()
    ticket, token = guard.ticket, guard.token
    status, headers, _ = ask(guard, f"/{ticket}/", "localhost")
    assert (status, headers["location"]) == (303, f"/{token}/")
    assert ask(guard, f"/{ticket}/", "localhost")[0] == 403
    assert ask(guard, "//", "localhost")[0] == 403, "nor does the place where it was"


@pytest.mark.parametrize(("path", "host"), [("/{token}/", "localhost"), ("/", "localhost"), ("/", "evil.example")])
def test_every_answer_is_kept_by_nobody_and_framed_nowhere(path: str, host: str) -> None:
    guard = guarded()
    _, headers, _ = ask(guard, path.format(token=guard.token), host)
    assert HEADERS.items() <= headers.items()
    assert "'unsafe-inline'" not in headers["content-security-policy"].partition("script-src")[2].partition(";")[0]


def test_secrets_are_of_one_session_and_not_shown() -> None:
    one, other = guarded(), guarded()
    assert len({one.token, one.ticket, other.token, other.ticket}) == 4
    assert one.token not in repr(one)


@pytest.mark.parametrize(("named", "host"), [("[::1]:80", "::1"), ("A.b:1", "a.b"), ("a.b.", "a.b"), ("", "")])
def test_host_headers_are_read(named: str, host: str) -> None:
    assert host_of(named) == host
