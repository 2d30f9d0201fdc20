"""A server on this machine that answers as the Materials Project and as a database of OPTIMADE do.

``python -m aims_pax.testing.databases.server`` prints the addresses and serves until it is ended; benchmarks may
take their first structure from there. Conditions are really applied, and answers come in pages.
"""

import argparse
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from ase.formula import Formula

from aims_pax.testing.databases.entries import MATERIALS, Document, Material
from aims_pax.testing.databases.filters import Unparsed, parsed

KEY: Final = "ourkeyourkeyourkeyourkeyourkey12"
"""What this server takes for the user's key."""

LARGEST_PAGE: Final = 3
"""Of OPTIMADE: a larger one is refused by 403, as the specification allows."""


@dataclass(frozen=True)
class Question:
    """What was asked."""

    path: str
    said: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What is answered in the place of the right answer, once."""

    status: int = 200
    content: str = "{}"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The question is refused by a status, with these words."""

    def __init__(self, status: int, content: object) -> None:
        self.status, self.content = status, content


class Databases:
    """The server; its addresses, what it was asked, and what it is to answer next.

    Parameters
    ----------
    materials : sequence of Material
    port : int
        0 for any that is free.

    Attributes
    ----------
    has_letters : bool
        Whether the Materials Project tells names in their newer form: mp-aaaaaaft for mp-149.
    """

    def __init__(self, materials: Sequence[Material] = MATERIALS, port: int = 0) -> None:
        self.materials = tuple(materials)
        self.has_letters = False
        self.questions: list[Question] = []
        self.replies: deque[Reply] = deque()
        self.summaries = [one.summary() for one in materials]
        self.resources = [one.resource() for one in materials]
        self._server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=partial(self._server.serve_forever, poll_interval=0.02), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def optimade(self) -> str:
        """The address of the OPTIMADE database."""
        return f"{self.address}/optimade"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, question: Question) -> Document:
        """The right answer. Refused where there is none."""
        if question.path == "/materials/summary/":
            return self._summary(question)
        if question.path == "/optimade/v1/structures":
            return self._structures(question.said)
        raise Refused(404, {"detail": "Not Found"})

    def _summary(self, question: Question) -> Document:
        key = {name.lower(): value for name, value in question.headers.items()}.get("x-api-key")
        if key != KEY:
            words = "No API key found in request" if key is None else "Invalid authentication credentials"
            raise Refused(401, {"message": words})
        said = question.said
        limit, skip = int(said.get("_limit", 100)), int(said.get("_skip", 0))
        if not 0 < limit <= 1000:
            raise Refused(400, {"detail": "Requested more data per query than allowed by this endpoint."})
        if "," in said.get("_sort_fields", ""):
            raise Refused(400, {"detail": "Please provide at most 1 field(s) to sort with"})
        found = [one for one in self.summaries if _has(one, said)]
        if field := said.get("_sort_fields"):
            found.sort(key=lambda one: one[field.removeprefix("-")], reverse=field.startswith("-"))
        fields = said["_fields"].split(",") if "_fields" in said else ["material_id"]
        page = [{name: one[name] for name in fields} for one in found[skip : skip + limit]]
        for one in page if self.has_letters else []:
            one["material_id"] = in_letters(one["material_id"])
        return {"data": page, "meta": {"api_version": "0.87.3", "total_doc": len(found)}}

    def _structures(self, said: Mapping[str, str]) -> Document:
        size, offset = int(said.get("page_limit", LARGEST_PAGE)), int(said.get("page_offset", 0))
        if size > LARGEST_PAGE:
            raise Refused(
                403, {"errors": [{"detail": f"Max allowed page_limit is {LARGEST_PAGE}, you requested {size}"}]}
            )
        try:
            condition = parsed(said["filter"]) if said.get("filter") else lambda _: True
            found = [one for one in self.resources if condition({"id": one["id"], **one["attributes"]})]
        except (Unparsed, KeyError) as error:
            raise Refused(
                400, {"errors": [{"title": "Bad Request", "detail": f"Unable to parse filter: {error}"}]}
            ) from None
        fields = (
            said["response_fields"].split(",") if "response_fields" in said else list(self.resources[0]["attributes"])
        )
        data = [
            {**one, "attributes": {name: one["attributes"][name] for name in fields}}
            for one in found[offset : offset + size]
        ]
        following = {**said, "page_offset": offset + size}
        has_more = offset + size < len(found)
        link = {"href": f"{self.optimade}/v1/structures?{urlencode(following)}"} if has_more else None
        provider = {"name": "Local", "description": "A database of tests", "prefix": "local"}
        meta = {
            "api_version": "1.2.0",
            "data_returned": len(found),
            "more_data_available": has_more,
            "provider": provider,
        }
        return {"data": data, "links": {"next": link}, "meta": meta}


def in_letters(name: str) -> str:
    """mp-aaaaaaft for mp-149: the number in the base 26, eight letters wide."""
    prefix, number = name.split("-")
    return f"{prefix}-{''.join(chr(ord('a') + int(number) // 26**place % 26) for place in reversed(range(8)))}"


def _has(document: Document, said: Mapping[str, str]) -> bool:
    """Whether a summary is what was asked for."""
    wanted = {name: value.split(",") for name, value in said.items() if not name.startswith("_")}
    tests: dict[str, Callable[[list[str]], object]] = {
        "material_ids": lambda those: {document["material_id"], in_letters(document["material_id"])} & set(those),
        "formula": lambda those: any(_reduced(one) == document["composition_reduced"] for one in those),
        "elements": lambda those: set(those) <= set(document["elements"]),
        "chemsys": lambda those: document["chemsys"] in ["-".join(sorted(one.split("-"))) for one in those],
        "nsites_max": lambda those: document["nsites"] <= int(those[0]),
        "energy_above_hull_max": lambda those: document["energy_above_hull"] <= float(those[0]),
        "deprecated": lambda those: document["deprecated"] == (those[0] == "true"),
    }
    if unknown := set(wanted) - set(tests):
        words = f"Request contains query parameters which cannot be used: {', '.join(sorted(unknown))}"
        raise Refused(400, {"detail": words})
    return all(tests[name](those) for name, those in ({"deprecated": ["false"]} | wanted).items())


def _reduced(formula: str) -> dict[str, float]:
    counts, _ = Formula(formula).reduce()
    return {symbol: float(number) for symbol, number in counts.count().items()}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, databases: Databases, *args: Any) -> None:
        self.databases = databases
        super().__init__(*args)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        question = Question(parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()))
        self.databases.questions.append(question)
        if self.databases.replies:
            reply = self.databases.replies.popleft()
        else:
            try:
                reply = Reply(200, json.dumps(self.databases.answer(question)))
            except Refused as refused:
                reply = Reply(refused.status, json.dumps(refused.content))
        content = reply.content.encode()
        self.send_response(reply.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(content),
            **reply.headers,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is kept in `questions`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(
        prog="python -m aims_pax.testing.databases.server",
        description="Prints addresses of a Materials Project and an OPTIMADE of our own, and serves until it is ended.",
    )
    parser.add_argument("port", type=int, nargs="?", default=0, help="of this machine; any that is free when not given")
    with Databases(port=parser.parse_args(arguments).port) as databases:
        print(f"AIMS_PAX_MP_URL={databases.address} MP_API_KEY={KEY}", flush=True)
        print(f"OPTIMADE: {databases.optimade}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
