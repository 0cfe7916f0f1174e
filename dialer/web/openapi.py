"""The OpenAPI 3.1 document, made from the same rows as the router and the models they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from dialer.web.auth import COOKIE, Access
from dialer.web.encode import adapter_of
from dialer.web.problems import Problem
from dialer.web.routes import Route

_REF = "#/components/schemas/{model}"
_TITLES = {
    400: "Not JSON, or a field is wrong",
    401: "Nobody is signed in",
    403: "This is not allowed to who asks",
    404: "No such thing",
    409: "Refused in the present state",
    413: "Body too large",
    415: "Body not marked as JSON",
    426: "Not a WebSocket request",
    429: "Too many failures",
    503: "Not serving",
}


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    kinds: dict[tuple[object, JsonSchemaMode], TypeAdapter[Any]] = {}
    for route in routes:
        if route.takes is not None:
            kinds[route.takes, "validation"] = adapter_of(route.takes)
        if route.gives is not None:
            kinds[route.gives, "serialization"] = adapter_of(route.gives)
        if route.socket is not None:
            kinds[route.socket[0], "validation"] = adapter_of(route.socket[0])
            kinds[route.socket[1], "serialization"] = adapter_of(route.socket[1])
    kinds[Problem, "serialization"] = adapter_of(Problem)
    schemas, definitions = TypeAdapter.json_schemas(
        [(kind, mode, adapter) for (kind, mode), adapter in kinds.items()], ref_template=_REF
    )
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(_template(route.path), {})[route.method.lower()] = _operation(
            route, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Overdial",
            "version": version,
            "summary": "Agents' screens, wallboard, campaigns and operations of the dialer",
            "description": "The protocol of the WebSockets is described in docs/websocket.md; the "
            "schemas of their messages are named by x-websocket.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "Of POST /v1/session. What changes something needs the "
                    "session's csrf in X-CSRF-Token besides.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Of POST /v1/agents/login, or a configured one.",
                },
            },
        },
    }


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "security": _security(route),
        "responses": _responses(route, schemas),
    }
    names = re.findall(r"{(\w+)", route.path)
    if names or route.params:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ] + [dict(one) for one in route.params]
    if route.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[route.takes, "validation"]}}
            | {media: {} for media in route.also_takes},
        }
    if route.takes_bytes:
        file = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {
            "required": True,
            "content": dict.fromkeys(route.takes_bytes, file),
        }
    if route.socket is not None:
        operation["x-websocket"] = {
            "from-screen": schemas[route.socket[0], "validation"],
            "to-screen": schemas[route.socket[1], "serialization"],
        }
    return operation


def _responses(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    body: dict[str, Any]
    if route.socket is not None:
        good, body = "101", {"description": "The WebSocket is open; say hello"}
    elif route.moves:
        good, body = "302", {"description": "The browser is sent on"}
    elif route.media != "application/json":
        good, body = "200", {"description": "OK", "content": {route.media: {}}}
    elif route.gives is None:
        good, body = "204", {"description": "Taken"}
    else:
        content = {"application/json": {"schema": schemas[route.gives, "serialization"]}}
        good, body = "200", {"description": "OK", "content": content}
    statuses = set(route.problems)
    if route.takes is not None:
        statuses |= {400, 413, 415}
    if route.socket is not None:
        statuses |= {403, 426}
    elif route.access is not Access.PUBLIC:
        statuses |= {401, 403}
    problem = {"application/problem+json": {"schema": schemas[Problem, "serialization"]}}
    return {good: body} | {
        str(status): {"description": _TITLES[status], "content": problem}
        for status in sorted(statuses)
    }


def _security(route: Route) -> list[dict[str, list[str]]]:
    """What lets in, with the right it must have, or a program's scope."""
    if route.access is Access.PUBLIC or route.socket is not None:
        return []  # a WebSocket is let in by its hello
    scope = [] if route.scope is None else [{"token": [route.scope.value]}]
    if route.access is Access.API:
        return scope
    rights = [] if route.access is Access.SIGNED_IN else [route.access.value]
    return [{"session": rights}, {"token": rights}, *scope]


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", route.path.lower()) or ["root"]
    return "_".join([route.method.lower(), *words])


def _template(path: str) -> str:
    return re.sub(r"{(\w+):[^}]*}", r"{\1}", path)
