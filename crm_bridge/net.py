"""Whom the bridge may connect to, and the connection pool that keeps to it.

Every address a name resolves to is checked, and the connection is made to the very address that
was checked: the check is inside the connector's resolver and there is no second look-up. An
address is public, or within a network the endpoint's configuration allows, or refused. Redirects
are never followed, so a configured URL is the only place a request goes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from contextlib import nullcontext

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from crm_bridge.ports import Outside

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DNS_CACHE_S = 30  # how long a checked address is used without asking again
_KEEP_ALIVE_S = 30.0


class ForbiddenAddress(OSError):
    """The name leads where the bridge must not go."""


def plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), the address itself otherwise."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner
    return address


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Withdrawn, and still routed by some: site-local addresses (RFC 3879), 6to4 relays (RFC 7526).
_BYGONE = (ipaddress.IPv6Network("fec0::/10"), ipaddress.IPv4Network("192.88.99.0/24"))


def check_address(text: str, allowed: Sequence[Network], *, public: bool = True) -> None:
    """Pass, or raise `ForbiddenAddress`. `public` False: only allowed networks will do."""
    address = plain(ipaddress.ip_address(text.partition("%")[0]))
    if any(address.version == net.version and address in net for net in allowed):
        return
    if not public:
        raise ForbiddenAddress("refused: http:// goes to networks in allow_networks only")
    odd = (
        address.is_multicast
        or address.is_reserved
        or any(address.version == net.version and address in net for net in _BYGONE)
    )
    if odd or not address.is_global:
        raise ForbiddenAddress(
            "refused: the address is private, local or reserved;"
            " if that is meant, add its network to allow_networks"
        )


class GuardedResolver(AbstractResolver):
    """Resolves a name and refuses it when any of its addresses is refused."""

    def __init__(self, allowed: Sequence[Network], *, public: bool, outside: Outside) -> None:
        self._allowed = tuple(allowed)
        self._public = public
        self._outside = outside

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        with self._outside():
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
            )
        results: list[ResolveResult] = []
        for resolved_family, _, proto, _, where in found:
            address = str(where[0])
            check_address(address, self._allowed, public=self._public)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=resolved_family,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


def check_url(url: URL, allowed: Sequence[Network]) -> None:
    """Check a URL whose host is written as an address; such a host is never resolved."""
    host = url.host or ""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    check_address(host, allowed, public=url.scheme == "https")


def open_connector(
    url: URL,
    allowed: Sequence[Network],
    *,
    connections_max: int,
    ca_file: str | None = None,
    outside: Outside = nullcontext,
) -> aiohttp.TCPConnector:
    """A pool of connections of its own for one endpoint; `ForbiddenAddress` at once if it may not.

    Certificates are always verified, against `ca_file` when the endpoint has an authority of its
    own.
    """
    check_url(url, allowed)
    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed, public=url.scheme == "https", outside=outside),
        limit=connections_max,
        ttl_dns_cache=_DNS_CACHE_S,
        keepalive_timeout=_KEEP_ALIVE_S,
        ssl=ssl.create_default_context(cafile=ca_file) if url.scheme == "https" else True,
    )


def open_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """Without cookies, proxies from the environment and compressed answers."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept-Encoding",),
    )
