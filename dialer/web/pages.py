"""The pages: read from the package once, served from memory by exact name.

There is no path to traverse: an address is looked up in a table, never in a file system.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from aiohttp import web

from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Site

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Page:
    body: bytes
    media: str
    tag: str


@cache
def pages() -> dict[str, Page]:
    found = {}
    for entry in files("dialer.web").joinpath("static").iterdir():
        media = _TYPES.get("." + entry.name.rpartition(".")[2])
        if media is not None and entry.is_file():
            body = entry.read_bytes()
            found[entry.name] = Page(body, media, hashlib.sha256(body).hexdigest()[:20])
    return found


def _send(request: web.Request, name: str) -> web.Response:
    page = pages().get(name)
    if page is None:
        raise ProblemError(404, "There is no such page.", "Start at /.")
    headers = {"ETag": f'"{page.tag}"', "Cache-Control": "no-cache"}
    if any(tag.value == page.tag for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=page.body, content_type=page.media, charset="utf-8", headers=headers)


async def start(site: Site, call: Call) -> web.Response:
    return _send(call.request, "index.html")


async def agent(site: Site, call: Call) -> web.Response:
    return _send(call.request, "agent.html")


async def wallboard(site: Site, call: Call) -> web.Response:
    return _send(call.request, "wallboard.html")


async def asset(site: Site, call: Call) -> web.Response:
    return _send(call.request, call.param("name"))
