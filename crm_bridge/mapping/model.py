"""What a connector is, once read: everything the engine needs, and nothing of any one CRM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crm_bridge.mapping.fields import Field
from crm_bridge.mapping.pick import Pick
from crm_bridge.mapping.template import Template

SettingValue = str | Mapping[str, str]


class Encoding(StrEnum):
    JSON = "json"
    FORM = "form"
    QUERY = "query"  # the body's fields go into the URL
    NONE = "none"


class Once(StrEnum):
    """Why a step may be tried again without doing its work twice."""

    UPSERT = "upsert"  # the request names the record by our own id, or repeats harmlessly
    HEADER = "header"  # the CRM knows a repetition by a key in a header
    FIND = "find"  # after a lost answer we look whether the record is there
    ONCE = "once"  # after a lost answer it is not tried again by itself: a dead letter


class Keep(StrEnum):
    """How long what was captured holds."""

    CALL = "call"
    LEAD = "lead"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a site has to say. `kind` is text, url or map."""

    name: str
    help: str
    kind: str = "text"
    secret: bool = False
    default: str | None = None  # None: must be given
    example: SettingValue = ""


@dataclass(frozen=True, slots=True)
class Auth:
    """`type` is none, basic, bearer, oauth2 or hmac; `texts` are its parts, as templates."""

    type: str = "none"
    texts: Mapping[str, Template] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `ok` and `capture` look at {status, body} and at body of the answer."""

    method: str
    url: Template
    headers: Mapping[str, Template] = field(default_factory=dict)
    encoding: Encoding = Encoding.JSON
    body: tuple[Field, ...] = ()
    query: tuple[Field, ...] = ()
    variables: tuple[Field, ...] = ()  # for --A--name--B-- in the URL
    ok: Pick | None = None  # None: 2xx
    capture: Mapping[str, Pick] = field(default_factory=dict)
    pace: str = ""  # one of the connector's paces, besides its rate


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do for an event.

    A step that captures is left out when everything it would capture is known already, so that
    `look up`, then `create`, is two steps that capture the same name.
    """

    name: str
    request: Request
    when: Pick | None = None
    once: Once = Once.UPSERT
    key_header: str = ""
    find: Request | None = None
    find_after_s: float = 0.0  # until what was created can be found
    keep: Keep = Keep.CALL
    optional: bool = False  # nothing captured is no failure: a look-up

    @property
    def guarded(self) -> bool:
        return self.once in (Once.FIND, Once.ONCE)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` in any `per_s`."""

    requests: int
    per_s: float


@dataclass(frozen=True, slots=True)
class Connector:
    name: str
    title: str
    source: str
    settings: Mapping[str, Setting]
    events: Mapping[str, tuple[Step, ...]]
    auth: Auth = field(default_factory=Auth)
    headers: Mapping[str, Template] = field(default_factory=dict)
    rate: Rate | None = None
    paces: Mapping[str, Rate] = field(default_factory=dict)  # of some requests: a search, say
    throttled: Pick | None = None  # an answer that means "too many requests" without saying 429
    throttle_s: float = 60.0

    @property
    def captures(self) -> bool:
        """Whether anything has to be remembered between events or attempts."""
        steps = [step for each in self.events.values() for step in each]
        return any(step.request.capture or step.guarded for step in steps)


@dataclass(frozen=True, slots=True)
class Bound:
    """A connector with a site's settings."""

    connector: Connector
    settings: Mapping[str, SettingValue] = field(repr=False)
