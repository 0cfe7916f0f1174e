"""The parts of the mapping engine by themselves."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_bridge.cli import main
from crm_bridge.config import Endpoint
from crm_bridge.desk import try_endpoint
from crm_bridge.mapping import refs
from crm_bridge.mapping.auth import AuthError, Credentials, Reply
from crm_bridge.mapping.context import MASK
from crm_bridge.mapping.fields import Field, IfNull, nested, split_name
from crm_bridge.mapping.load import example, load_connector
from crm_bridge.mapping.model import Auth, Bound, Rate
from crm_bridge.mapping.pick import Pick
from crm_bridge.mapping.prepare import Prepared
from crm_bridge.mapping.runner import Pace, open_sender
from crm_bridge.mapping.template import Template, TemplateError, Trusted
from crm_bridge.mapping.transforms import TransformError, convert, stable_uuid
from crm_bridge.ports import LoopClock
from tests.crm_bridge.test_delivery import loopback

# --- transforms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "options", "expected"),
    [
        ("+12025550107", "phone", {}, "+12025550107"),
        ("+12025550107", "phone", {"format": "national"}, "(202) 555-0107"),
        ("+493012345678", "phone", {"format": "international"}, "+49 30 12345678"),
        ("030 12345678", "phone", {"region": "DE"}, "+493012345678"),
        ("+12025550107", "phone", {"format": "digits"}, "12025550107"),
        ("+12025550107", "phone", {"format": "local"}, "2025550107"),
        ("2026-03-29T00:59:59Z", "time", {"zone": "Europe/Berlin"}, "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T01:00:00Z", "time", {"zone": "Europe/Berlin"}, "2026-03-29T03:00:00+02:00"),
        ("2026-03-02T10:00:00+01:00", "time", {}, "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00.250Z", "time", {"format": "epoch_ms"}, 1772442000250),
        (1772442000.25, "time", {"format": "epoch_s"}, 1772442000),
        ("2026-03-02T09:00:00Z", "time", {"format": "%d.%m.%Y %H:%M", "zone": "GMT"},
         "02.03.2026 09:00"),
        (84.6, "duration", {}, 85),
        (84.6, "duration", {"unit": "ms"}, 84600),
        (84.6, "duration", {"unit": "min"}, 2),
        (3684.6, "duration", {"unit": "iso"}, "PT1H1M25S"),
        (0, "duration", {"unit": "iso"}, "PT0S"),
        (3684.6, "duration", {"unit": "clock"}, "1:01:25"),
        ("735264019863524123", "integer", {}, 735264019863524123),
        ("2.50", "number", {}, 2.5),
        ("no", "boolean", {}, False),
        (3.0, "text", {}, "3"),
        (True, "text", {}, "true"),
        ({"a": 1}, "json", {}, {"a": 1}),
    ],
)  # fmt: skip
def test_a_value_becomes_what_the_crm_wants(
    value: object, kind: str, options: dict[str, str], expected: object
) -> None:
    found = convert(value, kind, options)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("soon", "time"), ("2026-03-02T09:00:00", "time"), ("x", "integer"), (True, "number"),
        ("nan", "number"), ("inf", "duration"), (-1, "duration"), ("12", "phone"),
        ("perhaps", "boolean"), (1e300, "time"), ([], "integer"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_refused_and_not_repeated(value: object, kind: str) -> None:
    with pytest.raises(TransformError) as caught:
        convert(value, kind, {})
    assert isinstance(value, list) or str(value) not in str(caught.value)


def test_an_id_we_choose_is_the_same_in_every_process() -> None:
    assert stable_uuid("od-1-c7") == "7a75039d-e9d0-5d1b-acdd-153be93ef1c1"


@given(st.text(max_size=60))
def test_whatever_a_lead_is_called_stays_in_its_place(name: str) -> None:
    context = {"settings": {"base": Trusted("https://h.example")}, "lead": {"name": name}}
    made = Template("{{ settings.base }}/a/{{ lead.name }}/z?q={{ lead.name }}", url=True)
    try:
        url = made.render(context)
    except TemplateError:
        return
    assert url.startswith("https://h.example/a/")
    assert url.count("/") == 5
    assert url.count("?") == 1
    assert url.isascii()


@given(st.text(max_size=60))
def test_a_text_is_put_in_as_it_is(name: str) -> None:
    assert Template("<{{ lead.name }}>").render({"lead": {"name": name}}) == f"<{name}>"


# --- fields -------------------------------------------------------------------------------------


def test_dotted_names_become_tables_and_numbers_places() -> None:
    def field(name: str, value: str, **more: Any) -> Field:
        return Field(name, split_name(name), Template(value), **more)

    made = nested(
        [
            field("to.0.id", "5"),
            field("to.1.id", "6"),
            field(r"owner@odata\.bind", "/users(1)"),
            field("left.out", ""),
            field("null", "", if_null=IfNull.NULL),
            field("long", "abcdef", length_max=3),
        ],
        {},
    )
    assert made == {
        "to": [{"id": "5"}, {"id": "6"}],
        "owner@odata.bind": "/users(1)",
        "null": None,
        "long": "abc",
    }


def test_a_map_a_look_up_and_what_they_lack() -> None:
    context = {"data": {"agent": "bert"}, "settings": {"users": {"anna": "1"}}}
    pick = Pick("data.agent")
    assert Field("a", ("a",), pick, look_up="users").value(context) is None
    assert Field("a", ("a",), pick, look_up="users", otherwise="9").value(context) == "9"
    assert (
        Field("a", ("a",), pick, look_up="users", default="0", kind="integer").value(context) == 0
    )
    assert Field("a", ("a",), pick, mapped={"bert": "B"}).value(context) == "B"
    with pytest.raises(ValueError, match="a has a value that map: does not list"):
        Field("a", ("a",), pick, mapped={"anna": "A"}).value(context)


# --- pace ---------------------------------------------------------------------------------------


@given(
    st.integers(1, 20),
    st.lists(st.floats(0, 3), min_size=1, max_size=80),
)
def test_no_window_has_more_than_the_rate(requests: int, gaps: list[float]) -> None:
    pace, now, begun = Pace(Rate(requests, 1.0)), 0.0, []
    for gap in gaps:
        now += gap
        begun.append(now + pace.take(now))
    for n in range(len(begun) - requests):
        assert begun[n + requests] - begun[n] > 1.0


# --- credentials --------------------------------------------------------------------------------

BARE = Prepared("POST", "https://h.example/x", {}, b'{"a":1}')


async def nobody(request: Prepared) -> Reply:
    raise AssertionError("nothing is to be fetched")


async def test_a_keyed_signature_with_a_timestamp() -> None:
    texts = {"secret": "s", "header": "X-Sig", "prefix": "v0=", "timestamp_header": "X-At"}
    auth = Auth(
        "hmac",
        {name: Template(text) for name, text in texts.items()},
        {"algorithm": "sha512", "encoding": "hex"},
    )
    credentials = Credentials(auth, {}, LoopClock())
    signed = await credentials.apply(BARE, nobody)
    message = signed.headers["X-At"].encode() + b'.{"a":1}'
    expected = hmac.new(b"s", message, hashlib.sha512).hexdigest()
    assert signed.headers["X-Sig"] == f"v0={expected}"
    assert credentials.masked(BARE).headers == {"X-Sig": f"v0={MASK}", "X-At": "<seconds>"}


def oauth(grant: str, **more: str) -> Auth:
    texts = {
        "token_url": "https://h.example/token", "client_id": "id", "client_secret": "pw", **more
    }  # fmt: skip
    return Auth(
        "oauth2",
        {name: Template(text) for name, text in texts.items()},
        {"grant": grant, "client_auth": "body"},
    )


async def test_many_requests_fetch_one_token_and_a_refused_one_is_fetched_anew() -> None:
    fetched: list[bytes] = []

    async def server(request: Prepared) -> Reply:
        fetched.append(request.body or b"")
        await asyncio.sleep(0)
        body = {"access_token": f"t{len(fetched)}", "expires_in": 3600, "refresh_token": "r2"}
        return Reply(200, body=json.dumps(body).encode())

    credentials = Credentials(oauth("refresh_token", refresh_token="r1"), {}, LoopClock())
    many = await asyncio.gather(*(credentials.apply(BARE, server) for _ in range(20)))
    assert {one.headers["Authorization"] for one in many} == {"Bearer t1"}
    for one in many:  # all of them come back with 401
        credentials.drop(one)
    again = await credentials.apply(BARE, server)
    credentials.drop(many[0])  # an old one that comes late costs nothing
    assert await credentials.apply(BARE, server) == again
    assert [b"refresh_token=r1" in fetched[0], b"refresh_token=r2" in fetched[1]] == [True, True]
    assert len(fetched) == 2


async def test_a_signed_assertion_says_who_we_are_and_for_whom_we_act() -> None:
    key = RSAKey.generate_key(2048)
    fetched: list[bytes] = []

    async def server(request: Prepared) -> Reply:
        fetched.append(request.body or b"")
        return Reply(200, body=b'{"access_token": "t1"}')

    pem = key.as_pem(private=True).decode()
    texts = {
        "token_url": "https://h.example/token", "client_id": "app", "subject": "bot@acme.example",
        "private_key": pem, "audience": "https://login.salesforce.com",
    }  # fmt: skip
    auth = Auth(
        "oauth2",
        {name: Template(text) for name, text in texts.items()},
        {"grant": "jwt_bearer", "client_auth": "body"},
    )
    sent = await Credentials(auth, {}, LoopClock()).apply(BARE, server)
    assert sent.headers["Authorization"] == "Bearer t1"
    form = parse_qs(fetched[0].decode())
    assert sorted(form) == ["assertion", "grant_type"]
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    claims = jwt.decode(form["assertion"][0], key).claims
    assert (claims["iss"], claims["sub"]) == ("app", "bot@acme.example")
    assert claims["aud"] == "https://login.salesforce.com"
    assert 0 < claims["exp"] - claims["iat"] <= 180


async def test_a_key_that_is_none_is_said_and_not_repeated() -> None:
    texts = {"token_url": "u", "client_id": "app", "subject": "b", "private_key": "geheim"}
    auth = Auth(
        "oauth2",
        {name: Template(text) for name, text in texts.items()},
        {"grant": "jwt_bearer", "client_auth": "body"},
    )
    with pytest.raises(AuthError, match="no RSA key") as raised:
        await Credentials(auth, {}, LoopClock()).apply(BARE, nobody)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(400, body=b'{"error":"invalid_client"}'), "HTTP 400 (invalid_client)"),
        (Reply(200, body=b'{"error":"invalid_code"}'), "answer has none (invalid_code)"),
        (Reply(400, body=b'{"error":"+12025550100"}'), "HTTP 400"),
        (Reply(200, body=b"<html>"), "answer has none"),
        (Reply(200, body=b"[]"), "answer has none"),
        (Reply(200, body=b'{"access_token": "a\\r\\nX: y"}'), "answer has none"),
        (Reply(None, "timeout"), "timeout"),
    ],
)
async def test_no_token_is_said_without_secrets(reply: Reply, why: str) -> None:
    async def server(request: Prepared) -> Reply:
        return reply

    credentials = Credentials(oauth("client_credentials"), {}, LoopClock())
    with pytest.raises(AuthError, match="no token") as caught:
        await credentials.apply(BARE, server)
    assert "pw" not in str(caught.value).replace("pwd", "")
    assert str(caught.value).endswith(why)


async def test_a_secret_with_a_line_break_is_said_and_not_shown() -> None:
    """As `$(cat file)` in another shell brings it: signatures would be wrong, headers broken."""
    auth = Auth("bearer", {"token": Template("s3cret\n")})
    with pytest.raises(AuthError, match="token has a line break") as caught:
        Credentials(auth, {}, LoopClock())
    assert "s3cret" not in str(caught.value)


async def test_a_connector_without_a_test_does_not_say_it_is_right() -> None:
    endpoint = Endpoint("v", "", (), connector=example(load_connector("vicidial")))
    assert "not tried" in (await try_endpoint(endpoint, "i", LoopClock())).answer


# --- addresses, redirects, sizes ----------------------------------------------------------------


def flat(url: str, **more: Any) -> Endpoint:
    bound = example(load_connector("webhook"))
    settings = {**bound.settings, "url": url}
    return Endpoint("w", "", (), connector=Bound(bound.connector, settings), **more)


async def send(endpoint: Endpoint, data: str = '{"phone":"+12025550107","source":"crm"}') -> Any:
    sender = open_sender(
        endpoint, LoopClock(), "", connections_max=1, timeout=aiohttp.ClientTimeout(total=5)
    )
    try:
        return await sender.send(
            id_="msg_1", type_="dnc.added", at=1772442000.0, key="k", seq=1, data=data
        )
    finally:
        await sender.close()


@pytest.mark.parametrize("url", ["https://127.0.0.1/x", "https://localhost/x", "http://[::1]/x"])
async def test_a_connector_goes_nowhere_a_webhook_may_not(url: str) -> None:
    answer = await send(flat(url))
    assert not answer.ok
    assert "refused" in answer.why


async def test_redirects_are_not_followed_and_long_answers_not_read() -> None:
    async def take(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/long":
            return web.Response(body=b"x" * 3_000_000)
        raise web.HTTPFound("/elsewhere")

    asked: list[str] = []
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        moved = await send(flat(f"{url}/moved", allow_networks=loopback()))
        long = await send(flat(f"{url}/long", allow_networks=loopback()))
    finally:
        await runner.cleanup()
    assert (moved.ok, moved.status) == (False, 302)
    assert long.ok
    assert asked == ["/moved", "/long"]


async def test_an_event_that_does_not_fit_is_a_failure_that_names_the_field() -> None:
    answer = await send(flat("https://h.example/x"), '{"phone":"what?","source":"crm"}')
    assert not answer.ok
    assert answer.why == (
        "connectors/webhook.yaml: step tell: phone is no phone number: give E.164, or a region to"
        " read it in"
    )


async def test_half_a_character_of_a_broken_import_stops_nothing() -> None:
    answer = await send(
        flat("https://127.0.0.1/x"), '{"phone":"+12025550107","source":"a\\ud800b"}'
    )
    assert "refused" in answer.why  # it was rendered, and came as far as the address


async def test_what_a_connector_does_not_take_is_delivered_without_a_request() -> None:
    endpoint = flat("https://h.example/x")
    assert endpoint.connector is not None
    none = replace(endpoint.connector.connector, events={})
    assert (await send(replace(endpoint, connector=Bound(none, {})))).ok


# --- memory -------------------------------------------------------------------------------------


async def test_refs_are_kept_replaced_forgotten_and_pruned(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(refs.save, "crm", "call:1", {"ticket": None, "call": "5"}, 100.0)
        await connection.run_sync(refs.save, "crm", "call:1", {"ticket": "7"}, 200.0)
        await connection.run_sync(refs.save, "other", "call:1", {"ticket": "8"}, 200.0)
        found = await connection.run_sync(refs.load, "crm", ["call:1", "lead:1"])
        assert found == {
            ("call:1", "ticket"): refs.Ref("7", 200.0),
            ("call:1", "call"): refs.Ref("5", 100.0),
        }
        assert await connection.run_sync(refs.prune, 150.0) == 1
        await connection.run_sync(refs.forget, "crm", "call:1", ["ticket"])
        assert await connection.run_sync(refs.load, "crm", ["call:1"]) == {}
        assert len(await connection.run_sync(refs.load, "other", ["call:1"])) == 1


# --- the command --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process; tests/crm_bridge/test_cli.py runs it in one of its own."""

    def done(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["crm-bridge", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said, complained = capsys.readouterr()
        return Done(code, said, " ".join(complained.split()))  # a console wraps its lines

    return done


EVENT = {
    "type": "dnc.added",
    "timestamp": "2026-03-02T09:00:00Z",
    "data": {"phone": "+12025550107", "source": "customer", "campaign": None},
}


def test_render_shows_the_request_and_no_secret(tmp_path: Path, run: Run) -> None:
    event, crm = tmp_path / "event.json", tmp_path / "crm.yaml"
    event.write_text(json.dumps(EVENT))
    crm.write_text(
        "endpoints:\n  - name: flat\n    connector: webhook\n"
        "    settings: {url: 'https://hooks.example.org/in', secret: very-secret}\n"
    )
    done = run("render", str(event), "--connector", "flat", "-c", str(crm))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "POST https://hooks.example.org/in"
    assert "X-Signature: sha256=***" in lines
    assert json.loads(lines[-2])["phone"] == "+12025550107"
    assert "very-secret" not in done.stdout


def test_render_says_what_is_wrong_with_an_event(tmp_path: Path, run: Run) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"type": "dnc.aded",\n "timestamp": }')
    done = run("render", str(event), "--connector", "webhook")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{event}:2: is not valid JSON" in done.stderr
    event.write_text('{"type": "dnc.aded"}')
    done = run("render", str(event), "--connector", "webhook")
    assert done.returncode == 1
    assert "type: is no event" in done.stderr
    event.write_text(
        '{"type": "call.started", "timestamp": "2026-03-02T09:00Z", "data": {"lead": 1}}'
    )
    done = run("render", str(event), "--connector", "zoho")
    assert (done.returncode, done.stderr) == (
        1, f"{event}: data.lead: is no object; see docs/events.md",
    )  # fmt: skip


def test_a_connector_is_copied_changed_and_checked(tmp_path: Path, run: Run) -> None:
    mine = tmp_path / "mine.yaml"
    shown = run("connectors", "show", "zoho")
    mine.write_text(shown.stdout)
    done = run("connectors", "check", str(mine))
    assert (done.returncode, "right" in done.stdout) == (0, True)
    mine.write_text(shown.stdout.replace('callnotify"', '{% for x in y %}"', 1))
    done = run("connectors", "check", str(mine))
    assert done.returncode == 1
    assert "mine.yaml:" in done.stderr
