"""The bridge connects to public addresses and to allowed networks, and nowhere else."""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from crm_bridge import net
from crm_bridge.config import Endpoint
from crm_bridge.net import ForbiddenAddress, GuardedResolver, check_address
from crm_bridge.ports import LoopClock
from crm_bridge.schedule import Answer
from crm_bridge.sender import Sender
from crm_bridge.signing import decode_secret, new_secret

KEY = decode_secret(new_secret())
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1",
        "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1",
        "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2002:a00:1::",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenAddress, match="allow_networks"):
        check_address(address, ())


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111"])
def test_what_is_public_passes(address: str) -> None:
    check_address(address, ())


def test_an_allowed_network_passes_and_its_neighbour_does_not() -> None:
    allowed = (ip_network("10.1.0.0/16"),)
    check_address("10.1.2.3", allowed)
    check_address("::ffff:10.1.2.3", allowed)
    with pytest.raises(ForbiddenAddress):
        check_address("10.2.0.1", allowed)


def test_http_goes_to_allowed_networks_only() -> None:
    with pytest.raises(ForbiddenAddress, match="http:// goes to"):
        check_address("8.8.8.8", LOOPBACK, public=False)


class Resolving:
    """A name service of our own: answers by turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.getaddrinfo)

    async def getaddrinfo(self, host: str, port: int, **how: Any) -> list[Any]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]


async def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    Resolving(monkeypatch, ["8.8.8.8", "127.0.0.1"])
    resolver = GuardedResolver((), public=True, outside=net.nullcontext)
    with pytest.raises(ForbiddenAddress):
        await resolver.resolve("crm.example.com", 443)


class Server:
    """Counts who came."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.answer: web.Response | None = None

    async def start(self, context: ssl.SSLContext | None = None) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.take)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context).start()
        port: int = self.runner.addresses[0][1]
        return port

    async def take(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return self.answer or web.Response(status=204)


@pytest.fixture
async def server() -> Any:
    made = Server()
    yield made
    await made.runner.cleanup()


async def send(url: str, **fields: Any) -> Answer:
    sender = Sender(
        Endpoint("crm", url, (KEY,), **fields),
        LoopClock(),
        "/test",
        connections_max=1,
        timeout=aiohttp.ClientTimeout(total=5),
    )
    try:
        return await sender.send(id_="m", type_="a.b", at=0.0, key="k", seq=1, data="{}")
    finally:
        await sender.close()


async def test_a_name_that_leads_home_is_not_connected_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await server.start()
    Resolving(monkeypatch, ["127.0.0.1"])
    answer = await send(
        f"http://crm.example.com:{port}/", allow_networks=(ip_network("10.0.0.0/8"),)
    )
    assert answer.status is None
    assert "allow_networks" in answer.why
    assert server.paths == []


async def test_a_name_that_changes_after_the_check_is_not_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer would be forbidden, and is never asked for."""
    port = await server.start()
    names = Resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    answer = await send(f"http://crm.example.com:{port}/", allow_networks=LOOPBACK)
    assert answer.ok
    assert names.asked == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost"])
async def test_no_way_of_writing_an_address_goes_round_the_check(server: Server, host: str) -> None:
    port = await server.start()
    answer = await send(f"https://{host}:{port}/")
    assert answer.status is None
    assert "refused" in answer.why or "does not resolve" in answer.why
    assert server.paths == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(server: Server, status: int) -> None:
    port = await server.start()
    server.answer = web.Response(
        status=status, headers={"Location": f"http://127.0.0.1:{port}/elsewhere"}
    )
    answer = await send(f"http://127.0.0.1:{port}/hook", allow_networks=LOOPBACK)
    assert not answer.ok
    assert "not followed" in answer.why
    assert server.paths == ["/hook"]


async def test_a_large_answer_is_not_read_to_its_end(server: Server) -> None:
    port = await server.start()
    server.answer = web.Response(body=b"x" * 10_000_000)
    assert (await send(f"http://127.0.0.1:{port}/", allow_networks=LOOPBACK)).ok


async def test_a_certificate_nobody_vouches_for_is_refused(server: Server) -> None:
    context, _ = certificate()
    port = await server.start(context)
    answer = await send(f"https://127.0.0.1:{port}/", allow_networks=LOOPBACK)
    assert answer.status is None
    assert "TLS" in answer.why
    assert server.paths == []


async def test_a_site_can_bring_its_own_authority(server: Server) -> None:
    context, authority = certificate()
    port = await server.start(context)
    answer = await send(f"https://127.0.0.1:{port}/", allow_networks=LOOPBACK, ca_file=authority)
    assert answer.ok


def certificate() -> tuple[ssl.SSLContext, str]:
    """A self-signed certificate for 127.0.0.1, good until 2126 and for nothing but this test."""
    path = str(Path(__file__).with_name("loopback.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path


def test_a_url_with_a_forbidden_address_opens_no_session() -> None:
    with pytest.raises(ForbiddenAddress):
        net.check_url(URL("https://[::ffff:127.0.0.1]/"), ())
