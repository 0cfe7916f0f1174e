"""The catalogue of events, `docs/events.md`, made from the schemas.

python -m crm_bridge.catalogue            print it
python -m crm_bridge.catalogue --write    write docs/events.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from crm_bridge.events import Type

_HEAD = """\
# Events

<!-- made by `python -m crm_bridge.catalogue --write` from crm_bridge/schemas; do not edit -->

Every event is one HTTP POST whose body is `{"type", "timestamp", "sequence", "data"}`; `data` is
described below and, for machines, in `crm_bridge/schemas/<type>.json`. A type never changes its
meaning. New fields may be added: ignore what you do not know.

Requests follow [Standard Webhooks](https://www.standardwebhooks.com/): the header `webhook-id`
stays the same over all attempts, so it tells repetitions; `webhook-timestamp` is the attempt's
time; `webhook-signature` holds one signature, or two while a secret is being changed. Answer 2xx
within the endpoint's timeout (15 s unless configured) and work afterwards.

**Durable** events come at least once. About one lead they come in order, `sequence` rising; about
different leads in any order. What is not answered with 2xx is tried again for three days and then
kept as a dead letter, which can be replayed. **Real-time** events are sent at once or not at all,
and carry no `sequence`.

Some things have no type: nobody takes a number off the do-not-call list here, and an import is told
as a whole (`list.import_finished`), not lead by lead (there is no `lead.imported`): the system that
sent a list of a million would hear a million times what it knows.
"""


@cache
def schema(type_: str) -> dict[str, Any]:
    """The JSON Schema of a type's `data`. Raises `FileNotFoundError` for what is no type."""
    text = files("crm_bridge").joinpath("schemas", f"{type_}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def page() -> str:
    """The whole page."""
    lines = [_HEAD, "| type | travels | |", "|---|---|---|"]
    for type_ in Type:
        anchor = type_.replace(".", "")
        lines.append(f"| [`{type_}`](#{anchor}) | {type_.kind} | {schema(type_)['title']} |")
    for type_ in Type:
        found = schema(type_)
        lines += [
            "",
            f"## {type_}",
            "",
            f"{found['title']}. {found.get('description', '')}".strip(),
        ]
        lines += ["", "| field | type | |", "|---|---|---|", *_rows(found, "")]
    return "\n".join(lines) + "\n"


def _rows(found: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, field in found["properties"].items():
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        text = " or ".join(kinds)
        if field.get("format") == "date-time":
            text += ", date and time"
        meaning = field.get("description", "")
        if "enum" in field:
            meaning += " One of: " + ", ".join(f"`{one}`" for one in field["enum"] if one) + "."
        yield f"| `{prefix}{name}` | {text} | {meaning} |"
        if "properties" in field:
            yield from _rows(field, f"{prefix}{name}.")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        Path("docs/events.md").write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    _main()
