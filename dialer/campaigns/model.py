"""A campaign as its YAML file says it. One class: what the file may hold, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import phonenumbers
from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from dialer.campaigns.again import Again, Retry, close, known_outcomes, rules_of
from dialer.campaigns.compliance.abandoned import upper_share
from dialer.campaigns.compliance.facts import CampaignFacts, Override
from dialer.campaigns.packs import load_packs, version_of
from dialer.campaigns.queues import PreviewPart, QueuePart
from dialer.campaigns.retry import RetryRule, next_step
from dialer.campaigns.screen import Identifier, ScreenPart, VerifyPart
from dialer.campaigns.strategy.load import campaign_faults, load_strategy
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.units import Name, Part, WindowPart
from dialer.campaigns.window import CallingWindow
from dialer.campaigns.words import Disposition, Next, defaults
from dialer.campaigns.zones import zones_of_country
from dialer.core.events import RING_MIN_S, CampaignRules
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome
from dialer.store.policy import AfterPreview, NextStep, Queue, Verdict
from yamlmarks import FileError
from yamlmarks.values import YamlFile


class Purpose(StrEnum):
    """Which laws apply depends on it."""

    SALES = "sales"
    COLLECTIONS = "collections"
    SERVICE = "service"
    SURVEY = "survey"
    CHARITY = "charity"
    POLITICAL = "political"


_MON_SAT = WindowPart.model_validate({"days": "mon-sat", "from": "08:00", "to": "20:00"})


class OverridePart(Part):
    """Somebody dials although a rule of the packs says no. Every such attempt is audited. The
    do-not-call list, free numbers and unknown time zones stand nevertheless."""

    by: str = Field(min_length=2, max_length=80)
    because: str = Field(min_length=10, max_length=400)


class CompliancePart(Part):
    """Rule packs beside those that are shipped, and who sets rules aside."""

    # Campaigns that name the same one are one to the limits on abandoned calls: one seller's offer.
    campaign: Name | None = None
    consent_required: bool = False  # numbers without a record of consent go to an agent
    packs: Path | None = None  # a folder of packs, from the campaign file's own folder
    override: OverridePart | None = None


class AuditPart(Part):
    """How often machine detection takes people for machines, as somebody found by listening."""

    calls: int = Field(ge=50, le=1_000_000)  # answered by people, and listened to
    wrong: int = Field(ge=0)  # of these, taken for machines

    @model_validator(mode="after")
    def _of_these(self) -> AuditPart:
        if self.wrong > self.calls:
            raise ValueError("wrong: cannot be more than calls")
        return self

    @property
    def error(self) -> float:
        """The share may be as high as this: the upper end of Wilson's interval, one-sided 95 %."""
        return upper_share(self.wrong, self.calls)


class DuplicatesPart(Part):
    """What an import does with rows whose account, number or person is there already, unless its
    command says otherwise."""

    policy: Literal["skip", "update", "reject"] = "reject"
    across: Literal["allow", "skip"] = "allow"  # people whom another campaign calls
    one_per_person: bool = False  # where the list says whose account it is


class OutsidePart(Part):
    """A number outside that agents may hand customers on to. No other is ever dialled for that."""

    name: str = Field(min_length=1, max_length=60)
    number: Annotated[str, Field(pattern=r"^\+[0-9]{4,15}$")]


class CampaignFile(Part):
    """A campaign. Implements the store's `Policy`."""

    name: Name
    title: str = Field(default="", max_length=80)
    purpose: Purpose
    pbx: Name = "main"
    trunk: Name
    caller_id: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]
    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    mode: Mode = Mode.PREDICTIVE
    pacer: str = ""
    pacer_options: dict[str, float | int | bool | str] = Field(default_factory=dict)
    abandon_limit: Annotated[float, Field(ge=0, lt=1)] = 0.03
    ring_limit_s: Annotated[float, Field(ge=RING_MIN_S, le=120)] = 25.0
    # So long every line rings before the pacer may give it up; as long as the limit: it never does.
    ring_least_s: Annotated[float, Field(ge=RING_MIN_S, le=120)] = RING_MIN_S
    patience_s: Annotated[float, Field(gt=0, le=2.0)] = 2.0
    wrap_up_limit_s: Annotated[float, Field(ge=0, le=3600)] = 120.0
    amd: bool = False
    amd_audit: AuditPart | None = None
    record: bool = False
    record_by_agents: bool = False  # agents may begin a recording, and end one
    compliance: CompliancePart = CompliancePart()
    screen: ScreenPart = ScreenPart()
    strategy: Path | None = None  # of its leads, from the campaign file's own folder
    duplicates: DuplicatesPart = DuplicatesPart()
    attempts_max: Annotated[int, Field(ge=1, le=100)] = 8
    retry: dict[str, Retry] = Field(default_factory=dict)
    calling_window: tuple[WindowPart, ...] = Field(default=(_MON_SAT,), min_length=1)
    dispositions: tuple[Disposition, ...] = Field(default=defaults("service"), min_length=1)
    queues: tuple[QueuePart, ...] = ()
    escalate_to: Name | None = None  # the queue of what agents hand over
    preview: PreviewPart = PreviewPart()
    transfers: tuple[OutsidePart, ...] = Field(default=(), max_length=50)

    @field_validator("default_region")
    @classmethod
    def _region(cls, value: str) -> str:
        if value not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("is no region of the telephone world: US, GB, DE, ...")
        return value

    @field_validator("transfers")
    @classmethod
    def _told_apart(cls, value: tuple[OutsidePart, ...]) -> tuple[OutsidePart, ...]:
        names = [one.name for one in value]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"name {', '.join(sorted(twice))} is given twice")
        return value

    @field_validator("retry")
    @classmethod
    def _outcomes(cls, value: dict[str, Any]) -> dict[str, Any]:
        return known_outcomes(value)

    @field_validator("dispositions")
    @classmethod
    def _distinct(cls, value: tuple[Disposition, ...]) -> tuple[Disposition, ...]:
        for what, given in (
            ("code", [one.code for one in value]),
            ("hot_key", [one.hot_key for one in value if one.hot_key]),
        ):
            twice = {one for one in given if given.count(one) > 1}
            if twice:
                raise ValueError(f"{what} {', '.join(sorted(twice))} is given twice")
        return value

    @model_validator(mode="after")
    def _queued(self) -> CampaignFile:
        names = [queue.name for queue in self.queues]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"queue {', '.join(sorted(twice))} is given twice")
        if "dispositions" not in self.model_fields_set:
            object.__setattr__(self, "dispositions", defaults(self.purpose.value))
        wanted = [("escalate_to", self.escalate_to or "")]
        wanted += [(f"disposition {one.code}", one.queue or "") for one in self.dispositions]
        for what, name in wanted:
            if name and name not in names:
                raise ValueError(f"{what}: there is no queue {name}{close(name, names)}")
        return self

    @model_validator(mode="after")
    def _paced(self) -> CampaignFile:
        if self.mode is not Mode.PREDICTIVE:
            if self.pacer not in ("", "progressive"):
                raise ValueError(f"mode: {self.mode.value} has a pacer of its own: leave pacer out")
            object.__setattr__(self, "pacer", "progressive")
        elif not self.pacer:
            object.__setattr__(self, "pacer", "forward")
        return self

    # --- what it means ------------------------------------------------------------------------

    def rules(self) -> CampaignRules:
        """What the core must know."""
        return CampaignRules(
            name=self.name,
            pbx=self.pbx,
            trunk=self.trunk,
            caller_id=self.caller_id,
            ring_limit_s=self.ring_limit_s,
            ring_least_s=max([self.ring_least_s, *self._packs_rings]),
            patience_s=self.patience_s,
            wrap_up_limit_s=self.wrap_up_limit_s,
            amd=self.amd,
            record=self.record,
            mode=self.mode,
            offer_after_s=self.preview.after_idle if self.mode.automatic else 0.0,
            preview_limit_s=self.preview.limit,
            preview_dials=self.preview.on_timeout == "dial",
            machine_words=frozenset(one.code for one in self.dispositions if one.machine),
        )

    @property
    def _packs_rings(self) -> list[float]:
        """What the packs of this campaign's purpose want a line to ring at least."""
        return [one.ring_min for one in self.gate.packs if self.purpose.value in one.purposes]

    @cached_property
    def gate(self) -> CampaignFacts:
        """The law's rules for this campaign. Raises `FileError` for packs that cannot be read."""
        packs = load_packs(self.compliance.packs)
        override = self.compliance.override
        return CampaignFacts(
            name=self.name,
            purpose=self.purpose.value,
            packs=packs,
            version=version_of(packs),
            ring_limit_s=self.ring_limit_s,
            default_region=self.default_region,
            override=None if override is None else Override(override.by, override.because),
            wide_zones=self.wide_zones,
            consent_required=self.compliance.consent_required,
            unaudited=self.amd and self.amd_audit is None,
        )

    @cached_property
    def plan(self) -> Strategy | None:
        """The campaign's strategy. Raises `FileError` for one that cannot be read."""
        return None if self.strategy is None else load_strategy(self.strategy)

    def with_plan(self, plan: Strategy) -> CampaignFile:
        """The same campaign with this strategy, whatever its file says by now."""
        other = self.model_copy()
        other.__dict__["plan"] = plan
        return other

    @cached_property
    def wide_zones(self) -> str:
        """Where somebody lives whose zone is not known: anywhere in the campaign's country."""
        return zones_of_country(self.default_region)

    @cached_property
    def queue_rules(self) -> Mapping[str, Queue]:
        return {part.name: part.queue() for part in self.queues}

    @cached_property
    def after_preview(self) -> AfterPreview:
        return AfterPreview(self.preview.again, self.preview.skips_max, self.escalate_to or "")

    def serves(self, queue: str) -> bool:
        return queue in self.queue_rules

    def has_disposition(self, code: str) -> bool:
        return code in self._by_code

    @cached_property
    def window(self) -> CallingWindow:
        return CallingWindow(tuple(part.hours() for part in self.calling_window))

    @cached_property
    def retry_rules(self) -> Mapping[Outcome, RetryRule]:
        return rules_of(self.retry)

    @cached_property
    def _by_code(self) -> Mapping[str, Disposition]:
        return {one.code: one for one in self.dispositions}

    def definition(self) -> dict[str, Any]:
        return self.model_dump(
            mode="json", exclude_computed_fields=True, exclude={"pacer_options"}
        ) | {"pacer_options": dict(self.pacer_options)}

    def after_outcome(self, outcome: Outcome, ended: Mapping[str, int], now: datetime) -> NextStep:
        return next_step(self.retry_rules, self.attempts_max, outcome, ended, now)

    def after_disposition(self, code: str, callback_at: datetime | None, now: datetime) -> Verdict:
        chosen = self._by_code.get(code)
        if chosen is None:
            raise ValueError("the campaign has no such disposition")
        return chosen.verdict(callback_at, now)

    def open_at(self, zones: str, moment: datetime) -> bool:
        return self.window.open_at(zones, moment)

    def next_open(self, zones: str, moment: datetime) -> datetime | None:
        return self.window.next_open(zones, moment)


def load_campaign(path: Path) -> CampaignFile:
    """Read a campaign's file. Raises `FileError` with every fault: `file:line: field: mend`."""
    return read_campaign(YamlFile(path))


def read_campaign(file: YamlFile) -> CampaignFile:
    if not isinstance(file.value, dict):
        raise FileError([file.fault((), "a campaign is a table of fields: name: ..., trunk: ...")])
    try:
        campaign = CampaignFile.model_validate(file.value)
        return _with_files(file, campaign)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    # A sequence with a faulty member counts as shorter than it is: that is no fault of its own.
    told = [f for f in faults if f["type"] != "too_short" or not _deeper(f["loc"], faults)]
    raise FileError([_fault(file, one) for one in told])


def _with_files(file: YamlFile, campaign: CampaignFile) -> CampaignFile:
    """The campaign with its folder of packs and its strategy found and read."""
    if (folder := campaign.compliance.packs) is not None:
        folder = file.path.parent / folder
        if not folder.is_dir():
            raise FileError([file.fault(("compliance", "packs"), "is no folder of rule packs")])
        section = campaign.compliance.model_copy(update={"packs": folder})
        campaign = campaign.model_copy(update={"compliance": section})
    if (plan := campaign.strategy) is not None:
        plan = file.path.parent / plan
        if not plan.is_file():
            raise FileError([file.fault(("strategy",), "is no file: name the strategy's YAML")])
        campaign = campaign.model_copy(update={"strategy": plan})
        if (strategy := campaign.plan) is not None and (
            found := campaign_faults(YamlFile(plan), strategy, campaign)
        ):
            raise FileError(found)
    screen = campaign.screen
    for field, kind in (("script", "file"), ("knowledge", "folder")):
        path = getattr(screen, field)
        if path is None:
            continue
        path = file.path.parent / path
        if not (path.is_file() if kind == "file" else path.is_dir()):
            raise FileError([file.fault(("screen", field), f"is no {kind}: correct the path")])
        screen = screen.model_copy(update={field: path})
    campaign = campaign.model_copy(update={"screen": screen})
    _ = campaign.gate  # faults of packs are told now, and not when somebody is to be called
    return campaign


def _deeper(where: tuple[object, ...], faults: Sequence[Any]) -> bool:
    return any(len(f["loc"]) > len(where) and f["loc"][: len(where)] == where for f in faults)


def _fault(file: YamlFile, error: Any) -> str:
    where = tuple(error["loc"])
    match error["type"]:
        case "missing":
            return file.fault(where, "is missing")
        case "extra_forbidden":
            *outer, name = where
            known = list(CampaignFile.model_fields) if not outer else _fields_near(outer)
            return file.fault(where, f"is not a field of a campaign{close(str(name), known)}")
        case "greater_than_equal" if where in (("ring_limit_s",), ("ring_least_s",)):
            return file.fault(where, f"must be {RING_MIN_S:g} or more: the law's least ring")
        case "string_pattern_mismatch" if where in _SPELLING:
            return file.fault(where, _SPELLING[where])
        case "value_error":
            return file.fault(where, str(error["ctx"]["error"]))
    message = str(error["msg"])
    return file.fault(where, message[:1].lower() + message[1:])


_PLAIN = "is written with letters, digits, dot, hyphen and underscore, 64 at most"
_SPELLING: Mapping[tuple[Any, ...], str] = {
    ("name",): _PLAIN,
    ("pbx",): _PLAIN,
    ("trunk",): _PLAIN,
    ("caller_id",): "is a number, best with its country: +12125550100",
    ("default_region",): "is two capital letters: US, GB, DE",
}


def _fields_near(outer: list[Any]) -> list[str]:
    match outer[0]:
        case "retry":
            return list(Again.model_fields)
        case "calling_window":
            return ["days", "from", "to"]
        case "amd_audit":
            return list(AuditPart.model_fields)
        case "duplicates":
            return list(DuplicatesPart.model_fields)
        case "screen":
            if "identifiers" in outer:
                return list(Identifier.model_fields)
            return list((VerifyPart if outer[-1] == "verify" else ScreenPart).model_fields)
        case "compliance":
            part = OverridePart if "override" in outer else CompliancePart
            return list(part.model_fields)
        case "queues":
            return list(QueuePart.model_fields)
        case "transfers":
            return list(OutsidePart.model_fields)
        case "preview":
            return list(PreviewPart.model_fields)
        case _:
            return list(Disposition.model_fields)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a campaign's file, for editors."""
    return CampaignFile.model_json_schema(mode="validation")


__all__ = [
    "CampaignFile",
    "Disposition",
    "FileError",
    "Mode",
    "Next",
    "json_schema",
    "load_campaign",
    "read_campaign",
]
