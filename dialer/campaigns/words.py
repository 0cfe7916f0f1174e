"""Dispositions: what an agent can say of a call, and what it means. Data of the campaign's file."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dialer.campaigns.units import Duration, Name, Part
from dialer.store.policy import Emit, NextStep, Suppress, Verdict


class Next(StrEnum):
    OUTCOME = "outcome"  # what the retry rules say
    DONE = "done"
    RETRY = "retry"  # after `after`
    CALLBACK = "callback"  # at the time the agent gave
    HOLD = "hold"  # for a person; with `after`, called again then
    ESCALATE = "escalate"  # to the queue `queue`, at once
    DO_NOT_CALL = "do_not_call"  # never this number again, by no campaign


Field_ = Literal["callback_at", "note", "amount", "due_on", "reason"]
Counts = Literal["attempt", "contact", "conversation"]


class Disposition(Part):
    """A button under a call, and what pressing it means for the lead, the caps and the CRM."""

    code: Name
    label: str = Field(min_length=1, max_length=40)
    category: Literal["right_party", "wrong_party", "no_contact", "system"] = "right_party"
    next: Next = Next.DONE
    after: Duration | None = None
    queue: Name | None = None
    requires: tuple[Field_, ...] = ()
    # What the call counts as for the law's caps; left out: as the outcome and the category say.
    counts: tuple[Counts, ...] | None = None
    suppress: Literal["none", "number", "account", "person"] = "none"
    emits: Literal["none", "promise", "dispute"] = "none"
    machine: bool = False  # says that an answering machine was on the line: the pacer learns of it
    anyone_after: Duration | None = None  # an agent's own callback: anyone calls after so long
    grace: Duration = 3 * 86400.0  # after a promise's day
    # A promise is kept when so much of it was paid by then.
    kept_if_paid_pct: Annotated[float, Field(gt=0, le=100)] = 95.0
    hot_key: Annotated[str, Field(pattern=r"^[1-9]?$")] = ""
    confirm: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Disposition:
        if self.next is Next.RETRY and self.after is None:
            raise ValueError("next: retry and after go together: give both or neither")
        if self.after is not None and self.next not in (Next.RETRY, Next.HOLD):
            raise ValueError("next: retry and after go together: give both or neither")
        if self.next is Next.CALLBACK and "callback_at" not in self.requires:
            raise ValueError("next: callback needs requires: [callback_at]")
        if (self.next is Next.ESCALATE) != (self.queue is not None):
            raise ValueError("next: escalate and queue go together: give both or neither")
        if self.anyone_after is not None and self.next is not Next.CALLBACK:
            raise ValueError("anyone_after is for next: callback")
        if self.emits == "promise" and not {"amount", "due_on"} <= set(self.requires):
            raise ValueError("emits: promise needs requires: [amount, due_on]")
        if self.counts is not None and "attempt" not in self.counts and self.category != "system":
            raise ValueError("only a disposition of category: system may not count as an attempt")
        return self

    def verdict(self, callback_at: datetime | None, now: datetime) -> Verdict:
        """What it means for a call that ends at `now`. Raises `ValueError` without a callback's
        time where one is needed."""
        return Verdict(
            self.category,
            self._step(callback_at, now),
            suppress=self._suppress,
            emit=Emit("" if self.emits == "none" else self.emits),
            queue=self.queue or "",
            counts=None if self.counts is None else " ".join(self.counts),
            callback=self.next is Next.CALLBACK,
            anyone_after_s=self.anyone_after,
            grace_s=self.grace,
            kept_pct=self.kept_if_paid_pct,
        )

    @property
    def _suppress(self) -> Suppress:
        if self.suppress != "none":
            return Suppress(self.suppress)
        return Suppress.NUMBER if self.next is Next.DO_NOT_CALL else Suppress.NONE

    def _step(self, callback_at: datetime | None, now: datetime) -> NextStep | None:
        match self.next:
            case Next.OUTCOME:
                return None
            case Next.DONE:
                return NextStep(None, self.code)
            case Next.DO_NOT_CALL:
                return NextStep(None, "do not call")
            case Next.ESCALATE:
                return NextStep(now)
            case Next.CALLBACK:
                if callback_at is None:
                    raise ValueError("this disposition needs the time of the callback")
                return NextStep(max(now, callback_at))
            case Next.HOLD if self.after is None:
                return NextStep(None, held=self.label)
            case Next.RETRY | Next.HOLD:
                return NextStep(now + timedelta(seconds=self.after or 0.0))


_MACHINE = Disposition(
    code="machine",
    label="Answering machine",
    category="no_contact",
    next=Next.RETRY,
    after="24h",  # type: ignore[arg-type]  # as in the file; the validator reads it
    counts=("attempt",),
    machine=True,
)
# What a campaign gets that names none. Sources of what they mean in law: 15 USC 1692c (attorney,
# cease), 12 CFR 1006.14(b) (what a conversation is), 12 CFR 1006.22(b), 1006.42 (deceased: no
# pressure on the family). The days are custom of the trade.
_PLAIN: tuple[Disposition, ...] = (
    Disposition(code="done", label="Done", hot_key="1"),
    Disposition(
        code="callback",
        label="Call back",
        next=Next.CALLBACK,
        requires=("callback_at",),
        anyone_after="4h",  # type: ignore[arg-type]  # as in the file; the validator reads it
        hot_key="2",
    ),
    Disposition(
        code="wrong_time",
        label="Bad moment",
        category="no_contact",
        next=Next.RETRY,
        after="2h",  # type: ignore[arg-type]  # as in the file
        hot_key="3",
    ),
    Disposition(
        code="wrong_number",
        label="Wrong number",
        category="wrong_party",
        next=Next.DO_NOT_CALL,
        hot_key="4",
        confirm=True,
    ),
    Disposition(
        code="do_not_call",
        label="Do not call",
        next=Next.DO_NOT_CALL,
        hot_key="9",
        confirm=True,
    ),
    _MACHINE,
)
_COLLECTIONS: tuple[Disposition, ...] = (
    Disposition(
        code="promise",
        label="Promise to pay",
        requires=("amount", "due_on"),
        emits="promise",
        hot_key="1",
    ),
    _PLAIN[1],
    Disposition(code="paid", label="Says it is paid", next=Next.HOLD, after="5d", hot_key="3"),  # type: ignore[arg-type]  # as in the file
    Disposition(
        code="dispute",
        label="Disputes the debt",
        next=Next.HOLD,
        requires=("reason",),
        emits="dispute",
        hot_key="4",
    ),
    Disposition(code="refusal", label="Refuses to pay", requires=("reason",), hot_key="5"),
    Disposition(
        code="attorney",
        label="Has an attorney",
        requires=("note",),
        suppress="account",
        hot_key="6",
        confirm=True,
    ),
    Disposition(code="deceased", label="Has died", suppress="person", hot_key="7", confirm=True),
    Disposition(
        code="third_party",
        label="Somebody else answered",
        category="wrong_party",
        next=Next.OUTCOME,
        counts=("attempt", "contact"),
    ),
    _MACHINE,
    Disposition(
        code="bad_line",
        label="Bad line",
        category="system",
        next=Next.RETRY,
        after="15m",  # type: ignore[arg-type]  # as in the file
    ),
    _PLAIN[2].model_copy(update={"hot_key": ""}),
    _PLAIN[3].model_copy(update={"hot_key": "8"}),
    _PLAIN[4],
)


def defaults(purpose: str) -> tuple[Disposition, ...]:
    return _COLLECTIONS if purpose == "collections" else _PLAIN
