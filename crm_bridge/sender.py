"""One signed request to one endpoint, and what came of it."""

from __future__ import annotations

import ssl
from contextlib import nullcontext

import aiohttp
from yarl import URL

from crm_bridge import render
from crm_bridge.config import Endpoint
from crm_bridge.net import ForbiddenAddress, open_session
from crm_bridge.ports import Clock, Outside
from crm_bridge.schedule import Answer, retry_after
from crm_bridge.signing import Signer

_ANSWER_BYTES_MAX = 65536  # of an answer's body; a connection is not worth more
EXCERPT_BYTES = 2000  # of it that are kept when it was no success


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
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

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
        headers.update(self._fixed)
        try:
            if self._session is None:
                self._session = open_session(
                    self._url,
                    self._endpoint.allow_networks,
                    connections_max=self._connections_max,
                    ca_file=self._endpoint.ca_file,
                    outside=self._outside,
                )
            async with self._session.post(
                self._url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                said = await _drain(response)
                if 200 <= response.status < 300:
                    return Answer(response.status)
                asked = response.headers.get("Retry-After")
                return Answer(
                    response.status,
                    retry_after_s=None if asked is None else retry_after(asked, self._clock.utc()),
                    excerpt=said,
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return Answer(None, describe(error))


async def _drain(response: aiohttp.ClientResponse) -> bytes:
    """Read what little answer there is, so that the connection can be used again; its beginning."""
    left = _ANSWER_BYTES_MAX
    content = response.content
    said = b""
    while left > 0 and not content.at_eof():
        part = await content.read(left)
        left -= len(part)
        said = said or part[:EXCERPT_BYTES]
    if left <= 0:
        response.close()
    return said


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
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError | ValueError):
        return "the answer is not valid HTTP"
    return type(error).__name__
