"""A lead's way through its strategy: one pure function, `advance`. Times are UTC milliseconds.

A lead is at one step at most, because its position is one row; an action that opens something
(calls, a task) is matched by the one that ends it. What ends the strategy wins over everything, and
what nobody may undo (cease, paid, do not call) stays. Time goes forward only: an event from before
the step's beginning counts as of that beginning.

What each phase does with each event (docs/strategies.md has it as a table for people):

    EXCLUDED  nothing, until its inputs change
    WAITING   Due: the step begins
    VOICE     Tried: again, the next number, the next round, or the step is over; Due: it is over
    TALKED    Disposed: as the agent said; Due: nobody said anything, the step is over
    TASK      TaskDone, Due: the step is over
    HELD      Due, or the event that lifts it: the step begins anew
    ENDED     an agent or the CRM asks for a call: the lead is called once more; else nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dialer.campaigns.lead import PRIORITY_MAX
from dialer.campaigns.strategy.model import (
    Channel,
    Do,
    Step,
    Tactic,
    Treatment,
    Trigger,
    TriggerRule,
)
from dialer.campaigns.strategy.place import Strategy, place
from dialer.campaigns.strategy.predicate import matches
from dialer.campaigns.strategy.values import Values
from dialer.core.outcomes import Outcome
from dialer.store.schema import Phase

WORD_LIMIT_S = 3600.0  # an agent's word comes within minutes, or it does not come
THROUGH = "the strategy is through"
FINAL = {Trigger.CEASE: "cease", Trigger.PAID: "paid"}
DO_NOT_CALL = "do not call"
_FINAL_WHYS = frozenset({*FINAL.values(), DO_NOT_CALL})
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lead is. `attempts` count in the treatment, `tries` in the step; `boost` is levels of
    priority that events added."""

    phase: Phase
    account: str  # what the split hashes
    inputs: Values
    segment: str = ""
    arm: str = ""
    treatment: str = ""
    step: str = ""
    why: str = ""
    begun_ms: int = 0
    entered_ms: int = 0
    due_ms: int | None = None
    attempts: int = 0
    tries: int = 0
    round: int = 1
    boost: int = 0


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Placed:
    """The lead is new, or its segment is to be found anew."""


@dataclass(frozen=True, slots=True)
class Due:
    """`due_ms` has come."""


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt ended. `ended`: the step's attempts by outcome, this one included. `last_phone`:
    after this number the first one comes again. `phone_left`: there is a number that may be called.
    """

    outcome: Outcome
    ended: Mapping[str, int]
    last_phone: bool = True
    phone_left: bool = True


@dataclass(frozen=True, slots=True)
class Disposed:
    """An agent's word on a call. What the campaign's disposition itself says: `call_at_ms`, a call
    at that time; `done`, no further call; `hold`, a person sees to it; none of these: the outcome
    decides. `suppress`: never again.
    `promised_ms`: it is a promise for this day."""

    code: str
    category: str
    call_at_ms: int | None = None
    done: bool = False
    suppress: bool = False
    hold: bool = False
    promised_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happened to the account. `call_at_ms`: when the CRM wants it called.
    `promised_ms`: the day that was promised."""

    what: Trigger
    call_at_ms: int | None = None
    promised_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """The lead's fields are others now."""

    inputs: Values


@dataclass(frozen=True, slots=True)
class TaskDone:
    """Somebody did what there was to do."""

    why: str


Event = Placed | Due | Tried | Disposed | Happened | Changed | TaskDone

# --- actions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """The lead may be called from `at_ms` on, by the tactic of the position's step. `next_phone`:
    on its next number; `first_phone`: on the tactic's first, and in the step's own mode and queue.
    """

    at_ms: int
    next_phone: bool = False
    first_phone: bool = False


@dataclass(frozen=True, slots=True)
class Rest:
    """The lead is not called until the strategy says so."""

    why: str


@dataclass(frozen=True, slots=True)
class Close:
    """The lead is done. `exhausted`: because nothing is left to try."""

    why: str
    exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """The CRM hears `action` in the step named."""

    step: str
    action: str
    template: str = ""


@dataclass(frozen=True, slots=True)
class OpenTask:
    step: str
    queue: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class CloseTask:
    why: str


@dataclass(frozen=True, slots=True)
class SetPriority:
    """The store's level, 0 to 9."""

    level: int


Action = Dial | Rest | Close | Tell | OpenTask | CloseTask | SetPriority


@dataclass(slots=True)
class _Walk:
    """One call of `advance`: the position as it becomes, and what is to be done."""

    plan: Strategy
    at: Position
    now: int
    actions: list[Action]

    @property
    def treatment(self) -> Treatment | None:
        return self.plan.file.treatments.get(self.at.treatment)

    @property
    def step(self) -> Step | None:
        treatment = self.treatment
        n = None if treatment is None else treatment.by_id.get(self.at.step)
        return None if treatment is None or n is None else treatment.steps[n]

    def do(self, *actions: Action) -> None:
        self.actions.extend(actions)

    def set(self, **values: Any) -> None:
        self.at = replace(self.at, **values)

    def matches(self, when: Any) -> bool:
        return matches(when, self.plan.facts(self.at.inputs, self.now // _DAY_MS))


def advance(
    plan: Strategy, position: Position, event: Event, now: int
) -> tuple[Position, tuple[Action, ...]]:
    """The position after an event, and what is to be done. Total: an event that means nothing in a
    phase changes nothing."""
    walk = _Walk(plan, position, max(now, position.entered_ms), [])
    match event:
        case Placed():
            _place(walk)
        case Happened():
            _happened(walk, event)
        case Disposed():
            _disposed(walk, event)
        case Changed():
            _changed(walk, event)
        case Tried():
            _tried(walk, event)
        case TaskDone():
            if position.phase is Phase.TASK:
                _over(walk, event.why)
        case Due():
            _due(walk)
    return walk.at, tuple(walk.actions)


def tactic_of(plan: Strategy, position: Position) -> Tactic | None:
    """How the lead is called now; None: it is not called by a step."""
    treatment = plan.file.treatments.get(position.treatment)
    if treatment is None or position.step not in treatment.by_id:
        return None
    step = treatment.steps[treatment.by_id[position.step]]
    return None if step.tactic is None else plan.file.tactics[step.tactic]


# --- beginnings and ends --------------------------------------------------------------------------


def _place(walk: _Walk) -> None:
    """Into a segment, as if the lead were new; what it added to its priority stays."""
    _leave(walk, "placed anew")
    found = place(walk.plan, walk.at.inputs, walk.now // _DAY_MS, walk.at.account)
    _set_level(walk, found.level)
    walk.set(segment=found.segment, arm=found.arm, treatment=found.treatment, attempts=0)
    walk.set(begun_ms=walk.now)
    if found.excluded:
        walk.set(phase=Phase.EXCLUDED, step="", why=found.excluded, due_ms=None)
        walk.set(entered_ms=walk.now, tries=0, round=1)
        walk.do(Rest(found.excluded))
        return
    _enter(walk, walk.plan.file.treatments[found.treatment].steps[0].id, walk.now)


def _set_level(walk: _Walk, level: int | None) -> None:
    if level is not None:
        walk.do(SetPriority(max(0, min(PRIORITY_MAX, level + walk.at.boost))))


def _enter(walk: _Walk, step_id: str, begin: int) -> None:
    """Go to a step, which begins at `begin` and its own `before`. Steps that are over at once are
    walked through; the graph of steps has no cycle, so this ends."""
    treatment = walk.treatment
    assert treatment is not None
    while step_id:
        step = treatment.steps[treatment.by_id[step_id]]
        begin += _ms(step.before)
        walk.set(step=step_id, entered_ms=walk.now, tries=0, round=1, why="", due_ms=None)
        if _exit(walk, begin):
            return
        if step.channel is Channel.VOICE:
            walk.set(phase=Phase.VOICE, due_ms=_latest(walk, treatment, step, begin))
            walk.do(Dial(begin, first_phone=True))
            return
        if begin > walk.now:
            walk.set(phase=Phase.WAITING, due_ms=begin)
            walk.do(Rest(f"step {step_id} begins later"))
            return
        if step.channel is Channel.TASK:
            assert step.due is not None
            assert step.queue is not None
            walk.set(phase=Phase.TASK, due_ms=walk.now + _ms(step.due))
            walk.do(
                Rest(f"a task of {step.queue}"),
                OpenTask(step_id, step.queue, walk.now + _ms(step.due)),
            )
            return
        assert step.event is not None
        walk.do(Tell(step_id, step.event, step.template))
        begin += _ms(step.wait)
        step_id = treatment.after(step_id)
    _end(walk, THROUGH, exhausted=True)


def _latest(walk: _Walk, treatment: Treatment, step: Step, begin: int) -> int | None:
    """When a step that calls is over at the latest."""
    limits = [walk.at.begun_ms + _ms(one.elapsed) for one in treatment.exit if one.elapsed]
    if step.until is not None and step.until.elapsed is not None:
        limits.append(begin + _ms(step.until.elapsed))
    return min(limits, default=None)


def _over(walk: _Walk, why: str) -> None:
    """The open step is over; the next one begins after its wait."""
    treatment, step = walk.treatment, walk.step
    if treatment is None or step is None:
        _end(walk, THROUGH, exhausted=True)
        return
    _leave(walk, why)
    following = treatment.after(step.id)
    if not following:
        _end(walk, THROUGH, exhausted=True)
        return
    _enter(walk, following, walk.now + _ms(step.wait))


def _leave(walk: _Walk, why: str) -> None:
    if walk.at.phase is Phase.TASK:
        walk.do(CloseTask(why))


def _end(walk: _Walk, why: str, *, exhausted: bool = False) -> None:
    _leave(walk, why)
    walk.set(phase=Phase.ENDED, why=why, due_ms=None)
    walk.do(Close(why, exhausted))


def _exit(walk: _Walk, at: int) -> bool:
    """Whether one of the treatment's exits ends it, at a moment."""
    treatment = walk.treatment
    for one in treatment.exit if treatment is not None else ():
        met = (
            (one.when is not None and walk.matches(one.when))
            or (one.attempts is not None and walk.at.attempts >= one.attempts)
            or (one.elapsed is not None and at - walk.at.begun_ms >= _ms(one.elapsed))
        )
        if met:
            _end(walk, one.reason, exhausted=one.when is None)
            return True
    return False


# --- time -----------------------------------------------------------------------------------------


def _due(walk: _Walk) -> None:
    at = walk.at
    if at.due_ms is None or at.due_ms > walk.now:
        return
    match at.phase:
        case Phase.WAITING:
            step = walk.step
            assert step is not None
            _enter(walk, at.step, walk.now - _ms(step.before))
        case Phase.HELD:
            _resume(walk)
        case Phase.VOICE:
            if not _exit(walk, walk.now):
                _over(walk, "out of time")
        case Phase.TALKED:
            _over(walk, "no word of the agent")
        case Phase.TASK:
            _over(walk, "not done in time")


def _resume(walk: _Walk) -> None:
    """After a hold the step begins anew, at once."""
    step = walk.step
    if step is None:
        _place(walk)
        return
    _enter(walk, step.id, walk.now - _ms(step.before))


# --- calls ----------------------------------------------------------------------------------------


def _tried(walk: _Walk, tried: Tried) -> None:
    counts = int(tried.outcome.counts_for_lead)
    walk.set(attempts=walk.at.attempts + counts, tries=walk.at.tries + counts)
    if walk.at.phase is not Phase.VOICE:
        return  # held or ended while it rang: what came of the call changes nothing
    tactic, step = tactic_of(walk.plan, walk.at), walk.step
    assert tactic is not None
    assert step is not None
    if tried.outcome is Outcome.CONNECTED:
        walk.set(phase=Phase.TALKED, due_ms=walk.now + _ms(WORD_LIMIT_S))
        walk.do(Rest("the agent's word is awaited"))
        return
    if _exit(walk, walk.now):
        return
    until, due = step.until, walk.at.due_ms
    rule = tactic.rules[tried.outcome]
    if not tried.phone_left:
        _over(walk, "no good number is left")
    elif until is not None and until.attempts is not None and walk.at.tries >= until.attempts:
        _over(walk, f"tried {walk.at.tries} times")
    elif due is not None and walk.now >= due:
        _over(walk, "out of time")
    elif not rule.phone_bad and tried.ended.get(tried.outcome.value, 0) >= max(1, rule.ends_max):
        _over(walk, f"too often: {tried.outcome.value}")
    else:
        _again(walk, tactic, walk.now + _ms(rule.after_s), rule.next_phone, tried.last_phone)


def _again(walk: _Walk, tactic: Tactic, at: int, next_phone: bool, last_phone: bool) -> None:
    if next_phone and last_phone and tactic.rounds is not None:
        if walk.at.round >= tactic.rounds.max:
            _over(walk, f"{walk.at.round} rounds")
            return
        walk.set(round=walk.at.round + 1)
        at = max(at, walk.now + _ms(tactic.rounds.between))
    walk.do(Dial(at, next_phone=next_phone))


def _disposed(walk: _Walk, said: Disposed) -> None:
    at, step = walk.at, walk.step
    if at.why in _FINAL_WHYS and at.phase is Phase.ENDED:
        return
    if said.suppress:
        _end(walk, DO_NOT_CALL)
        return
    rule = None if said.promised_ms is None else _rule(walk, Trigger.PROMISE, None)
    rule = rule or _rule(walk, Trigger.DISPOSITION, said)
    calling = at.phase in (Phase.VOICE, Phase.TALKED)
    if rule is not None:
        _carry_out(walk, rule, said.promised_ms)
    elif said.call_at_ms is not None:
        _call(walk, said.call_at_ms)
    elif said.hold:
        _hold(walk, said.code, None)
    elif calling and step is not None and _ends(step, said):
        _over(walk, said.code)
    elif said.done:
        _end(walk, said.code)
    elif at.phase is Phase.TALKED:
        _over(walk, said.code)


def _ends(step: Step, said: Disposed) -> bool:
    until = step.until
    if until is None:
        return said.category == "right_party"
    return said.category in until.categories or said.code in until.dispositions


def _call(walk: _Walk, at_ms: int) -> None:
    """Somebody asked for a call: the lead is in a step that calls, its own or the one before."""
    treatment = walk.treatment
    if treatment is None:
        return  # excluded: no step calls
    _leave(walk, "a call was asked for")
    n = treatment.by_id.get(walk.at.step, 0)
    voices = [one for one in treatment.steps if one.channel is Channel.VOICE]
    before = [one for one in treatment.steps[: n + 1] if one.channel is Channel.VOICE]
    if not voices:
        return
    step = before[-1] if before else voices[0]
    if step.id != walk.at.step or walk.at.phase is Phase.ENDED:
        walk.set(step=step.id, entered_ms=walk.now, tries=0, round=1)
    walk.set(phase=Phase.VOICE, due_ms=None, why="")  # it is called, however long it takes
    walk.do(Dial(max(at_ms, walk.now)))


# --- what happens ---------------------------------------------------------------------------------


def _happened(walk: _Walk, happened: Happened) -> None:
    what = happened.what
    rule = _rule(walk, what, None)
    if what in FINAL:
        if rule is not None:
            _say(walk, rule)
        if walk.at.phase is not Phase.ENDED or walk.at.why not in _FINAL_WHYS:
            _end(walk, FINAL[what])
        return
    if walk.at.phase is Phase.ENDED and walk.at.why in _FINAL_WHYS:
        return
    if walk.at.phase in (Phase.ENDED, Phase.EXCLUDED):
        if what is Trigger.CALLBACK and happened.call_at_ms is not None:
            _call(walk, happened.call_at_ms)
        elif rule is not None and (
            rule.do is Do.RECALC or (rule.do is Do.GOTO and walk.at.phase is Phase.ENDED)
        ):
            _carry_out(walk, rule)
        return
    if rule is not None:
        _carry_out(walk, rule, happened.promised_ms)
    elif what is Trigger.CALLBACK and happened.call_at_ms is not None:
        _call(walk, happened.call_at_ms)
    elif what is Trigger.DISPUTE:
        _hold(walk, "dispute", None)
    elif what is Trigger.PAYMENT:
        _hold(walk, "payment", None)
    elif what is Trigger.DISPUTE_RESOLVED and walk.at.phase is Phase.HELD:
        _resume(walk)


def _rule(walk: _Walk, what: Trigger, said: Disposed | None) -> TriggerRule | None:
    for one in walk.plan.file.triggers:
        if what not in one.event:
            continue
        if said is not None and not _about(one, said):
            continue
        if one.when is None or walk.matches(one.when):
            return one
    return None


def _about(rule: TriggerRule, said: Disposed) -> bool:
    if not rule.categories and not rule.dispositions:
        return True
    return said.category in rule.categories or said.code in rule.dispositions


def _say(walk: _Walk, rule: TriggerRule) -> None:
    if rule.priority_add:
        walk.set(boost=max(-PRIORITY_MAX, min(PRIORITY_MAX, walk.at.boost + rule.priority_add)))
        found = place(walk.plan, walk.at.inputs, walk.now // _DAY_MS, walk.at.account)
        _set_level(walk, found.level)
    if rule.tell is not None:
        walk.do(Tell(walk.at.step, rule.tell))


def _carry_out(walk: _Walk, rule: TriggerRule, from_ms: int | None = None) -> None:
    """`from_ms`: a hold counts from then, if that is to come."""
    _say(walk, rule)
    match rule.do:
        case Do.CLOSE:
            _end(walk, "closed by the strategy")
        case Do.HOLD:
            _hold(walk, rule.event[0].value, rule.for_, from_ms)
        case Do.RECALC:
            _place(walk)
        case Do.GO_ON:
            if walk.step is not None and walk.at.phase is not Phase.WAITING:
                _over(walk, rule.event[0].value)
        case Do.STAY:
            if walk.at.phase is Phase.TALKED:
                _over(walk, "talked")
        case Do.GOTO:
            _goto(walk, rule)


def _goto(walk: _Walk, rule: TriggerRule) -> None:
    name = rule.treatment or walk.at.treatment
    treatment = walk.plan.file.treatments.get(name)
    if treatment is None:
        return
    _leave(walk, "left by the strategy")
    if name != walk.at.treatment:
        walk.set(treatment=name, begun_ms=walk.now, attempts=0)
    _enter(walk, rule.step or treatment.steps[0].id, walk.now)


def _hold(walk: _Walk, why: str, for_s: float | None, from_ms: int | None = None) -> None:
    _leave(walk, f"held: {why}")
    due = None if for_s is None else max(walk.now, from_ms or 0) + _ms(for_s)
    walk.set(phase=Phase.HELD, why=why, due_ms=due)
    walk.do(Rest(f"held: {why}"))


def _changed(walk: _Walk, changed: Changed) -> None:
    """Other fields: excluded leads are looked at again, exits and the level are reckoned anew; the
    segment stays, because a treatment that changes on the way is none."""
    walk.set(inputs=changed.inputs)
    if walk.at.phase is Phase.EXCLUDED:
        _place(walk)
        return
    if walk.at.phase is Phase.ENDED:
        return
    found = place(walk.plan, walk.at.inputs, walk.now // _DAY_MS, walk.at.account)
    _set_level(walk, found.level)
    _exit(walk, walk.now)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
