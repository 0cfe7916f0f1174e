"""The bodies a CRM sends. What nobody knows is refused, so that a typing error is seen."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field, RootModel, model_validator

from dialer.server.intake import LeadWords
from dialer.web.models import Sent

EXTERNAL_ID = r"[^\x00-\x1f\x7f]{1,128}"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00]*$"  # a database refuses NUL

ExternalId = Annotated[
    str, Field(min_length=1, max_length=128, pattern=_PRINTABLE, description="The CRM's own id.")
]
Source = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=_PRINTABLE,
        description="Which of the CRM's systems counts these ids.",
    ),
]
Campaign = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]
Region = Annotated[
    str,
    Field(
        max_length=2,
        pattern=r"^[A-Za-z]*$",
        description="Where national numbers are meant: US, GB, DE; empty: the campaign's.",
    ),
]
Reference = Annotated[str, Field(min_length=1, max_length=128, pattern=_PRINTABLE)]
Version = Annotated[
    int | None,
    Field(
        ge=0,
        lt=2**53,
        description="The source's own count (or its milliseconds). What is older than the newest "
        "one seen changes nothing, in whatever order it comes.",
    ),
]
Number = Annotated[str, Field(min_length=1, max_length=40, pattern=_PRINTABLE)]


_Said = Annotated[str, Field(max_length=40, pattern=_PRINTABLE)]


class Phone(Sent):
    """A number, and whether it may be dialled automatically: the words of a list's columns.

    `consent` is yes, written, express, no or revoked; left out, what was said before stands.
    """

    number: Number
    label: Annotated[str, Field(max_length=40, pattern=_PRINTABLE)] = ""
    consent: _Said = ""
    consent_at: Annotated[_Said, Field(description="The day it was given: 2026-11-28.")] = ""
    consent_source: Annotated[str, Field(max_length=200, pattern=_PRINTABLE)] = ""
    consent_until: Annotated[_Said, Field(description="The last day on which it holds.")] = ""

    def words(self) -> tuple[str, str, dict[str, str]]:
        return self.number, self.label, self.model_dump(exclude={"number", "label"})


Phones = Annotated[list[Phone | Number], Field(min_length=1, max_length=10)]
Fields = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)],
        Annotated[str, Field(max_length=4000, pattern=_TEXT)],
    ],
    Field(max_length=100),
]
PersonName = Annotated[str, Field(max_length=200, pattern=_PRINTABLE)]
Zone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        pattern=_PRINTABLE,
        description="Where the person is: America/New_York. Without it the numbers tell.",
    ),
]
Priority = Annotated[int, Field(ge=0, le=9)]


class _LeadFields(Sent):
    source: Source = "crm"
    phones: Phones | None = None
    region: Region = ""
    zone: Zone | None = None
    name: PersonName | None = None
    fields: Fields | None = None
    priority: Priority | None = None
    source_version: Version = None

    def _words(self, campaign: str, external_id: str, merge: bool) -> LeadWords:
        phones = None
        if self.phones is not None:
            phones = tuple(
                (one, "", {}) if isinstance(one, str) else one.words() for one in self.phones
            )
        return LeadWords(
            campaign,
            self.source,
            external_id,
            phones,
            self.region,
            self.zone,
            self.name,
            self.fields,
            merge,
            self.priority,
            self.source_version,
        )


class LeadRequest(_LeadFields):
    """A lead as the CRM has it. One that is known by `source` and `external_id` is brought up to
    date; what is left out stays, and `fields` are replaced as a whole."""

    campaign: Annotated[Campaign, Field(min_length=1)]
    external_id: ExternalId

    def words(self) -> LeadWords:
        return self._words(self.campaign, self.external_id, merge=False)


class LeadsBody(RootModel[LeadRequest | list[LeadRequest]]):
    """One lead or many. Of many, each is taken or rejected by itself."""

    model_config = ConfigDict(hide_input_in_errors=True)


class LeadPatch(_LeadFields):
    """What changed of a lead; `fields` are added to those it has. Without `campaign`: in all."""

    campaign: Campaign = ""

    def words(self, external_id: str) -> LeadWords:
        return self._words(self.campaign, external_id, merge=True)


class DncRequest(Sent):
    phones: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    region: Region = ""
    campaign: Campaign = ""  # where it was said, for the record


class _About(Sent):
    source: Source = "crm"
    external_id: ExternalId
    source_version: Version = None


class PaymentRequest(_About):
    """`amount` paid on the day `paid_on` (today, when left out) is compared with what was promised;
    without an amount a payment is taken for the promised one. With `balance_after` of 0 or less
    the account is done. Otherwise it is not called before
    `resume_at`, or, without one, until a callback is asked for."""

    reference: Reference
    amount: Annotated[
        Decimal | None, Field(ge=0, allow_inf_nan=False, max_digits=18, decimal_places=4)
    ] = None
    paid_on: date | None = None
    balance_after: Annotated[
        Decimal | None, Field(allow_inf_nan=False, max_digits=18, decimal_places=4)
    ] = None
    resume_at: AwareDatetime | None = None


class DisputeRequest(_About):
    reference: Reference
    state: Literal["opened", "resolved"] = "opened"


class CeaseRequest(_About):
    pass


class ErasureRequest(Sent):
    source: Source = "crm"
    external_id: ExternalId


class CallbackRequest(Sent):
    source: Source = "crm"
    external_id: ExternalId
    campaign: Campaign = ""  # empty: every campaign that has the account
    at: AwareDatetime


class ClickRequest(Sent):
    """A call for an agent who is free. `phone`, `lead_id` or `external_id` says who is called;
    `phone` beside an id is that number of the lead."""

    agent: Annotated[str, Field(min_length=1, max_length=64, pattern=_PRINTABLE)]
    campaign: Annotated[Campaign, Field(min_length=1)]
    phone: Annotated[str, Field(max_length=40, pattern=_PRINTABLE)] = ""
    lead_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    external_id: Annotated[str, Field(max_length=128, pattern=_PRINTABLE)] = ""

    @model_validator(mode="after")
    def _somebody(self) -> ClickRequest:
        if not (self.phone or self.lead_id or self.external_id):
            raise ValueError("names nobody: send phone, lead_id or external_id")
        return self
