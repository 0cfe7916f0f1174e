"""The gate between a pacer's wish and the lines: it can only lower the number of new ones. Lines to
be given up pass as they are.

Whatever a pacer asks for, no more lines leave than leads, trunks and the law allow, and the
decision names what held it.
"""

from __future__ import annotations

from dataclasses import replace

from dialer.pacing.windows import Account
from dialer.snapshot import Bound, Decision, FloorSnapshot


def progressive_lines(snapshot: FloorSnapshot) -> int:
    """Lines that keep one on its way for each free agent, and none more."""
    coming = (
        len(snapshot.setting_up)
        + len(snapshot.ringing)
        + len(snapshot.detecting)
        + len(snapshot.waiting)
    )
    return max(0, int(snapshot.idle * snapshot.share) - coming)


def agents_on_floor(snapshot: FloorSnapshot) -> int:
    return snapshot.idle + len(snapshot.talking) + len(snapshot.wrapping)


def gate(decision: Decision, snapshot: FloorSnapshot, account: Account | None = None) -> Decision:
    """The decision, lowered to what is allowed. Never raises the number of lines."""
    lines, bound = max(0, decision.lines), decision.bound
    if agents_on_floor(snapshot) == 0:
        caps = [(0, Bound.NO_AGENTS)]
    else:
        caps = [(snapshot.leads_ready, Bound.NO_LEADS), (snapshot.lines_free, Bound.TRUNK)]
        if account is not None and account.spent:
            caps.append((progressive_lines(snapshot), Bound.PROGRESSIVE))
    for cap, why in caps:
        if lines > cap:
            lines, bound = max(0, cap), why
    if (lines, bound) == (decision.lines, decision.bound):
        return decision
    return replace(
        decision, lines=lines, bound=bound, inputs={**decision.inputs, "wished": decision.lines}
    )
