"""Who is at the other end of a dialled line, and what they will do: the PBX's only question.

A `CalledParty` is a plan made before the first ring, so that a seed gives the same people to any
pacer. `Scripted` reads the plan from the last digits of the number, for tests that want a busy
line or an early hang-up; `simulator.pbx.people` draws it from a traffic model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol


class Answer(StrEnum):
    """What the far end finally says to the INVITE."""

    PICKED_UP = "picked up"  # 200
    REFUSED = "refused"  # a final status of 3xx to 6xx, in `sip_status`
    NOTHING = "nothing"  # rings, or keeps silent, until we give up


class Verdict(StrEnum):
    """AMDSTATUS. EMPTY is what a detection that failed leaves behind."""

    HUMAN = "HUMAN"
    MACHINE = "MACHINE"
    NOTSURE = "NOTSURE"
    EMPTY = ""


@dataclass(frozen=True, slots=True)
class CalledParty:
    """One called party's behaviour. All times in seconds; each counts from the stage before it."""

    answer: Answer = Answer.PICKED_UP
    setup_s: float = 0.3  # INVITE to the first 180 or 183 (or to the final answer, without one)
    ring_s: float | None = 3.0  # ringing before the final answer; None: no 180 is ever sent
    early_media: bool = False  # 183 with SDP in place of 180
    sip_status: int = 0  # for REFUSED
    bye_after_s: float | None = None  # hangs up so soon after the answer, whatever happens
    verdict: Verdict = Verdict.HUMAN
    verdict_cause: str = "HUMAN-500-500"
    detect_s: float = 1.5  # what AMD takes, when the campaign has it on
    talk_s: float = 60.0  # length of a conversation before this side hangs up
    patience_s: float | None = None  # hangs up so long after going live, unless bridged before
    machine: bool = False  # a machine picked up, whatever AMD makes of it
    wrap_up_s: float | None = None  # what the call costs an agent afterwards, for those who
    break_s: float = 0.0  # play agents: wrap-up, and a break after it
    tag: str = ""  # for those who watch: what the traffic model had in mind

    def __post_init__(self) -> None:
        if self.answer is Answer.REFUSED and not 300 <= self.sip_status < 700:
            raise ValueError(f"sip_status is {self.sip_status}; a refusal has 300 to 699")
        if self.setup_s < 0 or (self.ring_s or 0) < 0 or self.talk_s < 0:
            raise ValueError("setup_s, ring_s and talk_s must be 0 or more")


class Directory(Protocol):
    """Whom the PBX reaches. None: no such endpoint or nobody registered there."""

    def customer(self, number: str, trunk: str) -> CalledParty | None: ...

    def agent(self, phone: str) -> CalledParty | None: ...


AGENT_PHONE = CalledParty(setup_s=0.05, ring_s=0.2, talk_s=float("inf"), tag="agent")

_RINGS = 0.5  # seconds: long enough to see the 180, short enough for a test


def _refusing(status: int, *, ring_s: float | None = None) -> CalledParty:
    return CalledParty(Answer.REFUSED, setup_s=0.05, ring_s=ring_s, sip_status=status)


_PICKS_UP = CalledParty(setup_s=0.05, ring_s=_RINGS, tag="person")

BEHAVIOURS: Mapping[str, CalledParty] = {
    "100": CalledParty(Answer.NOTHING, setup_s=0.05, ring_s=None),
    "180": CalledParty(Answer.NOTHING, setup_s=0.05, ring_s=_RINGS),
    "183": replace(_PICKS_UP, early_media=True),
    "200": _PICKS_UP,
    "201": replace(_PICKS_UP, bye_after_s=0.0),
    "202": replace(_PICKS_UP, bye_after_s=0.03),
    "203": replace(
        _PICKS_UP,
        verdict=Verdict.MACHINE,
        verdict_cause="LONGGREETING-1500-1500",
        machine=True,
        tag="machine",
    ),
    "204": replace(_PICKS_UP, talk_s=1.0),
    "205": replace(_PICKS_UP, verdict=Verdict.NOTSURE, verdict_cause="TOOLONG-5000", detect_s=5.0),
    "206": replace(_PICKS_UP, verdict=Verdict.EMPTY, verdict_cause=""),
    "207": replace(_PICKS_UP, bye_after_s=1.0),
    "208": replace(_PICKS_UP, patience_s=0.5),
    "302": _refusing(302),
    "403": _refusing(403),
    "404": _refusing(404),
    "408": _refusing(408, ring_s=_RINGS),
    "410": _refusing(410),
    "480": _refusing(480, ring_s=_RINGS),
    "481": _refusing(480),
    "484": _refusing(484),
    "486": _refusing(486, ring_s=_RINGS),
    "488": _refusing(488),
    "500": _refusing(500),
    "503": _refusing(503),
    "600": _refusing(600),
    "603": _refusing(603, ring_s=_RINGS),
    "604": _refusing(604),
    "607": _refusing(607),
    "608": _refusing(608),
}
"""By the last three digits of the number: a SIP status means itself; 100 nothing at all answers,
180 rings for ever, 183 early media then an answer, 200 answers, 201/202/207 answers and hangs up
at once / after 30 ms / after 1 s, 203 a machine, 204 talks for 1 s only, 205/206 AMD is unsure /
says nothing, 208 waits 0.5 s at most, 481 is 480 without ringing."""


class Scripted:
    """A directory for tests: customers behave by the last three digits of their number.

    `exact` names whole numbers or phones and wins; an agent's phone answers unless it is in
    `unreachable`. A trunk that is not in `trunks` does not exist (None: every trunk does).
    """

    def __init__(
        self,
        exact: Mapping[str, CalledParty] | None = None,
        *,
        default: CalledParty = _PICKS_UP,
        trunks: frozenset[str] | None = None,
        unreachable: frozenset[str] = frozenset(),
    ) -> None:
        self.exact = dict(exact or {})
        self.default = default
        self.trunks = trunks
        self.unreachable = set(unreachable)

    def customer(self, number: str, trunk: str) -> CalledParty | None:
        if self.trunks is not None and trunk not in self.trunks:
            return None
        return self.exact.get(number) or BEHAVIOURS.get(number[-3:], self.default)

    def agent(self, phone: str) -> CalledParty | None:
        if phone in self.unreachable:
            return None
        return self.exact.get(phone, AGENT_PHONE)
