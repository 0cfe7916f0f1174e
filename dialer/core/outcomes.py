"""How an attempt ended, and the reading of it from Hangup's Cause and TechCause.

Neither OriginateResponse's Reason nor DialEnd's DialStatus can be believed: with PJSIP the first
is 0 for every refusal, and the second says NOANSWER for 404, 603 and 608 alike. The SIP status
(TechCause) is read first and Q.850 (Cause) second; both are stored raw.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """The one outcome of an attempt."""

    # answered
    CONNECTED = "connected"  # talked with an agent
    ABANDONED = "abandoned"  # live, and nobody took the call within the limit
    CALLER_LEFT = "caller left"  # live, and hung up before the limit and an agent
    MACHINE = "machine"
    # not answered
    NO_ANSWER = "no answer"
    UNREACHABLE = "unreachable"  # the network gave up without ringing
    BUSY = "busy"
    INVALID = "invalid"
    REJECTED = "rejected"
    BLOCKED_BY_USER = "blocked by user"  # 607, RFC 8197
    BLOCKED_ANALYTICS = "blocked by analytics"  # 608, RFC 8688
    REDIRECTED = "redirected"
    # the network's or our own fault: not held against the lead
    CONGESTION = "congestion"
    RATE_LIMITED = "rate limited"
    TRUNK_CONFIG = "trunk configuration"
    STIR = "caller id not attested"
    CANCELLED = "cancelled"  # we took it back before it rang
    FAILED_LOCAL = "failed on our PBX"
    LOST = "lost"  # the PBX or the link went away; what happened is not known

    @property
    def answered(self) -> bool:
        return self in _ANSWERED

    @property
    def live(self) -> bool:
        """Answered by a person, as far as anybody knows: the abandon rate's denominator."""
        return self in _LIVE

    @property
    def counts_for_lead(self) -> bool:
        """Whether this was an attempt to reach the lead, not a fault of ours or the network's."""
        return self not in _FAULTS


_LIVE = {Outcome.CONNECTED, Outcome.ABANDONED, Outcome.CALLER_LEFT}
_ANSWERED = _LIVE | {Outcome.MACHINE}
_FAULTS = {
    Outcome.CONGESTION,
    Outcome.RATE_LIMITED,
    Outcome.TRUNK_CONFIG,
    Outcome.STIR,
    Outcome.CANCELLED,
    Outcome.FAILED_LOCAL,
    Outcome.LOST,
}

# SIP final status -> outcome. 480 and 408 are decided by whether the phone rang.
_BY_SIP = {
    302: Outcome.REDIRECTED,
    401: Outcome.TRUNK_CONFIG,
    403: Outcome.REJECTED,
    404: Outcome.INVALID,
    407: Outcome.TRUNK_CONFIG,
    410: Outcome.INVALID,
    428: Outcome.STIR,
    429: Outcome.RATE_LIMITED,
    436: Outcome.STIR,
    437: Outcome.STIR,
    438: Outcome.STIR,
    484: Outcome.INVALID,
    485: Outcome.INVALID,
    486: Outcome.BUSY,
    488: Outcome.TRUNK_CONFIG,
    500: Outcome.CONGESTION,
    502: Outcome.CONGESTION,
    503: Outcome.CONGESTION,
    504: Outcome.CONGESTION,
    600: Outcome.BUSY,
    603: Outcome.REJECTED,
    604: Outcome.INVALID,
    606: Outcome.TRUNK_CONFIG,
    607: Outcome.BLOCKED_BY_USER,
    608: Outcome.BLOCKED_ANALYTICS,
}

_BY_Q850 = {
    1: Outcome.INVALID,
    3: Outcome.INVALID,
    17: Outcome.BUSY,
    20: Outcome.UNREACHABLE,
    21: Outcome.REJECTED,
    22: Outcome.INVALID,
    23: Outcome.REDIRECTED,
    27: Outcome.UNREACHABLE,
    28: Outcome.INVALID,
    34: Outcome.CONGESTION,
    38: Outcome.CONGESTION,
    41: Outcome.CONGESTION,
    42: Outcome.CONGESTION,
    44: Outcome.CONGESTION,
    58: Outcome.TRUNK_CONFIG,
    102: Outcome.CONGESTION,
}


def unanswered_outcome(cause: int | None, tech_cause: int | None, rang: bool) -> Outcome:
    """The outcome of a call that was never answered.

    `cause` and `tech_cause` as Hangup gave them, None where it gave none (no Hangup at all: the
    PBX never made a channel). `rang`: a 180 or 183 was seen. The table is section 4 of the
    Asterisk facts; docs/outcomes.md prints it.
    """
    if cause is None and tech_cause is None:
        return Outcome.FAILED_LOCAL
    if tech_cause in (408, 480):
        return Outcome.NO_ANSWER if rang else Outcome.UNREACHABLE
    if tech_cause is not None and tech_cause in _BY_SIP:
        return _BY_SIP[tech_cause]
    if cause in (18, 19):
        return Outcome.NO_ANSWER if rang else Outcome.UNREACHABLE
    if cause is not None and cause in _BY_Q850:
        return _BY_Q850[cause]
    if tech_cause is not None and 500 <= tech_cause < 600:
        return Outcome.CONGESTION
    return Outcome.NO_ANSWER if rang else Outcome.UNREACHABLE
