"""One campaign's pacing, put together: pacer, account of abandons, gate and trace.

The shell owns one `Governor` per campaign, feeds it every observation with the civil time it
happened at, and asks it for lines; the answer is already lowered by the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dialer.pacing.gate import gate
from dialer.pacing.pacer import Pacer, make_pacer
from dialer.pacing.trace import DecisionTrace
from dialer.pacing.windows import Account
from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
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

    def observe(self, fact: Observation, civil_s: float) -> None:
        """Count for the law, then let the pacer learn. A call served late counts as abandoned."""
        match fact:
            case CallServed(waited_s=waited_s):
                self.account.add(civil_s, 1, 1 if waited_s > self.patience_s else 0)
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
        decision = gate(self.pacer.decide(snapshot), snapshot, self.account)
        self.trace.record(snapshot, decision, self.account.binding(), civil_s)
        return decision
