"""Steps and fields of a connector, read from YAML and checked against what events bring."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from crm_bridge.mapping.fields import Field, IfNull, split_name
from crm_bridge.mapping.model import Encoding, Keep, Once, Request, Step
from crm_bridge.mapping.pick import Pick, PickError, Shape, missing
from crm_bridge.mapping.template import Path, Template, TemplateError
from crm_bridge.mapping.transforms import DURATIONS, KINDS, PHONES, TransformError, zone
from yamlmarks.tables import Table, duration_s

T = TypeVar("T")

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_RESERVED_HEADERS = ("content-", "host", "connection", "transfer-encoding", "expect")
STEPS_MAX = 10  # for one event: each is a request, and a lane waits for them
FIELDS_MAX = 200
_ANSWER: Shape = {"properties": {"status": {}, "body": {}}}


def choice(table: Table, name: str, choices: Mapping[str, T], default: T) -> T:
    text = table.text(name, default="")
    if not text:
        return default
    if text not in choices:
        table.complain(name, f"is not known: use one of {', '.join(choices)}")
        return default
    return choices[text]


def template(table: Table, name: str, text: str, shape: Shape, *, url: bool = False) -> Template:
    """A template whose fields are checked; a complaint and an empty one when it is refused."""
    try:
        made = Template(text, url=url)
    except TemplateError as error:
        table.complain(name, str(error))
        return Template("")
    _check(table, name, made.paths, shape)
    return made


def pick(table: Table, name: str, text: str, shape: Shape) -> Pick | None:
    try:
        made = Pick(text)
    except PickError as error:
        table.complain(name, str(error))
        return None
    _check(table, name, made.paths(), shape)
    return made


def _check(table: Table, name: str, paths: Iterable[Path], shape: Shape) -> None:
    for path in paths:
        why = missing(path, shape)
        if why:
            table.complain(name, why)


def headers(table: Table, name: str, shape: Shape) -> dict[str, Template]:
    inner = table.table(name)
    if inner is None:
        return {}
    found: dict[str, Template] = {}
    for header in inner.names():
        text = inner.text(header) or ""
        if not _HEADER.fullmatch(header) or header.lower().startswith(_RESERVED_HEADERS):
            inner.complain(header, "is a header that is not allowed: the bridge sets it itself")
        found[header] = template(inner, header, text, shape)
    return found


def fields(table: Table, name: str, shape: Shape, settings: Iterable[str]) -> tuple[Field, ...]:
    inner = table.table(name)
    if inner is None:
        return ()
    names = inner.names()
    if len(names) > FIELDS_MAX:
        table.complain(name, f"has more than {FIELDS_MAX} fields")
        return ()
    made = tuple(
        one for one in (_field(inner, name, shape, tuple(settings)) for name in names) if one
    )
    _check_places(inner, made)
    return made


def _check_places(table: Table, made: Sequence[Field]) -> None:
    """No field may be the parent of another: a value is not a table as well."""
    whole = {one.path for one in made}
    for one in made:
        for n in range(1, len(one.path)):
            if one.path[:n] in whole:
                table.complain(one.name, f"is inside of {'.'.join(one.path[:n])}, which is a value")


def _field(table: Table, name: str, shape: Shape, settings: Sequence[str]) -> Field | None:
    path = split_name(name)
    if not all(path):
        table.complain(name, r"has an empty part: write a dot that belongs to the name as \.")
        return None
    if not table.is_table(name):
        return Field(name, path, template(table, name, table.text(name) or "", shape))
    inner = table.table(name)
    if inner is None:
        return None
    given = [one for one in ("pick", "text", "value") if inner.has(one)]
    source: Template | Pick | None = None
    if len(given) != 1:
        inner.complain(given[1] if given else "pick", "give exactly one of pick, text and value")
    if inner.has("pick"):
        source = pick(inner, "pick", inner.text("pick") or "", shape)
    if inner.has("text"):
        source = template(inner, "text", inner.text("text") or "", shape)
    if inner.has("value"):
        source = _literal(inner)
    look_up = inner.text("look_up", default="") or ""
    if look_up and look_up not in settings:
        inner.complain("look_up", f"is no setting of this connector: {', '.join(settings)}")
    mapped = inner.mapping("map") if inner.has("map") else None
    if mapped is not None and look_up:
        inner.complain("look_up", "cannot be together with map: give one of them")
    otherwise = inner.text("else", default="") if inner.has("else") else None
    if otherwise is not None and mapped is None and not look_up:
        inner.complain("else", "needs a map or a look_up: for an empty value use default")
    kind = choice(inner, "as", {one: one for one in KINDS}, "text")
    made = Field(
        name=name,
        path=path,
        source=source or Template(""),
        mapped=mapped,
        look_up=look_up,
        otherwise=otherwise,
        default=inner.text("default", default="") if inner.has("default") else None,
        kind=kind,
        options=_options(inner, kind),
        length_max=_length(inner),
        if_null=choice(inner, "if_null", {str(one): one for one in IfNull}, IfNull.OMIT),
    )
    inner.finish()
    return made


def _literal(table: Table) -> Template:
    text = table.text("value") or ""
    if "{{" in text or "{%" in text:
        table.complain("value", "is taken as it stands: for a template use text")
        return Template("")
    return Template(text)


def _options(table: Table, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("format", "zone", "unit", "region"):
        text = table.text(name, default="") or ""
        if not text:
            continue
        if name not in KINDS[kind]:
            allowed = ", ".join(KINDS[kind]) or "none"
            table.complain(name, f"does not go with as: {kind}, whose options are: {allowed}")
            continue
        found[name] = text
    if kind == "duration" and found.get("unit", "s") not in DURATIONS:
        table.complain("unit", f"is not known: use one of {', '.join(DURATIONS)}")
    if kind == "phone" and found.get("format", "e164") not in PHONES:
        table.complain("format", f"is not known: use one of {', '.join(PHONES)}")
    form = found.get("format", "iso")
    if kind == "time" and form not in ("iso", "epoch_s", "epoch_ms") and "%" not in form:
        table.complain("format", "use iso, epoch_s, epoch_ms or a form such as %Y-%m-%d %H:%M:%S")
    if "zone" in found:
        try:
            zone(found["zone"])
        except TransformError as error:
            table.complain("zone", str(error))
    if "region" in found and not re.fullmatch(r"[A-Z]{2}", found["region"]):
        table.complain("region", "is no country: write it as US or DE")
    return found


def _length(table: Table) -> int | None:
    text = table.text("max", default="") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 32_000):
        table.complain("max", "give a number of characters from 1 to 32000")
        return None
    return int(text)


def request(table: Table, shape: Shape, settings: Sequence[str], paces: Sequence[str]) -> Request:
    method = choice(table, "method", {one: one for one in _METHODS}, "")
    if not table.has("method"):
        table.complain("method", f"is missing: give one of {', '.join(_METHODS)}")
    text = table.text("url") or ""
    url = template(table, "url", text, shape, url=True)
    if text and not re.match(r"https?://[a-z0-9]|\{\{ *settings\.|\{% if settings\.", text, re.I):
        table.complain(
            "url", "starts with a host of your own or a setting: {{ settings.base_url }}"
        )
    body = fields(table, "body", shape, settings)
    encodings = {str(one): one for one in Encoding if one is not Encoding.NONE}
    encoding = choice(table, "encode", encodings, Encoding.JSON)
    if method == "GET" and body and encoding is not Encoding.QUERY:
        table.complain("body", "does not go with GET: put the fields under query:")
    ok = table.text("ok", default="") or ""
    made = Request(
        method=method,
        url=url,
        headers=headers(table, "headers", shape),
        encoding=encoding if table.has("body") else Encoding.NONE,
        body=body,
        query=fields(table, "query", shape, settings),
        variables=fields(table, "variables", shape, settings),
        ok=pick(table, "ok", ok, _ANSWER) if ok else None,
        capture=_capture(table),
        pace=choice(table, "pace", {one: one for one in paces}, ""),
    )
    return made


def _capture(table: Table) -> dict[str, Pick]:
    found: dict[str, Pick] = {}
    for name, text in table.mapping("capture").items():
        if not _NAME.fullmatch(name):
            table.complain("capture", "needs names of a-z, 0-9 and _, such as ticket")
        made = pick(table, "capture", text, _ANSWER)
        if made is not None:
            found[name] = made
    return found


def step(table: Table, shape: Shape, settings: Sequence[str], paces: Sequence[str]) -> Step:
    name = table.text("step") or ""
    if name and not _NAME.fullmatch(name):
        table.complain("step", "use 1 to 48 of a-z, 0-9 and _, such as: ticket")
    when = table.text("when", default="") or ""
    made = request(table, shape, settings, paces)
    once = choice(table, "idempotency", {str(one): one for one in Once}, Once.UPSERT)
    if made.method == "POST" and not table.has("idempotency"):
        table.complain(
            "idempotency",
            "is missing: say why a POST may be repeated: upsert (repeats harmlessly), header, find "
            "(it is looked for first) or once (it is not repeated)",
        )
    find = _find(table, shape, settings, paces, once, made)
    key_header = table.text("key_header", default="") or ""
    if key_header and not _HEADER.fullmatch(key_header):
        table.complain("key_header", "is no header's name: write it as Idempotency-Key")
    wait = table.text("find_after", default="0s") or "0s"
    find_after_s = duration_s(wait)
    if find_after_s is None or find_after_s > 600:
        table.complain("find_after", "give a time with its unit, at most 10m: 30s")
        find_after_s = 0.0
    finished = Step(
        name=name,
        request=made,
        when=pick(table, "when", when, shape) if when else None,
        once=once,
        key_header=key_header or ("Idempotency-Key" if once is Once.HEADER else ""),
        find=find,
        find_after_s=find_after_s,
        keep=choice(table, "keep", {str(one): one for one in Keep}, Keep.CALL),
        optional=choice(table, "optional", {"yes": True, "no": False}, False),
    )
    table.finish()
    return finished


def _find(
    table: Table,
    shape: Shape,
    settings: Sequence[str],
    paces: Sequence[str],
    once: Once,
    made: Request,
) -> Request | None:
    inner = table.table("find")
    if inner is None:
        if once is Once.FIND:
            table.complain("find", "is missing: the request that looks for the record")
        return None
    if once is not Once.FIND:
        inner.complain("method", "is not used: it needs idempotency: find")
    found = request(inner, shape, settings, paces)
    inner.finish()
    if set(found.capture) != set(made.capture) or not made.capture:
        inner.complain("capture", "needs the very names that the step itself captures")
    return found
