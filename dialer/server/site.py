"""What a site configures: `dialer.yaml`. Checked as a whole before anything is started.

Relative paths in it are relative to the file. A secret is given as such, or as `${NAME}` to be
taken from the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dialer.core.events import CampaignRules
from dialer.server.credentials import check_hash
from dialer.server.face import DispositionOffer
from dialer.server.intake import Scope

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def _is_hash(text: str) -> str:
    check_hash(text)
    return text


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TrunkSettings(_Settings):
    """A trunk endpoint of the PBX, and what its carrier allows."""

    name: Name
    channels_max: int = Field(default=100, ge=1, le=10_000)
    originates_per_s: float = Field(default=10.0, gt=0, le=1_000)


IceUrl = Annotated[str, Field(pattern=r"^(stun|turn|turns):[^\s,'\"]{1,200}$")]


class IceSettings(_Settings):
    """Servers that help browsers' audio through NAT. `turn_secret` is coturn's
    `static-auth-secret`; credentials made from it are good for `valid_s`."""

    stun: tuple[IceUrl, ...] = ()
    turn: tuple[IceUrl, ...] = ()
    turn_secret: str = Field(default="", repr=False)
    valid_s: int = Field(default=12 * 3600, ge=60, le=86_400)

    @model_validator(mode="after")
    def _both(self) -> IceSettings:
        if self.turn and not self.turn_secret:
            raise ValueError("turn asks for turn_secret: coturn's static-auth-secret")
        return self


class BrowserPhones(_Settings):
    """Phones that are pages: `url` is the PBX WebSocket as browsers reach it (wss://..., or a
    path of our own address that a proxy leads there), `passwords` are by the name of the phone."""

    url: Annotated[str, Field(pattern=r"^(wss?://[^/\s;,'\"]+)?/[^\s;,'\"]*$")]
    passwords: dict[Name, str] = Field(default_factory=dict, repr=False)
    ice: IceSettings | None = None


class PbxSettings(_Settings):
    name: Name = "main"
    host: str = "127.0.0.1"
    port: int = Field(default=5038, ge=1, le=65535)
    tls: bool = False
    cmd_user: str = "overdial-cmd"
    cmd_secret: str = Field(min_length=1, repr=False)
    evt_user: str = "overdial-evt"
    evt_secret: str = Field(min_length=1, repr=False)
    trunks: tuple[TrunkSettings, ...] = Field(min_length=1)
    browser: BrowserPhones | None = None
    recordings: Path | None = None  # where the PBX's folder of recordings is seen from here


class AgentSettings(_Settings):
    """An agent: who logs in, and which phone is rung. `campaigns` in order of priority."""

    name: Name
    title: str = Field(default="", max_length=80)
    phone: Name  # endpoint on the PBX
    pbx: Name = "main"
    password_hash: Annotated[str, AfterValidator(_is_hash)] = Field(repr=False)
    campaigns: tuple[Name, ...] = Field(min_length=1)
    break_reasons: tuple[str, ...] = ("break", "lunch", "training")
    skills: tuple[Name, ...] = ()
    queues: tuple[Name, ...] = ()  # in order of priority; none: all
    may_override: bool = False  # may set a rule of the law's packs aside in a call by hand; audited


class TokenSettings(_Settings):
    """A token of the API, for a program; at least 16 signs."""

    token: str = Field(repr=False)
    scopes: tuple[Scope, ...] = Field(min_length=1)


class OidcSettings(_Settings):
    """An OpenID Connect provider. Users are known to it by `subject`, or by `name_claim`."""

    issuer: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    client_id: str = Field(min_length=1)
    client_secret: str = Field(default="", repr=False)
    label: str = Field(default="Company login", max_length=40)
    name_claim: str = ""
    scopes: str = "openid"


# A source in a Content-Security-Policy: it must not end the directive it stands in.
Source = Annotated[str, Field(pattern=r"^(https?|wss?)://[A-Za-z0-9.*:\[\]-]+$")]


class PanelSettings(_Settings):
    """The agent's phone in a CRM's frame: `script` is the CRM's own; `log`: the panel writes calls
    down in the CRM (leave it off where a connector of the bridge does)."""

    script: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._~/%?=&-]*$")]
    log: bool = False


class WebSection(_Settings):
    """Tokens are name -> token; the name goes into the audit."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    supervisors: dict[str, str] = Field(default_factory=dict, repr=False)
    viewers: dict[str, str] = Field(default_factory=dict, repr=False)
    tokens: dict[str, TokenSettings] = Field(default_factory=dict, repr=False)
    public_url: Annotated[str, Field(pattern=r"^(https?://[^/\s]+)?$")] = ""
    proxies: tuple[str, ...] = ()
    frame_ancestors: tuple[Source, ...] = ()
    phone_sockets: tuple[Source, ...] = ()
    oidc: OidcSettings | None = None
    panels: dict[Literal["salesforce", "hubspot", "dynamics"], PanelSettings] = Field(
        default_factory=dict
    )


class MonitoringSettings(_Settings):
    """Supervisors who listen in. `tell_agents` false: agents' screens do not show it; whether that
    is lawful, a site must know."""

    tell_agents: bool = True


class SiteSettings(_Settings):
    """One dialer."""

    database: str = "sqlite:///var/overdial.db"
    zone: str = "UTC"  # whose midnight ends a day of the abandon account
    web: WebSection = WebSection()
    pbxes: tuple[PbxSettings, ...] = Field(min_length=1)
    campaigns: tuple[Path, ...] = Field(min_length=1)
    agents: tuple[AgentSettings, ...] = ()
    crm: Path | None = None  # endpoints of the CRM bridge
    monitoring: MonitoringSettings = MonitoringSettings()
    trace: Path | None = None  # where pacing decisions are written, one JSON line each

    @model_validator(mode="after")
    def _one_of_each(self) -> SiteSettings:
        for what, names in (
            ("pbxes", [one.name for one in self.pbxes]),
            ("agents", [one.name for one in self.agents]),
            ("agents' phones", [f"{one.pbx}/{one.phone}" for one in self.agents]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what}: {', '.join(sorted(twice))} is given twice; keep one")
        known = {one.name for one in self.pbxes}
        for agent in self.agents:
            if agent.pbx not in known:
                raise ValueError(
                    f"agents: {agent.name} is on PBX {agent.pbx}, which pbxes does not name"
                )
        return self


@dataclass(frozen=True, slots=True)
class CampaignDesk:
    """A campaign as screens and the core know it."""

    rules: CampaignRules
    mode: str
    title: str
    dispositions: tuple[DispositionOffer, ...]
    wrap_up_limit_s: float
    skip_reasons: tuple[str, ...] = ()  # of a lead in preview
    may_escalate: bool = False
    record_by_agents: bool = False


def phone_origins(site: SiteSettings) -> tuple[str, ...]:
    """Where pages connect phones to, beyond our own address."""
    urls = [pbx.browser.url for pbx in site.pbxes if pbx.browser is not None]
    return tuple("/".join(url.split("/", 3)[:3]) for url in urls if not url.startswith("/"))
