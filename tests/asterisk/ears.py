"""What customers and agents really hear: RTP ends that speak marked audio and note whose they get.

SIPp does the signalling; its SDP names the ports of this module. Each end answers an Asterisk leg
that sends to it with A-law frames that carry a mark: agent or customer, and the serial number of
that leg here. Asterisk passes A-law through a bridge unchanged, so a frame with a mark proves who
was heard by whom. Frames without one are silence (all one value) or sound (the safe-harbour
message). Ten frames a second are enough to tell and cheap at 100 legs.

A leg is told by the UDP port it sends from. Asterisk uses a port again for a later leg; SIPp's logs
say when (an INVITE that names the port), and there the old leg ends here too.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

FRAME = 160  # bytes, 20 ms of A-law
EVERY_S = 0.1
QUIET_S = 3.0  # no packet for so long: nobody is there to speak to
PCMA = 8
_MARK = struct.Struct("!4s1sI")
INVITE_LOGGED = re.compile(r"peer (\d+) at .*?(\d+\.\d+)\s*$", re.MULTILINE)
_MAGIC = b"\xd5OD1"


@dataclass
class Heard:
    """What one end heard of one other."""

    frames: int = 0
    first: float = 0.0
    last: float = 0.0


@dataclass
class Leg:
    """One Asterisk leg as its far end hears it. Times are Unix time, as Asterisk's Timestamp."""

    serial: int
    who: str  # a phone's name, or "customer"
    port: int  # Asterisk's RTP port of the leg; the SDP in its INVITE named it
    began: float
    last: float
    voices: dict[tuple[str, int], Heard] = field(default_factory=dict)  # "A" or "C" and serial
    silence: Heard = field(default_factory=Heard)
    sound: Heard = field(default_factory=Heard)  # neither silence nor a mark: a message


class _End(asyncio.DatagramProtocol):
    def __init__(self, ears: Ears, who: str) -> None:
        self.ears, self.who = ears, who
        self.kind = b"C" if who == "customer" else b"A"
        self.transport: asyncio.DatagramTransport | None = None
        self.peers: dict[tuple[str, int], Leg] = {}
        self.sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 + FRAME // 2 or data[1] & 0x7F != PCMA:
            return
        now = time.time()
        leg = self.peers.get(addr)
        if leg is None:
            leg = self.peers[addr] = Leg(len(self.ears.legs) + 1, self.who, addr[1], now, now)
            self.ears.legs.append(leg)
        leg.last = now
        payload = data[12:]
        if payload.startswith(_MAGIC):
            _, kind, serial = _MARK.unpack_from(payload)
            heard = leg.voices.setdefault((kind.decode(), serial), Heard(first=now))
        elif payload.count(payload[:1]) == len(payload):
            heard = leg.silence
        else:
            heard = leg.sound
        heard.first = heard.first or now
        heard.frames += 1
        heard.last = now

    def speak(self, now: float) -> None:
        assert self.transport is not None
        self.sequence += 1
        for addr, leg in list(self.peers.items()):
            if now - leg.last > QUIET_S:
                del self.peers[addr]
                continue
            stamp = (self.sequence * FRAME * 5) & 0xFFFFFFFF
            head = struct.pack(
                "!BBHII", 0x80, PCMA, self.sequence & 0xFFFF, stamp, 0x0D000000 | leg.port
            )
            mark = _MARK.pack(_MAGIC, self.kind, leg.serial)
            self.transport.sendto(head + mark.ljust(FRAME, b"\x2a"), addr)


class Ears:
    """All ends of one bench: `ports` maps "customer" and each phone's name to its UDP port."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.legs: list[Leg] = []
        self._ends: list[_End] = []
        self._logs: dict[Path, int] = {}
        self._speaker: asyncio.Task[None] | None = None

    async def start(self, phones: list[str], logs: list[Path]) -> None:
        """`logs` are SIPp's, with a line `call ID user USER peer PORT at ... SECONDS` an INVITE."""
        self._logs = dict.fromkeys(logs, 0)
        loop = asyncio.get_running_loop()
        for who in ["customer", *phones]:
            transport, end = await loop.create_datagram_endpoint(
                lambda who=who: _End(self, who),  # type: ignore[misc]
                local_addr=("127.0.0.1", 0),
            )
            self.ports[who] = transport.get_extra_info("sockname")[1]
            self._ends.append(end)
        self._speaker = asyncio.create_task(self._speak(), name="ears")

    async def _speak(self) -> None:
        while True:
            self._end_old_legs()
            now = time.time()
            for end in self._ends:
                end.speak(now)
            await asyncio.sleep(EVERY_S)

    def _end_old_legs(self) -> None:
        for log, offset in self._logs.items():
            if not log.exists():
                continue
            with log.open("rb") as lines:
                lines.seek(offset)
                new = lines.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._logs[log] = offset + len(whole)
            for port, at in INVITE_LOGGED.findall(whole.decode()):
                for end in self._ends:
                    end.peers = {
                        addr: leg
                        for addr, leg in end.peers.items()
                        if addr[1] != int(port) or leg.began >= float(at)
                    }

    def stop(self) -> None:
        if self._speaker is not None:
            self._speaker.cancel()
        for end in self._ends:
            if end.transport is not None:
                end.transport.close()
        self._ends.clear()
