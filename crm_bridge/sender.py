"""One signed request to one endpoint, and what came of it."""

from __future__ import annotations

import ssl
from contextlib import nullcontext

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from crm_bridge import render
from crm_bridge.config import Endpoint
from crm_bridge.net import ForbiddenAddress, open_connector
from crm_bridge.ports import Clock, Outside
from crm_bridge.posting import Posting
from crm_bridge.schedule import Answer, retry_after
from crm_bridge.signing import Signer

EXCERPT_BYTES = 2000  # of an answer's body that are kept when it was no success


class Sender:
    """Renders, signs and posts. Never raises for what a receiver or the network does."""

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        source: str,
        *,
        connections_max: int,
        timeout: aiohttp.ClientTimeout,
        outside: Outside = nullcontext,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._source = source
        self._timeout = timeout
        self._url = URL(endpoint.url)
        self._signer = Signer(endpoint.keys)
        self._fixed = {
            **endpoint.headers,
            "Content-Type": endpoint.format.content_type,
            "User-Agent": "overdial",
        }
        self._connections_max = connections_max
        self._outside = outside
        self._posting: Posting | None = None

    async def close(self) -> None:
        posting, self._posting = self._posting, None
        if posting is not None:
            await posting.close()

    async def send(
        self, *, id_: str, type_: str, at: float, key: str, seq: int | None, data: str
    ) -> Answer:
        """One attempt. The body is rendered and signed now: the timestamp is the attempt's."""
        body = render.body(
            self._endpoint.format,
            id_=id_,
            type_=type_,
            at=at,
            key=key,
            seq=seq,
            data=data,
            source=self._source,
        )
        stamp = int(self._clock.utc().timestamp())
        headers = self._signer.headers(id_, stamp, body)
        try:
            if self._posting is None:
                self._posting = self._open()
            got = await self._posting.post(headers, body)
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            return Answer(None, describe(error))  # TimeoutError is an OSError
        if 200 <= got.status < 300:
            return Answer(got.status)
        asked = got.headers.get("Retry-After")
        return Answer(
            got.status,
            retry_after_s=None if asked is None else retry_after(asked, self._clock.utc()),
            excerpt=got.said[:EXCERPT_BYTES],
        )

    def _open(self) -> Posting:
        connector = open_connector(
            self._url,
            self._endpoint.allow_networks,
            connections_max=self._connections_max,
            ca_file=self._endpoint.ca_file,
            outside=self._outside,
        )
        return Posting(self._url, self._fixed, connector, self._timeout)


_NOT_HTTP = (
    aiohttp.ClientResponseError,
    aiohttp.ClientPayloadError,
    HttpProcessingError,
    ValueError,
)


def describe(error: BaseException) -> str:
    """An error in our own words: no address, no URL, nothing a receiver said."""
    inner = getattr(error, "os_error", None)
    if isinstance(error, ForbiddenAddress) or isinstance(inner, ForbiddenAddress):
        return str(inner or error)
    if isinstance(error, aiohttp.InvalidURL):
        return "refused: the URL's host is neither a name nor an address"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name does not resolve"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed: the certificate is not trusted or the protocols do not match"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "cannot connect"
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
        return "the connection was closed without an answer"
    if isinstance(error, _NOT_HTTP):
        return "the answer is not valid HTTP"
    return type(error).__name__
