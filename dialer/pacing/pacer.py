"""The pacers' common face, the plain ones among them, and the factory.

A pacer sees a frozen floor and answers how many lines to launch now; what happened since is told
to it by `observe`. It keeps no clock: `snapshot.now` is its time. What it learned can be taken
out and put back as a plain JSON-able dict, so that a restart does not begin at nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any, Protocol

from dialer.pacing.erlang import load_for_loss
from dialer.pacing.gate import agents_on_floor, progressive_lines
from dialer.pacing.windows import Account
from dialer.snapshot import (
    Bound,
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    Observation,
    TalkEnded,
    WrapUpEnded,
)


class PacerError(ValueError):
    """A pacer was asked for that does not exist, or with options it does not have."""


class Pacer(Protocol):
    """A policy of dialling."""

    @property
    def name(self) -> str: ...

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        """How many lines to launch now; called at every tick and whenever the floor changed."""
        ...

    def observe(self, fact: Observation) -> None:
        """Learn from what happened. Told of everything, in order, also while not dialling."""
        ...

    def state(self) -> dict[str, Any]:
        """What was learned, as plain JSON-able values."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave; anything that does not fit is left as it was."""
        ...


class Progressive:
    """One line for each free agent: nobody is ever left without one, and agents wait for lines."""

    name = "progressive"

    def __init__(self, account: Account | None = None) -> None:
        self.account = account

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        return Decision(progressive_lines(snapshot), inputs={"idle": snapshot.idle})

    def observe(self, fact: Observation) -> None:
        """There is nothing to learn."""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """There is nothing to take back."""


class Ratio(Progressive):
    """A fixed number of lines for each free agent: the oldest way, kept as a yardstick."""

    name = "ratio"

    def __init__(self, account: Account | None = None, *, ratio: float = 2.0) -> None:
        super().__init__(account)
        if not 1 <= ratio <= 100:
            raise PacerError(f"pacer ratio: option ratio must lie between 1 and 100, not {ratio}")
        self.ratio = ratio

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        coming = lines_coming(snapshot) + len(snapshot.waiting)
        wanted = math.floor(self.ratio * snapshot.idle * snapshot.share)
        return Decision(
            max(0, wanted - coming),
            inputs={"idle": snapshot.idle, "coming": coming, "ratio": self.ratio},
        )


def lines_coming(snapshot: FloorSnapshot) -> int:
    return len(snapshot.setting_up) + len(snapshot.ringing) + len(snapshot.detecting)


class _Mean:
    """A mean that begins at a guess worth `weight` observations and forgets over `memory`."""

    def __init__(self, guess: float, weight: float, memory: float = 500.0) -> None:
        self.mean, self.seen, self._memory = guess, weight, memory

    def add(self, value: float) -> None:
        self.seen = min(self.seen + 1.0, self._memory)
        self.mean += (value - self.mean) / self.seen


TRIM_EVERY_S = 15.0
TRIM_GAIN = 0.1
TRIM_FLOOR, TRIM_CEILING = 0.2, 2.0
LIVE_BEFORE_TRIM = 30  # answers before the realised rate says anything


class ErlangC:
    """The steady-state dial level from Erlang's formulas, trimmed by the abandon rate.

    The level is the heaviest load of live answers at which at most `limit` of the callers would
    wait longer than their patience, were they a Poisson stream (M/M/n+D). It is kept up by
    holding (load / handling time) x (line's life) / (answer rate) lines under way, more or fewer
    by how many agents are free above what the level expects. An integral controller trims the
    level by the realised rate. It knows no ages and no single line: a yardstick for `forward`.
    """

    name = "erlang_c"

    def __init__(
        self, account: Account | None = None, *, limit: float = 0.03, patience_s: float = 2.0
    ) -> None:
        self.account = account
        if not 0 < limit < 1:
            raise PacerError(f"pacer erlang_c: option limit must lie between 0 and 1, not {limit}")
        if not 0 < patience_s <= 60:
            raise PacerError(
                f"pacer erlang_c: option patience_s must lie between 0 and 60, not {patience_s}"
            )
        self.limit, self.patience_s = limit, patience_s
        self._answers = _Mean(0.5, 20)  # high at first: cautious
        self._life = _Mean(15.0, 20)
        self._talk = _Mean(120.0, 5)
        self._wrap = _Mean(20.0, 5)
        self.trim = 1.0
        self._trimmed_at: float | None = None
        self._live = self._abandoned = 0
        self._level: tuple[int, float, float] = (0, 0.0, 0.0)  # agents, patience, load

    def _load(self, agents: int, handle_s: float) -> float:
        patience = round(self.patience_s / handle_s, 3)
        if self._level[:2] != (agents, patience):
            self._level = (agents, patience, load_for_loss(agents, patience, self.limit))
        return self._level[2]

    def _retrim(self, now: float) -> None:
        if self._trimmed_at is None:
            self._trimmed_at = now
        if now - self._trimmed_at < TRIM_EVERY_S:
            return
        self._trimmed_at = now
        live, abandoned = self._live, self._abandoned
        if self.account is not None:
            binding = self.account.binding()
            live, abandoned = binding.live, binding.abandoned
        if live >= LIVE_BEFORE_TRIM:
            off = (self.limit - abandoned / live) / self.limit
            self.trim *= 1.0 + TRIM_GAIN * max(-2.0, min(1.0, off))
            self.trim = max(TRIM_FLOOR, min(TRIM_CEILING, self.trim))

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        self._retrim(snapshot.now)
        agents = agents_on_floor(snapshot) * snapshot.share
        whole = max(1, int(agents))
        if agents == 0:
            return Decision(0, Bound.NO_AGENTS)
        handle_s = self._talk.mean + self._wrap.mean
        load = self._load(whole, handle_s)
        answers = max(0.01, self._answers.mean)
        free_above = snapshot.idle * snapshot.share - len(snapshot.waiting) - (whole - load)
        answers_wanted = self.trim * load * self._life.mean / handle_s + max(
            free_above, -load * self._life.mean / handle_s
        )
        wanted = answers_wanted / answers
        coming = lines_coming(snapshot)
        return Decision(
            max(0, math.floor(wanted) - coming),
            inputs={
                "agents": agents,
                "idle": snapshot.idle,
                "coming": coming,
                "answer_rate": answers,
                "handle_s": handle_s,
                "line_life_s": self._life.mean,
                "load": load,
                "trim": self.trim,
                "lines_wanted": wanted,
            },
        )

    def observe(self, fact: Observation) -> None:
        match fact:
            case LineEnded(end=end, setup_s=setup_s, ring_s=ring_s, detect_s=detect_s):
                self._answers.add(1.0 if end is LineEnd.LIVE else 0.0)
                self._life.add(setup_s + (ring_s or 0.0) + (detect_s or 0.0))
            case TalkEnded(talk_s=talk_s):
                self._talk.add(talk_s)
            case WrapUpEnded(wrap_s=wrap_s):
                self._wrap.add(wrap_s)
            case CallServed() | CallerLeft():
                self._live += 1
            case CallAbandoned():
                self._live += 1
                self._abandoned += 1
            case _:
                pass

    def state(self) -> dict[str, Any]:
        means = {"answers": self._answers, "life": self._life, "talk": self._talk}
        means["wrap"] = self._wrap
        kept: dict[str, Any] = {name: [m.mean, m.seen] for name, m in means.items()}
        return {**kept, "trim": self.trim, "live": self._live, "abandoned": self._abandoned}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, mean in (
            ("answers", self._answers),
            ("life", self._life),
            ("talk", self._talk),
            ("wrap", self._wrap),
        ):
            match state.get(name):
                case [float(value), float(seen)] if value >= 0 and seen > 0:
                    mean.mean, mean.seen = value, seen
        match state:
            case {"trim": float(trim), "live": int(live), "abandoned": int(abandoned)}:
                self.trim = max(TRIM_FLOOR, min(TRIM_CEILING, trim))
                self._live, self._abandoned = live, abandoned


def _forward() -> Callable[..., Pacer]:
    from dialer.pacing.forward import Forward  # compiled: loaded when asked for

    return Forward


PACERS: dict[str, Callable[[], Callable[..., Pacer]]] = {
    "forward": _forward,
    "erlang_c": lambda: ErlangC,
    "ratio": lambda: Ratio,
    "progressive": lambda: Progressive,
}
DEFAULT_PACER = "forward"


def known_options(
    name: str, maker: Callable[..., object], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of the pacer that `maker` makes, with their defaults. Raises PacerError when
    `options` has another."""
    known = {
        p.name: p.default for p in signature(maker).parameters.values() if p.kind is p.KEYWORD_ONLY
    }
    for option in options:
        if option not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none"
            raise PacerError(f"pacer {name} has no option {option!r}; {has}")
    return known


def make_pacer(
    name: str = DEFAULT_PACER,
    options: Mapping[str, Any] | None = None,
    account: Account | None = None,
) -> Pacer:
    """The pacer of that name. `account` is the campaign's account of abandons, which it reads
    and never writes; without one it keeps its own counts from what it observes.

    Raises PacerError for a name or an option that does not exist.
    """
    try:
        maker = PACERS[name]()
    except KeyError:
        known = ", ".join(PACERS)
        raise PacerError(f"there is no pacer {name!r}; choose one of: {known}") from None
    known_options(name, maker, options or {})
    for option, value in (options or {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PacerError(f"pacer {name}: option {option} must be a number, not {value!r}")
    return maker(account, **dict(options or {}))
