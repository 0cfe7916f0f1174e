"""Accounts over a keeper in memory: the real rules about users and sessions, without a database."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dialer.server.accounts import Accounts
from dialer.server.credentials import hash_password
from dialer.server.people import Role
from dialer.server.site import AgentSettings
from dialer.store.users import AuditRow, NameTaken, SessionRow, UserRow


class MemoryKeeper:
    """Keeps the promises of `dialer.store.users.UserBook`."""

    def __init__(self) -> None:
        self.rows: dict[int, UserRow] = {}
        self.open: dict[str, SessionRow] = {}
        self.audited: list[AuditRow] = []
        self._numbers = itertools.count(1)

    async def load(self) -> list[UserRow]:
        return sorted(self.rows.values(), key=lambda row: row.name)

    async def add(self, user: UserRow, now_ms: int) -> UserRow:
        if any(row.name == user.name for row in self.rows.values()):
            raise NameTaken
        made = replace(user, id=next(self._numbers))
        self.rows[made.id] = made
        return made

    async def save(self, user: UserRow, now_ms: int) -> None:
        for row in self.rows.values():
            if user.subject is not None and row.subject == user.subject and row.id != user.id:
                raise NameTaken
        self.rows[user.id] = user

    async def save_all(self, given: Sequence[UserRow], now_ms: int) -> None:
        for user in given:
            await (self.save(user, now_ms) if user.id else self.add(user, now_ms))

    async def use_code(self, user: UserRow, step: int) -> bool:
        known = self.rows[user.id]
        if known.totp_step >= step:
            return False
        self.rows[user.id] = replace(known, totp_step=step)
        return True

    async def sessions(self) -> list[SessionRow]:
        return list(self.open.values())

    async def keep_sessions(self, rows: Sequence[SessionRow], ended: Sequence[str]) -> None:
        for digest in ended:
            self.open.pop(digest, None)
        for row in rows:
            self.open[row.digest] = row

    async def audit(
        self, at_ms: int, who: str, action: str, thing: str, detail: Mapping[str, Any]
    ) -> None:
        self.audited.append(AuditRow(len(self.audited) + 1, at_ms, who, action, thing, detail))

    async def audit_rows(self, before: int, limit: int, who: str, action: str) -> list[AuditRow]:
        found = [
            row
            for row in reversed(self.audited)
            if (not before or row.id < before)
            and (not who or row.who == who)
            and (not action or row.action == action)
        ]
        return found[:limit]


STAFF = {
    "vic": (Role.VIEWER,),
    "sam": (Role.SUPERVISOR,),
    "mia": (Role.MANAGER,),
    "eve": (Role.ENGINEER,),
    "root": (Role.ADMINISTRATOR,),
}
PASSWORD = "a password for all of them"
_HASH = hash_password(PASSWORD, cheap=True)


async def people(
    passwords: Mapping[str, str],
    campaigns: Sequence[str] = ("spring", "autumn"),
    now_s: Callable[[], float] = time.time,
) -> tuple[Accounts, MemoryKeeper]:
    """Agents of campaign spring with these passwords, and one of each other role (`STAFF`)."""
    keeper = MemoryKeeper()
    for name, roles in STAFF.items():
        row = UserRow(name, name.title(), tuple(role.value for role in roles), password=_HASH)
        await keeper.add(row, 0)
    accounts = Accounts(keeper, campaigns, now_s)
    await accounts.start()
    await accounts.take_agents(agents_of(passwords))
    return accounts, keeper


def agents_of(passwords: Mapping[str, str]) -> list[AgentSettings]:
    hashes = {one: hash_password(one, cheap=True) for one in set(passwords.values())}
    return [
        AgentSettings(
            name=name,
            title=name.title(),
            phone=f"1{number:02d}",
            password_hash=hashes[password],
            campaigns=("spring",),
        )
        for number, (name, password) in enumerate(passwords.items())
    ]
