"""Whether and when a lead is called again after an outcome. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialer.core.outcomes import Outcome
from dialer.store.policy import NextStep

_MINUTE_S = 60.0
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Again `after_s`, until `ends_max` attempts on the lead have ended so. 0: never again.

    `next_phone`: on the lead's next number. `phone_bad`: the number called is no number.
    """

    after_s: float = 0.0
    ends_max: int = 0
    next_phone: bool = False
    phone_bad: bool = False


NEVER = RetryRule()

# What a campaign does not say. Sources: the outcome table of the Asterisk facts for what may be
# retried at all; 72 h after an abandoned call and 24 h after a machine are Ofcom's; the rest is
# custom of the trade, made for collections.
DEFAULTS: Mapping[Outcome, RetryRule] = {
    Outcome.CONNECTED: NEVER,  # the agent's disposition decides
    Outcome.ABANDONED: RetryRule(72 * _HOUR_S, 2),
    Outcome.CALLER_LEFT: RetryRule(4 * _HOUR_S, 2),
    Outcome.MACHINE: RetryRule(24 * _HOUR_S, 4, next_phone=True),
    Outcome.NO_ANSWER: RetryRule(4 * _HOUR_S, 5, next_phone=True),
    Outcome.UNREACHABLE: RetryRule(12 * _HOUR_S, 3, next_phone=True),
    Outcome.BUSY: RetryRule(15 * _MINUTE_S, 5),
    Outcome.INVALID: RetryRule(0.0, 0, next_phone=True, phone_bad=True),
    Outcome.REJECTED: RetryRule(24 * _HOUR_S, 2),
    Outcome.BLOCKED_BY_USER: NEVER,
    Outcome.BLOCKED_ANALYTICS: RetryRule(24 * _HOUR_S, 2),
    Outcome.REDIRECTED: NEVER,
    Outcome.CONGESTION: RetryRule(5 * _MINUTE_S, 20),
    Outcome.RATE_LIMITED: RetryRule(5 * _MINUTE_S, 20),
    Outcome.TRUNK_CONFIG: RetryRule(30 * _MINUTE_S, 20),
    Outcome.STIR: RetryRule(30 * _MINUTE_S, 20),
    Outcome.CANCELLED: RetryRule(1 * _MINUTE_S, 100),
    Outcome.FAILED_LOCAL: RetryRule(5 * _MINUTE_S, 20),
    # Nobody saw how it ended; the person may be talking still. Longer than any conversation.
    Outcome.LOST: RetryRule(2 * _HOUR_S, 5),
}

_DONE = {
    Outcome.CONNECTED: "reached",
    Outcome.INVALID: "no such number",
    Outcome.REDIRECTED: "redirected",
    Outcome.BLOCKED_BY_USER: "blocked by the called party",
}


def next_step(
    rules: Mapping[Outcome, RetryRule],
    attempts_max: int,
    outcome: Outcome,
    ended: Mapping[str, int],
    now: datetime,
) -> NextStep:
    """What comes after an attempt that ended in `outcome` at `now`.

    `ended` counts the lead's ended attempts by outcome, this one included. `attempts_max` counts
    only attempts that tried to reach the lead, not faults of ours or of the network.
    """
    rule = rules[outcome]
    if rule.phone_bad:
        # The store goes to the next good number at once, and ends the lead when there is none.
        again = now if rule.next_phone else None
        return NextStep(again, _DONE.get(outcome, ""), next_phone=rule.next_phone, phone_bad=True)
    if ended.get(outcome.value, 0) >= max(1, rule.ends_max):
        reached = outcome is Outcome.CONNECTED
        why = _DONE.get(outcome, f"too often: {outcome.value}")
        return NextStep(None, why, exhausted=not reached)
    tried = sum(count for how, count in ended.items() if Outcome(how).counts_for_lead)
    if tried >= attempts_max:
        return NextStep(None, f"tried {tried} times", exhausted=True)
    return NextStep(now + timedelta(seconds=rule.after_s), next_phone=rule.next_phone)
