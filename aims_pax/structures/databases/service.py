"""Servers that answer in JSON, asked politely: they are waited for, and a key goes nowhere but to the one it is for."""

import json
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage, IncompleteRead
from ipaddress import ip_address
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from aims_pax import __version__
from aims_pax.errors import Problem, UserError
from aims_pax.structures.databases.key import Key

diary = logging.getLogger("aims_pax.databases")

N_TRIES: Final = 5
LONGEST_WAIT_S: Final = 120.0
"""What a server may ask to wait before the next try; who asks for more is told to the user."""
TIMEOUT_S: Final = 60.0
SILENT_S: Final = 3.0
"""Shorter waits are not told."""
LARGEST_BYTES: Final = 1 << 28
"""Of one answer; a page of a hundred structures takes less than a hundredth of it."""

_BUSY: Final = (429, 502, 503, 504)
_INTERRUPTED: Final = (TimeoutError, ConnectionResetError, IncompleteRead)
"""What a network does now and then; a name that is unknown, or a port where nobody listens, is told at once."""
_PORTS: Final = {"http": 80, "https": 443}


class Refusal(UserError):
    """The server has answered, and not by what was asked for."""

    def __init__(self, problem: Problem, status: int) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Service:
    """A server that answers in JSON.

    Parameters
    ----------
    name : str
        What messages call it.
    base : str
        Its address, without a slash at the end: that which further parts are put behind.
    key : Key or None
        Sent with each question as `X-API-KEY`, by https alone, or to this very machine.
    timeout_s : float, s
        Without a sign of life.
    wait : callable
        How time is spent, s.
    """

    name: str
    base: str
    key: Key | None = None
    timeout_s: float = TIMEOUT_S
    wait: Callable[[float], None] = field(default=time.sleep, compare=False)

    def __post_init__(self) -> None:
        if self.key is not None and not _may_have_a_key(urlsplit(self.base)):
            found = f"{self.base} is not asked by https, and a key would be read on the way."
            raise UserError(Problem(self.name, found, "https://..., or a server on this machine"))

    def address(self, path: str, **parameters: object) -> str:
        """Where to ask for something."""
        return f"{self.base}{path}?{urlencode(parameters)}" if parameters else f"{self.base}{path}"

    def ask(self, address: str) -> Mapping[str, Any]:
        """What it answers.

        Raises
        ------
        Refusal
            It does not give what was asked for.
        UserError
            It is not reached, or does not answer in JSON.
        """
        here = origin_of(self.base)
        if origin_of(address)[0] not in _PORTS or (self.key is not None and origin_of(address) != here):
            raise _astray(self.name, address)
        for wait_s in self._waits():
            try:
                return self._answer(address)
            except HTTPError as error:
                if error.code not in _BUSY:
                    raise self._refused(error) from None
                self._wait(self._asked_wait(error, wait_s), f"is busy (HTTP {error.code})")
            except (OSError, HTTPException) as error:
                reason = error.reason if isinstance(error, URLError) else error
                if not isinstance(reason, _INTERRUPTED) or wait_s is None:
                    raise self._unreached(reason) from None
                self._wait(wait_s, "did not answer to its end")
        raise AssertionError("the last try returns or raises")

    def _wait(self, seconds: float, why: str) -> None:
        if seconds >= SILENT_S:
            diary.warning("%s %s; it is asked again in %.0f s", self.name, why, seconds)
        self.wait(seconds)

    def _waits(self) -> Iterator[float | None]:
        """How long to wait after each try; None after the last."""
        yield from (2.0**n for n in range(N_TRIES - 1))
        yield None

    def _answer(self, address: str) -> Mapping[str, Any]:
        headers = {
            "Accept": "application/json",
            "User-Agent": f"aims-pax/{__version__} (Python/{platform.python_version()})",
        }
        headers |= {} if self.key is None else {"X-API-KEY": self.key.text}
        request = Request(address, headers=headers)
        with self._opener().open(request, timeout=self.timeout_s) as stream:
            content = stream.read(LARGEST_BYTES + 1)
            n_missing = stream.length  # reading a part of an answer does not tell that the rest never came
        if len(content) > LARGEST_BYTES:
            found = f"It answered with more than {LARGEST_BYTES >> 20} MB at once."
            raise UserError(Problem(self.name, found, "", "Ask for less."))
        if n_missing:
            raise IncompleteRead(content, n_missing)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = self._shown(content.decode("utf-8", errors="replace"))
            found = f"It did not answer in JSON, but: {shown}" if shown else "It answered nothing."
            advice = "Is the address right? A page of a proxy, or of a login, may stand in between."
            raise UserError(Problem(f"{self.name}, {self.base}", found, "", advice))
        return answer

    def _opener(self) -> OpenerDirector:
        direct = [ProxyHandler({})] if _is_here(urlsplit(self.base).hostname) else []
        return build_opener(_Redirects(self), *direct)

    def _asked_wait(self, error: HTTPError, wait_s: float | None) -> float:
        """How long to wait for a server that is busy. Refusal when that is too long, or was done often enough."""
        asked = _seconds(error.headers.get("Retry-After"))
        if wait_s is None or (asked or 0.0) > LONGEST_WAIT_S:
            patience = f", and asks to wait {asked:.0f} s" if asked else ""
            words = self._words_of(error)
            found = (
                f"It does not take more questions for now (HTTP {error.code}){patience}{f': {words}' if words else '.'}"
            )
            raise Refusal(Problem(self.name, found, "", "Try again later, and ask for less at once."), error.code)
        return wait_s if asked is None else asked

    def _refused(self, error: HTTPError) -> Refusal:
        words = self._words_of(error)
        said = f": {words}" if words else "."
        where = f"{self.name}, {self.base}"
        if error.code in (401, 403) and self.key is not None:
            found = f"It does not accept the key of {self.key.origin} (HTTP {error.code}){said}"
            advice = "Compare the key with that of your account there, or have a new one made."
            return Refusal(Problem(self.name, found, "", advice), error.code)
        if error.code == 404:
            found = f"There is nothing of the kind at this address (HTTP 404){said}"
            return Refusal(Problem(where, found, "", "Check the address."), error.code)
        found = f"It refuses the question (HTTP {error.code}){said}"
        advice = "It is a fault of the server: try again later." if error.code >= 500 else "Change what is asked for."
        return Refusal(Problem(where, found, "", advice), error.code)

    def _unreached(self, reason: object) -> UserError:
        words = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
        found = f"It can't be reached: {self._shown(words)}."
        advice = (
            "Is this machine on the network? Compute nodes often are not: ask on a login node, and take the file along."
        )
        if "CERTIFICATE" in words.upper():
            advice = "Its certificate is not trusted here. A proxy of your institute may have its own: SSL_CERT_FILE."
        return UserError(Problem(f"{self.name}, {self.base}", found, "", advice))

    def _words_of(self, error: HTTPError) -> str:
        """What the server says of its refusal."""
        try:
            content = error.read(1 << 16).decode("utf-8", errors="replace")
        except (OSError, HTTPException):
            return ""
        try:
            answer = json.loads(content)
        except ValueError:
            return "" if content.lstrip().startswith("<") else self._shown(content)
        return self._shown(" ".join(_told(answer)))

    def _shown(self, words: str) -> str:
        """The beginning of a server's words, without the key."""
        plain = " ".join((words if self.key is None else self.key.hidden(words)).split())
        return plain if len(plain) <= 200 else f"{plain[:200]} ..."


class _Redirects(HTTPRedirectHandler):
    """Follows where a server sends, but never with a key to another, and never from https to http."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        leaves = origin_of(newurl) != origin_of(req.full_url)
        opens = origin_of(newurl)[0] not in ("https", origin_of(req.full_url)[0])
        if opens or (leaves and self._service.key is not None):
            raise _astray(self._service.name, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def origin_of(address: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a key is for; of what is no address, nothing."""
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


def address_problems(address: str, where: str, *, besides: str = "") -> Iterator[Problem]:
    """Why something is not the address of a service; `besides` begins what messages say is allowed."""
    allowed = f"{besides}https://host/path"
    try:
        parts = urlsplit(address)
        is_written = address.isascii() and address.isprintable() and " " not in address and parts.port != 0
    except ValueError:
        parts, is_written = urlsplit(""), False
    if not is_written:
        yield Problem(where, f"{address} is no address of the web.", allowed)
        return
    if parts.scheme not in _PORTS or not parts.hostname:
        advice = f"Did you mean https://{address}?" if "." in address and ":" not in address else ""
        yield Problem(where, f"{address} is no address of the web.", allowed, advice)
    elif parts.username is not None or parts.password is not None:
        yield Problem(where, "The address holds a name or a password.", allowed, "Leave it out.")
    elif parts.query or parts.fragment:
        yield Problem(where, f"{address} holds a question already.", allowed, "Leave out what stands behind ? or #.")


def _may_have_a_key(parts: SplitResult) -> bool:
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))


def _is_here(host: str | None) -> bool:
    """Whether a server runs on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _astray(name: str, address: str) -> UserError:
    scheme, host, port = origin_of(address)
    there = f"{scheme}://{host}:{port}" if host else "what is no address of the web"
    found = f"It sends on to {there}, where your question, or your key, does not belong."
    return UserError(Problem(name, found, "", "Check the address; name the right one yourself if you trust it."))


def _seconds(said: str | None) -> float | None:
    """Seconds that Retry-After asks for: a number of them, or a date."""
    if said is None:
        return None
    if said.strip().isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _told(answer: object) -> Iterator[str]:
    """The words in a refusal: FastAPI has detail, Kong message, OPTIMADE a list of errors with detail and title."""
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, list):
        for one in answer:
            yield from _told(one)
    elif isinstance(answer, dict):
        for name in ("errors", "detail", "message", "error", "msg", "title"):
            if answer.get(name):
                yield from _told(answer[name])
                return
