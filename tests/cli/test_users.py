"""`dialer users`: from an empty database to somebody who can sign in."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from dialer.cli import app
from dialer.server.accounts import Accounts
from dialer.server.face import Refused
from dialer.server.people import Kind, Role
from dialer.store.store import Store
from dialer.users_cli import UsersError


def _run(database: str, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["users", *arguments, "--database", database])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_user_from_added_to_disabled(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'dialer.db'}"
    said = _run(database, "add", "sam", "--role", "supervisor", "--campaign", "spring")
    found = re.search(r"first time with: (\S+)", said)
    assert found
    _run(database, "add", "ada", "--role", "agent", "--phone", "101")
    listed = _run(database, "list")
    assert "supervisor" in listed
    assert "spring" in listed
    assert found[1] not in listed

    async def sign_in(password: str) -> None:
        store = await Store.open(database)
        try:
            accounts = Accounts(store.users)
            await accounts.start()
            token = await accounts.sign_in("sam", password, "", "", Kind.BROWSER)
            person = accounts.person_of(token)
            assert person is not None
            assert (person.roles, person.campaigns) == ({Role.SUPERVISOR}, ("spring",))
            entries, _ = await accounts.audit_entries(0, 10, "the command line", "")
            assert [entry.action for entry in entries][-1] == "user.added"
            with pytest.raises(sa.exc.DBAPIError, match="not changed"):
                await store.database.write(lambda c: c.execute(sa.text("DELETE FROM audit_log")))
        finally:
            await store.close()

    asyncio.run(sign_in(found[1]))
    again = re.search(r"first time with: (\S+)", _run(database, "passwd", "sam"))
    assert again
    with pytest.raises(Refused):
        asyncio.run(sign_in(found[1]))
    asyncio.run(sign_in(again[1]))
    _run(database, "disable", "sam")
    assert "disabled" in _run(database, "list")
    with pytest.raises(Refused):
        asyncio.run(sign_in(again[1]))
    _run(database, "enable", "sam")


def test_what_is_refused_is_said(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'dialer.db'}"
    with pytest.raises(UsersError, match="needs a phone"):
        _run(database, "add", "ada", "--role", "agent")
    with pytest.raises(UsersError, match="no such user"):
        _run(database, "disable", "nobody")
