"""The forward policy as a `Pacer`: arrays in, lines and reasons out.

It learns the hazards of every stage by age (`hazards`), looks ahead at callers and agents
(`lookahead`), launches lines while their risk is worth its price (`decision`), and steers the
price by the account of abandons (`price`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dialer.pacing.decision import decide_lines
from dialer.pacing.gate import agents_on_floor, progressive_lines
from dialer.pacing.hazards import (
    A_ABANDONED,
    A_LIMIT,
    A_LIVE,
    DT,
    INSTANTS,
    MODE_OUTAGE,
    MODE_SPENT,
    S_ALLOWED,
    S_BUILT,
    S_CALLERS,
    S_DEAD,
    S_FREE,
    S_GIVE_UP,
    S_K,
    S_LAST,
    S_MODE,
    S_P_NEW,
    S_PENDING,
    S_RATE,
    S_RISK,
    S_SLACK,
    State,
    learn_given_up,
    learn_line,
    learn_ringing,
    learn_talk,
    learn_wrap,
    new_state,
)
from dialer.pacing.people import count_machine, count_served
from dialer.pacing.price import P_RING_LEAST, count_abandon, limit_of, prepare
from dialer.pacing.windows import Account, Judged
from dialer.snapshot import (
    Bound,
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    MachineServed,
    Observation,
    TalkEnded,
    WrapUpEnded,
)


class Forward:
    """The default pacer. It has no options to tune: `limit` (0.03 for 3 %) only matters without
    an account, `patience_s` is the law's."""

    name = "forward"

    def __init__(
        self, account: Account | None = None, *, limit: float = 0.03, patience_s: float = 2.0
    ) -> None:
        from dialer.pacing.pacer import PacerError

        if not 0 < limit < 1:
            raise PacerError(f"pacer forward: option limit must lie between 0 and 1, not {limit}")
        if not 0 <= patience_s <= 10:
            raise PacerError(
                f"pacer forward: option patience_s must lie between 0 and 10, not {patience_s}"
            )
        self.account = account
        self.patience_s = patience_s
        self.learned: State = new_state()
        prepare(self.learned, patience_s)
        self.learned.account[0, A_LIMIT] = limit

    def _read_account(self) -> None:
        if self.account is None:
            return
        account = self.learned.account
        standings = sorted(self.account.standings(), key=lambda s: s.left)[: len(account)]
        account[len(standings) :] = 0.0
        account[: len(standings)] = [
            (s.live, s.abandoned, s.window.limit, s.ahead, s.pace, *s.judged) for s in standings
        ]

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        if agents_on_floor(snapshot) == 0:
            old = sum(age >= snapshot.ring_least_s for age in snapshot.ringing)
            return Decision(0, Bound.NO_AGENTS, give_up=old)
        self._read_account()
        most = min(snapshot.lines_free, snapshot.leads_ready)
        self.learned.setting[P_RING_LEAST] = snapshot.ring_least_s
        rang = np.full(len(snapshot.detecting), -1.0)  # one for each: compiled code does not look
        told = snapshot.detecting_rang[: rang.size]
        rang[: len(told)] = told
        lines = int(
            decide_lines(
                self.learned,
                float(snapshot.now),
                int(snapshot.idle),
                np.asarray(snapshot.talking, dtype=np.float64),
                np.asarray(snapshot.wrapping, dtype=np.float64),
                np.asarray(snapshot.setting_up, dtype=np.float64),
                np.asarray(snapshot.ringing, dtype=np.float64),
                np.asarray(snapshot.detecting, dtype=np.float64),
                rang,
                len(snapshot.waiting),
                int(most),
                float(snapshot.share),
            )
        )
        scalar = self.learned.scalar
        bound = Bound.POLICY
        if scalar[S_MODE] == MODE_OUTAGE:
            bound = Bound.OUTAGE
        elif scalar[S_MODE] == MODE_SPENT and lines == progressive_lines(snapshot):
            live = float(self.learned.account[:, A_LIVE].max())
            bound = Bound.CAUTION if live < 1.0 / limit_of(self.learned) else Bound.PROGRESSIVE
        elif lines >= most:
            few = snapshot.leads_ready <= snapshot.lines_free
            bound = Bound.NO_LEADS if few else Bound.TRUNK
        return Decision(lines, bound, self._inputs(), int(scalar[S_GIVE_UP]))

    def _inputs(self) -> dict[str, float]:
        scalar = self.learned.scalar.tolist()
        return {
            "allowed": scalar[S_ALLOWED],
            "risk": scalar[S_RISK],
            "rate": scalar[S_RATE],
            "slack": scalar[S_SLACK],
            "calibration": scalar[S_K],
            "answer_rate": scalar[S_P_NEW],
            "agents_free_ahead": scalar[S_FREE],
            "callers_ahead": scalar[S_CALLERS],
            "ahead_s": float(self.learned.instant[INSTANTS // 2]),
        }

    def observe(self, fact: Observation) -> None:
        state = self.learned
        match fact:
            case LineRang(setup_s=setup_s):
                learn_ringing(state, float(setup_s))
            case LineEnded(end=LineEnd.GIVEN_UP, ring_s=ring_s):
                learn_given_up(state, float(ring_s or 0.0))
            case LineEnded(end=end, setup_s=setup_s, ring_s=ring_s, detect_s=detect_s):
                learn_line(
                    state,
                    float(setup_s),
                    -1.0 if ring_s is None else float(ring_s),
                    -1.0 if detect_s is None else float(detect_s),
                    end is LineEnd.LIVE,
                    end is LineEnd.MACHINE,
                )
            case TalkEnded(talk_s=talk_s):
                learn_talk(state, float(talk_s))
            case WrapUpEnded(wrap_s=wrap_s, to_break=to_break):
                learn_wrap(state, float(wrap_s), bool(to_break))
            case MachineServed(rang_s=rang_s):
                count_machine(state, _or_unknown(rang_s))
            case CallServed(waited_s=waited_s, rang_s=rang_s):
                count_served(state, _or_unknown(rang_s))
                self._count(1 if waited_s > self.patience_s else 0, rang_s)
            case CallerLeft():
                self._count(0)
            case CallAbandoned(rang_s=rang_s):
                self._count(1, rang_s)

    def _count(self, abandoned: int, rang_s: float | None = None) -> None:
        if abandoned:
            p, error = count_abandon(self.learned, _or_unknown(rang_s))
            if self.account is not None:
                doubt = p * (1.0 - p)
                self.account.judge(Judged(abandoned=1.0, machines=p, doubt=doubt, error=error))
        if self.account is None:
            self.learned.account[0, A_LIVE] += 1
            self.learned.account[0, A_ABANDONED] += abandoned

    def state(self) -> dict[str, Any]:
        return {
            "version": 3,
            "dt": DT,
            "judged": [] if self.account is None else self.account.judgements(),
            **{name: getattr(self.learned, name).tolist() for name in _KEPT},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        if state.get("version") != 3 or state.get("dt") != DT:
            return
        taken = {}
        for name in _KEPT:
            mine = getattr(self.learned, name)
            given = np.asarray(state.get(name, ()), dtype=np.float64)
            if given.shape != mine.shape or not np.isfinite(given).all():
                return
            taken[name] = given
        if self.account is not None:
            self.account.rejudge(state.get("judged", ()))
        for name, given in taken.items():
            getattr(self.learned, name)[:] = given
        scalar = self.learned.scalar
        scalar[S_LAST] = scalar[S_BUILT] = -1e18  # another clock, and nobody on the floor yet
        scalar[S_PENDING] = scalar[S_DEAD] = 0.0


_KEPT = (
    "scalar",
    "line_exposure",
    "line_exits",
    "talk_exposure",
    "talk_exits",
    "wrap_exposure",
    "wrap_exits",
    "calls",
)


def _or_unknown(seconds: float | None) -> float:
    return -1.0 if seconds is None else float(seconds)


def warm_up() -> None:
    """Compile everything a decision needs, or load it from the cache: to be done at installation
    and before the first campaign, because compiling takes the better part of a minute once."""
    pacer = Forward()
    facts: tuple[Observation, ...] = (
        LineRang(1.0),
        LineEnded(LineEnd.LIVE, 1.0, 5.0, 1.0),
        LineEnded(LineEnd.GIVEN_UP, 1.0, 15.0),
        CallServed(0.0, 5.0),
        TalkEnded(60.0),
        WrapUpEnded(10.0),
        MachineServed(),
        CallAbandoned(),
    )
    for fact in facts:
        pacer.observe(fact)
    pacer.decide(
        FloorSnapshot(now=0.0, campaign="", idle=1, talking=(1.0,), lines_free=1, leads_ready=1)
    )
