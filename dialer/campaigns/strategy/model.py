"""A strategy as its YAML file says it: who is called, in which steps, and how.

Three layers, kept apart: segmentation (who gets which treatment), treatments (ordered steps with
waits, and what ends them), tactics (numbers, retries, hours). The law's gate is no part of it and
nothing in here can loosen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dialer.campaigns.again import Retry, known_outcomes, rules_of
from dialer.campaigns.lead import PRIORITY_MAX
from dialer.campaigns.retry import RetryRule
from dialer.campaigns.strategy.predicate import When
from dialer.campaigns.strategy.score import Priority
from dialer.campaigns.strategy.split import MILLION
from dialer.campaigns.strategy.values import Input, InputName
from dialer.campaigns.units import Duration, Name, Part, WindowPart
from dialer.campaigns.window import CallingWindow
from dialer.core.events import RING_MIN_S
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome

CHAMPION = "champion"
END = "end"  # `next: end`: the treatment is over
STEP_EVENT = r"^[a-z][a-z0-9_]{0,63}$"
Category = Literal["right_party", "wrong_party", "no_contact", "system"]


class Trigger(StrEnum):
    """What may happen to an account at any time."""

    PAYMENT = "payment"  # something was paid
    PAID = "paid"  # nothing is owed any more; ends the strategy, whatever a trigger says
    PROMISE = "promise"
    PROMISE_KEPT = "promise_kept"
    PROMISE_BROKEN = "promise_broken"
    DISPUTE = "dispute"
    DISPUTE_RESOLVED = "dispute_resolved"
    CEASE = "cease"  # ends the strategy, whatever a trigger says
    CALLBACK = "callback"  # the CRM asks for a call at a time
    DISPOSITION = "disposition"  # an agent's word on a call


class Do(StrEnum):
    CLOSE = "close"  # the strategy is over for this lead
    HOLD = "hold"  # no step goes on for `for`, or until an event lets it
    GOTO = "goto"  # the step named
    RECALC = "recalc"  # look for the segment again
    GO_ON = "go_on"  # the open step is over, the next one begins
    STAY = "stay"  # nothing but `tell` and `priority_add`


class Exclusion(Part):
    id: Name
    when: When
    reason: str = Field(min_length=2, max_length=200)


class Challenger(Part):
    treatment: Name
    share: Annotated[float, Field(gt=0, lt=1)]


class Split(Part):
    """A treatment, or an experiment of champion and challengers. See `split` for who is where."""

    champion: Name
    challengers: tuple[Challenger, ...] = ()
    experiment: str = Field(default="", max_length=64, description="Another name shuffles anew.")

    @model_validator(mode="after")
    def _shares(self) -> Split:
        if bool(self.challengers) != bool(self.experiment):
            raise ValueError("challengers and experiment (its name) go together")
        names = [one.treatment for one in self.challengers]
        if len({self.champion, *names}) != len(names) + 1:
            raise ValueError("champion and challengers are treatments of different names")
        if sum(share for _, share in self.millionths) >= MILLION:
            raise ValueError("the challengers' shares leave nothing to the champion")
        return self

    @property
    def millionths(self) -> tuple[tuple[str, int], ...]:
        return tuple((one.treatment, round(one.share * MILLION)) for one in self.challengers)


def _one(value: object) -> object:
    return {"champion": value} if isinstance(value, str) else value


class Segment(Part):
    id: Name
    when: When
    treatment: Annotated[Split, BeforeValidator(_one, json_schema_input_type=Split | str)]
    title: str = Field(default="", max_length=80)


class Until(Part):
    """What ends a step that calls, the first of it: so many attempts, so much time, or an agent's
    word of such a category or code."""

    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    elapsed: Duration | None = None
    categories: tuple[Category, ...] = ("right_party",)
    dispositions: tuple[Name, ...] = ()


class Channel(StrEnum):
    VOICE = "voice"
    WEBHOOK = "webhook"
    TASK = "task"


class Step(Part):
    """One step. `before` it and after it (`wait`) time passes; `next` names another one than the
    next in order, or `end`."""

    id: Name
    channel: Channel
    before: Duration = 0.0
    wait: Duration = 0.0
    next: str = ""
    tactic: Name | None = Field(default=None, description="Of voice.")
    mode: Mode | None = Field(default=None, description="Of voice; the campaign's otherwise.")
    queue: Name | None = Field(default=None, description="Of voice and task.")
    skills: tuple[Name, ...] = Field(default=(), description="Of voice: an agent must have all.")
    until: Until | None = Field(default=None, description="Of voice.")
    event: Annotated[str, Field(pattern=STEP_EVENT)] | None = Field(
        default=None, description="Of webhook: what the CRM is told to do, as `action`."
    )
    template: str = Field(default="", max_length=80, description="Of webhook.")
    due: Duration | None = Field(default=None, description="Of task: it is over by then.")

    @model_validator(mode="after")
    def _fields(self) -> Step:
        allowed: Mapping[Channel, set[str]] = {
            Channel.VOICE: {"tactic", "mode", "queue", "skills", "until"},
            Channel.WEBHOOK: {"event", "template"},
            Channel.TASK: {"queue", "due"},
        }
        needed = {Channel.VOICE: "tactic", Channel.WEBHOOK: "event", Channel.TASK: "due"}
        every = set().union(*allowed.values())
        for name in sorted(self.model_fields_set & every - allowed[self.channel]):
            raise ValueError(f"{name} is no field of a step of channel {self.channel.value}")
        if (name := needed[self.channel]) not in self.model_fields_set:
            raise ValueError(f"a step of channel {self.channel.value} needs {name}")
        if self.channel is Channel.TASK and self.queue is None:
            raise ValueError("a task needs a queue: somebody must find it")
        return self


class Exit(Part):
    """What ends a treatment, whatever step is open."""

    reason: str = Field(min_length=2, max_length=200)
    when: When | None = None
    attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    elapsed: Duration | None = None

    @model_validator(mode="after")
    def _one(self) -> Exit:
        if sum(one is not None for one in (self.when, self.attempts, self.elapsed)) != 1:
            raise ValueError("has one of when, attempts, elapsed")
        return self


class Treatment(Part):
    exit: tuple[Exit, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1, max_length=50)

    @cached_property
    def by_id(self) -> Mapping[str, int]:
        return {one.id: n for n, one in enumerate(self.steps)}

    def after(self, step: str) -> str:
        """The id of the step that follows; "" at the end."""
        n = self.by_id[step]
        given = self.steps[n].next
        if given == END:
            return ""
        if given:
            return given
        return self.steps[n + 1].id if n + 1 < len(self.steps) else ""


class Rounds(Part):
    """A round is over when every number had its turn."""

    max: Annotated[int, Field(ge=1, le=50)]
    between: Duration = 0.0


class Tactic(Part):
    """How a lead is called. What the law says about hours, caps and rings stands above it."""

    phones: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = Field(
        default=(), description="Words of the numbers' columns, in order: [mobile, home, work]."
    )
    other_phones: bool = Field(default=True, description="Numbers `phones` does not name follow.")
    ring_s: Annotated[float, Field(ge=RING_MIN_S, le=120)] | None = None
    retry: dict[str, Retry] = Field(default_factory=dict)
    rounds: Rounds | None = None
    windows: tuple[WindowPart, ...] = Field(default=(), description="Within the campaign's own.")

    @field_validator("retry")
    @classmethod
    def _outcomes(cls, value: dict[str, Any]) -> dict[str, Any]:
        return known_outcomes(value)

    @model_validator(mode="after")
    def _named(self) -> Tactic:
        if not self.other_phones and not self.phones:
            raise ValueError("other_phones: false needs phones, or nobody is called")
        return self

    @cached_property
    def rules(self) -> Mapping[Outcome, RetryRule]:
        return rules_of(self.retry)

    @cached_property
    def window(self) -> CallingWindow | None:
        return CallingWindow(tuple(one.hours() for one in self.windows)) if self.windows else None

    def rank(self, label: str) -> int | None:
        """Where a number of this label comes; None: it is not called."""
        folded = label.casefold()
        for n, word in enumerate(self.phones):
            if word.casefold() in folded:
                return n
        return len(self.phones) if self.other_phones else None


def _events(value: object) -> object:
    return value if isinstance(value, list) else [value]


class TriggerRule(Part):
    """What an event does. Of the rules that fit an event the first one counts."""

    event: Annotated[
        tuple[Trigger, ...],
        BeforeValidator(_events, json_schema_input_type=Trigger | tuple[Trigger, ...]),
        Field(min_length=1),
    ]
    when: When | None = None
    categories: tuple[Category, ...] = Field(default=(), description="Of a disposition.")
    dispositions: tuple[Name, ...] = ()
    do: Do
    for_: Duration | None = Field(default=None, alias="for", description="Of hold.")
    treatment: Name | None = Field(default=None, description="Of goto; the lead's own otherwise.")
    step: Name | None = Field(default=None, description="Of goto; the first otherwise.")
    tell: Annotated[str, Field(pattern=STEP_EVENT)] | None = None
    priority_add: Annotated[int, Field(ge=-PRIORITY_MAX, le=PRIORITY_MAX)] = 0

    @model_validator(mode="after")
    def _fields(self) -> TriggerRule:
        if self.for_ is not None and self.do is not Do.HOLD:
            raise ValueError("for goes with do: hold")
        to = self.treatment is not None or self.step is not None
        if to != (self.do is Do.GOTO):
            raise ValueError("do: goto and treatment or step go together")
        about_words = bool(self.categories or self.dispositions)
        if about_words and self.event != (Trigger.DISPOSITION,):
            raise ValueError("categories and dispositions go with event: disposition")
        return self


class StrategyFile(Part):
    """A whole strategy. `inputs` are the columns it reads."""

    version: Literal[1]
    strategy: Name
    title: str = Field(default="", max_length=80)
    inputs: dict[InputName, Input] = Field(min_length=1, max_length=100)
    exclude: tuple[Exclusion, ...] = Field(default=(), max_length=100)
    segments: tuple[Segment, ...] = Field(min_length=1, max_length=200)
    priority: Priority | None = Field(default=None, description="The list's own, when left out.")
    treatments: dict[Name, Treatment] = Field(min_length=1, max_length=100)
    tactics: dict[Name, Tactic] = Field(default_factory=dict, max_length=100)
    triggers: tuple[TriggerRule, ...] = Field(default=(), max_length=100)


def strategy_schema() -> dict[str, Any]:
    """The JSON Schema of a strategy's file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StrategyFile.model_json_schema(mode="validation", by_alias=True),
    }
