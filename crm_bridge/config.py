"""The bridge's configuration: endpoints in a YAML file.

A file is right as a whole or refused as a whole. Every complaint names file, line, field, what is
wrong and the mend; all complaints of a file are given at once.

    instance: dialer-1                     # names leases and sources; one a process
    endpoints:
      - name: crm
        url: https://crm.example.com/hooks
        secrets: ["${CRM_SECRET}"]         # two while changing: the new one first
        types: ["call.*", disposition.set] # all when left out
        class: all                         # or durable, or realtime
        format: standard                   # or cloudevents
        timeout: 15s
        concurrency: 8                     # requests under way at once
        retry: [5s, 5m, 30m, 2h]           # three days when left out
        allow_networks: [10.1.0.0/16]      # private networks that are meant; http:// needs one
        ca_file: /etc/ssl/our-ca.pem
        headers: {X-Tenant: blue}
      - name: helpdesk
        connector: zendesk                 # or a file of your own: ./my-crm.yaml
        settings: {base_url: "https://example.zendesk.com", token: "${ZENDESK_TOKEN}"}
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from yarl import URL

from crm_bridge import net, signing
from crm_bridge.events import Kind, Type
from crm_bridge.mapping.load import bind, is_file, load_connector, shipped
from crm_bridge.mapping.model import Bound
from crm_bridge.render import Format
from crm_bridge.schedule import RETRY_AFTER_S
from yamlmarks import FileError, read
from yamlmarks.tables import Mark, Problems, Table, duration_s, read_tables

T = TypeVar("T")

CONCURRENCY_MAX = 64
TIMEOUT_S = 15.0  # of one attempt, answer included; the standard asks for 15 to 30
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED_HEADERS = ("webhook-", "content-", "host", "connection", "transfer-encoding", "expect")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver. `types` are names or patterns such as `call.*`; `keys` sign, newest first.

    `retry_s` are the waits after the first, second, ... failure; when they are used up the event
    is a dead letter.
    """

    name: str
    url: str
    keys: tuple[bytes, ...] = field(repr=False)
    types: tuple[str, ...] = ("*",)
    kinds: frozenset[Kind] = frozenset(Kind)
    format: Format = Format.STANDARD
    timeout_s: float = TIMEOUT_S
    concurrency: int = 8
    retry_s: tuple[float, ...] = RETRY_AFTER_S
    allow_networks: tuple[net.Network, ...] = ()
    ca_file: str | None = None
    connector: Bound | None = None  # None: a plain webhook
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def wants(self, type_: str, kind: Kind) -> bool:
        return kind in self.kinds and any(fnmatchcase(type_, one) for one in self.types)


@dataclass(frozen=True, slots=True)
class Config:
    """All endpoints, and the name under which this bridge signs its leases and CloudEvents."""

    endpoints: tuple[Endpoint, ...] = ()
    instance: str = "overdial"


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a file. `${NAME}` in a value is taken from the environment. Raises `FileError`."""
    return parse(read(path), str(path), os.environ if environ is None else environ)


def parse(text: bytes | str, source: str, environ: Mapping[str, str]) -> Config:
    """As `load`, from text; `source` is the name for complaints."""
    problems = Problems(source)
    top = read_tables(text, problems, environ)
    endpoints: list[Endpoint] = []
    instance = "overdial"
    if top is not None:
        instance = top.text("instance", default=instance) or instance
        if not _NAME.fullmatch(instance):
            top.complain("instance", "use 1 to 64 of a-z, 0-9, - and _, such as: dialer-1")
        names: dict[str, Mark] = {}
        for table in top.tables("endpoints"):
            endpoint = _endpoint(table)
            if endpoint is None:
                continue
            if endpoint.name in names:
                first = names[endpoint.name].line
                table.complain("name", f"is used on line {first} already: choose another")
            names[endpoint.name] = table.mark
            endpoints.append(endpoint)
        top.finish()
    if problems.lines:
        raise FileError(problems.lines)
    return Config(tuple(endpoints), instance)


def _endpoint(table: Table) -> Endpoint | None:
    """One endpoint, or None after complaining."""
    before = len(table.problems.lines)
    name = table.text("name") or ""
    if name and not _NAME.fullmatch(name):
        table.complain("name", "use 1 to 64 of a-z, 0-9, - and _, such as: crm")
    networks = tuple(
        network
        for n, text in enumerate(table.texts("allow_networks"))
        if (network := _network(table, f"allow_networks[{n}]", text)) is not None
    )
    connector = _connector(table, networks) if table.has("connector") else None
    if connector is not None:
        for own in ("url", "secrets", "format"):
            if table.has(own):
                table.complain(own, "does not go with a connector: it is said in settings:")
                table.ask(own)
    url, keys = ("", ()) if table.has("connector") else _plain(table, networks)
    known = list(Type) if connector is None else list(connector.connector.events)
    types = tuple(table.texts("types"))
    for n, pattern in enumerate(types):
        if not any(fnmatchcase(type_, pattern) for type_ in known):
            what = "event type; docs/events.md lists them"
            if connector is not None:
                what = f"event the connector takes: {', '.join(known)}"
            table.complain(f"types[{n}]", f"matches no {what}")
    if not types:
        types = ("*",) if connector is None else tuple(known)
    endpoint = Endpoint(
        name=name,
        url=url,
        keys=keys,
        types=types,
        kinds=_choice(table, "class", _KINDS, frozenset(Kind)),
        format=_choice(table, "format", {str(one): one for one in Format}, Format.STANDARD),
        timeout_s=_seconds(table, "timeout", TIMEOUT_S, 0.1, 60.0),
        concurrency=_count(table, "concurrency", 8, CONCURRENCY_MAX),
        retry_s=_waits(table),
        allow_networks=networks,
        ca_file=_file(table, "ca_file"),
        connector=connector,
        headers=_headers(table),
    )
    table.finish()
    return endpoint if len(table.problems.lines) == before else None


def _plain(table: Table, networks: Sequence[net.Network]) -> tuple[str, tuple[bytes, ...]]:
    """The URL and the keys of a plain webhook."""
    before = len(table.problems.lines)
    url = table.text("url") or ""
    if url:
        _check_url(table, "url", url, networks)
    keys = tuple(
        key
        for n, text in enumerate(table.texts("secrets"))
        if (key := _key(table, f"secrets[{n}]", text)) is not None
    )
    if not table.has("secrets"):
        table.complain(
            "secrets", "is missing: give a list of one or two, made by crm-bridge secret"
        )
    elif not keys and len(table.problems.lines) == before:
        table.complain("secrets", "is empty: nothing is sent unsigned; make one: crm-bridge secret")
    return url, keys


def _connector(table: Table, networks: Sequence[net.Network]) -> Bound | None:
    """The connector an endpoint names, with its settings; None after complaining."""
    name = table.text("connector") or ""
    table.ask("settings")
    if is_file(name):
        name = str(Path(table.problems.source).parent / name)
    elif name not in shipped():
        table.complain(
            "connector",
            f"is not known: use one of {', '.join(shipped())}, or the file of your own, such as "
            "./my-crm.yaml",
        )
        return None
    try:
        found = load_connector(name)
    except FileError as error:
        table.complain("connector", "cannot be used:")
        table.problems.lines += error.faults
        return None
    return bind(table, found, lambda inner, field, text: _check_url(inner, field, text, networks))


_KINDS: dict[str, frozenset[Kind]] = {
    "all": frozenset(Kind),
    "realtime": frozenset({Kind.REALTIME}),
    "durable": frozenset({Kind.DURABLE}),
}


def _check_url(table: Table, name: str, text: str, networks: Sequence[net.Network]) -> None:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("https", "http") or not url.host:
        table.complain(name, "is no web address: write it as https://crm.example.com/path")
        return
    if url.user is not None or url.password is not None:
        table.complain(name, "holds a user name or password: use headers: instead")
    if url.scheme == "http" and not networks:
        table.complain(
            name,
            "is not encrypted: use https://, or list the receiver's private network in "
            "allow_networks",
        )
        return
    try:
        net.check_url(url, networks)
    except net.ForbiddenAddress as error:
        table.complain(name, str(error))


def _network(table: Table, where: str, text: str) -> net.Network | None:
    try:
        return ip_network(text)
    except ValueError:
        table.complain(where, "is no network: write it as 10.1.0.0/16 or fd00::/8")
        return None


def _key(table: Table, where: str, text: str) -> bytes | None:
    try:
        return signing.decode_secret(text)
    except signing.SecretError as error:
        table.complain(where, str(error))
        return None


def _choice(table: Table, name: str, choices: Mapping[str, T], default: T) -> T:
    text = table.text(name, default="")
    if not text:
        return default
    if text not in choices:
        table.complain(name, f"use one of: {', '.join(choices)}")
        return default
    return choices[text]


def _seconds(table: Table, name: str, default: float, least: float, most: float) -> float:
    text = table.text(name, default="")
    if not text:
        return default
    value = duration_s(text)
    if value is None or not least <= value <= most:
        table.complain(name, f"give a time from {least:g}s to {most:g}s, with its unit: 15s")
        return default
    return value


def _count(table: Table, name: str, default: int, most: int) -> int:
    text = table.text(name, default="")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        table.complain(name, f"give a whole number from 1 to {most}")
        return default
    return int(text)


def _waits(table: Table) -> tuple[float, ...]:
    texts = table.texts("retry")
    waits: list[float] = []
    for n, text in enumerate(texts):
        value = duration_s(text)
        if value is None or value > 7 * 86400:
            table.complain(f"retry[{n}]", "give a time with its unit, at most 7d: 5s, 30m, 2h")
        else:
            waits.append(value)
    return tuple(waits) if texts else RETRY_AFTER_S


def _file(table: Table, name: str) -> str | None:
    text = table.text(name, default="")
    if text and not Path(text).is_file():
        table.complain(name, "there is no such file: give the path of a PEM file")
    return text or None


def _headers(table: Table) -> dict[str, str]:
    headers = table.mapping("headers")
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) or name.lower().startswith(
            _RESERVED_HEADERS
        ):
            table.complain("headers", "has a name that is not allowed: the bridge sets it itself")
        elif not re.fullmatch(r"[ -~]{0,4096}", value):
            table.complain("headers", "has a value that is not printable ASCII")
    return headers
