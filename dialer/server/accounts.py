"""Users, sessions and the audit log: implements `dialer.server.people.People`.

All users and open sessions are in memory, because every frame of every screen asks whose it is;
every change is written before it counts. Changes by others (the command line, another dialer on
the same database) are learned by `refresh`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from dialer.clock import outside_work, wall_s
from dialer.server.credentials import (
    FAILURES_ACCOUNT_MAX,
    FAILURES_ADDRESS_MAX,
    NOBODYS_HASH,
    PASSWORD_LEAST,
    Failures,
    digest_of,
    first_password,
    hash_password,
    is_dated,
    new_token,
    new_totp_secret,
    password_matches,
    totp_step,
    totp_uri,
)
from dialer.server.face import CodeWanted, Refused
from dialer.server.people import (
    AuditEntry,
    Kind,
    NewUser,
    Person,
    Role,
    Seat,
    UserChange,
    UserView,
)
from dialer.server.site import AgentSettings
from dialer.store.database import StoreError
from dialer.store.sealing import sealed, unsealed
from dialer.store.users import AuditRow, NameTaken, SessionRow, UserRow

IDLE_S = 3600.0  # without a request or a frame; real seconds
SESSION_S = 16 * 3600.0  # a long shift
SESSIONS_PER_USER_MAX = 20
SEEN_KEPT_EVERY_S = 60.0  # how old the kept time of the last request may be
TICKET_S = 600.0
ENROL_S = 600.0
CHECKS_AT_ONCE = 2  # passwords; each takes 64 MiB for a moment
CHECKS_WAITING_MAX = 1_000
BREAKS = ("break", "lunch", "training")

T = TypeVar("T")

_WRONG = "The name or the password is wrong."


class Keeper(Protocol):
    """Where it is kept: `dialer.store.users.UserBook`."""

    async def load(self) -> list[UserRow]: ...
    async def add(self, user: UserRow, now_ms: int) -> UserRow: ...
    async def save(self, user: UserRow, now_ms: int) -> None: ...
    async def save_all(self, given: Sequence[UserRow], now_ms: int) -> None: ...
    async def use_code(self, user: UserRow, step: int) -> bool: ...
    async def sessions(self) -> list[SessionRow]: ...
    async def keep_sessions(self, rows: Sequence[SessionRow], ended: Sequence[str]) -> None: ...
    async def audit(
        self, at_ms: int, who: str, action: str, thing: str, detail: Mapping[str, Any]
    ) -> None: ...
    async def audit_rows(
        self, before: int, limit: int, who: str, action: str
    ) -> list[AuditRow]: ...


@dataclass(slots=True)
class _Session:
    row: SessionRow
    user: str
    seen_s: float
    known: tuple[UserRow, Person] | None = None  # who it is, as long as the user's row is this one


class Accounts:
    """`campaigns` are those of the site, in its order; None: not known (the command line)."""

    def __init__(
        self,
        keeper: Keeper,
        campaigns: Sequence[str] | None = None,
        now_s: Callable[[], float] = wall_s,
    ) -> None:
        self._keeper = keeper
        self._campaigns = None if campaigns is None else tuple(campaigns)
        self._now_s = now_s
        self._file: dict[str, AgentSettings] = {}
        self._users: dict[str, UserRow] = {}
        self._by_id: dict[int, str] = {}
        self._sessions: dict[str, _Session] = {}
        self._tickets: dict[str, tuple[str, float]] = {}  # digest -> user, until
        self._enrolling: dict[str, tuple[str, float]] = {}  # user -> sealed secret, until
        self._names = Failures(FAILURES_ACCOUNT_MAX)
        self._addresses = Failures(FAILURES_ADDRESS_MAX)
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0
        self._seen_kept_s = now_s()

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read what there is."""
        await self._load()
        for row in await self._keeper.sessions():
            name = self._by_id.get(row.user_id)
            if name is not None:
                self._sessions[row.digest] = _Session(row, name, row.seen_ms / 1000)
        await self._drop_dead()

    def check_codes(self) -> None:
        """Raises `StoreError` when somebody's one-time codes cannot be read: better at the start
        than when they sign in."""
        for user in self._users.values():
            if user.totp:
                unsealed(user.totp)

    async def refresh(self) -> None:
        """Learn what others changed; keep when sessions were last heard of."""
        await self._load()
        await self._drop_dead()
        now = self._now_s()
        if now - self._seen_kept_s >= SEEN_KEPT_EVERY_S:
            self._seen_kept_s = now
            await self._keep_seen()

    async def close(self) -> None:
        await self._keep_seen()

    async def _keep_seen(self) -> None:
        rows = []
        for session in self._sessions.values():
            seen_ms = int(session.seen_s * 1000)
            if seen_ms != session.row.seen_ms:
                session.row = replace(session.row, seen_ms=seen_ms)
                rows.append(session.row)
        if rows:
            await self._keeper.keep_sessions(rows, ())

    async def _load(self) -> None:
        found = await self._keeper.load()
        self._users = {user.name: user for user in found}
        self._by_id = {user.id: user.name for user in found}

    async def take_agents(self, agents: Iterable[AgentSettings]) -> None:
        """The agents of dialer.yaml are users. A password there is taken when it is new there;
        after that the user's own holds. Who is in the file no more is disabled."""
        given = self._file = {agent.name: agent for agent in agents}
        changed = [self._from_file(agent, self._users.get(name)) for name, agent in given.items()]
        for user in self._users.values():
            if user.from_file and user.name not in given and not user.disabled:
                changed.append(replace(user, disabled=True, file_hash="", epoch=user.epoch + 1))
        changed = [one for one in changed if one != self._users.get(one.name)]
        await self._keeper.save_all(changed, self._now_ms())
        await self._load()

    @staticmethod
    def _from_file(agent: AgentSettings, known: UserRow | None) -> UserRow:
        user = known or UserRow(agent.name, roles=(Role.AGENT.value,))
        user = replace(
            user,
            title=agent.title,
            phone=agent.phone,
            pbx=agent.pbx,
            campaigns=tuple(agent.campaigns),
            break_reasons=tuple(agent.break_reasons),
            from_file=True,
        )
        if user.file_hash != agent.password_hash:
            user = replace(
                user,
                disabled=user.disabled and bool(user.file_hash),
                password=agent.password_hash,
                file_hash=agent.password_hash,
                one_time=False,
                epoch=user.epoch + 1,
            )
        return user

    async def first_administrator(self) -> tuple[str, str] | None:
        """At the first start: a user who may make all others, and the password, told this once."""
        if any(Role.ADMINISTRATOR in u.roles and not u.disabled for u in self._users.values()):
            return None
        name = "admin"
        if name in self._users:
            return None  # somebody else of that name, or one who was disabled on purpose
        _, password = await self.add(NewUser(name, (Role.ADMINISTRATOR,)), "the first start")
        return name, password

    # --- who is it ------------------------------------------------------------------------------

    def person_of(self, token: str) -> Person | None:
        session = self._sessions.get(digest_of(token))
        if session is None:
            return None
        user = self._users[session.user]
        now = self._now_s()
        if not self._lives(session, user, now):
            return None
        session.seen_s = now
        if session.known is None or session.known[0] is not user:
            session.known = user, _person(user, Kind(session.row.kind))
        return session.known[1]

    def _lives(self, session: _Session, user: UserRow, now: float) -> bool:
        return (
            not user.disabled
            and session.row.epoch == user.epoch
            and now - session.seen_s < IDLE_S
            and now - session.row.opened_ms / 1000 < SESSION_S
        )

    async def _drop_dead(self) -> None:
        now = self._now_s()
        dead = [
            digest
            for digest, session in self._sessions.items()
            if session.user not in self._users
            or not self._lives(session, self._users[session.user], now)
        ]
        await self._end(dead)

    async def _end(self, digests: Sequence[str]) -> None:
        for digest in digests:
            self._sessions.pop(digest, None)
        if digests:
            await self._keeper.keep_sessions((), digests)

    @property
    def seats(self) -> Mapping[str, Seat]:
        return _Seats(self)

    def seat(self, name: str) -> Seat | None:
        """What this agent sits down with; None for who is none."""
        user = self._users.get(name)
        if user is None or user.disabled or Role.AGENT not in user.roles or not user.phone:
            return None
        file = self._file.get(name)
        return Seat(
            name,
            user.title or name,
            user.phone,
            user.pbx,
            self._scope(user) or (),
            user.break_reasons or BREAKS,
            () if file is None else file.skills,
            () if file is None else file.queues,
            file is not None and file.may_override,
        )

    def title_of(self, name: str) -> str:
        """The name people read."""
        user = self._users.get(name)
        return (user.title if user is not None else "") or name

    def phone_of(self, name: str) -> tuple[str, str] | None:
        """Phone and PBX of a user; None for who has none."""
        user = self._users.get(name)
        return (user.phone, user.pbx) if user is not None and user.phone else None

    def _scope(self, user: UserRow) -> tuple[str, ...] | None:
        """The user's campaigns that there are."""
        if self._campaigns is None or user.campaigns is None:
            return self._campaigns if user.campaigns is None else user.campaigns
        return tuple(name for name in user.campaigns if name in self._campaigns)

    # --- signing in and out ---------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, code: str, address: str, kind: Kind) -> str:
        now = self._now_s()
        if not (self._names.may_try(name, now) and self._addresses.may_try(address, now)):
            raise Refused("Too many wrong passwords.", 429, "Wait five minutes.")
        user = self._users.get(name)
        usable = user is not None and not user.disabled and bool(user.password)
        encoded = user.password if user is not None and usable else NOBODYS_HASH
        right = await self._checked(password, encoded)
        if user is None or not usable or not right:
            await self._wrong(name, address, known=user is not None)
            raise Refused(_WRONG, 401, "Type both again, or ask an administrator.")
        if user.totp:
            await self._check_code(user, code, address)
        if kind is Kind.SHIFT and user.one_time:
            raise Refused("This password must be changed first.", 403, "Sign in at the page.")
        self._names.forget(name)
        if is_dated(user.password):
            await self._save(replace(self._users[name], password=await self._hashed(password)))
        return await self._open(self._users[name], kind)

    async def _wrong(self, name: str, address: str, *, known: bool) -> None:
        self._names.failed(name, self._now_s())
        self._addresses.failed(address, self._now_s())
        if known:  # an unknown name may be a password typed into the wrong field
            await self.audit(name, "session.refused")

    async def _check_code(self, user: UserRow, code: str, address: str) -> None:
        step = None
        if code:
            step = totp_step(_opened(user.totp), code, self._now_s(), user.totp_step)
        if step is not None and await self._keeper.use_code(user, step):
            self._users[user.name] = replace(self._users[user.name], totp_step=step)
            return
        if code:
            await self._wrong(user.name, address, known=True)
        raise CodeWanted(wrong=bool(code))

    def ticket(self, name: str, life_s: float = TICKET_S) -> str:
        """A ticket with which a browser may sign in as this user until it has expired."""
        token = new_token()
        self._tickets[digest_of(token)] = (name, self._now_s() + life_s)
        return token

    async def sign_in_by_ticket(self, ticket: str) -> str:
        name, until = self._tickets.get(digest_of(ticket), ("", 0.0))
        user = self._users.get(name)
        if user is None or user.disabled or until < self._now_s():
            raise Refused("This ticket is not valid (any more).", 401, "Sign in by password.")
        return await self._open(user, Kind.BROWSER)

    async def sign_in_by_provider(self, subject: str, name: str) -> str:
        known = [user for user in self._users.values() if user.subject == subject]
        if not known and name:
            known = [u for u in self._users.values() if u.name == name and u.subject is None]
        if not known or known[0].disabled:
            raise Refused("You are not a user here.", 403, "Ask an administrator to add you.")
        return await self._open(known[0], Kind.BROWSER)

    async def _open(self, user: UserRow, kind: Kind) -> str:
        now, token = self._now_s(), new_token()
        row = SessionRow(
            digest_of(token), user.id, kind.value, int(now * 1000), int(now * 1000), user.epoch
        )
        own = sorted(
            (digest for digest, one in self._sessions.items() if one.user == user.name),
            key=lambda digest: self._sessions[digest].seen_s,
        )
        too_many = own[: max(0, len(own) + 1 - SESSIONS_PER_USER_MAX)]
        await self._keeper.keep_sessions([row], too_many)
        for digest in too_many:
            self._sessions.pop(digest, None)
        self._sessions[row.digest] = _Session(row, user.name, now)
        await self.audit(user.name, "session.opened", detail={"kind": kind.value})
        return token

    async def sign_out(self, token: str) -> None:
        session = self._sessions.get(digest_of(token))
        if session is not None:
            await self._end([session.row.digest])
            await self.audit(session.user, "session.closed")

    async def end_shift(self, agent: str, keep: str = "") -> None:
        await self._end(
            [
                digest
                for digest, one in self._sessions.items()
                if one.user == agent and one.row.kind == Kind.SHIFT and digest != digest_of(keep)
            ]
        )

    # --- one's own password and codes -------------------------------------------------------------

    async def change_password(self, token: str, old: str, new: str) -> str:
        user = await self._confirmed(token, old)
        if len(new) < PASSWORD_LEAST:
            raise Refused(
                "The new password is too short.", 400, f"Use {PASSWORD_LEAST} signs or more."
            )
        if new == old or user.name.lower() in new.lower():
            raise Refused(
                "The new password is the old one, or holds your name.", 400, "Choose another."
            )
        hashed = await self._hashed(new)
        await self.audit(user.name, "user.password_changed", user.name)
        return await self._anew(replace(user, password=hashed, one_time=False))

    async def begin_totp(self, token: str, password: str) -> tuple[str, str]:
        user = await self._confirmed(token, password)
        if user.totp:
            raise Refused("One-time codes are on already.", 409, "Switch them off first.")
        secret = new_totp_secret()
        try:
            kept = sealed(secret)
        except StoreError as error:
            raise Refused("One-time codes are not set up here.", 503, f"{error}.") from None
        self._enrolling[user.name] = (kept, self._now_s() + ENROL_S)
        return secret, totp_uri(secret, user.name)

    async def confirm_totp(self, token: str, code: str) -> str:
        user = self._user_of(token)
        kept, until = self._enrolling.get(user.name, ("", 0.0))
        if until < self._now_s():
            raise Refused("Nothing is waiting to be confirmed.", 409, "Begin again.")
        now = self._now_s()
        if not self._names.may_try(user.name, now):
            raise Refused("Too many wrong codes.", 429, "Wait five minutes.")
        step = totp_step(_opened(kept), code, now, 0)
        if step is None:
            self._names.failed(user.name, now)
            raise Refused("This is not the code.", 409, "Check the telephone's clock; try again.")
        del self._enrolling[user.name]
        await self.audit(user.name, "user.totp_on", user.name)
        return await self._anew(replace(user, totp=kept, totp_step=step))

    async def end_totp(self, token: str, password: str) -> str:
        user = await self._confirmed(token, password)
        await self.audit(user.name, "user.totp_off", user.name)
        return await self._anew(replace(user, totp="", totp_step=0))

    async def _anew(self, user: UserRow) -> str:
        """Who proves more or less from now on goes on in a session of its own; all others end."""
        changed = replace(user, epoch=user.epoch + 1)
        await self._save(changed)
        await self._drop_dead()
        return await self._open(changed, Kind.BROWSER)

    def _user_of(self, token: str) -> UserRow:
        session = self._sessions.get(digest_of(token))
        if session is None:
            raise Refused("The session has ended.", 401, "Sign in again.")
        return self._users[session.user]

    async def _confirmed(self, token: str, password: str) -> UserRow:
        """The user of this session, who has just typed the password (again)."""
        user, now = self._user_of(token), self._now_s()
        if not self._names.may_try(user.name, now):
            raise Refused("Too many wrong passwords.", 429, "Wait five minutes.")
        if not user.password or not await self._checked(password, user.password):
            self._names.failed(user.name, now)
            raise Refused("The password is wrong.", 403, "Type it again.")
        return self._users[user.name]

    # --- administrators -----------------------------------------------------------------------

    def users(self) -> list[UserView]:
        seen: dict[str, float] = {}
        for session in self._sessions.values():
            seen[session.user] = max(seen.get(session.user, 0.0), session.seen_s)
        return [self._view(user, seen.get(name)) for name, user in sorted(self._users.items())]

    async def add(self, user: NewUser, who: str) -> tuple[UserView, str]:
        password = first_password()
        row = UserRow(
            user.name,
            user.title,
            tuple(role.value for role in user.roles),
            None if user.campaigns is None else tuple(user.campaigns),
            password=await self._hashed(password),
            one_time=True,
            phone=user.phone,
            pbx=user.pbx,
        )
        self._check(row)
        try:
            row = await self._keeper.add(row, self._now_ms())
        except NameTaken:
            raise Refused("There is a user of that name.", 409, "Choose another name.") from None
        self._users[row.name] = row
        self._by_id[row.id] = row.name
        await self.audit(who, "user.added", row.name, {"roles": list(row.roles)})
        return self._view(row), password

    async def change(self, name: str, change: UserChange, who: str) -> UserView:
        user = self._known(name)
        values = {
            field: getattr(change, field)
            for field in ("title", "phone", "pbx", "disabled")
            if getattr(change, field) is not None
        }
        if change.roles is not None:
            values["roles"] = tuple(role.value for role in change.roles)
        if change.campaigns_all or change.campaigns is not None:
            values["campaigns"] = None if change.campaigns_all else tuple(change.campaigns or ())
        if change.subject is not None:
            values["subject"] = change.subject or None
        if user.from_file and (fixed := values.keys() & {"title", "phone", "pbx", "campaigns"}):
            raise Refused(
                f"An agent of dialer.yaml: {', '.join(sorted(fixed))} cannot be changed here.",
                409,
                "Change it in dialer.yaml and start the dialer again.",
            )
        changed = replace(user, **values)
        if changed.roles != user.roles or changed.campaigns != user.campaigns or changed.disabled:
            changed = replace(changed, epoch=user.epoch + 1)
        self._check(changed)
        self._keep_one_administrator(user, changed)
        await self._save(changed)
        await self._drop_dead()
        shown = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
        shown.pop("subject", None)
        await self.audit(who, "user.changed", name, shown)
        return self._view(changed)

    async def reset_password(self, name: str, who: str) -> tuple[UserView, str]:
        user, password = self._known(name), first_password()
        changed = replace(
            user, password=await self._hashed(password), one_time=True, epoch=user.epoch + 1
        )
        await self._save(changed)
        await self._drop_dead()
        self._names.forget(name)
        await self.audit(who, "user.password_reset", name)
        return self._view(changed), password

    async def set_password(
        self, name: str, password: str, who: str, *, cheap: bool = False
    ) -> None:
        """A password that was chosen elsewhere (the command line, the demo)."""
        user = self._known(name)
        hashed = await self._hashed(password, cheap=cheap)
        await self._save(replace(user, password=hashed, one_time=False, epoch=user.epoch + 1))
        await self._drop_dead()
        await self.audit(who, "user.password_reset", name)

    async def reset_totp(self, name: str, who: str) -> None:
        user = self._known(name)
        await self._save(replace(user, totp="", totp_step=0, epoch=user.epoch + 1))
        await self._drop_dead()
        await self.audit(who, "user.totp_off", name)

    async def end_sessions(self, name: str, who: str) -> None:
        user = self._known(name)
        await self._save(replace(user, epoch=user.epoch + 1))
        await self._drop_dead()
        await self.audit(who, "user.signed_out", name)

    def _known(self, name: str) -> UserRow:
        user = self._users.get(name)
        if user is None:
            raise Refused("There is no such user.", 404, "See the list of users.")
        return user

    def _check(self, user: UserRow) -> None:
        if not user.roles:
            raise Refused("A user has one role at least.", 400, "Give a role.")
        if Role.AGENT in user.roles and not user.phone:
            raise Refused("An agent needs a phone.", 400, "Give the phone's endpoint on the PBX.")
        taken = {(u.pbx, u.phone): u.name for u in self._users.values() if u.phone}
        if user.phone and taken.get((user.pbx, user.phone), user.name) != user.name:
            raise Refused("Another user has this phone.", 409, "Give each agent a phone.")
        if self._campaigns is not None and user.campaigns is not None:
            unknown = set(user.campaigns) - set(self._campaigns)
            if unknown and not user.from_file:
                raise Refused("There is no such campaign.", 400, "See /v1/campaigns.")

    def _keep_one_administrator(self, before: UserRow, after: UserRow) -> None:
        def rules(user: UserRow) -> bool:
            return Role.ADMINISTRATOR in user.roles and not user.disabled

        others = any(rules(u) for u in self._users.values() if u.name != before.name)
        if rules(before) and not rules(after) and not others:
            raise Refused("This is the last administrator.", 409, "Make another one first.")

    # --- audit ----------------------------------------------------------------------------------

    async def audit(
        self, who: str, action: str, thing: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        await self._keeper.audit(self._now_ms(), who, action, thing, detail or {})

    async def audit_entries(
        self, before: int, limit: int, who: str, action: str
    ) -> tuple[list[AuditEntry], bool]:
        rows = await self._keeper.audit_rows(before, limit + 1, who, action)
        entries = [
            AuditEntry(r.id, _utc(r.at_ms / 1000), r.who, r.action, r.object, r.detail)
            for r in rows[:limit]
        ]
        return entries, len(rows) > limit

    # --- helpers --------------------------------------------------------------------------------

    async def _save(self, user: UserRow) -> None:
        try:
            await self._keeper.save(user, self._now_ms())
        except NameTaken:
            raise Refused("Another user has this subject.", 409, "Take it from there.") from None
        self._users[user.name] = user

    async def _checked(self, password: str, encoded: str) -> bool:
        return await self._in_thread(lambda: password_matches(password, encoded))

    async def _hashed(self, password: str, *, cheap: bool = False) -> str:
        return await self._in_thread(lambda: hash_password(password, cheap=cheap))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= CHECKS_WAITING_MAX:
            raise Refused("Too many people sign in at once.", 429, "Try again in a moment.")
        self._waiting += 1
        try:
            async with self._checks:
                with outside_work():
                    return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    def _now_ms(self) -> int:
        return int(self._now_s() * 1000)

    def _view(self, user: UserRow, seen_s: float | None = None) -> UserView:
        return UserView(
            name=user.name,
            title=user.title,
            roles=tuple(Role(role) for role in user.roles),
            campaigns=user.campaigns,
            phone=user.phone,
            pbx=user.pbx,
            subject=user.subject or "",
            disabled=user.disabled,
            totp=bool(user.totp),
            from_file=user.from_file,
            seen_at="" if seen_s is None else _utc(seen_s),
        )


class _Seats(Mapping[str, Seat]):
    """Agents by name, as they are this moment."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def __getitem__(self, name: str) -> Seat:
        seat = self._accounts.seat(name)
        if seat is None:
            raise KeyError(name)
        return seat

    def __iter__(self) -> Any:
        return (u.name for u in self._accounts.users() if self._accounts.seat(u.name))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _opened(kept: str) -> str:
    try:
        return unsealed(kept)
    except StoreError as error:
        raise Refused("One-time codes cannot be checked.", 503, f"{error}.") from None


def _person(user: UserRow, kind: Kind) -> Person:
    return Person(
        user.name,
        user.title or user.name,
        frozenset(Role(role) for role in user.roles),
        user.campaigns,
        kind,
        user.one_time,
        bool(user.totp),
    )


def _utc(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")
