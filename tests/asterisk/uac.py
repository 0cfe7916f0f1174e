"""One SIP request over UDP, as a stranger, a carrier or a phone would send it."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import socket

LIMIT_S = 5.0


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Uac:
    """`async with Uac(port) as uac:` talks to the SIP port on 127.0.0.1 from a port of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def __aenter__(self) -> Uac:
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.here = f"127.0.0.1:{self.sock.getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sock.close()

    async def request(
        self, method: str, uri_user: str, from_user: str, *, password: str = "", body: str = ""
    ) -> int:
        """The final status; a 401 is answered when there is a password."""
        call = secrets.token_hex(8)
        status, answer = await self._send(method, uri_user, from_user, call, 1, "", body)
        if status != 401 or not password:
            return status
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', answer.partition("WWW-Authenticate:")[2]))
        uri = self._uri(method, uri_user)
        user = _md5(f"{from_user}:{challenge['realm']}:{password}")
        proof = _md5(
            f"{user}:{challenge['nonce']}:00000001:x:auth:{_md5(f'{method}:{uri}')}"
            if "qop" in challenge
            else f"{user}:{challenge['nonce']}:{_md5(f'{method}:{uri}')}"
        )
        line = (
            f'Authorization: Digest username="{from_user}", realm="{challenge["realm"]}", '
            f'nonce="{challenge["nonce"]}", uri="{uri}", response="{proof}", algorithm=MD5'
        )
        if "opaque" in challenge:
            line += f', opaque="{challenge["opaque"]}"'
        if "qop" in challenge:
            line += ', qop=auth, nc=00000001, cnonce="x"'
        return (await self._send(method, uri_user, from_user, call, 2, line + "\r\n", body))[0]

    def _uri(self, method: str, user: str) -> str:
        who = "" if method == "REGISTER" else f"{user}@"
        return f"sip:{who}127.0.0.1:{self.port}"

    async def _send(
        self, method: str, user: str, from_user: str, call: str, cseq: int, extra: str, body: str
    ) -> tuple[int, str]:
        content = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"{method} {self._uri(method, user)} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.here};branch=z9hG4bK{secrets.token_hex(6)}\r\n"
            f"From: <sip:{from_user}@127.0.0.1>;tag={call}\r\nTo: <sip:{user}@127.0.0.1>\r\n"
            f"Call-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{from_user}@{self.here}>\r\nMax-Forwards: 70\r\nExpires: 60\r\n"
            f"{extra}{content}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(self.sock, text.encode(), ("127.0.0.1", self.port))
        async with asyncio.timeout(LIMIT_S):
            while True:
                answer = (await loop.sock_recv(self.sock, 65536)).decode()
                if answer.startswith("SIP/2.0 ") and not answer.startswith("SIP/2.0 1"):
                    return int(answer[8:11]), answer
