"""Users, sessions, audit and what people read, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dialer.server.accounts import Accounts
from dialer.server.people import Kind, NewUser, Role, UserChange
from dialer.store.casebook import Casebook
from dialer.store.store import Store
from dialer.store.users import CampaignSettingsRow, NameTaken, SessionRow, UserRow
from tests.store.world import World


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    store = await Store.open(url, durable=False)
    yield store
    await store.close()


async def test_users_come_back_as_they_were_kept(store: Store) -> None:
    book = store.users
    everything = UserRow(
        "ada",
        "Ada",
        ("agent", "supervisor"),
        ("spring",),
        "hash",
        True,
        "SECRET",
        7,
        "s-1",
        "101",
        "main",
        ("lunch",),
        True,
        "file",
        True,
        3,
    )
    ada = await book.add(everything, 1)
    bob = await book.add(UserRow("bob"), 1)
    assert await book.load() == [ada, bob]
    assert (ada.id, bob.campaigns) == (ada.id, None)
    with pytest.raises(NameTaken):
        await book.add(UserRow("ada"), 1)
    with pytest.raises(NameTaken):
        await book.save(replace(bob, subject="s-1"), 1)
    await book.save_all([replace(bob, title="Bob"), UserRow("eve")], 2)
    assert [user.title for user in await book.load()] == ["Ada", "Bob", ""]
    assert await book.use_code(ada, 8)
    assert not await book.use_code(ada, 8), "each code counts once, also between two servers"


async def test_sessions_are_kept_and_forgotten(store: Store) -> None:
    ada = await store.users.add(UserRow("ada"), 1)
    rows = [SessionRow(f"d{n}", ada.id, "browser", 1, 1, 0) for n in range(3)]
    await store.users.keep_sessions(rows, ())
    await store.users.keep_sessions([replace(rows[0], seen_ms=9)], ["d1"])
    found = sorted(await store.users.sessions(), key=lambda row: row.digest)
    assert [(row.digest, row.seen_ms) for row in found] == [("d0", 9), ("d2", 1)]


@pytest.mark.parametrize("statement", ["DELETE FROM audit_log", "UPDATE audit_log SET who = 'x'"])
async def test_nobody_changes_the_audit_log(store: Store, statement: str) -> None:
    await store.users.audit(1, "sam", "campaign.pause", "spring", {"why": "lunch"})
    with pytest.raises(sa.exc.DBAPIError):
        await store.database.write(lambda c: c.execute(sa.text(statement)))
    (row,) = await store.users.audit_rows(0, 10, "sam", "campaign.pause")
    assert (row.object, row.detail) == ("spring", {"why": "lunch"})
    assert await store.users.audit_rows(row.id, 10, "", "") == []
    assert await store.users.audit_rows(0, 10, "eve", "") == []


async def test_an_account_from_the_first_to_the_last(store: Store) -> None:
    accounts = Accounts(store.users, ("spring",))
    await accounts.start()
    _, password = await accounts.add(NewUser("sam", (Role.SUPERVISOR,), campaigns=()), "root")
    token = await accounts.sign_in("sam", password, "", "", Kind.BROWSER)
    again = Accounts(store.users, ("spring",))
    await again.start()
    person = again.person_of(token)
    assert person is not None
    assert (person.campaigns, person.one_time) == ((), True)
    await again.change("sam", UserChange(campaigns_all=True), "root")
    await accounts.refresh()
    assert accounts.person_of(token) is None
    assert accounts.users()[0].campaigns is None


async def test_what_supervisors_set_is_kept(world: World) -> None:
    book, name = world.store.users, next(iter(world.store.context.campaigns))
    first = CampaignSettingsRow("progressive", 0.01, 40, "sam", 1)
    await book.keep_campaign_settings(name, first)
    assert await book.campaign_settings() == {name: first}
    second = CampaignSettingsRow(None, None, None, "eve", 2)
    await book.keep_campaign_settings(name, second)
    assert await book.campaign_settings() == {name: second}


async def test_what_people_read_runs_on_both(world: World) -> None:
    """The statements are tried for what they find in tests/server/test_house.py."""
    casebook, now = Casebook(world.store.database), datetime.now(UTC)
    names = tuple(world.store.context.campaigns)
    assert await casebook.customer(0) is None
    assert await casebook.search("nobody_%", names, 10) == []
    assert await casebook.search("0000", names, 10) is not None
    assert await casebook.quarters(names, now - timedelta(days=1), now, 900) == []
    assert await casebook.outcomes(names, now - timedelta(days=1)) == []
    assert await casebook.attempt("nothing") is None
