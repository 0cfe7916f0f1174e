"""Users and their rights, as `dialer.web` sees them: who is asking, and what a session is.

`Role` is what somebody is in the call centre; what a role may do is the web's table of rights
(`dialer.web.auth`), because a right is a set of routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    VIEWER = "viewer"  # a wall display, or somebody who only looks
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


class Kind(StrEnum):
    """How a session came to be, and how its token travels."""

    BROWSER = "browser"  # an HttpOnly cookie
    SHIFT = "shift"  # a program's bearer token, good for one shift of an agent


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a session. `campaigns` None: all. `one_time`: the password must be changed."""

    name: str
    title: str
    roles: frozenset[Role]
    campaigns: tuple[str, ...] | None
    kind: Kind
    one_time: bool = False
    totp: bool = False


@dataclass(frozen=True, slots=True)
class Seat:
    """What an agent sits down with. `campaigns` in order of priority."""

    name: str
    title: str
    phone: str
    pbx: str
    campaigns: tuple[str, ...]
    break_reasons: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()  # in order of priority; none: all
    may_override: bool = False  # may set a rule of the law's packs aside in a call by hand


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as an administrator sees one."""

    name: str
    title: str
    roles: tuple[Role, ...]
    campaigns: tuple[str, ...] | None
    phone: str
    pbx: str
    subject: str  # at the OpenID provider; empty: by name
    disabled: bool
    totp: bool
    from_file: bool  # an agent of dialer.yaml: phone, campaigns and title are changed there
    seen_at: str = ""  # ISO 8601, UTC; empty: no session


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Somebody did something. Holds no personal data of customers."""

    id: int
    at: str  # ISO 8601, UTC
    who: str
    action: str
    object: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewUser:
    name: str
    roles: Sequence[Role]
    title: str = ""
    campaigns: Sequence[str] | None = None
    phone: str = ""
    pbx: str = "main"


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is None stays; `campaigns_all` sets `campaigns` to all."""

    title: str | None = None
    roles: Sequence[Role] | None = None
    campaigns: Sequence[str] | None = None
    campaigns_all: bool = False
    phone: str | None = None
    pbx: str | None = None
    subject: str | None = None
    disabled: bool | None = None


class People(Protocol):
    """Methods that refuse raise `dialer.server.face.Refused`. `who` goes into the audit log."""

    def person_of(self, token: str) -> Person | None:
        """Whose session this token is; None when unknown, ended or expired. The comparison does
        not depend on how much of a wrong token is right."""
        ...

    async def sign_in(self, name: str, password: str, code: str, address: str, kind: Kind) -> str:
        """A new session's token. Refused with 401 and one and the same message for an unknown
        name and a wrong password, with `CodeWanted` when only the code is missing or wrong, with
        429 after too many failures."""
        ...

    async def sign_in_by_ticket(self, ticket: str) -> str: ...

    async def sign_in_by_provider(self, subject: str, name: str) -> str:
        """The provider vouches for this subject, whom it calls `name`."""
        ...

    async def sign_out(self, token: str) -> None: ...

    async def end_shift(self, agent: str, keep: str = "") -> None:
        """Tokens for the agent's shift are good no more, but for the one to `keep`."""
        ...

    async def change_password(self, token: str, old: str, new: str) -> str:
        """The new session's token; all other sessions of the user end."""
        ...

    async def begin_totp(self, token: str, password: str) -> tuple[str, str]:
        """(secret, uri) to be confirmed by a code."""
        ...

    async def confirm_totp(self, token: str, code: str) -> str:
        """A new session's token; all others end."""
        ...

    async def end_totp(self, token: str, password: str) -> str:
        """A new session's token; all others end."""
        ...

    # administrators
    def users(self) -> list[UserView]: ...

    async def add(self, user: NewUser, who: str) -> tuple[UserView, str]:
        """The user, and a password for the first sign-in."""
        ...

    async def change(self, name: str, change: UserChange, who: str) -> UserView: ...

    async def reset_password(self, name: str, who: str) -> tuple[UserView, str]: ...

    async def reset_totp(self, name: str, who: str) -> None: ...

    async def end_sessions(self, name: str, who: str) -> None: ...

    # audit
    async def audit(
        self, who: str, action: str, thing: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        """On record when this returns."""
        ...

    async def audit_entries(
        self, before: int, limit: int, who: str, action: str
    ) -> tuple[list[AuditEntry], bool]:
        """Newest first, with a number below `before` (0: the newest); whether there are more."""
        ...
