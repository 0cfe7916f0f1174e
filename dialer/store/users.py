"""Users, their sessions, and the audit log. Plain rows: what they mean is the server's matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import insert_for
from dialer.store.database import Database
from dialer.store.schema import campaigns
from dialer.store.user_tables import audit_log, campaign_settings, user_sessions, users


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user. `campaigns` None: all of them. `password` empty: none may be used. `file_hash` is
    the hash last taken from dialer.yaml. `epoch` counts what ends sessions that are open."""

    name: str
    title: str = ""
    roles: tuple[str, ...] = ()
    campaigns: tuple[str, ...] | None = None
    password: str = field(default="", repr=False)
    one_time: bool = False  # to be changed at the first sign-in
    totp: str = field(default="", repr=False)  # `sealing`
    totp_step: int = 0  # the last one used
    subject: str | None = None  # at the OpenID provider
    phone: str = ""
    pbx: str = ""
    break_reasons: tuple[str, ...] = ()
    from_file: bool = False
    file_hash: str = field(default="", repr=False)
    disabled: bool = False
    epoch: int = 0
    id: int = 0  # 0: not kept yet


@dataclass(frozen=True, slots=True)
class SessionRow:
    digest: str
    user_id: int
    kind: str
    opened_ms: int
    seen_ms: int
    epoch: int


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: int
    at_ms: int
    who: str
    action: str
    object: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CampaignSettingsRow:
    """What supervisors set on a campaign; None: as its file says."""

    mode: str | None = None
    abandon_limit: float | None = None
    lines_max: int | None = None
    changed_by: str = ""
    changed_ms: int = 0


_FIELDS = (
    "name",
    "title",
    "roles",
    "campaigns",
    "password",
    "one_time",
    "totp",
    "totp_step",
    "subject",
    "phone",
    "pbx",
    "break_reasons",
    "from_file",
    "file_hash",
    "disabled",
    "epoch",
)


class NameTaken(Exception):
    """There is a user of that name, or with that subject."""


class UserBook:
    """The tables of users, by one open database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[UserRow]:
        return await self._database.read(_load)

    async def add(self, user: UserRow, now_ms: int) -> UserRow:
        """Raises `NameTaken`."""

        def work(connection: Connection) -> UserRow:
            values = {**_values(user), "created_ms": now_ms, "changed_ms": now_ms}
            made = connection.execute(sa.insert(users).values(values).returning(users.c.id))
            return replace(user, id=made.scalar_one())

        try:
            return await self._database.write(work)
        except sa.exc.IntegrityError:
            raise NameTaken from None

    async def save(self, user: UserRow, now_ms: int) -> None:
        """Raises `NameTaken` for another's subject."""
        statement = (
            sa.update(users)
            .where(users.c.id == user.id)
            .values({**_values(user), "changed_ms": now_ms})
        )
        try:
            await self._database.write(lambda c: c.execute(statement))
        except sa.exc.IntegrityError:
            raise NameTaken from None

    async def save_all(self, given: Sequence[UserRow], now_ms: int) -> None:
        """Add those that have no number yet, save the others, in one transaction."""
        stamp = {"changed_ms": now_ms}
        new = [{**_values(one), **stamp, "created_ms": now_ms} for one in given if not one.id]
        known = [one for one in given if one.id]

        def work(connection: Connection) -> None:
            if new:
                connection.execute(sa.insert(users), new)
            for one in known:
                connection.execute(
                    sa.update(users).where(users.c.id == one.id).values({**_values(one), **stamp})
                )

        if given:
            await self._database.write(work)

    async def use_code(self, user: UserRow, step: int) -> bool:
        """Take a one-time code's step; False: it was used meanwhile."""
        statement = (
            sa.update(users)
            .where(users.c.id == user.id, users.c.totp_step < step)
            .values(totp_step=step)
        )
        return await self._database.write(lambda c: c.execute(statement).rowcount == 1)

    async def sessions(self) -> list[SessionRow]:
        columns = [user_sessions.c[name] for name in SessionRow.__dataclass_fields__]
        rows = await self._database.read(lambda c: c.execute(sa.select(*columns)).all())
        return [SessionRow(*row) for row in rows]

    async def keep_sessions(self, rows: Sequence[SessionRow], ended: Sequence[str]) -> None:
        """Keep these, forget those by digest."""

        def work(connection: Connection) -> None:
            if ended:
                connection.execute(
                    sa.delete(user_sessions).where(user_sessions.c.digest.in_(list(ended)))
                )
            if rows:
                insert = insert_for(connection.dialect.name)(user_sessions)
                connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=["digest"], set_={"seen_ms": insert.excluded.seen_ms}
                    ),
                    [
                        {name: getattr(row, name) for name in SessionRow.__dataclass_fields__}
                        for row in rows
                    ],
                )

        await self._database.write(work)

    async def campaign_settings(self) -> dict[str, CampaignSettingsRow]:
        """By campaign."""
        columns = [campaign_settings.c[n] for n in CampaignSettingsRow.__dataclass_fields__]
        query = sa.select(campaigns.c.name, *columns).join(
            campaigns, campaigns.c.id == campaign_settings.c.campaign_id
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {row[0]: CampaignSettingsRow(*row[1:]) for row in rows}

    async def keep_campaign_settings(self, campaign: str, row: CampaignSettingsRow) -> None:
        def work(connection: Connection) -> None:
            values = {name: getattr(row, name) for name in CampaignSettingsRow.__dataclass_fields__}
            number = connection.scalar(
                sa.select(campaigns.c.id).where(campaigns.c.name == campaign)
            )
            insert = insert_for(connection.dialect.name)(campaign_settings)
            connection.execute(
                insert.on_conflict_do_update(index_elements=["campaign_id"], set_=values),
                {"campaign_id": number, **values},
            )

        await self._database.write(work)

    async def audit(
        self, at_ms: int, who: str, action: str, thing: str, detail: Mapping[str, Any]
    ) -> None:
        values = {
            "at_ms": at_ms,
            "who": who,
            "action": action,
            "object": thing,
            "detail": dict(detail),
        }
        await self._database.write(lambda c: c.execute(sa.insert(audit_log).values(values)))

    async def audit_rows(self, before: int, limit: int, who: str, action: str) -> list[AuditRow]:
        """Newest first; `before` 0: from the newest."""
        query = sa.select(*(audit_log.c[name] for name in AuditRow.__dataclass_fields__))
        if before:
            query = query.where(audit_log.c.id < before)
        if who:
            query = query.where(audit_log.c.who == who)
        if action:
            query = query.where(audit_log.c.action == action)
        query = query.order_by(audit_log.c.id.desc()).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [AuditRow(*row) for row in rows]

    async def acts_on(self, things: Sequence[str], actions: Sequence[str]) -> list[AuditRow]:
        """What of `actions` was done to `things`, in order."""
        columns = [audit_log.c[name] for name in AuditRow.__dataclass_fields__]
        query = (
            sa.select(*columns)
            .where(audit_log.c.action.in_(list(actions)), audit_log.c.object.in_(list(things)))
            .order_by(audit_log.c.id)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [AuditRow(*row) for row in rows]

    async def last_acts(self, actions: Sequence[str]) -> dict[str, AuditRow]:
        """The last of these actions on each object they were done to."""
        newest = (
            sa.select(sa.func.max(audit_log.c.id))
            .where(audit_log.c.action.in_(list(actions)))
            .group_by(audit_log.c.object)
        )
        columns = [audit_log.c[name] for name in AuditRow.__dataclass_fields__]
        query = sa.select(*columns).where(audit_log.c.id.in_(newest))
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {row.object: AuditRow(*row) for row in rows}


def _values(user: UserRow) -> dict[str, Any]:
    values = {name: getattr(user, name) for name in _FIELDS}
    for name in ("roles", "break_reasons", "campaigns"):
        if values[name] is not None:
            values[name] = list(values[name])
    return values


def _load(connection: Connection) -> list[UserRow]:
    columns = [users.c[name] for name in (*_FIELDS, "id")]
    found = []
    for row in connection.execute(sa.select(*columns).order_by(users.c.name)):
        values = dict(row._mapping)
        for name in ("roles", "break_reasons", "campaigns"):
            if values[name] is not None:
                values[name] = tuple(values[name])
        found.append(UserRow(**values))
    return found
