"""Attacks on a whole dialer over bare sockets: paths that lead out, and bodies without an end."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from pathlib import Path

import pytest

from dialer.server import listing
from dialer.server.people import Kind, NewUser, Role
from dialer.web import lists
from dialer.web.app import ROUTES
from dialer.web.auth import COOKIE, Access, csrf_of
from dialer.web.routes import Route
from tests.inbound.conftest import TOKEN, Crm

PASSWORD = "a password of the tests"
READ = [route for route in ROUTES if route.method == "GET" and "{" in route.path]
DRAFTS = [route for route in ROUTES if "{file}" in route.path]
# Out of the folder of pages, of uploads, of scripts, and out of the root.
WAYS = (
    *("../dialer.yaml", "../../dialer.yaml", "..%2fdialer.yaml", "..%2f..%2fdialer.yaml"),
    *("%2e%2e/dialer.yaml", "%2e%2e%2fdialer.yaml", "..%252fdialer.yaml", "..%5cdialer.yaml"),
    *("..\\dialer.yaml", "....//dialer.yaml", "..%c0%afdialer.yaml", "dialer.yaml%00.md"),
    *("page:..%2fdialer", "page:..%2f..%2fdialer", "page:%2ftmp%2fdialer", "dialer", "overdial.db"),
    *(
        "%2fetc%2fpasswd",
        "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "file:%2f%2fetc%2fpasswd",
    ),
    "FOLDER%2fdialer.yaml",
)
CANARY = "a-canary-in-the-settings"
TAKEN = (CANARY.encode(), b"SQLite format", b"root:x:")
JSON = "Content-Type: application/json\r\n"
UPLOAD = "/v1/lists/uploads?campaign=spring&name=a.csv"
UPLOAD_MAX = 4 * 2**20
LIMIT_S = 20.0
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"  # 64 KiB of a body in chunks
PIECES = 4_000  # 250 MiB: nobody takes so many
TAKEN_MAX = 500  # of them: what the system's own buffers swallow, some 20 MiB
MEMORY_MAX = 24 * 2**20  # bytes that all of it may cost for a moment, both ends


class Wire:
    """Bytes as no client would send them."""

    def __init__(self, crm: Crm, cookie: str = "") -> None:
        self._port = int(crm.server.url.rpartition(":")[2])
        self._who = f"Authorization: Bearer {TOKEN}\r\n"
        if cookie:
            self._who = f"Cookie: {COOKIE}={cookie}\r\nX-CSRF-Token: {csrf_of(cookie)}\r\n"

    async def ask(
        self, method: str, path: str, headers: str = "", body: bytes = b"", pieces: int = 0
    ) -> tuple[int, bytes, int]:
        """(status, answer, pieces of the body that were taken)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._who}{headers}\r\n"
        writer.write(head.encode() + body)
        taken = 0
        try:
            async with asyncio.timeout(LIMIT_S):
                answer = asyncio.ensure_future(reader.read(1 << 20))
                try:
                    while taken < pieces and not answer.done():
                        writer.write(PIECE)
                        await writer.drain()
                        taken += 1
                except ConnectionError:
                    pass
                got = await answer
        finally:
            writer.transport.abort()
        return int(got.split(b" ", 2)[1]), got, taken


@pytest.fixture
async def boss(crm: Crm) -> Wire:
    """Somebody who may do everything."""
    people = crm.server.accounts
    await people.add(NewUser("root", (Role.ADMINISTRATOR, Role.AGENT), phone="9"), "tests")
    await people.set_password("root", PASSWORD, "tests", cheap=True)
    return Wire(crm, await people.sign_in("root", PASSWORD, "", "", Kind.BROWSER))


def _paths(route: Route, folder: Path) -> list[str]:
    """Each of the route's places led astray, the others being right."""
    places = re.findall(r"{(\w+)", route.path)
    found = []
    for place in places:
        for way in WAYS:
            way = way.replace("FOLDER", str(folder).replace("/", "%2f"))
            path = re.sub(f"{{{place}(:[^}}]*)?}}", lambda _, way=way: way, route.path)
            found.append(re.sub(r"{\w+(:[^}]*)?}", "spring", path))
    return found


def _files(folder: Path) -> set[Path]:
    return {one for one in folder.parent.rglob("*") if not one.name.startswith("overdial.db")}


async def test_no_path_leads_out(crm: Crm, boss: Wire, tmp_path: Path) -> None:
    """Pages, scripts, uploads, drafts, archives, deliveries; by reading, and by writing a draft."""
    with (tmp_path / "dialer.yaml").open("a") as file:
        file.write(f"# {CANARY}\n")
    (tmp_path / "dialer.md").write_text(CANARY)
    before, program = _files(tmp_path), Wire(crm)
    for route in READ:
        for path in _paths(route, tmp_path):
            for wire in (boss, program):
                status, answer, _ = await wire.ask("GET", path)
                assert 400 <= status < 500 or status == 503, (path, answer[:300])
                assert not any(word in answer for word in TAKEN), path
    body = b'{"text": "planted", "base": ""}'
    headers = f"{JSON}Content-Length: {len(body)}\r\n"
    for route in DRAFTS:
        for path in _paths(route, tmp_path):
            status, answer, _ = await boss.ask(route.method, path, headers, body)
            assert 400 <= status < 500, (path, answer[:300])
            assert not any(word in answer for word in TAKEN), path
    assert _files(tmp_path) == before


async def test_bodies_without_an_end_are_refused_and_cost_no_memory(
    crm: Crm, boss: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their announced size before anything of them is taken, otherwise when it is enough."""
    monkeypatch.setattr(listing, "UPLOAD_MAX", UPLOAD_MAX)
    monkeypatch.setattr(lists, "UPLOAD_MAX", UPLOAD_MAX)
    bodies = [route for route in ROUTES if route.takes is not None and route.socket is None]
    assert len(bodies) > 30
    announced, endless = "Content-Length: 9999999999999\r\n", "Transfer-Encoding: chunked\r\n"
    tracemalloc.start()
    try:
        for route in bodies:
            wire = Wire(crm) if route.access is Access.API else boss
            path = re.sub(r"{\w+(:[^}]*)?}", "spring", route.path)
            for headers, pieces in ((announced, 0), (endless, PIECES)):
                status, answer, taken = await wire.ask(
                    route.method, path, JSON + headers, pieces=pieces
                )
                assert status == 413, (path, answer[:300])
                assert b"larger than" in answer
                assert b'"mend"' in answer
                assert taken <= TAKEN_MAX, path
        for headers, pieces in ((announced, 0), (endless, PIECES)):
            status, answer, taken = await boss.ask("POST", UPLOAD, headers, pieces=pieces)
            assert (status, b"larger than 4 MiB" in answer) == (413, True), answer[:300]
            assert taken <= TAKEN_MAX
        cost = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cost < MEMORY_MAX, f"{cost / 2**20:.0f} MiB"
    folder = crm.server._listing._folder  # type: ignore[union-attr]
    assert folder is not None
    assert list(folder.iterdir()) == [], "nothing of it is left"
