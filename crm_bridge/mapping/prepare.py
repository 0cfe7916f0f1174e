"""From a step and an event to the bytes of one request. Pure: nothing is sent here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from crm_bridge.mapping.fields import FieldError, flat, nested
from crm_bridge.mapping.model import Connector, Encoding, Request, Step
from crm_bridge.mapping.template import Template, TemplateError, Trusted
from crm_bridge.mapping.transforms import as_text, stable_uuid

BODY_BYTES_MAX = 256_000
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,8000}")
_VARIABLE = re.compile(r"--A--([A-Za-z0-9_]{1,64})--B--")


class MappingError(ValueError):
    """An event that this mapping cannot turn into a request. Names the step and the field."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, ready but for its credentials. `url` is encoded."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


def prepare(
    connector: Connector, step: Step, request: Request, context: Mapping[str, Any]
) -> Prepared:
    """Raises `MappingError`."""
    try:
        headers = {
            name: _header(name, text, context)
            for name, text in {**connector.headers, **request.headers}.items()
        }
        if step.key_header and request is step.request:
            headers[step.key_header] = stable_uuid(f"{context['event']['id']}/{step.name}")
        query = flat(request.query, context)
        body: bytes | None = None
        if request.encoding is Encoding.QUERY:
            query += flat(request.body, context)
        elif request.encoding is Encoding.FORM:
            body = urlencode(flat(request.body, context), errors="replace").encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif request.encoding is Encoding.JSON:
            made = nested(request.body, context)
            body = json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode(
                errors="replace"
            )
            headers["Content-Type"] = "application/json"
        if body is not None and len(body) > BODY_BYTES_MAX:
            raise FieldError(f"body is longer than {BODY_BYTES_MAX} bytes")
        return Prepared(request.method, _url(request, context, query), headers, body)
    except (FieldError, TemplateError) as error:
        raise MappingError(f"{connector.source}: step {step.name}: {error}") from None


def _header(name: str, text: Template, context: Mapping[str, Any]) -> str:
    value = text.render(context)
    if not _HEADER_VALUE.fullmatch(value):
        raise FieldError(f"header {name} is not printable ASCII")
    return value


def _url(request: Request, context: Mapping[str, Any], query: list[tuple[str, str]]) -> str:
    """The URL, whose host no event can change: what events bring is percent-encoded."""
    text = request.url.render(context).strip()
    if request.variables:
        text = _fill(text, request, context)
    if query:
        text += ("&" if "?" in text else "?") + urlencode(query, errors="replace", quote_via=quote)
    try:
        url = URL(text, encoded=True)
        port = url.port
    except ValueError:
        raise FieldError("url is no web address") from None
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise FieldError("url is no web address: it starts with https://")
    if {".", ".."} & set(url.raw_path.split("/")):
        raise FieldError("url leads elsewhere: a part of its path is .. or .")
    if "//" in url.raw_path and not request.variables:
        raise FieldError("url has an empty part in its path: a field it needs is empty")
    if not text.isascii() or re.search(r"[\s<>\"{}|\\^`]", text):
        raise FieldError("url has characters that must be percent-encoded in it")
    return text


def _fill(text: str, request: Request, context: Mapping[str, Any]) -> str:
    """`--A--name--B--` by the request's variables, else by the lead's own columns, else nothing."""
    known = {one.name: one for one in request.variables}

    def put(found: re.Match[str]) -> str:
        name = found[1]
        value = known[name].value(context) if name in known else context["fields"].get(name)
        return quote(as_text(value), safe="", errors="replace")

    return _VARIABLE.sub(put, Trusted(text).removeprefix("VAR"))
