"""Every scene recorded from real Asterisk 22, played again against the simulated PBX: the same
messages with the same headers in the same order and the same meaning.

What may differ, because it differs from run to run of Asterisk itself, is left out: instants, ids
of bridges, suffixes of channels, the order of lists, and within a moment the order of
OriginateResponse, Newstate, DialState, DialEnd, HangupRequest and Hangup.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.ami.virtual import virtual
from tests.asterisk.floor import Floor
from tests.recorded.record import SCENES
from tests.simulator.bench import ACK_LATE_S, ACK_S, SimulatedBench

RECORDED = Path(__file__).resolve().parents[1] / "recorded"

# These may overtake each other and their neighbours.
LOOSE = {
    *("DialBegin", "OriginateResponse", "Newstate", "DialState", "DialEnd", "HangupRequest"),
    *("Hangup", "Shutdown"),
}
# Values that are not the same twice, or that belong to the installation.
VARYING = {
    *("Timestamp", "Uptime", "LastReload", "Duration", "Seconds", "CoreProcessedCalls"),
    *("CoreStartupDate", "CoreStartupTime", "CoreReloadDate", "CoreReloadTime", "AsteriskVersion"),
    *("BridgeUniqueid", "BridgeId", "BridgeID", "ActionID", "Shutdown"),
}
MEDIA = {"Nativeformats", "Readformat", "Readtrans", "Writeformat", "Writetrans"}  # there is none
SUFFIX = re.compile(r"(PJSIP/[^-]+|Local/\S+?)-[0-9a-f]{8}")
MADE_UP_ID = re.compile(r"^\d{1,12}\.\d+$")

Shape = tuple[tuple[str, str], ...]


def shapes(stream: bytes) -> list[Shape]:
    """Each message as its headers in order, with what varies blanked."""
    found = []
    blocks = stream.decode().split("\r\n\r\n")
    assert blocks.pop() == ""
    for block in blocks:
        headers = []
        dial_state = block.startswith(("Event: DialState\r\n", "Event: DialBegin\r\n"))
        asked = block.startswith("Event: HangupRequest\r\n")
        for line in block.split("\r\n"):
            key, _, value = line.partition(": ")
            value = SUFFIX.sub(r"\1", value)
            if key in VARYING or MADE_UP_ID.match(value):
                value = "*" if value else ""
            if key in MEDIA:
                value = "*"
            if dial_state and key.startswith("DestChannelState"):
                value = "*"  # they may come before or after a change of the state
            if asked and key.startswith(("ChannelState", "Context", "Priority")):
                value = "*"  # likewise, and before or after the dialplan's first step
            headers.append((key, value))
        found.append(tuple(headers))
    return found


def event(shape: Shape) -> str:
    return dict(shape).get("Event", "")


def ordered(stream: list[Shape]) -> list[Shape]:
    """What has a fixed order; runs of a list's items sorted, as Asterisk lists by hash."""
    kept = [shape for shape in stream if event(shape) not in LOOSE]
    items = ("CoreShowChannel", "BridgeListItem", "BridgeInfoChannel")
    out: list[Shape] = []
    run: list[Shape] = []
    for shape in kept:
        if event(shape) in items:
            run.append(shape)
            continue
        out += sorted(run)
        run = []
        out.append(shape)
    return out + sorted(run)


def unordered_resync(stream: list[Shape]) -> list[Shape]:
    """BridgeInfo is asked in the order of BridgeList, so its answers come in any order too."""
    return sorted(stream)


# Both were recorded, from one run to the next.
EITHER_WAY = {"answer-then-bye-at-once": (ACK_S, ACK_LATE_S)}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", sorted(SCENES))
def test_says_what_asterisk_said(name: str, seed: int) -> None:
    differences = [difference(name, seed, ack_s) for ack_s in EITHER_WAY.get(name, (ACK_S,))]
    assert "" in differences, differences


def difference(name: str, seed: int, ack_s: float) -> str:
    """Play a scene; how it differs from the recording, empty when it does not."""
    found: list[str] = []

    @virtual
    async def play() -> None:
        behaviour = {"agent03": "busy", "agent04": "rings"}
        async with (
            SimulatedBench(4, behaviour, seed=seed, ack_s=ack_s) as bench,
            Floor(bench) as floor,  # type: ignore[arg-type]
        ):
            await SCENES[name](floor)
            await asyncio.sleep(0.3)  # what still comes after the last event waited for
            for link, stream in (("evt", floor.evt.raw), ("cmd", floor.cmd.raw)):
                here = shapes(bytes(stream))
                there = shapes((RECORDED / f"{name}.{link}.ami").read_bytes())
                more, less = Counter(here) - Counter(there), Counter(there) - Counter(here)
                order = unordered_resync if name == "resync" else ordered
                if more + less:
                    found.append(f"{name}.{link}: only here {more}, only there {less}")
                elif order(here) != order(there):
                    found.append(f"{name}.{link}: another order")

    play()
    return "; ".join(found)
