"""The OpenAPI document: valid, complete, and true of what the server sends."""

from __future__ import annotations

import re
from typing import Any

import jsonschema

from dialer.tasks import Tasks
from dialer.web.app import SITE, build_app
from dialer.web.settings import WebSettings
from tests.web.conftest import VIEWER, Desk
from tests.web.fake_face import FakeFace


async def _document(desk: Desk) -> dict[str, Any]:
    async with desk.http.get("/v1/openapi.json") as answer:
        document: dict[str, Any] = await answer.json()
        return document


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=jsonschema.FormatChecker(),
    )


async def test_every_route_of_the_router_is_in_it_and_nothing_else(desk: Desk) -> None:
    document = await _document(desk)
    app = build_app(FakeFace(), WebSettings(), Tasks(lambda *_: None))
    routed = {
        (route.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", route.resource.canonical))
        for route in app.router.routes()
        if route.resource is not None
    }
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == routed
    assert app[SITE].settings.host == "127.0.0.1"


async def test_it_is_well_formed(desk: Desk) -> None:
    document = await _document(desk)
    assert document["openapi"] == "3.1.0"
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))
    names = set(document["components"]["schemas"])
    text = str(document)
    referenced = set(re.findall(r"#/components/schemas/([\w-]+)", text))
    assert referenced <= names
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("type") == "object" or {"enum", "anyOf"} & set(schema), name
    for path, item in document["paths"].items():
        for operation in item.values():
            in_path = set(re.findall(r"{(\w+)}", path))
            given = operation.get("parameters", [])
            assert in_path == {p["name"] for p in given if p["in"] == "path"}
            for one in given:
                jsonschema.Draft202012Validator.check_schema(one["schema"])
            assert operation["summary"]
            schemes = {name for need in operation["security"] for name in need}
            assert schemes <= set(document["components"]["securitySchemes"])


async def test_answers_are_as_described(desk: Desk) -> None:
    document = await _document(desk)
    token = await desk.log_in()
    desk.face.call_arrives("ada")
    for path, bearer in (
        ("/v1/agent", token),
        ("/v1/wallboard", VIEWER),
        ("/v1/campaigns", VIEWER),
        ("/healthz", ""),
    ):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"]
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with desk.http.get(path, headers=headers) as answer:
            _validator(document, schema).validate(await answer.json())
    async with desk.http.get("/v1/agent") as answer:
        content = document["paths"]["/v1/agent"]["get"]["responses"]["401"]["content"]
        schema = content["application/problem+json"]["schema"]
        _validator(document, schema).validate(await answer.json())


async def test_socket_messages_are_as_described(desk: Desk) -> None:
    document = await _document(desk)
    described = document["paths"]["/v1/agent/ws"]["get"]["x-websocket"]
    to_screen = _validator(document, described["to-screen"])
    from_screen = _validator(document, described["from-screen"])
    hello = {"type": "hello", "token": await desk.log_in()}
    screen = await desk.open()
    for message in (hello, {"type": "status", "id": "1", "status": "ready"}, {"type": "hangup"}):
        if "id" in message or message["type"] == "hello":
            from_screen.validate(message)
        else:
            assert not from_screen.is_valid(message)
        await screen.says(**message)
    kinds = set()
    while {"welcome", "agent", "ack", "refused"} - kinds:
        message = (await screen.ws.receive(timeout=5)).json()
        to_screen.validate(message)
        kinds.add(message["type"])
