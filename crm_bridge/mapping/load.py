"""A connector from its YAML file: shipped with the bridge, or a site's own.

A file is right as a whole or refused as a whole; complaints name file, line, field and the mend,
all at once. docs/connectors.md describes the format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from crm_bridge.events import Kind, Type
from crm_bridge.mapping.context import event_shape, settings_shape
from crm_bridge.mapping.model import Auth, Bound, Connector, Rate, Setting, SettingValue, Step
from crm_bridge.mapping.pick import Shape
from crm_bridge.mapping.steps import STEPS_MAX, choice, headers, pick, step, template
from yamlmarks import FileError, read
from yamlmarks.tables import Problems, Table, duration_s, read_tables

_AUTHS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # type -> (must be given, may be given)
    "none": ((), ()),
    "basic": (("user", "password"), ()),
    "bearer": (("token",), ("scheme",)),
    "oauth2": (
        ("token_url", "client_id"),
        (
            "client_secret",
            "refresh_token",
            "scope",
            "scheme",
            "audience",
            "subject",
            "private_key",
        ),
    ),
    "hmac": (("secret",), ("header", "prefix", "timestamp_header")),
}
# OAuth2: grant -> what it needs besides
_GRANTS: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_secret",),
    "refresh_token": ("client_secret", "refresh_token"),
    "jwt_bearer": ("subject", "private_key"),  # RFC 7523
}
_AUTH_CHOICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "oauth2": {
        "grant": tuple(_GRANTS),
        "client_auth": ("body", "basic"),
    },
    "hmac": {"algorithm": ("sha256", "sha512", "sha1"), "encoding": ("hex", "base64")},
}


def shipped() -> list[str]:
    """The names of the connectors that come with the bridge."""
    folder = files("crm_bridge").joinpath("connectors")
    return sorted(
        one.name.removesuffix(".yaml") for one in folder.iterdir() if one.name.endswith(".yaml")
    )


def shipped_text(name: str) -> str:
    """The YAML of a shipped connector, to be copied and changed."""
    return files("crm_bridge").joinpath("connectors", f"{name}.yaml").read_text(encoding="utf-8")


def is_file(name: str) -> bool:
    """Whether a connector's name is that of a file of the site's own."""
    return "/" in name or name.endswith((".yaml", ".yml"))


def load_connector(name: str) -> Connector:
    """By name, or from a file when `name` has a slash or ends in .yaml. Raises `FileError`."""
    if not is_file(name):
        if name not in shipped():
            raise FileError(
                [
                    f"there is no connector of this name: use one of {', '.join(shipped())}, "
                    "or the path of a file of your own, such as ./my-crm.yaml"
                ]
            )
        return _shipped(name)
    path = Path(name)
    return parse_connector(read(path), str(path))


@cache
def _shipped(name: str) -> Connector:
    return parse_connector(shipped_text(name), f"connectors/{name}.yaml")


def parse_connector(text: bytes | str, source: str) -> Connector:
    """As `load_connector`, from text; `source` is the name for complaints."""
    problems = Problems(source)
    top = read_tables(text, problems, {})
    if top is None:
        raise FileError(problems.lines or [f"{source}:1: file: is empty: it needs name: and so on"])
    made = _connector(top, source)
    top.finish()
    if problems.lines:
        raise FileError(list(dict.fromkeys(problems.lines)))
    return made


def _connector(top: Table, source: str) -> Connector:
    settings = _settings(top)
    shape = {"properties": {"settings": settings_shape(settings)}}
    throttled = top.text("throttled", default="") or ""
    answer: Shape = {"properties": {"status": {}, "body": {}}}
    paces = _paces(top)
    return Connector(
        name=top.text("name") or "",
        title=top.text("title") or "",
        source=source,
        settings=settings,
        auth=_auth(top, shape),
        headers=headers(top, "headers", shape),
        rate=_rate(top, "rate"),
        paces=paces,
        throttled=pick(top, "throttled", throttled, answer) if throttled else None,
        events=_events(top, settings, tuple(paces)),
    )


def _settings(top: Table) -> dict[str, Setting]:
    inner = top.table("settings")
    found: dict[str, Setting] = {}
    for name in [] if inner is None else inner.names():
        table = inner.table(name) if inner is not None else None
        if table is None:
            continue
        kind = choice(table, "kind", {"text": "text", "url": "url", "map": "map"}, "text")
        example: SettingValue
        if kind == "map":
            example = table.mapping("example")
        else:
            example = table.text("example", default="") or ""
        found[name] = Setting(
            name=name,
            help=table.text("help") or "",
            kind=kind,
            secret=choice(table, "secret", {"yes": True, "no": False}, False),
            default=table.text("default", default="") if table.has("default") else None,
            example=example,
        )
        table.finish()
    return found


def _auth(top: Table, shape: Mapping[str, object]) -> Auth:
    table = top.table("auth")
    if table is None:
        return Auth()
    kind = choice(table, "type", {one: one for one in _AUTHS}, "none")
    must, may = _AUTHS[kind]
    texts = {
        name: template(table, name, table.text(name) or "", shape)
        for name in (*must, *(one for one in may if table.has(one)))
    }
    choices: dict[str, str] = {}
    for name, known in _AUTH_CHOICES.get(kind, {}).items():
        choices[name] = choice(table, name, {one: one for one in known}, known[0])
    grant = choices.get("grant", "")
    for name in _GRANTS.get(grant, ()):
        if name not in texts:
            table.complain(name, f"is missing: grant: {grant} needs it")
    table.finish()
    return Auth(kind, texts, choices)


def _paces(top: Table) -> dict[str, Rate]:
    inner = top.table("paces")
    names = [] if inner is None else inner.names()
    found = {name: None if inner is None else _rate(inner, name) for name in names}
    return {name: rate for name, rate in found.items() if rate is not None}


def _rate(top: Table, name: str) -> Rate | None:
    table = top.table(name)
    if table is None:
        return None
    count = table.text("requests") or ""
    per_s = duration_s(table.text("per") or "")
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= 1_000_000):
        table.complain("requests", "give a whole number of at least 1")
        count = "1"
    if per_s is None or not 0 < per_s <= 86400:
        table.complain("per", "give a time with its unit, such as 1s or 10s")
        per_s = 1.0
    table.finish()
    return Rate(int(count), per_s)


def _events(
    top: Table, settings: Mapping[str, Setting], paces: Sequence[str]
) -> dict[str, tuple[Step, ...]]:
    inner = top.table("events")
    if inner is None:
        if not top.has("events"):
            top.complain("events", "is missing: say what to do for which event")
        return {}
    by_type: dict[str, Sequence[Table]] = {}
    for type_ in inner.names():
        steps = inner.tables(type_)
        if type_ not in set(Type):
            inner.complain(type_, f"is no event: docs/events.md lists them: {', '.join(Type)}")
        elif not 1 <= len(steps) <= STEPS_MAX:
            inner.complain(type_, f"needs 1 to {STEPS_MAX} steps")
        else:
            by_type[type_] = steps
    refs = {
        name for steps in by_type.values() for table in steps for name in table.mapping("capture")
    }
    found: dict[str, tuple[Step, ...]] = {}
    for type_, tables in by_type.items():
        shape = event_shape(type_, settings, refs)
        made = [step(table, shape, tuple(settings), paces) for table in tables]
        for table, one in zip(tables, made, strict=True):
            if one.guarded and Type(type_).kind is Kind.REALTIME:
                table.complain("idempotency", "a real-time event is not remembered: use upsert")
        for n, one in enumerate(made):
            if one.name in {earlier.name for earlier in made[:n]}:
                tables[n].complain("step", "is the name of an earlier step: choose another")
        found[type_] = tuple(made)
    return found


# --- a site's settings --------------------------------------------------------------------------


CheckUrl = Callable[[Table, str, str], None]


def bind(table: Table, connector: Connector, check_url: CheckUrl) -> Bound:
    """A connector with the `settings:` of an endpoint; complains there of what does not fit."""
    inner = table.table("settings")
    values: dict[str, SettingValue] = {}
    for name, setting in connector.settings.items():
        if inner is None or not inner.has(name):
            if setting.default is None and setting.kind != "map":
                _demand(table, inner, setting)
            continue
        if setting.kind == "map":
            values[name] = inner.mapping(name)
            continue
        text = inner.text(name) or ""
        values[name] = text.rstrip("/") if setting.kind == "url" else text
        if setting.kind == "url" and text:
            check_url(inner, name, text.removeprefix("VAR"))
    if inner is not None:
        for name in connector.settings:
            inner.ask(name)
        inner.finish()
    return Bound(connector, values)


def _demand(table: Table, inner: Table | None, setting: Setting) -> None:
    text = f"is missing: {setting.help}"
    if setting.secret:
        text += f"; keep it out of the file: ${{{setting.name.upper()}}}"
    if inner is None:
        table.complain("settings", f"{setting.name} {text}")
    else:
        inner.complain(setting.name, text)


def example(connector: Connector) -> Bound:
    """A connector with the examples of its settings, to look at what it would send."""
    return Bound(
        connector,
        {
            name: one.example or (one.default if one.default is not None else f"<{name}>")
            for name, one in connector.settings.items()
            if one.kind != "map" or one.example
        },
    )
