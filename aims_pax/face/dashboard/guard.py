"""Who may ask: nobody without the token, and no page of elsewhere through the reader's browser."""

import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from aims_pax.page.document import served_policy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECRET_BYTES: Final = 24

HERE: Final = ("127.0.0.1", "::1", "localhost")
"""Names of this machine for itself."""

HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": f"{served_policy()}; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""With every answer. The token is in the address: it must not be kept, nor told to whom a link leads."""


@dataclass(slots=True, eq=False)
class Guard:
    """Lets requests through whose address begins with the token, and whose Host is a name of this machine.

    The Host is looked at because a page of elsewhere may have its own name point here (DNS rebinding). Its port is
    not: it is another one behind a tunnel.

    Parameters
    ----------
    app : ASGI application
        Gets the address without the token.
    hosts : collection of str
        Names in lower case.
    any_address : bool
        Whether Host may be any IP address: that is no name which could be made to point here.
    token, ticket : str
        Secrets of this session: the one stands in every address, the other is taken once, in its place, and answered
        with the address: the command line of a browser can be read by all users of a machine.
    """

    app: "ASGIApp"
    hosts: Collection[str]
    any_address: bool = False
    token: str = field(default_factory=lambda: secrets.token_urlsafe(SECRET_BYTES), repr=False)
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(SECRET_BYTES), repr=False)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        if scope["type"] != "http":  # no lifespan, no sockets
            return

        async def send_guarded(message: "Message") -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        given, _, rest = scope["path"].removeprefix("/").partition("/")
        app: ASGIApp
        if not self._is_meant(scope):
            app = PlainTextResponse("Host is no name of this machine.\n", status_code=421)
        elif self.ticket and secrets.compare_digest(given.encode(), self.ticket.encode()):
            app, self.ticket = RedirectResponse(f"/{self.token}/", status_code=303), ""
        elif not secrets.compare_digest(given.encode(), self.token.encode()):
            app = PlainTextResponse("The address must be the whole one that aims-pax dashboard has told.\n", 403)
        else:
            app, scope = self.app, {**scope, "path": f"/{rest}", "raw_path": None}
        await app(scope, receive, send_guarded)

    def _is_meant(self, scope: "Scope") -> bool:
        named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(named) != 1:
            return False
        host = host_of(named[0])
        return host in self.hosts or (self.any_address and is_address(host))


def host_of(named: str) -> str:
    """The name in a Host header without its port, in lower case."""
    if named.startswith("["):
        return named[1:].partition("]")[0].lower()
    return named.partition(":")[0].lower().rstrip(".")


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_here(host: str) -> bool:
    """Whether nobody but this machine reaches it."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def own_names(host: str) -> frozenset[str]:
    """By which a server at this address may be called."""
    elsewhere = () if is_here(host) else (socket.gethostname(), socket.getfqdn())
    return frozenset(name.lower() for name in (*HERE, host, *elsewhere))
