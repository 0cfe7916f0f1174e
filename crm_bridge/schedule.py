"""When to try again, and whether: pure rules over an answer.

The schedule is the one Standard Webhooks recommends: 76 hours from the first attempt to the last.
Jitter only adds, so that it never falls below three days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

_M, _H = 60.0, 3600.0
RETRY_AFTER_S: tuple[float, ...] = (
    5.0, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H, 14 * _H, 20 * _H, 24 * _H,
)  # fmt: skip
JITTER = 0.2  # share of the wait that chance may add: keeps many keys from returning together
RETRY_AFTER_MAX_S = 24 * _H  # no receiver may put us off longer than the schedule itself would
_THROTTLING = frozenset({429, 503})  # the answer is about us, not about this one message
# The answer is about this one message: who gives it is well, and takes the next.
_ABOUT_IT = frozenset({400, 409, 411, 412, 413, 414, 415, 422})
_NOT_THERE = 404  # a connector's record is not there; of a plain webhook it is the address


class Verdict(StrEnum):
    DELIVERED = "delivered"
    RETRY = "retry"
    EXHAUSTED = "exhausted"  # the schedule is over: a dead letter
    GONE = "gone"  # 410: the endpoint wants nothing more


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt. `status` None: no HTTP answer, and `error` says why.

    `accepted` is a connector's own judgement of the answer; None leaves it to the status.
    `excerpt` is the beginning of an answer that was no success. `unmade`: no request was made of
    the message, and nobody was asked. `final`: only a person may have it tried again.
    """

    status: int | None
    error: str = ""
    retry_after_s: float | None = None
    accepted: bool | None = None
    excerpt: bytes = b""
    unmade: bool = False
    final: bool = False

    @property
    def ok(self) -> bool:
        if self.accepted is not None:
            return self.accepted
        return self.status is not None and 200 <= self.status < 300

    @property
    def about_it(self) -> bool:
        """A failure of this message alone: others to the same endpoint may well succeed."""
        if self.unmade or self.status is None:
            return self.unmade
        if self.accepted is not None and (200 <= self.status < 300 or self.status == _NOT_THERE):
            return True
        return self.status in _ABOUT_IT

    @property
    def why(self) -> str:
        if self.status is None or self.error:
            return self.error
        if 300 <= self.status < 400:
            return f"HTTP {self.status}: redirects are not followed; give the final URL"
        return f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    wait_s: float = 0.0  # until the next attempt of this message
    pause_s: float = 0.0  # until the next attempt of any message


def judge(answer: Answer, attempts: int, schedule: Sequence[float], chance: float) -> Judgement:
    """What to do after an attempt; `attempts` counts it, `chance` is uniform on [0, 1)."""
    if answer.ok:
        return Judgement(Verdict.DELIVERED)
    if answer.status == 410 and answer.accepted is None:  # of one record it says nothing of others
        return Judgement(Verdict.GONE)
    asked = min(answer.retry_after_s or 0.0, RETRY_AFTER_MAX_S)
    pause = asked if answer.status in _THROTTLING else 0.0
    if attempts > len(schedule) or answer.final:
        return Judgement(Verdict.EXHAUSTED, pause_s=pause)
    wait = schedule[attempts - 1] * (1.0 + JITTER * chance)
    return Judgement(Verdict.RETRY, max(wait, asked), pause)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds a Retry-After header asks for (number or HTTP date); None when it says nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
