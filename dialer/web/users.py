"""Users and the audit log, for administrators."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from dialer.server.people import AuditEntry, NewUser, Role, UserChange, UserView
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.query import number_param, text_param, whole, words
from dialer.web.routes import Call, Route, Site
from dialer.web.session import people_of

UserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")]
Endpoint = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,64}$")]
Title = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Campaigns = Annotated[list[Endpoint], Field(max_length=1_000)]
AUDIT_MAX = 500


class UserRequest(Sent):
    name: UserName
    title: Title = ""
    roles: Annotated[list[Role], Field(min_length=1, max_length=10)]
    campaigns: Campaigns | None = None  # null: all
    phone: Endpoint = ""
    pbx: Endpoint = "main"


class UserPatch(Sent):
    """What is not named stays. `campaigns` null: all."""

    title: Title | None = None
    roles: Annotated[list[Role], Field(min_length=1, max_length=10)] | None = None
    campaigns: Campaigns | None = None
    phone: Endpoint | None = None
    pbx: Endpoint | None = None
    subject: Annotated[str, Field(max_length=255)] | None = None
    disabled: bool | None = None


class UsersAnswer(BaseModel):
    users: list[UserView]


class PasswordAnswer(BaseModel):
    user: UserView
    password: str  # for the first sign-in; told this once


class AuditAnswer(BaseModel):
    entries: list[AuditEntry]
    more: bool


async def users(site: Site, call: Call) -> UsersAnswer:
    return UsersAnswer(users=people_of(site).users())


async def add(site: Site, call: Call) -> PasswordAnswer:
    body: UserRequest = call.body
    user, password = await people_of(site).add(
        NewUser(body.name, body.roles, body.title, body.campaigns, body.phone, body.pbx),
        call.caller.name,
    )
    return PasswordAnswer(user=user, password=password)


async def change(site: Site, call: Call) -> UserView:
    body: UserPatch = call.body
    change = UserChange(
        **{name: getattr(body, name) for name in UserPatch.model_fields},
        campaigns_all="campaigns" in body.model_fields_set and body.campaigns is None,
    )
    return await people_of(site).change(call.param("user"), change, call.caller.name)


async def reset_password(site: Site, call: Call) -> PasswordAnswer:
    user, password = await people_of(site).reset_password(call.param("user"), call.caller.name)
    return PasswordAnswer(user=user, password=password)


async def reset_totp(site: Site, call: Call) -> None:
    await people_of(site).reset_totp(call.param("user"), call.caller.name)


async def end_sessions(site: Site, call: Call) -> None:
    await people_of(site).end_sessions(call.param("user"), call.caller.name)


async def audit(site: Site, call: Call) -> AuditAnswer:
    entries, more = await people_of(site).audit_entries(
        whole(call, "before", 0, 0, 2**53),
        whole(call, "limit", 100, 1, AUDIT_MAX),
        words(call, "who"),
        words(call, "action"),
    )
    return AuditAnswer(entries=entries, more=more)


_ADMIN = Access.ADMINISTRATOR
USERS: tuple[Route, ...] = (
    Route("GET", "/v1/users", users, "All users", _ADMIN, gives=UsersAnswer, problems=(503,)),
    Route(
        "POST",
        "/v1/users",
        add,
        "Add a user; the answer has the password for the first sign-in",
        _ADMIN,
        takes=UserRequest,
        gives=PasswordAnswer,
        problems=(409, 503),
    ),
    Route(
        "PATCH",
        "/v1/users/{user}",
        change,
        "Change a user; new roles or campaigns end the user's sessions",
        _ADMIN,
        takes=UserPatch,
        gives=UserView,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/users/{user}/password",
        reset_password,
        "A new password for the user's next sign-in",
        _ADMIN,
        gives=PasswordAnswer,
        problems=(404, 503),
    ),
    Route(
        "DELETE",
        "/v1/users/{user}/totp",
        reset_totp,
        "The user's authenticator was lost: one-time codes are off",
        _ADMIN,
        problems=(404, 503),
    ),
    Route(
        "DELETE",
        "/v1/users/{user}/sessions",
        end_sessions,
        "Sign the user out everywhere",
        _ADMIN,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/audit",
        audit,
        "Who did what, newest first",
        _ADMIN,
        gives=AuditAnswer,
        problems=(400, 503),
        params=(
            number_param("before", 0, 0, 2**53, "Entries with a lower id; 0: the newest."),
            number_param("limit", 100, 1, AUDIT_MAX, "Entries in one answer."),
            text_param("who", "Of this user or token only."),
            text_param("action", "Of this kind only."),
        ),
    ),
)
