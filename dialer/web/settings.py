"""What a site may set about the web side, and the limits that are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialer.server.intake import Scope

BODY_MAX = 64 * 1024  # bytes; the largest honest body is a disposition with a note of 2,000 signs
FRAME_MAX = 16 * 1024  # bytes; the same on a WebSocket

# Real seconds, whatever the loop's clock does: networks and browsers live in real time.
HEARTBEAT_S = 5.0
LOST_AFTER_S = 10.0  # two heartbeats: one lost packet is not a lost agent
HELLO_LIMIT_S = 5.0
STUCK_LIMIT_S = 20.0  # a peer that reads nothing for so long is not worth its buffer

STRANGERS_MAX = 1024  # sockets without hello; a whole floor may come back at once
WALLBOARDS_MAX = 200
BROKEN_MESSAGES_MAX = 20  # per socket

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A program's token and what it may do."""

    token: str = field(repr=False)
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider. `name_claim` names the claim that is a user's name here, for
    users without a `subject` of their own; empty: users are known by their subject only."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    label: str = "Company login"
    name_claim: str = ""
    scopes: str = "openid"


PANELS = ("salesforce", "hubspot", "dynamics")  # CRMs whose frame our panel knows


@dataclass(frozen=True, slots=True)
class Panel:
    """`script` is the address of the CRM's own script; `log`: the panel writes the call down in the
    CRM, which a connector of the bridge may do better."""

    script: str
    log: bool = False

    @property
    def origin(self) -> str:
        """Scheme and host of the script, for the page's policy."""
        return "/".join(self.script.split("/")[:3])


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`supervisors` and `viewers` are name -> token; a name goes into the audit, a token is at
    least 16 signs long. `tokens` are those of programs that use the API. `hosts` are the names
    people reach this server by when that is not loopback ("dialer.example.org"); empty while bound
    to loopback means loopback only, empty otherwise means any. `origins` are further pages that may
    open a WebSocket. `public_url` is the address people open, when a proxy stands before us; with
    https the cookie never travels without TLS. `proxies` are the addresses of such proxies, whose
    X-Forwarded-For is believed. `frame_ancestors` are the sites (a CRM's) that may show our pages
    in a frame, `phone_sockets` the PBX's WebSockets that the browser's phone connects to. `panels`
    are the CRMs that have the agent's phone in a frame of theirs."""

    host: str = "127.0.0.1"
    port: int = 8080
    supervisors: Mapping[str, str] = field(default_factory=dict)
    viewers: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    picture_every_s: float = 0.5  # of the wallboard, real seconds: with the sweep's 0.25 under 1 s
    tokens: Mapping[str, ApiToken] = field(default_factory=dict)
    public_url: str = ""
    proxies: tuple[str, ...] = ()
    frame_ancestors: tuple[str, ...] = ()
    phone_sockets: tuple[str, ...] = ()
    oidc: Provider | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = {name: one.token for name, one in self.tokens.items()}
        for kind, tokens in (
            ("supervisors", self.supervisors),
            ("viewers", self.viewers),
            ("tokens", programs),
        ):
            for name, token in tokens.items():
                if len(token) < 16:
                    raise ValueError(
                        f"web.{kind}.{name}: the token is shorter than 16 signs; make one with "
                        "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"
                    )
        if not 0 <= self.port <= 65535:
            raise ValueError(f"web.port: {self.port} is not a port; choose one of 0 to 65535")
        if self.picture_every_s <= 0:
            raise ValueError("web.picture_every_s: must be above 0; 1.0 is usual")

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by TLS alone."""
        return self.public_url.startswith("https://")

    @property
    def hosts_allowed(self) -> tuple[str, ...] | None:
        """Names a Host header may carry; None: any."""
        if self.host in LOOPBACK:
            return LOOPBACK + self.hosts
        return (self.host, *LOOPBACK, *self.hosts) if self.hosts else None
