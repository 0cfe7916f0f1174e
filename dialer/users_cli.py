"""`dialer users`: users on the command line, also while the dialer runs (it learns within 10 s)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from dialer.server.accounts import Accounts
from dialer.server.face import Refused
from dialer.server.people import NewUser, Role, UserChange, UserView
from dialer.store.store import Store

T = TypeVar("T")
WHO = "the command line"


class UsersError(Exception):
    """It was refused; the text is for people."""


users_app = typer.Typer(help="Who may sign in, and as what.", no_args_is_help=True)
DatabaseOption = Annotated[str, typer.Option("--database", help="The dialer's database, a URL.")]
NameArgument = Annotated[str, typer.Argument(help="The user's name.")]


@users_app.command()
def add(
    name: NameArgument,
    database: DatabaseOption,
    role: Annotated[list[Role], typer.Option(help="May be given more than once.")],
    title: Annotated[str, typer.Option(help="The name people read.")] = "",
    campaign: Annotated[
        list[str] | None, typer.Option(help="May see this one; none given: all.")
    ] = None,
    phone: Annotated[str, typer.Option(help="The endpoint on the PBX.")] = "",
    pbx: Annotated[str, typer.Option(help="The PBX it is on.")] = "main",
) -> None:
    """Add a user, and print a password for the first sign-in."""
    new = NewUser(name, role, title, campaign or None, phone, pbx)
    _, password = _run(database, lambda accounts: accounts.add(new, WHO))
    _say_password(name, password)


@users_app.command("list")
def list_users(database: DatabaseOption) -> None:
    """All users, with roles and campaigns."""

    async def work(accounts: Accounts) -> list[UserView]:
        return accounts.users()

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "roles", "campaigns", "phone", ""):
        table.add_column(heading)
    for user in _run(database, work):
        notes = [
            text
            for text, true in (
                ("disabled", user.disabled),
                ("one-time codes", user.totp),
                ("from dialer.yaml", user.from_file),
            )
            if true
        ]
        scope = "all" if user.campaigns is None else ", ".join(user.campaigns)
        table.add_row(user.name, ", ".join(user.roles), scope, user.phone, ", ".join(notes))
    Console(soft_wrap=True, highlight=False).print(table)


@users_app.command()
def passwd(
    name: NameArgument,
    database: DatabaseOption,
    ask: Annotated[
        bool, typer.Option("--ask", help="Type the password, instead of having one made.")
    ] = False,
) -> None:
    """A new password; the user is signed out everywhere."""
    if ask:
        chosen = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        _run(database, lambda accounts: accounts.set_password(name, chosen, WHO))
        return
    _, password = _run(database, lambda accounts: accounts.reset_password(name, WHO))
    _say_password(name, password)


@users_app.command()
def disable(name: NameArgument, database: DatabaseOption) -> None:
    """The user may not sign in, and is signed out everywhere."""
    _run(database, lambda accounts: accounts.change(name, UserChange(disabled=True), WHO))


@users_app.command()
def enable(name: NameArgument, database: DatabaseOption) -> None:
    """The user may sign in again."""
    _run(database, lambda accounts: accounts.change(name, UserChange(disabled=False), WHO))


@users_app.command("forget-codes")
def forget_codes(name: NameArgument, database: DatabaseOption) -> None:
    """One-time codes are off: the authenticator was lost, or the key they were encrypted with."""
    _run(database, lambda accounts: accounts.reset_totp(name, WHO))


def _say_password(name: str, password: str) -> None:
    typer.echo(f"{name} signs in the first time with: {password}")
    typer.echo("It is not shown again, and must be changed then.")


def _run(database: str, work: Callable[[Accounts], Awaitable[T]]) -> T:
    """Do it on an open database. What is refused ends the command with its text."""

    async def main() -> T:
        store = await Store.open(database)
        try:
            accounts = Accounts(store.users)
            await accounts.start()
            return await work(accounts)
        finally:
            await store.close()

    try:
        return asyncio.run(main())
    except Refused as refused:
        raise UsersError(f"{refused.message} {refused.mend}".strip()) from None
