"""One campaign's pacing, put together: pacer, account of abandons, gate and trace.

The shell owns one `Governor` per campaign, feeds it every observation with the civil time it
happened at, and asks it for lines; the answer is already lowered by the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dialer.pacing.gate import gate
from dialer.pacing.pacer import Pacer, make_pacer
from dialer.pacing.trace import DecisionTrace
from dialer.pacing.windows import Account, Judged
from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    MachineServed,
    Observation,
)


class Governor:
    """`civil_s` is the campaign's wall clock as in `dialer.pacing.windows`."""

    def __init__(
        self,
        pacer: Pacer | str,
        account: Account,
        options: Mapping[str, Any] | None = None,
        *,
        patience_s: float = 2.0,
        trace: DecisionTrace | None = None,
    ) -> None:
        self.account = account
        self.pacer = make_pacer(pacer, options, account) if isinstance(pacer, str) else pacer
        self.patience_s = patience_s
        self.trace = trace if trace is not None else DecisionTrace()
        self.lines_max = 0  # lines of this campaign at once; 0: what the trunk carries
        self._pacers: dict[str, Pacer] = {pacer: self.pacer} if isinstance(pacer, str) else {}

    def use_pacer(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        """Go on with the pacer of that name. One that paced before has not forgotten what it knew,
        and has not learned meanwhile. Raises PacerError as `make_pacer` does."""
        if name not in self._pacers:
            self._pacers[name] = make_pacer(name, options, self.account)
        self.pacer = self._pacers[name]

    def observe(self, fact: Observation, civil_s: float) -> None:
        """Count for the law, then let the pacer learn. A call served late counts as abandoned."""
        match fact:
            case CallServed(waited_s=waited_s):
                self.account.add(civil_s, 1, 1 if waited_s > self.patience_s else 0)
                self.account.judge(Judged(served=1.0))
            case MachineServed():
                self.account.advance(civil_s)
                self.account.judge(Judged(found=1.0))
            case CallerLeft():
                self.account.add(civil_s, 1, 0)
            case CallAbandoned():
                self.account.add(civil_s, 1, 1)
            case _:
                pass
        self.pacer.observe(fact)

    def decide(self, snapshot: FloorSnapshot, civil_s: float) -> Decision:
        """Lines to launch now, after the gate; recorded in the trace."""
        self.account.advance(civil_s)
        if self.lines_max:
            free = min(snapshot.lines_free, max(0, self.lines_max - _lines(snapshot)))
            snapshot = replace(snapshot, lines_free=free)
        decision = gate(self.pacer.decide(snapshot), snapshot, self.account)
        self.trace.record(snapshot, decision, self.account.binding(), civil_s)
        return decision


def _lines(snapshot: FloorSnapshot) -> int:
    """Lines the campaign has under way."""
    return (
        len(snapshot.setting_up)
        + len(snapshot.ringing)
        + len(snapshot.detecting)
        + len(snapshot.waiting)
        + len(snapshot.talking)
    )
