"""The server of a dashboard: its socket, its addresses, and how it ends."""

import errno
import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from aims_pax.errors import AimsPaxError, Problem, UserError
from aims_pax.face.dashboard.gallery import FILES, NEWS, Gallery, Subject
from aims_pax.face.dashboard.guard import Guard, is_here, own_names

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

NEEDED: Final = ("starlette", "uvicorn")

TYPES: Final = {".csv": "text/csv; charset=utf-8", ".png": "image/png"}

CLOSING_S: Final = 1
"""How long answers that are on their way are waited for at the end, s."""


def require_packages() -> None:
    """See that the server can be run.

    Raises
    ------
    UserError
        Packages are missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        found, advice = f"needs {' and '.join(missing)}, not installed", "python -m pip install 'aims-pax[dashboard]'"
        raise UserError(
            Problem("aims-pax dashboard", found, "", f"{advice}; aims-pax report writes a file without it.")
        )


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address of this machine; port 0 for a free one.

    Raises
    ------
    UserError
        It is in use, not allowed, or no address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except BaseException:
            found.close()
            raise
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise UserError(
                Problem(f"--port {port}", f"can't be used ({error.strerror})", "a free one", "--port 0 finds one.")
            ) from None
        raise UserError(
            Problem(f"--host {host}", f"is no address of this machine ({error})", "127.0.0.1, or one that it has")
        ) from None
    return found


def address_of(host: str, listening: socket.socket, secret: str) -> str:
    """What is opened in a browser."""
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
    port = listening.getsockname()[1]
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/{secret}/"


def application(subjects: Sequence[Subject], *, host: str) -> Guard:
    """What answers: the page, its news, the files of its figures."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
    from starlette.routing import Route

    gallery = Gallery(subjects)

    async def page(_: "Request") -> "Response":
        try:
            return HTMLResponse(await gallery.page())
        except AimsPaxError as error:
            return PlainTextResponse(f"The page can't be drawn now: {error}\n", status_code=503)

    async def news(_: "Request") -> "Response":
        return JSONResponse(await gallery.news())

    async def file(request: "Request") -> "Response":
        run, name = request.path_params["run"], request.path_params["name"]
        found = await gallery.file(run, name)
        kind = next((kind for suffix, kind in TYPES.items() if name.endswith(suffix)), None)
        if found is None or kind is None:
            return PlainTextResponse("There is no such file.\n", status_code=404)
        return Response(found, media_type=kind)

    routes = [Route("/", page), Route(f"/{NEWS}", news), Route(f"/{FILES}/{{run}}/{{name}}", file)]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False  # it would tell the address without the token
    return Guard(app, own_names(host), any_address=not is_here(host))


def serve(app: "ASGIApp", listening: socket.socket, *, begun: Callable[[], None] = lambda: None) -> None:
    """Answer until Ctrl-C, or another signal to end.

    Parameters
    ----------
    begun : callable
        Called once it answers.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            begun()

    config = uvicorn.Config(
        app,
        log_level="warning",  # a line for each request would hold the token
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=CLOSING_S,
    )
    Server(config).run(sockets=[listening])
