"""What clients send, and what they are sent around the views of `dialer.server.face`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    field_validator,
    model_validator,
)

from dialer.core.events import Status
from dialer.server.face import (
    AgentRow,
    AgentView,
    BrowserPhone,
    CampaignView,
    ClockView,
    EscalationView,
    LinkView,
    WebhooksView,
)
from dialer.web.problems import FieldError

# Names and codes: printable, no control characters, so that they can go anywhere unharmed.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]
Code = Annotated[str, Field(max_length=64, pattern=_PRINTABLE)]
Id = Annotated[str, Field(min_length=1, max_length=40, pattern=_PRINTABLE)]
Token = Annotated[str, Field(min_length=1, max_length=256, pattern=_PRINTABLE)]


class Sent(BaseModel):
    """A client's message: fields nobody knows are refused, so that a typing error is seen."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginRequest(Sent):
    agent: Name
    password: Annotated[SecretStr, Field(min_length=1, max_length=256)]
    code: Annotated[str, Field(pattern=r"^([0-9]{6})?$")] = ""


class StatusFields(Sent):
    status: Status
    reason: Code = ""


class DispositionFields(Sent):
    attempt: Annotated[str, Field(min_length=1, max_length=80, pattern=_PRINTABLE)]
    code: Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]
    callback_at: Annotated[
        str, Field(max_length=40, description="ISO 8601 with a time zone, or empty")
    ] = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    amount: Annotated[
        str,
        Field(
            pattern=r"^([0-9]{1,12}(\.[0-9]{1,2})?)?$",
            description="of a promise, in the account's currency: 120.50",
        ),
    ] = ""
    due_on: Annotated[
        str,
        Field(
            pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$",
            description="day of a promise: 2026-12-01",
        ),
    ] = ""
    reason: Annotated[str, Field(max_length=200, pattern=_PRINTABLE)] = ""
    mine: Annotated[bool, Field(description="the callback is for this agent")] = False

    @field_validator("callback_at")
    @classmethod
    def _zoned(cls, value: str) -> str:
        if not value:
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("not a date and time; write 2026-11-23T09:30:00+01:00") from None
        if moment.tzinfo is None:
            raise ValueError("has no time zone; write 2026-11-23T09:30:00+01:00")
        return value


class AcceptFields(Sent):
    lead_id: Annotated[int, Field(ge=1, lt=2**63)]


class SkipFields(AcceptFields):
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=_PRINTABLE)]
    escalate: Annotated[bool, Field(description="hand it over to a supervisor")] = False


class DialFields(Sent):
    """`phone`, `lead_id` or `external_id` names whom to call."""

    campaign: Name
    phone: Annotated[str, Field(max_length=40, pattern=_PRINTABLE)] = ""
    lead_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    external_id: Annotated[str, Field(max_length=200, pattern=_PRINTABLE)] = ""
    override: Annotated[
        str,
        Field(
            max_length=400,
            pattern=_PRINTABLE,
            description="why a rule is set aside, of who may; 10 characters or more",
        ),
    ] = ""

    @model_validator(mode="after")
    def _somebody(self) -> DialFields:
        if not (self.phone or self.lead_id or self.external_id):
            raise ValueError("names nobody: send phone, lead_id or external_id")
        if self.override and len(self.override) < 10:
            raise ValueError("override says in 10 characters or more why")
        return self


class AcceptRequest(AcceptFields):
    """Have the lead in preview called."""


class SkipRequest(SkipFields):
    """Put the lead in preview back."""


class DialRequest(DialFields):
    """Call somebody now."""


class DialAnswer(BaseModel):
    attempt: str


class DigitsRequest(Sent):
    """Key presses to the customer."""

    digits: Annotated[str, Field(pattern=r"^[0-9*#A-D]{1,16}$")]


class HoldRequest(Sent):
    """Whether the customer shall hear music."""

    on: bool


class RecordingRequest(Sent):
    """On: begun, or gone on with; paused: silent; off: ended."""

    to: Literal["on", "paused", "off"]


class StatusRequest(StatusFields):
    """Choose a status."""


class DispositionRequest(DispositionFields):
    """Say how the call went."""


class LoginAnswer(BaseModel):
    token: str
    agent: AgentView


class AgentAnswer(BaseModel):
    clock: ClockView
    agent: AgentView


class PhoneAnswer(BaseModel):
    browser: BrowserPhone | None  # null: the agent has an ordinary phone


class CampaignsAnswer(BaseModel):
    campaigns: list[CampaignView]


# --- WebSocket, from the screen -----------------------------------------------------------------


class Hello(Sent):
    """`token` is a program's; a browser's cookie came with the request."""

    type: Literal["hello"]
    token: Annotated[str, Field(max_length=256, pattern=_PRINTABLE)] = ""
    epoch: Annotated[str, Field(max_length=64)] = ""
    seq: Annotated[int, Field(ge=0, lt=2**53)] = 0


class Pong(Sent):
    type: Literal["pong"]


class Resync(Sent):
    type: Literal["resync"]
    id: Id


class ChooseStatus(StatusFields):
    type: Literal["status"]
    id: Id


class PressHangUp(Sent):
    type: Literal["hangup"]
    id: Id


class Dispose(DispositionFields):
    type: Literal["dispose"]
    id: Id


class AcceptPreview(AcceptFields):
    type: Literal["accept"]
    id: Id


class SkipPreview(SkipFields):
    type: Literal["skip"]
    id: Id


class Dial(DialFields):
    type: Literal["dial"]
    id: Id


AgentMessage = Annotated[
    Pong | Resync | ChooseStatus | PressHangUp | Dispose | AcceptPreview | SkipPreview | Dial,
    Field(discriminator="type"),
]
ViewerMessage = Annotated[Pong | Resync, Field(discriminator="type")]

HELLO: TypeAdapter[Hello] = TypeAdapter(Hello)
AGENT_MESSAGE: TypeAdapter[Any] = TypeAdapter(AgentMessage)
VIEWER_MESSAGE: TypeAdapter[Any] = TypeAdapter(ViewerMessage)


# --- WebSocket, to the screen -------------------------------------------------------------------


class Welcome(BaseModel):
    type: Literal["welcome"] = "welcome"
    epoch: str
    seq: int
    current: bool
    heartbeat_s: float
    lost_after_s: float
    clock: ClockView


class AgentPicture(BaseModel):
    type: Literal["agent"] = "agent"
    epoch: str
    seq: int
    now: float
    agent: AgentView


class WallboardPicture(BaseModel):
    type: Literal["wallboard"] = "wallboard"
    epoch: str
    seq: int
    after: int  # builds on this one; 0 with `snapshot`
    snapshot: bool
    clock: ClockView
    campaigns: tuple[CampaignView, ...]
    links: tuple[LinkView, ...]
    webhooks: WebhooksView
    escalations: tuple[EscalationView, ...] = ()
    agents: tuple[AgentRow, ...]
    gone: tuple[str, ...] = ()


class Ping(BaseModel):
    type: Literal["ping"] = "ping"
    now: float


class Ack(BaseModel):
    type: Literal["ack"] = "ack"
    id: str


class RefusedAnswer(BaseModel):
    type: Literal["refused"] = "refused"
    id: str  # empty when the message was too broken to have one
    status: int
    detail: str
    mend: str = ""
    errors: list[FieldError] = []


class Ended(BaseModel):
    type: Literal["ended"] = "ended"
    reason: str


ToScreen = Annotated[
    Welcome | AgentPicture | WallboardPicture | Ping | Ack | RefusedAnswer | Ended,
    Field(discriminator="type"),
]
