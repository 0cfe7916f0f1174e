"""Sessions, passwords, one-time codes and their limits: a conversation with the accounts alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace

import argon2
import pytest

from dialer.server import accounts as rules
from dialer.server.accounts import Accounts
from dialer.server.credentials import (
    FAILURES_ACCOUNT_MAX,
    FAILURES_ADDRESS_MAX,
    FAILURES_WITHIN_S,
    NOBODYS_HASH,
    check_hash,
    hash_password,
    password_matches,
    totp_code,
)
from dialer.server.face import CodeWanted, Refused
from dialer.server.people import Kind, NewUser, Role, UserChange
from dialer.store.database import StoreError
from dialer.store.sitekey import KEY_FILE
from tests.web.fake_people import PASSWORD, MemoryKeeper, agents_of, people

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def _staff() -> tuple[Accounts, MemoryKeeper, Time]:
    clock = Time()
    staff, keeper = await people({"ada": "correct horse"}, now_s=clock)
    return staff, keeper, clock


async def _in(staff: Accounts, name: str = "sam", code: str = "", address: str = "a") -> str:
    return await staff.sign_in(name, PASSWORD, code, address, Kind.BROWSER)


# --- passwords ------------------------------------------------------------------------------------


def test_an_unknown_name_costs_as_much_as_a_known_one() -> None:
    known = hash_password("correct horse")
    assert argon2.extract_parameters(NOBODYS_HASH) == argon2.extract_parameters(known)
    assert not password_matches("correct horse", NOBODYS_HASH)


def test_hashes_of_now_and_of_former_versions() -> None:
    assert password_matches("correct horse", hash_password("correct horse", cheap=True))
    assert not password_matches("correct hors", hash_password("correct horse", cheap=True))
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(b"old", salt=salt, n=16, r=8, p=1)
    old = "$".join(
        ("scrypt", "16", "8", "1", *(base64.b64encode(b).decode() for b in (salt, digest)))
    )
    check_hash(old)
    assert password_matches("old", old)
    assert not password_matches("new", old)
    for broken in ("", "plain", "scrypt$x$8$1$aa$bb", "$argon2id$v=19$rubbish"):
        with pytest.raises(ValueError, match="not a password hash"):
            check_hash(broken)


async def test_an_old_hash_is_made_anew_at_sign_in() -> None:
    staff, keeper, _ = await _staff()
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(PASSWORD.encode(), salt=salt, n=16, r=8, p=1)
    parts = (base64.b64encode(b).decode() for b in (salt, digest))
    row = next(row for row in keeper.rows.values() if row.name == "sam")
    keeper.rows[row.id] = replace(row, password="$".join(("scrypt", "16", "8", "1", *parts)))
    await staff.refresh()
    token = await _in(staff)
    assert keeper.rows[row.id].password.startswith("$argon2id$")
    assert staff.person_of(token) is not None
    await _in(staff)


async def test_wrong_and_unknown_are_told_alike_and_only_the_known_is_on_record() -> None:
    staff, keeper, _ = await _staff()
    said = []
    for name in ("sam", "nobody", "hunter2"):
        with pytest.raises(Refused) as refused:
            await staff.sign_in(name, "wrong", "", "a", Kind.BROWSER)
        said.append((refused.value.status, refused.value.message, refused.value.mend))
    assert len(set(said)) == 1
    assert said[0][0] == 401
    assert [row.who for row in keeper.audited if row.action == "session.refused"] == ["sam"]


async def test_guessing_is_slowed_by_account_and_by_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "NOBODYS_HASH", hash_password("nobody's", cheap=True))
    staff, _, clock = await _staff()

    async def guess(name: str, address: str) -> int:
        with pytest.raises(Refused) as refused:
            await staff.sign_in(name, "wrong", "", address, Kind.BROWSER)
        return refused.value.status

    for _ in range(FAILURES_ACCOUNT_MAX):
        assert await guess("sam", "a") == 401
    assert await guess("sam", "elsewhere") == 429
    with pytest.raises(Refused) as refused:
        await _in(staff)
    assert refused.value.status == 429, "also the right one"
    clock.now += FAILURES_WITHIN_S
    await _in(staff)

    for number in range(FAILURES_ADDRESS_MAX):
        assert await guess(f"name{number}", "b") == 401
    assert await guess("another", "b") == 429
    with pytest.raises(Refused):
        await _in(staff, address="b")
    await _in(staff, address="c")


async def test_a_first_password_is_good_for_changing_it() -> None:
    staff, keeper, _ = await _staff()
    view, password = await staff.add(NewUser("new", (Role.MANAGER,)), "root")
    assert not view.disabled
    token = await staff.sign_in("new", password, "", "a", Kind.BROWSER)
    person = staff.person_of(token)
    assert person is not None
    assert person.one_time
    for bad in ("short", password, "my name is new to me"):
        with pytest.raises(Refused) as refused:
            await staff.change_password(token, password, bad)
        assert refused.value.status == 400
    with pytest.raises(Refused) as refused:
        await staff.change_password(token, "wrong", "quite another one")
    assert refused.value.status == 403
    other = await staff.sign_in("new", password, "", "a", Kind.BROWSER)
    fresh = await staff.change_password(token, password, "quite another one")
    assert staff.person_of(token) is None
    assert staff.person_of(other) is None, "all others end"
    person = staff.person_of(fresh)
    assert person is not None
    assert not person.one_time
    assert not any(password in str(row) or "another one" in str(row) for row in keeper.audited)


# --- sessions -------------------------------------------------------------------------------------


async def test_a_session_ends_when_idle_and_when_old() -> None:
    staff, _, clock = await _staff()
    token = await _in(staff)
    for _ in range(3):
        clock.now += rules.IDLE_S - 1
        assert staff.person_of(token) is not None
    clock.now += rules.IDLE_S
    assert staff.person_of(token) is None
    token, began = await _in(staff), clock.now
    while clock.now + rules.IDLE_S / 2 < began + rules.SESSION_S:
        clock.now += rules.IDLE_S / 2
        assert staff.person_of(token) is not None
    clock.now += rules.IDLE_S / 2
    assert staff.person_of(token) is None


async def test_sessions_survive_the_server_and_only_digests_are_kept() -> None:
    staff, keeper, clock = await _staff()
    token = await _in(staff)
    assert token not in str(keeper.open)
    await staff.close()
    again = Accounts(keeper, ("spring",), clock)
    await again.start()
    person = again.person_of(token)
    assert person is not None
    assert person.name == "sam"
    clock.now += rules.IDLE_S
    third = Accounts(keeper, ("spring",), clock)
    await third.start()
    assert third.person_of(token) is None
    assert keeper.open == {}, "what is dead is not kept"


@pytest.mark.parametrize("what", ["disabled", "roles", "campaigns", "password", "signed out"])
async def test_what_ends_all_sessions_of_a_user(what: str) -> None:
    staff, _, _ = await _staff()
    token, other = await _in(staff), await _in(staff, "eve")
    match what:
        case "disabled":
            await staff.change("sam", UserChange(disabled=True), "root")
        case "roles":
            await staff.change("sam", UserChange(roles=(Role.VIEWER,)), "root")
        case "campaigns":
            await staff.change("sam", UserChange(campaigns=("spring",)), "root")
        case "password":
            await staff.reset_password("sam", "root")
        case "signed out":
            await staff.end_sessions("sam", "root")
    assert staff.person_of(token) is None
    assert staff.person_of(other) is not None


async def test_what_another_process_changed_is_learned() -> None:
    staff, keeper, clock = await _staff()
    token = await _in(staff)
    command_line = Accounts(keeper, None, clock)
    await command_line.start()
    await command_line.change("sam", UserChange(disabled=True), "the command line")
    await staff.refresh()
    assert staff.person_of(token) is None


async def test_a_user_has_so_many_sessions_and_no_more() -> None:
    staff, keeper, clock = await _staff()
    tokens = []
    for _ in range(rules.SESSIONS_PER_USER_MAX + 3):
        clock.now += 1
        tokens.append(await _in(staff))
    assert len(keeper.open) == rules.SESSIONS_PER_USER_MAX
    assert [staff.person_of(token) is not None for token in tokens[:4]] == [False] * 3 + [True]


async def test_a_ticket_signs_in_until_it_expires() -> None:
    staff, _, clock = await _staff()
    ticket = staff.ticket("sam", 60.0)
    token = await staff.sign_in_by_ticket(ticket)
    assert staff.person_of(token) is not None
    clock.now += 61
    for wrong in (ticket, "", token):
        with pytest.raises(Refused) as refused:
            await staff.sign_in_by_ticket(wrong)
        assert refused.value.status == 401


# --- one-time codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_rfc_6238_appendix_b(unix_s: int, code: str) -> None:
    assert totp_code(RFC_SECRET, unix_s // 30) == code


@pytest.mark.usefixtures("site_key")
async def test_one_time_codes_from_enrolment_to_loss() -> None:
    staff, keeper, clock = await _staff()
    token = await _in(staff)
    with pytest.raises(Refused):
        await staff.begin_totp(token, "wrong")
    secret, uri = await staff.begin_totp(token, PASSWORD)
    assert secret in uri
    with pytest.raises(Refused):
        await staff.confirm_totp(token, "000000" if totp_code(secret, 0) != "000000" else "1")
    await _in(staff)  # not on before it is confirmed
    now = int(clock.now // 30)
    fresh = await staff.confirm_totp(token, totp_code(secret, now))
    assert (staff.person_of(token), staff.person_of(fresh) is None) == (None, False)
    with pytest.raises(CodeWanted, match="wanted"):
        await _in(staff)
    with pytest.raises(CodeWanted, match="wrong"):
        await _in(staff, code=totp_code(secret, now))  # each counts once
    clock.now += 30
    await _in(staff, code=totp_code(secret, now + 1))
    with pytest.raises(CodeWanted, match="wrong"):
        await _in(staff, code=totp_code(secret, now + 1))
    clock.now += 90
    await _in(staff, code=totp_code(secret, now + 3))  # a telephone that is slow
    assert secret not in str(keeper.audited)
    assert not any(secret in row.totp for row in keeper.rows.values()), "kept encrypted"
    await staff.reset_totp("sam", "root")
    assert staff.person_of(fresh) is None
    await _in(staff)


async def test_codes_want_the_key_they_were_kept_with(
    site_key: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    staff, _, clock = await _staff()
    token = await _in(staff)
    secret, _ = await staff.begin_totp(token, PASSWORD)
    code = totp_code(secret, int(clock.now // 30))
    await staff.confirm_totp(token, code)
    staff.check_codes()
    site_key("x" * 40)
    for told in ("is not the one this site's one-time codes were", "outside of the database"):
        with pytest.raises(StoreError, match=told):
            staff.check_codes()
        with pytest.raises(Refused) as refused:
            await _in(staff, code=code)
        assert (refused.value.status, told in refused.value.mend) == (503, True)
        monkeypatch.delenv(KEY_FILE, raising=False)
    await staff.reset_totp("sam", "root")
    await _in(staff)


@pytest.mark.usefixtures("site_key")
async def test_codes_are_not_guessed_either() -> None:
    staff, _, clock = await _staff()
    token = await _in(staff)
    secret, _ = await staff.begin_totp(token, PASSWORD)
    await staff.confirm_totp(token, totp_code(secret, int(clock.now // 30)))
    right = {totp_code(secret, int(clock.now // 30) + n) for n in range(-2, 3)}
    wrong = [f"{n:06d}" for n in range(100) if f"{n:06d}" not in right]
    for code in wrong[:FAILURES_ACCOUNT_MAX]:
        with pytest.raises(CodeWanted):
            await _in(staff, code=code)
    with pytest.raises(Refused) as refused:
        await _in(staff, code=wrong[-1])
    assert refused.value.status == 429


# --- users ----------------------------------------------------------------------------------------


async def test_the_file_and_the_store_agree_on_agents() -> None:
    staff, keeper, _ = await _staff()
    await staff.sign_in("ada", "correct horse", "", "a", Kind.SHIFT)
    await staff.set_password("ada", "chosen by herself", "ada", cheap=True)
    same = agents_of({"ada": "correct horse"})
    hashed = next(row for row in keeper.rows.values() if row.name == "ada").file_hash
    same = [one.model_copy(update={"password_hash": hashed}) for one in same]
    await staff.take_agents(same)
    token = await staff.sign_in("ada", "chosen by herself", "", "a", Kind.SHIFT)
    await staff.take_agents(agents_of({"ada": "new in the file"}))
    await staff.refresh()
    assert staff.person_of(token) is None
    await staff.sign_in("ada", "new in the file", "", "a", Kind.SHIFT)
    await staff.take_agents([])
    assert staff.seat("ada") is None
    with pytest.raises(Refused):
        await staff.sign_in("ada", "new in the file", "", "a", Kind.SHIFT)
    await staff.take_agents(agents_of({"ada": "new in the file"}))
    assert staff.seat("ada") is not None, "back in the file, back at work"


async def test_changes_that_make_no_sense_are_refused() -> None:
    staff, _, _ = await _staff()
    cases = [
        (NewUser("sam", (Role.VIEWER,)), 409),
        (NewUser("x", (Role.AGENT,)), 400),
        (NewUser("x", ()), 400),
        (NewUser("x", (Role.AGENT,), phone="100"), 409),
        (NewUser("x", (Role.VIEWER,), campaigns=("winter",)), 400),
    ]
    for user, status in cases:
        with pytest.raises(Refused) as refused:
            await staff.add(user, "root")
        assert refused.value.status == status, user
    for name, change, status in (
        ("nobody", UserChange(disabled=True), 404),
        ("root", UserChange(disabled=True), 409),
        ("root", UserChange(roles=(Role.VIEWER,)), 409),
        ("ada", UserChange(phone="999"), 409),
    ):
        with pytest.raises(Refused) as refused:
            await staff.change(name, change, "root")
        assert refused.value.status == status
    await staff.change("eve", UserChange(subject="s-1"), "root")
    with pytest.raises(Refused) as refused:
        await staff.change("sam", UserChange(subject="s-1"), "root")
    assert refused.value.status == 409


async def test_the_first_start_makes_an_administrator_once() -> None:
    staff = Accounts(MemoryKeeper(), ("spring",))
    await staff.start()
    made = await staff.first_administrator()
    assert made is not None
    name, password = made
    token = await staff.sign_in(name, password, "", "a", Kind.BROWSER)
    person = staff.person_of(token)
    assert person is not None
    assert person.one_time
    assert await staff.first_administrator() is None
