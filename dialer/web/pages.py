"""The application's files, built from `web/`: read from the package once, served from memory by
exact name.

There is no path to traverse: an address is looked up in a table, never in a file system. Every
screen is the same document; who is signed in decides in the browser what it shows, and here what
it is told. Names carry a hash of the content, so that browsers keep what they have.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from aiohttp import web

from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site

SCREENS = (
    "agent",
    "wallboard",
    "campaigns",
    "lists",
    "strategies",
    "reports",
    "pacing",
    "deliveries",
    "users",
)
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".md": "text/plain",
}
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.(js|css)$")
_KEEP = "public, max-age=31536000, immutable"
_SMALL = 1024  # bytes; below, compression gains nothing


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    packed: bytes  # gzip; empty where it gains nothing
    media: str
    tag: str
    keep: str


@cache
def pages() -> dict[str, Page]:
    found = {}
    for entry in files("dialer.web").joinpath("static").iterdir():
        media = _TYPES.get("." + entry.name.rpartition(".")[2])
        if media is not None and entry.is_file():
            body = entry.read_bytes()
            packed = gzip.compress(body, 9, mtime=0) if len(body) > _SMALL else b""
            tag = hashlib.sha256(body).hexdigest()[:20]
            keep = _KEEP if _HASHED.search(entry.name) else "no-cache"
            found[entry.name] = Page(body, packed, media, tag, keep)
    return found


def _send(request: web.Request, name: str) -> web.Response:
    page = pages().get(name)
    if page is None:
        raise ProblemError(404, "There is no such page.", "Start at /.")
    headers = {"ETag": f'"{page.tag}"', "Cache-Control": page.keep, "Vary": "Accept-Encoding"}
    if any(tag.value == page.tag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    body = page.body
    if page.packed and "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = page.packed
    return web.Response(body=body, content_type=page.media, charset="utf-8", headers=headers)


async def app(site: Site, call: Call) -> web.Response:
    return _send(call.request, "index.html")


async def asset(site: Site, call: Call) -> web.Response:
    return _send(call.request, call.param("name"))


PAGES: tuple[Route, ...] = (
    Route("GET", "/", app, "The application: sign in", media="text/html"),
    *(
        Route("GET", f"/{one}", app, f"The application: {one}", media="text/html")
        for one in SCREENS
    ),
    Route("GET", "/static/{name}", asset, "Scripts and styles", media="*/*", problems=(404,)),
)
