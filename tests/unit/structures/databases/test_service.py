"""Servers that are busy, refuse, are not there, or send elsewhere; and where a key goes."""

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aims_pax.errors import UserError
from aims_pax.structures.databases.key import Key
from aims_pax.structures.databases.service import N_TRIES, Refusal, Service, address_problems
from aims_pax.testing.databases.server import KEY, Databases, Reply


def service(databases: Databases, *, with_key: bool = True, waits: list[float] | None = None) -> Service:
    waits = [] if waits is None else waits
    key = Key(KEY, "MP_API_KEY") if with_key else None
    return Service("Materials Project", databases.address, key, timeout_s=5, wait=waits.append)


def test_key_is_sent_in_a_header_and_stands_in_no_address(databases: Databases) -> None:
    asked = service(databases)
    asked.ask(asked.address("/materials/summary/", formula="Si"))
    (question,) = databases.questions
    assert question.headers["X-Api-Key"] == KEY
    assert question.said == {"formula": "Si"}
    assert question.headers["User-Agent"].startswith("aims-pax/")


def test_busy_server_is_waited_for_as_long_as_it_asks(databases: Databases, caplog: pytest.LogCaptureFixture) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    databases.replies += [
        Reply(429, headers={"Retry-After": "7"}),
        Reply(503),
        Reply(502, headers={"Retry-After": soon}),
    ]
    databases.replies += [Reply(504, headers={"Retry-After": "in a while"}), Reply(200, '{"data": []}')]
    waits: list[float] = []
    assert service(databases, waits=waits).ask(f"{databases.address}/x") == {"data": []}
    assert waits[:2] == [7, 2]
    assert waits[2] == pytest.approx(30, abs=2)
    assert waits[3] == 8
    assert caplog.messages[0] == "Materials Project is busy (HTTP 429); it is asked again in 7 s"
    assert len(caplog.messages) == 3
    assert not databases.replies


def test_server_that_stays_busy_is_told(databases: Databases) -> None:
    databases.replies += [Reply(429, '{"error": "Your IP has been blocked"}')] * N_TRIES
    with pytest.raises(Refusal, match=r"does not take more questions for now \(HTTP 429\): Your IP has been blocked"):
        service(databases).ask(f"{databases.address}/x")
    assert len(databases.questions) == N_TRIES


def test_server_that_asks_for_an_hour_is_told_at_once(databases: Databases) -> None:
    databases.replies.append(Reply(429, headers={"Retry-After": "3600"}))
    waits: list[float] = []
    with pytest.raises(Refusal, match="asks to wait 3600 s"):
        service(databases, waits=waits).ask(f"{databases.address}/x")
    assert waits == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401, '{"message": "Invalid authentication credentials"}'), "does not accept the key of MP_API_KEY"),
        (Reply(403, f'{{"detail": "{KEY} is no key"}}'), r"\(HTTP 403\): \(the key\) is no key"),
        (Reply(403, "<html><h1>403 Forbidden</h1></html>"), r"MP_API_KEY \(HTTP 403\)\.\n"),
        (Reply(404, '{"detail": "Not Found"}'), r"nothing of the kind at this address \(HTTP 404\): Not Found"),
        (Reply(400, '{"detail": [{"loc": ["query", "n"], "msg": "no number"}]}'), r"\(HTTP 400\): no number"),
        (Reply(400, '{"errors": [{"detail": "bad filter"}]}'), r"\(HTTP 400\): bad filter\n  Change what is asked for"),
        (Reply(500, "oops"), r"\(HTTP 500\): oops\n  It is a fault of the server"),
        (Reply(200, "<html>please log in</html>"), "did not answer in JSON, but: <html>please log in"),
        (Reply(200, '{"data": [1, 2'), "did not answer in JSON"),
        (Reply(200, "[1, 2]"), "did not answer in JSON"),
        (Reply(200, ""), "It answered nothing"),
        (Reply(200, f"{KEY} <- yours"), r"but: \(the key\) <- yours"),
    ],
)
def test_refusals_and_nonsense_are_told_without_the_key(databases: Databases, reply: Reply, words: str) -> None:
    databases.replies.append(reply)
    with pytest.raises(UserError, match=words) as caught:
        service(databases).ask(f"{databases.address}/x")
    assert KEY not in str(caught.value)
    assert len(databases.questions) == 1


def test_key_is_never_sent_on(databases: Databases) -> None:
    with Databases() as elsewhere:
        databases.replies.append(Reply(302, headers={"Location": f"{elsewhere.address}/materials/summary/"}))
        with pytest.raises(UserError, match="where your question, or your key, does not belong"):
            service(databases).ask(f"{databases.address}/x")
        with pytest.raises(UserError, match="does not belong"):
            service(databases).ask(f"{elsewhere.address}/x")
        assert elsewhere.questions == []


def test_redirection_within_a_server_is_followed_with_the_key(databases: Databases) -> None:
    databases.replies.append(Reply(307, headers={"Location": "/materials/summary/?formula=Si"}))
    assert service(databases).ask(f"{databases.address}/old")["data"]
    assert [one.headers["X-Api-Key"] for one in databases.questions] == [KEY, KEY]


def test_without_a_key_another_server_may_be_named_but_no_file(databases: Databases) -> None:
    with Databases() as elsewhere:
        databases.replies.append(Reply(302, headers={"Location": f"{elsewhere.optimade}/v1/structures"}))
        assert service(databases, with_key=False).ask(f"{databases.address}/x")["data"]
    for address in ("file:///etc/hosts", "http://a:b/", "ftp://example.org/x"):
        with pytest.raises(UserError, match="does not belong"):
            service(databases, with_key=False).ask(address)
        databases.replies.append(Reply(302, headers={"Location": address}))
        with pytest.raises(UserError, match=r"does not belong|HTTP 302"):
            service(databases, with_key=False).ask(f"{databases.address}/x")


@pytest.mark.parametrize("base", ["http://api.materialsproject.org", "http://192.168.0.1", "http://localhost.org"])
def test_key_is_never_sent_where_it_could_be_read(base: str) -> None:
    with pytest.raises(UserError, match="is not asked by https, and a key would be read on the way"):
        Service("Materials Project", base, Key(KEY, "MP_API_KEY"))
    assert Service("x", base).key is None


def test_server_that_is_not_there_is_told_at_once() -> None:
    waits: list[float] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            UserError, match=r"It can't be reached: Connection refused\.\n  Is this machine on the network"
        ):
            Service("x", base, wait=waits.append).ask(f"{base}/y")
    assert waits == []


def test_server_that_says_nothing_is_given_up(databases: Databases) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        waits: list[float] = []
        with pytest.raises(UserError, match=r"It can't be reached: .*timed out"):
            Service("x", base, timeout_s=0.05, wait=waits.append).ask(f"{base}/y")
    assert waits == [1, 2, 4, 8]


def test_connection_that_breaks_is_tried_again() -> None:
    """The first connection is closed without a word, the second in the middle of an answer, the third is whole."""
    content = json.dumps({"data": []})
    whole = f"HTTP/1.0 200 OK\r\nContent-Length: {len(content)}\r\n\r\n{content}"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve() -> None:
            for said in ("", whole[:-5], whole):
                connection, _ = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(said.encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        base = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert Service("x", base, timeout_s=5, wait=lambda _: None).ask(f"{base}/y") == {"data": []}
        thread.join()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("optimade.materialsproject.org", r"Did you mean https://optimade\.materialsproject\.org\?"),
        ("materials", "is no address of the web"),
        ("ftp://example.org", "is no address of the web"),
        ("https://", "is no address of the web"),
        ("https://example.org:port", "is no address of the web"),
        ("https://exämple.org", "is no address of the web"),
        ("https://example.org/a b", "is no address of the web"),
        ("https://me:secret@example.org", "holds a name or a password"),
        ("https://example.org/v1/structures?filter=nsites=2", "holds a question already"),
    ],
)
def test_addresses_that_are_none_are_told(address: str, words: str) -> None:
    (problem,) = address_problems(address, "--from")
    with pytest.raises(UserError, match=words):
        raise UserError(problem)
    assert "secret" not in str(problem)
