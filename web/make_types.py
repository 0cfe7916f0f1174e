"""TypeScript types of what the server sends, from its OpenAPI document: web/src/api/schema.ts.

    python web/make_types.py            # writes the file
    python web/make_types.py --check    # exit code 1 when the file is not what it should be

Only the schemas that the application names (`WANTED`) and those they lead to. The server always
sends every field, so none is optional here, also where OpenAPI does not call it required.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from dialer.web.app import ROUTES  # noqa: E402 - from the checkout, installed or not
from dialer.web.openapi import document  # noqa: E402

TARGET = ROOT / "web" / "src" / "api" / "schema.ts"
WANTED = (
    "AgentView",
    "AgentRow",
    "AbandonedAnswer",
    "AuditAnswer",
    "BatchesAnswer",
    "BestTimes",
    "CampaignSettings",
    "CampaignView",
    "Chart",
    "CustomerView",
    "CustomersAnswer",
    "DeliveriesAnswer",
    "Detail",
    "DraftFile",
    "DraftView",
    "EndpointsAnswer",
    "EscalationView",
    "ExperimentsAnswer",
    "HoursAnswer",
    "KpiReport",
    "MonitorDesk",
    "OutcomesAnswer",
    "PageView",
    "PagesAnswer",
    "PageAnswer",
    "PhoneAnswer",
    "ReplayAnswer",
    "ScriptAnswer",
    "SessionAnswer",
    "Timeline",
    "Trace",
    "TransfersAnswer",
    "UndoneAnswer",
    "UploadView",
    "UsersAnswer",
    "VersionsAnswer",
    "WallboardPicture",
)
_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_REF = "#/components/schemas/"


def type_of(schema: dict[str, Any]) -> str:
    """The TypeScript of one JSON schema."""
    if "$ref" in schema:
        return str(schema["$ref"].removeprefix(_REF))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return " | ".join(dict.fromkeys(type_of(one) for one in schema[many]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PLAIN[one] for one in kind)
    if kind == "array":
        inside = type_of(schema.get("items", {}))
        return f"({inside})[]" if " " in inside else f"{inside}[]"
    if kind == "object" and "properties" not in schema:
        values = schema.get("additionalProperties")
        return f"Record<string, {type_of(values) if isinstance(values, dict) else 'unknown'}>"
    return _PLAIN.get(str(kind), "unknown")


def declared(name: str, schema: dict[str, Any]) -> str:
    words = " ".join(str(schema.get("description", "")).split())
    head = f"/** {words} */\n" if words else ""
    if "properties" not in schema:
        return f"{head}export type {name} = {type_of(schema)};\n"
    lines = [f"  {field}: {type_of(of)};" for field, of in schema["properties"].items()]
    return "\n".join([f"{head}export interface {name} {{", *lines, "}", ""])


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_REF)
        for part in schema.values():
            yield from _refs(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _refs(part)


def rendered() -> str:
    schemas = document(ROUTES, "")["components"]["schemas"]
    left, found = list(WANTED), set[str]()
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _refs(schemas[name])
    parts = [declared(name, schemas[name]) for name in sorted(found)]
    return "\n".join(
        ["// Made by web/make_types.py from the OpenAPI document; do not edit.", "", *parts]
    )


def main() -> int:
    text = rendered()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET.relative_to(ROOT)} is not what the server sends: make web", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
