"""What a connector would send for an event, to look at: exact, but for secrets, and never sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from crm_bridge.events import Type
from crm_bridge.mapping.auth import Credentials
from crm_bridge.mapping.context import Told, event_context, settings_context
from crm_bridge.mapping.model import Bound, Once, Step
from crm_bridge.mapping.pick import PickError
from crm_bridge.mapping.prepare import MappingError, Prepared, prepare
from crm_bridge.mapping.transforms import Placeholder
from crm_bridge.ports import Clock
from yamlmarks import FileError

EVENT_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One step: its request, or why there is none; `note` is for people."""

    step: str
    note: str
    request: Prepared | None = None

    def text(self) -> str:
        """As HTTP would have it; the body as it is."""
        lines = [f"# {self.step}: {self.note}"]
        if self.request is not None:
            lines.append(f"{self.request.method} {self.request.url}")
            lines += [f"{name}: {value}" for name, value in sorted(self.request.headers.items())]
            if self.request.body is not None:
                lines += ["", self.request.body.decode()]
        return "\n".join(lines) + "\n"


def read_event(path: Path) -> Told:
    """An event as a plain webhook would bring it: {type, timestamp, data}. Raises `FileError`."""
    try:
        if path.stat().st_size > EVENT_BYTES_MAX:
            raise FileError([f"{path}: is larger than {EVENT_BYTES_MAX} bytes: it is no event"])
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError([f"{path}: cannot be read: {error.strerror}"]) from error
    except json.JSONDecodeError as error:
        raise FileError([f"{path}:{error.lineno}: is not valid JSON: {error.msg}"]) from None
    except (ValueError, RecursionError):
        raise FileError([f"{path}:1: is not JSON in UTF-8"]) from None
    if not isinstance(found, dict):
        raise FileError([f'{path}:1: needs an object: {{"type", "timestamp", "data"}}'])
    problems = []
    if found.get("type") not in set(Type):
        problems.append(f"{path}: type: is no event; docs/events.md lists them")
    if not isinstance(found.get("data"), dict):
        problems.append(f"{path}: data: is missing: give the object that docs/events.md describes")
    elif not isinstance(found["data"].get("lead", {}), dict | None):
        problems.append(f"{path}: data.lead: is no object; see docs/events.md")
    at = 0.0
    try:
        at = datetime.fromisoformat(str(found.get("timestamp"))).timestamp()
    except ValueError:
        problems.append(f"{path}: timestamp: is no time: write it as 2026-03-02T09:00:00Z")
    if problems:
        raise FileError(problems)
    key = f"lead:{(found['data'].get('lead') or {}).get('id', '')}"
    id_ = str(found.get("id", "msg_example"))
    return Told(id_, found["type"], at, key, found.get("sequence"), found["data"])


def preview(bound: Bound, told: Told, known: Mapping[str, str], clock: Clock) -> Iterator[Shown]:
    """Every step of the event in turn; `known` are ids captured before.

    What a step would capture stands in the later ones as `<name>`. Raises `MappingError`.
    """
    connector = bound.connector
    settings = settings_context(connector.settings, bound.settings, masked=True)
    credentials = Credentials(connector.auth, settings, clock)
    refs, new = dict(known), dict[str, bool]()
    for step in connector.events.get(told.type, ()):
        context = event_context(told, settings, refs, new)
        names = list(step.request.capture)
        if not _applies(connector.source, step, context):
            yield Shown(step.name, f"not sent: {step.when.source if step.when else ''} is not so")
            continue
        if names and all(name in refs for name in names):
            yield Shown(step.name, f"not sent: {', '.join(names)} is known")
            continue
        request = credentials.masked(prepare(connector, step, step.request, context))
        yield Shown(step.name, _note(step), request)
        if step.find is not None:
            found = credentials.masked(prepare(connector, step, step.find, context))
            yield Shown(f"{step.name}, only after a lost answer", "looks for the record", found)
        if not step.optional:
            refs.update({name: Placeholder(f"<{name}>") for name in names})
            new.update(dict.fromkeys(names, True))


def _applies(source: str, step: Step, context: Mapping[str, Any]) -> bool:
    try:
        return step.when is None or bool(step.when.find(context))
    except PickError as error:
        raise MappingError(f"{source}: step {step.name}: when {error}") from None


def _note(step: Step) -> str:
    why = {
        Once.UPSERT: "may be repeated",
        Once.HEADER: f"told apart by {step.key_header}",
        Once.FIND: "looked for before it is repeated",
        Once.ONCE: "not repeated when its answer is lost",
    }[step.once]
    names = ", ".join(step.request.capture)
    return f"{why}; captures {names} for the {step.keep}" if names else why
