"""The PBX's AMI users, as asterisk-config's manager.conf has them: one for commands, one for
events, neither allowed more than its link needs.
"""

from __future__ import annotations

from dataclasses import dataclass

# Never made at all, for nobody (disabledevents).
DISABLED = frozenset(
    {
        "VarSet",
        "Newexten",
        "RTCPSent",
        "RTCPReceived",
        "NewConnectedLine",
        "NewCallerid",
        "MusicOnHoldStart",
        "MusicOnHoldStop",
    }
)

CONTRACT_EVENTS = frozenset(
    {
        "FullyBooted",
        "Shutdown",
        "DialBegin",
        "DialState",
        "DialEnd",
        "Newstate",
        "OriginateResponse",
        "HangupRequest",
        "Hangup",
        "BridgeEnter",
        "BridgeLeave",
        "UserEvent",
    }
)

ALL = frozenset({"system", "call", "user", "originate", "reporting", "command"})


@dataclass(frozen=True, slots=True)
class User:
    """`read` and `write` are AMI classes; `events` the include filters, None for no filter."""

    name: str
    secret: str
    read: frozenset[str] = ALL
    write: frozenset[str] = ALL
    events: frozenset[str] | None = None


def contract_users(cmd_secret: str, evt_secret: str) -> tuple[User, User]:
    """The two users the dialer logs in as."""
    return (
        User(
            "overdial-cmd",
            cmd_secret,
            read=frozenset({"system"}),
            write=frozenset({"originate", "call", "reporting"}),
            events=frozenset({"FullyBooted", "Shutdown"}),
        ),
        User(
            "overdial-evt",
            evt_secret,
            read=frozenset({"system", "call", "user"}),
            write=frozenset({"reporting"}),
            events=CONTRACT_EVENTS,
        ),
    )
