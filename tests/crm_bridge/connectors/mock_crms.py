"""CRMs to test against: each checks what the real one checks, and answers as it answers.

Required fields, types, credentials and rate limits are enforced; a request that is not right is
refused and counted in `wrong`, so that a test sees it. `faults` are probabilities of misbehaviour:
`refuse` (429 or the CRM's own word for it), `busy` (503), `broken` (500 before anything is done),
`lost` (done, and the connection is cut instead of an answer).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar
from uuid import UUID

from aiohttp import web

from dialer.clock import Clock

Answer = web.Response


def answer(status: int, body: object = None, **headers: str) -> Answer:
    if body is None:
        return Answer(status=status, headers=headers)
    return web.json_response(body, status=status, headers=headers)


class Refused(Exception):
    """The request is wrong: what the CRM answers."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class MockCrm:
    limit: tuple[int, float] = (10**9, 1.0)  # requests, seconds

    def __init__(self, clock: Clock, faults: Mapping[str, float] | None = None) -> None:
        self.clock = clock
        self.faults = dict(faults or {})
        self.rng = Random(7)
        self.wrong: list[str] = []
        self.tally: Counter[str] = Counter()
        self.records: dict[str, dict[str, Any]] = {}  # by our call's id
        self.created: list[str] = []  # our call's id, once for each record that was made
        self.stall: asyncio.Event | None = None  # set when a request was done and hangs
        self._times: list[float] = []
        self._ids = 1000
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self.url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def settings(self) -> dict[str, Any]:
        raise NotImplementedError

    async def handle(self, request: web.Request, path: str) -> Answer:
        raise NotImplementedError

    def too_many(self) -> Answer:
        return answer(429, {"error": "too many requests"}, **{"Retry-After": "7"})

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def make(self, call_id: str, record: dict[str, Any]) -> None:
        self.created.append(call_id)
        self.records[call_id] = record

    def demand(
        self, given: Mapping[str, Any], kinds: Mapping[str, type], status: int = 422
    ) -> None:
        for name, kind in kinds.items():
            if not isinstance(given.get(name), kind) or given[name] == "":
                raise Refused(status, {"error": f"{name} must be {kind.__name__}"})

    def _over_limit(self) -> bool:
        count, window_s = self.limit
        now = self.clock.now()
        self._times = [one for one in self._times if one > now - window_s]
        self._times.append(now)
        return len(self._times) > count

    async def _take(self, request: web.Request) -> Answer:
        path = "/" + request.match_info["path"]
        self.tally["requests"] += 1
        await request.read()
        if self._over_limit():
            self.tally["over the limit"] += 1
            return self.too_many()
        chance = self.rng.random()
        fault = ""
        for name, share in self.faults.items():
            chance -= share
            if chance < 0:
                fault = name
                break
        if fault:
            self.tally[fault] += 1
        if fault == "refuse" and not path.endswith("/token"):
            return self.too_many()
        if fault in ("busy", "broken"):
            return answer(503 if fault == "busy" else 500)
        try:
            made = await self.handle(request, path)
        except Refused as error:
            self.wrong.append(f"{request.method} {path}: {error.body}")
            return answer(error.status, error.body)
        writes = request.method != "GET" and not path.endswith(("/token", "/search"))
        if self.stall is not None and writes and made.status < 300:
            self.stall.set()
            await asyncio.sleep(1e6)
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        return made


def bearer(request: web.Request, token: str, scheme: str = "Bearer") -> bool:
    return request.headers.get("Authorization") == f"{scheme} {token}"


class Webhook(MockCrm):
    secret = "a-long-random-text"

    def settings(self) -> dict[str, Any]:
        return {"url": f"{self.url}/hook", "secret": self.secret}

    async def handle(self, request: web.Request, path: str) -> Answer:
        body = await request.read()
        expected = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        if request.headers.get("X-Signature") != expected:
            raise Refused(401, "forged")
        told = json.loads(body)
        self.demand(told, {"id": str, "event": str, "time": str, "phone": str}, 400)
        key = request.headers["Idempotency-Key"]
        if key not in self.records:
            self.make(key, told)
        return answer(200)


class Zendesk(MockCrm):
    """No idempotency keys: as two hours later. Tickets are listed by external id at once."""

    limit = (200, 60.0)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.calls: dict[int, dict[str, Any]] = {}
        self.shown: list[str] = []

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url, "email": "dialer@acme.example", "token": "tok", "app_id": "7352",
            "from_line": "+12025550199", "agents": {"anna": "3854"},
        }  # fmt: skip

    async def handle(self, request: web.Request, path: str) -> Answer:
        pair = base64.b64encode(b"dialer@acme.example/token:tok").decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            raise Refused(401, {"error": "Couldn't authenticate you"})
        if request.method == "GET" and path == "/api/v2/tickets.json":
            found = self.records.get(request.query["external_id"])
            return answer(200, {"tickets": [found] if found else []})
        if shown := re.fullmatch(
            r"/api/v2/channels/voice/agents/3854/users/(\d+)/display.json", path
        ):
            self.shown.append(shown[1])
            return answer(200)
        body = await request.json()
        if path == "/api/v2/channels/voice/tickets.json":
            ticket = body["ticket"]
            self.demand(ticket, {"via_id": int, "comment": dict, "external_id": str})
            if ticket["via_id"] not in (44, 45, 46):
                raise Refused(422, {"error": "via_id"})
            record = {**ticket, "id": self.next_id(), "comments": [ticket["comment"]["body"]]}
            self.make(ticket["external_id"], record)
            return answer(201, {"ticket": record})
        if path == "/api/v2/calls":
            kinds = {"app_id": int, "from_line": str, "to_line": str, "direction": str}
            self.demand(body, {**kinds, "call_started_at": str})
            if not all(re.fullmatch(r"\+\d{8,15}", body[one]) for one in ("from_line", "to_line")):
                raise Refused(422, {"error": "lines are E.164"})
            number = self.next_id()
            self.calls[number] = body
            return answer(201, {"call": {**body, "id": number}})
        if found := re.fullmatch(r"/api/v2/calls/(\d+)", path):
            self.calls[int(found[1])].update(body)
            return answer(200, {"call": {"id": int(found[1])}})
        if found := re.fullmatch(r"/api/v2/tickets/(\d+).json", path):
            for record in self.records.values():
                if record["id"] == int(found[1]):
                    record["comments"].append(body["ticket"]["comment"]["body"])
                    return answer(200, {"ticket": record})
        raise Refused(404, {"error": "RecordNotFound"})


class WithTokens(MockCrm):
    """Gives tokens that hold for `uses` requests, whatever it said of their life.

    More than there are calls at work at once: who was refused and has a new token is served.
    """

    uses = 12
    scheme = "Bearer"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.token, self.left, self.tokens = "", 0, 0

    async def give(self, request: web.Request, **needed: str) -> Answer:
        form = await request.post()
        for name, value in needed.items():
            if form.get(name) != value:
                raise Refused(400, {"error": "invalid_client", "field": name})
        self.tokens += 1
        self.token, self.left = f"token-{self.tokens}", self.uses
        return answer(200, {"access_token": self.token, "token_type": "Bearer", "expires_in": 3600})

    def expired(self, request: web.Request) -> bool:
        if not bearer(request, self.token, self.scheme):
            return True
        self.left -= 1
        return self.left < 0


class Salesforce(WithTokens):
    FIELDS: ClassVar[dict[str, type]] = {
        "Subject": str, "Status": str, "TaskSubtype": str, "CallType": str, "CallObject": str,
        "CallDisposition": str, "CallDurationInSeconds": int, "ActivityDate": str, "WhoId": str,
        "OwnerId": str, "Description": str,
    }  # fmt: skip

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url, "client_id": "key", "client_secret": "s3cret",
            "users": {"anna": "005xx000001X8Uz"},
        }  # fmt: skip

    def too_many(self) -> Answer:
        return answer(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "limit"}])

    async def handle(self, request: web.Request, path: str) -> Answer:
        if path == "/services/oauth2/token":
            return await self.give(
                request, grant_type="client_credentials", client_id="key", client_secret="s3cret"
            )
        if self.expired(request):
            return answer(401, [{"errorCode": "INVALID_SESSION_ID"}])
        found = re.fullmatch(r"/services/data/v62.0/sobjects/Task/Overdial_Call__c/([\w-]+)", path)
        if request.method not in ("PATCH", "GET") or found is None:
            raise Refused(404, [{"errorCode": "NOT_FOUND"}])
        known = self.records.get(found[1])
        if request.method == "GET":
            if known is None:
                return answer(404, [{"errorCode": "NOT_FOUND"}])
            return answer(200, {"Id": known["Id"]})
        body = await request.json()
        if known is not None and "TaskSubtype" in body:  # "This field isn't updateable."
            raise Refused(400, [{"errorCode": "INVALID_FIELD_FOR_INSERT_UPDATE"}])
        for name, value in body.items():
            if not isinstance(value, self.FIELDS.get(name, type(None))):
                raise Refused(400, [{"errorCode": "INVALID_FIELD", "fields": [name]}])
            if name in ("WhoId", "OwnerId") and not re.fullmatch(
                r"[A-Za-z0-9]{15}|[A-Za-z0-9]{18}", value
            ):
                raise Refused(400, [{"errorCode": "MALFORMED_ID", "fields": [name]}])
            if name in ("Subject", "CallDisposition", "CallObject") and len(value) > 255:
                raise Refused(400, [{"errorCode": "STRING_TOO_LONG", "fields": [name]}])
        if known is not None:
            known.update(body)
            return answer(200, {"id": known["Id"], "success": True, "created": False})
        number = f"00T{self.next_id():012d}"
        self.make(found[1], {**body, "Id": number})
        return answer(201, {"id": number, "success": True, "errors": [], "created": True})


class HubSpot(MockCrm):
    """Its search sees a record only some seconds after it was made, has a limit of its own, and
    knows people's numbers as they typed them, or without country and signs."""

    limit = (100, 10.0)
    SEARCHES_PER_S = 5
    INDEX_LAG_S = 15.0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._searches: list[float] = []

    STATUSES = ("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED",
                "IN_PROGRESS", "MISSED", "NO_ANSWER", "QUEUED", "RINGING")  # fmt: skip

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url, "token": "pat", "owners": {"anna": "416"},
            "dispositions": {"SALE": "f240bbac-87c9-4f6e-bf70-924b57d47db7"},
        }  # fmt: skip

    def too_many(self) -> Answer:
        return answer(429, {"status": "error", "policyName": "TEN_SECONDLY_ROLLING"})

    async def handle(self, request: web.Request, path: str) -> Answer:
        if not bearer(request, "pat"):
            raise Refused(401, {"category": "INVALID_AUTHENTICATION"})
        body = await request.json()
        if path.endswith("/search") and self._searches_too_fast():
            self.tally["searches over the limit"] += 1
            return answer(429, {"status": "error", "policyName": "SECONDLY"})
        if path == "/crm/v3/objects/contacts/search":
            groups = body["filterGroups"]
            if len(groups) > 5 or any(len(group["filters"]) > 6 for group in groups):
                raise Refused(400, {"category": "VALIDATION_ERROR"})
            asked = {(one["propertyName"], one["value"]) for g in groups for one in g["filters"]}
            found = self.contacts(
                next(v for n, v in asked if n == "hs_searchable_calculated_phone_number")
            )
            return answer(200, {"total": len(found), "results": [{"id": one} for one in found]})
        if path == "/crm/v3/objects/calls/search":
            wanted = body["filterGroups"][0]["filters"][0]["value"]
            found = self.records.get(wanted)
            seen = found is not None and self.clock.now() - found["made"] > self.INDEX_LAG_S
            return answer(200, {"results": [{"id": found["id"]}] if found and seen else []})
        self._check(body["properties"])
        if request.method == "POST" and path == "/crm/v3/objects/calls":
            self.demand(body["properties"], {"hs_timestamp": int, "hs_call_external_id": str}, 400)
            for one in body.get("associations", []):
                self.demand(one["to"], {"id": str}, 400)
                self.demand(
                    one["types"][0], {"associationTypeId": int, "associationCategory": str}, 400
                )
            number = str(self.next_id())
            to = [one["to"]["id"] for one in body.get("associations", [])]
            record = {**body["properties"], "id": number, "made": self.clock.now(), "to": to}
            self.make(body["properties"]["hs_call_external_id"], record)
            return answer(201, {"id": number})
        if request.method == "PATCH":
            for record in self.records.values():
                if path == f"/crm/v3/objects/calls/{record['id']}":
                    record.update(body["properties"])
                    return answer(200, {"id": record["id"]})
        raise Refused(404, {"category": "OBJECT_NOT_FOUND"})

    def contacts(self, number: str) -> list[str]:
        """Everybody of the area 202 555, whose number somebody typed as (202) 555-0107."""
        return ["c" + number[-2:]] if re.fullmatch(r"202555\d{4}", number) else []

    def _searches_too_fast(self) -> bool:
        now = self.clock.now()
        self._searches = [one for one in self._searches if one > now - 1.0]
        self._searches.append(now)
        return len(self._searches) > self.SEARCHES_PER_S

    def _check(self, given: Mapping[str, Any]) -> None:
        if given.get("hs_call_status", "BUSY") not in self.STATUSES:
            raise Refused(400, {"message": "hs_call_status"})
        if not isinstance(given.get("hs_call_duration", 0), int):
            raise Refused(400, {"message": "hs_call_duration"})
        if "hs_call_disposition" in given:
            UUID(given["hs_call_disposition"])


class Zoho(WithTokens):
    scheme = "Zoho-oauthtoken"
    STATES = ("ringing", "answered", "ended", "busy", "invalid", "blocked", "notavailable",
              "noanswer", "rejected")  # fmt: skip

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url, "accounts_url": self.url, "client_id": "id",
            "client_secret": "s3cret", "refresh_token": "r3fresh", "from_number": "+12025550199",
            "users": {"anna": "4876"},
        }  # fmt: skip

    async def handle(self, request: web.Request, path: str) -> Answer:
        if path == "/oauth/v2/token":
            return await self.give(
                request, grant_type="refresh_token", client_id="id", refresh_token="r3fresh"
            )
        if self.expired(request):
            return answer(401, {"code": "INVALID_OAUTHTOKEN", "status": "error"})
        if path != "/phonebridge/v3/callnotify" or request.method != "POST":
            raise Refused(404, {"code": "INVALID_URL"})
        form = {name: str(value) for name, value in (await request.post()).items()}
        needed = ["type", "state", "id", "from", "to"]
        if form.get("state") not in ("ringing", "answered"):
            needed.append("start_time")
        if form.get("state") == "ended":
            needed.append("duration")
        if any(not form.get(name) for name in needed):
            raise Refused(400, {"code": "REQUIRED_PARAM_MISSING", "status": "error"})
        if form["type"] != "dialed" or form["state"] not in self.STATES:
            raise Refused(400, {"code": "INVALID_PARAM", "status": "error"})
        if not re.fullmatch(r"\+\d{8,15}", form["from"]) or not re.fullmatch(
            r"\+\d{8,15}", form["to"]
        ):
            raise Refused(400, {"code": "INVALID_NUMBER", "status": "error"})
        if "start_time" in form and not re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", form["start_time"]
        ):
            raise Refused(400, {"code": "INVALID_TIME", "status": "error"})
        if self.rng.random() < self.faults.get("says no", 0):  # 200 that is none
            return answer(200, {"status": "error", "code": "INTERNAL_ERROR"})
        if form["id"] in self.records:
            self.records[form["id"]].update(form)
        else:
            self.make(form["id"], form)
        return answer(200, {"status": "success", "code": "SUCCESS"})


class Dynamics(WithTokens):
    FIELDS: ClassVar[dict[str, type]] = {
        "subject": str, "phonenumber": str, "directioncode": bool, "actualstart": str,
        "actualend": str, "actualdurationminutes": int, "category": str, "subcategory": str,
        "description": str, "regardingobjectid_contact_phonecall@odata.bind": str,
        "ownerid_phonecall@odata.bind": str, "statecode": int, "statuscode": int,
    }  # fmt: skip

    def settings(self) -> dict[str, Any]:
        return {
            "base_url": self.url, "login_url": self.url, "tenant": "t1", "client_id": "app",
            "client_secret": "s3cret", "users": {"anna": "00000000-0000-0000-0000-0000000000aa"},
        }  # fmt: skip

    async def handle(self, request: web.Request, path: str) -> Answer:
        if path == "/t1/oauth2/v2.0/token":
            return await self.give(
                request, grant_type="client_credentials", scope=f"{self.url}/.default"
            )
        if self.expired(request):
            return answer(401, {"error": {"code": "0x80048306"}})
        found = re.fullmatch(r"/api/data/v9.2/phonecalls\(([0-9a-f-]{36})\)", path)
        if request.method != "PATCH" or found is None or request.headers["OData-Version"] != "4.0":
            raise Refused(404, {"error": {"code": "0x80060888"}})
        UUID(found[1])
        body = await request.json()
        for name, value in body.items():
            if type(value) is not self.FIELDS.get(name):
                raise Refused(
                    400, {"error": {"message": f"{name} is undeclared or of a wrong type"}}
                )
            if name.endswith("odata.bind") and not re.fullmatch(r"/\w+\([0-9a-f-]{36}\)", value):
                raise Refused(400, {"error": {"message": name}})
        known = self.records.get(found[1])
        if (body.get("statecode"), body.get("statuscode")) not in ((None, None), (0, 1), (1, 2)):
            raise Refused(400, {"error": {"message": "is no status of that state"}})
        if known is None:
            self.demand(body, {"subject": str}, 400)
            if "statecode" in body:  # every activity begins as an open one
                raise Refused(400, {"error": {"message": "2 is no status of PhoneCallState.Open"}})
            self.make(found[1], {"statecode": 0, "statuscode": 1, **body})
        else:
            known.update(body)
        if request.headers.get("Prefer") == "return=representation":
            made = {**self.records[found[1]], "activityid": found[1]}
            return answer(201 if known is None else 200, made)
        return answer(204, **{"OData-EntityId": f"{self.url}{path}"})


class WebCrm(MockCrm):
    """Scripts behind URLs, as sites had them with VICIdial; they tell no repetition."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.visits: list[tuple[str, dict[str, str]]] = []

    def settings(self) -> dict[str, Any]:
        v = "--A--{}--B--".format
        return {
            "start_call_url": f"{self.url}/start?call={v('call_id')}&phone={v('phone_number')}",
            "dispo_call_url": f"{self.url}/dispo?call={v('call_id')}&d={v('dispo')}"
            f"&n={v('call_notes')}&c={v('city')}",
            "no_agent_call_url": f"{self.url}/noagent?call={v('call_id')}&s={v('status')}"
            f"&x={v('nothing')}",
        }  # fmt: skip

    async def handle(self, request: web.Request, path: str) -> Answer:
        if request.method != "GET" or not request.query.get("call"):
            raise Refused(400, "call is missing")
        self.visits.append((path, dict(request.query)))
        return Answer(text="OK")
