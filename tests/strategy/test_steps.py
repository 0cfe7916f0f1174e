"""A lead's way through its strategy: told as conversations, then whatever the order of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.campaigns.strategy.model import Trigger
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.steps import (
    Action,
    Changed,
    Close,
    CloseTask,
    Dial,
    Disposed,
    Due,
    Event,
    Happened,
    OpenTask,
    Placed,
    Position,
    Rest,
    SetPriority,
    TaskDone,
    Tell,
    Tried,
    advance,
)
from dialer.core.outcomes import Outcome
from dialer.store.schema import Phase
from tests.strategy.making import example, small

HOUR = 3_600_000
DAY = 24 * HOUR
NO_ANSWER = Outcome.NO_ANSWER


@dataclass
class Lead:
    """A lead on its way; remembers what was done."""

    plan: Strategy
    inputs: dict[str, Any] = field(default_factory=lambda: {"balance": 50_000})
    now: int = 1_000 * DAY
    at: Position = field(init=False)
    ended: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = Position(Phase.EXCLUDED, "A1", self.inputs)

    def hears(self, event: Event, after: int = 0) -> tuple[Action, ...]:
        self.now += after
        self.at, actions = advance(self.plan, self.at, event, self.now)
        return actions

    def called(self, outcome: Outcome = NO_ANSWER, **more: Any) -> tuple[Action, ...]:
        step = self.at.step
        self.ended[outcome.value] = self.ended.get(outcome.value, 0) + 1
        actions = self.hears(Tried(outcome, dict(self.ended), **more))
        if self.at.step != step:
            self.ended = {}
        return actions


def test_through_all_steps() -> None:
    lead = Lead(small())
    assert lead.hears(Placed()) == (Dial(lead.now, first_phone=True),)
    assert (lead.at.phase, lead.at.step) == (Phase.VOICE, "call")
    assert lead.called() == (Dial(lead.now + 3 * HOUR, next_phone=True),)
    # The second round begins after three hours; the third attempt is the step's last.
    assert lead.at.round == 2
    assert lead.called(last_phone=False) == (Dial(lead.now + HOUR, next_phone=True),)
    told = lead.called()
    assert told[0] == Tell("letter", "letter")
    assert lead.at.phase is Phase.WAITING
    assert lead.at.due_ms == lead.now + 2 * DAY
    assert lead.hears(Due(), DAY) == ()  # not yet
    assert OpenTask("desk", "q", lead.now + DAY + 5 * DAY) in lead.hears(Due(), DAY)
    done = lead.hears(TaskDone("done"), HOUR)
    assert done == (CloseTask("done"), Dial(lead.now, first_phone=True))
    assert lead.at.due_ms == lead.now + 4 * DAY
    over = lead.hears(Due(), 4 * DAY)
    assert over == (Close("the strategy is through", exhausted=True),)
    assert lead.at.phase is Phase.ENDED


def test_a_round_after_the_last_number_waits_and_the_last_round_ends_the_step() -> None:
    lead = Lead(small())
    lead.hears(Placed())
    assert lead.called(last_phone=True) == (Dial(lead.now + 3 * HOUR, next_phone=True),)
    assert lead.at.round == 2
    assert any(isinstance(one, Tell) for one in lead.called(last_phone=True))  # two rounds are all


def test_an_agents_word() -> None:
    lead = Lead(small())
    lead.hears(Placed())
    assert lead.called(Outcome.CONNECTED) == (Rest("the agent's word is awaited"),)
    later = lead.now + 2 * DAY
    assert lead.hears(Disposed("callback", "right_party", call_at_ms=later)) == (Dial(later),)
    lead.called(Outcome.CONNECTED)
    assert Tell("letter", "letter") in lead.hears(Disposed("refused", "right_party", done=True))


def test_who_says_nothing_after_a_conversation_is_not_called_again_at_once() -> None:
    lead = Lead(small())
    lead.hears(Placed())
    lead.called(Outcome.CONNECTED)
    assert lead.hears(Due()) == ()
    assert Tell("letter", "letter") in lead.hears(Due(), HOUR)


def test_do_not_call_is_for_ever() -> None:
    lead = Lead(small())
    lead.hears(Placed())
    lead.called(Outcome.CONNECTED)
    assert lead.hears(Disposed("dnc", "right_party", suppress=True)) == (Close("do not call"),)
    for event in (
        Happened(Trigger.CALLBACK, lead.now + DAY),
        Disposed("callback", "right_party", call_at_ms=lead.now + DAY),
        Happened(Trigger.DISPUTE_RESOLVED),
        Changed({"balance": 1}),
        Due(),
    ):
        assert lead.hears(event) == ()


def test_a_dispute_holds_until_it_is_resolved_and_closes_the_task() -> None:
    lead = Lead(small())
    lead.hears(Placed())
    for _ in range(3):
        lead.called(last_phone=False)
    lead.hears(Due(), 2 * DAY)
    assert lead.at.phase is Phase.TASK
    assert lead.hears(Happened(Trigger.DISPUTE)) == (
        CloseTask("held: dispute"),
        Rest("held: dispute"),
    )
    assert lead.hears(Due(), 90 * DAY) == ()
    resumed = lead.hears(Happened(Trigger.DISPUTE_RESOLVED))
    assert OpenTask("desk", "q", lead.now + 5 * DAY) in resumed


def test_the_examples_triggers() -> None:
    lead = Lead(example(), {"balance": 50_000, "days_late": 1_000 - 10, "product": "energy"})
    lead.hears(Placed())
    assert (lead.at.segment, lead.at.treatment) == ("rest", "soft")
    lead.called(Outcome.CONNECTED)
    day = lead.now + 4 * DAY
    held = lead.hears(Disposed("kept_word", "right_party", promised_ms=day))
    assert held == (Rest("held: promise"),)
    assert lead.at.due_ms == day + 3 * DAY  # three days from the day that was promised
    broken = lead.hears(Happened(Trigger.PROMISE_BROKEN), 8 * DAY)
    assert (lead.at.treatment, lead.at.step, lead.at.boost) == ("firm", "call", 2)
    assert any(isinstance(one, SetPriority) for one in broken)
    assert lead.hears(Happened(Trigger.PAID)) == (Close("paid"),)


def test_an_exit_ends_a_treatment_whatever_is_open() -> None:
    exit_ = [{"reason": "nothing is owed", "when": {"f": "balance", "lte": 0}}]
    steps = [{"id": "desk", "channel": "task", "queue": "q", "due": "5d"}]
    lead = Lead(small(treatments={"one": {"exit": exit_, "steps": steps}}))
    lead.hears(Placed())
    closed = lead.hears(Changed({"balance": 0}))
    assert closed == (CloseTask("nothing is owed"), Close("nothing is owed"))


def test_excluded_leads_come_in_when_their_fields_change() -> None:
    exclude = [{"id": "small", "when": {"f": "balance", "lt": 10}, "reason": "too small"}]
    lead = Lead(small(exclude=exclude), {"balance": 999})
    assert lead.hears(Placed()) == (Rest("too small"),)
    assert lead.hears(Happened(Trigger.CALLBACK, lead.now)) == ()
    assert lead.hears(Changed({"balance": 1_000})) == (Dial(lead.now, first_phone=True),)


# --- whatever the order ---------------------------------------------------------------------------

_events = st.one_of(
    st.just(Due()),
    st.just(TaskDone("done")),
    st.builds(
        Tried,
        st.sampled_from(Outcome),
        st.just({}).map(lambda _: {one.value: 1 for one in Outcome}),
        st.booleans(),
        st.booleans(),
    ),
    st.builds(
        Disposed,
        st.sampled_from(["promise", "refused", "callback"]),
        st.sampled_from(["right_party", "wrong_party", "no_contact"]),
        st.one_of(st.none(), st.integers(0, 3_000 * DAY)),
        st.booleans(),
        st.booleans(),
        st.one_of(st.none(), st.integers(0, 3_000 * DAY)),
    ),
    st.builds(
        Happened, st.sampled_from(Trigger), st.one_of(st.none(), st.integers(0, 3_000 * DAY))
    ),
    st.builds(
        Changed,
        st.fixed_dictionaries(
            {
                "balance": st.one_of(st.none(), st.integers(-1, 100_000)),
                "days_late": st.one_of(st.none(), st.integers(500, 1_500)),
                "product": st.sampled_from([None, "card", "energy"]),
            }
        ),
    ),
    st.just(Placed()),
)
_stories = st.lists(st.tuples(_events, st.integers(-DAY, 6 * DAY)), max_size=40)
_FINAL = {"cease", "paid", "do not call"}


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([example(), small()]), _stories)
def test_whatever_happens(plan: Strategy, story: list[tuple[Event, int]]) -> None:
    """Never two open steps; what ends the strategy wins; time goes forward only."""
    lead = Lead(plan)
    lead.hears(Placed())
    calling, task = lead.at.phase is Phase.VOICE, lead.at.phase is Phase.TASK
    for event, later in story:
        before = lead.at
        if before.why in _FINAL and before.phase is Phase.ENDED and isinstance(event, Placed):
            continue  # said by people alone, who are asked whether they mean it
        actions = lead.hears(event, later)
        for one in actions:
            match one:
                case Dial():
                    calling = True
                    assert one.at_ms >= before.entered_ms
                case Rest() | Close():
                    calling = False
                case OpenTask():
                    assert not task, "two tasks are open"
                    task = True
                    assert one.due_ms >= lead.at.entered_ms
                case CloseTask():
                    assert task, "a task is closed that is not open"
                    task = False
        assert not (calling and task)
        assert calling == (lead.at.phase is Phase.VOICE), (event, before, lead.at, actions)
        assert task == (lead.at.phase is Phase.TASK)
        assert lead.at.entered_ms >= before.entered_ms
        assert lead.at.begun_ms >= before.begun_ms
        assert lead.at.due_ms is None or lead.at.phase not in (Phase.ENDED, Phase.EXCLUDED)
        if isinstance(event, Happened) and event.what in (Trigger.CEASE, Trigger.PAID):
            assert lead.at.phase is Phase.ENDED
        if isinstance(event, Disposed) and event.suppress:
            assert lead.at.phase is Phase.ENDED
        if before.phase is Phase.ENDED and before.why in _FINAL:
            assert (lead.at.phase, lead.at.why) == (Phase.ENDED, before.why)
            assert actions == () or all(isinstance(one, Tell | SetPriority) for one in actions)
        if lead.at.phase is not Phase.EXCLUDED and lead.at.step:
            assert lead.at.step in plan.file.treatments[lead.at.treatment].by_id


@settings(max_examples=100, deadline=None)
@given(_stories)
def test_the_same_story_ends_alike(story: list[tuple[Event, int]]) -> None:
    first, second = Lead(example()), Lead(example())
    for lead in (first, second):
        lead.hears(Placed())
        for event, later in story:
            lead.hears(event, later)
    assert first.at == second.at


@settings(max_examples=100, deadline=None)
@given(_stories, _events)
def test_an_event_in_a_phase_it_means_nothing_in_changes_nothing(
    story: list[tuple[Event, int]], event: Event
) -> None:
    lead = Lead(small())
    lead.hears(Placed())
    for one, later in story:
        lead.hears(one, later)
    at = lead.at
    if at.phase is not Phase.TASK:
        assert advance(lead.plan, at, TaskDone("x"), lead.now) == (at, ())
    if at.due_ms is None:
        assert advance(lead.plan, at, Due(), lead.now + 900 * DAY) == (at, ())
